//! The queue of writers: one writer at a time writes the changes of all that wait.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use tokio::sync::oneshot;
use wharf_content::{Error, ErrorKind};

use super::{
    SharedJournal, Tail,
    beside::{Beside, rewrite_if_due},
    write::describe,
};

/// Bytes of changes that are written at a time, unless one writer has more.
const GROUP: usize = 1024 * 1024;

/// The changes of one writer.
pub(super) struct QueuedChanges {
    /// The changes in the format of the file.
    pub(super) bytes: Vec<u8>,
    pub(super) sender: oneshot::Sender<Result<(), Error>>,
}

pub(super) struct Queue {
    pub(super) waiting: VecDeque<QueuedChanges>,
    /// The file, unless a writer has it.
    pub(super) tail: Option<Tail>,
    pub(super) rewriting: Beside,
    pub(super) broken: Option<Broken>,
}

/// The reason why no change can be recorded, and when rewriting was last tried.
pub(super) struct Broken {
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
    /// The failure that has just left the journal in an unknown state.
    pub(super) fn by(error: &Error) -> Self {
        Self {
            why: describe(error),
            tried: Instant::now(),
        }
    }

    pub(super) fn error(&self) -> Error {
        let message = format!(
            "no change can be recorded until the journal is rewritten; the rewrite is retried: {}",
            self.why
        );
        Error::new(ErrorKind::Storage, message)
    }
}

/// The right to write to the file. When this is dropped, the file goes back to the queue.
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
    /// Queues changes. The permit to write them, unless another writer has it.
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

    /// The permit to rewrite a journal whose state is unknown, if it is free and an attempt is due.
    pub(super) fn to_recover(shared: &Arc<SharedJournal>) -> Option<Self> {
        let mut queue = shared.queue();
        let broken = queue.broken.as_ref()?;
        (broken.tried.elapsed() >= shared.retry).then_some(())?;
        Self::of(shared, &mut queue)
    }

    /// Rewrites the journal, then writes the changes that wait.
    pub(super) fn recover(mut self) {
        if let Some(tail) = &mut self.tail {
            self.shared.recover(tail);
        }
        self.run();
    }

    pub(super) fn of(shared: &Arc<SharedJournal>, queue: &mut Queue) -> Option<Self> {
        let tail = Some(queue.tail.take()?);
        let shared = Arc::clone(shared);
        Some(Self { shared, tail })
    }

    /// Writes the changes that wait until none do.
    pub(super) fn run(mut self) {
        while let Some(tail) = &mut self.tail {
            self.shared.install(tail);
            let next = {
                let mut queue = self.shared.queue();
                if !queue.has_work(tail) {
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
                None => self.shared.recover(tail),
            }
        }
    }
}

impl Queue {
    /// Removes the writers of the next group from the queue.
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
