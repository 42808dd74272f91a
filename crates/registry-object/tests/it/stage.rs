//! A registry without processes.

use std::{sync::Arc, time::Duration};

use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use wharf_content::{Error, Hasher};
use wharf_reference::Digest;
use wharf_registry::{Backend as _, GcOptions, GcReport};
use wharf_registry_object::{Database, ObjectBackend, ObjectOptions, Reclamation};
use wharf_testkit::PostgreSql;

use crate::{open, races::Session};

/// A registry without processes: a database with the repositories `app` (1) and `lib` (2), and an object store.
pub(crate) struct Stage {
    pub(crate) url: String,
    session: Session,
    pub(crate) database: Database,
    pub(crate) store: Arc<InMemory>,
    pub(crate) reclamation: Reclamation,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let url = PostgreSql::shared().create_schema();
        let database = open(&url).await.expect("a database");
        let stage = Self {
            session: Session::connect(&url).await,
            url,
            database,
            store: Arc::default(),
            reclamation: Reclamation::default(),
        };
        stage.backend().await; // the store belongs to the database then
        stage
            .sql(
                "INSERT INTO repositories (name) VALUES ('app'), ('lib');
             INSERT INTO repository_usage (repository) VALUES (1), (2);
             CREATE FUNCTION ago(minutes integer) RETURNS timestamptz LANGUAGE sql
                 RETURN now() - minutes * interval '1 minute';
             CREATE FUNCTION name_of(text text) RETURNS text LANGUAGE sql
                 RETURN 'sha256:' || encode(sha256(convert_to(text, 'UTF8')), 'hex');
             CREATE FUNCTION object_of(number integer) RETURNS text LANGUAGE sql
                 RETURN lpad(to_hex(number % 256), 2, '0') || lpad(to_hex(number), 30, '0')",
            )
            .await;
        stage
    }

    /// Runs SQL, and returns the rows.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<String> {
        self.session.run(sql).await
    }

    /// Puts objects with the names `object_of(number)`.
    pub(crate) async fn put(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let path = path(number);
            self.store.put(&path, "bytes".into()).await.expect("room");
        }
    }

    /// The objects of the store, by their numbers.
    pub(crate) async fn objects(&self) -> Vec<u32> {
        numbers(&*self.store).await
    }

    pub(crate) async fn collect(&self, options: &GcOptions) -> Result<GcReport, Error> {
        self.backend().await.collect(options).await
    }

    /// A process.
    pub(crate) async fn backend(&self) -> ObjectBackend {
        self.backend_over(Arc::clone(&self.store) as _).await
    }

    /// A process that has this object store.
    pub(crate) async fn backend_over(&self, store: Arc<dyn ObjectStore>) -> ObjectBackend {
        let mut options = ObjectOptions::default();
        options.reclamation = self.reclamation.clone();
        let database = open(&self.url).await.expect("a database");
        ObjectBackend::open(database, store, options)
            .await
            .expect("a backend")
    }

    /// The names of objects that the database does not know although the store has them.
    pub(crate) async fn forgotten(&self) -> Vec<u32> {
        let known = "SELECT object FROM pending UNION ALL SELECT object FROM doomed
            UNION ALL SELECT unnest(objects) FROM contents UNION ALL SELECT unnest(objects) FROM uploads";
        let known: Vec<String> = self.sql(known).await;
        let mut left = self.objects().await;
        left.retain(|number| !known.contains(&name(*number)));
        left
    }
}

async fn numbers(store: &dyn ObjectStore) -> Vec<u32> {
    let listed = store.list(Some(&Path::from("v1/data")));
    let listed: Vec<_> = futures_util::TryStreamExt::try_collect(listed)
        .await
        .expect("a listing");
    let number = |object: &object_store::ObjectMeta| {
        let name = object.location.filename().expect("a name");
        u32::from_str_radix(name.get(2..).expect("digits"), 16).expect("a number")
    };
    let mut numbers: Vec<u32> = listed.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

pub(crate) fn name(number: u32) -> String {
    format!("{:02x}{number:030x}", number % 256)
}

pub(crate) fn path(number: u32) -> Path {
    let name = name(number);
    Path::from(format!("v1/data/{:02x}/{name}", number % 256))
}

pub(crate) fn digest(text: &str) -> Digest {
    Hasher::sha256(text.as_bytes())
}

/// A collection that leaves nothing alone for being new.
pub(crate) fn now() -> GcOptions {
    GcOptions::default().with_grace(Duration::ZERO)
}
