//! Uploads that are refused, cut, limited and given up.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use wharf_content::{Blob, ErrorKind, MediaType, Sink as _};
use wharf_reference::Algorithm;
use wharf_testkit::{
    Request,
    hostile::{Answer, BodyUse, Match, Origin, Rule, Stage, Step},
    noise, sha256,
};

use crate::support::{on_stage, remote};

/// The upload that a well-behaved registry keeps.
#[derive(Default)]
pub(crate) struct Upload {
    pub(crate) bytes: Vec<u8>,
    pub(crate) committed: bool,
}

pub(crate) type Shared = Arc<Mutex<Upload>>;

pub(crate) fn serve_uploads(origin: &Origin) -> Shared {
    let upload = Shared::default();
    serve_uploads_into(origin, &upload);
    upload
}

pub(crate) fn serve_uploads_into(origin: &Origin, upload: &Shared) {
    origin.rule(Rule::call(Match::on("POST", "/uploads/"), |_| {
        Answer::new(202).header("Location", "/v2/app/blobs/uploads/1?_state=a%2Bb")
    }));
    let kept = Arc::clone(upload);
    origin.rule(Rule::call(Match::on("PATCH", "/uploads/1"), move |request| {
        patch(&kept, request)
    }));
    let kept = Arc::clone(upload);
    origin.rule(Rule::call(Match::on("GET", "/uploads/1"), move |_| {
        let last = kept.lock().unwrap().bytes.len().saturating_sub(1);
        Answer::new(204)
            .header("Location", "/v2/app/blobs/uploads/1?_state=a%2Bb")
            .header("Range", &format!("0-{last}"))
    }));
    let kept = Arc::clone(upload);
    origin.rule(Rule::call(Match::on("PUT", "/uploads/1"), move |request| {
        put(&kept, request)
    }));
    let kept = Arc::clone(upload);
    origin.rule(Rule::call(Match::on("HEAD", "/blobs/"), move |_| {
        Answer::new(if kept.lock().unwrap().committed { 200 } else { 404 })
    }));
}

fn patch(upload: &Shared, request: &Request) -> Answer {
    let mut upload = upload.lock().unwrap();
    assert_eq!(request.query("_state"), ["a+b"]);
    if let Some(range) = request.header("content-range") {
        let first: usize = range.split('-').next().unwrap().parse().unwrap();
        if first != upload.bytes.len() {
            return Answer::new(416);
        }
    }
    upload.bytes.extend_from_slice(&request.body);
    Answer::new(202)
        .header("Location", "/v2/app/blobs/uploads/1?_state=a%2Bb")
        .header("Range", &format!("0-{}", upload.bytes.len().saturating_sub(1)))
}

fn put(upload: &Shared, request: &Request) -> Answer {
    let mut upload = upload.lock().unwrap();
    upload.bytes.extend_from_slice(&request.body);
    if request.query("digest") == [sha256(&upload.bytes).as_str()] {
        upload.committed = true;
        return Answer::new(201).header("Location", "/v2/app/blobs/x");
    }
    Answer::error(400, "DIGEST_INVALID", "no")
}

fn blob_of(length: usize) -> (Blob, Bytes) {
    let bytes = Bytes::from(noise(3, length));
    (Blob::of(MediaType::OCTET_STREAM, bytes.clone()), bytes)
}

pub(crate) fn methods(origin: &Origin) -> Vec<String> {
    origin
        .requests()
        .into_iter()
        .map(|request| request.method)
        .collect()
}

#[tokio::test]
async fn whole_in_two_requests() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let upload = serve_uploads(&registry);
    let client = on_stage(&stage).build().unwrap();
    let app = remote(&client, "reg.test", "app");
    for length in [0, 1, 100_000] {
        *upload.lock().unwrap() = Upload::default();
        let (blob, bytes) = blob_of(length);
        app.push_blob(blob).await.unwrap();
        assert_eq!(upload.lock().unwrap().bytes, bytes);
    }
    assert_eq!(methods(&registry), ["POST", "PUT", "POST", "PUT", "POST", "PUT"]);
}

#[tokio::test]
async fn too_large_at_once_goes_in_chunks_and_is_remembered() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let limit = 3 * 1024 * 1024;
    let too_large = move |request: &Request| {
        request
            .header("content-length")
            .is_some_and(|length| length.parse::<usize>().unwrap() > limit)
    };
    registry.rule(Rule::new(Match::when(too_large), Answer::new(413)));
    let upload = serve_uploads(&registry);
    let client = on_stage(&stage).build().unwrap();
    let app = remote(&client, "reg.test", "app");
    for _ in 0..2 {
        *upload.lock().unwrap() = Upload::default();
        let (blob, bytes) = blob_of(5 * 1024 * 1024);
        app.push_blob(blob).await.unwrap();
        assert_eq!(upload.lock().unwrap().bytes, bytes);
    }
    let refused = registry
        .requests()
        .iter()
        .filter(|request| too_large(request))
        .count();
    assert_eq!(refused, 1, "{:?}", registry.lines());
}

