//! Downloads that are cut, stalled, lied about and limited.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use wharf_content::{Descriptor, ErrorKind, MediaType};
use wharf_distribution::Remote;
use wharf_testkit::{
    hostile::{Answer, Fault, Match, OriginOptions, Rule, Stage, blob_answer},
    noise,
};

use crate::support::{on_stage, read_in_pieces, remote};

fn blob_of(length: usize) -> (Descriptor, Bytes) {
    let bytes = Bytes::from(noise(7, length));
    (Descriptor::of(MediaType::OCTET_STREAM, &bytes), bytes)
}

async fn read(remote: &Remote, descriptor: &Descriptor) -> Result<Bytes, wharf_content::Error> {
    remote.blob(descriptor).unwrap().read_to_end(u64::MAX).await
}

#[tokio::test]
async fn a_blob_survives_cuts_resets_and_stalls() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let client = on_stage(&stage).build().unwrap();
    let (descriptor, bytes) = blob_of(100_000);
    let path = format!("/blobs/{}", descriptor.digest());
    for fault in [
        Fault::Cut(0),
        Fault::Cut(1),
        Fault::Cut(50_000),
        Fault::Reset(99_999),
        Fault::Stall(40_000),
    ] {
        registry.clear();
        let whole = bytes.clone();
        let damaged = move |request: &wharf_testkit::Request| blob_answer(request, &whole).fault(fault);
        registry.rule(Rule::call(Match::get(&path), damaged).times(1));
        registry.serve_blob("app", descriptor.digest().as_str(), &bytes);
        let got = read(&remote(&client, "reg.test", "app"), &descriptor)
            .await
            .unwrap();
        assert_eq!(got, bytes, "{fault:?}");
    }
    let ranges: Vec<_> = registry
        .requests()
        .iter()
        .filter_map(|request| Some(request.header("range")?.to_owned()))
        .collect();
    assert!(ranges.contains(&"bytes=50000-".to_owned()), "{ranges:?}");
}

#[tokio::test]
async fn lies_about_ranges_are_found_out() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let client = on_stage(&stage).build().unwrap();
    let (descriptor, bytes) = blob_of(1000);
    let path = format!("/blobs/{}", descriptor.digest());
    let rest = bytes.slice(500..);
    let partial = || Answer::ok(rest.clone()).status(206);
    let right = partial().header("Content-Range", "bytes 500-999/1000");
    let table = [
        ("right", right.clone(), true),
        (
            "unknown whole",
            partial().header("Content-Range", "bytes 500-999/*"),
            true,
        ),
        ("the whole again", Answer::ok(bytes.clone()), true),
        ("no header", partial(), false),
        (
            "two headers",
            right.clone().header("Content-Range", "bytes 500-999/1000"),
            false,
        ),
        (
            "other start",
            partial().header("Content-Range", "bytes 499-998/1000"),
            false,
        ),
        (
            "short",
            partial().header("Content-Range", "bytes 500-998/1000"),
            false,
        ),
        (
            "other whole",
            partial().header("Content-Range", "bytes 500-999/1001"),
            false,
        ),
        (
            "overflow",
            partial().header("Content-Range", "bytes 0-18446744073709551615/*"),
            false,
        ),
        ("labelled", right.clone().header("Content-Encoding", "gzip"), true),
        (
            "multipart",
            partial().header("Content-Type", "multipart/byteranges; boundary=x"),
            false,
        ),
        (
            "other bytes",
            Answer::ok(bytes.slice(..500))
                .status(206)
                .header("Content-Range", "bytes 500-999/1000"),
            false,
        ),
    ];
    for (name, answer, good) in table {
        registry.clear();
        let cut = Answer::ok(bytes.clone()).fault(Fault::Cut(500));
        registry.rule(Rule::new(Match::get(&path), cut).times(1));
        registry.on(Match::get(&path), answer);
        let got = read(&remote(&client, "reg.test", "app"), &descriptor).await;
        match got {
            Ok(got) => assert!(good && got == bytes, "{name}"),
            Err(error) => {
                assert!(!good, "{name}: {error}");
                assert_eq!(error.kind(), ErrorKind::Mismatch, "{name}: {error}");
            }
        }
    }
    registry.clear();
    registry.on(Match::get(&path), right);
    let unasked = read(&remote(&client, "reg.test", "app"), &descriptor)
        .await
        .unwrap_err();
    assert_eq!(unasked.kind(), ErrorKind::Mismatch);
}

