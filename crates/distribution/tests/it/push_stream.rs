//! Uploads of bytes whose number and digest are known at their end.

use std::{fs, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot;
use wharf_content::{ByteStream, Error, ErrorKind, MediaType, Sink as _};
use wharf_http::RetryPolicy;
use wharf_reference::Algorithm;
use wharf_testkit::{
    Request,
    hostile::{Answer, BodyUse, Match, Origin, Rule, Stage, Step},
    noise, sha256,
};

use crate::{
    push::{Shared, methods, serve_uploads, serve_uploads_into, until},
    support::{on_stage, remote},
};

const MIB: usize = 1 << 20;

/// A stream of these bytes in pieces of 64 KiB.
fn streamed(bytes: &Bytes) -> ByteStream {
    let pieces = bytes.chunks(64 << 10).map(Bytes::copy_from_slice);
    let pieces: Vec<Result<Bytes, Error>> = pieces.map(Ok).collect();
    stream::iter(pieces).boxed()
}

fn is_patch() -> Match {
    Match::on("PATCH", "/uploads/1")
}

fn refuse(status: u16) -> Rule {
    Rule::new(is_patch(), Answer::new(status))
}

/// A request that states how many bytes it has.
fn has_length(request: &Request) -> bool {
    request.header("content-length").is_some()
}

/// The rule of a registry that departs from the others, made with what it has of the upload.
type Fault = fn(&Origin, Shared);

/// The registry, the bytes, and the requests that it is sent, but for those that cancel a session.
type Case = (&'static str, Fault, usize, &'static [&'static str]);

const WHOLE: &[&str] = &["POST", "PATCH", "POST", "PUT"];

const CASES: &[Case] = &[
    ("takes it", |_, _| {}, 3 * MIB, &["POST", "PATCH", "PUT"]),
    ("takes nothing", |_, _| {}, 0, &["POST", "PATCH", "PUT"]),
    (
        "has no PATCH: 405",
        |origin, _| _ = origin.rule(refuse(405)),
        3 * MIB,
        WHOLE,
    ),
    (
        "has no PATCH: 404",
        |origin, _| _ = origin.rule(refuse(404)),
        3 * MIB,
        WHOLE,
    ),
    (
        "has no PATCH: 400",
        |origin, _| _ = origin.rule(refuse(400)),
        3 * MIB,
        WHOLE,
    ),
    (
        "has no PATCH: 415",
        |origin, _| _ = origin.rule(refuse(415)),
        3 * MIB,
        WHOLE,
    ),
    (
        "has no PATCH: 501",
        |origin, _| _ = origin.rule(refuse(501)),
        3 * MIB,
        WHOLE,
    ),
    (
        "wants a length",
        |origin, _| {
            let without = is_patch().and(|request| !has_length(request));
            origin.rule(Rule::new(without, Answer::new(411)));
        },
        3 * MIB,
        &["POST", "PATCH", "GET", "PATCH", "PUT"],
    ),
    (
        "takes at most a mebibyte",
        |origin, _| {
            let is_large = |request: &Request| {
                let length = request
                    .header("content-length")
                    .and_then(|length| length.parse().ok());
                length.is_none_or(|length: usize| length > MIB)
            };
            origin.rule(Rule::new(is_patch().and(is_large), Answer::new(413)));
        },
        3 * MIB,
        &["POST", "PATCH", "GET", "PATCH", "PATCH", "PATCH", "PUT"],
    ),
    (
        "closes the connection after all bytes",
        |origin, upload| {
            let reset = move |request: &Request| {
                upload.lock().unwrap().bytes.extend_from_slice(&request.body);
                vec![Step::Reset]
            };
            origin.rule(Rule::call(is_patch(), reset).times(1));
        },
        3 * MIB,
        &["POST", "PATCH", "GET", "PUT"],
    ),
    (
        "closes the connection in the middle",
        |origin, upload| {
            let reset = move |request: &Request| {
                let half = request.body.len() / 2;
                upload
                    .lock()
                    .unwrap()
                    .bytes
                    .extend_from_slice(request.body.split_at(half).0);
                vec![Step::Reset]
            };
            origin.rule(Rule::call(is_patch(), reset).times(1));
        },
        3 * MIB,
        &["POST", "PATCH", "GET", "PATCH", "PUT"],
    ),
    (
        "is busy",
        |origin, _| _ = origin.rule(refuse(503).times(2)),
        3 * MIB,
        &["POST", "PATCH", "GET", "PATCH", "GET", "PATCH", "PUT"],
    ),
    (
        "has lost the session",
        |origin, _| {
            origin.rule(refuse(503).times(1));
            origin.rule(Rule::new(Match::on("GET", "/uploads/1"), Answer::new(404)));
        },
        3 * MIB,
        &["POST", "PATCH", "GET", "POST", "PATCH", "PUT"],
    ),
];

#[tokio::test]
async fn a_stream_reaches_registries_of_every_kind() {
    for (kind, fault, length, expected) in CASES {
        let stage = Stage::new();
        let registry = stage.origin("reg.test").await;
        registry.on(Match::on("DELETE", "/uploads/1"), Answer::new(204));
        let upload = Shared::default();
        fault(&registry, Arc::clone(&upload));
        serve_uploads_into(&registry, &upload);
        let scratch = tempfile::tempdir().unwrap();
        let retry = RetryPolicy::default().with_initial_backoff(Duration::from_millis(1));
        let client = on_stage(&stage).with_retry(retry).with_scratch(scratch.path());
        let client = client.build().unwrap();
        let bytes = Bytes::from(noise(5, *length));
        let app = remote(&client, "reg.test", "app");
        let descriptor = app
            .ingest(MediaType::OCI_LAYER_GZIP, Algorithm::Sha256, streamed(&bytes))
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        let upload = upload.lock().unwrap();
        assert!(upload.committed, "{kind}");
        assert_eq!(*descriptor.digest(), sha256(&bytes), "{kind}");
        assert_eq!(descriptor.size(), bytes.len() as u64, "{kind}");
        assert!(upload.bytes == bytes, "{kind}: other bytes");
        let sent: Vec<_> = methods(&registry)
            .into_iter()
            .filter(|method| method != "DELETE")
            .collect();
        assert_eq!(sent, *expected, "{kind}");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "{kind}");
    }
}

#[tokio::test]
async fn a_registry_that_refused_patch_is_sent_whole_blobs_from_then_on() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    registry.on(Match::on("DELETE", "/uploads/1"), Answer::new(204));
    registry.rule(refuse(405));
    let upload = serve_uploads(&registry);
    let client = on_stage(&stage).build().unwrap();
    let app = remote(&client, "reg.test", "app");
    for seed in [1, 2] {
        upload.lock().unwrap().bytes.clear();
        let bytes = Bytes::from(noise(seed, 1000));
        app.ingest(MediaType::OCI_LAYER, Algorithm::Sha256, streamed(&bytes))
            .await
            .unwrap();
        assert_eq!(upload.lock().unwrap().bytes, bytes);
    }
    let patches = methods(&registry)
        .iter()
        .filter(|method| *method == "PATCH")
        .count();
    assert_eq!(patches, 1);
}

/// Each of these has an end, whatever the registry says.
#[tokio::test]
async fn a_registry_that_takes_no_chunk_is_not_sent_them_without_end() {
    type Refusal = fn(&Origin);
    let cases: [(&str, Refusal); 4] = [
        ("no chunk is small enough", |origin| _ = origin.rule(refuse(413))),
        ("chunks are too small and too large", |origin| {
            let smallest = Answer::new(202)
                .header("Location", "/v2/app/blobs/uploads/1?_state=a%2Bb")
                .header("OCI-Chunk-Min-Length", &(4 * MIB).to_string());
            origin.rule(Rule::new(Match::on("POST", "/uploads/"), smallest));
            origin.rule(refuse(413));
        }),
        ("it closes every connection", |origin| {
            origin.rule(Rule::new(is_patch(), vec![Step::Reset]));
        }),
        ("it wants no length and no other", |origin| {
            origin.rule(refuse(411));
        }),
    ];
    for (kind, fault) in cases {
        let stage = Stage::new();
        let registry = stage.origin("reg.test").await;
        registry.on(Match::on("DELETE", "/uploads/1"), Answer::new(204));
        fault(&registry);
        let upload = serve_uploads(&registry);
        let retry = RetryPolicy::default().with_initial_backoff(Duration::from_millis(1));
        let client = on_stage(&stage).with_retry(retry).build().unwrap();
        let bytes = Bytes::from(noise(5, 6 * MIB));
        let app = remote(&client, "reg.test", "app");
        let ingested = app.ingest(MediaType::OCI_LAYER, Algorithm::Sha256, streamed(&bytes));
        assert!(ingested.await.is_err(), "{kind}");
        assert!(!upload.lock().unwrap().committed, "{kind}");
        let patches = methods(&registry)
            .iter()
            .filter(|method| *method == "PATCH")
            .count();
        assert!(patches <= 20, "{kind}: {patches}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_kept_any_more_fail_an_upload_that_wants_them() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    registry.on(Match::on("DELETE", "/uploads/1"), Answer::new(204));
    // It reads far more than is kept, and has nothing of it.
    let read = BodyUse::UpTo(40 * MIB);
    registry.rule(Rule::new(is_patch(), vec![Step::Reset]).body(read).times(1));
    let upload = serve_uploads(&registry);
    let client = on_stage(&stage).build().unwrap();
    let bytes = Bytes::from(noise(5, 48 * MIB));
    let app = remote(&client, "reg.test", "app");
    let ingested = app.ingest(MediaType::OCI_LAYER, Algorithm::Sha256, streamed(&bytes));
    let error = ingested.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(!upload.lock().unwrap().committed);
    until(|| methods(&registry).contains(&"DELETE".to_owned())).await;
}

#[tokio::test]
async fn a_stream_that_fails_or_is_given_up_leaves_no_session() {
    for gives_up in [false, true] {
        let stage = Stage::new();
        let registry = stage.origin("reg.test").await;
        registry.on(Match::on("DELETE", "/uploads/1"), Answer::new(204));
        let upload = serve_uploads(&registry);
        let client = on_stage(&stage).build().unwrap();
        let app = remote(&client, "reg.test", "app");
        let first = stream::iter([Ok(Bytes::from(noise(1, MIB)))]);
        let (reached, reading) = oneshot::channel();
        let bytes: ByteStream = if gives_up {
            let endless = async move {
                let _ = reached.send(()); // the test waits for it
                std::future::pending().await
            };
            first.chain(stream::once(endless)).boxed()
        } else {
            let failed = Error::new(ErrorKind::Conflict, "srv/a changed while the tree was read");
            first.chain(stream::iter([Err(failed)])).boxed()
        };
        let ingesting =
            tokio::spawn(async move { app.ingest(MediaType::OCI_LAYER, Algorithm::Sha256, bytes).await });
        if gives_up {
            reading.await.unwrap();
            ingesting.abort();
        } else {
            let error = ingesting.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            assert!(error.to_string().contains("srv/a changed"), "{error}");
        }
        until(|| methods(&registry).contains(&"DELETE".to_owned())).await;
        assert!(!upload.lock().unwrap().committed);
    }
}

#[tokio::test]
async fn a_directory_without_room_for_a_temporary_file_is_named() {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    registry.on(Match::on("DELETE", "/uploads/1"), Answer::new(204));
    registry.rule(refuse(405));
    let _upload = serve_uploads(&registry);
    let scratch = tempfile::tempdir().unwrap();
    let absent = scratch.path().join("absent");
    let client = on_stage(&stage).with_scratch(&absent).build().unwrap();
    let bytes = Bytes::from_static(b"a layer");
    let app = remote(&client, "reg.test", "app");
    let error = app
        .ingest(MediaType::OCI_LAYER, Algorithm::Sha256, streamed(&bytes))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(
        error.to_string().contains(&absent.display().to_string()),
        "{error}"
    );
}
