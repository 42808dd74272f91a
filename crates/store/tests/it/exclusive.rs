//! A layout in the hands of one program.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use wharf_content::{ByteStream, Error, ErrorKind, Sink as _, Source as _, Verified};
use wharf_reference::{Algorithm, Digest};
use wharf_store::{Collect, ExclusiveLayout, Options, Prune};
use wharf_testkit::Image;

use crate::support::{Scratch, name, push};

fn proof(bytes: &[u8]) -> Verified {
    Verified::of(Algorithm::Sha256, bytes).unwrap()
}

async fn bytes(stream: ByteStream) -> Result<Vec<u8>, Error> {
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    Ok(chunks.concat())
}

async fn read(
    layout: &ExclusiveLayout,
    digest: &Digest,
    range: std::ops::Range<u64>,
) -> Result<Vec<u8>, Error> {
    bytes(layout.read(digest, range).await?).await
}

/// Receives content in two pieces.
async fn receive(layout: &ExclusiveLayout, id: &str, content: &[u8]) -> Digest {
    let (first, second) = content.split_at(content.len() / 2);
    layout.begin(id).await.unwrap();
    layout
        .append(id, 0, vec![Bytes::copy_from_slice(first)])
        .await
        .unwrap();
    let offset = layout.flush(id).await.unwrap();
    assert_eq!(offset, first.len() as u64);
    layout
        .append(id, offset, vec![Bytes::copy_from_slice(second)])
        .await
        .unwrap();
    let content = proof(content);
    layout.commit(id, &content).await.unwrap();
    content.digest().clone()
}

#[tokio::test]
async fn what_is_received_is_a_blob_like_others() {
    let scratch = Scratch::new();
    let layout = scratch.store().await.make_exclusive().await.unwrap();
    let digest = receive(&layout, "one", b"content").await;
    assert_eq!(layout.size(&digest).await.unwrap(), Some(7));
    for (range, expected) in [
        (0..7, "content"),
        (0..u64::MAX, "content"),
        (3..7, "tent"),
        (0..3, "con"),
        (3..4, "t"),
        (9..10, ""),
    ] {
        assert_eq!(read(&layout, &digest, range).await.unwrap(), expected.as_bytes());
    }
    receive(&layout, "again", b"content").await;
    let long = Verified::of(Algorithm::Sha512, b"content").unwrap();
    layout.begin("long").await.unwrap();
    layout.append("long", 0, vec!["content".into()]).await.unwrap();
    layout.commit("long", &long).await.unwrap();
    assert_eq!(read(&layout, long.digest(), 0..7).await.unwrap(), b"content");
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
    let layout = scratch.store().await.make_exclusive().await.unwrap();
    layout.begin("open").await.unwrap();
    layout
        .append("open", 0, vec!["some".into(), "".into(), " con".into()])
        .await
        .unwrap();
    assert_eq!(layout.flush("open").await.unwrap(), 8);
    drop(layout);
    // Stopped between its last change and its new name.
    let file = scratch.path("store/.wharf/keeper/uploads/open");
    let mut permissions = std::fs::metadata(&file).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&file, permissions).unwrap();

    let layout = scratch.store().await.make_exclusive().await.unwrap();
    assert_eq!(layout.uploads().await.unwrap(), ["open"]);
    assert_eq!(layout.flush("open").await.unwrap(), 8);
    assert_eq!(
        bytes(layout.read_upload("open").await.unwrap()).await.unwrap(),
        b"some con"
    );
    let gap = layout.append("open", 9, vec!["x".into()]).await.unwrap_err();
    assert_eq!(gap.kind(), ErrorKind::Corrupt);
    layout.append("open", 5, vec!["content".into()]).await.unwrap();
    let content = proof(b"some content");
    layout.commit("open", &content).await.unwrap();
    assert_eq!(
        read(&layout, content.digest(), 0..12).await.unwrap(),
        b"some content"
    );
    assert!(layout.uploads().await.unwrap().is_empty());
    let gone = layout.flush("open").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn nothing_is_committed_by_less_than_was_hashed() {
    let scratch = Scratch::new();
    let layout = scratch.store().await.make_exclusive().await.unwrap();
    layout.begin("a").await.unwrap();
    layout.append("a", 0, vec!["content".into()]).await.unwrap();
    for other in [b"conten".as_slice(), b"contents", b""] {
        let error = layout.commit("a", &proof(other)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
    }
    assert!(scratch.files("blobs/sha256").is_empty());
    assert_eq!(layout.flush("a").await.unwrap(), 7);
    layout.discard("a").await.unwrap();
    layout.discard("a").await.unwrap();
    assert!(layout.uploads().await.unwrap().is_empty());
}

#[tokio::test]
async fn ids_are_names_and_nothing_else() {
    let scratch = Scratch::new();
    let layout = scratch.store().await.make_exclusive().await.unwrap();
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
            layout.begin(id).await.unwrap_err(),
            layout.append(id, 0, vec!["x".into()]).await.unwrap_err(),
            layout.discard(id).await.unwrap_err(),
            layout.commit(id, &proof(b"x")).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{id:?}");
        }
    }
    let longest = "a".repeat(64);
    layout.begin(&longest).await.unwrap();
    layout.begin(&longest).await.unwrap_err();
}

