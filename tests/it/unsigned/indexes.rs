//! Indexes that list what nobody signed.

use serde_json::json;
use wharf::{Options, Platform, Selection};
use wharf_testkit::sha256;

use super::world::{IMAGE, INDEX, World, entry, index};

#[tokio::test(flavor = "multi_thread")]
async fn t174_an_index_gets_nothing_accepted_that_is_not_signed_itself() {
    let world = World::new().await;
    let (signed, unsigned) = (
        world.image("signed", &json!({})),
        world.image("unsigned", &json!({})),
    );
    world.attach(&signed, &signed);
    let digest = sha256(signed.as_bytes());
    let of_signed = entry(IMAGE, &signed);
    let of_unsigned = entry(IMAGE, &unsigned);
    let mut elsewhere = of_unsigned.clone();
    elsewhere["platform"] = json!({"architecture": "s390x", "os": "linux"});

    world.put(
        INDEX,
        &index(&[of_signed.clone(), elsewhere.clone()]),
        &["sparse"],
    );
    assert_eq!(
        world
            .pull(&world.named("sparse"), Options::default())
            .await
            .unwrap(),
        digest
    );
    let nested = index(std::slice::from_ref(&of_unsigned));
    world.put(INDEX, &nested, &[]);
    let mut as_layer = entry("application/vnd.oci.image.layer.v1.tar", "unsigned");
    as_layer["size"] = json!(8);
    let mut as_image = entry(IMAGE, &nested);
    as_image["mediaType"] = json!(IMAGE);
    for (attempt, entries, selections) in [
        ("an unsigned instance", vec![of_unsigned.clone()], "host all"),
        (
            "an unsigned instance elsewhere",
            vec![of_signed.clone(), elsewhere.clone()],
            "all s390x",
        ),
        ("a nested index", vec![entry(INDEX, &nested)], "host all"),
        (
            "a nested index beside",
            vec![of_signed.clone(), entry(INDEX, &nested)],
            "all",
        ),
        ("nothing", vec![], "all"),
        ("a layer", vec![as_layer.clone()], "all"),
        ("a layer beside", vec![of_signed.clone(), as_layer], "all"),
        ("an index called an image", vec![as_image], "host all"),
        (
            "twice, as two types",
            vec![entry(INDEX, &unsigned), of_unsigned.clone()],
            "host all",
        ),
    ] {
        let text = index(&entries);
        world.put(INDEX, &text, &["index"]);
        // The signature of an index is none of its instances.
        for is_signed in [false, true] {
            if is_signed {
                world.attach(&text, &text);
            }
            for selection in selections.split(' ') {
                let selection = match selection {
                    "host" => Selection::default(),
                    "all" => Selection::All,
                    other => Selection::Platform(Platform::new("linux", other)),
                };
                let pulled = world.pull(&world.named("index"), selection).await;
                assert!(pulled.is_err(), "{attempt}: accepted {pulled:?}");
            }
        }
    }
    // An image that is served as an index, and an index as an image.
    let both = json!({"schemaVersion": 2, "manifests": [of_signed], "config": {}, "layers": []}).to_string();
    for (media_type, text) in [
        (INDEX, &unsigned),
        (IMAGE, &nested),
        (INDEX, &both),
        (IMAGE, &both),
    ] {
        world.put(media_type, text, &["confused"]);
        assert!(
            world
                .pull(&world.named("confused"), Options::default())
                .await
                .is_err()
        );
        assert!(
            world
                .pull(&world.named("confused"), Selection::All)
                .await
                .is_err()
        );
    }
}