#[tokio::test]
async fn chunks_resume_from_what_the_registry_has() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let refuse_whole =
        Match::on("PUT", "/uploads/1").and(|request| request.header("content-length") != Some("0"));
    registry.rule(Rule::new(refuse_whole, Answer::new(413)));
    // The registry takes in the second chunk, but its answer is lost.
    let lost = Arc::new(Mutex::new(None::<Shared>));
    let seen = Arc::clone(&lost);
    let second = Match::on("PATCH", "/uploads/1")
        .and(|request| request.header("content-range") == Some("2097152-4194303"));
    registry.rule(
        Rule::call(second, move |request| {
            let upload = seen.lock().unwrap().clone().unwrap();
            patch(&upload, request);
            vec![Step::Reset]
        })
        .times(1),
    );
    let upload = serve_uploads(&registry);
    *lost.lock().unwrap() = Some(Arc::clone(&upload));
    let client = on_stage(&stage).build().unwrap();
    let (blob, bytes) = blob_of(4 * 1024 * 1024 + 7);
    remote(&client, "reg.test", "app").push_blob(blob).await.unwrap();
    let upload = upload.lock().unwrap();
    assert!(upload.committed);
    assert_eq!(upload.bytes, bytes);
}

#[tokio::test]
async fn a_lost_reply_is_not_a_lost_blob() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let kept = Arc::new(Mutex::new(None::<Shared>));
    let seen = Arc::clone(&kept);
    registry.rule(
        Rule::call(Match::on("PUT", "/uploads/1"), move |request| {
            let upload = seen.lock().unwrap().clone().unwrap();
            put(&upload, request);
            vec![Step::Reset]
        })
        .times(1),
    );
    let upload = serve_uploads(&registry);
    *kept.lock().unwrap() = Some(Arc::clone(&upload));
    let client = on_stage(&stage).build().unwrap();
    let (blob, _) = blob_of(1000);
    remote(&client, "reg.test", "app").push_blob(blob).await.unwrap();
    assert_eq!(methods(&registry), ["POST", "PUT", "HEAD"]);
}

#[tokio::test]
async fn a_blob_of_unknown_size_is_streamed() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let upload = serve_uploads(&registry);
    let client = on_stage(&stage).build().unwrap();
    let chunks: Vec<Result<Bytes, wharf_content::Error>> =
        (0..10).map(|seed| Ok(Bytes::from(noise(seed, 1000)))).collect();
    let stream = Box::pin(futures_util::stream::iter(chunks));
    let app = remote(&client, "reg.test", "app");
    let descriptor = app
        .ingest(MediaType::OCI_LAYER_GZIP, Algorithm::Sha256, stream)
        .await
        .unwrap();
    let upload = upload.lock().unwrap();
    assert!(upload.committed);
    assert_eq!(descriptor.size(), 10_000);
    assert_eq!(*descriptor.digest(), sha256(&upload.bytes));
}

#[tokio::test]
async fn a_wrong_blob_is_never_committed_and_its_session_is_cancelled() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let upload = serve_uploads(&registry);
    registry.on(Match::on("DELETE", "/uploads/1"), Answer::new(204));
    let client = on_stage(&stage).build().unwrap();
    let (blob, bytes) = blob_of(1000);
    let mut other = bytes.to_vec();
    other[999] ^= 1;
    let wrong = Blob::from_bytes(blob.descriptor().clone(), other.into()).unwrap();
    let error = remote(&client, "reg.test", "app")
        .push_blob(wrong)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
    assert!(!upload.lock().unwrap().committed);
    until(|| methods(&registry).contains(&"DELETE".to_owned())).await;
}

#[tokio::test]
async fn a_dropped_upload_is_cancelled() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    registry.rule(Rule::new(Match::on("PUT", "/uploads/1"), vec![Step::Stall]).body(BodyUse::UpTo(0)));
    let _upload = serve_uploads(&registry);
    registry.on(Match::on("DELETE", "/uploads/1"), Answer::new(204));
    let client = on_stage(&stage).build().unwrap();
    let app = remote(&client, "reg.test", "app");
    let task = tokio::spawn(async move { app.push_blob(blob_of(100).0).await });
    until(|| methods(&registry).contains(&"PUT".to_owned())).await;
    task.abort();
    until(|| methods(&registry).contains(&"DELETE".to_owned())).await;
}

#[tokio::test]
async fn the_session_must_be_at_the_registry() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let evil = stage.origin("evil.test").await;
    let client = on_stage(&stage).build().unwrap();
    for location in ["https://evil.test/u", "//evil.test/u", "http://reg.test:81/u", ""] {
        registry.clear();
        registry.on(
            Match::on("POST", "/uploads/"),
            Answer::new(202).header("Location", location),
        );
        let error = remote(&client, "reg.test", "app")
            .push_blob(blob_of(10).0)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{location}: {error}");
    }
    assert!(evil.received().is_empty());
}

pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !condition() {
        assert!(tokio::time::Instant::now() < end, "it does not happen");
        tokio::task::yield_now().await;
    }
}
