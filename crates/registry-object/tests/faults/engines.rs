//! The database and the store that the processes share.

use std::{path::Path, sync::Arc, time::Duration};

use object_store::{ObjectStore, ObjectStoreExt as _};
use wharf_content::Error;
use wharf_registry_object::{
    Database, DatabaseOptions, DatabaseUrl, NextRelease, ObjectBackend, ObjectOptions, Reclamation, Store,
    StoreOptions, StoreTransport, StoreUrl,
};
use wharf_testkit::SeaweedFs;

use crate::{
    gate::{FarGate, Stalling},
    store_faults::Faults,
};

/// The time after which a link that nothing needs goes.
pub(crate) const GRACE: Duration = Duration::from_secs(3);
/// The time of a request to the database, unless a process has less of it.
const PATIENCE: Duration = Duration::from_secs(4);

/// The URLs of the engines and how a process uses them, which are passed on to each.
#[derive(Clone)]
pub(crate) struct Engines {
    database: String,
    store: String,
    /// The server of the store; empty for a directory.
    endpoint: String,
    /// The address of the gate that each request to the store passes; empty for none.
    gate: String,
    release: Release,
    /// The time of a request to an engine, if it is not the usual one.
    patience: Option<Duration>,
}

/// The release of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    This,
    /// The next one, whose tables this one may go on to write.
    Adds,
    /// The next one, whose tables this one may not write.
    Forbids,
    /// The next one, whose store this one may not write.
    Layout,
}

impl Release {
    const ALL: [Self; 4] = [Self::This, Self::Adds, Self::Forbids, Self::Layout];

    const fn next(self) -> Option<NextRelease> {
        match self {
            Self::This => None,
            Self::Adds => Some(NextRelease::Adds(
                "ALTER TABLE tags ADD COLUMN pinned boolean NOT NULL DEFAULT false; CREATE TABLE pins (tag text)",
            )),
            Self::Forbids => Some(NextRelease::Forbids(
                "ALTER TABLE contents ADD COLUMN packed boolean NOT NULL DEFAULT false",
            )),
            Self::Layout => Some(NextRelease::Layout),
        }
    }
}

impl Engines {
    /// A store in a directory, whose requests do not fail.
    pub(crate) fn in_directory(database: String, directory: &Path) -> Self {
        Self {
            database,
            store: format!("file://{}", directory.display()),
            endpoint: String::new(),
            gate: String::new(),
            release: Release::This,
            patience: None,
        }
    }

    /// A store in a bucket of its own.
    pub(crate) fn in_bucket(database: String, server: &SeaweedFs) -> Self {
        Self {
            database,
            store: format!("s3://{}/registry", server.create_bucket()),
            endpoint: server.endpoint(),
            gate: String::new(),
            release: Release::This,
            patience: None,
        }
    }

    /// These engines with the database at another URL.
    pub(crate) fn with_database(self, database: String) -> Self {
        Self { database, ..self }
    }

    /// These engines with the server of the store at another URL.
    pub(crate) fn with_endpoint(self, endpoint: String) -> Self {
        Self { endpoint, ..self }
    }

    /// These engines with a gate that each request to the store passes.
    pub(crate) fn with_gate(self, gate: String) -> Self {
        Self { gate, ..self }
    }

    /// These engines for a process of another release.
    pub(crate) fn with_release(self, release: Release) -> Self {
        Self { release, ..self }
    }

