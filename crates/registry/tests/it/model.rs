//! Random requests to upload sessions, compared with a model: what is kept is exactly what was acknowledged,
//! and a blob exists if and only if its bytes had its digest.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use wharf_registry::{Body, DiskBackend, Registry};

use crate::wire::{digest, with_digest};

/// Numbers that only look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.roll(most) + 1;
        (0..length).map(|_| b"ab"[self.roll(2)]).collect()
    }
}

struct Call<'a> {
    registry: &'a Registry,
    method: &'a str,
    path: String,
    range: Option<String>,
    body: Vec<u8>,
}

impl Call<'_> {
    async fn send(self) -> http::Response<Body> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        if let Some(range) = self.range {
            request = request.header("content-range", range);
        }
        request = request.header("content-length", self.body.len());
        let request = request.body(Full::new(Bytes::from(self.body))).unwrap();
        self.registry.handle(request).await
    }
}

fn header(response: &http::Response<Body>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().unwrap().to_owned())
}

/// What the client knows: open sessions with the bytes that were acknowledged, and blobs.
#[derive(Default)]
struct Model {
    open: Vec<(String, Vec<u8>)>,
    closed: Vec<String>,
    blobs: BTreeMap<String, Vec<u8>>,
}

async fn step(registry: &Registry, model: &mut Model, dice: &mut Dice) {
    let call = |method, path: String, range: Option<String>, body: Vec<u8>| Call {
        registry,
        method,
        path,
        range,
        body,
    };
    let action = dice.roll(10);
    if action == 0 || model.open.is_empty() {
        let opened = call("POST", "/v2/a/blobs/uploads/".into(), None, vec![])
            .send()
            .await;
        assert_eq!(opened.status(), 202);
        model
            .open
            .push((header(&opened, "location").unwrap(), Vec::new()));
        return;
    }
    let chosen = dice.roll(model.open.len());
    let (session, kept) = model.open[chosen].clone();
    let chunk = dice.bytes(6);
    match action {
        1..=3 => {
            let patched = call("PATCH", session, None, chunk.clone()).send().await;
            assert_eq!(patched.status(), 202);
            model.open[chosen].1.extend(chunk);
        }
        4 | 5 => {
            let start = match dice.roll(3) {
                0 => dice.roll(12),
                _ => kept.len(),
            };
            let range = format!("{start}-{}", start + chunk.len() - 1);
            let patched = call("PATCH", session, Some(range), chunk.clone()).send().await;
            if start == kept.len() {
                assert_eq!(patched.status(), 202);
                model.open[chosen].1.extend(chunk);
            } else {
                assert_eq!(patched.status(), 416);
            }
        }
        6 => {
            let status = call("GET", session, None, vec![]).send().await;
            assert_eq!(status.status(), 204);
            let range = format!("0-{}", kept.len().saturating_sub(1));
            assert_eq!(header(&status, "range"), Some(range));
        }
        7 | 8 => {
            let mut whole = kept.clone();
            let last = if dice.roll(2) == 0 { Vec::new() } else { chunk };
            whole.extend(&last);
            let right = dice.roll(3) > 0;
            let claimed = if right {
                digest(&whole)
            } else {
                digest(b"something else")
            };
            let closed = call("PUT", with_digest(&session, &claimed), None, last)
                .send()
                .await;
            model.closed.push(model.open.remove(chosen).0);
            if right {
                assert_eq!(closed.status(), 201);
                model.blobs.insert(claimed.as_str().to_owned(), whole);
            } else {
                assert_eq!(closed.status(), 400);
            }
        }
        _ => {
            assert_eq!(call("DELETE", session, None, vec![]).send().await.status(), 204);
            model.closed.push(model.open.remove(chosen).0);
        }
    }
}

async fn check(registry: &Registry, model: &Model) {
    let call = |method, path: String| Call {
        registry,
        method,
        path,
        range: None,
        body: vec![],
    };
    for (session, kept) in &model.open {
        let status = call("GET", session.clone()).send().await;
        assert_eq!(
            header(&status, "range"),
            Some(format!("0-{}", kept.len().saturating_sub(1)))
        );
    }
    for session in &model.closed {
        for method in ["GET", "PATCH", "DELETE"] {
            assert_eq!(
                call(method, session.clone()).send().await.status(),
                StatusCode::NOT_FOUND
            );
        }
    }
    for (digest, bytes) in &model.blobs {
        let answer = call("GET", format!("/v2/a/blobs/{digest}")).send().await;
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), bytes);
    }
    let other = digest(b"something else");
    assert_eq!(
        call("GET", format!("/v2/a/blobs/{other}")).send().await.status(),
        404
    );
}

#[tokio::test]
async fn sessions_in_memory_are_as_the_model_says() {
    for seed in 1..=50 {
        let (registry, mut model, mut dice) = (Registry::memory(), Model::default(), Dice(seed));
        for _ in 0..100 {
            step(&registry, &mut model, &mut dice).await;
        }
        check(&registry, &model).await;
    }
}

#[tokio::test]
async fn sessions_on_disk_are_as_the_model_says_after_restarts_too() {
    for seed in 1..=4 {
        let root = tempfile::tempdir().unwrap();
        let (mut model, mut dice) = (Model::default(), Dice(seed));
        for _ in 0..4 {
            let backend = DiskBackend::open(root.path()).await.unwrap();
            let registry = Registry::open(backend).await.unwrap();
            check(&registry, &model).await;
            for _ in 0..25 {
                step(&registry, &mut model, &mut dice).await;
            }
            check(&registry, &model).await;
        }
    }
}
