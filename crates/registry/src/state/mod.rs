//! Who holds what: repositories, their links to shared content, open uploads. Kept in memory, recorded in the
//! backend before it is acknowledged.

mod record;
mod repository;
mod session;
mod usage;
mod verify;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use tokio::{sync, time::Instant};
use wharf_content::Error;
use wharf_reference::Digest;

use self::record::Loaded;
pub(crate) use self::{
    record::{BlobRecord, ManifestRecord, blob_change, manifest_change, removal, tag_change},
    repository::{Content, Repository},
    session::{Progress, Session},
    usage::Usage,
};
use crate::{Backend, Change, Observer, route::Path};

pub(crate) struct State {
    pub(crate) backend: Arc<dyn Backend>,
    /// Content is linked under a shared hold and removed under an exclusive one, so that nothing is removed
    /// between the moment it is found and the moment it is linked.
    pub(crate) sweep: sync::RwLock<()>,
    repositories: RwLock<BTreeMap<Path, Arc<Repository>>>,
    uploads: Mutex<HashMap<String, Arc<Session>>>,
    pub(crate) usage: Usage,
    observer: Mutex<Option<Arc<dyn Observer>>>,
    /// Content that this process has seen to have its digest.
    verified: Mutex<HashSet<Digest>>,
    /// When manifests were pulled, for [`Quirk::PullLimit`](crate::Quirk::PullLimit).
    pub(crate) pulls: Mutex<Vec<Instant>>,
}

impl State {
    pub(crate) fn empty(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            sweep: sync::RwLock::default(),
            repositories: RwLock::default(),
            uploads: Mutex::default(),
            usage: Usage::default(),
            observer: Mutex::default(),
            verified: Mutex::default(),
            pulls: Mutex::default(),
        }
    }

    /// Reads what the backend holds. Uploads whose note cannot be read are dropped.
    pub(crate) async fn load(backend: Arc<dyn Backend>) -> Result<Self, Error> {
        let state = Self::empty(Arc::clone(&backend));
        for (key, value) in backend.records().await? {
            match record::load(&key, &value)? {
                Loaded::Manifest(path, digest, manifest) => {
                    state
                        .repository(&path)
                        .content_mut()
                        .insert_manifest(digest, manifest);
                }
                Loaded::Blob(path, digest, blob) => {
                    state.repository(&path).content_mut().insert_blob(digest, blob);
                }
                Loaded::Tag(path, tag, digest) => {
                    state.repository(&path).content_mut().insert_tag(tag, digest);
                }
            }
        }
        for (id, note) in backend.uploads().await? {
            match Session::resumed(&note, backend.flush(&id).await?) {
                Some(session) => {
                    state.uploads().insert(id, Arc::new(session));
                }
                None => backend.discard(&id).await?,
            }
        }
        Ok(state)
    }

    /// Who is told of damage.
    pub(crate) fn observe(&self, observer: Arc<dyn Observer>) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(observer);
    }

    /// The repository, made if there is none.
    pub(crate) fn repository(&self, path: &Path) -> Arc<Repository> {
        if let Some(repository) = self.existing(path) {
            return repository;
        }
        let mut repositories = self.repositories.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Repository::new(self.usage.clone()));
        Arc::clone(repositories.entry(path.clone()).or_insert_with(new))
    }

    /// The repository, if anything was ever pushed to it.
    pub(crate) fn existing(&self, path: &Path) -> Option<Arc<Repository>> {
        let repositories = self.repositories.read().unwrap_or_else(PoisonError::into_inner);
        repositories.get(path).cloned()
    }

    /// All repositories, by name.
    pub(crate) fn repositories(&self) -> Vec<(Path, Arc<Repository>)> {
        let repositories = self.repositories.read().unwrap_or_else(PoisonError::into_inner);
        repositories
            .iter()
            .map(|(path, repository)| (path.clone(), Arc::clone(repository)))
            .collect()
    }

    /// Forgets repositories that hold nothing and that nobody is about to fill, so that names alone take no
    /// memory.
    pub(crate) fn forget_empty(&self) {
        let mut repositories = self.repositories.write().unwrap_or_else(PoisonError::into_inner);
        // Under this lock nobody comes by one whose only owner is the map.
        repositories
            .retain(|_, repository| Arc::strong_count(repository) > 1 || !repository.content().is_empty());
    }

    pub(crate) fn uploads(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Records changes of the backend.
    pub(crate) async fn write(&self, changes: Vec<Change>) -> Result<(), Error> {
        self.backend.write(changes).await
    }
}

/// 128 unguessable bits in hexadecimal.
pub(crate) fn random_id() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(
            wharf_content::ErrorKind::Other,
            format!("the system gives no random bytes: {error}"),
        )
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
