use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher, RandomState},
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use crate::ErrorKind;

/// When a failed request is sent again, and how long to wait before it.
///
/// The wait before repetition `n` is drawn evenly between 0 and `initial_backoff * 2^(n-1)`, and
/// `max_backoff` at most ("full jitter"), so that clients that failed together do not return together
/// (docs/threats.md, X4). A server that states a time in `Retry-After` sets the wait itself, up to
/// `max_retry_after`.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `max_attempts` | 6 | requests for one operation, the first included |
/// | `initial_backoff` | 250 ms | upper bound of the first wait |
/// | `max_backoff` | 30 s | upper bound of every later wait |
/// | `max_retry_after` | 60 s | longest `Retry-After` that is waited for; a longer one ends the operation |
/// | `max_elapsed` | 180 s | time from the first request after which no other is sent |
///
/// A download counts the attempts since it last received a byte. The policy itself neither sends nor sleeps:
/// [`RetryBudget`] counts for one operation.
///
/// ```
/// use std::time::Duration;
/// use wharf_http::RetryPolicy;
///
/// let policy = RetryPolicy::default()
///     .with_max_attempts(10)
///     .with_max_elapsed(Duration::from_secs(15 * 60));
/// assert_eq!(policy.max_attempts(), 10);
/// assert_eq!(RetryPolicy::never().max_attempts(), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    max_attempts: u32,
    initial_backoff: Duration,
    max_backoff: Duration,
    max_retry_after: Duration,
    max_elapsed: Duration,
    seed: Option<u64>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 6,
            initial_backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(60),
            max_elapsed: Duration::from_secs(3 * 60),
            seed: None,
        }
    }
}

impl RetryPolicy {
    /// A policy of one attempt: no request is repeated, and no interrupted download is resumed.
    #[must_use]
    pub fn never() -> Self {
        Self::default().with_max_attempts(1)
    }

    /// Sets how many requests one operation may send, the first included. 0 counts as 1.
    #[must_use]
    pub const fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// Sets the upper bound of the first wait. Each later bound is twice the one before.
    #[must_use]
    pub const fn with_initial_backoff(mut self, backoff: Duration) -> Self {
        self.initial_backoff = backoff;
        self
    }

    /// Sets the upper bound of every wait that the server did not ask for. More than a day counts as a day.
    #[must_use]
    pub const fn with_max_backoff(mut self, backoff: Duration) -> Self {
        self.max_backoff = backoff;
        self
    }

    /// Sets the longest `Retry-After` that is waited for. If the server asks for a longer wait, the
    /// operation fails and its error states the time.
    #[must_use]
    pub const fn with_max_retry_after(mut self, wait: Duration) -> Self {
        self.max_retry_after = wait;
        self
    }

    /// Sets the time from the first request after which no other is sent. Only the first repetition of a
    /// request that got no answer may be later, because the time limit of one request may be longer than
    /// this.
    #[must_use]
    pub const fn with_max_elapsed(mut self, elapsed: Duration) -> Self {
        self.max_elapsed = elapsed;
        self
    }

    /// Draws all waits from this seed instead of at random, so that a test can be repeated. Clients that
    /// share a seed wait for the same times.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The most requests for one operation, the first included; at least 1.
    #[must_use]
    pub const fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The upper bound of the first wait.
    #[must_use]
    pub const fn initial_backoff(&self) -> Duration {
        self.initial_backoff
    }

    /// The upper bound of every wait that the server did not ask for.
    #[must_use]
    pub const fn max_backoff(&self) -> Duration {
        self.max_backoff
    }

    /// The longest `Retry-After` that is waited for.
    #[must_use]
    pub const fn max_retry_after(&self) -> Duration {
        self.max_retry_after
    }

    /// The time from the first request after which no other is sent.
    #[must_use]
    pub const fn max_elapsed(&self) -> Duration {
        self.max_elapsed
    }
}

