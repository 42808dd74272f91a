use std::time::Duration;

use super::{ConformanceFailure, Run};
use crate::{
    BlobRecord, Change, Claimed, Commit, EventClaim, Guard, Outbox, Outcome, Record, RecordKey, Records,
    Refusal, events::EventContext,
};

const LEASE: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3600);
const SUBSCRIBER: &str = "first";
const SECOND: &str = "second";

type Checked = Result<(), ConformanceFailure>;

impl Run {
    /// A commit with so many events.
    fn telling(&self, path: &str, name: &str, events: usize) -> Result<Commit, ConformanceFailure> {
        let (path, digest) = (self.path(path)?, self.name(name)?);
        let context = self.ok(EventContext::local())?;
        let events = (0..events).map(|_| self.ok(context.deleted(&path, &digest)));
        let events = events.collect::<Result<Vec<_>, _>>()?;
        let commit = self.ok(Commit::new(vec![Change::Put(Record::Blob(
            digest,
            BlobRecord::new(1),
        ))]))?;
        Ok(commit.with_events(events))
    }

    /// Commits, and returns the ids of the events.
    async fn tell(
        &mut self,
        records: &dyn Records,
        path: &str,
        name: &str,
        events: usize,
    ) -> Result<Vec<String>, ConformanceFailure> {
        let commit = self.telling(path, name, events)?;
        let ids = commit.events.iter().map(|event| event.id.clone()).collect();
        let committed = self.ok(records.commit(&self.path(path)?, commit).await)?;
        self.that(committed == Outcome::Committed, "a commit with events is made")?;
        Ok(ids)
    }

    async fn claim(
        &self,
        outbox: &dyn Outbox,
        subscriber: &str,
        lease: Duration,
    ) -> Result<EventClaim, ConformanceFailure> {
        match self.ok(outbox.claim(subscriber, lease, 64).await)? {
            Claimed::Events(claim) => Ok(claim),
            other => Err(self.fail(format!("a repository with events cannot be claimed: {other:?}"))),
        }
    }

    async fn nothing(&mut self, outbox: &dyn Outbox, subscriber: &str, message: &str) -> Checked {
        let claimed = self.ok(outbox.claim(subscriber, LEASE, 64).await)?;
        self.that(matches!(claimed, Claimed::Nothing(_)), message)
    }

    /// Claims, accepts and releases until there is nothing, and returns the ids.
    async fn take(&self, outbox: &dyn Outbox, subscriber: &str) -> Result<Vec<String>, ConformanceFailure> {
        let mut taken = Vec::new();
        loop {
            match self.ok(outbox.claim(subscriber, LEASE, 2).await)? {
                Claimed::Events(claim) => {
                    taken.extend(claim.events.iter().map(|event| event.id.clone()));
                    self.ok(outbox.acknowledge(&claim, last_number(&claim), LEASE).await)?;
                    self.ok(outbox.release(&claim, None).await)?;
                }
                _ => return Ok(taken),
            }
        }
    }

