use wharf_content::{ErrorKind, Name, Sink as _, Source as _, Target, conformance::Conformance};
use wharf_registry::{DiskBackend, Registry};

use crate::wire::{get, manifest, push_image};

#[tokio::test]
async fn a_local_repository_is_a_source_and_a_sink() {
    let registry = Registry::memory();
    let suite = Conformance::new();
    suite
        .check(&registry.repository("lib/app").unwrap())
        .await
        .unwrap();
    let root = tempfile::tempdir().unwrap();
    let backend = DiskBackend::open(root.path()).await.unwrap();
    let registry = Registry::open(backend).await.unwrap();
    suite
        .check(&registry.repository("lib/app").unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_put_in_is_served_and_the_other_way() {
    let registry = Registry::memory()
        .with_basic("ada", "secret")
        .with_anonymous(true);
    let server = registry.clone().serve().await.unwrap();
    let repository = registry.repository("lib/app").unwrap();
    let name = Target::Name(Name::parse("v1").unwrap());
    assert_eq!(
        repository.resolve(&name).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let document = manifest(b"{}", &[]);
    let image = wharf_content::Manifest::parse(document.clone().into(), None).unwrap();
    let missing = repository.push_manifest(&image, None).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Invalid, "its config is missing");
    let config = image.config().unwrap().clone();
    let blob = wharf_content::Blob::from_bytes(config, b"{}".as_slice().into()).unwrap();
    repository.push_blob(blob).await.unwrap();
    repository
        .push_manifest(&image, Some(&Name::parse("v1").unwrap()))
        .await
        .unwrap();
    assert_eq!(get(&server, "/v2/lib/app/manifests/v1").await.body, document);

    let open = Registry::memory();
    let server = open.clone().serve().await.unwrap();
    let (bytes, _) = push_image(&server, "a", "v1").await;
    let pulled = open.repository("a").unwrap().manifest(&name).await.unwrap();
    assert!(*pulled.bytes() == bytes);
    assert_eq!(open.repository("A").unwrap_err().kind(), ErrorKind::Invalid);
}
