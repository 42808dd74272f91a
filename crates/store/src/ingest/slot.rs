//! The file under `ingest` into which one blob is received.
//!
//! The file is named after the digest and locked by its writer. Other writers wait for the lock; then
//! either the blob is there, or the former writer is gone and its bytes are continued. Bytes in the file
//! count only after they were hashed.
//!
//! A file that is written in order holds the first bytes of the blob and nothing else. A file with gaps
//! ends with a [`GapFooter`], which tells the next writer how many bytes come before the first gap.

use std::{
    fs::File,
    io::{self, IoSlice, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::PathBuf,
    sync::Arc,
};

use wharf_content::{Descriptor, Error, ErrorKind, Hasher, Piece};
use wharf_fs::{Directory, Stamp};
use wharf_reference::Digest;

use super::{Partials, flush::Flush, gap_footer::GapFooter};
use crate::{Durability, disk::Disk, error::At as _, hashing::hash_into};

/// The right to write one blob.
#[derive(Debug)]
pub(crate) struct Slot {
    disk: Arc<Disk>,
    partials: Arc<Partials>,
    digest: Digest,
    size: u64,
    directory: Directory,
    name: String,
    path: PathBuf,
    /// The locked file; `None` once it is a blob or was discarded.
    file: Option<File>,
    /// Bytes of the blob in the file, including those of earlier attempts.
    written: u64,
    /// The offset of the first gap: all bytes before it are written.
    front: u64,
    /// The position of the file, where a write needs no seek.
    cursor: u64,
    /// The footer, once the file has had gaps.
    footer: Option<GapFooter>,
    flush: Flush,
}

impl Slot {
    /// Asks for the right to write a blob that was absent just now. Bytes in the file are retained if the
    /// source is `resumable`. `None` if another writer has the right, or has completed the blob: the caller
    /// looks for the blob again.
    pub(crate) fn attempt(
        disk: &Arc<Disk>,
        partials: &Arc<Partials>,
        descriptor: &Descriptor,
        resumable: bool,
    ) -> Result<Option<Self>, Error> {
        let digest = descriptor.digest();
        let directory = disk.ingest()?;
        let name = format!("{}-{}", digest.algorithm_name(), digest.encoded());
        let path = directory.path().join(&name);
        let file = match directory.open_or_create(&name, 0o600) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            opened => Some(opened.at("open", &path)?),
        };
        let locked = file.map(|file| disk.try_lock(&file, &path).map(|locked| locked.then_some(file)));
        let Some(file) = locked.transpose()?.flatten() else {
            return Ok(None);
        };
        // The former holder of the lock may have moved or removed the file meanwhile.
        let mut ours = Stamp::of(&file).at("stat", &path)?;
        let named = directory.stat(&name).at("stat", &path)?;
        if !named.is_some_and(|(_, named)| named.same_file(&ours)) {
            return Ok(None);
        }
        let mut slot = Self {
            disk: Arc::clone(disk),
            partials: Arc::clone(partials),
            digest: digest.clone(),
            size: descriptor.size(),
            directory,
            name,
            path,
            file: None,
            written: 0,
            front: 0,
            cursor: 0,
            footer: None,
            flush: Flush::default(),
        };
        if disk.has_blob(descriptor)? {
            slot.file = Some(file);
            slot.discard()?;
            return Ok(None);
        }
        if let Some(footer) = GapFooter::find(&file, ours.size).at("read", &slot.path)? {
            file.set_len(footer.front).at("shorten", &slot.path)?;
            ours.size = footer.front;
        }
        slot.file = Some(file);
        if ours.size > 0 && (!resumable || ours.size > descriptor.size()) {
            slot.discard()?;
            return Ok(None);
        }
        slot.written = ours.size;
        Ok(Some(slot))
    }

    /// True if the file has bytes of an earlier attempt.
    pub(crate) const fn is_begun(&self) -> bool {
        self.written > 0
    }

    /// The state of the hash over the bytes in the file. Called once, before the first write.
    pub(crate) fn hasher(&mut self) -> Result<Hasher, Error> {
        let mut hasher = Hasher::new(self.digest.algorithm())?;
        let Some(file) = &mut self.file else {
            return Ok(hasher);
        };
        let partial = self.partials.take(&self.digest, file);
        if let Some(state) = partial.at("stat", &self.path)? {
            hasher = state;
        } else if self.written > 0 {
            hash_into(file, &mut hasher).at("read", &self.path)?;
        }
        self.written = hasher.count();
        self.front = self.written;
        self.cursor = self.written;
        file.seek(SeekFrom::Start(self.written))
            .at("seek in", &self.path)?;
        Ok(hasher)
    }

    /// Writes each piece at its offset. Afterwards all bytes before `front` are there.
    pub(crate) fn write(&mut self, batch: &[Piece], front: u64) -> Result<(), Error> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let end = batch.iter().map(Piece::end).max().unwrap_or(0);
        // After a crash a gap must not be read as bytes, so the footer is written before the gap exists.
        if (self.footer.is_some() || end > front) && self.footer.is_none_or(|footer| footer.at < end) {
            let footer = GapFooter::beyond(end, self.size, self.front);
            footer.write(file).at("write", &self.path)?;
            self.footer = Some(footer);
        }
        for run in batch.chunk_by(|piece, next| piece.end() == next.offset) {
            let start = run.first().map_or(0, |piece| piece.offset);
            if start != self.cursor {
                file.seek(SeekFrom::Start(start)).at("seek in", &self.path)?;
            }
            let count = write_all(file, run, |piece| &piece.bytes).at("write", &self.path)?;
            self.written += count;
            self.cursor = start + count;
        }
        if let Some(footer) = &mut self.footer
            && footer.front < front
        {
            footer.front = front;
            footer.write(file).at("write", &self.path)?;
        }
        self.front = front;
        if self.disk.options().durability == Durability::Durable {
            self.flush.step(file, self.written);
        }
        Ok(())
    }

    /// Reads a range that was written, through the file that it was written to.
    pub(crate) fn read(&self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let Some(file) = &self.file else {
            return Ok(Vec::new());
        };
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        if wharf_fs::fill_at(file, &mut bytes, range.start).at("read", &self.path)? < length {
            let message = format!("{} was truncated by another process", self.path.display());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(bytes)
    }

    /// The file, for a caller that fills it in another way, and its path for messages.
    pub(crate) fn file(&mut self) -> Option<(&mut File, &PathBuf)> {
        Some((self.file.as_mut()?, &self.path))
    }

    /// Moves the file to the name of its blob and returns its state there. The caller has verified it.
    pub(crate) fn commit(mut self) -> Result<Option<Stamp>, Error> {
        let Some(file) = self.file.take() else {
            return Ok(None);
        };
        if self.footer.is_some() {
            file.set_len(self.size).at("shorten", &self.path)?;
        }
        let flushed = self.flush.finish().at("sync", &self.path);
        if let Err(error) = flushed.and_then(|()| self.disk.seal(&file, &self.digest, &self.path)) {
            // After a failed sync the content of the disk is unknown, and a second sync would not report it
            // (threat S3 in docs/threats.md).
            let _ = self.directory.remove(&self.name);
            return Err(error);
        }
        let published = self
            .disk
            .publish(&self.directory, &self.name, &file, &self.digest);
        published.map(Some)
    }

    /// Ends this attempt but leaves the bytes before the first gap, with their hash state, for a later one.
    pub(crate) fn suspend(mut self, hasher: Option<Hasher>) {
        if self.footer.take().is_some() {
            let cut = self.file.as_ref().map(|file| file.set_len(self.front));
            if !matches!(cut, Some(Ok(()))) {
                return; // the footer is still there
            }
            self.written = self.front;
        }
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
            self.partials.insert(&self.digest, file, hasher);
        }
    }

    /// Removes the file.
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

