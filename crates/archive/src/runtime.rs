//! Blocking work, away from the threads of the runtime.

use tokio::task::JoinError;
use wharf_content::{Error, ErrorKind};

/// Runs blocking work on a thread for blocking work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// The result of work on another thread; an error if the work was cancelled or panicked.
pub(crate) fn joined<T>(result: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    result.map_err(|error| {
        let kind = if error.is_cancelled() {
            ErrorKind::Cancelled
        } else {
            ErrorKind::Other
        };
        Error::new(kind, "work on the archive was stopped").with_source(error)
    })?
}
