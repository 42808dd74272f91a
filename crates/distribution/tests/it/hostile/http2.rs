use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::Barrier;
use wharf_content::{Blob, Descriptor, ErrorKind, MediaType};
use wharf_distribution::Remote;
use wharf_registry::Registry;
use wharf_testkit::hostile::{Answer, BodyUse, Fault, Match, OriginOptions, Rule, Step, blob_answer};

use super::scene::{Scene, tag};

// RFC 9113, section 7.
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

async fn scene() -> Scene {
    Scene::speaking(&OriginOptions::default().http2()).await
}

/// A client that has a connection already, which the first requests then share.
async fn connected(scene: &Scene) -> Remote {
    let remote = scene.anonymous();
    scene.failed(remote.manifest(&tag("none")).await);
    assert_eq!(scene.registry.traffic().connections, 1);
    remote
}

fn noise(seed: u64, length: usize) -> (Descriptor, Bytes) {
    let bytes = Bytes::from(wharf_testkit::noise(seed, length));
    (Descriptor::of(MediaType::OCI_LAYER, &bytes), bytes)
}

/// The answer up to this byte, and then this.
fn cut_short(answer: &Answer, at: usize, end: Vec<Step>) -> Vec<Step> {
    let mut steps = answer.clone().fault(Fault::Stall(at as u64)).steps();
    steps.pop();
    steps.extend(end);
    steps
}

#[tokio::test]
async fn x08_a_stream_that_ends_early_is_resumed() {
    let (descriptor, bytes) = noise(1, 150_000);
    let ends = [
        vec![Step::ResetStream(INTERNAL_ERROR)],
        vec![Step::ResetStream(CANCEL)],
        vec![Step::ResetStream(ENHANCE_YOUR_CALM)],
        vec![Step::GoAway(INTERNAL_ERROR)],
        vec![Step::GoAway(0), Step::ResetStream(CANCEL)],
        vec![Step::Cut],
        vec![Step::Reset],
    ];
    for end in ends {
        for at in [0, 1, 75_000, bytes.len() - 1] {
            let scene = scene().await;
            let first = cut_short(&Answer::ok(bytes.clone()), at, end.clone());
            let all = bytes.clone();
            scene
                .registry
                .rule(Rule::new(Match::get("/blobs/"), first).times(1))
                .rule(Rule::call(Match::get("/blobs/"), move |request| {
                    blob_answer(request, &all)
                }));
            let got = scene.read(&scene.anonymous(), &descriptor).await;
            assert!(
                got.as_deref() == Ok(&bytes[..]),
                "{end:?} at {at}: {:?}",
                got.err()
            );
            let requests = scene.registry.requests();
            assert_eq!(requests.len(), 2, "{end:?} at {at}");
            assert!(requests.iter().all(|request| request.http2));
            // What came counts: nothing is fetched twice, whatever ended it.
            let range = format!("bytes={at}-");
            let expected = (at > 0).then_some(&*range);
            assert_eq!(requests[1].header("range"), expected, "{end:?} at {at}");
        }
    }
}

