//! The commits of this process, of which few of one repository have a connection at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wharf_registry::RepositoryPath;

/// The most commits of one repository at a time: one that has its lock, and one that waits for it so that it goes on
/// without a round trip. More would take the connections of other repositories, only to wait.
const AT_ONCE: usize = 2;

/// The fewest repositories that are remembered before those are forgotten that have no commit.
const REMEMBERED: usize = 64;

/// Limits the commits of each repository.
#[derive(Default)]
pub(crate) struct CommitLimiter(Mutex<Repositories>);

#[derive(Default)]
struct Repositories {
    permits: HashMap<RepositoryPath, Weak<Semaphore>>,
    /// The number at which those without a commit are forgotten.
    full: usize,
}

impl CommitLimiter {
    /// Waits until few other commits of the repository are under way.
    pub(super) async fn acquire(&self, repository: &RepositoryPath) -> Option<OwnedSemaphorePermit> {
        let permits = self.permits(repository);
        permits.acquire_owned().await.ok()
    }

    fn permits(&self, repository: &RepositoryPath) -> Arc<Semaphore> {
        let mut repositories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(permits) = repositories.permits.get(repository).and_then(Weak::upgrade) {
            return permits;
        }
        if repositories.permits.len() >= repositories.full {
            repositories
                .permits
                .retain(|_, permits| permits.strong_count() > 0);
            repositories.full = (repositories.permits.len() * 2).max(REMEMBERED);
        }
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        repositories
            .permits
            .insert(repository.clone(), Arc::downgrade(&permits));
        permits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn repositories_without_a_commit_are_forgotten() {
        let limiter = CommitLimiter::default();
        let path = |number: usize| RepositoryPath::parse(&format!("app/{number}")).unwrap();
        let first = limiter.acquire(&path(0)).await.unwrap();
        let second = limiter.acquire(&path(0)).await.unwrap();
        for number in 1..1000 {
            drop(limiter.acquire(&path(number)).await.unwrap());
            let remembered = limiter.0.lock().unwrap().permits.len();
            assert!(remembered <= REMEMBERED, "{remembered}");
        }
        assert_eq!(limiter.permits(&path(0)).available_permits(), 0);
        drop((first, second));
        assert_eq!(limiter.permits(&path(0)).available_permits(), AT_ONCE);
    }
}
