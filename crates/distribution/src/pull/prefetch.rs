use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
};
use wharf_content::{Error, ErrorKind, Piece};

use super::limits::PREFETCH_BYTES;

type Item = Result<Piece, Error>;

/// Pieces that a task of their own receives, up to [`PREFETCH_BYTES`] of them before the consumer asks.
///
/// Where the hash is the slowest stage, its thread must not wait. If receiver and consumer handed over each
/// piece when both are ready, one of them would always wait for the other to wake up.
pub(super) struct Prefetch {
    pieces: mpsc::UnboundedReceiver<(Item, OwnedSemaphorePermit)>,
    task: JoinHandle<()>,
    ended: bool,
}

impl Prefetch {
    /// Spawns the task that reads `source`. Dropping the result aborts it.
    pub(super) fn spawn(mut source: impl Stream<Item = Item> + Send + Unpin + 'static) -> Self {
        let (queue, pieces) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(PREFETCH_BYTES as usize));
        let task = tokio::spawn(async move {
            while let Some(item) = poll_fn(|context| Pin::new(&mut source).poll_next(context)).await {
                let length = item.as_ref().map_or(0, |piece| piece.bytes.len());
                let length = u32::try_from(length).unwrap_or(u32::MAX).min(PREFETCH_BYTES);
                let Ok(permit) = Arc::clone(&room).acquire_many_owned(length).await else {
                    return;
                };
                if queue.send((item, permit)).is_err() {
                    return;
                }
            }
        });
        Self {
            pieces,
            task,
            ended: false,
        }
    }
}

impl Stream for Prefetch {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some((item, _)) = ready!(self.pieces.poll_recv(context)) {
            return Poll::Ready(Some(item));
        }
        let result = ready!(Pin::new(&mut self.task).poll(context));
        self.ended = true;
        let stopped = |error| {
            let message = "the task that receives the blob has stopped before its end";
            Err(Error::new(ErrorKind::Other, message).with_source(error))
        };
        Poll::Ready(result.err().map(stopped))
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;

    use tokio::task::yield_now;

    use super::*;
    use crate::pull::{
        script::{Script, ScriptStep, next},
        yield_between::YieldBetween,
    };

    /// Lets every other task go as far as it can.
    async fn run_others() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn pieces_and_errors_come_as_they_were_received() {
        let steps = vec![
            ScriptStep::Piece(1),
            ScriptStep::Piece(100_000),
            ScriptStep::Error,
            ScriptStep::Piece(7),
        ];
        let expected = [
            Some(Ok((0, 1))),
            Some(Ok((1, 100_000))),
            Some(Err(ErrorKind::Corrupt)),
            Some(Ok((100_001, 7))),
            None,
            None,
        ];
        let (source, _) = Script::new(steps);
        let mut prefetch = YieldBetween::new(Prefetch::spawn(source), Arc::default());
        for expected in expected {
            assert_eq!(next(&mut prefetch).await, expected);
        }
    }

    #[tokio::test]
    async fn no_more_is_received_than_the_limit_allows() {
        const PIECE: usize = 400_000;
        let room = PREFETCH_BYTES as usize / PIECE;
        let (source, asked) = Script::new(vec![ScriptStep::Piece(PIECE); 40]);
        let mut prefetch = Prefetch::spawn(source);
        for taken in 0..20 {
            run_others().await;
            // The task has received one more, and waits for room to hand it over.
            assert_eq!(asked.load(SeqCst), taken + room + 1);
            assert!(matches!(next(&mut prefetch).await, Some(Ok(_))));
        }
        drop(prefetch);
        run_others().await;
        assert_eq!(Arc::strong_count(&asked), 1, "the source outlives its consumer");
    }

    #[tokio::test]
    async fn a_piece_that_is_larger_than_the_limit_passes() {
        let large = 2 * PREFETCH_BYTES as usize;
        let (source, _) = Script::new(vec![ScriptStep::Piece(large), ScriptStep::Piece(large)]);
        let mut prefetch = Prefetch::spawn(source);
        assert_eq!(next(&mut prefetch).await, Some(Ok((0, large))));
        assert_eq!(next(&mut prefetch).await, Some(Ok((large as u64, large))));
        assert_eq!(next(&mut prefetch).await, None);
    }

    #[tokio::test]
    async fn a_source_that_panics_is_an_error_not_an_end() {
        let (source, _) = Script::new(vec![ScriptStep::Piece(1), ScriptStep::Panic]);
        let mut prefetch = Prefetch::spawn(source);
        assert_eq!(next(&mut prefetch).await, Some(Ok((0, 1))));
        assert_eq!(next(&mut prefetch).await, Some(Err(ErrorKind::Other)));
        assert_eq!(next(&mut prefetch).await, None);
    }
}
