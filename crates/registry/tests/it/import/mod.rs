//! Imports: what another registry has stored, as it stands, hostile, and while it serves.

mod hostile;
mod peer;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::json;
use wharf_reference::Digest;
use wharf_registry::{DiskBackend, GcOptions, Import, ImportReport, MemoryBackend, Registry, Server};

use crate::wire::{INDEX, MANIFEST, ask, digest, get, manifest, push_blob, push_image, push_manifest};

/// The tree of Docker's registry, written by hand.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.root().join("repositories")).unwrap();
        tree
    }

    fn root(&self) -> std::path::PathBuf {
        self.0.path().join("docker/registry/v2")
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.root().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn data(digest: &Digest) -> String {
        let hex = digest.encoded();
        format!("blobs/{}/{}/{hex}/data", digest.algorithm(), &hex[..2])
    }

    fn link(&self, repository: &str, of: &str, digest: &Digest) {
        let key = format!(
            "repositories/{repository}/{of}/{}/{}/link",
            digest.algorithm(),
            digest.encoded()
        );
        self.put(&key, digest.as_str().as_bytes());
    }

    fn blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = digest(bytes);
        self.put(&Self::data(&digest), bytes);
        self.link(repository, "_layers", &digest);
        digest
    }

    fn manifest(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = digest(bytes);
        self.put(&Self::data(&digest), bytes);
        self.link(repository, "_manifests/revisions", &digest);
        digest
    }

    fn tag(&self, repository: &str, tag: &str, target: &str) {
        self.put(
            &format!("repositories/{repository}/_manifests/tags/{tag}/current/link"),
            target.as_bytes(),
        );
    }

    /// An image of this layer, with a tag that is its name.
    fn image(&self, repository: &str, layer: &str) -> (Vec<u8>, Digest) {
        self.blob(repository, b"{}");
        self.blob(repository, layer.as_bytes());
        let bytes = manifest(b"{}", &[layer.as_bytes()]);
        let image = self.manifest(repository, &bytes);
        self.tag(repository, layer, image.as_str());
        (bytes, image)
    }
}

/// Imports a directory; the report, and what was skipped.
async fn import(path: &Path, registry: &Registry) -> (ImportReport, Vec<String>) {
    let skipped = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&skipped);
    let import = Import::open(path).await.unwrap();
    let import = import.with_skipped(move |item| told.lock().unwrap().push(item.to_string()));
    let report = import.run(registry).await.unwrap();
    let skipped = skipped.lock().unwrap().clone();
    assert_eq!(report.skipped, skipped.len() as u64);
    (report, skipped)
}

fn nested(images: &[&[u8]]) -> Vec<u8> {
    let manifests = images.iter().map(|bytes| {
        let media_type = if bytes.windows(11).any(|part| part == b"\"manifests\"") {
            INDEX
        } else {
            MANIFEST
        };
        json!({ "mediaType": media_type, "digest": digest(bytes).as_str(), "size": bytes.len() })
    });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests.collect::<Vec<_>>() });
    index.to_string().into_bytes()
}

async fn served(registry: Registry) -> Server {
    registry.serve().await.unwrap()
}

/// Whether an image is there, byte for byte, with its layer.
async fn pulls(server: &Server, repository: &str, reference: &str, image: &[u8], layer: &[u8]) -> bool {
    let manifest = get(server, format!("/v2/{repository}/manifests/{reference}")).await;
    let blob = get(server, format!("/v2/{repository}/blobs/{}", digest(layer))).await;
    manifest.status == 200 && manifest.body == image && blob.status == 200 && blob.body == layer
}

async fn all_backends() -> Vec<(Registry, Option<tempfile::TempDir>)> {
    let directory = tempfile::tempdir().unwrap();
    let disk = DiskBackend::open(directory.path()).await.unwrap();
    vec![
        (Registry::open(MemoryBackend::default()).await.unwrap(), None),
        (Registry::open(disk).await.unwrap(), Some(directory)),
    ]
}