    /// These engines for processes that wait for so long at most.
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self {
            patience: Some(patience),
            ..self
        }
    }

    /// The arguments of a process, whose store fails by this seed.
    pub(crate) fn arguments(&self, seed: u64) -> [String; 7] {
        let Self {
            database,
            store,
            endpoint,
            gate,
            release,
            patience,
        } = self.clone();
        let (release, patience) = (
            format!("{release:?}"),
            patience.map(|time| time.as_secs().to_string()),
        );
        let patience = patience.unwrap_or_default();
        [
            database,
            store,
            endpoint,
            gate,
            release,
            patience,
            seed.to_string(),
        ]
    }

    pub(crate) fn parse(arguments: &[String]) -> (Self, u64) {
        let [database, store, endpoint, gate, release, patience, seed] = arguments else {
            panic!("seven arguments, and not {}", arguments.len());
        };
        let mut releases = Release::ALL.into_iter();
        let release = releases.find(|known| format!("{known:?}") == *release);
        let engines = Self {
            database: database.clone(),
            store: store.clone(),
            endpoint: endpoint.clone(),
            gate: gate.clone(),
            release: release.expect("a release"),
            patience: patience.parse().ok().map(Duration::from_secs),
        };
        (engines, seed.parse().expect("a number"))
    }

    /// Whether the store is reached by requests, which can fail.
    pub(crate) fn has_server(&self) -> bool {
        !self.endpoint.is_empty()
    }

    /// The backend of a process.
    pub(crate) async fn open(
        &self,
        faults: &Arc<Faults>,
        reclamation: Reclamation,
    ) -> Result<ObjectBackend, Error> {
        let mut options = DatabaseOptions::default();
        options.grace = GRACE;
        options.request_time = self.patience.unwrap_or(PATIENCE);
        options.next = self.release.next();
        let database = Database::open(&DatabaseUrl::parse(&self.database)?, options).await?;
        let mut options = ObjectOptions::default();
        options.reclamation = reclamation;
        let url = StoreUrl::parse(&self.store)?;
        options.reclamation.directory = url.directory().map(Path::to_owned);
        let objects = self.objects(&url, faults)?;
        if self.release == Release::Layout {
            let registry = format!("{:032x}", database.registry_id().await?);
            let format = serde_json::json!({"reader": 1, "writer": 2, "registry": registry});
            let path = object_store::path::Path::from("v1/format");
            let put = objects.put(&path, format.to_string().into());
            put.await.expect("the store is there");
        }
        ObjectBackend::open(database, objects, options).await
    }

    fn objects(&self, url: &StoreUrl, faults: &Arc<Faults>) -> Result<Arc<dyn ObjectStore>, Error> {
        let store = self.store(url, faults)?;
        let objects = Arc::clone(store.objects());
        if self.gate.is_empty() {
            return Ok(objects);
        }
        let gate = FarGate(self.gate.clone());
        Ok(Arc::new(Stalling::new(objects, Arc::new(gate))))
    }

    fn store(&self, url: &StoreUrl, faults: &Arc<Faults>) -> Result<Store, Error> {
        let mut options = StoreOptions::default();
        if self.has_server() {
            let keys = [
                ("AWS_ACCESS_KEY_ID", SeaweedFs::KEY),
                ("AWS_SECRET_ACCESS_KEY", SeaweedFs::SECRET),
            ];
            let timeouts = StoreTransport::timeouts();
            let timeouts = match self.patience {
                Some(time) => timeouts.with_head(time).with_send(time),
                None => timeouts,
            };
            options = options
                .with_variables(keys.map(|(name, value)| (name.to_owned(), value.to_owned())))
                .with_endpoint(self.endpoint.clone())
                .with_transport(faults.transport_within(timeouts))
                .with_retries(1); // so that many failures reach the registry
        }
        Store::build(url, &options)
    }
}

/// The times of processes that are killed and stopped.
pub(crate) fn reclamation() -> Reclamation {
    let mut reclamation = Reclamation::default();
    reclamation.uploads = Duration::from_secs(5);
    reclamation.pending = Duration::from_secs(5);
    reclamation.hold = Duration::from_secs(1);
    reclamation.again = Duration::from_secs(2);
    reclamation
}

/// Nothing is kept that nobody needs.
pub(crate) fn at_once() -> Reclamation {
    let mut now = Reclamation::default();
    for time in [&mut now.uploads, &mut now.pending, &mut now.hold, &mut now.again] {
        *time = Duration::ZERO;
    }
    now
}
