use std::fs;

use wharf_content::ErrorKind;
use wharf_registry::Backend as _;
use wharf_registry_object::ObjectOptions;
use wharf_testkit::require_peers;

use super::{Engines, app, push, read};
use crate::races::Session;

#[tokio::test]
async fn a_store_and_a_database_that_belong_together_are_opened_again_and_others_refused() {
    require_peers!("postgres", "psql");
    let (one, other) = (Engines::new(), Engines::new());
    let opened: Vec<_> = futures_util::future::join_all((0..4).map(|_| one.open())).await;
    let content = push(&opened[0], &app(), b"layer").await;
    assert_eq!(
        read(&one.open().await, &content, 0..5).await.expect("bytes"),
        b"layer"
    );
    other.open().await;

    let format = one.directory.path().join("v1/format");
    let own = fs::read_to_string(&format).expect("a format");
    let foreign = fs::read_to_string(other.directory.path().join("v1/format")).expect("a format");
    for (text, kind, told) in [
        (
            foreign.as_str(),
            ErrorKind::Unsupported,
            "one of the two is another registry's",
        ),
        (
            &own.replace("\"writer\":1", "\"writer\":2"),
            ErrorKind::Unsupported,
            "run a newer release",
        ),
        (
            &own.replace("\"reader\":1", "\"reader\":9"),
            ErrorKind::Unsupported,
            "run a newer release",
        ),
        ("{}", ErrorKind::Corrupt, "cannot be read"),
        ("", ErrorKind::Corrupt, "cannot be read"),
        (
            &own.replace("\"registry\":\"", "\"registry\":\"x"),
            ErrorKind::Corrupt,
            "cannot be read",
        ),
        (&" ".repeat(100_000), ErrorKind::Corrupt, "too large"),
    ] {
        fs::write(&format, text).expect("written");
        let error = one.open_with(ObjectOptions::default()).await.expect_err(text);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(told), "{error}");
    }
    fs::remove_file(&format).expect("removed");
    let error = one
        .open_with(ObjectOptions::default())
        .await
        .expect_err("it has content elsewhere");
    assert!(error.to_string().contains("has been emptied"), "{error}");
    fs::write(&format, own.replace('{', "{\"since\":\"later\",")).expect("written");
    one.open().await;
}

#[tokio::test]
async fn objects_lie_below_the_prefix() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    for (prefix, found) in [("registries/one", true), ("../elsewhere", false), ("a//b", false)] {
        let mut options = ObjectOptions::default();
        options.prefix = prefix.to_owned();
        match engines.open_with(options).await {
            Ok(backend) => {
                assert!(found, "{prefix}");
                push(&backend, &app(), b"layer").await;
                assert!(engines.directory.path().join(prefix).join("v1/data").is_dir());
                assert!(!engines.directory.path().join("v1").exists());
            }
            Err(error) => {
                assert!(!found, "{prefix}: {error}");
                assert_eq!(error.kind(), ErrorKind::Invalid);
            }
        }
    }
}

#[tokio::test]
async fn an_inventory_is_counted_when_a_backend_is_opened() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    push(&engines.open().await, &app(), b"layer").await;
    engines.see(
        "INSERT INTO doomed (object) VALUES ('one'), ('other'); INSERT INTO subscribers (name) VALUES ('a'), ('b');
         INSERT INTO event_positions (subscriber, repository, accepted, last)
             SELECT s.id, r.id, 1, 4 FROM subscribers s, repositories r",
    );
    let inventory = engines.open().await.inventory();
    assert_eq!(
        (inventory.repositories, inventory.blobs, inventory.bytes),
        (1, 1, 5)
    );
    assert_eq!((inventory.doomed, inventory.events), (2, 6));
}

#[tokio::test]
async fn a_count_that_fails_or_takes_long_keeps_no_process_from_starting() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    push(&engines.open().await, &app(), b"layer").await;
    engines.see("UPDATE repository_usage SET bytes = -1");
    assert_eq!(engines.open().await.inventory().blobs, 0, "a number is damaged");
    engines.see("UPDATE repository_usage SET bytes = 5");
    let holder = Session::connect(engines.url()).await;
    holder.run("BEGIN; LOCK TABLE tags").await;
    let backend = engines.open().await;
    assert_eq!(backend.inventory().blobs, 0, "it was not counted yet");
    holder.run("COMMIT").await;
    while backend.inventory().blobs == 0 {
        tokio::task::yield_now().await;
    }
}
