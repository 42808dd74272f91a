//! Text that a client may send, and that no column of a database holds.

use base64::Engine as _;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use tower_service::Service as _;
use wharf_content::ErrorKind;
use wharf_registry::{Registry, Uploads as _};
use wharf_testkit::require_peers;

use super::{Engines, app, id, incoming, proof, push};

const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a\u0000b","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"CONFIG","size":2},"layers":[],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"CONFIG","size":2},"annotations":{"a\u0000":"b\u0000"}}"#;

/// The status and the body of an answer.
async fn ask(registry: &Registry, method: Method, path: &str, body: &str) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "registry.example")
        .header(header::CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json")
        .header(header::CONTENT_LENGTH, body.len())
        .body(Full::new(bytes::Bytes::copy_from_slice(body.as_bytes())))
        .expect("a request");
    let answer = registry.clone().call(request).await.expect("infallible");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn text_with_a_nul_finds_what_comes_after_it_or_nothing() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let config = push(&backend, &app(), b"{}").await.digest;
    let registry = Registry::open(backend).await.expect("a registry");
    let manifest = MANIFEST.replace("CONFIG", config.as_str());
    for tag in ["v1", "v2"] {
        let path = format!("/v2/app/manifests/{tag}");
        let (status, body) = ask(&registry, Method::PUT, &path, &manifest).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let (status, body) = ask(&registry, Method::GET, &path, "").await;
        assert_eq!((status, body), (StatusCode::OK, manifest.clone()));
    }
    let referrers = format!("/v2/app/referrers/{config}");
    for (path, found) in [
        ("/v2/app/tags/list?last=%00".to_owned(), "[\"v1\",\"v2\"]"),
        ("/v2/app/tags/list?last=v1%00".to_owned(), "[\"v2\"]"),
        ("/v2/app/tags/list?last=v1%00%00x".to_owned(), "[\"v2\"]"),
        ("/v2/app/tags/list?last=v%00z".to_owned(), "[\"v1\",\"v2\"]"),
        ("/v2/app/tags/list?last=w%00".to_owned(), "[]"),
        ("/v2/_catalog?last=%00".to_owned(), "[\"app\"]"),
        ("/v2/_catalog?last=app%00".to_owned(), "[]"),
        (referrers.clone(), "\"artifactType\":\"a\\u0000b\""),
        (format!("{referrers}?artifactType=a%00b"), "\"manifests\":[]"),
        (format!("{referrers}?artifactType=%00"), "\"manifests\":[]"),
    ] {
        let (status, body) = ask(&registry, Method::GET, &path, "").await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert!(body.contains(found), "{path}: {body}");
    }
    for id in ["%00", "x%00", "%C3%A9", "..", &"0".repeat(33), &"A".repeat(32)] {
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let path = format!("/v2/app/blobs/uploads/{id}");
            let (status, body) = ask(&registry, method, &path, "").await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{id}: {body}");
        }
    }
}

/// A name that a column or an index has no room for is no user's, whatever the list of passwords says.
#[tokio::test]
async fn a_user_whose_name_no_database_holds_is_refused() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    // Digits that cannot be compressed.
    let long: String = (0..100_u32)
        .map(|number| wharf_testkit::sha256(&number.to_be_bytes()).encoded().to_owned())
        .collect();
    let first = |length| long.get(..length).expect("ASCII");
    for (user, status) in [
        ("a\0b", StatusCode::UNAUTHORIZED),
        ("a\u{7f}b", StatusCode::CREATED),
        (first(1025), StatusCode::UNAUTHORIZED),
        (first(5000), StatusCode::UNAUTHORIZED),
        (first(1024), StatusCode::CREATED),
        ("é", StatusCode::CREATED),
    ] {
        let registry = Registry::open(engines.open().await).await.expect("a registry");
        let registry = registry.with_basic(user, "secret");
        let digest = proof(b"layer").digest().clone();
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{user}:secret"));
        let request = Request::post(format!("/v2/app/blobs/uploads/?digest={digest}"))
            .header(header::HOST, "registry.example")
            .header(header::AUTHORIZATION, format!("Basic {login}"))
            .header(header::CONTENT_LENGTH, 5)
            .body(Full::new(bytes::Bytes::from_static(b"layer")))
            .expect("a request");
        let answer = registry.clone().call(request).await.expect("infallible");
        assert_eq!(answer.status(), status, "{} bytes", user.len());
    }
}

/// Each part is an object, and each object is a request of everybody who reads the blob.
#[tokio::test]
async fn an_upload_has_a_limited_number_of_parts() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let id = id();
    backend.begin(&id, None).await.expect("an upload");
    for (parts, kind) in [(9_999, None), (10_000, Some(ErrorKind::TooLarge))] {
        engines.see(&format!(
            "UPDATE uploads SET length = 0, hash_algorithm = NULL, hash_state = NULL,
             objects = array_fill('x'::text, ARRAY[{parts}]), sizes = array_fill(0, ARRAY[{parts}])"
        ));
        let written = backend.write(&id, 0, incoming(b"x")).await;
        assert_eq!(written.err().map(|error| error.kind()), kind, "{parts}");
    }
}
