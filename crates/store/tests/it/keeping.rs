//! A layout in the hands of one program.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use wharf_content::{ByteStream, Error, ErrorKind, Sink as _, Source as _, Verified};
use wharf_reference::{Algorithm, Digest};
use wharf_store::{Collect, Keeper, Options, Prune};
use wharf_testkit::Image;

use crate::support::{Scratch, name, push};

fn proof(bytes: &[u8]) -> Verified {
    Verified::of(Algorithm::Sha256, bytes).unwrap()
}

async fn bytes(stream: ByteStream) -> Result<Vec<u8>, Error> {
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    Ok(chunks.concat())
}

async fn read(keeper: &Keeper, digest: &Digest, range: std::ops::Range<u64>) -> Result<Vec<u8>, Error> {
    bytes(keeper.read(digest, range).await?).await
}

/// Receives content in two pieces.
async fn receive(keeper: &Keeper, id: &str, content: &[u8]) -> Digest {
    let (first, second) = content.split_at(content.len() / 2);
    keeper.begin(id).await.unwrap();
    keeper
        .append(id, 0, vec![Bytes::copy_from_slice(first)])
        .await
        .unwrap();
    let offset = keeper.flush(id).await.unwrap();
    assert_eq!(offset, first.len() as u64);
    keeper
        .append(id, offset, vec![Bytes::copy_from_slice(second)])
        .await
        .unwrap();
    let content = proof(content);
    keeper.commit(id, &content).await.unwrap();
    content.digest().clone()
}

#[tokio::test]
async fn what_is_received_is_a_blob_like_others() {
    let scratch = Scratch::new();
    let keeper = scratch.store().await.keep().await.unwrap();
    let digest = receive(&keeper, "one", b"content").await;
    assert_eq!(keeper.size(&digest).await.unwrap(), Some(7));
    for (range, expected) in [
        (0..7, "content"),
        (0..u64::MAX, "content"),
        (3..7, "tent"),
        (0..3, "con"),
        (3..4, "t"),
        (9..10, ""),
    ] {
        assert_eq!(read(&keeper, &digest, range).await.unwrap(), expected.as_bytes());
    }
    receive(&keeper, "again", b"content").await;
    let long = Verified::of(Algorithm::Sha512, b"content").unwrap();
    keeper.begin("long").await.unwrap();
    keeper.append("long", 0, vec!["content".into()]).await.unwrap();
    keeper.commit("long", &long).await.unwrap();
    assert_eq!(read(&keeper, long.digest(), 0..7).await.unwrap(), b"content");
    let checked = scratch.store().await.check().await.unwrap();
    assert!(checked.is_clean() && checked.foreign.is_empty());
    assert_eq!(checked.blobs, 2);
    let metadata = std::fs::metadata(scratch.blob_file(&digest)).unwrap();
    assert!(metadata.permissions().readonly());
    assert!(scratch.files(".wharf/keeper/uploads").is_empty());
}

#[tokio::test]
async fn uploads_outlive_their_process() {
    let scratch = Scratch::new();
    let keeper = scratch.store().await.keep().await.unwrap();
    keeper.begin("open").await.unwrap();
    keeper
        .append("open", 0, vec!["some".into(), "".into(), " con".into()])
        .await
        .unwrap();
    assert_eq!(keeper.flush("open").await.unwrap(), 8);
    drop(keeper);
    // Stopped between its last change and its new name.
    let file = scratch.path("store/.wharf/keeper/uploads/open");
    let mut permissions = std::fs::metadata(&file).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&file, permissions).unwrap();

    let keeper = scratch.store().await.keep().await.unwrap();
    assert_eq!(keeper.uploads().await.unwrap(), ["open"]);
    assert_eq!(keeper.flush("open").await.unwrap(), 8);
    assert_eq!(
        bytes(keeper.read_upload("open").await.unwrap()).await.unwrap(),
        b"some con"
    );
    let gap = keeper.append("open", 9, vec!["x".into()]).await.unwrap_err();
    assert_eq!(gap.kind(), ErrorKind::Corrupt);
    keeper.append("open", 5, vec!["content".into()]).await.unwrap();
    let content = proof(b"some content");
    keeper.commit("open", &content).await.unwrap();
    assert_eq!(
        read(&keeper, content.digest(), 0..12).await.unwrap(),
        b"some content"
    );
    assert!(keeper.uploads().await.unwrap().is_empty());
    let gone = keeper.flush("open").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn nothing_is_committed_by_less_than_was_hashed() {
    let scratch = Scratch::new();
    let keeper = scratch.store().await.keep().await.unwrap();
    keeper.begin("a").await.unwrap();
    keeper.append("a", 0, vec!["content".into()]).await.unwrap();
    for other in [b"conten".as_slice(), b"contents", b""] {
        let error = keeper.commit("a", &proof(other)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
    }
    assert!(scratch.files("blobs/sha256").is_empty());
    assert_eq!(keeper.flush("a").await.unwrap(), 7);
    keeper.discard("a").await.unwrap();
    keeper.discard("a").await.unwrap();
    assert!(keeper.uploads().await.unwrap().is_empty());
}

#[tokio::test]
async fn ids_are_names_and_nothing_else() {
    let scratch = Scratch::new();
    let keeper = scratch.store().await.keep().await.unwrap();
    let long = "a".repeat(65);
    for id in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "A",
        "a b",
        "a\0",
        "é",
        long.as_str(),
    ] {
        for error in [
            keeper.begin(id).await.unwrap_err(),
            keeper.append(id, 0, vec!["x".into()]).await.unwrap_err(),
            keeper.discard(id).await.unwrap_err(),
            keeper.commit(id, &proof(b"x")).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{id:?}");
        }
    }
    let longest = "a".repeat(64);
    keeper.begin(&longest).await.unwrap();
    keeper.begin(&longest).await.unwrap_err();
}

