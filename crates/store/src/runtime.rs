//! The way to blocking work.

use tokio::task::JoinError;
use wharf_content::{Error, ErrorKind};

/// Runs what blocks where that harms no other task.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// The result of such work; that it was stopped is an error.
pub(crate) fn joined<T>(result: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    result.map_err(|error| {
        let kind = if error.is_cancelled() {
            ErrorKind::Cancelled
        } else {
            ErrorKind::Other
        };
        Error::new(kind, "work on the store was stopped").with_source(error)
    })?
}
