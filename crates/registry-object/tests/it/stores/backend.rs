//! The backend of a registry over each store.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use object_store::ObjectStoreExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_service::Service as _;
use wharf_registry::{Backend as _, Redirects, Registry, conformance};
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl, ObjectBackend, ObjectOptions, Store};
use wharf_testkit::{Moto, PostgreSql, require_peers};

use super::{
    Fresh, Kind,
    faults::{Fault, Faults},
    kinds,
};

/// A handle on a store and a database, as each process has one.
async fn open(fresh: &Fresh, database: &str) -> ObjectBackend {
    let url = PostgreSql::shared().socket_url(database);
    let url = DatabaseUrl::parse(&url).expect("a URL");
    let opened = Database::open(&url, DatabaseOptions::default()).await;
    // Checked once, by the tests of opening: here, requests are counted and disturbed.
    let store = Store::build(&fresh.url, &fresh.options).expect("a store");
    let objects = Arc::clone(store.objects());
    let backend = ObjectBackend::open(opened.expect("a database"), objects, ObjectOptions::default());
    backend.await.expect("a backend")
}

/// The parts of the suite that ask a store: records are the database's alone.
#[tokio::test]
async fn a_backend_conforms_over_every_store() {
    require_peers!("postgres", "psql");
    for kind in kinds().filter(|kind| *kind != Kind::Directory) {
        let (fresh, database) = (kind.fresh(), PostgreSql::shared().create_database());
        let checks = conformance::check_content(&open(&fresh, &database).await).await;
        let checks = checks.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert!(checks > 100, "{kind:?}: {checks}");
    }
}

#[tokio::test]
async fn two_processes_conform_over_s3_as_one_backend() {
    require_peers!("postgres", "psql", Moto::PROGRAM);
    let (fresh, database) = (Kind::Moto.fresh(), PostgreSql::shared().create_database());
    let (one, other) = (open(&fresh, &database).await, open(&fresh, &database).await);
    conformance::check_shared(&one, &other)
        .await
        .expect("they conform");
}

/// The client repeats a request that met such a fault: the backend sees nothing of it.
#[tokio::test]
async fn a_backend_conforms_over_a_store_that_is_slow_and_loses_replies() {
    require_peers!("postgres", "psql", Moto::PROGRAM);
    let kinds = [
        Fault::SlowDown,
        Fault::TooManyRequests,
        Fault::FailedAfterEffect,
        Fault::LostReply,
        Fault::HalfBody,
    ];
    let faults = Faults::new(1, 4, &kinds);
    let mut fresh = Kind::Moto.fresh();
    fresh.options = fresh.options.with_transport(faults.transport()).with_retries(20);
    let database = PostgreSql::shared().create_database();
    let checks = conformance::check_content(&open(&fresh, &database).await).await;
    checks.expect("it conforms");
    let hits = faults.hits();
    for kind in kinds {
        assert!(hits.contains_key(&kind), "{kind:?} in {hits:?}");
    }
}

/// Asks a registry and returns the answer, whose status must be this.
async fn ask(
    registry: &Registry,
    method: Method,
    path: &str,
    body: Bytes,
    expected: StatusCode,
) -> (http::HeaderMap, Bytes) {
    let request = Request::builder().method(&method).uri(path);
    let request = request
        .header("host", "registry.example")
        .header("content-type", "application/vnd.oci.image.manifest.v1+json")
        .header("content-length", body.len())
        .body(Full::new(body))
        .expect("a request");
    let answer = registry.clone().call(request).await.expect("infallible");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(
        status,
        expected,
        "{method} {path}: {}",
        String::from_utf8_lossy(&body)
    );
    (headers, body)
}

/// An image of ten layers and a config, and its manifest.
fn image() -> (Vec<Bytes>, Bytes) {
    let blobs: Vec<Bytes> = (0..11_u8)
        .map(|number| Bytes::from(vec![number; 100_000]))
        .collect();
    let descriptor = |blob: &Bytes, kind: &str| {
        let (digest, size) = (wharf_testkit::sha256(blob), blob.len());
        format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#)
    };
    let layers: Vec<String> = blobs[1..]
        .iter()
        .map(|blob| descriptor(blob, "layer.v1.tar"))
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
        descriptor(&blobs[0], "config.v1+json"),
        layers.join(",")
    );
    (blobs, manifest.into())
}

