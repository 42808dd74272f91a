//! Mirrors of the registry whose images are signed.

use std::sync::atomic::AtomicUsize;

use serde_json::{Value, json};
use wharf::{Digest, Options};
use wharf_testkit::sha256;

use super::world::{IMAGE, SIMPLE_SIGNING, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_no_way_around_a_signature() {
    let world = World::new().await;
    let (mirror, content) = World::serve(&world.stage).await;
    let conf = format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        world.registry.name(),
        mirror.name()
    );
    world.host("registries.conf", &conf);
    let (signed, unsigned) = (
        world.image("signed", &json!({})),
        world.image("unsigned", &json!({})),
    );
    world.attach(&signed, &signed);
    world.put(IMAGE, &signed, &["1"]);
    let copy_of = |name: &str, text: &str| {
        let entry = (AtomicUsize::new(0), vec![(IMAGE.to_owned(), text.to_owned())]);
        content.lock().unwrap().manifests.insert(name.to_owned(), entry);
    };
    content
        .lock()
        .unwrap()
        .blobs
        .clone_from(&world.served.lock().unwrap().blobs);
    // The mirror has another image under the name, and no signature, or that of the signed one.
    copy_of("1", &unsigned);
    copy_of(sha256(unsigned.as_bytes()).as_str(), &unsigned);
    world
        .refused(&world.named("1"), Options::default(), "a mirror's image")
        .await;
    let digest = sha256(unsigned.as_bytes());
    let tag = |digest: &Digest| digest.to_string().replace(':', "-") + ".sig";
    let attachment = world.attach(&signed, &signed);
    copy_of(&tag(&digest), &attachment);
    content
        .lock()
        .unwrap()
        .blobs
        .clone_from(&world.served.lock().unwrap().blobs);
    world
        .refused(&world.named("1"), Options::default(), "with another's signature")
        .await;
    // The signature that the mirror was given under its own name is for another repository.
    let (payload, signature) = world.key.sign(&digest, &format!("{}/app", mirror.name()));
    let mut layer = world.blob(payload.as_bytes());
    layer["mediaType"] = json!(SIMPLE_SIGNING);
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signature});
    let mut manifest: Value = serde_json::from_str(&attachment).unwrap();
    manifest["layers"] = json!([layer]);
    copy_of(&tag(&digest), &manifest.to_string());
    content
        .lock()
        .unwrap()
        .blobs
        .clone_from(&world.served.lock().unwrap().blobs);
    world
        .refused(&world.named("1"), Options::default(), "signed as the mirror's")
        .await;
    // The signed image is accepted with the mirror's copy of its signature, and refused without.
    copy_of("1", &signed);
    copy_of(sha256(signed.as_bytes()).as_str(), &signed);
    world
        .refused(&world.named("1"), Options::default(), "no copy of the signature")
        .await;
    copy_of(&tag(&sha256(signed.as_bytes())), &attachment);
    let pulled = world.pull(&world.named("1"), Options::default()).await.unwrap();
    assert_eq!(pulled, sha256(signed.as_bytes()));
}
