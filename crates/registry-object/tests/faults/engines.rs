//! The database and the store that the processes share.

use std::{path::Path, sync::Arc, time::Duration};

use wharf_content::Error;
use wharf_registry_object::{
    Database, DatabaseOptions, DatabaseUrl, ObjectBackend, ObjectOptions, Reclamation, Store, StoreOptions,
    StoreUrl,
};
use wharf_testkit::SeaweedFs;

use crate::store_faults::Faults;

/// The time after which a link that nothing needs goes.
pub(crate) const GRACE: Duration = Duration::from_secs(3);

/// The URLs of the engines, which are passed on to each process.
#[derive(Clone)]
pub(crate) struct Engines {
    database: String,
    store: String,
    /// The server of the store; empty for a directory.
    endpoint: String,
}

impl Engines {
    /// A store in a directory, whose requests do not fail.
    pub(crate) fn in_directory(database: String, directory: &Path) -> Self {
        Self {
            database,
            store: format!("file://{}", directory.display()),
            endpoint: String::new(),
        }
    }

    /// A store in a bucket of its own.
    pub(crate) fn in_bucket(database: String, server: &SeaweedFs) -> Self {
        Self {
            database,
            store: format!("s3://{}/registry", server.create_bucket()),
            endpoint: server.endpoint(),
        }
    }

    /// The arguments of a process, whose store fails by this seed.
    pub(crate) fn arguments(&self, seed: u64) -> [String; 4] {
        let Self {
            database,
            store,
            endpoint,
        } = self.clone();
        [database, store, endpoint, seed.to_string()]
    }

    pub(crate) fn parse(arguments: &[String]) -> (Self, u64) {
        let [database, store, endpoint, seed] = arguments else {
            panic!("four arguments, and not {}", arguments.len());
        };
        let engines = Self {
            database: database.clone(),
            store: store.clone(),
            endpoint: endpoint.clone(),
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
        options.request_time = Duration::from_secs(4);
        let database = Database::open(&DatabaseUrl::parse(&self.database)?, options).await?;
        let mut options = ObjectOptions::default();
        options.reclamation = reclamation;
        let store = self.store(faults)?;
        ObjectBackend::open(database, Arc::clone(store.objects()), options).await
    }

    fn store(&self, faults: &Arc<Faults>) -> Result<Store, Error> {
        let mut options = StoreOptions::default();
        if self.has_server() {
            let keys = [
                ("AWS_ACCESS_KEY_ID", SeaweedFs::KEY),
                ("AWS_SECRET_ACCESS_KEY", SeaweedFs::SECRET),
            ];
            options = options
                .with_variables(keys.map(|(name, value)| (name.to_owned(), value.to_owned())))
                .with_endpoint(self.endpoint.clone())
                .with_transport(faults.transport())
                .with_retries(1); // so that many failures reach the registry
        }
        Store::build(&StoreUrl::parse(&self.store)?, &options)
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
