//! Tokens of processes that share a registry.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use tower_service::Service as _;
use wharf_registry::Registry;
use wharf_testkit::require_peers;

use super::Engines;

async fn ask(registry: &Registry, path: &str, authorization: &str) -> (StatusCode, Bytes) {
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(header::HOST, "registry.example")
        .header(header::AUTHORIZATION, authorization)
        .body(Full::new(Bytes::new()))
        .expect("a request");
    let answer = registry.clone().call(request).await.expect("infallible");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, body)
}

async fn open(engines: &Engines) -> Registry {
    let registry = Registry::open(engines.open().await).await.expect("a registry");
    registry.with_basic("ada", "secret").with_tokens()
}

/// The header with a token that the registry issues.
async fn token(registry: &Registry) -> String {
    let (status, body) = ask(registry, "/token?service=registry", "Basic YWRhOnNlY3JldA==").await;
    assert_eq!(status, StatusCode::OK);
    let document: serde_json::Value = serde_json::from_slice(&body).expect("a document");
    format!("Bearer {}", document["token"].as_str().expect("a token"))
}

async fn allows(registry: &Registry, token: &str) -> bool {
    let (status, _) = ask(registry, "/v2/", token).await;
    assert!(
        matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED),
        "{status}"
    );
    status == StatusCode::OK
}

#[tokio::test]
async fn a_token_that_one_process_has_revoked_is_refused_by_all_after_five_seconds() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let [one, other] = [open(&engines).await, open(&engines).await];
    let old = token(&one).await;
    assert!(allows(&one, &old).await && allows(&other, &old).await);
    one.revoke_tokens().await.expect("an answer");
    assert!(!allows(&one, &old).await);
    // The clock stands only while nothing is asked of the engines.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::time::resume();
    assert!(!allows(&other, &old).await);
    for issuer in [&one, &other] {
        let new = token(issuer).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
        assert!(allows(&one, &new).await && allows(&other, &new).await);
    }
}