/// Pushes as Docker does: it asks for each blob, and sends what is absent with POST, PATCH and PUT.
async fn push(registry: &Registry, repository: &str, blobs: &[Bytes], manifest: &Bytes) {
    for blob in blobs {
        let digest = wharf_testkit::sha256(blob);
        let path = format!("/v2/{repository}/blobs/{digest}");
        let request = Request::head(&path)
            .header("host", "registry.example")
            .body(Full::new(Bytes::new()));
        let looked_up = registry
            .clone()
            .call(request.expect("a request"))
            .await
            .expect("infallible");
        if looked_up.status() == StatusCode::OK {
            continue;
        }
        let path = format!("/v2/{repository}/blobs/uploads/");
        let (headers, _) = ask(registry, Method::POST, &path, Bytes::new(), StatusCode::ACCEPTED).await;
        let location = |headers: &http::HeaderMap| headers["location"].to_str().expect("text").to_owned();
        let session = location(&headers);
        let patch = ask(
            registry,
            Method::PATCH,
            &session,
            blob.clone(),
            StatusCode::ACCEPTED,
        );
        let (headers, _) = patch.await;
        let location = location(&headers);
        let mark = if location.contains('?') { '&' } else { '?' };
        let close = format!("{location}{mark}digest={digest}");
        ask(registry, Method::PUT, &close, Bytes::new(), StatusCode::CREATED).await;
    }
    let path = format!("/v2/{repository}/manifests/v1");
    ask(
        registry,
        Method::PUT,
        &path,
        manifest.clone(),
        StatusCode::CREATED,
    )
    .await;
}

/// The requests since the last call, but for the looks whether the store is still the registry's: one in 5 s, however many push.
fn asked(faults: &Faults) -> BTreeMap<&'static str, u32> {
    let mut requests = faults.take_requests();
    requests.remove("format");
    requests
}

/// docker-registry 2.8.2 sends S3 324 requests for this push, 95 for the pull and 103 for the second push.
#[tokio::test]
async fn a_push_and_a_pull_ask_the_store_once_for_each_blob() {
    require_peers!("postgres", "psql", Moto::PROGRAM);
    let faults = Faults::none();
    let mut fresh = Kind::Moto.fresh();
    fresh.options = fresh.options.with_transport(faults.transport());
    let database = PostgreSql::shared().create_database();
    let registry = Registry::open(open(&fresh, &database).await)
        .await
        .expect("a registry");
    let other = Registry::open(open(&fresh, &database).await)
        .await
        .expect("another process");
    asked(&faults);
    let (blobs, manifest) = image();

    push(&registry, "app", &blobs, &manifest).await;
    assert_eq!(asked(&faults), BTreeMap::from([("put", 11)]), "a push");
    push(&registry, "app", &blobs, &manifest).await;
    assert_eq!(asked(&faults), BTreeMap::new(), "a push with nothing new");
    for process in [&registry, &other] {
        let (_, body) = ask(
            process,
            Method::GET,
            "/v2/app/manifests/v1",
            Bytes::new(),
            StatusCode::OK,
        )
        .await;
        assert_eq!(body, manifest);
        for blob in &blobs {
            let path = format!("/v2/app/blobs/{}", wharf_testkit::sha256(blob));
            let (_, body) = ask(process, Method::GET, &path, Bytes::new(), StatusCode::OK).await;
            assert!(body == *blob);
        }
        assert_eq!(
            asked(&faults),
            BTreeMap::from([("get", 11)]),
            "a pull, of any process"
        );
    }
    push(&other, "copy", &blobs, &manifest).await;
    let shared = asked(&faults);
    assert_eq!(
        shared,
        BTreeMap::from([("put", 11), ("head", 11)]),
        "content that others have is shared"
    );
    for list in ["/v2/_catalog", "/v2/app/tags/list"] {
        ask(&registry, Method::GET, list, Bytes::new(), StatusCode::OK).await;
    }
    assert_eq!(asked(&faults), BTreeMap::new(), "lists are the database's");
}