/// True for the statuses that a repeated request may not get: 408, 425, 429, 499, 500, 502 to 504, and 520
/// to 524 (Cloudflare).
#[must_use]
pub const fn is_transient_status(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        408 | 425 | 429 | 499 | 500 | 502 | 503 | 504 | 520..=524
    )
}

/// How often a failed request may be repeated because of the kind of its failure, within what the
/// [`RetryPolicy`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryLimit {
    /// This many repetitions at most; 0 for a failure that a repetition cannot change.
    AtMost(u32),
    /// No limit beside the policy's.
    Policy,
}

impl RetryLimit {
    /// The limit for a request that failed with this kind, without an answer.
    ///
    /// | kind | limit |
    /// |---|---|
    /// | [`Timeout`](ErrorKind::Timeout), [`Broken`](ErrorKind::Broken), [`Overloaded`](ErrorKind::Overloaded) | the policy's |
    /// | [`Dns`](ErrorKind::Dns), [`Connect`](ErrorKind::Connect), [`ConnectTimeout`](ErrorKind::ConnectTimeout), [`Proxy`](ErrorKind::Proxy) | 2: mostly a mistyped name or a server that does not run, which the user should learn soon |
    /// | every other | 0 |
    #[must_use]
    pub const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Timeout | ErrorKind::Broken | ErrorKind::Overloaded => Self::Policy,
            ErrorKind::Dns | ErrorKind::Connect | ErrorKind::ConnectTimeout | ErrorKind::Proxy => {
                Self::AtMost(2)
            }
            _ => Self::AtMost(0),
        }
    }

    const fn allows(self, repetition: u32) -> bool {
        match self {
            Self::AtMost(limit) => repetition <= limit,
            Self::Policy => true,
        }
    }
}

/// Counts the attempts of one operation. All requests of the operation share the budget.
///
/// ```
/// use wharf_http::{ErrorKind, RetryBudget, RetryLimit, RetryPolicy};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut budget = RetryBudget::new(RetryPolicy::default().with_max_attempts(2));
/// assert!(budget.next_wait(RetryLimit::of(ErrorKind::Broken), None).is_some());
/// // The second attempt was the last.
/// assert_eq!(budget.next_wait(RetryLimit::of(ErrorKind::Broken), None), None);
/// # }
/// ```
#[derive(Debug)]
pub struct RetryBudget {
    policy: RetryPolicy,
    attempts: u32,
    started: Instant,
}

