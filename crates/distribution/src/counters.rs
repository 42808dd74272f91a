use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The counts of a client and all its clones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Requests to registries. A request with redirects counts once.
    pub requests: u64,
    /// Requests to token servers.
    pub token_requests: u64,
    /// Requests that were repeated after a failure.
    pub retries: u64,
    /// Downloads that were resumed after they broke off.
    pub resumed: u64,
    /// Ranges that were fetched in parallel to another range of the same blob.
    pub ranges: u64,
    /// The time of waiting before repetitions, summed over all tasks.
    pub waited: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) requests: Count,
    pub(crate) token_requests: Count,
    pub(crate) retries: Count,
    pub(crate) resumed: Count,
    pub(crate) ranges: Count,
    waited_millis: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counting {
    /// Waits, and counts the wait as one repetition.
    pub(crate) async fn wait(&self, time: Duration) {
        self.retries.add();
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.waited_millis.fetch_add(millis, Ordering::Relaxed);
        tokio::time::sleep(time).await;
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            requests: self.requests.value(),
            token_requests: self.token_requests.value(),
            retries: self.retries.value(),
            resumed: self.resumed.value(),
            ranges: self.ranges.value(),
            waited: Duration::from_millis(self.waited_millis.load(Ordering::Relaxed)),
        }
    }
}
