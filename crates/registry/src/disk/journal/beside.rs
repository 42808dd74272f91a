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
    queue::{Broken, WritePermit},
    rewrite::Rewriting,
    scan::Scan,
};

/// When fewer bytes than this are left to copy, writers wait until they are copied.
const REST: u64 = 256 * 1024;

/// The state of the rewriting.
pub(super) enum Beside {
    None,
    Begun,
    Ready(Box<(Rewriting, Scan)>),
    Failed,
}

impl SharedJournal {
    /// Replaces the journal by the rewritten one, if that is ready.
    pub(super) fn install(&self, tail: &mut Tail) {
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
                self.queue().broken = Some(Broken::by(&error));
            }
        }
    }

    /// Writes most of a new journal while others write to this one.
    fn write_beside(&self) -> Result<(Rewriting, Scan), Error> {
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

pub(super) fn rewrite_if_due(shared: &Arc<SharedJournal>, tail: &Tail) {
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
