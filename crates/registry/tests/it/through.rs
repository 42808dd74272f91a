//! A registry as a cache of another one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Location, Manifest, OpenBlob, Source, Target,
};
use wharf_reference::Digest;
use wharf_registry::{Metrics, Registry, Server, Upstream};

use crate::wire::{ask, digest, get, manifest, push_image};

/// An image behind the cache, which counts what it is asked for and can be away or damaged.
#[derive(Default)]
struct Origin {
    resolved: AtomicU64,
    manifests: AtomicU64,
    blobs: AtomicU64,
    away: AtomicBool,
    damaged: AtomicBool,
    swapped: AtomicBool,
    version: AtomicU64,
}

impl Origin {
    fn layer(&self) -> Vec<u8> {
        vec![u8::try_from(self.version.load(Ordering::Relaxed)).unwrap(); 2_000_000]
    }

    fn manifest(&self) -> Manifest {
        Manifest::parse(manifest(b"{}", &[&self.layer()]).into(), None).unwrap()
    }

    fn count(&self, counter: &AtomicU64) -> Result<(), Error> {
        counter.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Network, "away"));
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Behind(Arc<Origin>);

#[async_trait]
impl Upstream for Behind {
    async fn repository(&self, path: &str) -> Result<Arc<dyn Source>, Error> {
        if path == "lib/app" {
            return Ok(Arc::new(self.clone()));
        }
        Err(Error::new(ErrorKind::NotFound, "no such repository"))
    }
}

struct Bytes(Vec<u8>);

#[async_trait]
impl OpenBlob for Bytes {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let rest = self.0[usize::try_from(offset).unwrap()..].to_vec();
        let chunks = rest
            .chunks(100_000)
            .map(|chunk| Ok(bytes::Bytes::copy_from_slice(chunk)));
        Ok(Box::pin(futures_util::stream::iter(chunks.collect::<Vec<_>>())))
    }
}

#[async_trait]
impl Source for Behind {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        self.0.count(&self.0.resolved)?;
        match target {
            Target::Name(name) if name.as_str() == "v1" => Ok(self.0.manifest().descriptor().clone()),
            _ => Err(Error::new(ErrorKind::NotFound, "no such tag")),
        }
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        self.0.count(&self.0.manifests)?;
        let manifest = self.0.manifest();
        if self.0.swapped.load(Ordering::Relaxed) {
            return Ok(Manifest::parse(crate::wire::manifest(b"[]", &[]).into(), None).unwrap());
        }
        if *target == Target::Digest(manifest.digest().clone()) {
            return Ok(manifest);
        }
        Err(Error::new(ErrorKind::NotFound, "no such manifest"))
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        self.0.count(&self.0.blobs)?;
        let mut content = if descriptor.size() == 2 {
            b"{}".to_vec()
        } else {
            self.0.layer()
        };
        if self.0.damaged.load(Ordering::Relaxed) {
            *content.last_mut().unwrap() ^= 1;
        }
        Blob::new(descriptor.clone(), Arc::new(Bytes(content)))
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

async fn cache() -> (Server, Arc<Origin>) {
    let origin = Arc::new(Origin::default());
    let registry = Registry::memory().with_upstream(Behind(Arc::clone(&origin)));
    (registry.serve().await.unwrap(), origin)
}

fn blob(digest: &Digest) -> String {
    format!("/v2/lib/app/blobs/{digest}")
}

/// Waits until a blob has been kept, which may be a moment after the client has it.
async fn kept(server: &Server, origin: &Origin, digest: &Digest) {
    let before = origin.blobs.load(Ordering::Relaxed);
    while get(server, "/v2/_catalog").await.status != 200 {}
    loop {
        let _ = get(server, blob(digest)).await;
        if origin.blobs.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

#[tokio::test]
async fn what_is_missing_comes_from_upstream_once() {
    let (server, origin) = cache().await;
    let (image, layer) = (origin.manifest(), origin.layer());
    let (own, layer_digest) = (image.digest().clone(), digest(&layer));
    assert_eq!(get(&server, blob(&layer_digest)).await.status, 404); // no manifest names it yet
    let pulled = get(&server, "/v2/lib/app/manifests/v1").await;
    assert!(pulled.body == *image.bytes());
    assert_eq!(pulled.header("docker-content-digest"), Some(own.as_str()));
    let named = get(&server, "/v2/lib/app/manifests/v1?ns=docker.io").await;
    assert_eq!(named.header("oci-namespace"), Some("docker.io"));
    let head = ask(&server, "HEAD", blob(&layer_digest)).send().await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("2000000"))
    );
    assert_eq!(origin.blobs.load(Ordering::Relaxed), 0);
    assert!(get(&server, blob(&layer_digest)).await.body == layer);
    assert_eq!(get(&server, blob(&digest(b"{}"))).await.body, b"{}");
    kept(&server, &origin, &layer_digest).await;
    kept(&server, &origin, &digest(b"{}")).await;
    let asked = origin.blobs.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert!(get(&server, blob(&layer_digest)).await.body == layer);
        assert_eq!(
            get(&server, format!("/v2/lib/app/manifests/{own}")).await.status,
            200
        );
    }
    assert_eq!(origin.blobs.load(Ordering::Relaxed), asked);
    assert_eq!(origin.manifests.load(Ordering::Relaxed), 1);
    let part = ask(&server, "GET", blob(&layer_digest))
        .header("Range", "bytes=0-9")
        .send()
        .await;
    assert_eq!(part.status, 206);
}

