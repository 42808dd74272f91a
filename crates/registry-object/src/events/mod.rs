//! Events that wait for their subscribers. Each call is one statement or a few, each a transaction of its own.

mod record;

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::{Row, types::Type};
use wharf_content::{Error, ErrorKind};
use wharf_registry::{Claimed, Event, EventClaim, EventSignal, Outbox};

pub(crate) use self::record::statement;
use crate::{
    Database,
    database::Query as _,
    records::row::{column, repository},
};

const SUBSCRIBE: &str = "INSERT INTO subscribers (name) VALUES ($1)
     ON CONFLICT (name) DO UPDATE SET unsubscribed = false, seen = now()";
const UNSUBSCRIBE: &str =
    "WITH gone AS (UPDATE subscribers SET unsubscribed = true WHERE name = $1 RETURNING id)
     DELETE FROM event_positions USING gone WHERE subscriber = gone.id";
/// A repository that nobody has claimed. Those that another is about to claim are passed over.
const CLAIM: &str = "WITH claimed AS (
         UPDATE event_positions SET claim = $4, free = now() + $2 * interval '1 second'
         WHERE (subscriber, repository) = (
             SELECT p.subscriber, p.repository FROM event_positions p JOIN subscribers s ON s.id = p.subscriber
             WHERE s.name = $1 AND NOT s.unsubscribed AND p.free <= now() AND p.accepted < p.last
             ORDER BY p.free LIMIT 1 FOR UPDATE OF p SKIP LOCKED)
         RETURNING repository, accepted, failures)
     SELECT r.name, c.failures, e.number, e.event
     FROM claimed c JOIN repositories r ON r.id = c.repository JOIN LATERAL (
         SELECT number, event FROM events WHERE repository = c.repository AND number > c.accepted
         ORDER BY number LIMIT $3) e ON true
     ORDER BY e.number";
/// Whether the subscriber is one, and when a repository may become free.
const NEXT: &str = "SELECT s.unsubscribed, (
         SELECT extract(epoch FROM min(p.free) - now())::float8 FROM event_positions p
         WHERE p.subscriber = s.id AND p.accepted < p.last)
     FROM subscribers s WHERE s.name = $1";
const ACKNOWLEDGE: &str =
    "UPDATE event_positions p SET accepted = greatest(p.accepted, $4), failures = 0, free = now() + $5 * interval '1 second'
     FROM subscribers s, repositories r
     WHERE s.name = $1 AND r.name = $2 AND p.subscriber = s.id AND p.repository = r.id AND p.claim = $3 AND p.free > now()
     RETURNING 1";
const RELEASE: &str =
    "UPDATE event_positions p SET claim = 0, free = now() + coalesce($4, 0) * interval '1 second',
         failures = CASE WHEN $4 IS NULL THEN 0 ELSE least(p.failures, 1000000) + 1 END
     FROM subscribers s, repositories r
     WHERE s.name = $1 AND r.name = $2 AND p.subscriber = s.id AND p.repository = r.id AND p.claim = $3 AND p.free > now()";
const SEEN: &str = "UPDATE subscribers SET seen = now() WHERE name = $1";
/// Of two processes that drop the same events, the second finds the position moved. With an event those before it go,
/// which may be of transactions that began later.
const DROP: &str = "WITH waiting AS (
         SELECT e.repository, e.number, e.recorded,
             row_number() OVER (ORDER BY e.recorded DESC, e.repository DESC, e.number DESC) AS rank
         FROM event_positions p JOIN subscribers s ON s.id = p.subscriber
             JOIN events e ON e.repository = p.repository AND e.number > p.accepted
         WHERE s.name = $1),
     old AS (
         SELECT repository, max(number) AS number FROM waiting
         WHERE rank > $3 OR recorded <= now() - $2 * interval '1 second' GROUP BY repository)
     UPDATE event_positions p SET accepted = old.number, failures = 0 FROM old, subscribers s
     WHERE s.name = $1 AND p.subscriber = s.id AND p.repository = old.repository AND p.accepted < old.number
     RETURNING (SELECT count(*) FROM waiting w WHERE w.repository = old.repository AND w.number <= old.number)";
/// Positions with nothing left to deliver, and rows that nobody has asked for in so many seconds.
const FORGET: [(&str, bool); 3] = [
    (
        "DELETE FROM event_positions WHERE accepted >= last AND free <= now()",
        false,
    ),
    (
        "DELETE FROM subscribers WHERE seen < now() - $1 * interval '1 second'",
        true,
    ),
    (
        "DELETE FROM events WHERE (repository, number) IN (
             SELECT e.repository, e.number FROM events e WHERE NOT EXISTS (
                 SELECT 1 FROM event_positions p WHERE p.repository = e.repository AND p.accepted < e.number)
             LIMIT 10000)",
        false,
    ),
];

/// The time after which a subscriber is forgotten that no process has.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

const CLAIMING: &str = "claim events";
const DROPPING: &str = "drop old events";

