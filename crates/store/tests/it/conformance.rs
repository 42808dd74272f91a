//! Both stores pass the suite that anyone's store must pass.

use wharf_content::conformance::Conformance;
use wharf_store::{Layout, Memory};

#[tokio::test]
async fn a_layout_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let store = Layout::create(directory.path().join("store")).await.unwrap();
    let checks = Conformance::new().check(&store).await.unwrap();
    assert!(checks > 600, "{checks}");
}

#[tokio::test]
async fn memory_conforms() {
    let checks = Conformance::new().check(&Memory::new()).await.unwrap();
    assert!(checks > 600, "{checks}");
}
