//! Blobs whose digest is known last.

use std::path::PathBuf;

use bytes::Bytes;
use wharf_content::{
    ByteStream, Descriptor, Error, ErrorKind, MediaType, Sink as _, SinkExt as _, Source as _,
};
use wharf_reference::Algorithm;
use wharf_store::{Collect, Layout, Options};

use crate::support::{Scratch, name};

fn stream(chunks: impl IntoIterator<Item = Result<Bytes, Error>, IntoIter: Send + 'static>) -> ByteStream {
    Box::pin(futures_util::stream::iter(chunks))
}

async fn ingest(store: &Layout, bytes: &[u8]) -> Result<Descriptor, Error> {
    let chunks: Vec<_> = bytes
        .chunks(10_000)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    store
        .ingest(MediaType::OCI_LAYER, Algorithm::Sha256, stream(chunks))
        .await
}

fn received(scratch: &Scratch) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scratch.path("store/.wharf/ingest"));
    entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect()
}

/// Any handle takes it in, another process finds it, and the collector leaves it for as long as the handle
/// lives.
#[tokio::test]
async fn what_was_ingested_is_verified_and_stays_for_its_handle() {
    let scratch = Scratch::new();
    let bytes = vec![7; 3_000_000];
    let pinned = scratch.store().await.pinned();
    let descriptor = ingest(&pinned, &bytes).await.unwrap();
    assert_eq!(descriptor, Descriptor::of(MediaType::OCI_LAYER, &bytes));
    assert!(received(&scratch).is_empty());

    let other = scratch.store().await;
    assert_eq!(
        other
            .contains_cached(std::slice::from_ref(&descriptor))
            .await
            .unwrap(),
        [Some(true)]
    );
    assert_eq!(other.collect(&Collect::default()).await.unwrap().blobs, []);
    let read = other
        .blob(&descriptor)
        .await
        .unwrap()
        .read_to_end(1 << 30)
        .await
        .unwrap();
    assert_eq!(read, bytes);
    drop((pinned, other));

    let collected = scratch.store().await.collect(&Collect::default()).await.unwrap();
    assert_eq!(collected.blobs, [(descriptor.digest().clone(), 3_000_000)]);
}

#[tokio::test]
async fn what_is_there_already_is_left_as_it_is() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let descriptor = ingest(&store, b"a layer").await.unwrap();
    let file = scratch.blob_file(descriptor.digest());
    let before = std::fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(ingest(&store, b"a layer").await.unwrap(), descriptor);
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), before);
    assert!(received(&scratch).is_empty());
}

/// Damaged content, a file of another size: the bytes that were hashed just now replace them.
#[tokio::test]
async fn what_is_corrupt_is_replaced() {
    for wrong in [b"A layer".as_slice(), b"", b"a longer layer"] {
        let scratch = Scratch::new();
        let store = scratch.store().await;
        let descriptor = Descriptor::of(MediaType::OCI_LAYER, b"a layer");
        std::fs::write(scratch.blob_file(descriptor.digest()), wrong).unwrap();
        assert_eq!(ingest(&store, b"a layer").await.unwrap(), descriptor);
        assert_eq!(
            std::fs::read(scratch.blob_file(descriptor.digest())).unwrap(),
            b"a layer"
        );
    }
}

#[tokio::test]
async fn a_stream_that_fails_leaves_no_file() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let broken = || Error::new(ErrorKind::Network, "the compressor failed");
    for length in [0, 1000, 2_000_000] {
        let chunks = vec![Ok(Bytes::from(vec![1; length])), Err(broken())];
        let ingested = store.ingest(MediaType::OCI_LAYER, Algorithm::Sha256, stream(chunks));
        assert_eq!(ingested.await.unwrap_err().to_string(), "the compressor failed");
        assert!(received(&scratch).is_empty());
    }
    let ingested = store.ingest(MediaType::OCI_LAYER, Algorithm::Unsupported, stream([]));
    assert_eq!(ingested.await.unwrap_err().kind(), ErrorKind::Unsupported);
}

/// Chunks of a byte, empty chunks: they are written together, and not kept without end.
#[tokio::test]
async fn small_chunks_are_written_together() {
    let scratch = Scratch::new();
    let store = scratch.store_with(Options::default()).await;
    let chunks = (0..10_000).flat_map(|number: u32| {
        let byte = Bytes::copy_from_slice(&number.to_le_bytes()[..1]);
        [Ok(Bytes::new()), Ok(byte)]
    });
    let descriptor = store
        .ingest(
            MediaType::OCI_LAYER,
            Algorithm::Sha512,
            stream(chunks.collect::<Vec<_>>()),
        )
        .await
        .unwrap();
    assert_eq!(
        (descriptor.size(), descriptor.digest().algorithm()),
        (10_000, Algorithm::Sha512)
    );
    let blob = store.blob(&descriptor).await.unwrap();
    assert_eq!(blob.read_to_end(10_000).await.unwrap().len(), 10_000);
}

#[tokio::test]
async fn a_built_image_is_pushed_in_one_call() {
    use wharf_content::{ImageBuilder, ImageConfig, IndexBuilder, Platform};

    let scratch = Scratch::new();
    let store = scratch.store().await;
    let layer = store
        .push_bytes(MediaType::OCI_LAYER_GZIP, "a layer")
        .await
        .unwrap();
    let config = ImageConfig::builder(Platform::host()).with_diff_id(layer.digest());
    let image = ImageBuilder::new()
        .with_config(config.build().unwrap())
        .with_layer(layer)
        .build()
        .unwrap();
    let index = IndexBuilder::new().with_image(&image).build().unwrap();
    for built in [&image, &index] {
        store.push_image(built, Some(&name("x"))).await.unwrap();
        let there = store.manifest(&name("x").into()).await.unwrap();
        assert_eq!(there, *built.root());
        assert!(store.contains(image.root().descriptor()).await.unwrap());
        assert!(store.check().await.unwrap().problems.is_empty());
    }
}
