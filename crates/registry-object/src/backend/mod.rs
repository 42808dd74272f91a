//! The backend of a registry.

mod inventory;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use object_store::ObjectStore;
use wharf_content::Error;
use wharf_reference::Digest;
use wharf_registry::{
    Backend, Commit, GcOptions, GcReport, Inventory, Outbox, Outcome, Record, RecordKey, RecordRange,
    Records, RepeatedCommits, RepositoryPath, TokenSecret, Usage,
};

use self::inventory::Counted;
use crate::{Database, ExternalStore, Reclamation, collect::Collector, objects::Objects, uploads::Writers};

/// A registry's storage: records in a [`Database`], the bytes of manifests too, and those of blobs in an object store.
///
/// Any number of processes may open the same database and store, and are one registry. A clone is the same backend.
///
/// The store needs to do little: a put that is there for the next get, ranges, deletions, and a put if absent for its first
/// object, `v1/format`, by which store and database know each other. Whoever can write to the store owns the registry.
#[derive(Clone)]
pub struct ObjectBackend(Arc<Shared>);

struct Shared {
    database: Arc<Database>,
    objects: Objects,
    options: ObjectOptions,
    writers: Writers,
    counted: Counted,
}

/// The way in which objects are used. All processes of a registry should have the same.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ObjectOptions {
    /// The path below which all objects lie; empty by default. Two registries in one store need two paths of
    /// which none is below the other.
    pub prefix: String,
    /// Whether a blob that is pushed when its content is there already, for any repository, is stored once; `true` by
    /// default. Where it is not, a push saves the question whether the objects are there.
    pub share: bool,
    /// The most bytes of an upload in one object, about; 32 GiB by default, which all stores accept. The bytes of a request
    /// beyond them go to another object, and a process that is killed loses no more than these of a request under way.
    pub segment: u64,
    /// The times after which storage is reclaimed.
    pub reclamation: Reclamation,
    /// The whole bucket in which the objects are, [`Store::external`](crate::Store::external), for content that an import left
    /// where another registry has written it; `None` by default. All processes need it once there is such content.
    pub external: Option<ExternalStore>,
    /// The signer of URLs at which clients read blobs from the store itself, [`Store::signer`](crate::Store::signer), for
    /// a registry [with redirects](wharf_registry::Registry::with_redirects); `None` by default. A blob of several
    /// objects is read through the registry.
    #[cfg(feature = "http")]
    pub signer: Option<Arc<dyn object_store::signer::Signer>>,
    /// The clock of the store, [`Store::clock`](crate::Store::clock): a process whose own clock differs by more than 5 minutes is not
    /// ready, since requests are signed with the time. `None` by default: clocks are not compared.
    #[cfg(feature = "http")]
    pub clock: Option<crate::StoreClock>,
}

impl Default for ObjectOptions {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            share: true,
            segment: 32 << 30,
            reclamation: Reclamation::default(),
            external: None,
            #[cfg(feature = "http")]
            signer: None,
            #[cfg(feature = "http")]
            clock: None,
        }
    }
}

impl ObjectBackend {
    /// Checks that the store and the database belong together, and joins them if both are new.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) if the store belongs to another registry than the database, if it is empty and the
    /// database has content in objects, if it has a layout of a later release, or if content lies in objects of another
    /// registry and [`ObjectOptions::external`] is not set; [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid) for a prefix that is
    /// no path; those of the database and of the store.
    pub async fn open(
        database: Database,
        store: Arc<dyn ObjectStore>,
        options: ObjectOptions,
    ) -> Result<Self, Error> {
        let registry = database.registry_id().await?;
        let (external, layout) = (options.external.clone(), database.layout());
        let objects = Objects::new(store, &options.prefix, external, registry, layout)?;
        let named = inventory::named_objects(&database).await?;
        if named.external {
            objects.external()?;
        }
        objects.check_format(!named.own).await?;
        let backend = Self(Arc::new(Shared {
            database: Arc::new(database),
            objects,
            options,
            writers: Writers::default(),
            counted: Counted::default(),
        }));
        backend.count_at_opening().await;
        Ok(backend)
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Arc<Database> {
        &self.0.database
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.0.objects
    }

    pub(crate) fn options(&self) -> &ObjectOptions {
        &self.0.options
    }

    pub(crate) fn writers(&self) -> &Writers {
        &self.0.writers
    }
}

impl fmt::Debug for ObjectBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectBackend")
            .field("database", &self.0.database)
            .field("objects", &self.0.objects)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for ObjectBackend {
    async fn collect(&self, options: &GcOptions) -> Result<GcReport, Error> {
        let collector = Collector {
            database: self.database(),
            objects: self.objects(),
            times: &self.options().reclamation,
            options,
        };
        collector.run().await
    }

    async fn ping(&self) -> Result<(), Error> {
        let (database, belongs) = tokio::join!(self.database().check(), self.objects().belongs());
        database?;
        belongs?.inspect_err(|reason| self.database().forbid_changes(reason))?;
        #[cfg(feature = "http")]
        if let Some(clock) = &self.options().clock {
            clock.check()?;
        }
        Ok(())
    }

    async fn token_secret(&self) -> Result<Option<TokenSecret>, Error> {
        self.database().token_secret().await.map(Some)
    }

    async fn revoke_tokens(&self) -> Result<(), Error> {
        self.database().revoke_tokens().await
    }

    fn inventory(&self) -> Inventory {
        self.counted()
    }

    fn repeated_commits(&self) -> RepeatedCommits {
        self.database().repeated_commits()
    }

    fn outbox(&self) -> Option<&dyn Outbox> {
        Some(&**self.database())
    }
}

#[async_trait]
impl Records for ObjectBackend {
    async fn values(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error> {
        self.database().values(repository, keys).await
    }

    async fn touch(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error> {
        self.database().touch(repository, keys).await
    }

    async fn range(
        &self,
        repository: &RepositoryPath,
        range: &RecordRange,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        self.database().range(repository, range, after, limit).await
    }

    async fn exists(&self, repository: &RepositoryPath) -> Result<bool, Error> {
        self.database().exists(repository).await
    }

    async fn repositories(&self, after: &str, limit: usize) -> Result<Vec<RepositoryPath>, Error> {
        self.database().repositories(after, limit).await
    }

    async fn holders(&self, digest: &Digest, limit: usize) -> Result<Vec<RepositoryPath>, Error> {
        self.database().holders(digest, limit).await
    }

    /// Bytes of linked blobs and manifests, and of open uploads: those that this process writes to the last byte that was
    /// received, the others as far as they are stored.
    async fn usage(&self, repository: &RepositoryPath, user: Option<&str>) -> Result<Usage, Error> {
        let received = self.writers().received(repository, user);
        let stored = self
            .database()
            .usage_with_uploads(repository, user, &received.uploads)
            .await?;
        Ok(Usage {
            repository: stored.repository.saturating_add(received.repository),
            user: stored.user.saturating_add(received.user),
        })
    }

    async fn commit(&self, repository: &RepositoryPath, commit: Commit) -> Result<Outcome, Error> {
        self.database().commit(repository, commit).await
    }

    fn health(&self) -> Result<(), Error> {
        self.database().health()
    }
}
