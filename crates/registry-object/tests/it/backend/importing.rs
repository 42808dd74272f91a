//! Imports from a bucket, into what processes share.

use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use wharf_content::{Name, Source as _};
use wharf_registry::{Import, Registry};
use wharf_registry_object::ObjectTree;
use wharf_testkit::{Image, require_peers};

use super::Engines;

/// Docker's layout of an image, in a bucket below a prefix.
async fn bucket(image: &Image) -> Arc<dyn ObjectStore> {
    let bucket = InMemory::new();
    let put = async |key: String, bytes: &[u8]| {
        let path = Path::from(format!("some/docker/registry/v2/{key}"));
        bucket.put(&path, bytes.to_vec().into()).await.expect("an object");
    };
    let entry = image.index_entry();
    let manifest = image.manifest();
    let blobs = image
        .blobs()
        .iter()
        .map(|(descriptor, bytes)| (descriptor.digest(), bytes));
    for (digest, bytes) in blobs.chain([(manifest.digest(), manifest.bytes())]) {
        let (algorithm, hex) = (digest.algorithm(), digest.encoded());
        put(
            format!(
                "blobs/{algorithm}/{}/{hex}/data",
                hex.get(..2).expect("two digits")
            ),
            bytes,
        )
        .await;
        let links = if digest == entry.digest() {
            "_manifests/revisions"
        } else {
            "_layers"
        };
        put(
            format!("repositories/lib/app/{links}/{algorithm}/{hex}/link"),
            digest.as_str().as_bytes(),
        )
        .await;
    }
    let key = "repositories/lib/app/_manifests/tags/v1/current/link";
    put(key.to_owned(), entry.digest().as_str().as_bytes()).await;
    Arc::new(bucket)
}

#[tokio::test]
async fn a_bucket_of_docker_registry_is_imported_into_what_processes_share() {
    require_peers!("postgres", "psql");
    let image = Image::small("imported");
    let bucket = bucket(&image).await;
    let engines = Engines::new();
    let registry = Registry::open(engines.open().await).await.expect("a registry");
    let tree = || ObjectTree::new(Arc::clone(&bucket), "some/docker/registry/v2").expect("a tree");
    let first = Import::from_tree(tree()).run(&registry).await.expect("a report");
    assert_eq!((first.manifests, first.tags, first.skipped), (1, 1, 0));
    let again = Import::from_tree(tree()).run(&registry).await.expect("a report");
    assert_eq!(
        (again.manifests, again.blobs, again.bytes, again.tags),
        (0, 0, 0, 0)
    );

    // Another process serves it.
    let other = Registry::open(engines.open().await).await.expect("a registry");
    let repository = other.repository("lib/app").expect("a repository");
    let name = Name::parse("v1").expect("a tag");
    let manifest = repository.manifest(&name.into()).await.expect("the manifest");
    assert_eq!(manifest.digest(), image.index_entry().digest());
    for blob in manifest.blobs() {
        let bytes = repository
            .blob(blob)
            .await
            .expect("the blob")
            .read_to_end(1 << 20)
            .await;
        assert_eq!(Some(bytes.expect("its bytes")), image.blob(blob.digest()));
    }
    // Nothing is left under way.
    assert_eq!(engines.see("SELECT count(*) FROM pending"), "0");
    assert!(ObjectTree::new(bucket, "a//b").is_err());
}
