use std::{mem, time::Duration};

use wharf_http::{RetryBudget, RetryLimit, RetryPolicy};

use crate::pull::limits::FRUITLESS_RESUMES;

/// Requests for the rest of the blob that may still be sent, as the client's retry policy allows.
///
/// The attempts are counted since the last byte arrived: a download that advances is resumed as often as it
/// is cut.
pub(super) struct Resumes {
    budget: RetryBudget,
    are_forbidden: bool,
    progressed: bool,
}

impl Resumes {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        Self {
            budget: RetryBudget::new(policy),
            are_forbidden: policy.max_attempts() <= 1,
            progressed: false,
        }
    }

    /// Bytes have arrived: the attempts before them no longer count.
    pub(super) const fn progress(&mut self) {
        self.progressed = true;
    }

    /// Counts another request, and returns the time to wait before it; `None` if the policy allows no other.
    /// The first after a byte has arrived, and the first of all, are sent at once.
    pub(super) fn wait_before_next(&mut self) -> Option<Duration> {
        if mem::take(&mut self.progressed) {
            self.budget.reset();
        }
        let is_first = self.budget.attempts() == 1;
        let wait = self
            .budget
            .next_wait(RetryLimit::AtMost(FRUITLESS_RESUMES), None)?;
        Some(if is_first { Duration::ZERO } else { wait })
    }

    /// True if the policy allows one attempt only: nothing is sent after a failure.
    pub(super) const fn are_forbidden(&self) -> bool {
        self.are_forbidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn resumes_follow_the_retry_policy() {
        let seconds = Duration::from_secs;
        let policy = RetryPolicy::default().with_initial_backoff(seconds(1));
        // The policy, and how many requests follow in a row that bring no byte.
        let table = [
            (RetryPolicy::never(), 0),
            (policy.with_max_attempts(2), 1),
            (policy.with_max_attempts(3), 2),
            (policy, 2),
            (policy.with_max_attempts(u32::MAX), 2),
        ];
        for (policy, expected) in table {
            let mut resumes = Resumes::new(policy);
            for round in 0..3 {
                let waits: Vec<_> = std::iter::from_fn(|| resumes.wait_before_next()).collect();
                assert_eq!(waits.len(), expected, "{policy:?}, {round}");
                assert!(waits.first().is_none_or(Duration::is_zero), "{waits:?}");
                assert!(waits.iter().all(|wait| *wait <= seconds(2)), "{waits:?}");
                assert_eq!(resumes.wait_before_next(), None, "nothing has arrived");
                resumes.progress();
            }
            assert_eq!(resumes.are_forbidden(), expected == 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_resume_follows_after_the_policys_time() {
        let policy = RetryPolicy::default().with_max_elapsed(Duration::from_secs(60));
        let mut resumes = Resumes::new(policy);
        assert_eq!(resumes.wait_before_next(), Some(Duration::ZERO));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(resumes.wait_before_next(), None);
        resumes.progress();
        assert_eq!(resumes.wait_before_next(), Some(Duration::ZERO));
    }
}