#[async_trait]
impl Outbox for Database {
    async fn subscribe(&self, subscriber: &str) -> Result<(), Error> {
        let parameters = [(&subscriber as _, Type::TEXT)];
        self.query("add a subscriber", SUBSCRIBE, &parameters)
            .await
            .map(drop)
    }

    async fn unsubscribe(&self, subscriber: &str) -> Result<(), Error> {
        let parameters = [(&subscriber as _, Type::TEXT)];
        self.query("remove a subscriber", UNSUBSCRIBE, &parameters)
            .await
            .map(drop)
    }

    async fn claim(&self, subscriber: &str, lease: Duration, limit: usize) -> Result<Claimed, Error> {
        self.allow_change()?;
        let token = random()?;
        let (seconds, most) = (lease.as_secs_f64(), count(limit));
        let parameters = [
            (&subscriber as _, Type::TEXT),
            (&seconds as _, Type::FLOAT8),
            (&most as _, Type::INT8),
            (&token as _, Type::INT8),
        ];
        let rows = self.query(CLAIMING, CLAIM, &parameters).await?;
        if let Some(first) = rows.first() {
            let events = rows.iter().map(event).collect::<Result<_, _>>()?;
            let claim = EventClaim::new(subscriber, repository(first)?, events, token.unsigned_abs());
            let failures = u32::try_from(column::<i32>(first, 1)?).unwrap_or_default();
            return Ok(Claimed::Events(claim.with_failures(failures)));
        }
        let rows = self
            .query(CLAIMING, NEXT, &[(&subscriber as _, Type::TEXT)])
            .await?;
        let Some(row) = rows
            .first()
            .filter(|row| column(row, 0).is_ok_and(|gone: bool| !gone))
        else {
            return Ok(Claimed::Unsubscribed);
        };
        let next: Option<f64> = column(row, 1)?;
        let next = next.map(|next| Duration::try_from_secs_f64(next.max(0.0)).unwrap_or(Duration::MAX));
        Ok(Claimed::Nothing(next))
    }

    async fn acknowledge(&self, claim: &EventClaim, number: u64, lease: Duration) -> Result<bool, Error> {
        let name = claim.repository.as_str();
        let (token, number, lease) = (signed(claim.token), signed(number), lease.as_secs_f64());
        let parameters = [
            (&&*claim.subscriber as _, Type::TEXT),
            (&name as _, Type::TEXT),
            (&token as _, Type::INT8),
            (&number as _, Type::INT8),
            (&lease as _, Type::FLOAT8),
        ];
        let rows = self.query("record that an event was accepted", ACKNOWLEDGE, &parameters);
        Ok(!rows.await?.is_empty())
    }

    async fn release(&self, claim: &EventClaim, pause: Option<Duration>) -> Result<(), Error> {
        let name = claim.repository.as_str();
        let (token, pause) = (signed(claim.token), pause.map(|pause| pause.as_secs_f64()));
        let parameters = [
            (&&*claim.subscriber as _, Type::TEXT),
            (&name as _, Type::TEXT),
            (&token as _, Type::INT8),
            (&pause as _, Type::FLOAT8),
        ];
        self.query("end a claim of events", RELEASE, &parameters)
            .await
            .map(drop)
    }

    async fn expire(&self, subscriber: &str, age: Duration, limit: usize) -> Result<u64, Error> {
        let (age, most) = (age.as_secs_f64(), count(limit));
        let name = (&subscriber as _, Type::TEXT);
        self.query(DROPPING, SEEN, std::slice::from_ref(&name)).await?;
        let parameters = [name, (&age as _, Type::FLOAT8), (&most as _, Type::INT8)];
        let rows = self.query(DROPPING, DROP, &parameters).await?;
        let mut dropped = 0;
        for row in &rows {
            dropped += u64::try_from(column::<i64>(row, 0)?).unwrap_or_default();
        }
        let forgotten = FORGOTTEN.as_secs_f64();
        for (sql, is_timed) in FORGET {
            let parameters = [(&forgotten as _, Type::FLOAT8)];
            let parameters = if is_timed { parameters.as_slice() } else { &[] };
            self.query(DROPPING, sql, parameters).await?;
        }
        Ok(dropped)
    }

    fn signal(&self) -> &EventSignal {
        self.event_signal()
    }
}

fn event(row: &Row) -> Result<Event, Error> {
    let json: &str = column(row, 3)?;
    let event: Event = serde_json::from_str(json).map_err(|error| {
        let message = format!("the database holds an event that cannot be read: {error}");
        Error::new(ErrorKind::Corrupt, message)
    })?;
    Ok(event.with_number(column::<i64>(row, 2)?.unsigned_abs()))
}

/// A random number that is not negative.
fn random() -> Result<i64, Error> {
    let mut bytes = [0; 8];
    let failed = |error| {
        let message = format!("the operating system returned no random bytes: {error}");
        Error::new(ErrorKind::Other, message)
    };
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(i64::from_be_bytes(bytes) & i64::MAX)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
