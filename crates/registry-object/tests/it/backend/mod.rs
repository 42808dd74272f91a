//! The whole backend, on PostgreSQL and a directory.

mod absence;
mod conformance;
mod content;
mod healing;
mod importing;
mod opening;
mod text;
mod tokens;
mod uploads;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use wharf_content::{ByteStream, Error, Verified};
use wharf_reference::{Algorithm, Digest};
use wharf_registry::{
    BlobRecord, Change, Commit, Content as _, Incoming, NewContent, Outcome, Record, RecordKey, Records as _,
    RepositoryPath, StoredContent, Uploads as _,
};
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl, ObjectBackend, ObjectOptions};
use wharf_testkit::PostgreSql;

/// A database and a directory that processes share.
pub(crate) struct Engines {
    database: String,
    url: String,
    directory: tempfile::TempDir,
}

impl Engines {
    pub(crate) fn new() -> Self {
        let server = PostgreSql::shared();
        let database = server.create_database();
        Self {
            url: server.socket_url(&database),
            database,
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    /// A handle as another process has it.
    pub(crate) async fn open(&self) -> ObjectBackend {
        self.open_with(ObjectOptions::default()).await.expect("a backend")
    }

    pub(crate) async fn open_with(&self, options: ObjectOptions) -> Result<ObjectBackend, Error> {
        let store = LocalFileSystem::new_with_prefix(self.directory.path()).expect("a store");
        let url = DatabaseUrl::parse(&self.url).expect("a URL");
        let database = Database::open(&url, DatabaseOptions::default()).await?;
        ObjectBackend::open(database, Arc::new(store.with_fsync(true)), options).await
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The result of a query.
    pub(crate) fn see(&self, sql: &str) -> String {
        PostgreSql::shared().query(&self.database, sql)
    }

    /// The files of objects.
    fn objects(&self) -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.directory.path().join("v1/data")];
        while let Some(next) = open.pop() {
            for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { &mut open } else { &mut found }.push(path);
            }
        }
        found
    }
}

pub(crate) fn app() -> RepositoryPath {
    path("app")
}

fn path(name: &str) -> RepositoryPath {
    RepositoryPath::parse(name).expect("a path")
}

fn proof(bytes: &[u8]) -> Verified {
    Verified::of(Algorithm::Sha256, bytes).expect("a digest")
}

fn id() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A stream that yields these chunks.
fn stream(chunks: impl IntoIterator<Item = Result<Bytes, Error>>) -> ByteStream {
    let chunks: Vec<_> = chunks.into_iter().collect();
    Box::pin(futures_util::stream::iter(chunks))
}

fn incoming(bytes: &[u8]) -> Incoming {
    Incoming::new(stream([Ok(Bytes::copy_from_slice(bytes))])).with_algorithm(Algorithm::Sha256)
}

fn put(digest: &Digest, size: usize) -> Commit {
    let record = Record::Blob(digest.clone(), BlobRecord::new(size as u64));
    Commit::new(vec![Change::Put(record)]).expect("random bits")
}

/// Pushes a blob.
pub(crate) async fn push(
    backend: &ObjectBackend,
    repository: &RepositoryPath,
    bytes: &[u8],
) -> StoredContent {
    let (id, proof) = (id(), proof(bytes));
    backend.begin(&id, None).await.expect("an upload");
    let written = backend.write(&id, 0, incoming(bytes)).await.expect("a write");
    assert!(written.failure.is_none(), "{:?}", written.failure);
    let digest = proof.digest().clone();
    let linked = backend.link(
        repository,
        NewContent::Upload(id, proof),
        put(&digest, bytes.len()),
    );
    assert_eq!(linked.await.expect("an outcome"), Outcome::Committed);
    stored(backend, repository, &digest).await
}

/// The content of a blob as its record names it.
async fn stored(backend: &ObjectBackend, repository: &RepositoryPath, digest: &Digest) -> StoredContent {
    let values = backend
        .values(repository, &[RecordKey::Blob(digest.clone())])
        .await;
    match values.expect("values").as_slice() {
        [Some(Record::Blob(digest, record))] => record.content(digest),
        values => panic!("{values:?}"),
    }
}

pub(crate) async fn read(
    backend: &ObjectBackend,
    content: &StoredContent,
    range: Range<u64>,
) -> Result<Vec<u8>, Error> {
    let chunks: Vec<Bytes> = backend.read(content, range).await?.try_collect().await?;
    Ok(chunks.concat())
}
