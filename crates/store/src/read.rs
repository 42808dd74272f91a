//! Serving a blob from its file, hashed on the way unless this process has done so before.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use tokio::task::JoinHandle;
use wharf_content::{ByteStream, Descriptor, Error, Hasher, OpenBlob};
use wharf_reference::Digest;

use crate::{
    disk::Disk,
    error::At as _,
    os::{self, Stamp},
    runtime::{blocking, joined},
};

const CHUNK: u64 = 256 * 1024;

/// The blobs this process has hashed, and the state their files had.
#[derive(Debug, Default)]
pub(crate) struct Verified(Mutex<HashMap<Digest, Stamp>>);

impl Verified {
    fn is(&self, digest: &Digest, stamp: &Stamp) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest) == Some(stamp)
    }

    fn set(&self, digest: &Digest, stamp: Stamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(digest.clone(), stamp);
    }
}

/// A blob of the layout.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) disk: Arc<Disk>,
    pub(crate) verified: Arc<Verified>,
    pub(crate) descriptor: Descriptor,
}

#[async_trait]
impl OpenBlob for Stored {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let (disk, verified) = (Arc::clone(&self.disk), Arc::clone(&self.verified));
        let descriptor = self.descriptor.clone();
        let reader = blocking(move || Reader::open(&disk, verified, descriptor, offset)).await?;
        Ok(Box::pin(FileStream(Some(reader.next()))))
    }
}

struct Reader {
    file: File,
    path: PathBuf,
    verified: Arc<Verified>,
    descriptor: Descriptor,
    stamp: Stamp,
    /// `None` if this process has hashed the file before.
    hasher: Option<Hasher>,
    position: u64,
}

impl Reader {
    fn open(
        disk: &Disk,
        verified: Arc<Verified>,
        descriptor: Descriptor,
        offset: u64,
    ) -> Result<Self, Error> {
        let digest = descriptor.digest();
        let (file, stamp) = disk.open_blob(digest)?.ok_or_else(|| disk.no_blob(digest))?;
        if stamp.size != descriptor.size() {
            return Err(disk.damaged(digest, "its size is wrong"));
        }
        let hasher = if verified.is(digest, &stamp) {
            None
        } else {
            Some(Hasher::new(digest.algorithm())?)
        };
        let mut reader = Self {
            file,
            path: disk.blob_path(digest),
            verified,
            stamp,
            hasher,
            position: 0,
            descriptor,
        };
        if reader.hasher.is_some() {
            while reader.position < offset {
                reader.read(offset - reader.position)?;
            }
        } else {
            reader.position = offset;
            let seek = reader.file.seek(SeekFrom::Start(offset));
            seek.at("seek in", &reader.path)?;
        }
        Ok(reader)
    }

    /// The next bytes, at most `limit`; none at the end. What completes the blob is only returned when the
    /// digest is right.
    fn read(&mut self, limit: u64) -> Result<Bytes, Error> {
        let rest = self.descriptor.size().saturating_sub(self.position);
        let mut bytes = Vec::with_capacity(usize::try_from(rest.min(limit).min(CHUNK)).unwrap_or(0));
        let read = (&self.file)
            .take(rest.min(limit).min(CHUNK))
            .read_to_end(&mut bytes);
        read.at("read", &self.path)?;
        if bytes.is_empty() && rest > 0 {
            return Err(self.damaged("it is cut short"));
        }
        self.position += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        if self.position == self.descriptor.size()
            && let Some(hasher) = self.hasher.take()
        {
            if hasher.finish()? != *self.descriptor.digest() {
                return Err(self.damaged("its bytes have another digest"));
            }
            // Changed while it was read, and it will be hashed again next time.
            if os::stamp_of(&self.file).at("look at", &self.path)? == self.stamp && !self.stamp.is_racy() {
                self.verified.set(self.descriptor.digest(), self.stamp);
            }
        }
        Ok(bytes.into())
    }

    fn damaged(&self, why: &str) -> Error {
        crate::disk::damaged(&self.path, why)
    }

    /// Reads the next chunk in the background.
    fn next(mut self) -> Pending {
        tokio::task::spawn_blocking(move || {
            let bytes = self.read(CHUNK)?;
            Ok((self, bytes))
        })
    }
}

type Pending = JoinHandle<Result<(Reader, Bytes), Error>>;

/// The chunks of a file; the next one is read while the last is being used.
struct FileStream(Option<Pending>);

impl Stream for FileStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(pending) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let read = joined(ready!(Pin::new(pending).poll(context)));
        self.0 = None;
        Poll::Ready(match read {
            Ok((_, bytes)) if bytes.is_empty() => None,
            Ok((reader, bytes)) => {
                if reader.position < reader.descriptor.size() {
                    self.0 = Some(reader.next());
                }
                Some(Ok(bytes))
            }
            Err(error) => Some(Err(error)),
        })
    }
}

/// A manifest's bytes whole.
///
/// Fails with [`ErrorKind::TooLarge`] beyond `limit`, [`ErrorKind::NotFound`] if there is no such file.
pub(crate) fn whole(disk: &Disk, digest: &Digest, limit: u64) -> Result<Bytes, Error> {
    let (file, _) = disk.open_blob(digest)?.ok_or_else(|| disk.no_blob(digest))?;
    let bytes = crate::disk::read_bounded(file, limit, &disk.blob_path(digest))?;
    if Hasher::digest(digest.algorithm(), &bytes)? == *digest {
        Ok(bytes.into())
    } else {
        Err(disk.damaged(digest, "its bytes have another digest"))
    }
}
