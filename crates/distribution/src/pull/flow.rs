//! Receiving goes on while what was received is used.

use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
    time::Instant,
};
use wharf_content::{Error, ErrorKind, Piece};

type Item = Result<Piece, Error>;

/// How long a reader has waited for pieces.
#[derive(Default)]
pub(super) struct ConsumerWait(Mutex<Waits>);

#[derive(Default)]
struct Waits {
    since: Option<Instant>,
    before: Duration,
}

impl ConsumerWait {
    /// Counts from now on.
    pub(super) fn begin(&self) {
        let mut waits = self.waits();
        waits.before = Duration::ZERO;
        waits.since = waits.since.map(|_| Instant::now());
    }

    pub(super) fn waited(&self) -> Duration {
        let waits = self.waits();
        waits.before + waits.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn observe<T>(&self, polled: &Poll<T>) {
        let mut waits = self.waits();
        if polled.is_pending() {
            waits.since.get_or_insert_with(Instant::now);
        } else if let Some(since) = waits.since.take() {
            waits.before += since.elapsed();
        }
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the connection go on while a piece is hashed, and watches how long its reader waits.
///
/// To take a piece wakes the task that receives the next one. tokio keeps a task that was woken by another one for the
/// same thread, where it would wait until the piece is hashed. A poll in between sends the reader to the end of the
/// queue instead, from where an idle thread takes it.
pub(super) struct YieldBetween<S> {
    source: S,
    consumer_wait: Arc<ConsumerWait>,
    /// A piece that is handed out at the next poll.
    held: Option<Piece>,
}

impl<S> YieldBetween<S> {
    /// From this length on, what is done with a piece takes longer than its way to another thread.
    const LARGE: usize = 64 * 1024;

    pub(super) const fn new(source: S, consumer_wait: Arc<ConsumerWait>) -> Self {
        Self {
            source,
            consumer_wait,
            held: None,
        }
    }
}

impl<S: Stream<Item = Item> + Unpin> Stream for YieldBetween<S> {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Some(piece) = self.held.take() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let polled = Pin::new(&mut self.source).poll_next(context);
        self.consumer_wait.observe(&polled);
        match ready!(polled) {
            Some(Ok(piece)) if piece.bytes.len() >= Self::LARGE => {
                self.held = Some(piece);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            other => Poll::Ready(other),
        }
    }
}

/// Pieces that a task of their own receives, some of them before they are asked for.
///
/// Where the hash is the slowest part, its thread should never wait. If receiver and reader met for each piece, one of
/// them would always be waiting for the other to wake up.
pub(super) struct Prefetch {
    pieces: mpsc::UnboundedReceiver<(Item, OwnedSemaphorePermit)>,
    task: JoinHandle<()>,
    ended: bool,
}

impl Prefetch {
    /// What a blob has to hold for this to be worth a task.
    pub(super) const WORTH: u64 = 32 * 1024 * 1024;

    /// How many bytes may wait for their reader.
    const ROOM: u32 = 2 * 1024 * 1024;

    pub(super) fn of(mut source: impl Stream<Item = Item> + Send + Unpin + 'static) -> Self {
        let (queue, pieces) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(Self::ROOM as usize));
        let task = tokio::spawn(async move {
            while let Some(item) = poll_fn(|context| Pin::new(&mut source).poll_next(context)).await {
                let length = item.as_ref().map_or(0, |piece| piece.bytes.len());
                let length = u32::try_from(length).unwrap_or(u32::MAX).min(Self::ROOM);
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
        let stopped = |error| Err(Error::new(ErrorKind::Other, "receiving was stopped").with_source(error));
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
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use bytes::Bytes;
    use futures_util::{StreamExt as _, stream};
    use tokio::task::yield_now;

    use super::*;

    /// What a source does at a poll.
    #[derive(Clone, Copy)]
    enum Step {
        Piece(usize),
        Error,
        Panic,
    }

    /// Says how often it was asked and, by what it has in common with its maker, whether it still is.
    struct Script {
        steps: std::vec::IntoIter<Step>,
        asked: Arc<AtomicUsize>,
        offset: u64,
    }

    impl Script {
        fn new(steps: Vec<Step>) -> (Self, Arc<AtomicUsize>) {
            let asked = Arc::new(AtomicUsize::new(0));
            let script = Self {
                steps: steps.into_iter(),
                asked: Arc::clone(&asked),
                offset: 0,
            };
            (script, asked)
        }
    }

    impl Stream for Script {
        type Item = Item;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Item>> {
            self.asked.fetch_add(1, SeqCst);
            Poll::Ready(self.steps.next().map(|step| match step {
                Step::Piece(length) => {
                    let offset = self.offset;
                    self.offset += length as u64;
                    let bytes = Bytes::from(vec![0; length]);
                    Ok(Piece { offset, bytes })
                }
                Step::Error => Err(Error::new(ErrorKind::Corrupt, "cut")),
                Step::Panic => panic!("a source that breaks"),
            }))
        }
    }

    async fn next<S: Stream<Item = Item> + Unpin>(stream: &mut S) -> Option<Result<(u64, usize), ErrorKind>> {
        let item = poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await;
        item.map(|item| {
            item.map(|piece| (piece.offset, piece.bytes.len()))
                .map_err(|error| error.kind())
        })
    }

    /// Lets every other task go as far as it can.
    async fn settle() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn pieces_and_errors_come_as_they_were_received() {
        let steps = vec![Step::Piece(1), Step::Piece(100_000), Step::Error, Step::Piece(7)];
        let expected = [
            Some(Ok((0, 1))),
            Some(Ok((1, 100_000))),
            Some(Err(ErrorKind::Corrupt)),
            Some(Ok((100_001, 7))),
            None,
            None,
        ];
        let (source, _) = Script::new(steps);
        let mut prefetch = YieldBetween::new(Prefetch::of(source), Arc::default());
        for expected in expected {
            assert_eq!(next(&mut prefetch).await, expected);
        }
    }

    #[tokio::test]
    async fn no_more_is_received_than_there_is_room_for() {
        const PIECE: usize = 400_000;
        let room = Prefetch::ROOM as usize / PIECE;
        let (source, asked) = Script::new(vec![Step::Piece(PIECE); 40]);
        let mut prefetch = Prefetch::of(source);
        for taken in 0..20 {
            settle().await;
            // One more than there is room for is in the hands of the task.
            assert_eq!(asked.load(SeqCst), taken + room + 1);
            assert!(matches!(next(&mut prefetch).await, Some(Ok(_))));
        }
        drop(prefetch);
        settle().await;
        assert_eq!(
            Arc::strong_count(&asked),
            1,
            "the source lives on without a reader"
        );
    }

    #[tokio::test]
    async fn a_piece_that_is_larger_than_the_room_passes() {
        let large = 2 * Prefetch::ROOM as usize;
        let (source, _) = Script::new(vec![Step::Piece(large), Step::Piece(large)]);
        let mut prefetch = Prefetch::of(source);
        assert_eq!(next(&mut prefetch).await, Some(Ok((0, large))));
        assert_eq!(next(&mut prefetch).await, Some(Ok((large as u64, large))));
        assert_eq!(next(&mut prefetch).await, None);
    }

    #[tokio::test]
    async fn a_source_that_panics_has_not_ended() {
        let (source, _) = Script::new(vec![Step::Piece(1), Step::Panic]);
        let mut prefetch = Prefetch::of(source);
        assert_eq!(next(&mut prefetch).await, Some(Ok((0, 1))));
        assert_eq!(next(&mut prefetch).await, Some(Err(ErrorKind::Other)));
        assert_eq!(next(&mut prefetch).await, None);
    }

    /// Who reads slowly has not waited, however long the task that receives for it does.
    #[tokio::test(start_paused = true)]
    async fn only_the_readers_wait_counts() {
        let second = Duration::from_secs(1);
        let consumer_wait = Arc::new(ConsumerWait::default());
        let pieces = stream::iter(0..3).then(move |offset| async move {
            tokio::time::sleep(second).await;
            let bytes = Bytes::from_static(b"x");
            Ok(Piece { offset, bytes })
        });
        let mut stream = YieldBetween::new(Prefetch::of(pieces.boxed()), Arc::clone(&consumer_wait));
        assert!(matches!(next(&mut stream).await, Some(Ok(_))));
        assert_eq!(consumer_wait.waited(), second);
        consumer_wait.begin();
        tokio::time::sleep(5 * second).await;
        for _ in 0..2 {
            assert!(matches!(next(&mut stream).await, Some(Ok(_))));
        }
        assert_eq!(consumer_wait.waited(), Duration::ZERO);
    }

    #[tokio::test]
    async fn who_reads_a_large_piece_lets_others_go_first() {
        let (source, _) = Script::new(vec![Step::Piece(YieldBetween::<Script>::LARGE), Step::Piece(10)]);
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
