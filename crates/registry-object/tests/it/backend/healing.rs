//! Rows of contents that are damaged, and what heals them.

use std::sync::Arc;

use bytes::Bytes;
use wharf_content::{ErrorKind, Manifest, Verified};
use wharf_reference::Algorithm;
use wharf_registry::{
    Change, Commit, Content as _, ManifestRecord, NewContent, Outcome, Record, RecordKey, Records as _,
};
use wharf_testkit::require_peers;

use super::{Engines, app, push, read, stored};
use crate::races::Session;

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

/// A reader that has read damaged bytes leaves those alone that have replaced them meanwhile.
#[tokio::test]
async fn a_row_that_was_healed_meanwhile_is_not_put_in_quarantine() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let document = Bytes::from_static(
        br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
    );
    let manifest = Manifest::parse(document.clone(), None).expect("a manifest");
    let record = Arc::new(ManifestRecord::of(&manifest, None));
    let record = Record::Manifest(manifest.digest().clone(), record);
    let commit = Commit::new(vec![Change::Put(record)]).expect("random bits");
    let verified = Verified::of(Algorithm::Sha256, &document).expect("a digest");
    let new = NewContent::Bytes(document.clone(), verified);
    let linked = backend.link(&app(), new, commit).await;
    assert_eq!(linked.expect("an outcome"), Outcome::Committed);
    let keys = [RecordKey::Manifest(manifest.digest().clone())];
    let content = match backend.values(&app(), &keys).await.expect("values").as_slice() {
        [Some(Record::Manifest(digest, record))] => record.content(digest),
        values => panic!("{values:?}"),
    };
    engines.see("UPDATE contents SET bytes = set_byte(bytes, 3, 7)");
    let healer = Session::connect(&engines.url).await;
    let id = healer.run("SELECT pg_backend_pid()").await.concat();
    let text = std::str::from_utf8(&document).expect("text");
    let heal = format!("UPDATE contents SET bytes = convert_to('{text}', 'UTF8')");
    healer.run(&format!("BEGIN; {heal}")).await;
    let whole = 0..document.len() as u64;
    let reading = read(&backend, &content, whole.clone());
    let healing = async {
        let waits = format!("SELECT count(*) FROM pg_stat_activity WHERE {id} = ANY (pg_blocking_pids(pid))");
        while engines.see(&waits) == "0" {
            tokio::task::yield_now().await;
        }
        healer.run("COMMIT").await;
    };
    let (damaged, ()) = tokio::join!(reading, healing);
    assert_eq!(damaged.expect_err("it was damaged").kind(), ErrorKind::Corrupt);
    assert_eq!(read(&backend, &content, whole).await.expect("bytes"), document);
}
