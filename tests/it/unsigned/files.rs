//! Files of the host that are swapped while images are judged.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;
use wharf::{ErrorKind, store::Layout};

use super::world::{IMAGE, Key, World};

/// Threat row T194: the policy counts as it was read, and its key files as they are at each judgement.
#[tokio::test(flavor = "multi_thread")]
async fn t194_files_that_are_swapped_make_no_unsigned_image_good() {
    let world = World::new().await;
    let key = world.root.path().join("key.pub");
    fs::write(&key, world.key.pem()).unwrap();
    let policy = json!({"default": [
        {"type": "sigstoreSigned", "keyPath": key, "signedIdentity": {"type": "matchRepository"}},
    ]});
    world.host("policy.json", &policy.to_string());
    let (signed, unsigned) = (
        world.image("signed", &json!({})),
        world.image("unsigned", &json!({})),
    );
    world.attach(&signed, &signed);
    world.put(IMAGE, &signed, &["1"]);
    world.put(IMAGE, &unsigned, &["2"]);
    let client = world.client();
    let pull = async |tag: &str| {
        let directory = tempfile::tempdir_in(world.root.path()).unwrap();
        let store = Layout::create(directory.path().join("store")).await.unwrap();
        client
            .pull(&world.named(tag), &store)
            .await
            .map(|pulled| pulled.digest().clone())
    };
    assert!(pull("1").await.is_ok());
    world.host(
        "policy.json",
        r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
    );
    assert_eq!(pull("2").await.unwrap_err().kind(), ErrorKind::Rejected);
    for content in [
        "",
        "no key",
        &Key::new().pem(),
        &world.key.pem().replace("PUBLIC", "PRIVATE"),
    ] {
        fs::write(&key, content).unwrap();
        for tag in ["1", "2"] {
            assert_eq!(
                pull(tag).await.unwrap_err().kind(),
                ErrorKind::Rejected,
                "{content}"
            );
        }
    }
    fs::remove_file(&key).unwrap();
    assert_eq!(pull("1").await.unwrap_err().kind(), ErrorKind::Rejected);
    // Somebody swaps the file for ever, between the good key, another and none.
    let stop = Arc::new(AtomicUsize::new(0));
    let (good, other, stopped, path) = (world.key.pem(), Key::new().pem(), Arc::clone(&stop), key.clone());
    let swapping = std::thread::spawn(move || {
        while stopped.load(Ordering::Relaxed) == 0 {
            for content in [&good, &other, ""] {
                let _ = fs::write(&path, content);
            }
            let _ = fs::remove_file(&path);
        }
    });
    for _ in 0..20 {
        let (good, bad) = (pull("1").await, pull("2").await);
        assert!(good.is_ok() || good.unwrap_err().kind() == ErrorKind::Rejected);
        assert_eq!(bad.unwrap_err().kind(), ErrorKind::Rejected);
    }
    stop.store(1, Ordering::Relaxed);
    swapping.join().unwrap();
}
