//! Rewriting the journal while others write to it, when many changes have been appended.

use std::{mem, sync::Arc};

use tokio::task::spawn_blocking;
use wharf_content::Error;

use super::{
    SLACK, SharedJournal, Tail,
    open::sync_directory,
    queue::{Broken, Queue, WritePermit},
    rewrite::Rewriting,
    scan::Scan,
};

/// When fewer bytes than this are left to copy, writers wait until they are copied.
const REST: u64 = 256 * 1024;

/// While the journal is rewritten, writers wait as soon as it is so many times as long as when rewriting was
/// due. So a journal has at most three times the bytes that it had when it was last rewritten, 2 MiB, and one group.
const MAX_OVERDUE: u64 = 2;

/// The state of the rewriting.
pub(super) enum Beside {
    None,
    /// Under way, and since when writers wait: from this length in bytes of the journal.
    Begun(u64),
    Ready(Box<(Rewriting, Scan)>),
    Failed,
}

impl SharedJournal {
    /// Replaces the journal by the rewritten one, if that is ready.
    pub(super) fn install(&self, tail: &mut Tail) {
        let beside = {
            let mut queue = self.queue();
            match queue.rewriting {
                Beside::None | Beside::Begun(_) => return,
                Beside::Ready(_) | Beside::Failed => mem::replace(&mut queue.rewriting, Beside::None),
            }
        };
        tail.retry = tail.length + SLACK;
        let Beside::Ready(ready) = beside else {
            return;
        };
        let (mut rewriting, mut scan) = *ready;
        if *scan.id() != tail.id || rewriting.copy(&mut scan, tail.length).is_err() {
            return; // it stays as it is: longer than it need be, but whole
        }
        let mut length = self.length();
        if let Ok(rewritten) = rewriting.replace(&self.path, &self.sync) {
            *tail = rewritten;
            *length = tail.length;
            drop(length);
            if let Err(error) = sync_directory(&self.path) {
                self.queue().broken = Some(Broken::by(&error));
            }
        }
    }

    /// Ends the rewriting, and writes the changes that wait for that.
    pub(super) fn end_rewriting(self: &Arc<Self>, written: Result<(Rewriting, Scan), Error>) {
        let permit = {
            let mut queue = self.queue();
            queue.rewriting = written.map_or(Beside::Failed, |ready| Beside::Ready(Box::new(ready)));
            WritePermit::of(self, &mut queue)
        };
        if let Some(permit) = permit {
            permit.run();
        }
    }

    /// Writes most of a new journal while others write to this one.
    pub(super) fn write_beside(&self) -> Result<(Rewriting, Scan), Error> {
        let (mut scan, length) = self.scan()?;
        let mut rewriting = Rewriting::begin(&self.path)?;
        rewriting.sort(&mut scan, length)?;
        loop {
            let length = *self.length();
            if length.saturating_sub(scan.offset()) < REST {
                rewriting.sync()?;
                return Ok((rewriting, scan));
            }
            rewriting.copy(&mut scan, length)?;
        }
    }
}

impl Queue {
    /// Whether the changes that wait are to be written now: not if the journal is too long, until its rewriting
    /// has ended.
    pub(super) fn has_work(&self, tail: &Tail) -> bool {
        match self.rewriting {
            Beside::Ready(_) => true,
            Beside::Begun(limit) if tail.length > limit => false,
            _ => !self.waiting.is_empty(),
        }
    }
}

/// A rewriting under way. It has failed if this is dropped before its end, as when the runtime shuts down:
/// then nobody waits for it.
struct Running(Arc<SharedJournal>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        if matches!(queue.rewriting, Beside::Begun(_)) {
            queue.rewriting = Beside::Failed;
        }
    }
}

/// Begins to rewrite the journal if that is due.
pub(super) fn rewrite_if_due(shared: &Arc<SharedJournal>, tail: &Tail) {
    let due = tail.due(SLACK).max(tail.retry);
    {
        let mut queue = shared.queue();
        if tail.length <= due || !matches!(queue.rewriting, Beside::None) {
            return;
        }
        queue.rewriting = Beside::Begun(due.saturating_mul(MAX_OVERDUE));
    }
    let running = Running(Arc::clone(shared));
    drop(spawn_blocking(move || {
        let shared = Arc::clone(&running.0);
        shared.end_rewriting(shared.write_beside());
    }));
}
