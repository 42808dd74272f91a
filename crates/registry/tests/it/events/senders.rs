//! When events are delivered: order, failures, repetition, by a clock that tests move.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use wharf_content::{Blob, Error, ErrorKind, Sink as _};
use wharf_registry::{Delivery, Event, Observer, Registry, Subscriber};

use super::Accepting;

async fn push(registry: &Registry, repository: &str, text: &str) {
    let blob = Blob::of(
        wharf_content::MediaType::OCTET_STREAM,
        Bytes::from(text.to_owned()),
    );
    let repository = registry.repository(repository).expect("a path");
    repository.push_blob(blob).await.expect("it is pushed");
}

fn deliver(registry: &Registry) -> JoinHandle<()> {
    let registry = registry.clone();
    tokio::spawn(async move { registry.deliver_events().await })
}

/// Does with each delivery what a function says, and tells of each before.
struct Scripted<F> {
    tell: mpsc::UnboundedSender<(Event, Instant)>,
    deliveries: AtomicU32,
    script: F,
}

/// The reaction of a subscriber to an event.
enum Act {
    Accept,
    Fail,
    Stall,
    Unsubscribe,
}

#[async_trait]
impl<F: Fn(&Event, u32) -> Act + Send + Sync> Subscriber for Scripted<F> {
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
        let act = (self.script)(event, self.deliveries.fetch_add(1, Ordering::SeqCst));
        self.tell
            .send((event.clone(), Instant::now()))
            .expect("the test listens");
        match act {
            Act::Accept => Ok(Delivery::Accepted),
            Act::Fail => Err(Error::new(ErrorKind::Network, "scripted")),
            Act::Stall => std::future::pending().await,
            Act::Unsubscribe => Ok(Delivery::Unsubscribe),
        }
    }
}

fn scripted<F: Fn(&Event, u32) -> Act>(
    script: F,
) -> (Scripted<F>, mpsc::UnboundedReceiver<(Event, Instant)>) {
    let (tell, told) = mpsc::unbounded_channel();
    let deliveries = AtomicU32::new(0);
    (
        Scripted {
            tell,
            deliveries,
            script,
        },
        told,
    )
}

async fn with(subscriber: impl Subscriber + 'static) -> Registry {
    let registry = Registry::memory().with_subscriber("test", subscriber).await;
    registry.expect("an outbox")
}

