use std::sync::Arc;

use tokio::time::Instant;

use crate::pull::{
    consumer_wait::ConsumerWait,
    limits::{MEASURED_BYTES, MEASURED_TIME},
};

/// Measures the single stream: its rate, and whether the network is slower than the consumer.
pub(super) struct StreamRate {
    /// The arrival of the first chunk: the latency before it is no part of the rate.
    since: Option<Instant>,
    bytes: u64,
    consumer_wait: Arc<ConsumerWait>,
    /// The rate after the last chunk, in bytes per second, if the network is the slower side.
    slow: Option<f64>,
}

impl StreamRate {
    pub(super) const fn new(consumer_wait: Arc<ConsumerWait>) -> Self {
        Self {
            since: None,
            bytes: 0,
            consumer_wait,
            slow: None,
        }
    }

    /// Counts a chunk that has arrived.
    pub(super) fn count(&mut self, bytes: usize) {
        let Some(since) = self.since else {
            self.since = Some(Instant::now());
            self.consumer_wait.restart();
            return;
        };
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes < MEASURED_BYTES {
            return;
        }
        let elapsed = since.elapsed();
        if elapsed < MEASURED_TIME || self.consumer_wait.waited() < elapsed / 2 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = self.bytes as f64 / elapsed.as_secs_f64();
        self.slow = Some(rate);
    }

    /// The rate in bytes per second, once after a chunk that showed that the consumer waits at least half of
    /// the time.
    pub(super) const fn take_slow(&mut self) -> Option<f64> {
        self.slow.take()
    }
}
