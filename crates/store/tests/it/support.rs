//! Small content to put into stores.

use std::{
    future::{Future, poll_fn},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
};

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;
use wharf_content::{Blob, ByteStream, Descriptor, Error, ErrorKind, MediaType, Name, OpenBlob, Sink};
use wharf_reference::Digest;
use wharf_store::{Layout, Options};
use wharf_testkit::Image;

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn layer(bytes: impl Into<Bytes>) -> (Descriptor, Bytes) {
    let bytes = bytes.into();
    (Descriptor::of(MediaType::OCI_LAYER, &bytes), bytes)
}

pub(crate) fn blob((descriptor, bytes): &(Descriptor, Bytes)) -> Blob {
    Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap()
}

pub(crate) async fn push(image: &Image, sink: &dyn Sink, as_name: &str) {
    for content in image.blobs() {
        sink.push_blob(blob(content)).await.unwrap();
    }
    let as_name = name(as_name);
    sink.push_manifest(image.manifest(), Some(&as_name))
        .await
        .unwrap();
}

/// A store in a directory of its own.
pub(crate) struct Scratch {
    directory: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Opens the store as another process would: nothing is shared with earlier handles.
    pub(crate) async fn store(&self) -> Layout {
        Layout::create(self.path("store")).await.unwrap()
    }

    pub(crate) async fn store_with(&self, options: Options) -> Layout {
        Layout::create_with(self.path("store"), options).await.unwrap()
    }

    pub(crate) fn blob_file(&self, digest: &Digest) -> PathBuf {
        self.path("store/blobs")
            .join(digest.algorithm_name())
            .join(digest.encoded())
    }

    /// The files in a directory below the store.
    pub(crate) fn files(&self, directory: &str) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(self.path("store").join(directory));
        let listed = listed.into_iter().flatten();
        listed.map(|entry| entry.unwrap().path()).collect()
    }

    /// Changes one byte of a file, as bad memory would, or a bad tool.
    pub(crate) fn damage(&self, digest: &Digest) {
        let path = self.blob_file(digest);
        let mut bytes = std::fs::read(&path).unwrap();
        match bytes.last_mut() {
            Some(last) => *last ^= 1,
            None => bytes.push(1),
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
}

/// A source that counts what is read from it, and breaks after so many bytes.
pub(crate) struct Served {
    content: (Descriptor, Bytes),
    breaks_at: u64,
    bytes: AtomicU64,
}

impl Served {
    pub(crate) fn new(content: (Descriptor, Bytes)) -> Arc<Self> {
        Self::breaking(content, u64::MAX)
    }

    pub(crate) fn breaking(content: (Descriptor, Bytes), breaks_at: u64) -> Arc<Self> {
        Arc::new(Self {
            content,
            breaks_at,
            bytes: AtomicU64::new(0),
        })
    }

    pub(crate) fn blob(self: &Arc<Self>) -> Blob {
        Blob::new(self.content.0.clone(), Arc::clone(self) as Arc<dyn OpenBlob>).unwrap()
    }

    pub(crate) fn served(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl OpenBlob for Served {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        const CHUNK: usize = 16 * 1024;
        let bytes = &self.content.1;
        let end = usize::try_from(self.breaks_at)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let start = usize::try_from(offset).unwrap().min(end);
        self.bytes.fetch_add((end - start) as u64, Ordering::Relaxed);
        let mut chunks: Vec<Result<Bytes, Error>> = (start..end)
            .step_by(CHUNK)
            .map(|at| Ok(bytes.slice(at..(at + CHUNK).min(end))))
            .collect();
        if end < bytes.len() {
            chunks.push(Err(Error::new(ErrorKind::Network, "the connection broke")));
        }
        Ok(Box::pin(futures_util::stream::iter(chunks)))
    }
}

/// Polls a push so many times, and drops it: whether it was done.
pub(crate) async fn dropped_after(
    polls: u32,
    mut push: Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>>,
) -> bool {
    for _ in 0..polls {
        let once = poll_fn(|context| Poll::Ready(push.as_mut().poll(context).is_ready()));
        if once.await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}
