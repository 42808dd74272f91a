//! The queue of writers: one writer at a time writes the changes of all that wait.

use std::{
    collections::VecDeque,
    io::{Seek as _, SeekFrom, Write as _},
    mem,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use tokio::{sync::oneshot, task::spawn_blocking};
use wharf_content::{Error, ErrorKind};

use super::{
    SLACK, SharedJournal, Tail, live::Applied, rewrite, rewrite::Rewriting, scan::Scan, sync_directory,
};
use crate::disk::files::At as _;

/// Bytes of changes that are written at a time, unless one writer has more.
const GROUP: usize = 1024 * 1024;

/// When a rewriting has fewer bytes than this left to copy, the writers wait until it has copied them.
const REST: u64 = 256 * 1024;

/// Changes of one writer.
pub(super) struct QueuedChanges {
    /// As the file has them.
    pub(super) bytes: Vec<u8>,
    pub(super) changes: Vec<Applied>,
    pub(super) sender: oneshot::Sender<Result<(), Error>>,
}

pub(super) struct Queue {
    waiting: VecDeque<QueuedChanges>,
    /// The file, when nobody is writing to it.
    tail: Option<Tail>,
    rewriting: Beside,
    broken: Option<Broken>,
}

/// The rewriting that goes on beside the writers.
enum Beside {
    None,
    Begun,
    Ready(Box<(Rewriting, Scan)>),
    Failed,
}

/// Why nothing can be recorded, and when that was last tried.
struct Broken {
    why: String,
    tried: Instant,
}

impl Queue {
    pub(super) const fn new(tail: Tail) -> Self {
        Self {
            waiting: VecDeque::new(),
            tail: Some(tail),
            rewriting: Beside::None,
            broken: None,
        }
    }

    pub(super) fn health(&self) -> Result<(), Error> {
        self.broken.as_ref().map_or(Ok(()), |broken| Err(broken.error()))
    }
}

impl Broken {
    fn error(&self) -> Error {
        let message = format!(
            "nothing can be recorded until the journal could be written anew, which is tried again from time to \
             time: {}",
            self.why
        );
        Error::new(ErrorKind::Storage, message)
    }
}

/// The right to write. Dropped, it gives the file back.
pub(super) struct WritePermit {
    shared: Arc<SharedJournal>,
    tail: Option<Tail>,
}

impl Drop for WritePermit {
    fn drop(&mut self) {
        if let Some(tail) = self.tail.take() {
            self.shared.queue().tail = Some(tail);
        }
    }
}

impl WritePermit {
    /// Queues changes; the right to write them, if nobody has it.
    pub(super) fn queue(shared: &Arc<SharedJournal>, waiting: QueuedChanges) -> Result<Option<Self>, Error> {
        let mut queue = shared.queue();
        if let Some(broken) = queue
            .broken
            .as_ref()
            .filter(|broken| broken.tried.elapsed() < shared.retry)
        {
            return Err(broken.error());
        }
        queue.waiting.push_back(waiting);
        Ok(Self::of(shared, &mut queue))
    }

    /// The right to mend what is broken, if nobody has it and it is time to try.
    pub(super) fn to_mend(shared: &Arc<SharedJournal>) -> Option<Self> {
        let mut queue = shared.queue();
        let broken = queue.broken.as_ref()?;
        (broken.tried.elapsed() >= shared.retry).then_some(())?;
        Self::of(shared, &mut queue)
    }

    /// Mends what is broken, and goes on as ever.
    pub(super) fn mend(mut self) {
        if let Some(tail) = &mut self.tail {
            self.shared.mend(tail);
        }
        self.run();
    }

    fn of(shared: &Arc<SharedJournal>, queue: &mut Queue) -> Option<Self> {
        let tail = Some(queue.tail.take()?);
        let shared = Arc::clone(shared);
        Some(Self { shared, tail })
    }

    /// Writes what waits until nothing does.
    pub(super) fn run(mut self) {
        while let Some(tail) = &mut self.tail {
            self.shared.adopt(tail);
            let next = {
                let mut queue = self.shared.queue();
                if queue.waiting.is_empty() && !matches!(queue.rewriting, Beside::Ready(_)) {
                    queue.tail = self.tail.take();
                    return;
                }
                queue.broken.is_none().then(|| queue.next())
            };
            match next {
                Some(waiting) => {
                    self.shared.append(tail, waiting);
                    rewrite_if_due(&self.shared, tail);
                }
                None => self.shared.mend(tail),
            }
        }
    }
}

impl Queue {
    /// Those whose changes are written next.
    fn next(&mut self) -> Vec<QueuedChanges> {
        let mut bytes = 0;
        let mut next = Vec::new();
        while let Some(waiting) = self.waiting.front() {
            bytes += waiting.bytes.len();
            if bytes > GROUP && !next.is_empty() {
                break;
            }
            next.extend(self.waiting.pop_front());
        }
        next
    }
}

/// How writing failed.
enum Failed {
    /// The file is as it was before.
    Undone(Error),
    /// Nobody knows what is on the disk.
    Unknown(Error),
}

impl SharedJournal {
    fn append(&self, tail: &mut Tail, waiting: Vec<QueuedChanges>) {
        if waiting.is_empty() {
            return;
        }
        let bytes = waiting.iter().map(|waiting| waiting.bytes.as_slice());
        let bytes = bytes.collect::<Vec<_>>().join(&b',');
        let written = self.write_group(tail, &bytes);
        if written.is_ok() {
            let mut live = self.live();
            let changes = waiting.iter().flat_map(|waiting| &waiting.changes);
            changes.for_each(|change| live.apply(change));
            self.length.store(tail.length, Ordering::Release);
        }
        let failed = match written {
            Ok(()) => None,
            Err(Failed::Undone(error)) => Some(error),
            Err(Failed::Unknown(error)) => {
                let why = describe(&error);
                let tried = Instant::now();
                self.queue().broken = Some(Broken { why, tried });
                self.mend(tail);
                Some(error)
            }
        };
        for waiting in waiting {
            let outcome = failed.as_ref().map_or(Ok(()), |error| Err(copy(error)));
            let _ = waiting.sender.send(outcome); // who waited may have gone
        }
    }

    fn write_group(&self, tail: &mut Tail, changes: &[u8]) -> Result<(), Failed> {
        let group = tail.id.group(tail.length, changes).map_err(Failed::Undone)?;
        let start = tail.file.seek(SeekFrom::Start(tail.length));
        let written = start
            .and_then(|_| tail.file.write_all(&group))
            .at("write", &self.path);
        if let Err(error) = written {
            return match tail.file.set_len(tail.length).at("truncate", &self.path) {
                Ok(()) => Err(Failed::Undone(error)),
                Err(error) => Err(Failed::Unknown(error)),
            };
        }
        (self.sync)(&tail.file)
            .at("sync", &self.path)
            .map_err(Failed::Unknown)?;
        tail.length += group.len() as u64;
        Ok(())
    }

    /// Where nobody knows what is on the disk, writes it anew. Who waits is told if that fails.
    fn mend(&self, tail: &mut Tail) {
        if self.queue().broken.is_none() {
            return;
        }
        let mended = {
            let mut live = self.live();
            let rewritten = rewrite(&self.path, tail.length, &live, &self.prints, &self.sync);
            rewritten.map(|rewritten| {
                (*tail, *live) = rewritten;
                self.length.store(tail.length, Ordering::Release);
            })
        };
        let mut queue = self.queue();
        queue.broken = mended.err().map(|error| Broken {
            why: describe(&error),
            tried: Instant::now(),
        });
        if let Some(error) = queue.broken.as_ref().map(Broken::error) {
            for waiting in queue.waiting.drain(..) {
                let _ = waiting.sender.send(Err(copy(&error))); // who waited may have gone
            }
        }
    }

    /// Goes on with the journal that has been written beside this one, if it is ready.
    fn adopt(&self, tail: &mut Tail) {
        let beside = {
            let mut queue = self.queue();
            match queue.rewriting {
                Beside::None | Beside::Begun => return,
                Beside::Ready(_) | Beside::Failed => mem::replace(&mut queue.rewriting, Beside::None),
            }
        };
        tail.retry = tail.length + SLACK;
        let Beside::Ready(ready) = beside else {
            return;
        };
        let (mut rewriting, mut scan) = *ready;
        if *scan.id() != tail.id || rewriting.copy(&mut scan, tail.length, |_| true).is_err() {
            return; // it stays as it is: longer than it need be, but whole
        }
        let mut live = self.live();
        if let Ok(rewritten) = rewriting.replace(&self.path, &self.sync) {
            (*tail, *live) = rewritten;
            self.length.store(tail.length, Ordering::Release);
            drop(live);
            if let Err(error) = sync_directory(&self.path) {
                let why = describe(&error);
                let tried = Instant::now();
                self.queue().broken = Some(Broken { why, tried });
            }
        }
    }

    /// Writes most of a new journal while others write to this one.
    fn write_beside(&self) -> Result<(Rewriting, Scan), Error> {
        let (mut scan, length) = self.scan()?;
        let anew = self.live().anew();
        let mut rewriting = Rewriting::begin(&self.path, anew, &self.prints)?;
        rewriting.copy(&mut scan, length, |change| {
            self.live().counts(self.prints.of(&change.key), change.number)
        })?;
        loop {
            let length = self.length.load(Ordering::Acquire);
            if length.saturating_sub(scan.offset()) < REST {
                rewriting.sync()?;
                return Ok((rewriting, scan));
            }
            // All of it: what it removes may have been copied before.
            rewriting.copy(&mut scan, length, |_| true)?;
        }
    }
}

fn rewrite_if_due(shared: &Arc<SharedJournal>, tail: &Tail) {
    let due = shared.live().bytes().saturating_mul(2).saturating_add(SLACK);
    let mut queue = shared.queue();
    if tail.length <= due.max(tail.retry) || !matches!(queue.rewriting, Beside::None) {
        return;
    }
    queue.rewriting = Beside::Begun;
    drop(queue);
    let shared = Arc::clone(shared);
    drop(spawn_blocking(move || {
        let written = shared.write_beside();
        let permit = {
            let mut queue = shared.queue();
            queue.rewriting = written.map_or(Beside::Failed, |ready| Beside::Ready(Box::new(ready)));
            WritePermit::of(&shared, &mut queue)
        };
        if let Some(permit) = permit {
            permit.run();
        }
    }));
}

fn copy(error: &Error) -> Error {
    Error::new(error.kind(), describe(error))
}

fn describe(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
