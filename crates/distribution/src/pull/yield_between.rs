use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use wharf_content::{Error, Piece};

use super::{consumer_wait::ConsumerWait, limits::YIELD_FROM};

/// Yields to the scheduler once per large piece, so that the connection's task runs while the consumer
/// hashes; also measures how long the consumer waits.
///
/// Taking a piece wakes the task that receives the next one. tokio puts a task that another one woke into the
/// slot of the same thread, from which no other thread takes it: it would run after the piece is hashed.
/// `Pending` between the arrival of a piece and its use sends the consumer to the end of the queue instead,
/// from where an idle thread takes it.
pub(super) struct YieldBetween<S> {
    source: S,
    consumer_wait: Arc<ConsumerWait>,
    /// A large piece that has arrived; handed out by the next poll.
    held: Option<Piece>,
}

impl<S> YieldBetween<S> {
    pub(super) const fn new(source: S, consumer_wait: Arc<ConsumerWait>) -> Self {
        Self {
            source,
            consumer_wait,
            held: None,
        }
    }
}

impl<S: Stream<Item = Result<Piece, Error>> + Unpin> Stream for YieldBetween<S> {
    type Item = Result<Piece, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(piece) = self.held.take() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let polled = Pin::new(&mut self.source).poll_next(context);
        self.consumer_wait.observe(&polled);
        match ready!(polled) {
            Some(Ok(piece)) if piece.bytes.len() >= YIELD_FROM => {
                self.held = Some(piece);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            other => Poll::Ready(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::pull::script::{Script, ScriptStep, next};

    #[tokio::test]
    async fn a_large_piece_is_handed_out_by_the_second_poll() {
        let (source, _) = Script::new(vec![ScriptStep::Piece(YIELD_FROM), ScriptStep::Piece(10)]);
        let mut stream = YieldBetween::new(source, Arc::default());
        let mut polls = 0;
        let piece = poll_fn(|context| {
            polls += 1;
            Pin::new(&mut stream).poll_next(context)
        });
        assert!(matches!(piece.await, Some(Ok(_))));
        assert_eq!(polls, 2);
        assert_eq!(next(&mut stream).await, Some(Ok((65_536, 10))));
    }
}
