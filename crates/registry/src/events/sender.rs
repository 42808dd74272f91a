//! Delivers the events of an [`Outbox`] to one subscriber.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, mpsc, watch},
    time::{Instant, timeout},
};
use wharf_content::Error;

use super::{Claimed, Delivery, Event, EventClaim, MAX_AGE, MAX_EVENTS, Outbox, Subscriber, attempt};
use crate::state::RegistryState;

/// The lease of a claim: the time after which the events of a sender that has died go to another.
const LEASE: Duration = Duration::from_secs(60);
/// The most events that a claim gets, after which other repositories have their turn.
const BATCH: usize = 64;
/// The pauses after the first failure and, at last, after each.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The longest rest of a sender after failures: what failed may be one repository, and others have events, too.
const MAX_REST: Duration = Duration::from_secs(10);
/// The longest time between two looks at the outbox: another process may have died with a claim.
const LOOK: Duration = Duration::from_secs(10);
/// The time until the next look for a repository that is due and cannot be claimed: another process has locked it.
const AGAIN: Duration = Duration::from_millis(100);
/// The interval in which old events are dropped.
const EXPIRY: Duration = Duration::from_secs(60);

pub(super) struct Sender {
    pub(super) state: Arc<RegistryState>,
    pub(super) name: Arc<str>,
    pub(super) subscriber: Arc<dyn Subscriber>,
}

/// The outcome of a claim.
enum Round {
    /// The events that were claimed have been delivered, or another sender has them.
    Done,
    /// The subscriber has failed, and may have stated a time for which it wants nothing.
    Failed(Option<Duration>),
    Unsubscribed,
}

impl Sender {
    pub(super) async fn run(self, mut closing: watch::Receiver<bool>) {
        let Some(outbox) = self.state.backend.outbox() else {
            return;
        };
        let mut failures = 0; // one after the other, of this sender
        let mut expired = None::<Instant>;
        loop {
            let mut recorded = outbox.signal().listen();
            let is_closing = *closing.borrow_and_update();
            if expired.is_none_or(|at| at.elapsed() >= EXPIRY) {
                expired = Some(Instant::now());
                self.expire(outbox).await;
            }
            let round = match outbox.claim(&self.name, LEASE, BATCH).await {
                Ok(Claimed::Events(claim)) => self.deliver(outbox, &claim).await,
                Ok(Claimed::Unsubscribed) => return,
                Ok(Claimed::Nothing(_)) if is_closing => return,
                Ok(Claimed::Nothing(next)) => {
                    let _ = timeout(until(next), recorded.notified()).await; // either is a reason to look
                    continue;
                }
                Err(error) => Err(error),
            };
            match round {
                Ok(Round::Done) => failures = 0,
                Ok(Round::Unsubscribed) => return,
                Ok(Round::Failed(_)) | Err(_) if is_closing => return,
                failed => {
                    let wish = match failed {
                        Ok(Round::Failed(wish)) => wish.unwrap_or_default(),
                        Ok(_) => Duration::ZERO,
                        Err(error) => {
                            self.tell_failure(&error);
                            Duration::ZERO
                        }
                    };
                    failures += 1;
                    let rest = pause(failures).min(MAX_REST).max(wish);
                    let closed = closing.wait_for(|closing| *closing);
                    let _ = timeout(rest, closed).await; // either ends the rest
                }
            }
        }
    }

    /// Delivers the events of a claim, as long as the claim lasts.
    async fn deliver(&self, outbox: &dyn Outbox, claim: &EventClaim) -> Result<Round, Error> {
        for event in &claim.events {
            match attempt::deliver(&*self.subscriber, event).await {
                Ok(Delivery::Accepted) => {
                    if let Some(observer) = self.state.observer() {
                        observer.delivered(&self.name);
                    }
                    let number = event.number.unwrap_or_default();
                    if !outbox.acknowledge(claim, number, LEASE).await? {
                        return Ok(Round::Done);
                    }
                }
                Ok(Delivery::Unsubscribe) => {
                    outbox.unsubscribe(&self.name).await?;
                    return Ok(Round::Unsubscribed);
                }
                Err(error) => {
                    self.tell_failure(&error);
                    let failures = match claim.events.first() {
                        Some(first) if first.number == event.number => claim.failures + 1,
                        _ => 1,
                    };
                    let wish = error.retry_after().map(|wish| wish.min(MAX_PAUSE));
                    let pause = pause(failures).max(wish.unwrap_or_default());
                    outbox.release(claim, Some(pause)).await?;
                    return Ok(Round::Failed(wish));
                }
            }
        }
        outbox.release(claim, None).await?;
        Ok(Round::Done)
    }

    async fn expire(&self, outbox: &dyn Outbox) {
        match outbox.expire(&self.name, MAX_AGE, MAX_EVENTS).await {
            Ok(0) => {}
            Ok(dropped) => {
                if let Some(observer) = self.state.observer() {
                    observer.events_dropped(&self.name, dropped);
                }
            }
            Err(error) => self.tell_failure(&error),
        }
    }

    fn tell_failure(&self, error: &Error) {
        if let Some(observer) = self.state.observer() {
            observer.delivery_failed(&self.name, error);
        }
    }
}

/// The pause after so many failures, one after the other: twice the pause before, less up to a half, so that
/// senders that failed together do not come back together.
fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let longest = MIN_PAUSE.saturating_mul(1 << doublings).min(MAX_PAUSE);
    let mut random = [0; 1];
    // Without random numbers the pauses are equal, which only makes a crowd.
    let _ = getrandom::fill(&mut random);
    let [random] = random;
    if doublings == 0 {
        longest.mul_f64(1.0 + f64::from(random) / 255.0)
    } else {
        longest.mul_f64(0.5 + f64::from(random) / 510.0)
    }
}

/// The time until the next look at an outbox that has nothing now.
fn until(next: Option<Duration>) -> Duration {
    match next {
        Some(Duration::ZERO) => AGAIN,
        Some(next) => next.min(LOOK),
        None => LOOK,
    }
}

/// Tells a subscriber of pulls, each once. Of several that are running one does it.
pub(super) async fn tell_pulls(pulled: Arc<Mutex<mpsc::Receiver<Event>>>, subscriber: Arc<dyn Subscriber>) {
    let mut pulled = pulled.lock().await;
    while let Some(event) = pulled.recv().await {
        let _ = attempt::deliver(&*subscriber, &event).await; // what fails is not told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_is_asked_again_after_a_while_and_never_at_once() {
        let millis = Duration::from_millis;
        for (next, expected) in [
            (None, LOOK),
            (Some(Duration::ZERO), millis(100)),
            (Some(millis(1)), millis(1)),
            (Some(millis(2500)), millis(2500)),
            (Some(Duration::MAX), LOOK),
        ] {
            assert_eq!(until(next), expected, "{next:?}");
        }
    }

    #[test]
    fn pauses_grow_from_a_second_to_five_minutes() {
        for (failures, low, high) in [
            (0, 1.0, 2.0),
            (1, 1.0, 2.0),
            (2, 1.0, 2.0),
            (3, 2.0, 4.0),
            (9, 128.0, 256.0),
            (10, 150.0, 300.0),
            (u32::MAX, 150.0, 300.0),
        ] {
            for _ in 0..20 {
                let pause = pause(failures).as_secs_f64();
                assert!((low..=high).contains(&pause), "{failures}: {pause}");
            }
        }
    }
}