#[tokio::test]
async fn nobody_else_collects() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let layout = store.make_exclusive().await.unwrap();
    let digest = receive(&layout, "one", b"content").await;
    drop((store, layout));
    // With and without a process that has the layout.
    for exclusive in [None, Some(scratch.store().await.make_exclusive().await.unwrap())] {
        let other = scratch.store().await;
        for error in [
            other.collect(&Collect::default()).await.unwrap_err(),
            other
                .collect(&Collect::default().with_dry_run(true))
                .await
                .unwrap_err(),
            other.prune(Prune::All, &Collect::default()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.to_string().contains("uses it exclusively"), "{error}");
        }
        assert!(scratch.blob_file(&digest).is_file());
        drop(exclusive);
    }
}

#[tokio::test]
async fn one_process_at_a_time_has_it() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let layout = store.make_exclusive().await.unwrap();
    let error = scratch.store().await.make_exclusive().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    drop(layout);
    scratch.store().await.make_exclusive().await.unwrap();

    let shared = Options::default().with_shared_blobs(scratch.path("pool"));
    let shared = wharf_store::Layout::create_with(scratch.path("shared"), shared).await;
    let error = shared.unwrap().make_exclusive().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn what_others_need_is_not_removed() {
    let scratch = Scratch::new();
    let image = Image::small("named");
    push(&image, &scratch.store().await, "named").await;
    let layout = scratch.store().await.make_exclusive().await.unwrap();
    let loose = receive(&layout, "one", b"loose").await;
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
    receive(&layout, "two", referrer.to_string().as_bytes()).await;
    let running = scratch.store().await;
    let held = receive(&layout, "three", b"held").await;
    let blob = wharf_content::Descriptor::new(wharf_content::MediaType::OCTET_STREAM, held.clone(), 4);
    assert!(running.contains(&blob.unwrap()).await.unwrap());

    assert_eq!(layout.removable().await.unwrap(), std::slice::from_ref(&loose));
    let needed = image.blobs().iter().map(|(descriptor, _)| descriptor.digest());
    for digest in needed.chain([image.manifest().digest(), &held]) {
        assert!(!layout.remove(digest).await.unwrap());
        assert!(scratch.blob_file(digest).is_file());
    }
    assert!(layout.remove(&loose).await.unwrap());
    assert!(layout.remove(&loose).await.unwrap(), "it is gone");
    assert_eq!(layout.size(&loose).await.unwrap(), None);

    drop(running);
    scratch.store().await.remove(&name("named").into()).await.unwrap();
    let removable = layout.removable().await.unwrap();
    assert_eq!(removable.len(), image.blobs().len() + 3);
    for digest in &removable {
        assert!(layout.remove(digest).await.unwrap());
    }
    assert!(scratch.files("blobs/sha256").is_empty());
}

