//! The outbox of a process: events wait in memory.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use tokio::time::Instant;
use wharf_content::Error;

use crate::{
    Claimed, Event, EventClaim, EventSignal, Outbox, RepositoryPath, events::MAX_EVENTS, sync::LockExt as _,
};

/// The events that subscribers have not accepted.
#[derive(Debug, Default)]
pub(super) struct MemoryOutbox {
    waiting: Mutex<Waiting>,
    signal: EventSignal,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The number of the last event, in microseconds from 1970 at first, so that numbers ascend when the process
    /// starts again.
    number: u64,
    /// The number of the last claim.
    token: u64,
    queues: BTreeMap<Box<str>, Queue>,
}

/// The events for one subscriber.
#[derive(Debug, Default)]
struct Queue {
    unsubscribed: bool,
    /// By number, the oldest first.
    events: BTreeMap<u64, Waits>,
    /// Those repositories that have events.
    repositories: HashMap<RepositoryPath, Position>,
    /// Events that were dropped and not reported yet.
    dropped: u64,
}

#[derive(Debug)]
struct Waits {
    event: Arc<Event>,
    since: Instant,
}

/// The state of a repository for a subscriber.
#[derive(Debug, Default)]
struct Position {
    /// The numbers of its events.
    numbers: VecDeque<u64>,
    /// The claim that has it, if any.
    claim: Option<u64>,
    /// Before this nobody can claim it.
    free: Option<Instant>,
    failures: u32,
}

impl MemoryOutbox {
    /// Adds events of a commit, while the repository's index is locked, so that they are in the order of the
    /// commits.
    pub(super) fn add(&self, path: &RepositoryPath, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let mut waiting = self.waiting.locked();
        let waiting = &mut *waiting;
        for event in events {
            waiting.number = match waiting.number {
                0 => micros(),
                number => number + 1,
            };
            let event = Arc::new(event.with_number(waiting.number));
            for queue in waiting.queues.values_mut().filter(|queue| !queue.unsubscribed) {
                queue.push(path, waiting.number, Arc::clone(&event));
            }
        }
        self.signal.notify();
    }

    /// The number of events that wait, once for each subscriber.
    pub(super) fn len(&self) -> u64 {
        let waiting = self.waiting.locked();
        waiting
            .queues
            .values()
            .map(|queue| queue.events.len() as u64)
            .sum()
    }

    fn with<T>(&self, subscriber: &str, then: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let mut waiting = self.waiting.locked();
        waiting.queues.get_mut(subscriber).map(then)
    }
}

fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(1)
}

