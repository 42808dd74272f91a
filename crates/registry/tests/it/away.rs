//! Engines that are away: what could not be looked up is never said to be missing, and everything works again when
//! they are back.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use wharf_content::{Error, ErrorKind, Source};
use wharf_reference::Digest;
use wharf_registry::{BackendCall, BackendFaults, Limits, MemoryBackend, Registry, Upstream};

use crate::wire::{MANIFEST, digest, manifest};

/// The kinds of errors of an engine that cannot be asked now.
const AWAY: [ErrorKind; 8] = [
    ErrorKind::Network,
    ErrorKind::Timeout,
    ErrorKind::Server,
    ErrorKind::RateLimited,
    ErrorKind::Tls,
    ErrorKind::Unauthorized,
    ErrorKind::Denied,
    ErrorKind::Cancelled,
];

struct Answer {
    status: u16,
    retry_after: bool,
    location: String,
    body: Bytes,
}

async fn ask(registry: &Registry, method: &str, path: &str, body: &[u8]) -> Answer {
    let request = http::Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .header("content-type", MANIFEST)
        .body(Full::new(Bytes::copy_from_slice(body)))
        .unwrap();
    let answer = registry.handle(request).await;
    let header = |name| answer.headers().get(name).cloned();
    let location = header("location").map(|value| value.to_str().unwrap().to_owned());
    Answer {
        status: answer.status().as_u16(),
        retry_after: header("retry-after").is_some(),
        location: location.unwrap_or_default(),
        body: answer
            .into_body()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default(),
    }
}

async fn push(registry: &Registry, bytes: &[u8]) -> Digest {
    let digest = digest(bytes);
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    assert_eq!(ask(registry, "POST", &path, bytes).await.status, 201);
    digest
}

/// A registry with an image, a referrer of it and a session; and its faults.
struct Stage {
    registry: Registry,
    faults: BackendFaults,
    image: Vec<u8>,
    layer: Digest,
}

impl Stage {
    async fn new() -> Self {
        let (backend, faults) = BackendFaults::around(MemoryBackend::default());
        let registry = Registry::open(backend).await.unwrap();
        let registry = registry.with_limits(Limits::default().with_repository(1 << 20));
        let layer = push(&registry, b"layer").await;
        push(&registry, b"{}").await;
        let image = manifest(b"{}", &[b"layer"]);
        assert_eq!(
            ask(&registry, "PUT", "/v2/a/manifests/v1", &image).await.status,
            201
        );
        Self {
            registry,
            faults,
            image,
            layer,
        }
    }

    async fn session(&self) -> String {
        let opened = ask(&self.registry, "POST", "/v2/a/blobs/uploads/", b"").await;
        assert_eq!(opened.status, 202);
        let written = ask(&self.registry, "PATCH", &opened.location, b"more").await;
        assert_eq!(written.status, 202);
        opened.location
    }

    /// One request of each kind, with its body.
    fn requests(&self, session: &str) -> Vec<(&'static str, String, Vec<u8>)> {
        let (layer, image) = (&self.layer, digest(&self.image));
        let more = digest(b"more");
        let other = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}").as_str(), "size": 2 } });
        let other = other.to_string().into_bytes();
        let mut all = Vec::new();
        for method in ["GET", "HEAD"] {
            all.push((method, format!("/v2/a/blobs/{layer}"), Vec::new()));
            all.push((method, format!("/v2/a/blobs/{}", digest(b"nowhere")), Vec::new()));
            all.push((method, "/v2/a/manifests/v1".to_owned(), Vec::new()));
            all.push((method, "/v2/a/manifests/none".to_owned(), Vec::new()));
            all.push((method, format!("/v2/a/manifests/{image}"), Vec::new()));
        }
        all.extend([
            ("GET", "/v2/_catalog".to_owned(), Vec::new()),
            ("GET", "/v2/a/tags/list".to_owned(), Vec::new()),
            ("GET", format!("/v2/a/referrers/{image}"), Vec::new()),
            ("POST", "/v2/a/blobs/uploads/".to_owned(), Vec::new()),
            (
                "POST",
                format!("/v2/a/blobs/uploads/?digest={more}"),
                b"more".to_vec(),
            ),
            (
                "POST",
                format!("/v2/b/blobs/uploads/?mount={layer}&from=a"),
                Vec::new(),
            ),
            ("POST", format!("/v2/b/blobs/uploads/?mount={layer}"), Vec::new()),
            ("GET", session.to_owned(), Vec::new()),
            ("PATCH", session.to_owned(), b" still".to_vec()),
            ("PUT", format!("{session}?digest={more}"), Vec::new()),
            ("PUT", "/v2/a/manifests/v1".to_owned(), self.image.clone()),
            ("PUT", "/v2/a/manifests/v2".to_owned(), other),
            ("DELETE", format!("/v2/a/blobs/{layer}"), Vec::new()),
            ("DELETE", "/v2/a/manifests/v1".to_owned(), Vec::new()),
            ("DELETE", format!("/v2/a/manifests/{image}"), Vec::new()),
        ]);
        all
    }
}