#[tokio::test]
async fn a_stream_is_not_disturbed_by_a_removal() {
    let scratch = Scratch::new();
    let layout = scratch.store().await.make_exclusive().await.unwrap();
    let content = wharf_testkit::noise(1, 3_000_000);
    let digest = receive(&layout, "one", &content).await;
    let stream = layout.read(&digest, 0..u64::MAX).await.unwrap();
    assert!(layout.remove(&digest).await.unwrap());
    assert!(bytes(stream).await.unwrap() == content);
    let error = read(&layout, &digest, 0..1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn corrupt_content_is_not_read() {
    for size in [3_000_000, 1000] {
        for part in [0..u64::MAX, 0..10, 5..u64::MAX] {
            let scratch = Scratch::new();
            let layout = scratch.store().await.make_exclusive().await.unwrap();
            let content = wharf_testkit::noise(2, size);
            let digest = receive(&layout, "one", &content).await;
            scratch.damage(&digest);
            let opened = layout.read(&digest, part.clone()).await;
            let late = size > 1_000_000 && part == (0..u64::MAX);
            assert_eq!(opened.is_ok(), late, "{size} {part:?}");
            let error = match opened {
                Ok(stream) => bytes(stream).await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert_eq!(layout.size(&digest).await.unwrap(), None);
            assert_eq!(scratch.files(".wharf/corrupt").len(), 1);
            receive(&layout, "two", &content).await;
            assert!(read(&layout, &digest, 0..u64::MAX).await.unwrap() == content);
            layout.quarantine(&digest).await.unwrap();
            layout.quarantine(&digest).await.unwrap();
            assert_eq!(layout.size(&digest).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn what_is_received_is_believed_by_all() {
    let scratch = Scratch::new();
    let layout = scratch.store().await.make_exclusive().await.unwrap();
    let digest = receive(&layout, "one", b"content").await;
    // The store of the same process believes it; so does another process, from the mark.
    for store in [layout.layout().clone(), scratch.store().await] {
        let descriptor =
            wharf_content::Descriptor::new(wharf_content::MediaType::OCTET_STREAM, digest.clone(), 7)
                .unwrap();
        assert!(store.contains(&descriptor).await.unwrap());
        let blob = store.blob(&descriptor).await.unwrap();
        assert_eq!(blob.read_to_end(7).await.unwrap(), "content");
    }
}

#[tokio::test]
async fn content_is_verified_as_long_as_that_is_wanted() {
    let scratch = Scratch::new();
    let layout = scratch.store().await.make_exclusive().await.unwrap();
    let digest = receive(&layout, "one", &vec![7; 700_000]).await;
    drop(layout);

    let layout = scratch.store().await.make_exclusive().await.unwrap(); // as of another process
    let verified = |layout: &ExclusiveLayout, most: usize| {
        let asked = std::cell::Cell::new(0);
        let is_wanted = || asked.replace(asked.get() + 1) < most;
        let verified = layout.blocking_verify(&digest, &is_wanted);
        (verified.map_err(|error| error.kind()), asked.get())
    };
    assert_eq!(verified(&layout, 0), (Err(ErrorKind::Cancelled), 1));
    assert_eq!(verified(&layout, 2), (Err(ErrorKind::Cancelled), 3));
    let (whole, chunks) = verified(&layout, usize::MAX);
    assert!(whole.is_ok() && chunks > 3);
    assert_eq!(verified(&layout, 0), (Ok(()), 0), "it was hashed before");
    assert_eq!(read(&layout, &digest, 9..10).await.unwrap(), [7]);
    drop(layout);

    let file = scratch.blob_file(&digest);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[600_000] ^= 1;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let layout = scratch.store().await.make_exclusive().await.unwrap();
    assert_eq!(verified(&layout, usize::MAX).0, Err(ErrorKind::Corrupt));
    assert_eq!(verified(&layout, usize::MAX).0, Err(ErrorKind::NotFound));
}
