//! The records, as a journal of changes.
//!
//! Concurrent writers share one group and one sync. The journal begins with the records of the time when it was
//! written, sorted. When half as much has been appended, it is rewritten beside its writers, which only wait while the last
//! changes are copied: so it has little that is outdated, and is read fast. After a failed sync the state of the disk
//! is unknown: the journal is rewritten from what was acknowledged before, and until that succeeds no change
//! can be recorded.

mod beside;
mod changes;
mod format;
mod legacy;
mod merge;
mod open;
mod queue;
mod rewrite;
mod scan;
#[cfg(test)]
mod tests;
mod write;

use std::{
    fs,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use wharf_content::{Error, ErrorKind};

use self::{
    changes::Packing,
    format::{FileId, HEADER_WINDOW, NUMBER},
    queue::{Queue, QueuedChanges, WritePermit},
    scan::Scan,
};
use super::files::{self, At as _};
use crate::{Listing, sync::LockExt as _};

/// The journal is rewritten when it has this many bytes more than its sorted part and half of that.
const SLACK: u64 = 1024 * 1024;

/// The pause between two attempts to rewrite a journal whose state is unknown.
const RETRY: Duration = Duration::from_secs(1);

/// The number of records in one part of a listing.
const PART: usize = 1024;

/// A change of one key of the journal.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    /// The new value; `None` removes the key.
    pub(super) value: Option<Vec<u8>>,
}

/// Receives changes: keys, and their values or `None` where the key is removed.
pub(super) type Each<'e> = dyn FnMut(&[u8], Option<&[u8]>) -> Result<(), Error> + 'e;

pub(super) struct Journal {
    shared: Arc<SharedJournal>,
    torn: Option<TornTail>,
}

/// The end of a journal that was not a whole group of changes, and was cut off when the journal was opened.
///
/// A crash during a write leaves such an end; the change was not acknowledged. Corruption of the last group
/// looks the same.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TornTail {
    /// The path of the journal.
    pub path: PathBuf,
    /// The offset of the cut in bytes from the beginning.
    pub offset: u64,
    /// The number of bytes that were cut off.
    pub bytes: u64,
}

type Sync = dyn Fn(&File) -> io::Result<()> + Send + std::marker::Sync;

struct SharedJournal {
    path: PathBuf,
    queue: Mutex<Queue>,
    /// Bytes of the file that have been acknowledged. Locked while the file is replaced.
    length: Mutex<u64>,
    /// Syncs the file.
    sync: Box<Sync>,
    /// How long a journal that could not be recovered is left alone.
    retry: Duration,
}

/// The file, owned by the writer.
struct Tail {
    file: File,
    id: FileId,
    /// The offset at which the sorted part ends.
    sorted: u64,
    length: u64,
    /// The length in bytes from which rewriting is tried again after a failure.
    retry: u64,
}

impl Tail {
    /// The length in bytes from which rewriting is due.
    const fn due(&self, slack: u64) -> u64 {
        self.sorted.saturating_add(self.sorted / 2).saturating_add(slack)
    }
}

impl Journal {
    /// Opens the journal, and passes its changes to `each`, in order.
    pub(super) fn open(directory: &Path, each: &mut Each<'_>) -> Result<Self, Error> {
        Self::with_sync(directory, Box::new(File::sync_all), RETRY, each)
    }

    fn with_sync(
        directory: &Path,
        sync: Box<Sync>,
        retry: Duration,
        each: &mut Each<'_>,
    ) -> Result<Self, Error> {
        let path = directory.join("journal");
        rewrite::tidy(&path)?;
        let (mut header, mut length) = (Vec::new(), 0);
        if let Some(file) = files::existing(File::open(&path).at("open", &path))? {
            length = file.metadata().at("inspect", &path)?.len();
            let begins = BufReader::new(file)
                .take(HEADER_WINDOW)
                .read_until(b'\n', &mut header);
            begins.at("read", &path)?;
        }
        let migrated = match format::number(&header) {
            Some(NUMBER) => None,
            Some(number) if number > NUMBER => return Err(newer(&path, number)),
            _ => Some((open::migrate(&path, length, &sync)?, length)),
        };
        let file = files::options().open(&path).at("open", &path)?;
        let length = file.metadata().at("inspect", &path)?.len();
        let open::Opened { tail, whole } = open::read(&path, file, length, &sync, each)?;
        let (whole, length) = migrated.unwrap_or((whole, length));
        let torn = (whole < length).then(|| TornTail {
            path: path.clone(),
            offset: whole,
            bytes: length - whole,
        });
        let shared = SharedJournal {
            length: Mutex::new(tail.length),
            queue: Mutex::new(Queue::new(tail)),
            path,
            sync,
            retry,
        };
        Ok(Self {
            shared: Arc::new(shared),
            torn,
        })
    }

