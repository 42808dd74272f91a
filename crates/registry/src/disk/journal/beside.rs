//! Rewriting the journal while others write to it, when most of its changes are outdated.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
};

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
/// due. So a journal has at most four times the bytes of current changes, 2 MiB, and one group.
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
        if *scan.id() != tail.id || rewriting.copy(&mut scan, tail.length, |_| true).is_err() {
            return; // it stays as it is: longer than it need be, but whole
        }
        let mut live = self.live();
        if let Ok(rewritten) = rewriting.replace(&self.path, &self.sync) {
            (*tail, *live) = rewritten;
            self.length.store(tail.length, Ordering::Release);
            drop(live);
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
        let live = self.live().rewritten();
        let mut rewriting = Rewriting::begin(&self.path, live, &self.prints)?;
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

/// Begins to rewrite the journal if most of it is outdated. True if the rewriting has just begun.
pub(super) fn begin_if_due(shared: &Arc<SharedJournal>, tail: &Tail) -> bool {
    let due = shared.live().bytes().saturating_mul(2).saturating_add(SLACK);
    let mut queue = shared.queue();
    if tail.length <= due.max(tail.retry) || !matches!(queue.rewriting, Beside::None) {
        return false;
    }
    queue.rewriting = Beside::Begun(due.max(tail.retry).saturating_mul(MAX_OVERDUE));
    true
}

pub(super) fn rewrite_if_due(shared: &Arc<SharedJournal>, tail: &Tail) {
    if begin_if_due(shared, tail) {
        let running = Running(Arc::clone(shared));
        drop(spawn_blocking(move || {
            let shared = Arc::clone(&running.0);
            shared.end_rewriting(shared.write_beside());
        }));
    }
}
