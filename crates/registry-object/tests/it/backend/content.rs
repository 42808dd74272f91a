use std::fs;

use bytes::Bytes;
use futures_util::StreamExt as _;
use wharf_content::ErrorKind;
use wharf_reference::Algorithm;
use wharf_registry::{
    Change, Commit, Content as _, NewContent, Outcome, RecordKey, Records as _, Refusal, Uploads as _,
};
use wharf_registry_object::ObjectOptions;
use wharf_testkit::require_peers;

use super::{Engines, app, id, incoming, path, proof, push, put, read, stored};

#[tokio::test]
async fn a_blob_of_several_objects_is_read_in_every_range() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let mut options = ObjectOptions::default();
    options.segment = 4;
    let backend = engines.open_with(options).await.expect("a backend");
    let id = id();
    backend.begin(&id, None).await.expect("an upload");
    let chunks = [&b"012"[..], b"3456", b"", b"7", b"89"].map(|chunk| Ok(Bytes::from_static(chunk)));
    let incoming = wharf_registry::Incoming::new(super::stream(chunks)).with_algorithm(Algorithm::Sha256);
    let written = backend.write(&id, 0, incoming).await.expect("a write");
    assert_eq!(written.offset, 10);
    let proof = written.hasher.expect("a hasher").prove().expect("a digest");
    assert_eq!(proof, super::proof(b"0123456789"));
    let digest = proof.digest().clone();
    let linked = backend
        .link(&app(), NewContent::Upload(id, proof), put(&digest, 10))
        .await;
    assert_eq!(linked.expect("an outcome"), Outcome::Committed);
    assert_eq!(engines.see("SELECT sizes FROM contents"), "{7,3}");
    let content = stored(&backend, &app(), &digest).await;
    for from in 0..=10_usize {
        for to in from..=10 {
            let range = from as u64..to as u64;
            let bytes = read(&backend, &content, range).await.expect("bytes");
            assert_eq!(bytes, &b"0123456789"[from..to]);
        }
    }
    assert_eq!(engines.see("SELECT count(*) FROM pending"), "0");
}

#[tokio::test]
async fn content_that_is_there_is_stored_once_unless_that_is_switched_off() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let first = push(&backend, &app(), b"layer").await;
    let second = push(&backend, &path("lib"), b"layer").await;
    assert_eq!(first, second);
    assert_eq!(engines.see("SELECT count(*) FROM contents"), "1");
    assert_eq!(
        engines.see("SELECT count(*) FROM doomed"),
        "1",
        "the bytes that were not needed"
    );
    let mut options = ObjectOptions::default();
    options.share = false;
    let apart = engines.open_with(options).await.expect("a backend");
    let third = push(&apart, &path("other"), b"layer").await;
    assert_ne!(first.id, third.id);
    for content in [first, third] {
        assert_eq!(read(&backend, &content, 0..5).await.expect("bytes"), b"layer");
    }
}

type Damage = fn(&std::path::Path);

/// Content whose object is gone, or has other bytes than were written: what a push finds, what a reader finds, what a
/// mount finds, and how it is healed for all who link it.
#[tokio::test]
async fn content_whose_object_is_damaged_is_missing_until_it_is_pushed_again() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let digest = proof(b"layer").digest().clone();
    let remove = |file: &std::path::Path| fs::remove_file(file).expect("removed");
    let cut = |file: &std::path::Path| fs::write(file, "lay").expect("written");
    let grow = |file: &std::path::Path| fs::write(file, "layer, and more").expect("written");
    let damages: [(Damage, ErrorKind); 3] = [
        (remove, ErrorKind::NotFound),
        (cut, ErrorKind::Corrupt),
        (grow, ErrorKind::Corrupt),
    ];
    for (number, (damage, kind)) in damages.into_iter().enumerate() {
        let (one, other) = (path(&format!("one/{number}")), path(&format!("other/{number}")));
        let content = push(&backend, &one, b"layer").await;
        let mount = |to| backend.link(to, NewContent::Stored(content.clone()), put(&digest, 5));
        assert_eq!(mount(&other).await.expect("an outcome"), Outcome::Committed);
        for file in engines.objects() {
            damage(&file);
        }
        let outcome = mount(&path("late")).await.expect("an outcome");
        assert_eq!(outcome, Outcome::Refused(Refusal::Content), "{number}");
        let missing = read(&backend, &content, 0..5)
            .await
            .expect_err("it is in quarantine");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert_eq!(
            backend
                .are_present(std::slice::from_ref(&content))
                .await
                .expect("an answer"),
            [false]
        );
        let healed = push(&backend, &one, b"layer").await;
        assert_eq!(
            stored(&backend, &other, &digest).await,
            healed,
            "for all who link it"
        );
        assert_eq!(read(&backend, &healed, 0..5).await.expect("bytes"), b"layer");

        for file in engines.objects() {
            damage(&file);
        }
        let damaged = read(&backend, &healed, 0..5).await.expect_err("damaged");
        assert_eq!(damaged.kind(), kind, "{damaged}");
        let missing = read(&backend, &healed, 0..5)
            .await
            .expect_err("it is in quarantine");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        push(&backend, &one, b"layer").await;
        for file in engines.objects() {
            damage(&file);
        }
        let found_by_push = push(&backend, &path("third"), b"layer").await;
        assert_eq!(
            read(&backend, &found_by_push, 0..5).await.expect("bytes"),
            b"layer"
        );
        for name in [one, other, path("third")] {
            let remove = Change::Remove(RecordKey::Blob(digest.clone()));
            let commit = Commit::new(vec![remove]).expect("random bits");
            assert_eq!(
                backend.commit(&name, commit).await.expect("an outcome"),
                Outcome::Committed
            );
        }
    }
}

