//! Processes of two releases over the same engines, as there are while one replaces the other. The other release is played by
//! statements and files: it has one column and one version more.

use std::fs;

use wharf_content::ErrorKind;
use wharf_registry::{
    Backend as _, Change, Commit, GcOptions, Outbox as _, Outcome, Record, RecordKey, RecordRange,
    Records as _, Uploads as _,
};
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl, Migrate, ObjectBackend};
use wharf_testkit::require_peers;

use crate::backend::{Engines, app, push, read};

/// The next release migrates: processes of this one may go on.
const EXTENDED: &str = "ALTER TABLE tags ADD COLUMN pinned boolean; CREATE TABLE pins (tag text);
    INSERT INTO schema_versions (version, oldest) SELECT max(version) + 1, max(oldest) FROM schema_versions";
/// The next release migrates: nobody else may write any more.
const REPLACED: &str = "INSERT INTO schema_versions (version, oldest) SELECT max(version) + 1, max(version) + 1 FROM schema_versions";

async fn tag(backend: &ObjectBackend, name: &str, target: &str) -> Result<Outcome, wharf_content::Error> {
    let tag = wharf_reference::Tag::parse(name).expect("a tag");
    let record = Record::Tag(tag, wharf_testkit::sha256(target.as_bytes()));
    let commit = Commit::new(vec![Change::Put(record)]).expect("random bits");
    backend.commit(&app(), commit).await
}

#[tokio::test]
async fn two_releases_share_tables_that_one_of_them_has_extended() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let older = engines.open().await;
    assert_eq!(
        tag(&older, "before", "a").await.expect("an outcome"),
        Outcome::Committed
    );
    engines.see(EXTENDED);

    // The newer one writes what the older one does not know, and each reads what the other has written.
    engines.see("UPDATE tags SET pinned = true WHERE name = 'before'");
    older.ping().await.expect("it goes on");
    assert_eq!(
        tag(&older, "after", "b").await.expect("an outcome"),
        Outcome::Committed
    );
    let all = older
        .range(&app(), &RecordRange::Tags, "", 10)
        .await
        .expect("tags");
    assert_eq!(all.len(), 2);
    assert_eq!(
        engines.see("SELECT name, coalesce(pinned, false) FROM tags ORDER BY name"),
        "after|f\nbefore|t"
    );
    // What the older one moves keeps what it does not know.
    assert_eq!(
        tag(&older, "before", "c").await.expect("an outcome"),
        Outcome::Committed
    );
    assert_eq!(engines.see("SELECT pinned FROM tags WHERE name = 'before'"), "t");
    let content = push(&older, &app(), b"layer").await;
    older.collect(&GcOptions::default()).await.expect("a report");

    // An older one that is started again meanwhile, with and without the right to migrate.
    let again = engines.open().await;
    assert_eq!(read(&again, &content, 0..5).await.expect("bytes"), b"layer");
    let mut options = DatabaseOptions::default();
    options.migrate = Migrate::Never;
    let url = DatabaseUrl::parse(engines.url()).expect("a URL");
    Database::open(&url, options)
        .await
        .expect("nothing is to be migrated");
}

#[tokio::test]
async fn a_process_that_the_next_release_forbids_to_write_reads_on_and_changes_nothing() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let older = engines.open().await;
    let content = push(&older, &app(), b"layer").await;
    engines.see(REPLACED);
    let told = older.ping().await.expect_err("it is not ready");
    assert_eq!(told.kind(), ErrorKind::Unsupported, "{told}");
    assert!(told.to_string().contains("run a newer release"), "{told}");
    assert_refuses(&older, &content).await;
    let opened = engines
        .open_with(wharf_registry_object::ObjectOptions::default())
        .await;
    assert_eq!(
        opened.expect_err("nor is it started again").kind(),
        ErrorKind::Unsupported
    );
}

/// As one that was stopped when the next release migrated: it has not looked since.
#[tokio::test]
async fn a_process_that_has_not_looked_since_the_next_release_forbade_it_to_write_changes_nothing() {
    require_peers!("postgres", "psql");
    for change in ["commit", "collection", "upload"] {
        let engines = Engines::new();
        let older = engines.open().await;
        let content = push(&older, &app(), b"layer").await;
        engines.see(REPLACED);
        let refused = match change {
            "commit" => tag(&older, "later", "d").await.map(drop),
            "collection" => older.collect(&GcOptions::default()).await.map(drop),
            _ => older.begin(&"e".repeat(32), None).await,
        };
        let error = refused.expect_err(change);
        assert_eq!(error.kind(), ErrorKind::Denied, "{change}: {error}");
        assert!(
            error.to_string().contains("run a newer release"),
            "{change}: {error}"
        );
        assert_refuses(&older, &content).await;
    }
}

#[tokio::test]
async fn a_process_that_may_not_write_to_the_store_reads_on_and_changes_nothing() {
    require_peers!("postgres", "psql");
    for (member, value, part) in [
        ("writer", serde_json::json!(2), "run a newer release"),
        (
            "registry",
            serde_json::json!("f".repeat(32)),
            "another registry's",
        ),
    ] {
        let engines = Engines::new();
        let older = engines.open().await;
        let content = push(&older, &app(), b"layer").await;
        older.ping().await.expect("it is ready");
        let format = engines.directory().join("v1/format");
        let own = fs::read_to_string(&format).expect("a format");
        fs::remove_file(&format).expect("removed");
        let told = older.ping().await.expect_err("it is not ready");
        assert_eq!(told.kind(), ErrorKind::Network, "{told}");
        fs::write(&format, &own).expect("written");
        older.ping().await.expect("a store that comes back is used again");
        let mut other: serde_json::Value = serde_json::from_str(&own).expect("JSON");
        other[member] = value;
        fs::write(&format, other.to_string()).expect("written");
        let told = older.ping().await.expect_err("it is not ready");
        assert!(told.to_string().contains(part), "{told}");
        assert_refuses(&older, &content).await;
    }
}

/// Nothing is changed, and what is there is read. For clients it is an engine that is away.
async fn assert_refuses(backend: &ObjectBackend, content: &wharf_registry::StoredContent) {
    let refused = tag(backend, "later", "d").await.map(drop);
    let begun = backend.begin(&"f".repeat(32), None).await;
    let collected = backend.collect(&GcOptions::default()).await.map(drop);
    let lease = std::time::Duration::from_secs(60);
    let claimed = backend.database().claim("hook", lease, 1).await.map(drop);
    for (what, refused) in [
        ("commit", refused),
        ("begin", begun),
        ("collect", collected),
        ("claim", claimed),
    ] {
        let error = refused.expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Denied, "{what}: {error}");
        assert!(
            error.to_string().contains("must not change anything"),
            "{what}: {error}"
        );
    }
    let tag = wharf_reference::Tag::parse("later").expect("a tag");
    let found = backend.values(&app(), &[RecordKey::Tag(tag)]).await;
    assert_eq!(found.expect("an answer"), [None]);
    assert_eq!(read(backend, content, 0..5).await.expect("bytes"), b"layer");
}
