//! A repository passes the suite that every source and sink must pass.

use wharf_config::{Lookaside, SignatureStore};
use wharf_content::conformance::Conformance;
use wharf_reference::Repository;
use wharf_registry::Registry;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_conforms() {
    let server = Registry::memory().serve().await.unwrap();
    let registry = server.registry();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().display());
    let everywhere = SignatureStore::default()
        .with_attachments(true)
        .with_lookaside(Lookaside::parse(&url).unwrap());
    for (path, store) in [
        ("team/app", SignatureStore::default()),
        ("team/signed", everywhere),
    ] {
        let client = wharf_distribution::Client::builder()
            .with_plain_http(registry.clone())
            .with_signature_locations(store)
            .build()
            .unwrap();
        let remote = client.remote(&Repository::new(&registry, path).unwrap());
        let checks = Conformance::new().check(&remote).await.unwrap();
        assert!(checks > 600, "{checks}");
    }
}