impl RetryBudget {
    /// A new budget for one operation, whose time starts now.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            attempts: 1,
            started: Instant::now(),
        }
    }

    /// The number of attempts so far, including the current one.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Starts the count and the time anew, because the operation has made progress.
    pub fn reset(&mut self) {
        self.attempts = 1;
        self.started = Instant::now();
    }

    /// Counts another attempt and returns how long to wait before it; `None` if no attempt is left, or the
    /// server asks for a longer wait than [`RetryPolicy::max_retry_after`].
    ///
    /// `limit` is that of the failure before, `retry_after` the time that the server asked for. A first
    /// attempt that got no answer is repeated once even after [`RetryPolicy::max_elapsed`]: the time limit
    /// of a request may be longer.
    pub fn next_wait(&mut self, limit: RetryLimit, retry_after: Option<Duration>) -> Option<Duration> {
        if self.attempts >= self.policy.max_attempts || !limit.allows(self.attempts) {
            return None;
        }
        let doubled = self
            .policy
            .initial_backoff
            .saturating_mul(1u32 << (self.attempts - 1).min(20));
        let longest = self.policy.max_backoff.min(Duration::from_secs(24 * 60 * 60));
        let jittered = doubled.min(longest).mul_f64(self.fraction());
        let wait = match retry_after {
            Some(asked) if asked > self.policy.max_retry_after => return None,
            // Without jitter, all clients that were told the same second would return at the same moment.
            Some(asked) => asked.saturating_add(jittered.min(Duration::from_secs(1))),
            None => jittered,
        };
        let is_late = self.started.elapsed().saturating_add(wait) >= self.policy.max_elapsed;
        if is_late && (self.attempts > 1 || retry_after.is_some()) {
            return None;
        }
        self.attempts += 1;
        Some(wait)
    }

    /// A number between 0 and 1: from the seed, or from the randomness that the standard library gives its
    /// hash tables.
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
    use super::{RetryLimit::Policy, *};

    #[tokio::test(start_paused = true)]
    async fn waits_grow_within_bounds_and_end() {
        let mut budget = RetryBudget::new(RetryPolicy::default());
        for attempt in 0..5u32 {
            let wait = budget.next_wait(Policy, None).unwrap();
            assert!(
                wait <= Duration::from_millis(250) * 2u32.pow(attempt),
                "{attempt} {wait:?}"
            );
        }
        assert_eq!(budget.attempts(), 6);
        assert_eq!(budget.next_wait(Policy, None), None);
        budget.reset();
        // A first attempt that got no answer for longer than the policy allows is repeated once.
        tokio::time::advance(Duration::from_secs(10 * 60)).await;
        assert!(budget.next_wait(Policy, None).is_some());
        assert_eq!(budget.next_wait(Policy, None), None);
        budget.reset();
        assert!(budget.next_wait(Policy, None).is_some());
        tokio::time::advance(Duration::from_secs(4 * 60)).await;
        assert_eq!(budget.next_wait(Policy, None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_repeats_the_waits() {
        let waits = |policy: RetryPolicy| {
            let mut budget = RetryBudget::new(policy);
            std::iter::from_fn(move || budget.next_wait(Policy, None)).collect::<Vec<_>>()
        };
        let seeded = |seed| waits(RetryPolicy::default().with_seed(seed));
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
        assert_ne!(waits(RetryPolicy::default()), waits(RetryPolicy::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_wait_ends_after_the_time_is_over() {
        let policy = RetryPolicy::default().with_max_elapsed(Duration::from_secs(3 * 60));
        let mut budget = RetryBudget::new(policy);
        tokio::time::advance(Duration::from_secs(150)).await;
        assert_eq!(budget.next_wait(Policy, Some(Duration::from_secs(40))), None);
        assert!(budget.next_wait(Policy, Some(Duration::from_secs(20))).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_sets_the_wait_up_to_a_limit() {
        let secs = Duration::from_secs;
        for (asked, allowed) in [(0, true), (1, true), (60, true), (61, false), (u64::MAX, false)] {
            let mut budget = RetryBudget::new(RetryPolicy::default());
            let wait = budget.next_wait(Policy, Some(secs(asked)));
            assert_eq!(wait.is_some(), allowed, "{asked}");
            assert!(wait.is_none_or(|wait| wait >= secs(asked) && wait <= secs(asked + 1)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_kind_of_a_failure_limits_its_repetitions() {
        let table = [
            (ErrorKind::Timeout, 5),
            (ErrorKind::Broken, 5),
            (ErrorKind::Overloaded, 5),
            (ErrorKind::Dns, 2),
            (ErrorKind::Connect, 2),
            (ErrorKind::ConnectTimeout, 2),
            (ErrorKind::Proxy, 2),
            (ErrorKind::Certificate, 0),
            (ErrorKind::ProxyLogin, 0),
            (ErrorKind::Protocol, 0),
            (ErrorKind::TooLarge, 0),
        ];
        for (kind, expected) in table {
            let mut budget = RetryBudget::new(RetryPolicy::default());
            let waits = std::iter::from_fn(|| budget.next_wait(RetryLimit::of(kind), None));
            assert_eq!(waits.count(), expected, "{kind:?}");
            let mut never = RetryBudget::new(RetryPolicy::never());
            assert_eq!(never.next_wait(RetryLimit::of(kind), None), None, "{kind:?}");
        }
    }
}
