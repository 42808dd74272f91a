//! Mutexes without poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// [`Mutex::lock`] for data that is consistent after every statement, so that the panic of another thread
/// does not matter.
pub(crate) trait LockExt<T> {
    fn locked(&self) -> MutexGuard<'_, T>;
}

impl<T> LockExt<T> for Mutex<T> {
    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