/// As Docker's registry names them, and by names of our own.
#[tokio::test]
async fn metrics_tell_what_was_here_and_what_came_from_upstream() {
    let (origin, metrics) = (Arc::new(Origin::default()), Metrics::default());
    let registry = Registry::memory().with_observer(metrics.clone());
    assert!(!metrics.text(&registry).contains("registry_proxy_"));
    let registry = registry.with_upstream(Behind(Arc::clone(&origin)));
    let value = |sample: &str| -> u64 {
        let text = metrics.text(&registry);
        let found = text.lines().find_map(|line| line.strip_prefix(sample));
        found
            .unwrap_or_else(|| panic!("{sample}\n{text}"))
            .trim()
            .parse()
            .unwrap()
    };
    let ask = async |method: &str, path: String| {
        let request = http::Request::builder().method(method).uri(path);
        let response = registry.handle(request.body(String::new()).unwrap()).await;
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    };
    let counts = |kind: &str| {
        let [requests, hits, misses, pulled, pushed] =
            ["requests", "hits", "misses", "pulled_bytes", "pushed_bytes"]
                .map(|name| value(&format!("registry_proxy_{name}_total{{type=\"{kind}\"}}")));
        assert_eq!(requests, hits + misses);
        let own = ["hits", "misses", "bytes"]
            .map(|name| value(&format!("wharf_cache_{name}_total{{kind=\"{kind}\"}}")));
        assert_eq!(own, [hits, misses, pulled]);
        (hits, misses, pulled, pushed)
    };
    assert_eq!([counts("blob"), counts("manifest")], [(0, 0, 0, 0); 2]);
    let tagged = "/v2/lib/app/manifests/v1".to_owned();
    let size = origin.manifest().bytes().len() as u64;
    for (method, expected) in [
        ("HEAD", (0, 1, size, 0)),
        ("GET", (1, 1, size, size)),
        ("HEAD", (2, 1, size, size)),
    ] {
        assert_eq!(ask(method, tagged.clone()).await.0, 200);
        assert_eq!(counts("manifest"), expected);
    }
    let config = blob(&digest(b"{}"));
    assert_eq!(ask("HEAD", config.clone()).await.0, 200); // by the manifest's word: nobody has the blob
    assert_eq!(ask("GET", blob(&digest(b"other"))).await.0, 404);
    let layer = http::Request::get(blob(&digest(&origin.layer())));
    drop(registry.handle(layer.body(String::new()).unwrap()).await); // the client goes before anything came
    assert_eq!(counts("blob"), (0, 0, 0, 0));
    assert_eq!(ask("GET", config.clone()).await.1.as_ref(), b"{}");
    assert_eq!(counts("blob"), (0, 1, 2, 2));
    while counts("blob").0 == 0 {
        assert_eq!(ask("GET", config.clone()).await.1.as_ref(), b"{}"); // until it is kept
    }
    let (hits, misses, pulled, pushed) = counts("blob");
    assert_eq!((pulled, pushed), (2 * misses, 2 * (hits + misses)));
    assert_eq!(misses + 1, origin.blobs.load(Ordering::Relaxed)); // the layer
}

