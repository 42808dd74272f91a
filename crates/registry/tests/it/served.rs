//! The registries that the checks of conformance run against.

use wharf_registry::{DiskBackend, Registry};

pub(crate) use wharf_registry::Server;

/// Runs a check against a registry in memory and one on a disk.
pub(crate) async fn each(configure: impl Fn(Registry) -> Registry, check: impl AsyncFn(&Server)) {
    let root = tempfile::tempdir().unwrap();
    let backend = DiskBackend::open(root.path()).await.unwrap();
    for registry in [Registry::memory(), Registry::open(backend).await.unwrap()] {
        check(&configure(registry).serve().await.unwrap()).await;
    }
}
