//! Readiness and metrics.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::sleep;
use wharf_content::{Diagnostic, Error, ErrorKind};
use wharf_registry::{
    BackendFaults, Delivery, Event, GcOptions, GcReport, MemoryBackend, Metrics, NotReady, Observer,
    Readiness, Registry, Subscriber,
};

use crate::wire::{ask, digest, get, push_blob, push_image};

async fn faulty() -> (Registry, BackendFaults) {
    let (backend, faults) = BackendFaults::around(MemoryBackend::default());
    (Registry::open(backend).await.unwrap(), faults)
}

/// Looks come every 3 s, and wait for 10.
#[tokio::test(start_paused = true)]
async fn a_registry_is_not_ready_after_three_looks_that_failed_until_one_is_answered() {
    let (registry, faults) = faulty().await;
    let readiness = Readiness::watch(&registry);
    let after = async |seconds: u64| {
        sleep(Duration::from_millis(seconds * 1000 + 1)).await;
        readiness.check()
    };
    assert_eq!(after(0).await, Ok(()));
    faults.fail_all(ErrorKind::Network);
    assert_eq!(after(6).await, Ok(()));
    let unreachable = |result: Result<(), NotReady>, part: &str| match result {
        Err(NotReady::Unreachable(reason)) => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?}"),
    };
    unreachable(after(3).await, "ping fails");
    unreachable(after(300).await, "ping fails");
    faults.heal();
    assert_eq!(after(3).await, Ok(()));

    // Two that fail are none, if the next is answered.
    faults.fail_all(ErrorKind::Timeout);
    assert_eq!(after(6).await, Ok(()));
    faults.heal();
    assert_eq!(after(3).await, Ok(()));
    faults.fail_all(ErrorKind::Server);
    assert_eq!(after(6).await, Ok(()));
    faults.heal();
    assert_eq!(after(3).await, Ok(()));

    // An engine that keeps quiet.
    faults.stall();
    assert_eq!(after(29).await, Ok(()));
    unreachable(after(15).await, "no answer within 10 s");
    faults.heal();
    assert_eq!(after(14).await, Ok(()));

    let other = readiness.clone();
    other.drain();
    assert_eq!(readiness.check(), Err(NotReady::Draining));
    assert_eq!(after(60).await, Err(NotReady::Draining));
}

/// Notes what it is told of the backend.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Option<String>>>>);

