//! Reads a blob from its file, and hashes it unless this process has done so before.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{ByteStream, Descriptor, Error, Hasher, OpenBlob};
use wharf_fs::Stamp;
use wharf_reference::Digest;

use crate::{
    Verify,
    chunks::{Chunks, Read, ReadAhead},
    disk::{Corrupt, Disk, Lease, VerifiedStamp, read_bounded},
    error::At as _,
    hashing::file_has_while,
    shared::Shared,
    sync::LockExt as _,
};

/// A blob of the layout.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) shared: Arc<Shared>,
    /// Protects the blob from collection.
    pub(crate) lease: Arc<Lease>,
    pub(crate) descriptor: Descriptor,
    /// True if the receiver of the bytes verifies them.
    pub(crate) unverified: bool,
}

#[async_trait]
impl OpenBlob for Stored {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let (shared, lease) = (Arc::clone(&self.shared), Arc::clone(&self.lease));
        let (digest, size) = (self.descriptor.digest().clone(), self.descriptor.size());
        let unverified = self.unverified;
        let open = move || {
            let mut reader = Reader::open(shared, Some(lease), &digest, Some(size))?;
            if unverified {
                reader.hasher = None;
            }
            reader.part(offset.min(size)..size)
        };
        ReadAhead::open(open).await
    }

    fn unverified(&self) -> Option<Arc<dyn OpenBlob>> {
        (self.shared.disk.options().verify == Verify::Once).then(|| {
            Arc::new(Self {
                shared: Arc::clone(&self.shared),
                lease: Arc::clone(&self.lease),
                descriptor: self.descriptor.clone(),
                unverified: true,
            }) as Arc<dyn OpenBlob>
        })
    }
}

/// A reader of a blob's bytes, which hashes them unless this process has done so before.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    _lease: Option<Arc<Lease>>,
    digest: Digest,
    size: u64,
    stamp: Stamp,
    chunks: Chunks,
    /// `None` if the file was verified before.
    hasher: Option<Hasher>,
}

impl Reader {
    /// Opens a blob. `size` is its expected size, if the caller knows it.
    pub(crate) fn open(
        shared: Arc<Shared>,
        lease: Option<Arc<Lease>>,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Self, Error> {
        let disk = &shared.disk;
        let (file, stamp) = disk.open_blob(digest)?.ok_or_else(|| disk.no_blob(digest))?;
        if let Some(size) = size
            && size != stamp.size
        {
            let good = shared.hashed.contains(digest, &stamp)
                || VerifiedStamp::of(digest, &stamp) == Some(VerifiedStamp::Durable);
            return Err(disk.wrong_size(digest, size, stamp.size, good));
        }
        let known = disk.options().verify == Verify::Once && shared.hashed.contains(digest, &stamp);
        let hasher = if known {
            None
        } else {
            Some(Hasher::new(digest.algorithm())?)
        };
        let path = disk.blob_path(digest);
        Ok(Self {
            shared,
            _lease: lease,
            digest: digest.clone(),
            size: stamp.size,
            stamp,
            chunks: Chunks::new(file, path, 0..stamp.size),
            hasher,
        })
    }

    /// The size of the blob in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Restricts the reader to a range of the blob.
    pub(crate) fn part(mut self, range: Range<u64>) -> Result<Self, Error> {
        let range = range.start.min(self.size)..range.end.min(self.size);
        if range.end < self.size {
            self.verify_all(&|| true)?;
            self.hasher = None; // what lies beyond the part is not read again
        } else if range.start > 0 && self.hasher.is_some() {
            self.verify_all(&|| true)?;
            while self.hasher.is_some() && self.chunks.left.start < range.start {
                self.read(range.start - self.chunks.left.start)?;
            }
        }
        if self.hasher.is_none() {
            self.chunks.left = range;
        }
        Ok(self)
    }

    /// Hashes the whole file once for all readers of parts. If the result cannot be remembered, later reads
    /// hash again.
    ///
    /// Fails with [`ErrorKind::Cancelled`](wharf_content::ErrorKind) once the result is not wanted any more.
    pub(crate) fn verify_all(&mut self, is_wanted: &dyn Fn() -> bool) -> Result<(), Error> {
        if self.hasher.is_none() {
            return Ok(());
        }
        let hashed = Arc::clone(&self.shared.hashed);
        let hashing = hashed.hashing(&self.digest);
        let _hashing = hashing.locked();
        let once = self.shared.disk.options().verify == Verify::Once;
        if !(once && hashed.contains(&self.digest, &self.stamp)) {
            if !file_has_while(&mut self.chunks.file, &self.digest, &self.chunks.path, is_wanted)? {
                return Err(self.corrupt("its bytes have another digest"));
            }
            self.remember()?;
        }
        if once && hashed.contains(&self.digest, &self.stamp) {
            self.hasher = None;
        }
        Ok(())
    }

    /// Reads the next bytes, at most `limit`; none at the end. The bytes that complete the blob are
    /// returned only if the digest is right.
    fn read(&mut self, limit: u64) -> Result<Bytes, Error> {
        let bytes = self.chunks.read(limit)?;
        if bytes.is_empty() && !self.chunks.left.is_empty() {
            return Err(self.corrupt("it is truncated"));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes);
        }
        if self.chunks.left.is_empty()
            && let Some(hasher) = self.hasher.take()
        {
            if hasher.finish()? != self.digest {
                return Err(self.corrupt("its bytes have another digest"));
            }
            self.remember()?;
        }
        Ok(bytes)
    }

    /// Records that the file was verified, so that it is not hashed again unless it changes.
    fn remember(&self) -> Result<(), Error> {
        let now = Stamp::of(&self.chunks.file).at("stat", &self.chunks.path)?;
        let stamped = VerifiedStamp::of(&self.digest, &now).is_some(); // another write would remove the stamp
        if now == self.stamp && (stamped || !now.is_racy()) {
            self.shared.hashed.insert(&self.digest, now);
        }
        Ok(())
    }

    fn corrupt(&self, why: &'static str) -> Error {
        let corrupt = Corrupt::new(&self.digest, self.stamp, why);
        self.shared.disk.quarantine(&corrupt)
    }
}

impl Read for Reader {
    fn read_next(&mut self) -> Result<Bytes, Error> {
        self.read(u64::MAX)
    }

    fn at_end(&self) -> bool {
        self.chunks.left.is_empty()
    }
}

/// Reads all bytes of a manifest; `None` if there is no such file.
///
/// Fails with [`ErrorKind::TooLarge`](wharf_content::ErrorKind) beyond `limit`.
pub(crate) fn whole(disk: &Disk, digest: &Digest, limit: u64) -> Result<Option<Bytes>, Error> {
    let Some((file, stamp)) = disk.open_blob(digest)? else {
        return Ok(None);
    };
    let bytes = read_bounded(&file, limit, &disk.blob_path(digest))?;
    if Hasher::digest(digest.algorithm(), &bytes)? == *digest {
        return Ok(Some(bytes.into()));
    }
    Err(disk.quarantine(&Corrupt::new(digest, stamp, "its bytes have another digest")))
}
