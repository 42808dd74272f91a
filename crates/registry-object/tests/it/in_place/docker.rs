//! Docker's registry, filled by pushes, and what it has stored.

use std::{collections::BTreeMap, fs};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wharf_registry::Import;
use wharf_registry_object::{ExternalStore, Store, StoreUrl};
use wharf_testkit::{DockerRegistry, Moto, sha256};

use crate::stores::Kind;

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The directory in the bucket.
const ROOT: &str = "old";

/// Docker's registry, in a directory or in a bucket.
pub(super) struct Docker {
    pub(super) kind: Kind,
    registry: DockerRegistry,
    bucket: String,
    /// Below which the store beside it is.
    pub(super) prefix: &'static str,
}

impl Docker {
    pub(super) fn start(kind: Kind) -> Self {
        let (registry, bucket) = match kind {
            Kind::Directory => (DockerRegistry::start(), String::new()),
            Kind::Moto => {
                let bucket = Moto::shared().create_bucket();
                let endpoint = Moto::shared().endpoint();
                let registry = DockerRegistry::builder().s3(&endpoint, &bucket, ROOT, ["any", "key"]);
                (registry.start(), bucket)
            }
            other => panic!("{other:?} is not filled"),
        };
        Self {
            kind,
            registry,
            bucket,
            prefix: "/wharf",
        }
    }

    /// The URL of a store beside it.
    pub(super) fn store_url(&self, scratch: &std::path::Path) -> StoreUrl {
        let url = match self.kind {
            Kind::Directory => format!("file://{}/wharf", scratch.display()),
            _ => format!("s3://{}{}", self.bucket, self.prefix),
        };
        StoreUrl::parse(&url).expect("a URL")
    }

    /// Its data as the source of an import.
    pub(super) async fn source(&self, external: &ExternalStore) -> Import {
        if self.kind == Kind::Directory {
            return Import::open(self.registry.store()).await.expect("a source");
        }
        let tree = external.tree(ROOT).expect("a path").find().await;
        Import::from_tree(tree.expect("a bucket").expect("a registry in it"))
    }

    /// Every object that it has, with its bytes.
    pub(super) async fn objects(&self) -> BTreeMap<String, Bytes> {
        let mut all = BTreeMap::new();
        if self.kind == Kind::Directory {
            let mut open = vec![self.registry.store()];
            while let Some(next) = open.pop() {
                for entry in fs::read_dir(next).expect("a directory") {
                    let path = entry.expect("an entry").path();
                    if path.is_dir() {
                        open.push(path);
                    } else {
                        let bytes = fs::read(&path).expect("a file");
                        all.insert(path.display().to_string(), bytes.into());
                    }
                }
            }
            return all;
        }
        let store = self.raw();
        let listed = store.objects().list(Some(&ROOT.into()));
        for object in listed.try_collect::<Vec<_>>().await.expect("a listing") {
            let read = store.objects().get(&object.location).await.expect("an object");
            let bytes = read.bytes().await.expect("its bytes");
            all.insert(object.location.to_string(), bytes);
        }
        all
    }

    /// The key under which it has the bytes of a blob.
    pub(super) fn key(&self, blob: &[u8]) -> String {
        let digest = sha256(blob);
        let hex = digest.encoded();
        let shard = hex.get(..2).expect("two digits");
        let below = format!("docker/registry/v2/blobs/sha256/{shard}/{hex}/data");
        match self.kind {
            Kind::Directory => format!("{}/{below}", self.registry.store().display()),
            _ => format!("{ROOT}/{below}"),
        }
    }

    /// Replaces the bytes of a blob behind its back, or removes them.
    pub(super) async fn damage(&self, blob: &[u8], bytes: Option<&[u8]>) {
        let key = self.key(blob);
        if self.kind == Kind::Directory {
            match bytes {
                Some(bytes) => fs::write(key, bytes).expect("a file"),
                None => fs::remove_file(key).expect("a file"),
            }
            return;
        }
        let (store, path) = (self.raw(), key.as_str().into());
        match bytes {
            Some(bytes) => drop(
                store
                    .objects()
                    .put(&path, bytes.to_vec().into())
                    .await
                    .expect("a put"),
            ),
            None => store.objects().delete(&path).await.expect("a deletion"),
        }
    }

    /// The whole bucket.
    fn raw(&self) -> Store {
        let url = StoreUrl::parse(&format!("s3://{}", self.bucket)).expect("a URL");
        Store::build(&url, &self.kind.options()).expect("a store")
    }

    pub(super) async fn push_image(&self, repository: &str, tag: &str, layers: &[&[u8]]) -> Vec<u8> {
        for blob in [b"{}".as_slice()].iter().chain(layers) {
            self.push_blob(repository, blob).await;
        }
        let image = image(layers);
        self.push_manifest(repository, tag, MANIFEST, &image).await;
        image
    }

    async fn push_blob(&self, repository: &str, bytes: &[u8]) {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let (status, head, _) = self.ask("POST", &path, "text/plain", b"").await;
        assert_eq!(status, 202, "{head}");
        let location = head.lines().find_map(|line| line.strip_prefix("Location: "));
        let location = location.expect("a location");
        let session = location.split_once("/v2/").map(|(_, path)| format!("/v2/{path}"));
        let path = format!("{}&digest={}", session.expect("a path"), sha256(bytes));
        let (status, head, _) = self.ask("PUT", &path, "application/octet-stream", bytes).await;
        assert_eq!(status, 201, "{head}");
    }

    pub(super) async fn push_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let (status, head, _) = self.ask("PUT", &path, media_type, bytes).await;
        assert_eq!(status, 201, "{head}");
    }

    /// The body of an answer 200.
    pub(super) async fn get(&self, path: &str) -> Bytes {
        let (status, head, body) = self.ask("GET", path, "text/plain", b"").await;
        assert_eq!(status, 200, "{path}: {head}");
        body.into()
    }

    async fn ask(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let address = self.registry.address();
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {media_type}\r\n\
             Accept: {MANIFEST}\r\nAccept: {INDEX}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        stream.write_all(&request).await.expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it answers");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).replace("\r\n", "\n");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), head, answer[end + 4..].to_vec())
    }
}

fn descriptor(bytes: &[u8], media_type: &str) -> serde_json::Value {
    serde_json::json!({ "mediaType": media_type, "digest": sha256(bytes).as_str(), "size": bytes.len() })
}

/// A manifest of an image with an empty config.
pub(super) fn image(layers: &[&[u8]]) -> Vec<u8> {
    let layers = layers
        .iter()
        .map(|layer| descriptor(layer, "application/vnd.oci.image.layer.v1.tar"));
    let document = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(b"{}", "application/vnd.oci.image.config.v1+json"),
        "layers": layers.collect::<Vec<_>>(),
    });
    document.to_string().into_bytes()
}

pub(super) fn index(images: &[&[u8]]) -> Vec<u8> {
    let images = images.iter().map(|image| descriptor(image, MANIFEST));
    let document = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": images.collect::<Vec<_>>(),
    });
    document.to_string().into_bytes()
}