#[tokio::test]
async fn everything_that_is_stored_is_served_as_it_was() {
    let tree = Tree::new();
    let (one, _) = tree.image("lib/app", "one");
    let (two, _) = tree.image("lib/app", "two");
    let (inner, outer) = {
        let inner = nested(&[&one, &two]);
        let outer = nested(&[&inner, &one]);
        (inner, outer)
    };
    tree.manifest("lib/app", &inner);
    tree.manifest("lib/app", &outer);
    tree.tag("lib/app", "index", digest(&outer).as_str());
    tree.image("lib", "one"); // below whose name is another
    tree.put("repositories/lib/_uploads/123/data", b"half");
    tree.blob("lib/app", b"of a push that failed");
    fs::create_dir_all(tree.root().join("repositories/empty/_layers")).unwrap();
    for root in [tree.0.path().to_owned(), tree.root()] {
        for (registry, _directory) in all_backends().await {
            let (report, skipped) = import(&root, &registry).await;
            assert_eq!(skipped, Vec::<String>::new());
            let counts = (report.repositories, report.manifests, report.blobs, report.tags);
            assert_eq!(counts, (2, 5, 5, 4), "{report:?}");
            let server = served(registry.clone()).await;
            assert!(pulls(&server, "lib/app", "one", &one, b"one").await);
            assert!(pulls(&server, "lib/app", "two", &two, b"two").await);
            assert!(pulls(&server, "lib", "one", &one, b"one").await);
            assert!(pulls(&server, "lib/app", "index", &outer, b"one").await);
            assert!(pulls(&server, "lib/app", digest(&inner).as_str(), &inner, b"two").await);
            let failed = format!("/v2/lib/app/blobs/{}", digest(b"of a push that failed"));
            assert_eq!(get(&server, failed).await.status, 404);
            // What an import brings in survives a collection.
            let at_once = GcOptions::default().with_grace(std::time::Duration::ZERO);
            registry.collect_garbage(&at_once).await.unwrap();
            assert!(pulls(&server, "lib/app", "index", &outer, b"two").await);
        }
    }
}

#[tokio::test]
async fn a_second_run_takes_what_changed() {
    let tree = Tree::new();
    let (one, _) = tree.image("a", "one");
    let registry = Registry::memory();
    import(tree.0.path(), &registry).await;
    let (again, _) = import(tree.0.path(), &registry).await;
    assert_eq!(
        (
            again.manifests,
            again.blobs,
            again.bytes,
            again.tags,
            again.unchanged
        ),
        (0, 0, 0, 0, 2)
    );
    let (two, second) = tree.image("a", "two");
    tree.tag("a", "one", second.as_str()); // moved
    tree.image("b", "one");
    let server = served(registry.clone()).await;
    push_image(&server, "a", "ours").await;
    let (third, _) = import(tree.0.path(), &registry).await;
    assert_eq!(
        (third.repositories, third.manifests, third.blobs, third.tags),
        (2, 2, 3, 3),
        "{third:?}"
    );
    assert!(pulls(&server, "a", "one", &two, b"two").await);
    assert!(pulls(&server, "a", digest(&one).as_str(), &one, b"one").await);
    assert!(pulls(&server, "b", "one", &one, b"one").await);
    assert_eq!(get(&server, "/v2/a/manifests/ours").await.status, 200);

    // What was deleted there stays here; what was moved here moves back, unless it is to be kept.
    let image = digest(&two);
    let key = format!(
        "repositories/a/_manifests/revisions/sha256/{}/link",
        image.encoded()
    );
    fs::remove_file(tree.root().join(key)).unwrap();
    fs::remove_dir_all(tree.root().join("repositories/a/_manifests/tags")).unwrap();
    tree.tag("a", "two", digest(&one).as_str());
    let kept = Import::open(tree.0.path()).await.unwrap().with_keep_tags(true);
    assert_eq!(kept.run(&registry).await.unwrap().tags, 0);
    assert!(pulls(&server, "a", "two", &two, b"two").await);
    let (last, skipped) = import(tree.0.path(), &registry).await;
    assert_eq!((last.tags, skipped), (1, Vec::new()));
    assert!(pulls(&server, "a", "two", &one, b"one").await);
    assert!(pulls(&server, "a", "one", &two, b"two").await);
}

/// An import heals damaged content.
#[tokio::test]
async fn content_that_is_lost_here_comes_again() {
    let tree = Tree::new();
    let (image, digest_of_image) = tree.image("a", "layer");
    let root = tempfile::tempdir().unwrap();
    let backend = DiskBackend::open(root.path()).await.unwrap();
    let registry = Registry::open(backend).await.unwrap();
    import(tree.0.path(), &registry).await;
    for lost in [digest(b"layer"), digest_of_image.clone()] {
        fs::remove_file(root.path().join("blobs/sha256").join(lost.encoded())).unwrap();
    }
    let (report, skipped) = import(tree.0.path(), &registry).await;
    assert_eq!((report.manifests, report.blobs, skipped), (1, 1, Vec::new()));
    let server = served(registry).await;
    assert!(pulls(&server, "a", "layer", &image, b"layer").await);
}