impl Observer for Told {
    fn reachable(&self, unreachable: Option<&NotReady>) {
        self.0.lock().unwrap().push(unreachable.map(ToString::to_string));
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_once_that_the_backend_is_away_and_once_that_it_is_back() {
    let (registry, faults) = faulty().await;
    let told = Told::default();
    let registry = registry.with_observer(told.clone());
    let _readiness = Readiness::watch(&registry);
    let after = async |seconds: u64| {
        sleep(Duration::from_millis(seconds * 1000 + 1)).await;
        told.0.lock().unwrap().clone()
    };
    assert_eq!(after(60).await, []);
    faults.fail_all(ErrorKind::Network);
    assert_eq!(after(6).await, [], "two looks");
    let away = after(3).await;
    assert!(
        matches!(away.as_slice(), [Some(reason)] if reason.contains("ping fails")),
        "{away:?}"
    );
    assert_eq!(after(600).await, away, "it is still away");
    faults.heal();
    assert_eq!(after(600).await, [away[0].clone(), None]);
    faults.fail_all(ErrorKind::Network);
    assert_eq!(after(6).await.len(), 2);
    faults.heal();
    assert_eq!(after(60).await.len(), 2, "it was ready all the time");
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_when_nobody_asks_any_more() {
    let (registry, faults) = faulty().await;
    drop(Readiness::watch(&registry));
    sleep(Duration::from_secs(1)).await;
    let before = faults.calls(wharf_registry::BackendCall::Ping);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(faults.calls(wharf_registry::BackendCall::Ping), before);
}

/// The samples of a text, without what depends on the time.
fn samples(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter(|line| !line.contains("_bucket{") && !line.contains("_seconds_sum"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn requests_have_the_names_of_docker_registry_and_our_own() {
    let (registry, _) = faulty().await;
    let metrics = Metrics::default();
    let server = registry.with_observer(metrics.clone()).serve().await.unwrap();
    push_image(&server, "a", "v1").await;
    get(&server, "/v2/a/manifests/none").await;
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location();
    ask(&server, "PATCH", session).body("12345").send().await;
    ask(&server, "BREW", "/v2/a/tags/list").send().await;
    get(&server, "/nowhere?secret").await;
    let text = metrics.text(server.service());
    let samples = samples(&text);
    for expected in [
        "wharf_requests_total{endpoint=\"manifest\",method=\"PUT\",status=\"201\"} 1",
        "wharf_requests_total{endpoint=\"manifest\",method=\"GET\",status=\"404\"} 1",
        "wharf_requests_total{endpoint=\"tags\",method=\"other\",status=\"405\"} 1",
        "wharf_requests_total{endpoint=\"other\",method=\"GET\",status=\"404\"} 1",
        "registry_http_requests_total{code=\"201\",handler=\"manifest\",method=\"put\"} 1",
        "registry_http_requests_total{code=\"202\",handler=\"blob_upload_chunk\",method=\"patch\"} 1",
        "registry_http_in_flight_requests{handler=\"manifest\"} 0",
        "registry_http_request_duration_seconds_count{handler=\"manifest\",method=\"get\"} 1",
        "registry_http_request_size_bytes_count{handler=\"manifest\"} 2",
        "registry_http_response_size_bytes_count{handler=\"tags\"} 1",
        "wharf_store_requests_total{op=\"write\",outcome=\"ok\"} 3",
        "wharf_store_seconds_count{op=\"write\"} 3",
        "wharf_commit_seconds_count 3",
        "wharf_storage_failing 0",
        "wharf_gc_runs_total{outcome=\"ok\"} 0",
        "wharf_tags 1",
        "wharf_uploads 1",
        "wharf_uploading_bytes 5",
    ] {
        assert!(samples.iter().any(|line| line == expected), "{expected}\n{text}");
    }
    assert!(
        !text.contains("secret") && !text.contains("wharf_gc_age_seconds "),
        "{text}"
    );
}

#[tokio::test]
async fn metrics_tell_how_the_storage_does() {
    let (registry, faults) = faulty().await;
    let metrics = Metrics::default();
    let server = registry.with_observer(metrics.clone()).serve().await.unwrap();
    let has = |expected: &str| {
        let text = metrics.text(server.service());
        assert!(
            samples(&text).iter().any(|line| line == expected),
            "{expected}\n{text}"
        );
    };
    push_blob(&server, "a", b"unneeded").await;
    faults.fail_all(ErrorKind::Network);
    get(&server, "/v2/a/tags/list").await;
    assert!(
        server
            .service()
            .collect_garbage(&GcOptions::default())
            .await
            .is_err()
    );
    // A fault comes before the call.
    has("wharf_storage_failing 1");
    has("wharf_storage_failures_total 1");
    faults.heal();
    push_blob(&server, "a", b"another").await;
    has("wharf_storage_failing 0");
    let at_once = GcOptions::default().with_grace(Duration::ZERO);
    server.service().collect_garbage(&at_once).await.unwrap();
    has("wharf_gc_runs_total{outcome=\"ok\"} 1");
    has("wharf_gc_removed_total{kind=\"blob\"} 2");
    has("wharf_gc_removed_total{kind=\"content\"} 2");
    has("wharf_gc_bytes_total 15");
    has("wharf_gc_age_seconds 0");
    has("wharf_blobs 0");
}

/// What an endpoint says that answers with a status.
#[derive(Debug)]
struct NotNow;

impl std::fmt::Display for NotNow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not now")
    }
}

impl std::error::Error for NotNow {}

impl Diagnostic for NotNow {
    fn status(&self) -> Option<u16> {
        Some(503)
    }
}

/// Refuses so many events, then accepts.
struct Reluctant(AtomicU32);

#[async_trait]
impl Subscriber for Reluctant {
    async fn deliver(&self, _: &Event) -> Result<Delivery, Error> {
        let left = |count: u32| count.checked_sub(1);
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left) {
            Ok(_) => Err(Error::diagnosed(ErrorKind::Server, NotNow)),
            Err(_) => Ok(Delivery::Accepted),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_what_becomes_of_events() {
    let metrics = Metrics::default();
    let registry = Registry::memory().with_observer(metrics.clone());
    let registry = registry
        .with_subscriber("a \"hook\"", Reluctant(AtomicU32::new(2)))
        .await
        .unwrap();
    let has = |expected: &str| {
        let text = metrics.text(&registry);
        assert!(
            samples(&text).iter().any(|line| line == expected),
            "{expected}\n{text}"
        );
    };
    let push = format!("/v2/a/blobs/uploads/?digest={}", digest(b"layer"));
    let push = http::Request::post(push).body("layer".to_owned()).unwrap();
    assert_eq!(registry.handle(push).await.status(), 201);
    has("wharf_events_pending 1");
    has("registry_notifications_pending_total 1");
    let delivering = registry.clone();
    let delivering = tokio::spawn(async move { delivering.deliver_events().await });
    sleep(Duration::from_secs(60)).await;
    delivering.abort();
    has("wharf_events_pending 0");
    has("registry_notifications_pending_total 0");
    has("wharf_events_failed_total{subscriber=\"a \\\"hook\\\"\"} 2");
    has("wharf_events_delivered_total{subscriber=\"a \\\"hook\\\"\"} 1");
    has("registry_notifications_events_total{endpoint=\"a \\\"hook\\\"\",type=\"Failures\"} 2");
    has("registry_notifications_events_total{endpoint=\"a \\\"hook\\\"\",type=\"Successes\"} 1");
    let statuses = |code: &str| {
        format!("registry_notifications_status_total{{code=\"{code}\",endpoint=\"a \\\"hook\\\"\"}}")
    };
    has(&format!("{} 2", statuses("503 Service Unavailable")));
    has(&format!("{} 1", statuses("200 OK")));
    metrics.events_dropped("other", 7);
    has("wharf_events_dropped_total{subscriber=\"other\"} 7");
}

#[tokio::test]
async fn metrics_tell_of_objects_that_are_left_and_of_a_backend_that_is_away() {
    let (metrics, registry) = (Metrics::default(), Registry::memory());
    let has = |expected: &str| {
        let text = metrics.text(&registry);
        assert!(
            samples(&text).iter().any(|line| line == expected),
            "{expected}\n{text}"
        );
    };
    has("wharf_gc_failed_objects_total 0");
    has("wharf_gc_doomed 0");
    has("wharf_commit_repeated_total 0");
    has("wharf_commit_lost_total 0");
    let mut report = GcReport::default();
    report.failed = 3;
    for expected in [3, 6] {
        metrics.collected(&report, Duration::ZERO);
        has(&format!("wharf_gc_failed_objects_total {expected}"));
    }
    has("wharf_backend_reachable 1");
    metrics.reachable(Some(&NotReady::Unreachable("gone".to_owned())));
    has("wharf_backend_reachable 0");
    metrics.reachable(None);
    has("wharf_backend_reachable 1");
}

/// However many names and methods clients make up.
#[tokio::test]
async fn clients_do_not_choose_labels() {
    let (registry, _) = faulty().await;
    let metrics = Metrics::default();
    let registry = registry.with_observer(metrics.clone());
    let ask = async |method: &str, path: &str| {
        let request = http::Request::builder().method(method).uri(path);
        drop(registry.handle(request.body(String::new()).unwrap()).await);
    };
    for method in ["GET", "BREW"] {
        for path in ["/v2/a/tags/list", "/v2/a/manifests/x", "/x"] {
            ask(method, path).await;
        }
    }
    let before = metrics.text(&registry).lines().count();
    for number in 0..100 {
        for path in [
            format!("/v2/a{number}/tags/list"),
            format!("/v2/a/manifests/x{number}"),
            format!("/x{number}"),
        ] {
            ask("GET", &path).await;
            ask(&format!("BREW{number}"), &path).await;
        }
    }
    assert_eq!(metrics.text(&registry).lines().count(), before);
}