    /// Claims exclude each other by repository, and events come in order.
    pub(super) async fn claims(
        &mut self,
        records: &dyn Records,
        one: &dyn Outbox,
        other: &dyn Outbox,
    ) -> Checked {
        self.tell(records, "outbox/a", "nobody", 1).await?;
        let claimed = self.ok(one.claim(SUBSCRIBER, LEASE, 64).await)?;
        let unknown = matches!(claimed, Claimed::Unsubscribed);
        self.that(unknown, "who is no subscriber can claim nothing")?;
        self.ok(one.subscribe(SUBSCRIBER).await)?;
        self.ok(other.subscribe(SUBSCRIBER).await)?;
        self.nothing(
            one,
            SUBSCRIBER,
            "a subscriber gets no event of a commit before it came",
        )
        .await?;
        let mut listener = one.signal().listen();
        let first = self.tell(records, "outbox/a", "a1", 2).await?;
        let signalled = tokio::time::timeout(LEASE, listener.notified()).await;
        self.that(signalled.is_ok(), "a commit with events gives the signal")?;
        let second = self.tell(records, "outbox/a", "a2", 1).await?;
        let third = self.tell(records, "outbox/b", "b1", 1).await?;
        let here = self.claim(one, SUBSCRIBER, LEASE).await?;
        let there = self.claim(other, SUBSCRIBER, LEASE).await?;
        self.nothing(other, SUBSCRIBER, "a repository is claimed once")
            .await?;
        let (a, b) = if here.repository.as_str() == "outbox/a" {
            (here, there)
        } else {
            (there, here)
        };
        let ids = a.events.iter().map(|event| event.id.clone()).collect::<Vec<_>>();
        self.that(
            ids == [first, second].concat(),
            "events come in the order of the commits",
        )?;
        let numbers = a.events.iter().map(|event| event.number).collect::<Vec<_>>();
        let ascend = numbers
            .iter()
            .zip(numbers.iter().skip(1))
            .all(|(one, next)| one < next);
        self.that(ascend && numbers.iter().all(Option::is_some), "numbers ascend")?;
        let only = b.events.first().map(|event| event.id.clone());
        self.that(
            only.as_ref() == third.first(),
            "a claim has the events of its repository",
        )?;
        for claim in [a, b] {
            let kept = self.ok(one.acknowledge(&claim, last_number(&claim), LEASE).await)?;
            self.that(kept, "the holder of a claim acknowledges by any handle")?;
            self.ok(other.release(&claim, None).await)?;
        }
        self.nothing(one, SUBSCRIBER, "what was accepted does not come again")
            .await
    }

    /// A repeated commit tells nothing twice, and a refused one nothing.
    pub(super) async fn recorded_once(&mut self, records: &dyn Records, outbox: &dyn Outbox) -> Checked {
        let commit = self.telling("outbox/a", "once", 1)?;
        let id = commit.events.first().map(|event| event.id.clone());
        let path = self.path("outbox/a")?;
        for _ in 0..2 {
            let committed = self.ok(records.commit(&path, commit.clone()).await)?;
            self.that(committed == Outcome::Committed, "a repeated commit was made")?;
        }
        let key = RecordKey::Blob(self.name("once")?);
        let refused = self
            .telling("outbox/a", "refused", 1)?
            .with_guard(Guard::Absent(key));
        let refused = self.ok(records.commit(&path, refused).await)?;
        self.that(refused == Outcome::Refused(Refusal::Guard(0)), "a guard refuses")?;
        let taken = self.take(outbox, SUBSCRIBER).await?;
        let expected = id.into_iter().collect::<Vec<_>>();
        self.that(taken == expected, "a commit that is made tells its events once")
    }

