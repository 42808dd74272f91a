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
    /// Contents that this process has received or verified.
    pub verified: usize,
}
