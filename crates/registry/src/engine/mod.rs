//! The backend of one process: a storage, with an index of its records in memory. The index is the truth while
//! the process runs; each change is in the storage's log before it is in the index.

mod aggregates;
mod collect;
mod commit;
mod content;
mod events;
mod gate;
mod intake;
mod leaves;
mod links;
mod note;
mod recent;
mod records;
mod relation;
mod repository;
mod reserved;
mod sessions;
mod uploads;
mod usage;

use std::{
    collections::{BTreeMap, HashSet},
    fmt, iter,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, RwLock},
};

use tokio::sync;
use wharf_content::Error;
use wharf_reference::Digest;

pub use self::collect::{GcOptions, GcReport};
use self::{
    aggregates::Aggregates,
    events::MemoryOutbox,
    links::Links,
    recent::RecentCommits,
    relation::Relation,
    repository::Repository,
    reserved::{QuotaBytes, Reservation, Reservations},
    sessions::Sessions,
    usage::UserUsage,
};
use crate::{
    Change, RepositoryPath, Storage,
    packed::{MANIFEST, PackedDigest, unpack_digest},
    sync::{LockExt as _, RwLockExt as _},
};

/// The number of repositories that are listed at a time, so that other tasks run in between.
const PART: usize = 256;

/// A backend that belongs to one process, over a [`Storage`]. Its records are all in memory; the storage has
/// their log.
///
/// [`MemoryBackend`](crate::MemoryBackend) and [`DiskBackend`](crate::DiskBackend) are such backends. It needs a
/// tokio runtime with a clock.
pub struct LocalBackend<S>(Arc<Engine<S>>);

struct Engine<S> {
    storage: S,
    /// Content is linked under a shared lock and removed under an exclusive one, so that nothing is removed
    /// between the moment it is found and the moment it is linked.
    sweep: Arc<sync::RwLock<()>>,
    repositories: RwLock<BTreeMap<RepositoryPath, Arc<Repository>>>,
    aggregates: Arc<Aggregates>,
    reservations: Mutex<Reservations>,
    sessions: Sessions,
    outbox: MemoryOutbox,
    recent: Mutex<RecentCommits>,
    /// Content that this process has received or verified.
    verified: Mutex<HashSet<PackedDigest>>,
}

impl<S: Storage + 'static> LocalBackend<S> {
    /// Reads the records and uploads of a storage. Uploads whose note cannot be read are dropped.
    ///
    /// # Errors
    ///
    /// Those of the storage, among them [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) for a record
    /// that cannot be read.
    pub async fn load(storage: S) -> Result<Self, Error> {
        let backend = Self::empty(storage);
        let engine = &backend.0;
        let mut records = engine.storage.records().await?;
        while let Some(part) = records.next().await {
            for (path, record) in part? {
                engine.repository(&path).content_mut().apply(&Change::Put(record));
            }
        }
        for (id, note) in engine.storage.uploads().await? {
            let length = engine.storage.length(&id).await?;
            match length.zip(note::decode(&note)) {
                Some((length, session)) => engine.sessions.reopen(id, session, length),
                None => engine.storage.discard(&id).await?,
            }
        }
        Ok(backend)
    }

    /// A backend over a storage that has nothing yet.
    pub(crate) fn empty(storage: S) -> Self {
        Self(Arc::new(Engine {
            storage,
            sweep: Arc::default(),
            repositories: RwLock::default(),
            aggregates: Arc::new(Aggregates::new()),
            reservations: Mutex::default(),
            sessions: Sessions::default(),
            outbox: MemoryOutbox::default(),
            recent: Mutex::default(),
            verified: Mutex::default(),
        }))
    }
}

impl<S> LocalBackend<S> {
    /// The manifests of a repository.
    pub(crate) fn manifests_of(&self, repository: &RepositoryPath) -> Vec<Digest> {
        let repository = self.0.existing(repository);
        repository.map_or_else(Vec::new, |repository| {
            let mut digests = Vec::new();
            repository.each(MANIFEST, |digest, _| digests.extend(unpack_digest(digest)));
            digests
        })
    }

    /// The storage.
    #[must_use]
    pub fn storage(&self) -> &S {
        &self.0.storage
    }
}

impl<S: fmt::Debug> fmt::Debug for LocalBackend<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalBackend").field(&self.0.storage).finish()
    }
}

/// The index.
impl<S> Engine<S> {
    /// The repository, created if it does not exist.
    fn repository(&self, path: &RepositoryPath) -> Arc<Repository> {
        if let Some(repository) = self.existing(path) {
            return repository;
        }
        let mut repositories = self.repositories.write_locked();
        let new = || Arc::new(Repository::new(path.clone(), Arc::clone(&self.aggregates)));
        Arc::clone(repositories.entry(path.clone()).or_insert_with(new))
    }

    /// The repository, if anything was ever pushed to it.
    fn existing(&self, path: &RepositoryPath) -> Option<Arc<Repository>> {
        let repositories = self.repositories.read_locked();
        repositories.get(path).cloned()
    }

    /// The repositories whose names come after this one, in order. They are looked up part by part: a page
    /// costs no more than it shows, and changes do not wait for a long list.
    fn repositories_after(&self, name: &str) -> impl Iterator<Item = Arc<Repository>> {
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
    fn forget_empty(&self) {
        let mut repositories = self.repositories.write_locked();
        // Under this lock nobody comes by one whose only owner is the map.
        repositories
            .retain(|_, repository| Arc::strong_count(repository) > 1 || !repository.content().is_empty());
    }

    /// The reservations. To be locked before sessions and links are.
    fn reservations(&self) -> MutexGuard<'_, Reservations> {
        self.reservations.locked()
    }
}

/// The record of content that this process has received or verified.
impl<S> Engine<S> {
    fn mark_verified(&self, digest: &Digest) {
        let mut verified = self.verified.locked();
        verified.insert(digest.into());
    }

    /// Removes the record that content was verified, since it is gone.
    fn forget(&self, digest: &Digest) {
        let mut verified = self.verified.locked();
        verified.remove(&digest.into());
        if verified.len() < verified.capacity() / 4 {
            verified.shrink_to_fit(); // only below a quarter, since each time copies the set
        }
    }

    fn is_verified(&self, digest: &Digest) -> bool {
        let verified = self.verified.locked();
        verified.contains(&digest.into())
    }
}