#[tokio::test]
async fn a_download_without_progress_ends() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let client = on_stage(&stage).build().unwrap();
    let (descriptor, bytes) = blob_of(1000);
    registry.on(
        Match::get("/blobs/"),
        Answer::ok(bytes.clone()).fault(Fault::Cut(0)),
    );
    let error = read(&remote(&client, "reg.test", "app"), &descriptor)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(registry.requests().len() <= 5);
}

#[tokio::test]
async fn transient_answers_are_retried_and_final_ones_are_not() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let client = on_stage(&stage).build().unwrap();
    let (descriptor, bytes) = blob_of(10);
    for (status, requests) in [
        (500, 3),
        (503, 3),
        (429, 3),
        (408, 3),
        (425, 3),
        (403, 1),
        (404, 1),
        (400, 1),
    ] {
        registry.clear();
        let before = registry.requests().len();
        registry.rule(Rule::new(Match::get("/blobs/"), Answer::new(status)).times(2));
        registry.serve_blob("app", descriptor.digest().as_str(), &bytes);
        let got = read(&remote(&client, "reg.test", "app"), &descriptor).await;
        assert_eq!(got.is_ok(), requests > 1, "{status}");
        assert_eq!(registry.requests().len() - before, requests, "{status}");
    }
    registry.clear();
    registry.on(
        Match::get("/blobs/"),
        Answer::new(429).header("Retry-After", "3600"),
    );
    let error = read(&remote(&client, "reg.test", "app"), &descriptor)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    let inner = error
        .inner()
        .unwrap()
        .downcast_ref::<wharf_distribution::Error>()
        .unwrap();
    assert_eq!(inner.retry_after(), Some(std::time::Duration::from_secs(60 * 60)));
    assert_eq!(inner.attempts(), 1);
}

/// Each connection gives the blob at a limited rate; only several at once are fast.
#[tokio::test]
async fn a_large_blob_comes_over_several_connections() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let client = on_stage(&stage).build().unwrap();
    let (descriptor, bytes) = blob_of(40 * 1024 * 1024);
    let ranges = Arc::new(AtomicUsize::new(0));
    let (whole, counted) = (bytes.clone(), Arc::clone(&ranges));
    registry.rule(Rule::call(Match::get("/blobs/"), move |request| {
        if request.header("range").is_some() {
            counted.fetch_add(1, Ordering::Relaxed);
            return blob_answer(request, &whole).steps();
        }
        slow(&blob_answer(request, &whole))
    }));
    let blob = remote(&client, "reg.test", "app").blob(&descriptor).unwrap();
    let (got, early) = read_in_pieces(blob).await.unwrap();
    assert!(got == bytes);
    assert!(ranges.load(Ordering::Relaxed) >= 10, "{ranges:?}");
    assert!(early > 0, "pieces come as they arrive");

    // Who wants the bytes in order gets one stream.
    ranges.store(0, Ordering::Relaxed);
    let got = read(&remote(&client, "reg.test", "app"), &descriptor)
        .await
        .unwrap();
    assert!(got == bytes);
    assert_eq!(ranges.load(Ordering::Relaxed), 0);
}

/// A range that breaks off is asked for again, from where it broke; when that happens too often, one stream
/// goes on.
#[tokio::test]
async fn broken_ranges_are_continued() {
    const SIZE: usize = 24 * 1024 * 1024;
    for (broken, stream_again) in [(1, false), (2, false), (usize::MAX, true)] {
        let stage = Stage::new();
        let registry = stage.origin("reg.test").await;
        let client = on_stage(&stage).build().unwrap();
        let (descriptor, bytes) = blob_of(SIZE);
        let (ranges, streams) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (whole, counted, streamed) = (bytes.clone(), Arc::clone(&ranges), Arc::clone(&streams));
        registry.rule(Rule::call(Match::get("/blobs/"), move |request| {
            let answer = blob_answer(request, &whole);
            match request.header("range") {
                Some(range) if !range.ends_with('-') => {
                    let number = counted.fetch_add(1, Ordering::Relaxed);
                    if number < broken {
                        return answer.fault(Fault::Reset(500_000)).steps();
                    }
                    answer.steps()
                }
                _ => {
                    let first = streamed.fetch_add(1, Ordering::Relaxed) == 0;
                    if first { slow(&answer) } else { answer.steps() }
                }
            }
        }));
        let blob = remote(&client, "reg.test", "app").blob(&descriptor).unwrap();
        let (got, _) = read_in_pieces(blob).await.unwrap();
        assert!(got == bytes, "{broken}");
        assert_eq!(streams.load(Ordering::Relaxed) > 1, stream_again, "{broken}");
        let sent = registry.traffic().sent;
        assert!(sent < 2 * SIZE as u64, "{broken}: {sent}");
    }
}