#[tokio::test]
async fn a_subscriber_has_a_name_of_its_own_that_backends_can_record() {
    let subscriber = || scripted(|_, _| Act::Accept).0;
    let long = "s".repeat(256);
    for (name, part) in [
        ("test", "two subscribers of events have the name \"test\""),
        ("", "needs 1 to 255 bytes"),
        ("a\0b", "without control characters"),
        (long.as_str(), "needs 1 to 255 bytes"),
    ] {
        let registry = with(subscriber()).await;
        let refused = registry.with_subscriber(name, subscriber()).await;
        let Err(error) = refused else {
            panic!("{name:?} is taken");
        };
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let registry = with(subscriber()).await;
    let registry = registry.with_subscriber("another", subscriber()).await;
    registry.expect("two subscribers");
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_is_delivered_again_after_growing_pauses() {
    let (subscriber, mut told) = scripted(|_, count| if count < 12 { Act::Fail } else { Act::Accept });
    let registry = with(subscriber).await;
    let delivering = deliver(&registry);
    push(&registry, "a", "one").await;
    push(&registry, "a", "two").await;
    let (first, mut last) = told.recv().await.expect("a delivery");
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let (event, at) = told.recv().await.expect("a delivery");
        assert_eq!(event, first, "the same event, and no other before it");
        pauses.push((at - last).as_secs_f64());
        last = at;
    }
    // The pause after n failures; both the repository and the sender rest, the longer counts.
    let longest = |n: i32| f64::from(2_i32.pow(u32::try_from(n).unwrap_or_default())).min(300.0);
    for (n, pause) in (0_i32..).zip(&pauses) {
        let (low, high) = (longest(n - i32::from(n > 0)), longest(n).max(2.0));
        assert!((low * 0.5..=high + 0.1).contains(pause), "{n}: {pauses:?}");
    }
    assert!(pauses[0] >= 1.0 && pauses[11] >= 150.0, "{pauses:?}");
    let (second, at) = told.recv().await.expect("a delivery");
    assert_ne!(second.id, first.id);
    assert!(
        at - last < Duration::from_secs(1),
        "once it works, it goes on at once"
    );
    delivering.abort();
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_fails_holds_up_no_other() {
    let (subscriber, mut told) = scripted(|event, _| {
        if event.target.repository.as_str() == "bad" {
            Act::Fail
        } else {
            Act::Accept
        }
    });
    let registry = with(subscriber).await;
    let delivering = deliver(&registry);
    push(&registry, "bad", "one").await;
    for number in 0..5 {
        push(&registry, "good", &number.to_string()).await;
    }
    let mut good = Vec::new();
    let begun = Instant::now();
    while good.len() < 5 {
        let (event, _) = told.recv().await.expect("a delivery");
        if event.target.repository.as_str() == "good" {
            good.push(event.number);
        }
    }
    assert!(good.is_sorted());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    delivering.abort();
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_stalls_or_fails_holds_up_no_other() {
    let (stalling, _stalled) = scripted(|_, _| Act::Stall);
    let (accepting, mut told) = Accepting::new();
    let registry = with(stalling)
        .await
        .with_subscriber("other", accepting)
        .await
        .expect("an outbox");
    let delivering = deliver(&registry);
    let begun = Instant::now();
    for number in 0..100 {
        push(&registry, "a", &number.to_string()).await;
        told.recv().await.expect("an event");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    delivering.abort();
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_stalls_is_given_up_and_repeated() {
    let (subscriber, mut told) = scripted(|_, count| if count == 0 { Act::Stall } else { Act::Accept });
    let registry = with(subscriber).await;
    let delivering = deliver(&registry);
    push(&registry, "a", "one").await;
    let (first, begun) = told.recv().await.expect("a delivery");
    let (again, at) = told.recv().await.expect("a delivery");
    assert_eq!(first, again);
    let waited = (at - begun).as_secs_f64();
    assert!((21.0..=22.1).contains(&waited), "20 s, and a pause: {waited}");
    delivering.abort();
}

#[tokio::test(start_paused = true)]
async fn whoever_unsubscribes_is_told_nothing_more() {
    let (subscriber, mut told) = scripted(|_, _| Act::Unsubscribe);
    let registry = with(subscriber).await;
    push(&registry, "a", "one").await;
    push(&registry, "b", "two").await;
    registry.deliver_events().await; // returns: there is no subscriber any more
    push(&registry, "a", "three").await;
    registry.deliver_events().await;
    told.recv().await.expect("one delivery");
    assert!(told.try_recv().is_err(), "and no other");
}

/// The sender dies before, while and after a delivery: the event comes again, and keeps its id.
#[tokio::test(start_paused = true)]
async fn an_event_survives_the_death_of_its_sender() {
    let (subscriber, mut told) = scripted(|_, count| if count < 3 { Act::Stall } else { Act::Accept });
    let registry = with(subscriber).await;
    push(&registry, "a", "one").await;
    push(&registry, "a", "two").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let delivering = deliver(&registry);
        let (event, _) = told.recv().await.expect("a delivery");
        seen.push(event);
        delivering.abort(); // between the delivery and its acknowledgement
        let begun = Instant::now();
        let _ = delivering.await;
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
    let begun = Instant::now();
    let delivering = deliver(&registry);
    let (first, _) = told.recv().await.expect("a delivery");
    assert!(
        begun.elapsed() <= Duration::from_secs(70),
        "its lease ends after a minute"
    );
    assert!(seen.iter().all(|event| *event == first), "{seen:#?}");
    let (second, _) = told.recv().await.expect("a delivery");
    assert!(second.number > first.number);
    delivering.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_senders_keep_the_order_of_each_repository() {
    let seen = Arc::new(Mutex::new(BTreeMap::<String, Vec<u64>>::new()));
    let order = Arc::clone(&seen);
    let (subscriber, mut told) = scripted(move |event, _| {
        let mut seen = order.lock().expect("no panic");
        let numbers = seen.entry(event.target.repository.to_string()).or_default();
        numbers.push(event.number.expect("a number"));
        Act::Accept
    });
    let registry = with(subscriber).await;
    let senders = [deliver(&registry), deliver(&registry)];
    let pushes = (0..4).map(|pusher| {
        let registry = registry.clone();
        tokio::spawn(async move {
            for number in 0..50 {
                push(
                    &registry,
                    &format!("r{}", number % 3),
                    &format!("{pusher} {number}"),
                )
                .await;
            }
        })
    });
    for pushing in pushes.collect::<Vec<_>>() {
        pushing.await.expect("no panic");
    }
    for _ in 0..200 {
        told.recv().await.expect("a delivery");
    }
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), 200);
    for numbers in seen.values() {
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }
    for sender in senders {
        sender.abort();
    }
}

#[derive(Default)]
struct Counting(Mutex<Vec<String>>);

impl Observer for Counting {
    fn delivery_failed(&self, subscriber: &str, error: &Error) {
        self.0
            .lock()
            .expect("no panic")
            .push(format!("{subscriber}: {error}"));
    }

    fn events_dropped(&self, subscriber: &str, count: u64) {
        self.0
            .lock()
            .expect("no panic")
            .push(format!("{subscriber} lost {count}"));
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_nobody_accepts_for_a_day_are_dropped_and_counted() {
    let counting = Arc::new(Counting::default());
    let (subscriber, mut told) = scripted(|_, _| Act::Fail);
    let registry = Registry::memory().with_observer(Arc::clone(&counting));
    let registry = registry
        .with_subscriber("dead", subscriber)
        .await
        .expect("an outbox");
    push(&registry, "a", "one").await;
    push(&registry, "b", "two").await;
    let delivering = deliver(&registry);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(25 * 60 * 60) {
        let next = tokio::time::timeout(Duration::from_secs(2 * 60 * 60), told.recv());
        if next.await.is_err() {
            break;
        }
    }
    assert!(
        begun.elapsed() < Duration::from_secs(27 * 60 * 60),
        "{:?}",
        begun.elapsed()
    );
    let told = counting.0.lock().expect("no panic").clone();
    assert_eq!(
        told.first().map(String::as_str),
        Some("dead: scripted"),
        "{told:?}"
    );
    assert_eq!(told.last().map(String::as_str), Some("dead lost 2"), "{told:?}");
    delivering.abort();
}

/// A repository whose events are refused for an hour: the sender does not rest for as long as that repository does.
#[tokio::test(start_paused = true)]
async fn a_repository_that_has_failed_for_long_does_not_make_another_wait() {
    let (subscriber, mut told) = scripted(|event, _| match event.target.repository.as_str() {
        "bad" => Act::Fail,
        _ => Act::Accept,
    });
    let registry = with(subscriber).await;
    let delivering = deliver(&registry);
    push(&registry, "bad", "one").await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60 * 60) {
        told.recv().await.expect("a delivery");
    }
    for number in 0..5 {
        push(&registry, "good", &number.to_string()).await;
        let pushed = Instant::now();
        while told
            .recv()
            .await
            .expect("a delivery")
            .0
            .target
            .repository
            .as_str()
            != "good"
        {}
        assert!(
            pushed.elapsed() <= Duration::from_secs(10),
            "{:?}",
            pushed.elapsed()
        );
    }
    delivering.abort();
}

/// A failure that states a time to wait.
#[derive(Debug)]
struct Busy(Duration);

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("busy")
    }
}

impl std::error::Error for Busy {}

impl wharf_content::Diagnostic for Busy {
    fn retry_after(&self) -> Option<Duration> {
        Some(self.0)
    }
}

/// Fails for the first deliveries with these wishes, and tells when it was called.
struct Wishing {
    wishes: Mutex<Vec<u64>>,
    tell: mpsc::UnboundedSender<Instant>,
}

#[async_trait]
impl Subscriber for Wishing {
    async fn deliver(&self, _: &Event) -> Result<Delivery, Error> {
        self.tell.send(Instant::now()).expect("the test listens");
        match self.wishes.lock().expect("no panic").pop() {
            Some(wish) => Err(Error::diagnosed(
                ErrorKind::RateLimited,
                Busy(Duration::from_secs(wish)),
            )),
            None => Ok(Delivery::Accepted),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_states_when_it_wants_more_is_left_alone_until_then_but_not_for_long() {
    for (wish, low, high) in [
        (0, 1, 3),
        (40, 40, 43),
        (299, 299, 302),
        (100_000, 300, 303),
        (u64::MAX, 300, 303),
    ] {
        let (tell, mut told) = mpsc::unbounded_channel();
        let registry = with(Wishing {
            wishes: Mutex::new(vec![wish]),
            tell,
        })
        .await;
        let delivering = deliver(&registry);
        push(&registry, "a", "one").await;
        let first = told.recv().await.expect("a delivery");
        let waited = told.recv().await.expect("another") - first;
        assert!((low..=high).contains(&waited.as_secs()), "{wish}: {waited:?}");
        delivering.abort();
    }
}

/// Panics where it is called, where its future runs, and then accepts.
struct Panicking {
    calls: AtomicU32,
    tell: mpsc::UnboundedSender<Event>,
}

impl Subscriber for Panicking {
    fn deliver<'a: 'f, 'e: 'f, 'f>(
        &'a self,
        event: &'e Event,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Delivery, Error>> + Send + 'f>>
    where
        Self: 'f,
    {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(call != 0, "scripted");
        Box::pin(async move {
            tokio::task::yield_now().await;
            assert!(call != 1, "scripted");
            self.tell.send(event.clone()).expect("the test listens");
            Ok(Delivery::Accepted)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_panics_has_failed_and_is_told_again() {
    let counting = Arc::new(Counting::default());
    let (tell, mut told) = mpsc::unbounded_channel();
    let calls = AtomicU32::new(0);
    let registry = Registry::memory()
        .with_observer(Arc::clone(&counting))
        .with_subscriber("test", Panicking { calls, tell })
        .await
        .expect("an outbox");
    let delivering = deliver(&registry);
    push(&registry, "a", "one").await;
    push(&registry, "a", "two").await;
    let numbers = [told.recv().await, told.recv().await].map(|event| event.expect("an event").number);
    assert!(numbers.is_sorted(), "{numbers:?}");
    let failures = counting.0.lock().expect("no panic").clone();
    assert_eq!(failures, ["test: the subscriber panicked"; 2]);
    delivering.abort();
}

/// Pushes to the registry that tells it.
struct Reentrant {
    registry: Arc<std::sync::OnceLock<Registry>>,
    tell: mpsc::UnboundedSender<String>,
}

#[async_trait]
impl Subscriber for Reentrant {
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
        let repository = event.target.repository.as_str();
        let registry = self.registry.get().expect("it is set");
        if repository != "copies" {
            push(registry, "copies", repository).await;
            registry.repository(repository)?;
        }
        self.tell.send(repository.to_owned()).expect("the test listens");
        Ok(Delivery::Accepted)
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_may_use_the_registry_that_tells_it() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let cell = Arc::new(std::sync::OnceLock::new());
    let registry = with(Reentrant {
        registry: Arc::clone(&cell),
        tell,
    })
    .await;
    assert!(cell.set(registry.clone()).is_ok());
    let delivering = deliver(&registry);
    push(&registry, "one", "one").await;
    push(&registry, "two", "two").await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(told.recv().await.expect("a delivery"));
    }
    seen.sort_unstable();
    assert_eq!(seen, ["copies", "copies", "one", "two"]);
    delivering.abort();
}

/// A registry that is served again, or whose delivery was stopped, goes on telling of pulls.
#[tokio::test]
async fn pulls_are_told_by_whoever_delivers_after_another_has_stopped() {
    let (accepting, mut told) = Accepting::new();
    let options = wharf_registry::EventOptions::default().with_pulls(true);
    let registry = with(accepting).await.with_event_options(options);
    push(&registry, "a", "one").await;
    for _ in 0..3 {
        let server = registry.clone().serve().await.expect("a port");
        let digest = wharf_content::Hasher::sha256(b"one");
        let pulled = crate::wire::get(&server, format!("/v2/a/blobs/{digest}")).await;
        assert_eq!(pulled.status, 200);
        let pull = async {
            loop {
                let event: Event = told.recv().await.expect("an event");
                if event.action == wharf_registry::EventAction::Pull {
                    return;
                }
            }
        };
        pull.await;
        server.shutdown().await;
    }
}

/// A server tells all changes that it has acknowledged before it ends.
#[tokio::test]
async fn a_server_tells_what_is_left_when_it_shuts_down() {
    let (accepting, mut told) = Accepting::new();
    let registry = with(accepting).await;
    let server = registry.clone().serve().await.expect("a port");
    for number in 0..50 {
        push(&registry, "a", &number.to_string()).await;
    }
    server.shutdown().await;
    let mut count = 0;
    while told.try_recv().is_ok() {
        count += 1;
    }
    assert_eq!(count, 50);
}

/// A dead subscriber does not hold up the end of a server.
#[tokio::test(start_paused = true)]
async fn a_server_ends_although_a_subscriber_fails() {
    let (subscriber, mut told) = scripted(|_, _| Act::Fail);
    let registry = with(subscriber).await;
    let server = registry.clone().serve().await.expect("a port");
    push(&registry, "a", "one").await;
    told.recv().await.expect("a delivery");
    let begun = Instant::now();
    server.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