    /// Whether the journal of a directory is missing or empty.
    pub(super) fn is_missing(directory: &Path) -> Result<bool, Error> {
        let path = directory.join("journal");
        let journal = files::existing(fs::metadata(&path).at("inspect", &path))?;
        Ok(journal.is_none_or(|journal| journal.len() == 0))
    }

    /// The end that was cut off the journal when it was opened; `None` if the journal was whole.
    pub(super) const fn torn(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// Lists all records, in the order of their keys.
    pub(super) fn records(&self) -> Listing<(Vec<u8>, Vec<u8>)> {
        let (parts, listing) = mpsc::channel(1);
        let shared = Arc::clone(&self.shared);
        drop(spawn_blocking(move || {
            if let Err(error) = shared.list(&parts) {
                let _ = parts.blocking_send(Err(error)); // who asked may have gone
            }
        }));
        Listing::new(Parts(listing))
    }

    /// Makes the changes, all or none. They survive a crash when this returns.
    pub(super) async fn write(&self, changes: &[Entry]) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let (sender, written) = oneshot::channel();
        let waiting = encode(changes, sender);
        if let Some(permit) = WritePermit::queue(&self.shared, waiting)? {
            spawn_blocking(move || permit.run());
        }
        let interrupted = |_| Error::new(ErrorKind::Cancelled, "the runtime is shutting down");
        written.await.map_err(interrupted)?
    }

    /// Fails with the reason why no change can be recorded. In that case rewriting is tried again.
    pub(super) fn health(&self) -> Result<(), Error> {
        let health = self.shared.queue().health();
        if health.is_err()
            && let Ok(runtime) = Handle::try_current()
            && let Some(permit) = WritePermit::to_recover(&self.shared)
        {
            runtime.spawn_blocking(move || permit.recover());
        }
        health
    }
}

/// Packs the changes of a writer.
fn encode(changes: &[Entry], sender: oneshot::Sender<Result<(), Error>>) -> QueuedChanges {
    let mut packing = Packing::default();
    for change in changes {
        packing.push(&change.key, change.value.as_deref());
    }
    let bytes = packing.take();
    QueuedChanges { bytes, sender }
}

fn newer(path: &Path, number: u64) -> Error {
    let message = format!(
        "{} was written by a newer version, in form {number} where this version reads forms up to {NUMBER}; open it with \
         that version",
        path.display()
    );
    Error::new(ErrorKind::Unsupported, message)
}

fn corrupt(path: &Path, offset: u64) -> Error {
    if offset == 0 {
        let message = format!(
            "{} does not begin as a registry's journal; restore it from a backup, or remove {} to begin without \
             repositories",
            path.display(),
            path.parent().unwrap_or(path).display()
        );
        return Error::new(ErrorKind::Corrupt, message);
    }
    let message = format!(
        "{} is corrupt at byte {offset}, before changes that were written later; restore it from a backup, or \
         truncate it at that byte; later changes are lost",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, message)
}

impl SharedJournal {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.locked()
    }

    fn length(&self) -> MutexGuard<'_, u64> {
        self.length.locked()
    }

    /// A scan of the acknowledged part of the file, and its length.
    fn scan(&self) -> Result<(Scan, u64), Error> {
        let length = self.length();
        let file = File::open(&self.path).at("open", &self.path)?;
        Ok((Scan::new(&self.path, file, *length)?, *length))
    }

    fn list(&self, parts: &mpsc::Sender<Result<Records, Error>>) -> Result<(), Error> {
        let (mut scan, length) = self.scan()?;
        let mut part = Vec::new();
        let gone = || Error::new(ErrorKind::Cancelled, "nobody reads the records");
        merge::current(&mut scan, length, |key, value| {
            part.push((key.to_vec(), value.to_vec()));
            if part.len() < PART {
                return Ok(());
            }
            let sent = parts.blocking_send(Ok(std::mem::take(&mut part)));
            sent.map_err(|_| gone())
        })?;
        let _ = parts.blocking_send(Ok(part)); // who asked may have gone
        Ok(())
    }
}

type Records = Vec<(Vec<u8>, Vec<u8>)>;

struct Parts(mpsc::Receiver<Result<Records, Error>>);

impl futures_core::Stream for Parts {
    type Item = Result<Records, Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
