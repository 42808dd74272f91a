use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What a client has done so far, in all its clones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Requests to registries, each hop of a redirect not counted.
    pub requests: u64,
    /// Requests to token servers.
    pub token_requests: u64,
    /// Requests that were made again after a failure.
    pub retries: u64,
    /// Downloads that went on after a cut.
    pub resumed: u64,
    /// Ranges that were fetched beside another.
    pub ranges: u64,
    /// The time spent waiting before retries, added up over all tasks.
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
    /// Waits, and counts it as a retry.
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
