//! Receiving a blob: one writer per digest across tasks and processes, resumable, verified before visible.
//!
//! The file under `ingest` is named after the digest and locked by its writer. Whoever finds it locked waits;
//! when the lock is free, either the blob is there, or the writer is gone and what it left is continued. Such
//! a file is only ever appended to or replaced, so the same inode with the same size has the same bytes.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, IoSlice, Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use wharf_content::{Descriptor, Error, Hasher};
use wharf_reference::Digest;

use crate::{
    disk::Disk,
    error::At as _,
    os::{self, Dir},
};

/// How many abandoned downloads keep their hash state; each also keeps a file open.
const MAX_KEPT: usize = 32;

const REHASH_CHUNK: usize = 256 * 1024;

/// The hash states of downloads that were given up in this process.
#[derive(Debug, Default)]
pub(crate) struct Partials(Mutex<HashMap<Digest, Kept>>);

#[derive(Debug)]
struct Kept {
    /// Open, so that no other file can get its inode.
    file: File,
    hasher: Hasher,
}

impl Partials {
    fn keep(&self, digest: &Digest, file: File, hasher: Hasher) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_KEPT {
            kept.insert(digest.clone(), Kept { file, hasher });
        }
    }

    /// The state that fits this file, if there is one.
    fn take(&self, digest: &Digest, file: &File) -> io::Result<Option<Hasher>> {
        let kept = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(digest);
        let Some(kept) = kept else {
            return Ok(None);
        };
        let (then, now) = (os::stamp_of(&kept.file)?, os::stamp_of(file)?);
        let same = (then.device, then.inode) == (now.device, now.inode) && now.size == kept.hasher.count();
        Ok(same.then_some(kept.hasher))
    }
}

/// The right to write one blob: the locked file, and what it holds already.
#[derive(Debug)]
pub(crate) struct Slot {
    disk: Arc<Disk>,
    partials: Arc<Partials>,
    digest: Digest,
    directory: Dir,
    name: String,
    path: PathBuf,
    /// `None` once it is a blob or has been removed.
    file: Option<File>,
    written: u64,
}

impl Slot {
    /// Waits until this caller may write the blob; `None` if it is there. Blocks; gives up soon after
    /// `cancelled` is set.
    ///
    /// The hasher has taken in what the file holds. `resumable` says whether that is of any use.
    pub(crate) fn acquire(
        disk: &Arc<Disk>,
        partials: &Arc<Partials>,
        descriptor: &Descriptor,
        resumable: bool,
        cancelled: &AtomicBool,
    ) -> Result<Option<(Self, Hasher)>, Error> {
        let digest = descriptor.digest();
        let mut pause = Duration::from_millis(1);
        loop {
            if disk.has_blob(descriptor)? {
                return Ok(None);
            }
            let directory = disk.ingest()?;
            let name = format!("{}-{}", digest.algorithm_name(), digest.encoded());
            let path = directory.path().join(&name);
            let file = directory.read_write(&name, 0o600).at("open", &path)?;
            if !os::try_lock(&file).at("lock", &path)? {
                if cancelled.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                thread::sleep(pause); // no kernel offers a lock that can be waited for and given up
                pause = (pause * 2).min(Duration::from_millis(50));
                continue;
            }
            // The one who held the lock may have moved or removed the file meanwhile.
            let ours = os::stamp_of(&file).at("look at", &path)?;
            let named = directory.stat(&name).at("look at", &path)?;
            if named.map(|(_, stamp)| (stamp.device, stamp.inode)) != Some((ours.device, ours.inode)) {
                continue;
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
            };
            if disk.has_blob(descriptor)? {
                slot.discard()?;
                return Ok(None);
            }
            let useful = resumable && ours.size > 0 && ours.size <= descriptor.size();
            if ours.size > 0 && !useful {
                slot.discard()?;
                continue;
            }
            let hasher = slot.hasher()?;
            return Ok(Some((slot, hasher)));
        }
    }

    /// The state of the hash over what the file holds.
    fn hasher(&mut self) -> Result<Hasher, Error> {
        let mut fresh = Hasher::new(self.digest.algorithm())?;
        let Some(file) = &mut self.file else {
            return Ok(fresh);
        };
        let kept = self.partials.take(&self.digest, file).at("look at", &self.path)?;
        let hasher = if let Some(kept) = kept {
            kept
        } else {
            rehash(file, &mut fresh).at("read", &self.path)?;
            fresh
        };
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
        Ok(())
    }

    /// Makes the file a blob. The caller has seen the blob's end.
    pub(crate) fn commit(mut self) -> Result<(), Error> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let committed = self.disk.commit(&self.directory, &self.name, &file, &self.digest);
        if committed.is_err() {
            // After a failed sync nobody knows what is on the disk, and a second sync would not say.
            let _ = self.directory.remove(&self.name);
        }
        committed
    }

    /// Keeps what was written for a later attempt, with the hash state if it fits.
    pub(crate) fn keep(mut self, hasher: Option<Hasher>) {
        if self.written == 0 {
            return;
        }
        if let (Some(file), Some(hasher)) = (self.file.take(), hasher)
            && hasher.count() == self.written
            && file.unlock().is_ok()
        {
            self.partials.keep(&self.digest, file, hasher);
        }
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
        if self.file.is_some() && self.written == 0 {
            let _ = self.directory.remove(&self.name); // an empty file helps nobody
        }
    }
}

fn rehash(file: &mut File, hasher: &mut Hasher) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; REHASH_CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
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