/// A store that refuses is never content that is not there.
#[tokio::test]
async fn a_store_that_refuses_is_no_absence() {
    require_peers!("postgres", "psql", Moto::PROGRAM);
    let fresh = Kind::Moto.fresh();
    let database = PostgreSql::shared().create_database();
    let registry = Registry::open(open(&fresh, &database).await)
        .await
        .expect("a registry");
    let (blobs, manifest) = image();
    push(&registry, "app", &blobs, &manifest).await;
    for fault in [Fault::Forbidden, Fault::SlowDown, Fault::LostReply] {
        let faults = Faults::new(1, 1, &[fault]);
        let mut refusing = Fresh {
            url: fresh.url.clone(),
            options: fresh.options.clone(),
            _directory: None,
        };
        refusing.options = refusing
            .options
            .with_transport(faults.transport())
            .with_retries(1);
        let url = DatabaseUrl::parse(&PostgreSql::shared().socket_url(&database)).expect("a URL");
        let store = Store::build(&refusing.url, &refusing.options).expect("a store");
        let opened = Database::open(&url, DatabaseOptions::default())
            .await
            .expect("a database");
        let objects = Arc::clone(store.objects());
        let failure = ObjectBackend::open(opened, objects, ObjectOptions::default()).await;
        let kind = failure.expect_err("the store cannot be asked").kind();
        assert_ne!(kind, wharf_content::ErrorKind::NotFound, "{fault:?}");
        assert!(faults.hits()[&fault] > 0);
    }
}

/// Takes a directory or a bucket away; a file may be in the place of the directory then.
async fn take_away(kind: Kind, fresh: &Fresh, by_file: bool) -> Option<tempfile::TempDir> {
    if kind == Kind::Directory {
        let root = std::path::PathBuf::from(fresh.url.to_string().replacen("file://", "", 1));
        let elsewhere = tempfile::tempdir().expect("a directory");
        std::fs::rename(&root, elsewhere.path().join("registry")).expect("moved");
        if by_file {
            std::fs::write(&root, "no directory").expect("written");
        }
        return Some(elsewhere);
    }
    let store = Store::build(&fresh.url, &fresh.options).expect("a store");
    let listed: Vec<_> = store.objects().list(None).try_collect().await.expect("a listing");
    for object in listed {
        let deleted = store.objects().delete(&object.location).await;
        deleted.expect("deleted");
    }
    let endpoint = kind.endpoint().expect("a server");
    let bucket = fresh
        .url
        .to_string()
        .split('/')
        .nth(2)
        .expect("a bucket")
        .to_owned();
    let (status, _) = request("DELETE", &format!("{endpoint}/{bucket}")).await;
    assert_eq!(status, 204);
    None
}

/// Never 404, and no failure that clients do not repeat.
#[tokio::test]
async fn without_its_bucket_or_directory_a_registry_asks_clients_to_come_again() {
    require_peers!("postgres", "psql");
    for (kind, by_file) in [
        (Kind::Directory, false),
        (Kind::Directory, true),
        (Kind::Moto, false),
    ] {
        if kind == Kind::Moto && !wharf_testkit::peers_present(&[Moto::PROGRAM]) {
            continue;
        }
        let (fresh, database) = (kind.fresh(), PostgreSql::shared().create_database());
        let registry = Registry::open(open(&fresh, &database).await)
            .await
            .expect("a registry");
        let (blobs, manifest) = image();
        push(&registry, "app", &blobs, &manifest).await;
        let _elsewhere = take_away(kind, &fresh, by_file).await;
        let digest = wharf_testkit::sha256(&blobs[0]);
        let other = Bytes::from_static(b"another blob");
        let upload = format!("/v2/app/blobs/uploads/?digest={}", wharf_testkit::sha256(&other));
        let mount = format!("/v2/lib/blobs/uploads/?mount={digest}&from=app");
        let again = format!("/v2/lib/blobs/uploads/?digest={digest}");
        let blob = format!("/v2/app/blobs/{digest}");
        let again = (Method::POST, again, blobs[0].clone());
        let asked = [
            (Method::GET, blob, Bytes::new()),
            again.clone(),
            (Method::POST, mount, Bytes::new()),
            (Method::POST, upload, other),
            again,
        ];
        for (method, path, body) in asked {
            let (headers, _) = ask(&registry, method, &path, body, StatusCode::SERVICE_UNAVAILABLE).await;
            assert!(headers.contains_key("retry-after"), "{kind:?}: {path}");
        }
        let tag = ask(
            &registry,
            Method::GET,
            "/v2/app/manifests/v1",
            Bytes::new(),
            StatusCode::OK,
        );
        assert_eq!(tag.await.1, manifest, "the database has it");
    }
}