/// Ranges go to the host the registry redirects to, straight away and without a login; when the link has run
/// out, the registry is asked for another.
#[tokio::test]
async fn ranges_follow_the_redirect_once() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let storage = stage.origin("storage.test").await;
    let signature = stage.secret("signature", &[&storage]);
    let password = stage.secret("password", &[&registry]);
    let fixed = wharf_auth::Fixed::new(registry_name(), wharf_auth::Credential::basic("ada", password));
    let client = on_stage(&stage)
        .with_credentials(Arc::new(fixed))
        .build()
        .unwrap();
    let (descriptor, bytes) = blob_of(40 * 1024 * 1024);
    let redirects = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&redirects);
    registry.rule(Rule::call(Match::get("/blobs/"), move |request| {
        if request.basic().is_none() {
            return Answer::challenge("Basic realm=\"x\"");
        }
        let link = counted.fetch_add(1, Ordering::Relaxed);
        Answer::redirect(
            307,
            &format!("https://storage.test/layer?link={link}&sig={signature}"),
        )
    }));
    let (whole, served) = (bytes.clone(), AtomicUsize::new(0));
    storage.rule(Rule::call(Match::get("/layer"), move |request| {
        if request.header("range").is_none() {
            return slow(&blob_answer(request, &whole));
        }
        let is_first_link = request.query("link") == ["0"];
        if is_first_link && served.fetch_add(1, Ordering::Relaxed) >= 3 {
            return Answer::new(403).steps();
        }
        blob_answer(request, &whole).steps()
    }));
    let blob = remote(&client, "reg.test", "app").blob(&descriptor).unwrap();
    let (got, _) = read_in_pieces(blob).await.unwrap();
    assert!(got == bytes);
    assert!(redirects.load(Ordering::Relaxed) > 1);
    assert!(
        storage
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
    assert!(client.counters().ranges >= 10, "{:?}", client.counters());
}

/// The same bytes with a pause after every 64 KiB.
fn slow(answer: &Answer) -> Vec<wharf_testkit::hostile::Step> {
    use wharf_testkit::hostile::Step;
    let mut steps = Vec::new();
    for step in answer.steps() {
        match step {
            Step::Send(bytes) => {
                for at in (0..bytes.len()).step_by(64 * 1024) {
                    steps.push(Step::Send(bytes.slice(at..bytes.len().min(at + 64 * 1024))));
                    steps.push(Step::Delay(std::time::Duration::from_millis(5)));
                }
            }
            other => steps.push(other),
        }
    }
    steps
}

/// A layer whose descriptor says where else it is.
fn with_urls(descriptor: &Descriptor, urls: &[String]) -> Descriptor {
    let mut document = serde_json::to_value(descriptor).unwrap();
    let object = document.as_object_mut().unwrap();
    object.insert("urls".to_owned(), serde_json::json!(urls));
    serde_json::from_value(document).unwrap()
}

#[tokio::test]
async fn n07_foreign_urls_are_ignored_unless_wanted() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let elsewhere = stage.origin("layers.test").await;
    let plain = stage
        .origin_with("plain.test", OriginOptions::default().plain().with_port())
        .await;
    let (descriptor, bytes) = blob_of(1000);
    registry.on(Match::any(), Answer::new(404));
    let whole = bytes.clone();
    elsewhere.rule(Rule::call(Match::get("/layer"), move |request| {
        blob_answer(request, &whole)
    }));
    elsewhere.on(Match::any(), Answer::challenge("Basic realm=\"x\""));
    plain.on(Match::any(), Answer::ok(bytes.clone()));
    let bad = [
        "file:///etc/passwd".to_owned(),
        "https://169.254.169.254/layer".to_owned(),
        plain.url("/layer"),
        elsewhere.url("/private"),
    ];
    let login = || {
        let secret = stage.secret("password", &[]);
        let fixed = wharf_auth::Fixed::new(registry_name(), wharf_auth::Credential::basic("ada", secret));
        on_stage(&stage).with_credentials(Arc::new(fixed))
    };
    let mut good = bad.to_vec();
    good.truncate(3);
    good.push(elsewhere.url("/layer"));
    let off = login().build().unwrap();
    let on = login().with_foreign_urls(true).build().unwrap();
    for (client, urls, found) in [
        (&off, &good[..], false),
        (&on, &bad[..], false),
        (&on, &good[..], true),
    ] {
        let got = read(&remote(client, "reg.test", "app"), &with_urls(&descriptor, urls)).await;
        assert_eq!(got.ok(), found.then(|| bytes.clone()));
    }
    assert_eq!(plain.traffic().connections, 0);
}

fn registry_name() -> wharf_reference::Registry {
    crate::support::registry("reg.test")
}
