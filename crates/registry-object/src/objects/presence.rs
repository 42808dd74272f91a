//! Whether the store is still the registry's, as it was seen last.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync, time::Instant};
use wharf_content::{Error, ErrorKind};

/// The age up to which a look counts. A process that is asked whether it is ready looks more often.
const AGE: Duration = Duration::from_secs(5);

/// The last look at the store.
#[derive(Default)]
pub(super) struct Presence {
    last: Mutex<Option<Look>>,
    /// Held by whoever looks for others, too.
    turn: sync::Mutex<()>,
}

struct Look {
    begun: Instant,
    ended: Instant,
    failure: Option<(ErrorKind, String)>,
}

impl Presence {
    /// Notes a look that began then and has ended now. One that began earlier than the last is of no interest.
    pub(super) fn note(&self, begun: Instant, found: &Result<(), Error>) {
        let mut last = self.locked();
        if last.as_ref().is_none_or(|last| last.begun <= begun) {
            *last = Some(Look {
                begun,
                ended: Instant::now(),
                failure: found
                    .as_ref()
                    .err()
                    .map(|error| (error.kind(), error.to_string())),
            });
        }
    }

    /// The finding of a look that began at most [`AGE`] ago. If there is none, or it failed, somebody looks, for all who
    /// ask meanwhile. `look` notes what it finds.
    pub(super) async fn lately(&self, look: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
        let asked = Instant::now();
        if self.is_seen() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if self.is_seen() {
            return Ok(());
        }
        if let Some(failure) = self.failure_since(asked) {
            return Err(failure);
        }
        look.await
    }

    fn is_seen(&self) -> bool {
        let last = self.locked();
        last.as_ref()
            .is_some_and(|last| last.failure.is_none() && last.begun.elapsed() <= AGE)
    }

    fn failure_since(&self, asked: Instant) -> Option<Error> {
        let last = self.locked();
        let last = last.as_ref().filter(|last| last.ended > asked)?;
        let (kind, message) = last.failure.clone()?;
        Some(Error::new(kind, message))
    }

    fn locked(&self) -> MutexGuard<'_, Option<Look>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_counts_for_five_seconds_and_one_that_failed_for_nobody_who_asks_later() {
        let presence = Presence::default();
        let (looks, is_there) = (Cell::new(0), Cell::new(true));
        // A look takes a second.
        let look = async || {
            let begun = Instant::now();
            tokio::time::sleep(Duration::from_secs(1)).await;
            looks.set(looks.get() + 1);
            let found = if is_there.get() {
                Ok(())
            } else {
                Err(Error::new(ErrorKind::Network, "away"))
            };
            presence.note(begun, &found);
            found
        };
        // Seconds to wait, whether it is there, and the looks that ten who ask then cause.
        for (step, (wait, there, expected)) in [
            (0, true, 1),
            (4, true, 0),
            (1, true, 1),
            (4, false, 0),
            (1, false, 1),
            (0, false, 1),
            (0, true, 1),
            (4, true, 0),
        ]
        .into_iter()
        .enumerate()
        {
            tokio::time::advance(Duration::from_secs(wait)).await;
            is_there.set(there);
            looks.set(0);
            let told = join_all((0..10).map(|_| presence.lately(look()))).await;
            assert_eq!(looks.get(), expected, "step {step}");
            let is_told = there || expected == 0;
            assert!(told.iter().all(|told| told.is_ok() == is_told), "step {step}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_looks_the_one_that_began_later_counts() {
        let presence = Presence::default();
        let early = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        presence.note(Instant::now(), &Err(Error::new(ErrorKind::Network, "away")));
        presence.note(early, &Ok(()));
        assert!(!presence.is_seen());
        presence.note(Instant::now(), &Ok(()));
        assert!(presence.is_seen());
    }
}
