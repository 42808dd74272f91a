//! The data about all repositories together, such as sums over them; updated whenever one of them changes.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::time::Instant;

use super::{Relation, UserUsage};
use crate::{RepositoryPath, packed::PackedDigest, sync::LockExt as _};

pub(crate) struct Aggregates {
    pub(crate) usage: UserUsage,
    pub(crate) totals: Totals,
    /// The repositories that hold content, as a blob or as a manifest.
    holders: Mutex<Relation<PackedDigest, RepositoryPath>>,
    /// The instant from which the times in [`Touched`] count.
    started: Instant,
}

/// Sums over all repositories.
#[derive(Default)]
pub(crate) struct Totals {
    /// Repositories that hold something.
    pub(crate) repositories: AtomicUsize,
    pub(crate) tags: AtomicUsize,
    pub(crate) manifests: AtomicUsize,
    pub(crate) blobs: AtomicUsize,
    /// Bytes of these manifests and blobs.
    pub(crate) bytes: AtomicU64,
}

/// The time when a client last learned that an item exists, in milliseconds since the backend opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Touched(u64);

impl Aggregates {
    pub(crate) fn new() -> Self {
        Self {
            usage: UserUsage::default(),
            totals: Totals::default(),
            holders: Mutex::default(),
            started: Instant::now(),
        }
    }

    pub(crate) fn link(&self, digest: PackedDigest, path: RepositoryPath) {
        self.holders().insert(digest, path);
    }

    pub(crate) fn unlink(&self, digest: &PackedDigest, path: &RepositoryPath) {
        self.holders().remove(digest, path);
    }

    /// Whether any repository holds the content.
    pub(crate) fn is_linked(&self, digest: &PackedDigest) -> bool {
        self.holders().contains(digest)
    }

    /// Repositories that hold the content, at most `limit`.
    pub(crate) fn holders_of(&self, digest: &PackedDigest, limit: usize) -> Vec<RepositoryPath> {
        self.holders().of(digest).take(limit).cloned().collect()
    }

    fn holders(&self) -> MutexGuard<'_, Relation<PackedDigest, RepositoryPath>> {
        self.holders.locked()
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Touched {
    pub(crate) const fn at(now: u64) -> Self {
        Self(now)
    }

    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_le_bytes(bytes))
    }

    pub(crate) const fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Whether that was at least `grace` milliseconds before `now`.
    pub(crate) fn is_before(self, now: u64, grace: u128) -> bool {
        u128::from(now.saturating_sub(self.0)) >= grace
    }
}

/// Adds or subtracts one.
pub(crate) fn step(counter: &AtomicUsize, up: bool) {
    if up {
        counter.fetch_add(1, Ordering::Relaxed);
    } else {
        counter.fetch_sub(1, Ordering::Relaxed);
    }
}
