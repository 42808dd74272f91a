//! A backend that fails on demand: a full disk at every call, bytes that get lost, bytes that change.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{ByteStream, Error, ErrorKind, Verified};
use wharf_reference::Digest;
use wharf_registry::{
    Change, GcOptions, Listing, LocalBackend, MemoryStorage, Record, RecordKey, Registry, RepositoryPath,
    Server, Storage, Verifying,
};

use crate::wire::{Answer, MANIFEST, ask, digest, get, manifest, push_blob, push_image, with_digest};

/// A storage in memory whose calls that need space can fail. Clones share it, so that it outlives a registry.
#[derive(Clone, Default)]
pub(crate) struct Faulty(Arc<Inner>);

#[derive(Default)]
struct Inner {
    memory: MemoryStorage,
    log: Mutex<BTreeMap<(RepositoryPath, RecordKey), Record>>,
    /// How many more calls there is room for; `None` once nothing limits them.
    room: AtomicI64,
    limited: AtomicU64,
    calls: AtomicU64,
    /// How many bytes the next flush turns out to have lost.
    lost: AtomicU64,
    flushed: AtomicU64,
    /// Calls by name, of those that cost something where there is a disk.
    counts: Mutex<BTreeMap<&'static str, usize>>,
    /// The ranges that were read.
    reads: Mutex<Vec<Range<u64>>>,
}

impl Faulty {
    /// From now on there is room for so many calls, and for no more until [`Faulty::make_room`].
    fn fill_after(&self, calls: i64) {
        self.0.room.store(calls, Ordering::SeqCst);
        self.0.limited.store(1, Ordering::SeqCst);
    }

    fn make_room(&self) {
        self.0.limited.store(0, Ordering::SeqCst);
    }