/// Downloads that share a connection all lose it, and all go on where they were.
#[tokio::test]
async fn x08_a_lost_connection_costs_each_stream_its_rest_only() {
    const STREAMS: usize = 8;
    for end in [Step::Cut, Step::Reset, Step::GoAway(INTERNAL_ERROR)] {
        let scene = scene().await;
        let blobs: Vec<_> = (0..STREAMS as u64).map(|seed| noise(seed, 100_000)).collect();
        let all_there = Arc::new(Barrier::new(STREAMS));
        for (descriptor, bytes) in &blobs {
            let (path, barrier) = (format!("/blobs/{}", descriptor.digest()), Arc::clone(&all_there));
            let half = cut_short(&Answer::ok(bytes.clone()), 50_000, vec![end.clone()]);
            scene.registry.rule(
                Rule::asynchronous(Match::get(&path), move |_| {
                    let (barrier, half) = (Arc::clone(&barrier), half.clone());
                    async move {
                        barrier.wait().await;
                        half
                    }
                })
                .times(1),
            );
            scene
                .registry
                .serve_blob("team/app", descriptor.digest().as_str(), bytes);
        }
        let remote = connected(&scene).await;
        let downloads = blobs
            .iter()
            .map(|(descriptor, _)| scene.read(&remote, descriptor));
        let read = futures_util::future::join_all(downloads).await;
        for (got, (_, bytes)) in read.into_iter().zip(&blobs) {
            assert!(got.as_deref() == Ok(&bytes[..]), "{end:?}: {:?}", got.err());
        }
        let asked = scene.registry.requests();
        let again = asked
            .iter()
            .filter(|request| request.header("range") == Some("bytes=50000-"));
        assert_eq!(
            (again.count(), asked.len()),
            (STREAMS, 1 + 2 * STREAMS),
            "{end:?}"
        );
    }
}

#[tokio::test]
async fn x08_refused_streams_are_asked_for_again_within_the_budget() {
    let (descriptor, bytes) = noise(1, 1000);
    // A stream that was refused before it was processed is asked for once more at once, without a wait. For that
    // HTTP/1.1 is tried, on a connection of its own, and HTTP/2 on another.
    for (code, at_once, connections) in [(REFUSED_STREAM, 1, 3), (ENHANCE_YOUR_CALM, 0, 1)] {
        let most = 5 + at_once;
        for (times, ok) in [(1, true), (most, true), (most + 1, false), (u64::MAX, false)] {
            let scene = scene().await;
            scene
                .registry
                .rule(Rule::new(Match::any(), Step::ResetStream(code)).times(times))
                .serve_blob("team/app", descriptor.digest().as_str(), &bytes);
            let got = scene.read(&scene.anonymous(), &descriptor).await;
            assert_eq!(got.is_ok(), ok, "{code} {times}");
            assert!(got.is_ok() || got == Err(ErrorKind::RateLimited), "{got:?}");
            assert_eq!(scene.registry.traffic().requests, times.min(most) + 1, "{code}");
            assert_eq!(scene.registry.traffic().connections, connections, "{code}");
        }
    }
    // A storm of resets of another kind ends as soon.
    let scene = scene().await;
    scene.registry.on(Match::any(), Step::ResetStream(INTERNAL_ERROR));
    let error = scene.failed(scene.anonymous().manifest(&tag("v1")).await);
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Network, 6));
    assert_eq!(scene.registry.traffic().requests, 6);
}

/// How many requests for blobs there are at once, and the most there were since it was asked.
#[derive(Default)]
struct Crowd {
    now: AtomicU64,
    most: AtomicU64,
}

impl Crowd {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> u64 {
        self.most.swap(0, Ordering::SeqCst)
    }
}

async fn download_all(scene: &Scene, remote: &Remote, blobs: &[(Descriptor, Bytes)]) {
    let downloads = blobs.iter().map(|(descriptor, _)| scene.read(remote, descriptor));
    for got in futures_util::future::join_all(downloads).await {
        assert!(got.is_ok(), "{got:?}");
    }
}

