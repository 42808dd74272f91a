use std::{sync::Mutex, task::Poll, time::Duration};

use tokio::time::Instant;

use crate::sync::LockExt as _;

/// Time that the consumer of a download has waited for pieces.
///
/// Measured by [`YieldBetween`](super::yield_between::YieldBetween), which the consumer polls, and read by
/// [`Download`](super::download::Download), which a task may poll in the consumer's place.
#[derive(Default)]
pub(super) struct ConsumerWait(Mutex<Waits>);

#[derive(Default)]
struct Waits {
    since: Option<Instant>,
    before: Duration,
}

impl ConsumerWait {
    /// Counts from zero again.
    pub(super) fn restart(&self) {
        let mut waits = self.0.locked();
        waits.before = Duration::ZERO;
        waits.since = waits.since.map(|_| Instant::now());
    }

    /// The time since the last [`restart`](Self::restart) in which a piece was asked for and none was there.
    pub(super) fn waited(&self) -> Duration {
        let waits = self.0.locked();
        waits.before + waits.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Takes note of an answer to the consumer: `Pending` begins a wait, and `Ready` ends it.
    pub(super) fn observe<T>(&self, polled: &Poll<T>) {
        let mut waits = self.0.locked();
        if polled.is_pending() {
            waits.since.get_or_insert_with(Instant::now);
        } else if let Some(since) = waits.since.take() {
            waits.before += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::{StreamExt as _, stream};
    use wharf_content::Piece;

    use super::*;
    use crate::pull::{prefetch::Prefetch, script::next, yield_between::YieldBetween};

    #[tokio::test(start_paused = true)]
    async fn only_the_consumers_wait_counts_not_the_receiving_tasks() {
        let second = Duration::from_secs(1);
        let consumer_wait = Arc::new(ConsumerWait::default());
        let pieces = stream::iter(0..3).then(move |offset| async move {
            tokio::time::sleep(second).await;
            let bytes = Bytes::from_static(b"x");
            Ok(Piece { offset, bytes })
        });
        let mut stream = YieldBetween::new(Prefetch::spawn(pieces.boxed()), Arc::clone(&consumer_wait));
        assert!(matches!(next(&mut stream).await, Some(Ok(_))));
        assert_eq!(consumer_wait.waited(), second);
        consumer_wait.restart();
        tokio::time::sleep(5 * second).await;
        for _ in 0..2 {
            assert!(matches!(next(&mut stream).await, Some(Ok(_))));
        }
        assert_eq!(consumer_wait.waited(), Duration::ZERO);
    }
}