/// A store that requests reach is of no use to a machine that signs them with a wrong time.
#[tokio::test]
async fn a_process_whose_clock_is_not_the_stores_is_not_ready() {
    require_peers!("postgres", "psql", Moto::PROGRAM);
    let faults = Faults::none();
    let mut fresh = Kind::Moto.fresh();
    fresh.options = fresh.options.with_transport(faults.transport());
    let url = PostgreSql::shared().socket_url(&PostgreSql::shared().create_database());
    let url = DatabaseUrl::parse(&url).expect("a URL");
    let opened = Database::open(&url, DatabaseOptions::default()).await;
    let store = Store::build(&fresh.url, &fresh.options).expect("a store");
    let mut options = ObjectOptions::default();
    options.clock = store.clock().cloned();
    let backend = ObjectBackend::open(opened.expect("a database"), Arc::clone(store.objects()), options);
    let backend = backend.await.expect("a backend");
    backend.ping().await.expect("one machine has one clock");
    for (date, part) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", "ahead of"),
        ("Thu, 31 Dec 2099 23:59:59 GMT", "behind"),
        ("Thursday, 01-Jan-70 00:00:00 GMT", "ahead of"),
    ] {
        faults.set_date(date);
        let told = backend.ping().await.expect_err(date).to_string();
        assert!(told.contains(part) && told.contains("set the clock"), "{told}");
    }
}

/// The store judges the signature, and the registry sends no byte.
#[tokio::test]
async fn a_client_reads_a_blob_at_a_url_that_the_store_has_signed() {
    require_peers!("postgres", "psql");
    for kind in kinds().filter(|kind| matches!(kind, Kind::Moto | Kind::SeaweedFs)) {
        let (fresh, database) = (kind.fresh(), PostgreSql::shared().create_database());
        let url = DatabaseUrl::parse(&PostgreSql::shared().socket_url(&database)).expect("a URL");
        let opened = Database::open(&url, DatabaseOptions::default()).await;
        let store = Store::build(&fresh.url, &fresh.options).expect("a store");
        let mut options = ObjectOptions::default();
        options.signer = store.signer().cloned();
        let backend = ObjectBackend::open(opened.expect("a database"), Arc::clone(store.objects()), options);
        let registry = Registry::open(backend.await.expect("a backend"))
            .await
            .expect("a registry");
        let registry = registry.with_redirects(Redirects::default());
        let blob = Bytes::from(vec![7_u8; 200_000]);
        let digest = wharf_testkit::sha256(&blob);
        let path = format!("/v2/lib/app/blobs/uploads/?digest={digest}");
        ask(&registry, Method::POST, &path, blob.clone(), StatusCode::CREATED).await;
        let path = format!("/v2/lib/app/blobs/{digest}");
        let redirected = ask(
            &registry,
            Method::GET,
            &path,
            Bytes::new(),
            StatusCode::TEMPORARY_REDIRECT,
        );
        let (headers, body) = redirected.await;
        assert!(body.len() < 1000, "{}", body.len());
        let location = headers["location"].to_str().expect("a URL").to_owned();
        assert!(get(&location).await == (200, blob), "{kind:?}");
        if kind == Kind::SeaweedFs {
            let (status, _) = get(&location.replace("Signature=", "Signature=0")).await;
            assert_eq!(status, 403, "the store checks it");
        }
    }
}

/// Status and body of an answer.
async fn get(url: &str) -> (u16, Bytes) {
    request("GET", url).await
}

async fn request(method: &str, url: &str) -> (u16, Bytes) {
    let url = url::Url::parse(url).expect("a URL");
    let address = (url.host_str().expect("a host"), url.port().expect("a port"));
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let query = url.query().unwrap_or_default();
    let request = format!(
        "{method} {}?{query} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n\r\n",
        url.path(),
        address.0,
        address.1
    );
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let end = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .expect("a head");
    let status = std::str::from_utf8(&answer[9..12]).expect("digits").parse();
    (status.expect("a status"), Bytes::from(answer.split_off(end + 4)))
}
