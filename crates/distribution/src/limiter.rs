//! Limits of what one client asks of one registry at once, adapted to the registry's answers.
//!
//! | the registry | the limit of its downloads | its requests |
//! |---|---|---|
//! | answers 429, 503 with `Retry-After`, or HTTP/2's `REFUSED_STREAM` where it has no HTTP/1.1 | halves, at most once a second | wait until `Retry-After` is over |
//! | serves eight downloads to their end | grows by one, up to 32 | |

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use wharf_reference::Registry;

use crate::sync::LockExt as _;

/// The initial limit of downloads from one registry at once, and the highest.
const MAX_DOWNLOADS: u32 = 32;
/// Downloads that must end before the limit grows by one.
const DOWNLOADS_PER_INCREASE: u32 = 8;
/// How long a download waits for a permit at most, and then starts without regard to the limit. A consumer
/// that holds one download open while it waits for another would otherwise wait without end.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The limiters of all registries of a client.
#[derive(Debug, Default)]
pub(crate) struct Limiters(Mutex<HashMap<Registry, Arc<Limiter>>>);

impl Limiters {
    pub(crate) fn of(&self, registry: &Registry) -> Arc<Limiter> {
        let mut limiters = self.0.locked();
        Arc::clone(limiters.entry(registry.clone()).or_default())
    }
}

/// The limiter of one registry, shared by all tasks of a client.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    state: Mutex<State>,
    released: Notify,
}

#[derive(Debug)]
struct State {
    limit: u32,
    running: u32,
    /// Downloads that have ended since the limit changed.
    ended: u32,
    /// No request is sent before this time.
    not_before: Option<Instant>,
    /// When the limit was last halved.
    reduced: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            limit: MAX_DOWNLOADS,
            running: 0,
            ended: 0,
            not_before: None,
            reduced: None,
        }
    }
}

impl Limiter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }

    /// Waits until the time that the registry last asked for is over.
    pub(crate) async fn ready(&self) {
        let until = self.state().not_before;
        if let Some(until) = until
            && until > Instant::now()
        {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Waits for the permit of one download, to be held until its last byte.
    pub(crate) async fn acquire(self: &Arc<Self>) -> DownloadPermit {
        let deadline = Instant::now() + MAX_WAIT;
        loop {
            let released = self.released.notified();
            {
                let mut state = self.state();
                if state.running < state.limit || Instant::now() >= deadline {
                    state.running += 1;
                    // The limit may have grown by more than the one permit that was released: each task
                    // that gets a permit wakes the next.
                    if state.running < state.limit {
                        self.released.notify_one();
                    }
                    return DownloadPermit(Arc::clone(self));
                }
            }
            let _ = tokio::time::timeout_at(deadline, released).await; // the loop checks the time
        }
    }

    /// Records that the registry asked for fewer requests, or for none during `wait`.
    pub(crate) fn pushed_back(&self, wait: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.state();
        // Answers to requests that were under way together count once.
        if state
            .reduced
            .is_none_or(|last| now.duration_since(last) > Duration::from_secs(1))
        {
            state.limit = (state.limit.min(state.running.max(2)) / 2).max(1);
            state.ended = 0;
            state.reduced = Some(now);
        }
        if let Some(until) = wait.and_then(|wait| now.checked_add(wait)) {
            state.not_before = Some(state.not_before.map_or(until, |earlier| earlier.max(until)));
        }
    }

    fn release(&self) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        state.ended += 1;
        if state.ended >= DOWNLOADS_PER_INCREASE && state.limit < MAX_DOWNLOADS {
            state.limit += 1;
            state.ended = 0;
        }
        drop(state);
        self.released.notify_one();
    }
}

/// The right to one download.
#[derive(Debug)]
pub(crate) struct DownloadPermit(Arc<Limiter>);

impl DownloadPermit {
    /// Records that the registry reset the download because it has too many requests.
    pub(crate) fn pushed_back(&self) {
        self.0.pushed_back(None);
    }
}

impl Drop for DownloadPermit {
    fn drop(&mut self) {
        self.0.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_limit_halves_and_grows() {
        let limiter = Arc::<Limiter>::default();
        let mut permits = Vec::new();
        for _ in 0..MAX_DOWNLOADS {
            permits.push(limiter.acquire().await);
        }
        limiter.pushed_back(None);
        limiter.pushed_back(None);
        assert_eq!(limiter.state().limit, MAX_DOWNLOADS / 2, "one signal");
        permits.truncate(MAX_DOWNLOADS as usize - 2 * DOWNLOADS_PER_INCREASE as usize); // so many ended well: two more are allowed
        while permits.len() < MAX_DOWNLOADS as usize / 2 + 2 {
            permits.push(limiter.acquire().await);
        }
        let waiting = limiter.acquire();
        let mut waiting = std::pin::pin!(waiting);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), &mut waiting)
                .await
                .is_err()
        );
        drop(permits.pop());
        drop(waiting.await);
        drop(permits);
        assert!(limiter.state().limit > MAX_DOWNLOADS / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_a_permit_ends_after_the_longest_wait() {
        let limiter = Arc::<Limiter>::default();
        limiter.state().limit = 1;
        let _held = limiter.acquire().await;
        let start = Instant::now();
        let _second = limiter.acquire().await;
        assert_eq!(start.elapsed(), MAX_WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_grown_limit_admits_all_that_wait_within_it_at_once() {
        let limiter = Arc::<Limiter>::default();
        limiter.state().limit = 1;
        let first = limiter.acquire().await;
        let acquire = || {
            let limiter = Arc::clone(&limiter);
            tokio::spawn(async move { limiter.acquire().await })
        };
        let waiting = [acquire(), acquire()];
        tokio::task::yield_now().await;
        limiter.state().limit = 2; // as it grows when downloads end well
        let start = Instant::now();
        drop(first);
        let mut permits = Vec::new();
        for permit in waiting {
            permits.push(permit.await.unwrap());
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_one_request_was_told_delays_all() {
        let limiter = Limiter::default();
        limiter.pushed_back(Some(Duration::from_secs(5)));
        let start = Instant::now();
        limiter.ready().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        limiter.ready().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