    /// Failures hold up their repository alone, and a claim that has ended records nothing.
    pub(super) async fn failed_deliveries(
        &mut self,
        records: &dyn Records,
        one: &dyn Outbox,
        other: &dyn Outbox,
    ) -> Checked {
        let ids = self.tell(records, "outbox/a", "failing", 3).await?;
        let dead = self.claim(one, SUBSCRIBER, Duration::ZERO).await?;
        let claim = self.claim(other, SUBSCRIBER, LEASE).await?;
        let same = dead.events == claim.events && claim.events.len() == 3;
        self.that(
            same,
            "the events of a claim that has ended go to another, unchanged",
        )?;
        let late = self.ok(one.acknowledge(&dead, last_number(&dead), LEASE).await)?;
        self.that(!late, "a claim that has ended acknowledges nothing")?;
        self.ok(one.release(&dead, None).await)?;
        self.nothing(one, SUBSCRIBER, "a claim that has ended releases nothing")
            .await?;
        let first = claim
            .events
            .first()
            .and_then(|event| event.number)
            .unwrap_or_default();
        let kept = self.ok(other.acknowledge(&claim, first, LEASE).await)?;
        self.that(kept, "a part of a claim is acknowledged")?;
        self.ok(other.release(&claim, Some(Duration::ZERO)).await)?;
        let again = self.claim(one, SUBSCRIBER, LEASE).await?;
        let rest = again.events.iter().map(|event| &event.id).eq(ids.iter().skip(1));
        self.that(rest, "what was not accepted comes again, with the same ids")?;
        self.that(again.failures == 1, "a failure is counted")?;
        self.ok(one.release(&again, Some(LONG)).await)?;
        self.tell(records, "outbox/a", "waits", 1).await?;
        let claimed = self.ok(other.claim(SUBSCRIBER, LEASE, 64).await)?;
        let waits = matches!(claimed, Claimed::Nothing(Some(next)) if next <= LONG && next > LONG / 2);
        self.that(
            waits,
            "a repository rests after a failure, and it is said for how long",
        )?;
        let elsewhere = self.tell(records, "outbox/b", "goes on", 1).await?;
        let taken = self.take(one, SUBSCRIBER).await?;
        self.that(taken == elsewhere, "another repository goes on")?;
        self.ok(one.subscribe(SECOND).await)?;
        let ids = self.tell(records, "outbox/a", "for both", 1).await?;
        let taken = self.take(other, SECOND).await?;
        self.that(taken == ids, "a subscriber is not held up by another's failures")
    }

    /// Old events and the oldest of many are dropped, and counted once. Of the failing repository five wait.
    pub(super) async fn dropped_events(&mut self, records: &dyn Records, outbox: &dyn Outbox) -> Checked {
        let kept = self.tell(records, "outbox/b", "newest", 1).await?;
        let dropped = self.ok(outbox.expire(SUBSCRIBER, LONG, 5).await)?;
        self.that(dropped == 0, "as many events as may wait are kept")?;
        let dropped = self.ok(outbox.expire(SUBSCRIBER, LONG, 1).await)?;
        self.that(
            dropped == 4,
            "the oldest of too many events are dropped and counted",
        )?;
        let taken = self.take(outbox, SUBSCRIBER).await?;
        self.that(taken == kept, "the newest are kept")?;
        self.tell(records, "outbox/b", "old", 2).await?;
        let dropped = self.ok(outbox.expire(SUBSCRIBER, Duration::ZERO, 100).await)?;
        self.that(dropped == 2, "old events are dropped and counted")?;
        let dropped = self.ok(outbox.expire(SUBSCRIBER, Duration::ZERO, 0).await)?;
        self.that(dropped == 0, "dropped events are counted once")?;
        self.nothing(outbox, SUBSCRIBER, "dropped events do not come")
            .await?;
        let theirs = self.take(outbox, SECOND).await?;
        self.that(theirs.len() == 3, "another subscriber still gets them")
    }

    /// A subscriber that unsubscribes gets nothing, by any handle, until it subscribes again.
    pub(super) async fn unsubscribing(
        &mut self,
        records: &dyn Records,
        one: &dyn Outbox,
        other: &dyn Outbox,
    ) -> Checked {
        self.tell(records, "outbox/a", "unheard", 1).await?;
        self.ok(one.unsubscribe(SUBSCRIBER).await)?;
        let claimed = self.ok(other.claim(SUBSCRIBER, LEASE, 64).await)?;
        let gone = matches!(claimed, Claimed::Unsubscribed);
        self.that(gone, "who has unsubscribed can claim nothing")?;
        self.tell(records, "outbox/a", "unheard too", 1).await?;
        self.ok(other.subscribe(SUBSCRIBER).await)?;
        let ids = self.tell(records, "outbox/a", "heard", 1).await?;
        let taken = self.take(one, SUBSCRIBER).await?;
        self.that(taken == ids, "who subscribes again gets what comes from then on")
    }
}

fn last_number(claim: &EventClaim) -> u64 {
    claim
        .events
        .last()
        .and_then(|event| event.number)
        .unwrap_or_default()
}
