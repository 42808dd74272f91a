//! The state of a registry: repositories with their links to shared content, and open uploads. It is held in
//! memory, and each change is recorded in the backend before it is acknowledged.

mod aggregates;
mod hashing;
mod operations;
mod presence;
mod push;
mod quota;
mod relation;
mod repository;
mod reserved;
mod session;
mod single_flight;
mod usage;
mod verify;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    iter,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync;
use wharf_content::Error;
use wharf_reference::Digest;

pub(crate) use self::{
    aggregates::Aggregates,
    push::{ManifestPush, Needs, PushError},
    quota::{Quota, QuotaExceeded},
    repository::{BlobLink, Links, Repository},
    reserved::{QuotaBytes, Reservation, Reservations},
    session::{Session, UploadOwner, UploadProgress},
    single_flight::SingleFlight,
    usage::Usage,
};
use self::{hashing::Hashes, relation::Relation};
use crate::{
    Backend, Change, Observer, RepositoryPath,
    sync::{LockExt as _, RwLockExt as _},
};

/// The number of repositories that are listed at a time, so that other tasks run in between.
const PART: usize = 256;

pub(crate) struct RegistryState {
    pub(crate) backend: Arc<dyn Backend>,
    /// Content is linked under a shared lock and removed under an exclusive one, so that nothing is removed
    /// between the moment it is found and the moment it is linked.
    pub(crate) sweep: Arc<sync::RwLock<()>>,
    repositories: RwLock<BTreeMap<RepositoryPath, Arc<Repository>>>,
    uploads: Mutex<HashMap<String, Arc<Session>>>,
    reservations: Mutex<Reservations>,
    pub(crate) aggregates: Arc<Aggregates>,
    observer: Mutex<Option<Arc<dyn Observer>>>,
    /// Whether the last change could not be recorded.
    failing: AtomicBool,
    /// Content that this process has received or verified.
    verified: Mutex<HashSet<Digest>>,
    /// The hashes for reads of a part of content that is not verified yet.
    hashes: Hashes,
}

impl RegistryState {
    pub(crate) fn empty(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            sweep: Arc::default(),
            repositories: RwLock::default(),
            uploads: Mutex::default(),
            reservations: Mutex::default(),
            aggregates: Arc::new(Aggregates::new()),
            observer: Mutex::default(),
            failing: AtomicBool::new(false),
            verified: Mutex::default(),
            hashes: Hashes::default(),
        }
    }

    /// Loads the records and uploads of a backend. Uploads whose note cannot be read are dropped.
    pub(crate) async fn load(backend: Arc<dyn Backend>) -> Result<Self, Error> {
        let state = Self::empty(Arc::clone(&backend));
        let mut records = backend.records().await?;
        while let Some(part) = records.next().await {
            for (path, record) in part? {
                state.repository(&path).content_mut().apply(Change::Put(record));
            }
        }
        for (id, note) in backend.uploads().await? {
            let length = backend.length(&id).await?;
            match length.and_then(|length| Session::resumed(&note, length)) {
                Some(session) => {
                    state.uploads().insert(id, Arc::new(session));
                }
                None => backend.discard(&id).await?,
            }
        }
        Ok(state)
    }

    /// Sets the observer of corrupt content and of the storage.
    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) {
        *self.observer.locked() = Some(observer);
    }

    fn observer(&self) -> Option<Arc<dyn Observer>> {
        let observer = self.observer.locked();
        observer.clone()
    }

    /// Records changes, and tells the observer when recording begins to fail and when it works again.
    async fn record(&self, path: &RepositoryPath, changes: &[Change]) -> Result<(), Error> {
        let recorded = self.backend.commit(path, changes).await;
        let failing = recorded.is_err();
        if self.failing.swap(failing, Ordering::Relaxed) != failing
            && let Some(observer) = self.observer()
        {
            match &recorded {
                Ok(()) => observer.storage_recovered(),
                Err(error) => observer.storage_failed(error),
            }
        }
        recorded
    }

    /// The repository, created if it does not exist.
    pub(crate) fn repository(&self, path: &RepositoryPath) -> Arc<Repository> {
        if let Some(repository) = self.existing(path) {
            return repository;
        }
        let mut repositories = self.repositories.write_locked();
        let new = || Arc::new(Repository::new(path.clone(), Arc::clone(&self.aggregates)));
        Arc::clone(repositories.entry(path.clone()).or_insert_with(new))
    }

    /// The repository, if anything was ever pushed to it.
    pub(crate) fn existing(&self, path: &RepositoryPath) -> Option<Arc<Repository>> {
        let repositories = self.repositories.read_locked();
        repositories.get(path).cloned()
    }

    /// The repositories whose names come after this one, in order. They are looked up part by part: a page
    /// costs no more than it shows, and changes do not wait for a long list.
    pub(crate) fn repositories_after(&self, name: &str) -> impl Iterator<Item = Arc<Repository>> {
        let mut last = name.to_owned();
        let part = move || {
            let repositories = self.repositories.read_locked();
            let after = (Bound::Excluded(last.as_str()), Bound::Unbounded);
            let part = repositories.range::<str, _>(after).take(PART);
            let part = part
                .map(|(_, repository)| Arc::clone(repository))
                .collect::<Vec<_>>();
            part.last()?.path.as_str().clone_into(&mut last);
            Some(part)
        };
        iter::from_fn(part).flatten()
    }

    /// Forgets repositories that hold nothing and that no request is about to fill, so that names alone take
    /// no memory.
    pub(crate) fn forget_empty(&self) {
        let mut repositories = self.repositories.write_locked();
        // Under this lock nobody comes by one whose only owner is the map.
        repositories
            .retain(|_, repository| Arc::strong_count(repository) > 1 || !repository.content().is_empty());
    }

    /// The reservations. To be locked before uploads and links are.
    pub(crate) fn reservations(&self) -> MutexGuard<'_, Reservations> {
        self.reservations.locked()
    }

    pub(crate) fn uploads(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.uploads.locked()
    }

    /// Opens an upload session.
    pub(crate) async fn begin(&self, session: Session) -> Result<(String, Arc<Session>), Error> {
        let id = random_id()?;
        self.backend.begin(&id, &session.note()?).await?;
        let session = Arc::new(session);
        self.uploads().insert(id.clone(), Arc::clone(&session));
        Ok((id, session))
    }

    /// Ends an upload session that did not become content.
    pub(crate) async fn abandon(&self, id: &str) -> Result<(), Error> {
        self.uploads().remove(id);
        self.backend.discard(id).await
    }
}

/// 128 unguessable bits in hexadecimal.
pub(crate) fn random_id() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(
            wharf_content::ErrorKind::Other,
            format!("the operating system returned no random bytes: {error}"),
        )
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
