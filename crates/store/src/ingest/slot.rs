//! The file under `ingest` that one blob is received into.
//!
//! It is named after the digest and locked by its writer. Whoever finds it locked waits; when the lock is
//! free, either the blob is there, or the writer is gone and what it left is continued. What a file holds is
//! only believed when it has been hashed.

use std::{
    fs::File,
    io::{self, IoSlice, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use wharf_content::{Descriptor, Error, Hasher};
use wharf_reference::Digest;

use super::{Partials, flush::Flush};
use crate::{
    Durability,
    disk::Disk,
    error::At as _,
    hashing::hash_into,
    os::{self, Dir, Stamp},
};

/// What came of asking for the right to write a blob.
pub(crate) enum Attempt {
    /// The blob is there already.
    Present,
    /// Another writer has it; ask again.
    Busy,
    /// The right to write, and the hash over what the file holds.
    Granted(Box<(Slot, Hasher)>),
}

/// The right to write one blob.
#[derive(Debug)]
pub(crate) struct Slot {
    disk: Arc<Disk>,
    partials: Arc<Partials>,
    digest: Digest,
    directory: Dir,
    name: String,
    path: PathBuf,
    /// Locked; `None` once it is a blob or has been given up.
    file: Option<File>,
    written: u64,
    flush: Flush,
}

impl Slot {
    /// Asks for the right to write the blob. What the file holds is kept if that is `resumable`.
    pub(crate) fn attempt(
        disk: &Arc<Disk>,
        partials: &Arc<Partials>,
        descriptor: &Descriptor,
        resumable: bool,
    ) -> Result<Attempt, Error> {
        const PAUSE: Duration = Duration::from_millis(10);
        let digest = descriptor.digest();
        if disk.has_blob(descriptor)? {
            return Ok(Attempt::Present);
        }
        let directory = disk.ingest()?;
        let name = format!("{}-{}", digest.algorithm_name(), digest.encoded());
        let path = directory.path().join(&name);
        let file = match directory.read_write(&name, 0o600) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            opened => Some(opened.at("open", &path)?),
        };
        let locked = file.map(|file| disk.try_lock(&file, &path).map(|locked| locked.then_some(file)));
        let Some(file) = locked.transpose()?.flatten() else {
            thread::sleep(PAUSE); // no system offers a lock that can be waited for and given up
            return Ok(Attempt::Busy);
        };
        // The one who held the lock may have moved or removed the file meanwhile.
        let ours = os::stamp_of(&file).at("look at", &path)?;
        let named = directory.stat(&name).at("look at", &path)?;
        if !named.is_some_and(|(_, named)| named.same_file(&ours)) {
            return Ok(Attempt::Busy);
        }
        let mut slot = Self {
            disk: Arc::clone(disk),
            partials: Arc::clone(partials),
            digest: digest.clone(),
            directory,
            name,
            path,
            file: Some(file),
            written: 0,
            flush: Flush::default(),
        };
        if disk.has_blob(descriptor)? {
            slot.discard()?;
            return Ok(Attempt::Present);
        }
        if ours.size > 0 && (!resumable || ours.size > descriptor.size()) {
            slot.discard()?;
            return Ok(Attempt::Busy);
        }
        let hasher = slot.hasher()?;
        Ok(Attempt::Granted(Box::new((slot, hasher))))
    }

    /// The state of the hash over what the file holds.
    fn hasher(&mut self) -> Result<Hasher, Error> {
        let mut hasher = Hasher::new(self.digest.algorithm())?;
        let Some(file) = &mut self.file else {
            return Ok(hasher);
        };
        let kept = self.partials.take(&self.digest, file);
        if let Some(kept) = kept.at("look at", &self.path)? {
            hasher = kept;
        } else {
            hash_into(file, &mut hasher).at("read", &self.path)?;
        }
        self.written = hasher.count();
        file.seek(SeekFrom::Start(self.written))
            .at("seek in", &self.path)?;
        Ok(hasher)
    }

    /// Appends.
    pub(crate) fn write(&mut self, batch: &[Bytes]) -> Result<(), Error> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        self.written += write_all(file, batch).at("write", &self.path)?;
        if self.disk.options().durability == Durability::Durable {
            self.flush.step(file, self.written);
        }
        Ok(())
    }

    /// The file, for who fills it in another way, and its path for messages.
    pub(crate) fn file(&mut self) -> Option<(&mut File, &PathBuf)> {
        Some((self.file.as_mut()?, &self.path))
    }

    /// Makes the file a blob; its state then. The caller has verified it.
    pub(crate) fn commit(mut self) -> Result<Option<Stamp>, Error> {
        let Some(file) = self.file.take() else {
            return Ok(None);
        };
        let flushed = self.flush.finish().at("sync", &self.path);
        if let Err(error) = flushed.and_then(|()| self.disk.settle(&file, &self.digest, &self.path)) {
            // After a failed sync nobody knows what is on the disk, and a second sync would not say (S3).
            let _ = self.directory.remove(&self.name);
            return Err(error);
        }
        let published = self
            .disk
            .publish(&self.directory, &self.name, &file, &self.digest);
        published.map(Some)
    }

    /// Keeps what was written for a later attempt, with the hash state if it fits.
    pub(crate) fn keep(mut self, hasher: Option<Hasher>) {
        if self.written == 0 {
            return;
        }
        if self.flush.finish().is_err() {
            let _ = self.discard();
            return;
        }
        if let (Some(file), Some(hasher)) = (self.file.take(), hasher)
            && hasher.count() == self.written
            && file.unlock().is_ok()
        {
            self.partials.keep(&self.digest, file, hasher);
        }
    }

    /// Keeps the first bytes of a file that was filled in another way.
    pub(crate) fn keep_prefix(mut self, length: u64, hasher: Hasher) {
        self.written = length;
        self.keep(Some(hasher));
    }

    /// Removes what was written.
    pub(crate) fn discard(&mut self) -> Result<(), Error> {
        self.directory.remove(&self.name).at("remove", &self.path)?;
        self.file = None;
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(file) = &self.file else {
            return;
        };
        if self.written == 0 {
            let _ = self.directory.remove(&self.name); // an empty file helps nobody
        }
        let _ = file.unlock(); // a flush that still runs would keep the lock
    }
}

/// Writes all chunks in as few calls as possible; how many bytes they were.
fn write_all(file: &mut File, batch: &[Bytes]) -> io::Result<u64> {
    const MAX_SLICES: usize = 256;
    let mut total = 0;
    for part in batch.chunks(MAX_SLICES) {
        let mut slices: Vec<IoSlice<'_>> = part.iter().map(|chunk| IoSlice::new(chunk)).collect();
        let mut slices = slices.as_mut_slice();
        IoSlice::advance_slices(&mut slices, 0); // skips empty ones
        while !slices.is_empty() {
            match file.write_vectored(slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    total += count as u64;
                    IoSlice::advance_slices(&mut slices, count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(total)
}
