//! Events of registries in several processes, each with a handle of its own.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::mpsc, task::JoinHandle};
use wharf_content::{
    Error, ErrorKind, ImageBuilder, ImageConfig, Name, Platform, SinkExt as _, Source as _, Target,
};
use wharf_registry::{
    Claimed, Commit, Delivery, Event, Outbox as _, Outcome, Records as _, Registry, RepositoryPath,
    Subscriber, conformance::check_outbox,
};
use wharf_testkit::{PgBouncer, PostgreSql, require_peers};

use crate::{backend::Engines, cutting_proxy::CuttingProxy, open};

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_outbox_conforms() {
    require_peers!("postgres", "psql", "pgbouncer");
    let server = PostgreSql::shared();
    let url = server.create_schema();
    let (one, other) = (open(&url).await.expect("one"), open(&url).await.expect("another"));
    let direct = check_outbox(&one, &one, &other).await.expect("it conforms");
    let pooler = PgBouncer::start(server);
    let pooled = open(&pooler.url(&server.create_database()))
        .await
        .expect("a database");
    let checks = check_outbox(&pooled, &pooled, &pooled).await;
    assert_eq!(checks.expect("it conforms through a pooler"), direct);
}

/// Passes on what it is told, or does not answer.
struct Told {
    sender: mpsc::UnboundedSender<Event>,
    stalls: AtomicBool,
}

#[async_trait]
impl Subscriber for Told {
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
        self.sender.send(event.clone()).expect("the test listens");
        if self.stalls.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(Delivery::Accepted)
    }
}

fn told(stalls: bool) -> (Told, mpsc::UnboundedReceiver<Event>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stalls = AtomicBool::new(stalls);
    (Told { sender, stalls }, receiver)
}

/// A process: a registry over the engines.
async fn process(engines: &Engines, subscriber: impl Subscriber + 'static) -> Registry {
    let registry = Registry::open(engines.open().await).await.expect("a registry");
    registry
        .with_subscriber("cluster", subscriber)
        .await
        .expect("an outbox")
}

fn deliver(registry: &Registry) -> JoinHandle<()> {
    let registry = registry.clone();
    tokio::spawn(async move { registry.deliver_events().await })
}

/// Pushes an image whose tag is in its config: a config, and a manifest with the tag.
async fn push(registry: &Registry, repository: &str, tag: &str) {
    let config = ImageConfig::builder(Platform::host())
        .with_label("tag", tag)
        .build()
        .expect("a config");
    let image = ImageBuilder::new().with_config(config).build().expect("an image");
    let repository = registry.repository(repository).expect("a path");
    let name = Name::parse(tag).expect("a name");
    repository
        .push_image(&image, Some(&name))
        .await
        .expect("it is pushed");
}

/// The subscriber of a cluster whose nodes pull from another process.
struct Pulling {
    from: Registry,
    pulled: mpsc::UnboundedSender<Result<(), ErrorKind>>,
}

#[async_trait]
impl Subscriber for Pulling {
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
        if let (Some(digest), Some(_)) = (&event.target.digest, &event.target.tag) {
            let repository = self.from.repository(event.target.repository.as_str())?;
            let pulled = repository.manifest(&Target::Digest(digest.clone())).await;
            self.pulled
                .send(pulled.map(drop).map_err(|error| error.kind()))
                .expect("the test listens");
        }
        Ok(Delivery::Accepted)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_can_be_pulled_from_another_process_at_once() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let from = Registry::open(engines.open().await).await.expect("a registry");
    let (pulled, mut results) = mpsc::unbounded_channel();
    let registry = process(&engines, Pulling { from, pulled }).await;
    let delivering = deliver(&registry);
    for number in 0..10 {
        push(&registry, "lib/app", &format!("v{number}")).await;
        assert_eq!(results.recv().await.expect("it is told"), Ok(()));
    }
    delivering.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_tell_every_event_in_the_order_of_its_repository() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let mut registries = Vec::new();
    let mut senders = Vec::new();
    for _ in 0..2 {
        let stalls = AtomicBool::new(false);
        let sender = sender.clone();
        let registry = process(&engines, Told { sender, stalls }).await;
        senders.push(deliver(&registry));
        registries.push(registry);
    }
    let pushes = (0..4_usize).map(|pusher| {
        let registry = registries[pusher % 2].clone();
        tokio::spawn(async move {
            for number in 0..6 {
                push(
                    &registry,
                    &format!("r{}", number % 2),
                    &format!("{pusher}-{number}"),
                )
                .await;
            }
        })
    });
    for pushing in pushes.collect::<Vec<_>>() {
        pushing.await.expect("no panic");
    }
    let mut seen = BTreeMap::<String, Vec<u64>>::new();
    for _ in 0..4 * 6 * 2 {
        let event = receiver.recv().await.expect("an event");
        let numbers = seen.entry(event.target.repository.to_string()).or_default();
        numbers.push(event.number.expect("a number"));
    }
    for numbers in seen.values() {
        assert_eq!(*numbers, (1..=24).collect::<Vec<_>>(), "in order, without gaps");
    }
    for sender in senders {
        sender.abort();
    }
}

