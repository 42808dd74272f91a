use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher, RandomState},
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use crate::ErrorKind;

/// When a failed request is sent again, and how long to wait before. Pure: it neither sends nor sleeps.
///
/// Waits double from `base` on, each drawn evenly between nothing and the doubled value, so that many clients
/// do not come back at once (X4).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The most requests for one operation, the first included: 6. A download counts only those that brought no byte,
    /// and ends after three of them at most.
    pub attempts: u32,
    /// The first wait is at most this: 250 ms.
    pub base: Duration,
    /// No wait of our own is longer: 30 s.
    pub cap: Duration,
    /// The longest `Retry-After` that is obeyed; a longer one ends the operation with the server's wish in the
    /// error: 60 s.
    pub longest_wait: Duration,
    /// No new request this long after the first: 180 s. Only the first repetition of a request that was left without
    /// an answer may be later.
    pub elapsed: Duration,
    /// Draws all waits from this number instead of by chance, so that a test can be repeated: `None`. Clients
    /// that share one come back at once.
    pub seed: Option<u64>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(30),
            longest_wait: Duration::from_secs(60),
            elapsed: Duration::from_secs(3 * 60),
            seed: None,
        }
    }
}

impl RetryPolicy {
    /// Never sends again, nor asks for the rest of a download that broke off.
    #[must_use]
    pub fn never() -> Self {
        Self {
            attempts: 1,
            ..Self::default()
        }
    }

    /// The same with this many requests for one operation, at least one.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// The same with this first wait.
    #[must_use]
    pub const fn with_base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The same with this longest wait of our own.
    #[must_use]
    pub const fn with_cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// The same with no new request this long after the first.
    #[must_use]
    pub const fn with_elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = elapsed;
        self
    }

    /// The same with waits drawn from this number: for tests alone.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The same with this longest `Retry-After`.
    #[must_use]
    pub const fn with_longest_wait(mut self, longest: Duration) -> Self {
        self.longest_wait = longest;
        self
    }
}

/// Whether a later answer may be better than this one.
#[must_use]
pub const fn is_transient_status(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        408 | 425 | 429 | 499 | 500 | 502 | 503 | 504 | 520..=524
    )
}

/// How often a failure of the connection is worth another try: `u32::MAX` is as often as the policy allows.
#[must_use]
pub const fn retries_of(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::Timeout | ErrorKind::Broken | ErrorKind::Overloaded => u32::MAX,
        // Mostly a mistyped name or a server that is not there: it should not take long to say so.
        ErrorKind::Dns | ErrorKind::Connect | ErrorKind::ConnectTimeout | ErrorKind::Proxy => 2,
        _ => 0,
    }
}

/// What one operation has left to try. All its requests share it.
#[derive(Debug)]
pub struct RetryBudget {
    policy: RetryPolicy,
    attempts: u32,
    started: Instant,
}

impl RetryBudget {
    /// A fresh budget; the clock starts now.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            attempts: 1,
            started: Instant::now(),
        }
    }

    /// How many tries were made, the running one included.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Progress was made: the tries before do not count any more.
    pub fn reset(&mut self) {
        self.attempts = 1;
        self.started = Instant::now();
    }

    /// Counts another try and says how long to wait before it; `None` if there is none left, or the server
    /// wants a longer wait than allowed. A first try that was left without an answer is repeated once, also after
    /// [`RetryPolicy::elapsed`]: the time limit of a request may be longer.
    pub fn next_wait(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        if self.attempts >= self.policy.attempts {
            return None;
        }
        let doubled = self
            .policy
            .base
            .saturating_mul(1u32 << (self.attempts - 1).min(20));
        let longest = self.policy.cap.min(Duration::from_secs(24 * 60 * 60));
        let jittered = doubled.min(longest).mul_f64(self.fraction());
        let wait = match retry_after {
            Some(asked) if asked > self.policy.longest_wait => return None,
            // Some jitter on top, or everyone who was told the same second comes at the same moment.
            Some(asked) => asked.saturating_add(jittered.min(Duration::from_secs(1))),
            None => jittered,
        };
        let is_late = self.started.elapsed().saturating_add(wait) >= self.policy.elapsed;
        if is_late && (self.attempts > 1 || retry_after.is_some()) {
            return None;
        }
        self.attempts += 1;
        Some(wait)
    }

    /// Between 0 and 1: from the seed, or from the randomness the standard library gives its hash tables.
    fn fraction(&self) -> f64 {
        let bits = match self.policy.seed {
            Some(seed) => BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, self.attempts)),
            None => RandomState::new().build_hasher().finish(),
        };
        f64::from(u32::try_from(bits >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_within_bounds_and_end() {
        let mut budget = RetryBudget::new(RetryPolicy::default());
        for attempt in 0..5u32 {
            let wait = budget.next_wait(None).unwrap();
            assert!(
                wait <= Duration::from_millis(250) * 2u32.pow(attempt),
                "{attempt} {wait:?}"
            );
        }
        assert_eq!(budget.attempts(), 6);
        assert_eq!(budget.next_wait(None), None);
        budget.reset();
        // A first try that was left without an answer for longer than the policy's time is repeated once.
        tokio::time::advance(Duration::from_secs(10 * 60)).await;
        assert!(budget.next_wait(None).is_some());
        assert_eq!(budget.next_wait(None), None);
        budget.reset();
        assert!(budget.next_wait(None).is_some());
        tokio::time::advance(Duration::from_secs(4 * 60)).await;
        assert_eq!(budget.next_wait(None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_repeats_the_waits() {
        let waits = |policy: RetryPolicy| {
            let mut budget = RetryBudget::new(policy);
            std::iter::from_fn(move || budget.next_wait(None)).collect::<Vec<_>>()
        };
        let seeded = |seed| waits(RetryPolicy::default().with_seed(seed));
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
        assert_ne!(waits(RetryPolicy::default()), waits(RetryPolicy::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_wait_ends_after_the_time_is_over() {
        let policy = RetryPolicy::default().with_elapsed(Duration::from_secs(3 * 60));
        let mut budget = RetryBudget::new(policy);
        tokio::time::advance(Duration::from_secs(150)).await;
        assert_eq!(budget.next_wait(Some(Duration::from_secs(40))), None);
        assert!(budget.next_wait(Some(Duration::from_secs(20))).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_sets_the_wait_up_to_a_limit() {
        let secs = Duration::from_secs;
        for (asked, allowed) in [(0, true), (1, true), (60, true), (61, false), (u64::MAX, false)] {
            let mut budget = RetryBudget::new(RetryPolicy::default());
            let wait = budget.next_wait(Some(secs(asked)));
            assert_eq!(wait.is_some(), allowed, "{asked}");
            assert!(wait.is_none_or(|wait| wait >= secs(asked) && wait <= secs(asked + 1)));
        }
    }
}
