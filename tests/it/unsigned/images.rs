//! Images by their names and digests: retagged, swapped, dressed as something else, there already.

use serde_json::json;
use wharf::{ErrorKind, Name, Options, Selection, Source as _, copy::Referrers};
use wharf_testkit::sha256;

use super::world::{IMAGE, INDEX, SIMPLE_SIGNING, World, entry, index};

#[tokio::test(flavor = "multi_thread")]
async fn t170_the_image_that_is_judged_is_the_one_that_is_stored() {
    let world = World::new().await;
    let (signed, unsigned) = (
        world.image("signed", &json!({})),
        world.image("unsigned", &json!({})),
    );
    world.attach(&signed, &signed);
    let (digest, other) = (sha256(signed.as_bytes()), sha256(unsigned.as_bytes()));
    world.put(IMAGE, &signed, &["1"]);
    world.put(IMAGE, &unsigned, &["2"]);
    assert_eq!(
        world.pull(&world.named("1"), Options::default()).await.unwrap(),
        digest
    );
    world
        .refused(&world.named("2"), Options::default(), "a tag")
        .await;
    let by_digest = format!("{}@{other}", world.repository());
    world.refused(&by_digest, Options::default(), "a digest").await;
    let by_both = format!("{}@{other}", world.named("1"));
    world
        .refused(&by_both, Options::default(), "the signed tag with another digest")
        .await;

    // The signature of another image.
    world.attach(&signed, &unsigned);
    world
        .refused(&world.named("2"), Options::default(), "the signature of another")
        .await;
    // The tag is moved after it was read, or before; each answer is another.
    for answers in [
        [signed.as_str(), &unsigned, &unsigned, &unsigned],
        [&signed, &signed, &unsigned, &unsigned],
        [&unsigned, &signed, &signed, &signed],
        [&unsigned, &signed, &unsigned, &signed],
    ] {
        let answers = answers.map(|text| (IMAGE, text));
        world.answers("moving", &answers);
        match world.pull(&world.named("moving"), Options::default()).await {
            Ok(pulled) => assert_eq!(pulled, digest),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Rejected, "{error}"),
        }
    }
    // The right name for other bytes.
    world.answers(digest.as_str(), &[(IMAGE, &unsigned)]);
    let by_digest = format!("{}@{digest}", world.repository());
    assert!(world.pull(&by_digest, Options::default()).await.is_err());
    world.put(IMAGE, &signed, &[]);
    // Other bytes of a layer.
    let layer = sha256(b"signed").to_string();
    world
        .served
        .lock()
        .unwrap()
        .blobs
        .insert(layer, b"sigmed".to_vec());
    let error = world
        .pull(&world.named("1"), Options::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
}

/// An image is judged by how it was asked for, whatever it says that it is.
#[tokio::test(flavor = "multi_thread")]
async fn t174_an_image_dressed_as_something_else_is_judged() {
    let world = World::new().await;
    let signed = world.image("signed", &json!({}));
    let attachment = world.attach(&signed, &signed);
    world.put(IMAGE, &signed, &["1"]);
    let subject =
        json!({"mediaType": IMAGE, "digest": sha256(signed.as_bytes()).to_string(), "size": signed.len()});
    let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let dressed = [
        world.image("referrer", &json!({"subject": subject})),
        world.image("bundle", &json!({"subject": subject, "artifactType": bundle})),
        world.image("artifact", &json!({"artifactType": "text/plain"})),
    ];
    for text in &dressed {
        world.put(IMAGE, text, &["dressed"]);
        world
            .refused(&world.named("dressed"), Options::default(), text)
            .await;
        world.refused(&world.named("dressed"), Selection::All, text).await;
    }
    // The attachment itself, and an image in its place, asked for by name.
    let tag = sha256(signed.as_bytes()).to_string().replace(':', "-") + ".sig";
    world
        .refused(&world.named(&tag), Options::default(), "the attachment")
        .await;
    assert!(attachment.contains(SIMPLE_SIGNING));
    world.put(IMAGE, &dressed[0], &[&tag]);
    world
        .refused(
            &world.named(&tag),
            Options::default(),
            "an image as the attachment",
        )
        .await;
    world
        .refused(&world.named("1"), Options::default(), "without its attachment")
        .await;
    world.attach(&signed, &signed);

    // Referrers come along, and are no image of the store by name.
    let list = index(&[entry(IMAGE, &dressed[0])]);
    let digest = sha256(signed.as_bytes());
    world.put(INDEX, &list, &[&digest.as_str().replace(':', "-")]);
    let store = world.store("referrers").await;
    let options = Options::default().with_referrers(Referrers::default());
    let pulled = world
        .client()
        .pull_with(&world.named("1"), &store, options)
        .await
        .unwrap();
    assert_eq!(*pulled.digest(), digest);
    let names: Vec<_> = store
        .images()
        .await
        .unwrap()
        .iter()
        .filter_map(|image| image.name().cloned())
        .collect();
    assert_eq!(names, [pulled.name().clone()]);
    let stored = store.manifest(&pulled.name().clone().into()).await.unwrap();
    assert_eq!(*stored.digest(), digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_judged_again() {
    let world = World::new().await;
    let unsigned = world.image("unsigned", &json!({}));
    world.put(IMAGE, &unsigned, &["1"]);
    let store = world.store("store").await;
    world.careless().pull(&world.named("1"), &store).await.unwrap();
    let error = world.client().pull(&world.named("1"), &store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    // Out of the store no signature comes along.
    let name: Name = store.images().await.unwrap()[0].name().cloned().unwrap();
    let error = world
        .client()
        .push(&store, &name, &world.named("2"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
}
