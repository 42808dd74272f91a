//! The storage in memory.

use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{ByteStream, Error, ErrorKind, Verified};
use wharf_reference::Digest;

use crate::{Change, Listing, LocalBackend, Record, RepositoryPath, Storage, sync::LockExt as _};

/// Chunks of fewer bytes are copied.
const SMALL: usize = 64 * 1024;

/// A backend in memory, gone with the process.
///
/// ```
/// use wharf_registry::{MemoryBackend, Registry};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let registry = Registry::open(MemoryBackend::default()).await?;
/// assert_eq!(registry.inventory().repositories, 0);
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type MemoryBackend = LocalBackend<MemoryStorage>;

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::empty(MemoryStorage::default())
    }
}

/// The storage of a [`MemoryBackend`]. Its content is not verified when it is read: it was hashed when it was
/// uploaded, and nothing else can change it. It keeps no log, since nothing opens it again.
#[derive(Default)]
pub struct MemoryStorage {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    content: HashMap<Digest, Arc<Chunks>>,
    uploads: HashMap<String, Upload>,
}

struct Upload {
    note: String,
    bytes: Chunks,
}

/// The chunks of a content, each with the offset of its end.
#[derive(Default, Clone)]
struct Chunks {
    chunks: Vec<(u64, Bytes)>,
}

impl Chunks {
    fn len(&self) -> u64 {
        self.chunks.last().map_or(0, |(end, _)| *end)
    }

    fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.chunks
                .push((self.len().saturating_add(chunk.len() as u64), chunk));
        }
    }

    fn truncate(&mut self, length: u64) {
        while let Some((end, chunk)) = self.chunks.pop() {
            let start = end.saturating_sub(chunk.len() as u64);
            if start >= length {
                continue;
            }
            let kept = usize::try_from(length.min(end).saturating_sub(start)).unwrap_or(usize::MAX);
            self.push(chunk.slice(..kept.min(chunk.len())));
            break;
        }
    }
}

impl MemoryStorage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }
}

fn missing(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no such {what}"))
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn records(&self) -> Result<Listing<(RepositoryPath, Record)>, Error> {
        Ok(Vec::new().into())
    }

    async fn record(&self, _: &RepositoryPath, _: &[Change]) -> Result<(), Error> {
        Ok(())
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        Ok(self.state().content.get(digest).map(|chunks| chunks.len()))
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error> {
        let chunks = self
            .state()
            .content
            .get(digest)
            .cloned()
            .ok_or_else(|| missing("content"))?;
        Ok(Box::pin(Reader::new(chunks, range)))
    }

    async fn remove(&self, digest: &Digest) -> Result<(), Error> {
        self.state().content.remove(digest);
        Ok(())
    }

    async fn digests(&self) -> Result<Listing<Digest>, Error> {
        Ok(self.state().content.keys().cloned().collect::<Vec<_>>().into())
    }

    async fn begin(&self, upload: &str, note: &str) -> Result<(), Error> {
        let begun = Upload {
            note: note.to_owned(),
            bytes: Chunks::default(),
        };
        self.state().uploads.insert(upload.to_owned(), begun);
        Ok(())
    }

    async fn append(&self, upload: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error> {
        let mut state = self.state();
        let held = &mut state
            .uploads
            .get_mut(upload)
            .ok_or_else(|| missing("upload"))?
            .bytes;
        if held.len() > offset {
            held.truncate(offset);
        }
        if held.len() != offset {
            return Err(Error::new(
                ErrorKind::Conflict,
                "the upload is shorter than the offset",
            ));
        }
        for chunk in chunks {
            // What came is a slice of a connection's buffer, and keeps all of it.
            let small = chunk.len() < SMALL;
            held.push(if small {
                Bytes::copy_from_slice(&chunk)
            } else {
                chunk
            });
        }
        Ok(())
    }

    async fn length(&self, upload: &str) -> Result<Option<u64>, Error> {
        Ok(self.state().uploads.get(upload).map(|upload| upload.bytes.len()))
    }

    async fn flush(&self, upload: &str) -> Result<u64, Error> {
        let state = self.state();
        let held = &state.uploads.get(upload).ok_or_else(|| missing("upload"))?.bytes;
        Ok(held.len())
    }

    async fn read_upload(&self, upload: &str) -> Result<ByteStream, Error> {
        let state = self.state();
        let held = &state.uploads.get(upload).ok_or_else(|| missing("upload"))?.bytes;
        let range = 0..held.len();
        Ok(Box::pin(Reader::new(Arc::new(held.clone()), range)))
    }

    async fn finish(&self, upload: &str, content: &Verified) -> Result<(), Error> {
        let mut state = self.state();
        let length = state
            .uploads
            .get(upload)
            .ok_or_else(|| missing("upload"))?
            .bytes
            .len();
        if length != content.size() {
            let message = format!("{length} bytes are not the {} that were verified", content.size());
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        if let Some(upload) = state.uploads.remove(upload) {
            let held = state.content.entry(content.digest().clone());
            held.or_insert_with(|| Arc::new(upload.bytes));
        }
        Ok(())
    }

    async fn discard(&self, upload: &str) -> Result<(), Error> {
        self.state().uploads.remove(upload);
        Ok(())
    }

    async fn uploads(&self) -> Result<Vec<(String, String)>, Error> {
        let state = self.state();
        let uploads = state.uploads.iter();
        Ok(uploads
            .map(|(id, upload)| (id.clone(), upload.note.clone()))
            .collect())
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").finish_non_exhaustive()
    }
}

/// Yields the bytes of a range without copying them.
struct Reader {
    chunks: Arc<Chunks>,
    next: usize,
    range: Range<u64>,
}

impl Reader {
    fn new(chunks: Arc<Chunks>, range: Range<u64>) -> Self {
        let next = chunks.chunks.partition_point(|(end, _)| *end <= range.start);
        Self { chunks, next, range }
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some((end, chunk)) = self.chunks.chunks.get(self.next).cloned() else {
            return Poll::Ready(None);
        };
        let start = end.saturating_sub(chunk.len() as u64);
        let offset = |position: u64| usize::try_from(position.saturating_sub(start)).unwrap_or(usize::MAX);
        let from = offset(self.range.start).min(chunk.len());
        let to = offset(self.range.end).min(chunk.len());
        self.next += 1;
        Poll::Ready((from < to).then(|| Ok(chunk.slice(from..to))))
    }
}