/// The process that has claimed a repository dies between the delivery and its acknowledgement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_survive_the_process_that_delivers_them() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let (stalling, mut first) = told(true);
    let registry = process(&engines, stalling).await;
    let dying = deliver(&registry);
    push(&registry, "lib/app", "v1").await;
    let before = first.recv().await.expect("a delivery");
    dying.abort();
    drop(registry);
    let (accepting, mut second) = told(false);
    let registry = process(&engines, accepting).await;
    let delivering = deliver(&registry);
    push(&registry, "lib/other", "v1").await;
    for _ in 0..2 {
        let other = second.recv().await.expect("an event");
        assert_eq!(other.target.repository.as_str(), "lib/other", "the claim lasts");
    }
    engines.see("UPDATE event_positions SET free = now()"); // a minute later
    push(&registry, "lib/other", "v2").await; // a reason to look
    let mut after = Vec::new();
    while after.len() < 2 {
        let event = second.recv().await.expect("an event");
        if event.target.repository.as_str() == "lib/app" {
            after.push(event);
        }
    }
    assert_eq!(after[0], before, "the same event, with its id");
    assert_eq!(after[1].number, Some(2));
    delivering.abort();
}

/// A commit that was made twice would tell its events twice.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_tells_its_events_once() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::shared();
    let (proxy, database) = CuttingProxy::before(server, &server.create_database()).await;
    database.subscribe("cluster").await.expect("a subscriber");
    let event = sample().await;
    let path = RepositoryPath::parse("app").expect("a path");
    for is_carried_out in [true, false, true] {
        let commit = Commit::new(Vec::new()).expect("random bits");
        proxy.cut("COMMIT\0", is_carried_out);
        let committed = database.commit(&path, commit.with_events([event.clone()])).await;
        assert_eq!(committed.expect("an outcome"), Outcome::Committed);
    }
    assert_eq!(proxy.cuts(), 3);
    let Claimed::Events(claim) = database.claim("cluster", LEASE, 64).await.expect("a claim") else {
        panic!("no events");
    };
    let numbers = claim
        .events
        .iter()
        .filter_map(|event| event.number)
        .collect::<Vec<_>>();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(claim.events.iter().all(|told| told.id == event.id));
}

/// An event as a registry makes it.
async fn sample() -> Event {
    let (accepting, mut told) = told(false);
    let registry = Registry::memory()
        .with_subscriber("test", accepting)
        .await
        .expect("an outbox");
    let delivering = deliver(&registry);
    push(&registry, "app", "v1").await;
    let event = told.recv().await.expect("an event");
    delivering.abort();
    event
}

#[tokio::test]
async fn what_nobody_waits_for_is_removed() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let (accepting, mut events) = told(false);
    let registry = process(&engines, accepting).await;
    push(&registry, "lib/app", "v1").await;
    let database = engines.open().await;
    let outbox = database.database();
    outbox.subscribe("gone").await.expect("another subscriber");
    push(&registry, "lib/app", "v2").await;
    let delivering = deliver(&registry);
    for _ in 0..4 {
        events.recv().await.expect("an event");
    }
    delivering.abort();
    let _ = delivering.await;
    engines.see("UPDATE event_positions SET free = now()"); // the last claim may not have ended
    let count = || engines.see("SELECT count(*) FROM events");
    assert_eq!(outbox.expire("cluster", LEASE, 100).await.expect("done"), 0);
    assert_eq!(count(), "2", "one subscriber has not had them");
    engines.see("UPDATE subscribers SET seen = now() - interval '25 hours' WHERE name = 'gone'");
    outbox.expire("cluster", LEASE, 100).await.expect("done");
    outbox.expire("cluster", LEASE, 100).await.expect("done");
    let left = "SELECT (SELECT count(*) FROM events) || ' ' || (SELECT count(*) FROM event_positions) || ' '
                    || (SELECT string_agg(name, ',') FROM subscribers)";
    assert_eq!(engines.see(left), "0 0 cluster");
}

#[tokio::test]
async fn an_event_that_is_damaged_is_told() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let (accepting, _events) = told(false);
    let registry = process(&engines, accepting).await;
    push(&registry, "lib/app", "v1").await;
    let backend = engines.open().await;
    for damage in ["'{'", "''", "'{}'", "'null'", "replace(event, 'push', 'shove')"] {
        engines.see("UPDATE event_positions SET free = now()");
        engines.see(&format!("UPDATE events SET event = {damage} WHERE number = 1"));
        let error = backend
            .database()
            .claim("cluster", LEASE, 64)
            .await
            .expect_err(damage);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{damage}: {error}");
        engines.see("UPDATE events SET event = (SELECT event FROM events WHERE number = 2)");
    }
}