impl Queue {
    fn push(&mut self, path: &RepositoryPath, number: u64, event: Arc<Event>) {
        let since = Instant::now();
        self.events.insert(number, Waits { event, since });
        let position = self.repositories.entry(path.clone()).or_default();
        position.numbers.push_back(number);
        while self.events.len() > MAX_EVENTS {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((number, waits)) = self.events.pop_first() {
            self.dropped += 1;
            self.forget(&waits.event.target.repository, number);
        }
    }

    /// Removes a repository's events up to this number.
    fn forget(&mut self, path: &RepositoryPath, upto: u64) {
        let Some(position) = self.repositories.get_mut(path) else {
            return;
        };
        while let Some(number) = position.numbers.front().copied().filter(|number| *number <= upto) {
            position.numbers.pop_front();
            self.events.remove(&number);
        }
        if position.numbers.is_empty() && position.claim.is_none() {
            self.repositories.remove(path);
        }
    }

    fn claim(&mut self, subscriber: &str, lease: Duration, limit: usize, token: u64) -> Claimed {
        let now = Instant::now();
        let free_at = |position: &Position| position.free.unwrap_or(now).max(now);
        let next = self
            .repositories
            .iter_mut()
            .filter(|(_, position)| !position.numbers.is_empty())
            .min_by_key(|(_, position)| (free_at(position), position.numbers.front().copied()));
        let Some((path, position)) = next else {
            return Claimed::Nothing(None);
        };
        if free_at(position) > now {
            return Claimed::Nothing(Some(free_at(position) - now));
        }
        position.claim = Some(token);
        position.free = Some(now + lease);
        let numbers = position.numbers.iter().take(limit);
        let events = numbers.filter_map(|number| self.events.get(number));
        let events = events.map(|waits| (*waits.event).clone()).collect();
        let claim = EventClaim::new(subscriber, path.clone(), events, token);
        Claimed::Events(claim.with_failures(position.failures))
    }

    /// The repository of a claim, if the claim has not ended.
    fn claimed(&mut self, claim: &EventClaim) -> Option<&mut Position> {
        let position = self.repositories.get_mut(&claim.repository)?;
        let lasts = position.free.is_some_and(|free| free > Instant::now());
        (lasts && position.claim == Some(claim.token)).then_some(position)
    }

    fn acknowledge(&mut self, claim: &EventClaim, number: u64, lease: Duration) -> bool {
        let Some(position) = self.claimed(claim) else {
            return false;
        };
        position.free = Some(Instant::now() + lease);
        position.failures = 0;
        self.forget(&claim.repository, number);
        true
    }

    fn release(&mut self, claim: &EventClaim, pause: Option<Duration>) {
        let Some(position) = self.claimed(claim) else {
            return;
        };
        position.claim = None;
        position.free = pause.map(|pause| Instant::now() + pause);
        position.failures = match pause {
            Some(_) => position.failures.saturating_add(1),
            None => 0,
        };
        self.forget(&claim.repository, 0);
    }
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn subscribe(&self, subscriber: &str) -> Result<(), Error> {
        let mut waiting = self.waiting.locked();
        waiting.queues.entry(subscriber.into()).or_default().unsubscribed = false;
        Ok(())
    }

    async fn unsubscribe(&self, subscriber: &str) -> Result<(), Error> {
        self.with(subscriber, |queue| {
            *queue = Queue {
                unsubscribed: true,
                dropped: queue.dropped + queue.events.len() as u64,
                ..Queue::default()
            };
        });
        Ok(())
    }

    async fn claim(&self, subscriber: &str, lease: Duration, limit: usize) -> Result<Claimed, Error> {
        let mut waiting = self.waiting.locked();
        waiting.token += 1;
        let token = waiting.token;
        Ok(match waiting.queues.get_mut(subscriber) {
            Some(queue) if !queue.unsubscribed => queue.claim(subscriber, lease, limit, token),
            _ => Claimed::Unsubscribed,
        })
    }

    async fn acknowledge(&self, claim: &EventClaim, number: u64, lease: Duration) -> Result<bool, Error> {
        let kept = self.with(&claim.subscriber, |queue| queue.acknowledge(claim, number, lease));
        Ok(kept.unwrap_or_default())
    }

    async fn release(&self, claim: &EventClaim, pause: Option<Duration>) -> Result<(), Error> {
        self.with(&claim.subscriber, |queue| queue.release(claim, pause));
        Ok(())
    }

    async fn expire(&self, subscriber: &str, age: Duration, limit: usize) -> Result<u64, Error> {
        let dropped = self.with(subscriber, |queue| {
            while let Some(oldest) = queue.events.first_entry()
                && (oldest.get().since.elapsed() >= age || queue.events.len() > limit)
            {
                queue.drop_oldest();
            }
            std::mem::take(&mut queue.dropped)
        });
        Ok(dropped.unwrap_or_default())
    }

    fn signal(&self) -> &EventSignal {
        &self.signal
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use super::*;
    use crate::events::EventContext;

    #[tokio::test]
    async fn the_oldest_of_too_many_events_are_dropped() {
        let outbox = MemoryOutbox::default();
        outbox.subscribe("dead").await.unwrap();
        let context = EventContext::local().unwrap();
        let digest = wharf_content::Hasher::sha256(b"");
        for number in 0..MAX_EVENTS + 10 {
            let path = RepositoryPath::parse(&format!("r{}", number % 7)).unwrap();
            outbox.add(&path, vec![context.deleted(&path, &digest).unwrap()]);
        }
        let (kept, repositories) = outbox
            .with("dead", |queue| {
                let numbers = queue.repositories.values().map(|position| position.numbers.len());
                (queue.events.len(), numbers.sum::<usize>())
            })
            .unwrap();
        assert_eq!((kept, repositories), (MAX_EVENTS, MAX_EVENTS));
        let age = Duration::from_secs(60);
        assert_eq!(outbox.expire("dead", age, MAX_EVENTS).await.unwrap(), 10);
        outbox.unsubscribe("dead").await.unwrap();
        let expired = outbox.expire("dead", age, MAX_EVENTS).await.unwrap();
        assert_eq!(expired, MAX_EVENTS as u64, "and those of whoever goes");
    }
}
