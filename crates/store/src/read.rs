//! Serving a blob from its file, hashed on the way unless this process has done so before.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use tokio::task::JoinHandle;
use wharf_content::{ByteStream, Descriptor, Error, Hasher, OpenBlob};
use wharf_reference::Digest;

use crate::{
    Verify,
    disk::{Corrupt, Disk, Lease, Mark, read_bounded},
    error::At as _,
    hashing::file_has,
    os::{self, Stamp},
    runtime::{blocking, joined},
    shared::Shared,
};

const CHUNK: u64 = 256 * 1024;

/// The blobs this process has hashed, and the state their files had.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    known: Mutex<HashMap<Digest, Stamp>>,
    turns: Mutex<HashMap<Digest, Weak<Mutex<()>>>>,
}

impl Verified {
    /// How many are remembered; beyond that it starts anew.
    const MAX: usize = 100_000;

    pub(crate) fn is(&self, digest: &Digest, stamp: &Stamp) -> bool {
        lock(&self.known).get(digest) == Some(stamp)
    }

    /// Remembers a file that has been hashed. The caller has seen that it did not change meanwhile, and could
    /// not change now without another stamp.
    pub(crate) fn set(&self, digest: &Digest, stamp: Stamp) {
        let mut known = lock(&self.known);
        if known.len() >= Self::MAX {
            known.clear();
        }
        known.insert(digest.clone(), stamp);
    }

    /// Held by who hashes a file for all.
    fn turn(&self, digest: &Digest) -> Arc<Mutex<()>> {
        let mut turns = lock(&self.turns);
        if let Some(turn) = turns.get(digest).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(digest.clone(), Arc::downgrade(&turn));
        turn
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A blob of the layout.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) shared: Arc<Shared>,
    /// Keeps the blob from being collected.
    pub(crate) lease: Arc<Lease>,
    pub(crate) descriptor: Descriptor,
}

#[async_trait]
impl OpenBlob for Stored {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let (shared, lease) = (Arc::clone(&self.shared), Arc::clone(&self.lease));
        let descriptor = self.descriptor.clone();
        let reader = blocking(move || Reader::open(shared, lease, descriptor, offset)).await?;
        Ok(Box::pin(FileStream(Some(reader.next()))))
    }
}

struct Reader {
    shared: Arc<Shared>,
    _lease: Arc<Lease>,
    file: File,
    path: PathBuf,
    descriptor: Descriptor,
    stamp: Stamp,
    /// `None` if this process has hashed the file before.
    hasher: Option<Hasher>,
    position: u64,
}

impl Reader {
    fn open(
        shared: Arc<Shared>,
        lease: Arc<Lease>,
        descriptor: Descriptor,
        offset: u64,
    ) -> Result<Self, Error> {
        let (disk, digest) = (&shared.disk, descriptor.digest());
        let (file, stamp) = disk.open_blob(digest)?.ok_or_else(|| disk.no_blob(digest))?;
        if stamp.size != descriptor.size() {
            let good = shared.verified.is(digest, &stamp) || Mark::of(digest, &stamp) == Some(Mark::Durable);
            return Err(disk.wrong_size(&descriptor, stamp.size, good));
        }
        let known = disk.options().verify == Verify::Once && shared.verified.is(digest, &stamp);
        let hasher = if known {
            None
        } else {
            Some(Hasher::new(digest.algorithm())?)
        };
        let path = disk.blob_path(digest);
        let mut reader = Self {
            shared,
            _lease: lease,
            file,
            path,
            descriptor,
            stamp,
            hasher,
            position: 0,
        };
        if offset > 0 && reader.hasher.is_some() {
            reader.verify_first(offset)?;
        }
        if reader.hasher.is_none() {
            reader.position = offset;
            let seek = reader.file.seek(SeekFrom::Start(offset));
            seek.at("seek in", &reader.path)?;
        }
        Ok(reader)
    }

    /// For who reads a part: hashes the whole file once, for all parts, and if that cannot be remembered what
    /// lies before the part.
    fn verify_first(&mut self, offset: u64) -> Result<(), Error> {
        let digest = self.descriptor.digest().clone();
        if self.shared.disk.options().verify == Verify::Once {
            let verified = Arc::clone(&self.shared.verified);
            let turn = verified.turn(&digest);
            let _turn = lock(&turn);
            if !verified.is(&digest, &self.stamp) {
                if !file_has(&mut self.file, &digest, &self.path)? {
                    return Err(self.damaged("its bytes have another digest"));
                }
                self.remember()?;
            }
            if verified.is(&digest, &self.stamp) {
                self.hasher = None;
                return Ok(());
            }
            self.file.rewind().at("seek in", &self.path)?;
        }
        while self.position < offset.min(self.descriptor.size()) {
            self.read(offset - self.position)?;
        }
        Ok(())
    }

    /// The next bytes, at most `limit`; none at the end. What completes the blob is only returned when the
    /// digest is right.
    fn read(&mut self, limit: u64) -> Result<Bytes, Error> {
        let rest = self.descriptor.size().saturating_sub(self.position);
        let wanted = rest.min(limit).min(CHUNK);
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
        let read = (&self.file).take(wanted).read_to_end(&mut bytes);
        read.at("read", &self.path)?;
        if (bytes.len() as u64) < wanted {
            return Err(self.damaged("it is cut short"));
        }
        self.position += wanted;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        if self.position == self.descriptor.size()
            && let Some(hasher) = self.hasher.take()
        {
            if hasher.finish()? != *self.descriptor.digest() {
                return Err(self.damaged("its bytes have another digest"));
            }
            self.remember()?;
        }
        Ok(bytes.into())
    }

    /// The file was good; unless it changes, it need not be hashed again.
    fn remember(&self) -> Result<(), Error> {
        let digest = self.descriptor.digest();
        let now = os::stamp_of(&self.file).at("look at", &self.path)?;
        let marked = Mark::of(digest, &now).is_some(); // another write would take the mark away
        if now == self.stamp && (marked || !now.is_racy()) {
            self.shared.verified.set(digest, now);
        }
        Ok(())
    }

    fn damaged(&self, why: &'static str) -> Error {
        let corrupt = Corrupt::new(self.descriptor.digest(), self.stamp, why);
        self.shared.disk.quarantine(&corrupt)
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

/// A manifest's bytes whole, or `None` if there is no such file.
///
/// Fails with [`ErrorKind::TooLarge`](wharf_content::ErrorKind) beyond `limit`.
pub(crate) fn whole(disk: &Disk, digest: &Digest, limit: u64) -> Result<Option<Bytes>, Error> {
    let Some((file, stamp)) = disk.open_blob(digest)? else {
        return Ok(None);
    };
    let bytes = read_bounded(file, limit, &disk.blob_path(digest))?;
    if Hasher::digest(digest.algorithm(), &bytes)? == *digest {
        return Ok(Some(bytes.into()));
    }
    Err(disk.quarantine(&Corrupt::new(digest, stamp, "its bytes have another digest")))
}