/// Objects whose rows were swept may be deleted at any time, so they do not become content.
#[tokio::test]
async fn an_upload_whose_objects_were_swept_does_not_become_content() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let (id, proof) = (id(), proof(b"layer"));
    backend.begin(&id, None).await.expect("an upload");
    backend.write(&id, 0, incoming(b"layer")).await.expect("a write");
    engines.see("DELETE FROM pending");
    let digest = proof.digest().clone();
    let linked = backend
        .link(&app(), NewContent::Upload(id, proof), put(&digest, 5))
        .await;
    assert_eq!(linked.expect_err("it is gone").kind(), ErrorKind::NotFound);
    assert_eq!(engines.see("SELECT count(*) FROM contents"), "0");
    assert_eq!(engines.see("SELECT count(*) FROM blobs"), "0");
}

#[tokio::test]
async fn content_of_a_damaged_row_is_told() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let content = push(&backend, &app(), b"layer").await;
    for (damage, kind) in [
        ("UPDATE contents SET sizes = '{-5}'", ErrorKind::Corrupt),
        (
            "UPDATE contents SET sizes = '{5,5}', quarantined = NULL",
            ErrorKind::Corrupt,
        ),
        (
            "UPDATE contents SET sizes = '{5}', size = 6, quarantined = NULL",
            ErrorKind::NotFound,
        ),
        (
            "UPDATE contents SET size = 5, objects = '{../../../etc}', quarantined = NULL",
            ErrorKind::NotFound,
        ),
        (
            "UPDATE contents SET objects = '{\"\"}', quarantined = NULL",
            ErrorKind::NotFound,
        ),
    ] {
        engines.see(damage);
        let error = read(&backend, &content, 0..5).await.expect_err(damage);
        assert_eq!(error.kind(), kind, "{damage}: {error}");
    }
}

/// A file that is cut under a reader has no end that is waited for.
#[tokio::test]
async fn a_file_that_is_cut_while_it_is_read_ends_in_an_error() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let bytes = vec![7; 3 << 20];
    let content = push(&backend, &app(), &bytes).await;
    let mut stream = backend.read(&content, 0..content.size).await.expect("a stream");
    let first = stream.next().await.expect("a chunk").expect("bytes");
    let [file] = &engines.objects()[..] else {
        panic!("one object");
    };
    let file = fs::OpenOptions::new().write(true).open(file).expect("a file");
    file.set_len(first.len() as u64 + 1).expect("cut");
    let mut chunks = 0;
    let failure = loop {
        match stream.next().await.expect("no end before the failure") {
            Ok(_) => chunks += 1,
            Err(failure) => break failure,
        }
        assert!(chunks < 1000, "the same again and again");
    };
    assert_eq!(failure.kind(), ErrorKind::Corrupt);
    assert!(failure.to_string().contains("was cut to"), "{failure}");
    let there = backend.are_present(std::slice::from_ref(&content)).await;
    assert_eq!(there.expect("an answer"), [false], "it is pushed again");
}
