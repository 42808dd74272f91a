//! Rows of contents that are damaged, and what heals them.

use std::sync::Arc;

use bytes::Bytes;
use wharf_content::{ErrorKind, Manifest, Verified};
use wharf_reference::Algorithm;
use wharf_registry::{
    Backend as _, Change, Commit, Content as _, GcOptions, ManifestRecord, NewContent, Outcome, Record,
    RecordKey, Records as _, RepositoryPath, StoredContent,
};
use wharf_registry_object::{ObjectBackend, ObjectOptions};
use wharf_testkit::require_peers;

use super::{Engines, app, path, push, read, stored};

/// A reader that meets the damage, or a push, puts the content in quarantine; the push heals it.
#[tokio::test]
async fn content_of_a_damaged_row_is_healed_by_the_next_push() {
    require_peers!("postgres", "psql");
    for damage in [
        "sizes = '{-5}'",
        "sizes = '{4}'",
        "sizes = '{6}'",
        "sizes = '{5,5}'",
        "sizes = '{NULL}'",
        "objects = '{NULL}'",
        "objects = '{}', sizes = '{}'",
        "objects = '{\"\"}'",
        "objects = '{../../../etc}'",
        "objects = objects || objects, sizes = sizes || sizes",
    ] {
        for is_read in [true, false] {
            let engines = Engines::new();
            let backend = engines.open().await;
            let content = push(&backend, &app(), b"layer").await;
            engines.see(&format!("UPDATE contents SET {damage}"));
            if is_read {
                let error = read(&backend, &content, 0..5).await.expect_err(damage);
                assert!(
                    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound),
                    "{damage}: {error}"
                );
                let there = backend.are_present(std::slice::from_ref(&content)).await;
                assert_eq!(there.expect("an answer"), [false], "{damage}");
            }
            push(&backend, &app(), b"layer").await;
            let healed = stored(&backend, &app(), &content.digest).await;
            assert_eq!(
                read(&backend, &healed, 0..5).await.expect(damage),
                b"layer",
                "{damage}"
            );
        }
    }
}

const DOCUMENT: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// A manifest, and the commit that links it.
fn manifest() -> (NewContent, Commit) {
    let document = Bytes::from_static(DOCUMENT);
    let manifest = Manifest::parse(document.clone(), None).expect("a manifest");
    let record = Arc::new(ManifestRecord::of(&manifest, None));
    let record = Record::Manifest(manifest.digest().clone(), record);
    let commit = Commit::new(vec![Change::Put(record)]).expect("random bits");
    let verified = Verified::of(Algorithm::Sha256, &document).expect("a digest");
    (NewContent::Bytes(document, verified), commit)
}

/// Pushes the manifest, and returns it as its record names it.
async fn push_manifest(backend: &ObjectBackend, repository: &RepositoryPath) -> StoredContent {
    let (new, commit) = manifest();
    let linked = backend.link(repository, new, commit).await;
    assert_eq!(linked.expect("an outcome"), Outcome::Committed);
    stored_manifest(backend, repository).await
}

async fn stored_manifest(backend: &ObjectBackend, repository: &RepositoryPath) -> StoredContent {
    let (new, _) = manifest();
    let keys = [RecordKey::Manifest(new.digest().clone())];
    match backend
        .values(repository, &keys)
        .await
        .expect("values")
        .as_slice()
    {
        [Some(Record::Manifest(digest, record))] => record.content(digest),
        values => panic!("{values:?}"),
    }
}

#[tokio::test]
async fn a_manifest_whose_row_is_damaged_is_not_served_and_healed_by_a_push() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let content = push_manifest(&backend, &app()).await;
    let whole = 0..content.size;
    assert_eq!(
        read(&backend, &content, whole.clone()).await.expect("bytes"),
        DOCUMENT
    );
    assert_eq!(
        read(&backend, &content, 1..4).await.expect("bytes"),
        &DOCUMENT[1..4]
    );
    engines.see("UPDATE contents SET bytes = set_byte(bytes, 3, 7)");
    for kind in [ErrorKind::Corrupt, ErrorKind::NotFound] {
        let damaged = read(&backend, &content, whole.clone())
            .await
            .expect_err("damaged");
        assert_eq!(damaged.kind(), kind, "{damaged}");
    }
    let healed = push_manifest(&backend, &app()).await;
    assert_eq!(read(&backend, &healed, whole).await.expect("bytes"), DOCUMENT);
}