    fn take_room(&self) -> Result<(), Error> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        if self.0.limited.load(Ordering::SeqCst) == 1 && self.0.room.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(Error::new(ErrorKind::NoSpace, "no space left in /secret/place"));
        }
        Ok(())
    }

    fn count(&self, call: &'static str) {
        *self.0.counts.lock().unwrap().entry(call).or_default() += 1;
    }

    /// How often each call has come since this was asked last.
    pub(crate) fn take_counts(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut *self.0.counts.lock().unwrap())
    }

    pub(crate) async fn open(&self) -> Server {
        let backend = LocalBackend::load(Verifying::new(self.clone())).await.unwrap();
        Registry::open(backend).await.unwrap().serve().await.unwrap()
    }

    async fn unfinished(&self) -> usize {
        self.0.memory.uploads().await.unwrap().len()
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
impl Storage for Faulty {
    async fn records(&self) -> Result<Listing<(RepositoryPath, Record)>, Error> {
        self.count("records");
        let log = self.0.log.lock().unwrap();
        let records = log
            .iter()
            .map(|((path, _), record)| (path.clone(), record.clone()));
        Ok(records.collect::<Vec<_>>().into())
    }

    async fn record(&self, repository: &RepositoryPath, changes: &[Change]) -> Result<(), Error> {
        self.count("commit");
        self.take_room()?;
        let mut log = self.0.log.lock().unwrap();
        for change in changes {
            match change {
                Change::Put(record) => log.insert((repository.clone(), record.key()), record.clone()),
                Change::Remove(key) => log.remove(&(repository.clone(), key.clone())),
            };
        }
        Ok(())
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        self.count("size");
        self.0.memory.size(digest).await
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error> {
        self.0.reads.lock().unwrap().push(range.clone());
        self.0.memory.read(digest, range).await
    }

    async fn remove(&self, digest: &Digest) -> Result<(), Error> {
        self.count("remove");
        self.0.memory.remove(digest).await
    }

    async fn digests(&self) -> Result<Listing<Digest>, Error> {
        self.count("digests");
        self.0.memory.digests().await
    }

    async fn begin(&self, upload: &str, note: &str) -> Result<(), Error> {
        self.take_room()?;
        self.0.memory.begin(upload, note).await
    }

    async fn append(&self, upload: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error> {
        if let Err(full) = self.take_room() {
            // As a disk does: a part of it fits.
            let part = chunks.first().map(|chunk| chunk.slice(..chunk.len() / 2));
            self.0
                .memory
                .append(upload, offset, part.into_iter().collect())
                .await?;
            return Err(full);
        }
        self.0.memory.append(upload, offset, chunks).await
    }

    async fn length(&self, upload: &str) -> Result<Option<u64>, Error> {
        self.count("length");
        self.0.memory.length(upload).await
    }

    async fn flush(&self, upload: &str) -> Result<u64, Error> {
        self.count("flush");
        self.take_room()?;
        let length = self.0.memory.flush(upload).await?;
        let kept = length.saturating_sub(self.0.lost.swap(0, Ordering::SeqCst));
        self.0.memory.append(upload, kept, Vec::new()).await?;
        self.0.flushed.store(kept, Ordering::SeqCst);
        Ok(kept)
    }

    async fn read_upload(&self, upload: &str) -> Result<ByteStream, Error> {
        self.0.memory.read_upload(upload).await
    }

    async fn finish(&self, upload: &str, content: &Verified) -> Result<(), Error> {
        self.take_room()?;
        self.0.memory.finish(upload, content).await
    }

    async fn discard(&self, upload: &str) -> Result<(), Error> {
        self.0.memory.discard(upload).await
    }

    async fn uploads(&self) -> Result<Vec<(String, String)>, Error> {
        self.0.memory.uploads().await
    }
}

const LAYER: &[u8] = b"a layer that does not fit";

/// Everything a push does: a blob at once, a blob in chunks, a mount, a manifest. Stops where it fails.
async fn push_everything(server: &Server) -> Result<(), Answer> {
    let wanted = |answer: Answer, status: u16| {
        if answer.status == status {
            Ok(answer)
        } else {
            Err(answer)
        }
    };
    let post = with_digest("/v2/new/blobs/uploads/", &digest(b"{}"));
    wanted(ask(server, "POST", post).body(b"{}").send().await, 201)?;
    let opened = ask(server, "POST", "/v2/new/blobs/uploads/").send().await;
    let session = wanted(opened, 202)?.location();
    let outcome = async {
        let patched = ask(server, "PATCH", session.as_str())
            .body(&LAYER[..10])
            .send()
            .await;
        wanted(patched, 202)?;
        let put = with_digest(&session, &digest(LAYER));
        wanted(ask(server, "PUT", put).body(&LAYER[10..]).send().await, 201)
    };
    if let Err(failed) = outcome.await {
        ask(server, "DELETE", session).send().await; // as a client does that gives up
        return Err(failed);
    }
    let mount = format!("/v2/new/blobs/uploads/?mount={}&from=old", digest(b"v1"));
    wanted(ask(server, "POST", mount).send().await, 201)?;
    let put = ask(server, "PUT", "/v2/new/manifests/v1")
        .header("Content-Type", MANIFEST)
        .body(manifest(b"{}", &[LAYER, b"v1"]));
    wanted(put.send().await, 201)?;
    Ok(())
}

/// A disk that is full at any call of a push: 507, nothing half, nothing left behind, and afterwards it goes
/// on.
#[tokio::test]
async fn a_full_disk_at_every_call_of_a_push() {
    let (mut failures, mut calls) = (0, 0);
    loop {
        let backend = Faulty::default();
        let server = backend.open().await;
        let (old, _) = push_image(&server, "old", "v1").await;
        let before = server.service().inventory();
        backend.fill_after(calls);
        let Err(answer) = push_everything(&server).await else {
            break;
        };
        failures += 1;
        assert_eq!(answer.status, 507, "call {calls}");
        assert_eq!(answer.code(), "UNKNOWN");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
        // What was there before is there, and what was not acknowledged is not.
        assert_eq!(get(&server, "/v2/old/manifests/v1").await.body, old);
        assert_eq!(get(&server, "/v2/new/manifests/v1").await.status, 404);
        assert_eq!(backend.unfinished().await, 0, "call {calls}");
        assert_eq!(server.service().inventory().uploads, 0);

        // Nothing can be recorded, but what nobody links is removed, which makes room.
        let now = GcOptions::default().with_grace(std::time::Duration::ZERO);
        let _ = server.service().collect_garbage(&now).await;
        backend.make_room();
        push_everything(&server).await.unwrap();
        assert_eq!(get(&server, "/v2/new/manifests/v1").await.status, 200);
        for (path, status) in [("/v2/new/manifests/v1", 202), ("/v2/old/manifests/v1", 202)] {
            assert_eq!(ask(&server, "DELETE", path).send().await.status, status);
        }
        let everything = now.with_untagged(true);
        server.service().collect_garbage(&everything).await.unwrap();
        assert_eq!(server.service().inventory().bytes, 0);
        assert!(
            backend
                .0
                .memory
                .digests()
                .await
                .unwrap()
                .all()
                .await
                .unwrap()
                .is_empty()
        );
        assert!(before.bytes > 0);

        // Another process sees the same.
        server.shutdown().await;
        let server = backend.open().await;
        assert_eq!(
            get(&server, "/v2/_catalog").await.json()["repositories"],
            serde_json::json!([])
        );
        calls += 1;
    }
    assert!(failures >= 15, "{failures}");
}

#[tokio::test]
async fn on_a_full_disk_garbage_without_links_still_goes() {
    let backend = Faulty::default();
    let server = backend.open().await;
    push_image(&server, "old", "v1").await;
    let loose = push_blob(&server, "old", b"loose").await;
    let path = format!("/v2/old/blobs/{loose}");
    assert_eq!(ask(&server, "DELETE", path.as_str()).send().await.status, 202);
    push_blob(&server, "old", b"another").await;
    backend.fill_after(0);
    let now = GcOptions::default().with_grace(std::time::Duration::ZERO);
    let full = server.service().collect_garbage(&now).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::NoSpace);
    assert_eq!(backend.0.memory.size(&loose).await.unwrap(), None);
    assert_eq!(
        get(&server, format!("/v2/old/blobs/{}", digest(b"another")))
            .await
            .status,
        200
    );
}

/// The offset that a client is told is never beyond what the backend has said to be safe.
#[tokio::test]
async fn only_what_is_durable_is_acknowledged() {
    let backend = Faulty::default();
    let server = backend.open().await;
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location();
    let patch = async |body: &[u8]| ask(&server, "PATCH", session.as_str()).body(body).send().await;
    assert_eq!(patch(b"12345").await.header("range"), Some("0-4"));
    assert_eq!(backend.0.flushed.load(Ordering::SeqCst), 5);

    // Two of the ten bytes are lost: the client is told, and goes on from there.
    backend.0.lost.store(2, Ordering::SeqCst);
    assert_eq!(patch(b"67890").await.status, 500);
    let status = get(&server, session.as_str()).await;
    assert_eq!(status.header("range"), Some("0-7"));

    // It cannot be said what is safe: then nothing is.
    backend.fill_after(1);
    assert_eq!(patch(b"90").await.status, 507);
    backend.make_room();
    let status = get(&server, session.as_str()).await;
    assert_eq!(status.header("range"), Some("0-0"));
    let again = ask(&server, "PATCH", session.as_str())
        .header("Content-Range", "0-3")
        .body("abcd");
    assert_eq!(again.send().await.status, 202);
    let whole = digest(b"abcdef");
    let closed = ask(&server, "PUT", with_digest(&session, &whole))
        .body("ef")
        .send()
        .await;
    assert_eq!(closed.status, 201);
    assert_eq!(get(&server, format!("/v2/a/blobs/{whole}")).await.body, b"abcdef");
}

/// After a restart nothing is known of the bytes but what is stored: they are hashed, whatever was sent.
#[tokio::test]
async fn after_a_restart_the_digest_is_that_of_the_stored_bytes() {
    for (stored, status) in [(b"first ", 201), (b"fjrst ", 400)] {
        let backend = Faulty::default();
        let server = backend.open().await;
        let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
            .send()
            .await
            .location();
        let patched = ask(&server, "PATCH", session.as_str())
            .body("first ")
            .send()
            .await;
        assert_eq!(patched.status, 202);
        server.shutdown().await;
        let id = session.rsplit('/').next().unwrap();
        backend
            .append(id, 0, vec![Bytes::from_static(stored)])
            .await
            .unwrap();
        let server = backend.open().await;
        assert_eq!(get(&server, session.as_str()).await.header("range"), Some("0-5"));
        let whole = digest(b"first second");
        let closed = ask(&server, "PUT", with_digest(&session, &whole))
            .body("second")
            .send()
            .await;
        assert_eq!(closed.status, status);
        let there = get(&server, format!("/v2/a/blobs/{whole}")).await.status;
        assert_eq!(there, if status == 201 { 200 } else { 404 });
    }
}

/// What the observer of a registry is told of its storage.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl wharf_registry::Observer for Told {
    fn storage_failed(&self, error: &Error) {
        self.0.lock().unwrap().push(error.to_string());
    }

    fn storage_recovered(&self) {
        self.0.lock().unwrap().push("recovered".to_owned());
    }
}

#[tokio::test]
async fn the_observer_is_told_once_when_nothing_can_be_recorded_and_once_when_it_can_be_again() {
    let (backend, told) = (Faulty::default(), Told::default());
    let local = LocalBackend::load(backend.clone()).await.unwrap();
    let registry = Registry::open(local).await.unwrap();
    let server = registry.with_observer(told.clone()).serve().await.unwrap();
    push_image(&server, "a", "v1").await;
    for _ in 0..2 {
        backend.fill_after(0);
        for _ in 0..3 {
            let deleted = ask(&server, "DELETE", "/v2/a/manifests/v1").send().await;
            assert_eq!(deleted.status, 507);
        }
        backend.make_room();
        push_image(&server, "a", "v1").await;
    }
    let full = "no space left in /secret/place";
    assert_eq!(*told.0.lock().unwrap(), [full, "recovered", full, "recovered"]);
}

/// Many parts of one blob that has not been read yet wait for one hash, not for one each.
#[tokio::test]
async fn parts_of_a_cold_blob_wait_for_one_hash() {
    let backend = Faulty::default();
    let server = backend.open().await;
    let bytes = (0..2_000_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect::<Vec<_>>();
    let blob = push_blob(&server, "a", &bytes).await;
    server.shutdown().await;
    let server = Arc::new(backend.open().await); // which has seen nothing of it
    backend.0.reads.lock().unwrap().clear();
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..20_usize {
        let (server, path) = (Arc::clone(&server), format!("/v2/a/blobs/{blob}"));
        let expected = bytes[number * 1000..(number + 1) * 1000].to_vec();
        requests.spawn(async move {
            let range = format!("bytes={}-{}", number * 1000, number * 1000 + 999);
            let part = ask(&server, "GET", path).header("Range", &range).send().await;
            part.status == 206 && part.body == expected
        });
    }
    assert!(requests.join_all().await.into_iter().all(|right| right));
    let reads = backend.0.reads.lock().unwrap().clone();
    let whole = reads.iter().filter(|range| **range == (0..bytes.len() as u64));
    assert_eq!((whole.count(), reads.len()), (1, 21));
}