#[tokio::test]
async fn nobody_else_collects() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let keeper = store.keep().await.unwrap();
    let digest = receive(&keeper, "one", b"content").await;
    drop((store, keeper));
    // Whether the keeper runs or not.
    for keeper in [None, Some(scratch.store().await.keep().await.unwrap())] {
        let other = scratch.store().await;
        for error in [
            other.collect(&Collect::default()).await.unwrap_err(),
            other
                .collect(&Collect::default().with_dry_run())
                .await
                .unwrap_err(),
            other.prune(Prune::All, &Collect::default()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.to_string().contains("keeps its content"), "{error}");
        }
        assert!(scratch.blob_file(&digest).is_file());
        drop(keeper);
    }
}

#[tokio::test]
async fn one_process_keeps() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let keeper = store.keep().await.unwrap();
    let error = scratch.store().await.keep().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    drop(keeper);
    scratch.store().await.keep().await.unwrap();

    let shared = Options::default().with_shared_blobs(scratch.path("pool"));
    let shared = wharf_store::Layout::create_with(scratch.path("shared"), shared).await;
    let error = shared.unwrap().keep().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_keeper_leaves_what_others_need() {
    let scratch = Scratch::new();
    let image = Image::small("named");
    push(&image, &scratch.store().await, "named").await;
    let keeper = scratch.store().await.keep().await.unwrap();
    let loose = receive(&keeper, "one", b"loose").await;
    let subject = serde_json::json!({
        "mediaType": image.manifest().media_type().as_str(),
        "digest": image.manifest().digest().as_str(),
        "size": image.manifest().bytes().len(),
    });
    let referrer = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [],
        "subject": subject,
    });
    receive(&keeper, "two", referrer.to_string().as_bytes()).await;
    let running = scratch.store().await;
    let held = receive(&keeper, "three", b"held").await;
    let blob = wharf_content::Descriptor::new(wharf_content::MediaType::OCTET_STREAM, held.clone(), 4);
    assert!(running.contains(&blob.unwrap()).await.unwrap());

    assert_eq!(keeper.removable().await.unwrap(), std::slice::from_ref(&loose));
    let needed = image.blobs().iter().map(|(descriptor, _)| descriptor.digest());
    for digest in needed.chain([image.manifest().digest(), &held]) {
        assert!(!keeper.remove(digest).await.unwrap());
        assert!(scratch.blob_file(digest).is_file());
    }
    assert!(keeper.remove(&loose).await.unwrap());
    assert!(keeper.remove(&loose).await.unwrap(), "it is gone");
    assert_eq!(keeper.size(&loose).await.unwrap(), None);

    drop(running);
    scratch.store().await.remove(&name("named").into()).await.unwrap();
    let removable = keeper.removable().await.unwrap();
    assert_eq!(removable.len(), image.blobs().len() + 3);
    for digest in &removable {
        assert!(keeper.remove(digest).await.unwrap());
    }
    assert!(scratch.files("blobs/sha256").is_empty());
}

#[tokio::test]
async fn a_stream_is_not_disturbed_by_a_removal() {
    let scratch = Scratch::new();
    let keeper = scratch.store().await.keep().await.unwrap();
    let content = wharf_testkit::noise(1, 3_000_000);
    let digest = receive(&keeper, "one", &content).await;
    let stream = keeper.read(&digest, 0..u64::MAX).await.unwrap();
    assert!(keeper.remove(&digest).await.unwrap());
    assert!(bytes(stream).await.unwrap() == content);
    let error = read(&keeper, &digest, 0..1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn damage_is_not_read() {
    for size in [3_000_000, 1000] {
        for part in [0..u64::MAX, 0..10, 5..u64::MAX] {
            let scratch = Scratch::new();
            let keeper = scratch.store().await.keep().await.unwrap();
            let content = wharf_testkit::noise(2, size);
            let digest = receive(&keeper, "one", &content).await;
            scratch.damage(&digest);
            let opened = keeper.read(&digest, part.clone()).await;
            let late = size > 1_000_000 && part == (0..u64::MAX);
            assert_eq!(opened.is_ok(), late, "{size} {part:?}");
            let error = match opened {
                Ok(stream) => bytes(stream).await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert_eq!(keeper.size(&digest).await.unwrap(), None);
            assert_eq!(scratch.files(".wharf/corrupt").len(), 1);
            receive(&keeper, "two", &content).await;
            assert!(read(&keeper, &digest, 0..u64::MAX).await.unwrap() == content);
            keeper.quarantine(&digest).await.unwrap();
            keeper.quarantine(&digest).await.unwrap();
            assert_eq!(keeper.size(&digest).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn what_is_received_is_believed_by_all() {
    let scratch = Scratch::new();
    let keeper = scratch.store().await.keep().await.unwrap();
    let digest = receive(&keeper, "one", b"content").await;
    // The store of the same process believes it; so does another process, from the mark.
    for store in [keeper.layout().clone(), scratch.store().await] {
        let descriptor =
            wharf_content::Descriptor::new(wharf_content::MediaType::OCTET_STREAM, digest.clone(), 7)
                .unwrap();
        assert!(store.contains(&descriptor).await.unwrap());
        let blob = store.blob(&descriptor).await.unwrap();
        assert_eq!(blob.read_to_end(7).await.unwrap(), "content");
    }
}