#[tokio::test]
async fn no_request_is_answered_without_an_engine_but_with_503_and_retry_after() {
    for kind in AWAY {
        let stage = Stage::new().await;
        let session = stage.session().await;
        stage.faults.fail_all(kind);
        for (method, path, body) in stage.requests(&session) {
            let answer = ask(&stage.registry, method, &path, &body).await;
            assert_eq!(
                (answer.status, answer.retry_after),
                (503, true),
                "{kind:?} {method} {path}"
            );
            let told = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(
                !told.contains("on demand"),
                "the engine's message is not for clients: {told}"
            );
        }
        // All is as it was.
        stage.faults.heal();
        assert_eq!(
            ask(&stage.registry, "GET", "/v2/a/manifests/v1", b"").await.body,
            stage.image
        );
        let closed = format!("{session}?digest={}", digest(b"more"));
        assert_eq!(ask(&stage.registry, "PUT", &closed, b"").await.status, 201);
    }
}

/// Whichever call of a request fails.
#[tokio::test]
async fn a_call_that_fails_is_never_an_absence() {
    let mut reached = std::collections::BTreeSet::new();
    let mut expected = Vec::new();
    let healthy = Stage::new().await;
    let session = healthy.session().await;
    for (method, path, body) in healthy.requests(&session) {
        expected.push(ask(&healthy.registry, method, &path, &body).await.status);
    }
    for call in BackendCall::ALL {
        let stage = Stage::new().await;
        let session = stage.session().await;
        for ((method, path, body), healthy) in stage.requests(&session).into_iter().zip(expected.clone()) {
            stage.faults.fail(call, ErrorKind::Network);
            let before = stage.faults.calls(call);
            let answer = ask(&stage.registry, method, &path, &body).await;
            let asked = stage.faults.calls(call) > before;
            if asked {
                reached.insert(call);
            }
            let told = format!("{} fails in {method} {path}", call.name());
            // Of what goes on after the answer is decided, a failure changes nothing.
            let decided = asked && matches!(call, BackendCall::Discard);
            if asked && !decided {
                assert_eq!((answer.status, answer.retry_after), (503, true), "{told}");
            }
            stage.faults.heal();
            if asked && !decided {
                // Not done, and the same request does it now.
                let again = ask(&stage.registry, method, &path, &body).await;
                assert_eq!(again.status, healthy, "again, after {told}");
            }
        }
    }
    for call in [
        BackendCall::Values,
        BackendCall::Touch,
        BackendCall::Range,
        BackendCall::Exists,
        BackendCall::Repositories,
        BackendCall::Holders,
        BackendCall::Usage,
        BackendCall::Commit,
        BackendCall::ArePresent,
        BackendCall::Read,
        BackendCall::Link,
        BackendCall::Begin,
        BackendCall::Resume,
        BackendCall::Status,
        BackendCall::Write,
        BackendCall::Expire,
    ] {
        assert!(reached.contains(&call), "no request reached {}", call.name());
    }
}

struct Behind(Registry);

#[async_trait]
impl Upstream for Behind {
    async fn repository(&self, path: &str) -> Result<Arc<dyn Source>, Error> {
        Ok(Arc::new(self.0.repository(path)?))
    }
}

#[tokio::test]
async fn a_cache_whose_own_engine_is_away_does_not_blame_upstream() {
    let upstream = Stage::new().await;
    let (backend, faults) = BackendFaults::around(MemoryBackend::default());
    let cache = Registry::open(backend).await.unwrap();
    let cache = cache.with_upstream(Behind(upstream.registry.clone()));
    let image = digest(&upstream.image);
    let paths = [
        "/v2/a/manifests/v1".to_owned(),
        "/v2/a/manifests/none".to_owned(),
        format!("/v2/a/manifests/{image}"),
        format!("/v2/a/blobs/{}", upstream.layer),
        format!("/v2/a/blobs/{}", digest(b"nowhere")),
    ];
    for filled in [false, true] {
        if filled {
            assert_eq!(ask(&cache, "GET", "/v2/a/manifests/v1", b"").await.status, 200);
            let layer = format!("/v2/a/blobs/{}", upstream.layer);
            assert_eq!(ask(&cache, "GET", &layer, b"").await.status, 200);
        }
        faults.fail_all(ErrorKind::Network);
        for path in &paths {
            for method in ["GET", "HEAD"] {
                let answer = ask(&cache, method, path, b"").await;
                assert_eq!(
                    (answer.status, answer.retry_after),
                    (503, true),
                    "{method} {path}"
                );
            }
        }
        faults.heal();
    }
}
