//! Work that blocks, and locks whose data is used even after a panic in another task.

use std::sync::{Mutex, MutexGuard, PoisonError};

use wharf_content::{Error, ErrorKind};

/// Runs work that blocks on a thread for such work.
///
/// # Errors
///
/// [`ErrorKind::Other`] if the work panics.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::wrap(ErrorKind::Other, error))
}

/// Takes a lock without regard to poisoning: every critical section of this crate leaves its data consistent at each step.
pub(crate) trait LockExt<T> {
    fn locked(&self) -> MutexGuard<'_, T>;
}

impl<T> LockExt<T> for Mutex<T> {
    fn locked(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