#[tokio::test]
async fn tags_follow_and_survive_upstream() {
    let (server, origin) = cache().await;
    let first = get(&server, "/v2/lib/app/manifests/v1").await;
    origin.version.store(1, Ordering::Relaxed);
    let second = get(&server, "/v2/lib/app/manifests/v1").await;
    assert_eq!((first.status, second.status), (200, 200));
    assert_ne!(first.body, second.body);
    origin.away.store(true, Ordering::Relaxed);
    assert_eq!(get(&server, "/v2/lib/app/manifests/v1").await.body, second.body);
    assert_eq!(get(&server, "/v2/lib/app/manifests/v2").await.status, 502);
    assert_eq!(get(&server, blob(&digest(b"{}"))).await.status, 502);
}

#[tokio::test]
async fn what_is_not_there_is_not_asked_for_again_and_again() {
    let (server, origin) = cache().await;
    for _ in 0..3 {
        assert_eq!(get(&server, "/v2/lib/app/manifests/nope").await.status, 404);
        assert_eq!(get(&server, "/v2/other/manifests/v1").await.status, 404);
    }
    assert_eq!(origin.resolved.load(Ordering::Relaxed), 1);
}

/// That something is not there is believed for a short while only: it may be pushed at any time.
#[tokio::test(start_paused = true)]
async fn an_absence_is_forgotten_soon() {
    let origin = Arc::new(Origin::default());
    let registry = Registry::memory().with_upstream(Behind(Arc::clone(&origin)));
    let asked = async |seconds| {
        tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
        let request = http::Request::get("/v2/lib/app/manifests/nope");
        let request = request.body(http_body_util::Empty::new()).unwrap();
        assert_eq!(registry.handle(request).await.status(), 404);
        origin.resolved.load(Ordering::Relaxed)
    };
    assert_eq!(asked(0).await, 1);
    assert_eq!(asked(9).await, 1);
    assert_eq!(asked(2).await, 2);
}

/// Upstream may lie about a manifest: it is not served, and no tag leads to it, now or later.
#[tokio::test]
async fn a_manifest_that_is_another_is_not_kept() {
    let (server, origin) = cache().await;
    origin.swapped.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(get(&server, "/v2/lib/app/manifests/v1").await.status, 502);
    }
    let inventory = server.service().inventory();
    assert_eq!((inventory.tags, inventory.manifests), (0, 0));
    origin.swapped.store(false, Ordering::Relaxed);
    assert_eq!(get(&server, "/v2/lib/app/manifests/v1").await.status, 200);
}

#[tokio::test]
async fn corrupt_content_is_not_kept() {
    let (server, origin) = cache().await;
    get(&server, "/v2/lib/app/manifests/v1").await;
    let layer = origin.layer();
    origin.damaged.store(true, Ordering::Relaxed);
    let answer = crate::wire::raw_get(&server, &blob(&digest(&layer)), "").await;
    assert!(answer.len() < layer.len());
    origin.damaged.store(false, Ordering::Relaxed);
    assert!(get(&server, blob(&digest(&layer))).await.body == layer);
}

#[tokio::test]
async fn many_clients_make_one_request() {
    let (server, origin) = cache().await;
    let server = Arc::new(server);
    get(&server, "/v2/lib/app/manifests/v1").await;
    let layer = digest(&origin.layer());
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (server, path) = (Arc::clone(&server), blob(&layer));
        clients.spawn(async move { get(&server, path).await.body.len() });
    }
    assert_eq!(clients.join_all().await, [2_000_000; 8]);
    assert_eq!(origin.blobs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_cache_takes_nothing_from_clients() {
    let (server, _) = cache().await;
    for (method, path) in [
        ("POST", "/v2/lib/app/blobs/uploads/"),
        ("PUT", "/v2/lib/app/manifests/v1"),
        ("DELETE", "/v2/lib/app/manifests/v1"),
    ] {
        let refused = ask(&server, method, path).send().await;
        assert_eq!((refused.status, refused.code().as_str()), (405, "UNSUPPORTED"));
    }
    let registry = Registry::memory();
    let server = registry.clone().serve().await.unwrap();
    push_image(&server, "a", "v1").await;
    let server = registry.with_read_only(true).serve().await.unwrap();
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.status, 200);
    assert_eq!(
        ask(&server, "DELETE", "/v2/a/manifests/v1").send().await.status,
        405
    );
}