/// Whoever has read damaged bytes leaves those alone that have come in their place meanwhile.
#[tokio::test]
async fn content_that_was_healed_meanwhile_is_not_put_in_quarantine() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let (blob, manifest) = (
        push(&backend, &app(), b"layer").await,
        push_manifest(&backend, &app()).await,
    );
    let mut healed = Vec::new();
    for _ in 0..2 {
        backend.quarantine(&blob).await.expect("in quarantine");
        backend.quarantine(&manifest).await.expect("in quarantine");
        if healed.is_empty() {
            let there = backend.are_present(&[blob.clone(), manifest.clone()]).await;
            assert_eq!(there.expect("an answer"), [false, false], "what was read");
            healed.push(push(&backend, &app(), b"layer").await);
            healed.push(push_manifest(&backend, &app()).await);
        }
    }
    let there = backend.are_present(&healed).await;
    assert_eq!(
        there.expect("an answer"),
        [true, true],
        "what has come in its place"
    );
}

/// Each repository has content of its own, of which some is in quarantine, some damaged without anybody's knowledge, and some whole.
#[tokio::test]
async fn a_push_heals_all_repositories_whichever_content_they_link() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let mut options = ObjectOptions::default();
    options.share = false;
    let backend = engines.open_with(options).await.expect("a backend");
    let repositories: Vec<_> = (0..5).map(|number| path(&format!("app{number}"))).collect();
    let mut blobs = Vec::new();
    for repository in &repositories {
        blobs.push(push(&backend, repository, b"layer").await);
        push_manifest(&backend, repository).await;
    }
    // Manifests are shared, unless what others have is damaged.
    engines.see(
        "WITH copies AS (INSERT INTO contents (digest, size, bytes)
             SELECT c.digest, c.size, c.bytes FROM contents c, generate_series(1, 5) WHERE bytes IS NOT NULL RETURNING id)
         UPDATE manifests m SET content = (SELECT min(id) FROM copies) + m.repository - 1",
    );
    assert_eq!(
        engines.see("SELECT count(DISTINCT content) FROM manifests"),
        "5",
        "each has its own"
    );
    for repository in &repositories[..4] {
        let manifest = stored_manifest(&backend, repository).await;
        backend.quarantine(&manifest).await.expect("in quarantine");
    }
    for blob in &blobs[..3] {
        backend.quarantine(blob).await.expect("in quarantine");
    }
    engines.see(
        "UPDATE contents SET objects = ARRAY['00000000000000000000000000000000']
         WHERE id = (SELECT content FROM blobs ORDER BY repository OFFSET 3 LIMIT 1)",
    );
    push(&backend, &path("elsewhere"), b"layer").await;
    push_manifest(&backend, &path("elsewhere")).await;
    for repository in &repositories {
        let blob = stored(&backend, repository, &blobs[0].digest).await;
        let read = read(&backend, &blob, 0..5).await;
        assert_eq!(read.expect("bytes"), b"layer", "{repository}");
        let manifest = stored_manifest(&backend, repository).await;
        let read = super::read(&backend, &manifest, 0..manifest.size).await;
        assert_eq!(read.expect("bytes").len() as u64, manifest.size, "{repository}");
    }
    let usage = "SELECT count(*), sum(bytes) = 6 * (SELECT sum(size) FROM (SELECT DISTINCT digest, size FROM contents) AS c)
         FROM repository_usage";
    assert_eq!(
        engines.see(usage),
        "6|t",
        "the bytes of the links are what they were"
    );
    backend
        .collect(&GcOptions::default())
        .await
        .expect("a collection");
    let left = "SELECT count(*), count(quarantined) FROM contents WHERE objects IS NOT NULL";
    assert_eq!(engines.see(left), "1|0", "what nobody links any more goes");
}
