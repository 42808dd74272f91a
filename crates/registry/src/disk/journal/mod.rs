//! The records, as a journal of changes.
//!
//! Concurrent writers share one group and one sync. The journal is rewritten when most of its changes are
//! outdated; writers only wait while the last changes are copied. After a failed sync the state of the disk
//! is unknown: the journal is rewritten from what was acknowledged before, and until that succeeds no change
//! can be recorded.

mod beside;
mod format;
mod legacy;
mod live;
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
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use wharf_content::{Error, ErrorKind};

use self::{
    format::{FileId, MAGIC, pair},
    live::{Applied, Live, Prints},
    queue::{Queue, QueuedChanges, WritePermit},
    scan::Scan,
};
use super::files::{self, At as _};
use crate::{Listing, sync::LockExt as _};

/// The journal is rewritten when it has this many bytes more than twice the bytes of current changes.
const SLACK: u64 = 1024 * 1024;

/// The pause between two attempts to rewrite a journal whose state is unknown.
const RETRY: Duration = Duration::from_secs(1);

/// The number of records in one part of a listing.
const PART: usize = 1024;

/// A change of one key of the journal.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Printable ASCII.
    pub(super) key: String,
    /// The new value, one line of text; `None` removes the key.
    pub(super) value: Option<String>,
}

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
    live: Mutex<Live>,
    prints: Prints,
    /// Bytes of the file that have been acknowledged.
    length: AtomicU64,
    /// Syncs the file.
    sync: Box<Sync>,
    /// How long a journal that could not be recovered is left alone.
    retry: Duration,
}

/// The file, owned by the writer.
struct Tail {
    file: File,
    id: FileId,
    length: u64,
    /// The length in bytes from which rewriting is tried again after a failure.
    retry: u64,
}

impl Journal {
    pub(super) fn open(directory: &Path) -> Result<Self, Error> {
        Self::with_sync(directory, Box::new(File::sync_all), RETRY)
    }

    fn with_sync(directory: &Path, sync: Box<Sync>, retry: Duration) -> Result<Self, Error> {
        let path = directory.join("journal");
        rewrite::tidy(&path)?;
        let prints = Prints::new();
        let file = files::existing(files::options().open(&path).at("open", &path))?;
        let length = match &file {
            Some(file) => file.metadata().at("inspect", &path)?.len(),
            None => 0,
        };
        let mut start = Vec::new();
        if let Some(file) = &file {
            let begins = file.take(MAGIC.len() as u64).read_to_end(&mut start);
            begins.at("read", &path)?;
        }
        let open::Opened { tail, live, whole } = match file {
            Some(file) if start == MAGIC => open::read(&path, file, length, &prints, &sync)?,
            _ => open::migrate(&path, length, &prints, &sync)?,
        };
        let torn = (whole < length).then(|| TornTail {
            path: path.clone(),
            offset: whole,
            bytes: length - whole,
        });
        let shared = SharedJournal {
            length: AtomicU64::new(tail.length),
            queue: Mutex::new(Queue::new(tail)),
            live: Mutex::new(live),
            prints,
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

    /// Lists all records, in any order. Nothing may be written meanwhile.
    pub(super) fn records(&self) -> Listing<(String, String)> {
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
        let waiting = self.shared.encode(changes, sender)?;
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

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.locked()
    }

    fn encode(
        &self,
        changes: &[Entry],
        sender: oneshot::Sender<Result<(), Error>>,
    ) -> Result<QueuedChanges, Error> {
        let mut waiting = QueuedChanges {
            bytes: Vec::new(),
            changes: Vec::with_capacity(changes.len()),
            sender,
        };
        for change in changes {
            let pair = pair(&change.key, change.value.as_deref())?;
            if !waiting.bytes.is_empty() {
                waiting.bytes.push(b',');
            }
            waiting.bytes.extend_from_slice(&pair);
            waiting.changes.push(Applied {
                print: self.prints.of(&change.key),
                bytes: pair.len() + 1,
                removes: change.value.is_none(),
            });
        }
        Ok(waiting)
    }

    /// A scan of the acknowledged part of the file, and its length.
    fn scan(&self) -> Result<(Scan, u64), Error> {
        self.scan_of(&self.live())
    }

    /// As [`Self::scan`], for a caller that has locked `live`: nobody replaces the file while the lock is
    /// held.
    fn scan_of(&self, _live: &Live) -> Result<(Scan, u64), Error> {
        let length = self.length.load(Ordering::Acquire);
        let file = File::open(&self.path).at("open", &self.path)?;
        Ok((Scan::new(&self.path, file, length)?, length))
    }

    fn list(&self, parts: &mpsc::Sender<Result<Records, Error>>) -> Result<(), Error> {
        // In another file, which may take this one's place, changes have other numbers.
        let ((mut scan, length), counting) = {
            let live = self.live();
            (self.scan_of(&live)?, live.counting())
        };
        let mut part = Vec::new();
        scan.each(length, |change| {
            let counts = counting.counts(change.number);
            if let Some(value) = change.value.filter(|_| counts) {
                part.push((change.key, value));
            }
            Ok(part.len() < PART || parts.blocking_send(Ok(std::mem::take(&mut part))).is_ok())
        })?;
        let _ = parts.blocking_send(Ok(part)); // who asked may have gone
        Ok(())
    }
}

type Records = Vec<(String, String)>;

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
