//! The backend of one process: a storage, with an index of its records in memory. The index is the truth while
//! the process runs; each change is in the storage's log before it is in the index.

mod aggregates;
mod collect;
mod commit;
mod content;
mod events;
mod gate;
mod index;
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
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync;
use wharf_content::Error;
use wharf_reference::Digest;

pub use self::collect::{GcOptions, GcReport};
pub(crate) use self::index::{Index, Loading};
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
    sync::LockExt as _,
};

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
    index: Index,
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
        let index = Index::default();
        let mut records = storage.records().await?;
        while let Some(part) = records.next().await {
            for (path, record) in part? {
                index.repository(&path).content_mut().apply(&Change::Put(record));
            }
        }
        Self::with_index(storage, index).await
    }

    /// A backend over a storage with these records.
    pub(crate) async fn with_index(storage: S, index: Index) -> Result<Self, Error> {
        let backend = Self::over_index(storage, index);
        let engine = &backend.0;
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
        Self::over_index(storage, Index::default())
    }

    fn over_index(storage: S, index: Index) -> Self {
        Self(Arc::new(Engine {
            storage,
            sweep: Arc::default(),
            index,
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
        let repository = self.0.index.existing(repository.as_str());
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

impl<S> Engine<S> {
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
