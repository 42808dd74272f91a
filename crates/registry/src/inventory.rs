use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Registry;

/// What a registry holds and has to remember: for metrics, and to see whether something grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inventory {
    /// Repositories that have something.
    pub repositories: usize,
    /// Tags of all of them.
    pub tags: usize,
    /// Manifests, each once per repository.
    pub manifests: usize,
    /// Blobs, each once per repository.
    pub blobs: usize,
    /// Bytes of these manifests and blobs.
    pub bytes: u64,
    /// Upload sessions that are open.
    pub uploads: usize,
    /// Bytes that have come in these sessions.
    pub uploading: u64,
    /// Digests of content that was found intact since the registry opened.
    pub verified: usize,
}

impl Registry {
    /// Counts what is linked, in time that does not depend on how much that is; what happens meanwhile may be
    /// counted or not.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let totals = &self.state.aggregates.totals;
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let mut inventory = Inventory {
            repositories: count(&totals.repositories),
            tags: count(&totals.tags),
            manifests: count(&totals.manifests),
            blobs: count(&totals.blobs),
            bytes: totals.bytes.load(Ordering::Relaxed),
            verified: self.state.trusted(),
            ..Inventory::default()
        };
        for session in self.state.uploads().values() {
            inventory.uploads += 1;
            inventory.uploading += session.received();
        }
        inventory
    }
}