#[tokio::test]
async fn x08_a_registry_that_asks_for_calm_is_asked_for_less_at_once() {
    let scene = scene().await;
    let blobs: Vec<_> = (0..32).map(|seed| noise(seed, 1000)).collect();
    let crowd = Arc::new(Crowd::default());
    // The first sixteen are all there before they are answered, and every second of them is refused.
    let first = Arc::new(Barrier::new(16));
    let calm = Rule::asynchronous(Match::get("/blobs/"), {
        let (crowd, served) = (Arc::clone(&crowd), Arc::new(AtomicU64::new(0)));
        move |_| {
            let (crowd, served, first) = (Arc::clone(&crowd), Arc::clone(&served), Arc::clone(&first));
            async move {
                crowd.enter();
                first.wait().await;
                crowd.leave();
                if served.fetch_add(1, Ordering::SeqCst) % 2 == 0 {
                    vec![Step::ResetStream(ENHANCE_YOUR_CALM)]
                } else {
                    Answer::new(503).steps()
                }
            }
        }
    });
    scene.registry.rule(calm.times(16));
    let counted = Arc::clone(&crowd);
    let sources = blobs.clone();
    scene
        .registry
        .rule(Rule::asynchronous(Match::get("/blobs/"), move |request| {
            let crowd = Arc::clone(&counted);
            let source = sources
                .iter()
                .find(|(d, _)| request.path().ends_with(d.digest().as_str()));
            let answer = blob_answer(&request, &source.unwrap().1);
            async move {
                crowd.enter();
                tokio::time::sleep(Duration::from_millis(20)).await;
                crowd.leave();
                answer.steps()
            }
        }));
    let remote = scene.anonymous();
    download_all(&scene, &remote, &blobs[..16]).await;
    assert_eq!(crowd.most(), 16, "as many as allowed, before it asked");
    download_all(&scene, &remote, &blobs).await;
    let most = crowd.most();
    assert!(most <= 12, "{most} at once, after it asked for less");
}

/// A registry's own limit of streams is kept, without a second connection.
#[tokio::test]
async fn x08_a_limit_of_streams_is_kept() {
    let scene = Scene::speaking(&OriginOptions::default().http2().streams(2)).await;
    let blobs: Vec<_> = (0..16).map(|seed| noise(seed, 10_000)).collect();
    for (descriptor, bytes) in &blobs {
        scene
            .registry
            .serve_blob("team/app", descriptor.digest().as_str(), bytes);
    }
    let remote = connected(&scene).await;
    download_all(&scene, &remote, &blobs).await;
    assert_eq!(scene.registry.traffic().connections, 1);
}

/// A stream that stops while its connection lives is given up, and continued on another.
#[tokio::test(start_paused = true)]
async fn x08_a_stream_that_stalls_is_resumed() {
    let (descriptor, bytes) = noise(1, 100_000);
    let scene = scene().await;
    scene
        .registry
        .rule(
            Rule::new(
                Match::get("/blobs/"),
                Answer::ok(bytes.clone()).fault(Fault::Stall(60_000)),
            )
            .times(1),
        )
        .serve_blob("team/app", descriptor.digest().as_str(), &bytes);
    let got = scene.read(&scene.anonymous(), &descriptor).await;
    assert!(got.as_deref() == Ok(&bytes[..]), "{:?}", got.err());
    assert_eq!(scene.registry.requests()[1].header("range"), Some("bytes=60000-"));
}

/// An upload whose stream is refused, reset half way, or loses its connection is done once in the end.
#[tokio::test]
async fn x08_an_upload_that_breaks_off_is_sent_again() {
    let (descriptor, bytes) = noise(3, 300_000);
    for (at, how) in [
        (0, Step::ResetStream(REFUSED_STREAM)),
        (0, Step::ResetStream(INTERNAL_ERROR)),
        (100_000, Step::ResetStream(INTERNAL_ERROR)),
        (100_000, Step::GoAway(INTERNAL_ERROR)),
        (100_000, Step::Cut),
        (200_000, Step::Reset),
    ] {
        let scene = scene().await;
        let model = Registry::memory();
        scene
            .registry
            .rule(
                Rule::new(Match::on("PUT", "/uploads/"), how.clone())
                    .body(BodyUse::UpTo(at))
                    .times(1),
            )
            .serve_registry(&model);
        let remote = scene.anonymous();
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        remote
            .push_blob(blob)
            .await
            .unwrap_or_else(|error| panic!("{how:?} at {at}: {error}"));
        let got = scene.read(&remote, &descriptor).await;
        assert!(got.as_deref() == Ok(&bytes[..]), "{how:?} at {at}");
    }
}
