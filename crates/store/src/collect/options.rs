use std::{path::PathBuf, time::Duration};

use wharf_reference::Digest;

use crate::os::Stamp;

/// How [`Layout::collect`](crate::Layout::collect) works.
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

    /// How long blobs stay that another tool has put there: it takes no lease, and names what it writes last.
    /// One hour by default. What this crate has written needs no such time.
    #[must_use]
    pub const fn with_foreign_grace(mut self, grace: Duration) -> Self {
        self.foreign_grace = grace;
        self
    }

    /// How long a download that was cut waits to be continued, and a damaged blob for inspection: seven days
    /// by default. Zero removes all that nobody is writing to.
    #[must_use]
    pub const fn with_partial_age(mut self, age: Duration) -> Self {
        self.partial_age = age;
        self
    }

    pub(super) fn is_old_enough(&self, ours: bool, stamp: &Stamp) -> bool {
        ours || self.foreign_grace.is_zero() || stamp.age() > self.foreign_grace
    }
}

/// Which images [`Layout::prune`](crate::Layout::prune) removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prune {
    /// Those without a name.
    Dangling,
    /// All.
    All,
}

/// What a collection has removed, or would remove.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Collected {
    /// Entries removed from index.json.
    pub images: usize,
    /// Blobs and manifests removed, with their sizes in bytes.
    pub blobs: Vec<(Digest, u64)>,
    /// Downloads that had been given up, and other leftovers.
    pub leftovers: usize,
    /// Their size in bytes.
    pub leftover_bytes: u64,
    /// Blobs and manifests that stay.
    pub kept: usize,
    /// Files in the directories of blobs that are none; they are left alone.
    pub foreign: Vec<PathBuf>,
}

impl Collected {
    /// How many bytes were freed, or would be.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let blobs = self.blobs.iter().map(|(_, size)| size);
        blobs.sum::<u64>().saturating_add(self.leftover_bytes)
    }
}
