//! Reservations: bytes that count against quotas before they are linked, so that concurrent requests do not
//! exceed a quota together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::RepositoryPath;

/// All reservations of a backend. Nothing is linked while they are locked.
#[derive(Default)]
pub(crate) struct Reservations(Vec<Arc<Reserved>>);

/// A reservation, which ends when this is dropped.
pub(crate) struct Reservation(Arc<Reserved>);

struct Reserved {
    repository: RepositoryPath,
    user: Option<Box<str>>,
    /// Bytes that are reserved, of the repository's quota and of the user's.
    more: QuotaBytes<AtomicU64>,
    /// Whether these are bytes of an open upload, which count as such.
    uploaded: bool,
}

/// Bytes, for the quota of a repository and for that of a user.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct QuotaBytes<T = u64> {
    pub(crate) repository: T,
    pub(crate) user: T,
}

impl Reservations {
    pub(crate) fn add(
        &mut self,
        repository: RepositoryPath,
        user: Option<Box<str>>,
        more: QuotaBytes,
        uploaded: bool,
    ) -> Reservation {
        self.0.retain(|reserved| Arc::strong_count(reserved) > 1);
        let more = QuotaBytes {
            repository: AtomicU64::new(more.repository),
            user: AtomicU64::new(more.user),
        };
        let reserved = Arc::new(Reserved {
            repository,
            user,
            more,
            uploaded,
        });
        self.0.push(Arc::clone(&reserved));
        Reservation(reserved)
    }

    /// Bytes that are reserved in a repository; those of uploads included if `uploads` says so.
    pub(crate) fn of_repository(&self, path: &RepositoryPath, uploads: bool) -> u64 {
        let own = self
            .0
            .iter()
            .filter(|reserved| reserved.repository == *path && (uploads || !reserved.uploaded));
        own.map(|reserved| reserved.more.repository.load(Ordering::Relaxed))
            .sum()
    }

    /// Bytes that are reserved for a user; those of uploads included if `uploads` says so.
    pub(crate) fn of_user(&self, user: &str, uploads: bool) -> u64 {
        let own = self
            .0
            .iter()
            .filter(|reserved| reserved.user.as_deref() == Some(user) && (uploads || !reserved.uploaded));
        own.map(|reserved| reserved.more.user.load(Ordering::Relaxed))
            .sum()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Without the lock, which who links has already.
        self.0.more.repository.store(0, Ordering::Relaxed);
        self.0.more.user.store(0, Ordering::Relaxed);
    }
}
