//! Single flight: of several tasks that would do the same work for a digest, one does it and the others wait.
//!
//! `wharf-registry` has its own: there tasks wait, in async code, and any key may be locked. Here the caller
//! chooses the kind of lock, because hashing locks on threads for blocking work. The two share too little for a
//! public type.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

use wharf_reference::Digest;

use crate::sync::LockExt as _;

/// A lock of type `L` for each digest that is being worked on. The next holder of the lock finds the work
/// done.
#[derive(Debug, Default)]
pub(crate) struct SingleFlight<L>(Mutex<HashMap<Digest, Weak<L>>>);

impl<L: Default> SingleFlight<L> {
    /// The lock of this digest, shared with all current holders of the pointer.
    pub(crate) fn lock_for(&self, digest: &Digest) -> Arc<L> {
        let mut locks = self.0.locked();
        if let Some(lock) = locks.get(digest).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(digest.clone(), Arc::downgrade(&lock));
        lock
    }
}
