//! Pushing to and pulling from the embedded registry on a disk, beside docker-registry in the same run.
//!
//! Prints megabytes a second, the best of three runs. Each client is a thread with one connection
//! per request, which sends what it has and throws away what it gets.
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    thread,
    time::Instant,
};

use wharf_content::Hasher;
use wharf_reference::Algorithm;
use wharf_registry::{DiskBackend, Registry};
use wharf_testkit::{DockerRegistry, noise, peers_present};

const MEGABYTE: usize = 1_000_000;
const RUNS: usize = 3;

/// How many clients at a time, and how much each sends.
const SHAPES: [(usize, usize); 3] = [(1, 256 * MEGABYTE), (8, 64 * MEGABYTE), (8, MEGABYTE / 10)];

pub(crate) fn run() {
    if !peers_present(&["docker-registry"]) {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let root = tempfile::tempdir().expect("a directory");
    let server = runtime.block_on(async {
        let backend = DiskBackend::open(root.path()).await.expect("a backend");
        let registry = Registry::open(backend).await.expect("a registry");
        registry.serve().await.expect("a port")
    });
    let docker = DockerRegistry::start();
    let places = [
        ("wharf", server.address().to_string()),
        ("docker-registry", docker.name()),
    ];
    println!(
        "{:>7} {:>8}  {:16} {:>10} {:>10}",
        "clients", "MB each", "registry", "push MB/s", "pull MB/s"
    );
    for (clients, size) in SHAPES {
        for (name, address) in &places {
            let mut best = (0.0_f64, 0.0_f64);
            for run in 0..RUNS {
                let layers = (0..clients).map(|client| layer(size, run * 100 + client));
                let layers = layers.collect::<Vec<_>>();
                let total = (clients * size) as f64 / MEGABYTE as f64;
                best.0 = best.0.max(total / timed(address, &layers, push));
                best.1 = best.1.max(total / timed(address, &layers, pull));
            }
            let each = size as f64 / MEGABYTE as f64;
            println!(
                "{clients:>7} {each:>8.1}  {name:16} {:>10.0} {:>10.0}",
                best.0, best.1
            );
        }
    }
    drop(server);
}

/// Bytes that no layer had before, and their digest.
struct Layer {
    bytes: Vec<u8>,
    digest: String,
}

fn layer(size: usize, seed: usize) -> Arc<Layer> {
    let bytes = noise(seed as u64 + 1, size);
    let digest = Hasher::digest(Algorithm::Sha256, &bytes).expect("sha256 is supported");
    Arc::new(Layer {
        bytes,
        digest: digest.as_str().to_owned(),
    })
}

/// Seconds until all clients are done.
fn timed(address: &str, layers: &[Arc<Layer>], work: fn(&str, &Layer)) -> f64 {
    let start = Instant::now();
    thread::scope(|scope| {
        for layer in layers {
            scope.spawn(move || work(address, layer));
        }
    });
    start.elapsed().as_secs_f64()
}

/// POST, PATCH, PUT: as skopeo, podman and docker do it.
fn push(address: &str, layer: &Layer) {
    let opened = call(address, "POST", "/v2/bench/blobs/uploads/", &[]);
    let patched = call(address, "PATCH", &location(&opened), &layer.bytes);
    let target = location(&patched);
    let separator = if target.contains('?') { '&' } else { '?' };
    let closed = call(
        address,
        "PUT",
        &format!("{target}{separator}digest={}", layer.digest),
        &[],
    );
    assert!(closed.starts_with("HTTP/1.1 201"), "{closed}");
}

fn pull(address: &str, layer: &Layer) {
    let mut stream = request(address, "GET", &format!("/v2/bench/blobs/{}", layer.digest), &[]);
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        let read = stream.read(&mut buffer).expect("bytes");
        if read == 0 {
            break;
        }
        total += read;
    }
    assert!(total > layer.bytes.len(), "{total} bytes");
}

/// The answer to a request, as it came.
pub(crate) fn call(address: &str, method: &str, path: &str, body: &[u8]) -> String {
    let mut received = Vec::new();
    let mut stream = request(address, method, path, body);
    stream.read_to_end(&mut received).expect("an answer");
    String::from_utf8_lossy(&received).into_owned()
}

fn request(address: &str, method: &str, path: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a request");
    stream.write_all(body).expect("a body");
    stream
}

/// Path and query of `Location`.
fn location(head: &str) -> String {
    let line = head
        .lines()
        .find(|line| line.to_lowercase().starts_with("location: "));
    let target = &line.expect("a location")["location: ".len()..];
    match target.strip_prefix("http://") {
        Some(rest) => rest[rest.find('/').expect("a path")..].to_owned(),
        None => target.to_owned(),
    }
}
