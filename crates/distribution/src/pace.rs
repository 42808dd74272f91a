//! How fast a registry wants to be asked: back-off and concurrency, shared by all tasks of a client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use wharf_reference::Registry;

/// The most downloads from one registry at once, before it has ever asked for fewer.
const MOST: u32 = 32;
/// How many downloads must end well before one more is tried at once.
const PROBATION: u32 = 8;
/// How long a download waits for its turn at most: a consumer that holds one download while it waits for
/// another must not wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// The paces of all registries of a client.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<HashMap<Registry, Arc<Pace>>>);

impl Paces {
    pub(crate) fn of(&self, registry: &Registry) -> Arc<Pace> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(paces.entry(registry.clone()).or_default())
    }
}

/// The pace of one registry. Downloads are limited to a number that halves when the registry pushes back and
/// grows again one by one; all requests wait out a `Retry-After`.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    limit: u32,
    running: u32,
    ended_well: u32,
    not_before: Option<Instant>,
    reduced: Option<Instant>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            limit: MOST,
            running: 0,
            ended_well: 0,
            not_before: None,
            reduced: None,
        }
    }
}

impl Pace {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the registry wants to be asked again.
    pub(crate) async fn ready(&self) {
        let until = self.state().not_before;
        if let Some(until) = until
            && until > Instant::now()
        {
            tokio::time::sleep_until(until).await;
        }
    }

    /// The turn of a download; held until its last byte.
    pub(crate) async fn turn(self: &Arc<Self>) -> Turn {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.state();
                if state.running < state.limit || Instant::now() >= deadline {
                    state.running += 1;
                    // The limit may have grown by more than the one who went: each lets the next one in.
                    if state.running < state.limit {
                        self.freed.notify_one();
                    }
                    return Turn(Arc::clone(self));
                }
            }
            let _ = tokio::time::timeout_at(deadline, freed).await; // the loop looks at the time
        }
    }

    /// The registry asked to be left alone for a while, or has too much to do.
    pub(crate) fn pushed_back(&self, wait: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.state();
        // Answers to requests that were under way together are one sign, not many.
        if state
            .reduced
            .is_none_or(|last| now.duration_since(last) > Duration::from_secs(1))
        {
            state.limit = (state.limit.min(state.running.max(2)) / 2).max(1);
            state.ended_well = 0;
            state.reduced = Some(now);
        }
        if let Some(until) = wait.and_then(|wait| now.checked_add(wait)) {
            state.not_before = Some(state.not_before.map_or(until, |earlier| earlier.max(until)));
        }
    }

    fn ended(&self) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        state.ended_well += 1;
        if state.ended_well >= PROBATION && state.limit < MOST {
            state.limit += 1;
            state.ended_well = 0;
        }
        drop(state);
        self.freed.notify_one();
    }
}

/// The right to one download.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Pace>);

impl Turn {
    /// The registry gave the download up half way because it has too much to do.
    pub(crate) fn pushed_back(&self) {
        self.0.pushed_back(None);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_limit_halves_and_grows() {
        let pace = Arc::<Pace>::default();
        let mut turns = Vec::new();
        for _ in 0..MOST {
            turns.push(pace.turn().await);
        }
        pace.pushed_back(None);
        pace.pushed_back(None);
        assert_eq!(pace.state().limit, MOST / 2, "one sign");
        turns.truncate(MOST as usize - 2 * PROBATION as usize); // so many ended well: two more are allowed
        while turns.len() < MOST as usize / 2 + 2 {
            turns.push(pace.turn().await);
        }
        let waiting = pace.turn();
        let mut waiting = std::pin::pin!(waiting);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), &mut waiting)
                .await
                .is_err()
        );
        drop(turns.pop());
        drop(waiting.await);
        drop(turns);
        assert!(pace.state().limit > MOST / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let pace = Arc::<Pace>::default();
        pace.state().limit = 1;
        let _held = pace.turn().await;
        let start = Instant::now();
        let _second = pace.turn().await;
        assert_eq!(start.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn everyone_there_is_room_for_goes_at_once() {
        let pace = Arc::<Pace>::default();
        pace.state().limit = 1;
        let first = pace.turn().await;
        let turn = || {
            let pace = Arc::clone(&pace);
            tokio::spawn(async move { pace.turn().await })
        };
        let waiting = [turn(), turn()];
        tokio::task::yield_now().await;
        pace.state().limit = 2; // as it grows when downloads end well
        let start = Instant::now();
        drop(first);
        let mut turns = Vec::new();
        for turn in waiting {
            turns.push(turn.await.unwrap());
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn all_wait_out_what_one_was_told() {
        let pace = Pace::default();
        pace.pushed_back(Some(Duration::from_secs(5)));
        let start = Instant::now();
        pace.ready().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        pace.ready().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
