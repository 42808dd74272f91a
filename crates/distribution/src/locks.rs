use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::sync::LockExt as _;

/// Locks by name, each of which one task of a client holds at a time: a tag whose manifest is read, changed and written
/// again, as the protocol has no conditional write; a registry that is asked what the client need ask once. A lock holds
/// a value for those who wait for it.
#[derive(Debug)]
pub(crate) struct Locks<T = ()>(Mutex<HashMap<String, Weak<AsyncMutex<T>>>>);

impl<T: Default> Locks<T> {
    /// Waits for the lock with this name. Dropping the guard releases it.
    pub(crate) async fn lock(&self, name: &str) -> OwnedMutexGuard<T> {
        let lock = self.of(name);
        lock.lock_owned().await
    }

    /// Makes the next caller of [`Locks::lock`] get a new lock with a new value, whoever still waits for the old one.
    pub(crate) fn forget(&self, name: &str) {
        self.0.locked().remove(name);
    }

    fn of(&self, name: &str) -> Arc<AsyncMutex<T>> {
        let mut locks = self.0.locked();
        if let Some(lock) = locks.get(name).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(name.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

impl<T> Default for Locks<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
