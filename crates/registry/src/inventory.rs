/// The number of things that a registry stores and holds in memory: for metrics, and to notice growth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inventory {
    /// Repositories that have a manifest or a blob.
    pub repositories: usize,
    /// Tags in all repositories.
    pub tags: usize,
    /// Manifests, each once per repository.
    pub manifests: usize,
    /// Blobs, each once per repository.
    pub blobs: usize,
    /// Bytes of these manifests and blobs.
    pub bytes: u64,
    /// Upload sessions that are open.
    pub uploads: usize,
    /// Bytes that were received in these sessions.
    pub uploading: u64,
    /// Events that wait for a subscriber, once for each that they wait for.
    pub events: u64,
    /// Objects that nothing names any more and that a collection has yet to delete; 0 in an engine whose collection
    /// deletes at once.
    pub doomed: u64,
    /// Contents that this process has received or verified.
    pub verified: usize,
}