#[tokio::test]
async fn a_directory_of_our_own_is_imported_with_its_owners() {
    let directory = tempfile::tempdir().unwrap();
    let (image, index) = {
        let backend = DiskBackend::open(directory.path()).await.unwrap();
        let registry = Registry::open(backend).await.unwrap().with_basic("ada", "secret");
        let server = served(registry.with_anonymous(true)).await;
        let put = async |path: String, body: &[u8]| {
            let method = if path.contains("uploads") { "POST" } else { "PUT" };
            let asked = ask(&server, method, path).basic("ada:secret").body(body);
            assert_eq!(asked.send().await.status, 201);
        };
        for blob in [b"layer".as_slice(), b"{}"] {
            put(format!("/v2/a/blobs/uploads/?digest={}", digest(blob)), blob).await;
        }
        let image = manifest(b"{}", &[b"layer"]);
        put("/v2/a/manifests/v1".to_owned(), &image).await;
        let index = nested(&[&image]);
        put("/v2/a/manifests/index".to_owned(), &index).await;
        // While its registry serves, nobody else reads it.
        let error = Import::open(directory.path()).await.unwrap_err();
        assert_eq!(error.kind(), wharf_content::ErrorKind::Conflict);
        server.shutdown().await;
        (image, index)
    };
    let registry = Registry::memory();
    for expected in [(2, 2, 2), (0, 0, 0)] {
        let (report, skipped) = import(directory.path(), &registry).await;
        assert_eq!(skipped, Vec::<String>::new());
        assert_eq!((report.manifests, report.blobs, report.tags), expected);
    }
    // Quotas hold for her as before.
    let used = (image.len() + index.len() + b"layer{}".len()) as u64;
    let limits = wharf_registry::Limits::default().with_user(used + 3);
    let server = served(registry.with_basic("ada", "secret").with_limits(limits)).await;
    for (bytes, status) in [(b"four".as_slice(), 413), (b"3rd", 201)] {
        let path = format!("/v2/b/blobs/uploads/?digest={}", digest(bytes));
        let asked = ask(&server, "POST", path).basic("ada:secret").body(bytes);
        assert_eq!(asked.send().await.status, status);
    }
}

#[tokio::test]
async fn a_directory_without_a_registry_is_told() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("blobs")).unwrap();
    for path in [directory.path().to_owned(), directory.path().join("nowhere")] {
        let error = Import::open(&path).await.unwrap_err();
        assert_eq!(error.kind(), wharf_content::ErrorKind::NotFound);
        assert!(error.to_string().contains("docker/registry/v2"), "{error}");
    }
    assert!(!directory.path().join("registry").exists());
}

/// A registry in which people work while an import runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_runs_beside_pushes_and_collections() {
    let tree = Tree::new();
    let names = (0..40)
        .map(|number| format!("layer-{number}"))
        .collect::<Vec<_>>();
    for name in &names {
        tree.image("a", name);
    }
    let registry = Registry::memory();
    let server = served(registry.clone()).await;
    let importing = import(tree.0.path(), &registry);
    let pushing = async {
        for number in 0..20 {
            let blob = format!("ours-{number}");
            push_blob(&server, "a", blob.as_bytes()).await;
            push_blob(&server, "a", b"{}").await;
            let image = manifest(b"{}", &[blob.as_bytes()]);
            // A collection without a grace may take the blob first, as it may from any client.
            push_manifest(&server, "a", &blob, &image).await;
            let at_once = GcOptions::default().with_grace(std::time::Duration::ZERO);
            registry.collect_garbage(&at_once).await.unwrap();
        }
    };
    let ((_, skipped), ()) = tokio::join!(importing, pushing);
    // What a collection has overtaken is taken by the next run.
    let (_, still) = import(tree.0.path(), &registry).await;
    assert_eq!(still, Vec::<String>::new(), "first: {skipped:?}");
    for name in &names {
        let image = manifest(b"{}", &[name.as_bytes()]);
        assert!(pulls(&server, "a", name, &image, name.as_bytes()).await, "{name}");
    }
}
