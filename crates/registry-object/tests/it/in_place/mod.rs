//! Imports that leave the blobs of Docker's registry in place.

mod docker;
mod refused;
mod whole;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tower_service::Service as _;
use wharf_content::Error;
use wharf_registry::{GcOptions, ImportReport, Registry};
use wharf_registry_object::{
    Database, DatabaseOptions, DatabaseUrl, ExternalStore, FsckFinding, FsckOptions, FsckReport,
    ObjectBackend, ObjectOptions, Store,
};
use wharf_testkit::{Moto, PostgreSql, sha256};

use self::docker::Docker;
use crate::stores::Kind;

/// The kinds of storage that Docker's registry is tried with, as far as their programs are here.
fn kinds() -> Vec<Kind> {
    let peers = ["postgres", "psql", "docker-registry"];
    if !wharf_testkit::peers_present(&peers) {
        return Vec::new();
    }
    let has_moto = wharf_testkit::peers_present(&[Moto::PROGRAM]);
    let kinds = [Kind::Directory, Kind::Moto].into_iter();
    kinds
        .filter(|kind| *kind == Kind::Directory || has_moto)
        .collect()
}

/// A database, and a store beside Docker's registry.
struct Stage {
    docker: Docker,
    database: String,
    directory: tempfile::TempDir,
}

impl Stage {
    fn new(kind: Kind) -> Self {
        Self {
            docker: Docker::start(kind),
            database: PostgreSql::shared().create_database(),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn store(&self) -> Store {
        let url = self.docker.store_url(self.directory.path());
        Store::build(&url, &self.docker.kind.options()).expect("a store")
    }

    /// A process.
    async fn backend(&self) -> ObjectBackend {
        let external = self.store().external().cloned();
        self.open(external).await.expect("a backend")
    }

    async fn open(&self, external: Option<ExternalStore>) -> Result<ObjectBackend, Error> {
        let store = self.store();
        let mut options = ObjectOptions::default();
        options.external = external;
        options.signer = store.signer().cloned();
        options.reclamation.hold = Duration::ZERO;
        options.reclamation.again = Duration::ZERO;
        let url = PostgreSql::shared().socket_url(&self.database);
        let url = DatabaseUrl::parse(&url).expect("a URL");
        let mut open = DatabaseOptions::default();
        open.grace = Duration::ZERO;
        let database = Database::open(&url, open).await.expect("a database");
        ObjectBackend::open(database, Arc::clone(store.objects()), options).await
    }

    async fn registry(&self) -> Registry {
        Registry::open(self.backend().await).await.expect("a registry")
    }

    /// Imports in place, and returns what was skipped, too.
    async fn import(&self, registry: &Registry, is_trusted: bool) -> (ImportReport, Vec<String>) {
        let store = self.store();
        let source = self.docker.source(store.external().expect("a bucket")).await;
        let skipped = Arc::new(std::sync::Mutex::new(Vec::new()));
        let into = Arc::clone(&skipped);
        let report = source
            .with_in_place(true)
            .with_trusted_digests(is_trusted)
            .with_skipped(move |item| into.lock().expect("a list").push(item.to_string()))
            .run(registry)
            .await
            .expect("a report");
        let skipped = skipped.lock().expect("a list").clone();
        (report, skipped)
    }

    async fn fsck(&self, options: &FsckOptions) -> (FsckReport, Vec<FsckFinding>) {
        let mut found = Vec::new();
        let backend = self.backend().await;
        let report = backend.fsck(options, &mut |finding| found.push(finding)).await;
        (report.expect("a report"), found)
    }

    /// Collects until nothing is left to be deleted.
    async fn collect(&self) {
        let options = GcOptions::default()
            .with_grace(Duration::ZERO)
            .with_untagged(true);
        for _ in 0..3 {
            wharf_registry::Backend::collect(&self.backend().await, &options)
                .await
                .expect("a report");
        }
    }

    fn see(&self, sql: &str) -> String {
        PostgreSql::shared().query(&self.database, sql)
    }
}

/// Everything, with all bytes hashed.
fn thorough() -> FsckOptions {
    let mut options = FsckOptions::default();
    options.hash_one_in = Some(std::num::NonZeroU32::MIN);
    options
}

async fn ask(
    registry: &Registry,
    method: Method,
    path: &str,
    body: &[u8],
) -> (StatusCode, http::HeaderMap, Bytes) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "registry.example")
        .header("content-type", docker::MANIFEST)
        .header("content-length", body.len())
        .body(Full::new(Bytes::copy_from_slice(body)));
    let answer = registry.clone().call(request.expect("a request")).await;
    let answer = answer.expect("infallible");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.into_body().collect().await;
    (
        status,
        headers,
        body.map(http_body_util::Collected::to_bytes).unwrap_or_default(),
    )
}

fn blob_path(repository: &str, blob: &[u8]) -> String {
    format!("/v2/{repository}/blobs/{}", sha256(blob))
}

async fn push_blob(registry: &Registry, repository: &str, blob: &[u8]) {
    let path = format!("/v2/{repository}/blobs/uploads/?digest={}", sha256(blob));
    let (status, _, body) = ask(registry, Method::POST, &path, blob).await;
    assert_eq!(status, StatusCode::CREATED, "{body:?}");
}

async fn assert_served(registry: &Registry, path: &str, expected: &[u8]) {
    let (status, _, body) = ask(registry, Method::GET, path, b"").await;
    assert_eq!((status, &body[..]), (StatusCode::OK, expected), "{path}");
}

/// The body at a plain URL.
async fn fetch(url: &str) -> Vec<u8> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let rest = url.strip_prefix("http://").expect("a plain URL");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = tokio::net::TcpStream::connect(host).await.expect("it listens");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    answer.split_off(end.expect("a head") + 4)
}
