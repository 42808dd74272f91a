//! Bytes that a task reads for a blocking thread.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::{sync::mpsc, task::AbortHandle};
use wharf_content::Error;

/// The pieces that wait between two stages.
pub(super) const WAITING: usize = 2;

/// Reads a blob or other bytes on a task of its own, for a blocking thread. After the end was reached, and the digest of a
/// blob was found right, `None` is sent; a channel that just closes says nothing.
pub(crate) fn feed(
    mut blob: impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static,
) -> (mpsc::Receiver<Result<Option<Bytes>, Error>>, AbortHandle) {
    let (to_worker, from_source) = mpsc::channel(WAITING);
    let feeder = tokio::spawn(async move {
        while let Some(chunk) = blob.next().await {
            let failed = chunk.is_err();
            if to_worker.send(chunk.map(Some)).await.is_err() || failed {
                return;
            }
        }
        let _ = to_worker.send(Ok(None)).await;
    });
    (from_source, feeder.abort_handle())
}
