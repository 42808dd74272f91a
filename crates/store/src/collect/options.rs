use std::{path::PathBuf, time::Duration};

use wharf_fs::Stamp;
use wharf_reference::Digest;

/// The settings of [`Layout::collect`](crate::Layout::collect).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Collect {
    pub(crate) dry_run: bool,
    pub(super) foreign_grace: Duration,
    pub(super) partial_age: Duration,
}

impl Default for Collect {
    fn default() -> Self {
        Self {
            dry_run: false,
            foreign_grace: Duration::from_secs(60 * 60),
            partial_age: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

impl Collect {
    /// Sets whether the collection only reports what it would remove. Default: `false`.
    #[must_use]
    pub const fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets how long unneeded blobs of other tools stay: such a tool takes no lease and sets names last.
    /// Default one hour. Blobs that this crate has written need no such time.
    #[must_use]
    pub const fn with_foreign_grace(mut self, grace: Duration) -> Self {
        self.foreign_grace = grace;
        self
    }

    /// Sets how long partial blobs stay for a resume, and corrupt blobs for inspection. Default seven days.
    /// Zero removes all that no process writes to.
    #[must_use]
    pub const fn with_partial_age(mut self, age: Duration) -> Self {
        self.partial_age = age;
        self
    }

    pub(super) fn is_old_enough(&self, ours: bool, stamp: &Stamp) -> bool {
        ours || self.foreign_grace.is_zero() || stamp.age() > self.foreign_grace
    }
}

/// The images that [`Layout::prune`](crate::Layout::prune) removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prune {
    /// Images without a name.
    Dangling,
    /// All images.
    All,
}

/// The content that a collection has removed, or would remove.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Collected {
    /// The number of entries removed from index.json.
    pub images: usize,
    /// The blobs and manifests removed, with their sizes in bytes.
    pub blobs: Vec<(Digest, u64)>,
    /// The number of partial, temporary and corrupt files removed.
    pub leftovers: usize,
    /// The size of these files in bytes.
    pub leftover_bytes: u64,
    /// The number of blobs and manifests that stay.
    pub kept: usize,
    /// Files in the directories of blobs that are no blobs. They are not touched.
    pub foreign: Vec<PathBuf>,
}

impl Collected {
    /// The number of bytes that were freed, or would be.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let blobs = self.blobs.iter().map(|(_, size)| size);
        blobs.sum::<u64>().saturating_add(self.leftover_bytes)
    }
}
