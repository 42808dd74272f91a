use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::sync::LockExt as _;

/// Locks of tags whose manifest is read, changed and written again. The protocol has no conditional write, so within a
/// client one task at a time does that to a tag.
#[derive(Debug, Default)]
pub(crate) struct TagLocks(Mutex<HashMap<String, Weak<AsyncMutex<()>>>>);

impl TagLocks {
    /// Waits for the lock of a tag, given with its repository. Dropping the guard releases it.
    pub(crate) async fn lock(&self, tag: &str) -> OwnedMutexGuard<()> {
        let lock = self.of(tag);
        lock.lock_owned().await
    }

    fn of(&self, tag: &str) -> Arc<AsyncMutex<()>> {
        let mut locks = self.0.locked();
        if let Some(lock) = locks.get(tag).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(AsyncMutex::new(()));
        locks.insert(tag.to_owned(), Arc::downgrade(&lock));
        lock
    }
}
