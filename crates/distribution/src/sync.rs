//! Locks whose data is used even after a panic in another task.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock without regard to poisoning: every critical section of this crate leaves its data
/// consistent at each step, so a panic elsewhere says nothing about the data.
pub(crate) trait LockExt<T> {
    fn locked(&self) -> MutexGuard<'_, T>;
}

impl<T> LockExt<T> for Mutex<T> {
    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
