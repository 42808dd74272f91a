use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};

use super::Repository;
use crate::{Change, Commit, Guard, Record};

/// A lock of a repository: exclusive for changes of manifests and tags, for removals and for guards, so that guards
/// and changes are one step; shared while blobs are linked without guards but quotas.
pub(super) enum Gate {
    Shared(#[expect(dead_code, reason = "it is held")] OwnedRwLockReadGuard<()>),
    Exclusive(#[expect(dead_code, reason = "it is held")] OwnedRwLockWriteGuard<()>),
}

impl Gate {
    pub(super) async fn of(repository: &Repository, commit: &Commit) -> Self {
        let lock = repository.commit_lock();
        let is_blob = |change: &Change| matches!(change, Change::Put(Record::Blob(..)));
        // Quotas are exact by reservations; no other condition may change before the commit.
        let is_quota = |guard: &Guard| matches!(guard, Guard::RepositoryQuota(_) | Guard::UserQuota(..));
        if commit.changes.iter().all(is_blob) && commit.guards.iter().all(is_quota) {
            Self::Shared(lock.read_owned().await)
        } else {
            Self::Exclusive(lock.write_owned().await)
        }
    }
}
