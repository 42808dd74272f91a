//! The work of a registry between its endpoints and its backend. It holds nothing that is true for longer than
//! a request: repositories are views of the backend's records.

mod hashing;
mod push;
mod quota;
mod read;
mod single_flight;
mod upload;
mod view;
mod writers;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use wharf_content::Error;

use self::{hashing::Hashes, writers::Writers};
pub(crate) use self::{
    push::{Condition, ManifestPush, Needs, PushError},
    quota::{Quota, QuotaExceeded},
    single_flight::SingleFlight,
    upload::hash,
    view::Repository,
    writers::{Claim, Claimed},
};
use crate::{
    Backend, Commit, NewContent, Observer, Outcome, RepositoryPath, backend::Hooked, observe::CurrentObserver,
};

pub(crate) struct RegistryState {
    pub(crate) backend: Arc<dyn Backend>,
    /// The uploads to which requests of this process write.
    pub(crate) writers: Arc<Writers>,
    observer: CurrentObserver,
    /// Whether the last change could not be recorded.
    failing: AtomicBool,
    /// The hashes for reads of a part of content that is not verified yet.
    hashes: Hashes,
}

impl RegistryState {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        let observer = CurrentObserver::default();
        Self {
            backend: Arc::new(Hooked::new(backend, observer.clone())),
            writers: Arc::default(),
            observer,
            failing: AtomicBool::new(false),
            hashes: Hashes::default(),
        }
    }

    /// Sets the observer of corrupt content and of the storage.
    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) {
        self.observer.set(observer);
    }

    pub(crate) fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.observer.get()
    }

    /// A view of a repository, whether it exists or not.
    pub(crate) fn repository<'a>(&'a self, path: &'a RepositoryPath) -> Repository<'a> {
        Repository::new(self, path)
    }

    async fn commit(&self, path: &RepositoryPath, commit: Commit) -> Result<Outcome, Error> {
        let outcome = self.backend.commit(path, commit).await;
        self.note_outcome(outcome.as_ref().err());
        outcome
    }

    async fn link(
        &self,
        path: &RepositoryPath,
        content: NewContent,
        commit: Commit,
    ) -> Result<Outcome, Error> {
        let outcome = self.backend.link(path, content, commit).await;
        self.note_outcome(outcome.as_ref().err());
        outcome
    }

    /// Tells the observer when changes begin to fail and when they work again.
    pub(crate) fn note_outcome(&self, failure: Option<&Error>) {
        let failing = failure.is_some();
        if self.failing.swap(failing, Ordering::Relaxed) != failing
            && let Some(observer) = self.observer()
        {
            match failure {
                None => observer.storage_recovered(),
                Some(error) => observer.storage_failed(error),
            }
        }
    }
}
