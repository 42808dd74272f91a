//! A repository passes the suite that every source and sink must pass.

use wharf_content::conformance::Conformance;
use wharf_reference::Repository;
use wharf_registry::Registry;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_conforms() {
    let server = Registry::memory().serve().await.unwrap();
    let registry = server.registry();
    let client = wharf_distribution::Client::builder()
        .with_plain_http(registry.clone())
        .build()
        .unwrap();
    let remote = client.remote(&Repository::new(&registry, "team/app").unwrap());
    let checks = Conformance::new().check(&remote).await.unwrap();
    assert!(checks > 600, "{checks}");
}