/// Writes consecutive pieces in as few calls as possible and returns the number of bytes.
pub(super) fn write_all<T>(file: &mut File, run: &[T], bytes: impl Fn(&T) -> &[u8]) -> io::Result<u64> {
    /// The most pieces that are written in one call.
    const MAX_SLICES: usize = 256;
    let mut total = 0;
    for part in run.chunks(MAX_SLICES) {
        let mut slices: Vec<IoSlice<'_>> = part.iter().map(|piece| IoSlice::new(bytes(piece))).collect();
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wharf_content::MediaType;

    use super::*;
    use crate::Layout;

    async fn slot(directory: &tempfile::TempDir, descriptor: &Descriptor) -> (Slot, Hasher) {
        let layout = Layout::create(directory.path()).await.unwrap();
        let (disk, partials) = (&layout.shared.disk, Arc::default());
        let granted = Slot::attempt(disk, &partials, descriptor, true).unwrap();
        let mut slot = granted.expect("nobody else is here");
        let hasher = slot.hasher().unwrap();
        (slot, hasher)
    }

    /// The file that a killed process leaves after each write is resumed by another: with all bytes before
    /// the first gap that the first had hashed, and no byte of a gap.
    #[tokio::test]
    async fn no_gap_is_taken_for_bytes_after_a_kill() {
        const STEP: u64 = 3_000_000;
        let content = Bytes::from(wharf_testkit::noise(1, 30_000_000));
        let descriptor = Descriptor::of(MediaType::OCI_LAYER, &content);
        let piece = |number: u64| {
            let at = usize::try_from(number * STEP).unwrap();
            Piece {
                offset: number * STEP,
                bytes: content.slice(at..at + usize::try_from(STEP).unwrap()),
            }
        };
        // The pieces of each write, and the number of pieces before the first gap afterwards.
        let writes: [(&[u64], u64); 8] = [
            (&[0], 1),
            (&[2, 3], 1),
            (&[7], 1),
            (&[1], 2),
            (&[], 4),
            (&[5, 4], 5),
            (&[6], 8),
            (&[8, 9], 10),
        ];
        let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut killed, _) = slot(&ours, &descriptor).await;
        for (pieces, front) in writes {
            let batch: Vec<Piece> = pieces.iter().map(|number| piece(*number)).collect();
            killed.write(&batch, front * STEP).unwrap();
            let (empty, _) = slot(&other, &descriptor).await;
            let left = empty.path.clone();
            drop(empty);
            std::fs::copy(&killed.path, &left).unwrap();
            let (found, hasher) = slot(&other, &descriptor).await;
            assert_eq!(hasher.count(), front * STEP, "{pieces:?}");
            let prefix = content.slice(..usize::try_from(front * STEP).unwrap());
            let expected = Hasher::digest(wharf_reference::Algorithm::Sha256, &prefix).unwrap();
            assert_eq!(hasher.finish().unwrap(), expected, "{pieces:?}");
            assert_eq!(
                found.file.as_ref().unwrap().metadata().unwrap().len(),
                front * STEP
            );
        }
        let path = killed.directory.path().to_owned();
        killed.commit().unwrap();
        assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
        let layout = Layout::open(ours.path()).await.unwrap();
        assert!(layout.shared.ensure_verified(&descriptor).unwrap());
    }
}
