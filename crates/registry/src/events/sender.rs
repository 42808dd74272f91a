//! Delivers the events of an [`Outbox`] to one subscriber.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use wharf_content::{Error, ErrorKind};

use super::{Claimed, Delivery, Event, EventClaim, MAX_AGE, MAX_EVENTS, Outbox, Subscriber};
use crate::state::RegistryState;

/// The lease of a claim: the time after which the events of a sender that has died go to another.
const LEASE: Duration = Duration::from_secs(60);
/// The time of one delivery, which ends before the lease does.
const DELIVERY: Duration = Duration::from_secs(20);
/// The most events that a claim gets, after which other repositories have their turn.
const BATCH: usize = 64;
/// The pauses after the first failure and, at last, after each.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The longest time between two looks at the outbox: another process may have died with a claim.
const LOOK: Duration = Duration::from_secs(10);
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
    Failed,
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
                    let wait = next.unwrap_or(LOOK).min(LOOK);
                    let _ = timeout(wait, recorded.notified()).await; // either is a reason to look
                    continue;
                }
                Err(error) => Err(error),
            };
            match round {
                Ok(Round::Done) => failures = 0,
                Ok(Round::Unsubscribed) => return,
                Ok(Round::Failed) | Err(_) if is_closing => return,
                failed => {
                    if let Err(error) = failed {
                        self.tell_failure(&error);
                    }
                    failures += 1;
                    let closed = closing.wait_for(|closing| *closing);
                    let _ = timeout(pause(failures), closed).await; // either ends the pause
                }
            }
        }
    }

    /// Delivers the events of a claim, as long as the claim lasts.
    async fn deliver(&self, outbox: &dyn Outbox, claim: &EventClaim) -> Result<Round, Error> {
        for event in &claim.events {
            let delivered = timeout(DELIVERY, self.subscriber.deliver(event)).await;
            let late = |_| {
                Err(Error::new(
                    ErrorKind::Timeout,
                    "the event was not accepted in 20 s",
                ))
            };
            match delivered.unwrap_or_else(late) {
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
                    outbox.release(claim, Some(pause(failures))).await?;
                    return Ok(Round::Failed);
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

/// Tells a subscriber of pulls, each once.
pub(super) async fn tell_pulls(mut pulled: mpsc::Receiver<Event>, subscriber: Arc<dyn Subscriber>) {
    while let Some(event) = pulled.recv().await {
        let _ = timeout(DELIVERY, subscriber.deliver(&event)).await; // what fails is not told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
