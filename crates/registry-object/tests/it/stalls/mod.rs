//! A process that stops at a step, until others have collected twice, and then goes on: at each step of a push and of a
//! collection. A step is what is sent to the database, or asked of the object store.

#[expect(dead_code, reason = "the fault program uses more of it")]
mod gate;

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use object_store::memory::InMemory;
use tokio::task::JoinHandle;
use wharf_content::{Error, ErrorKind, Verified};
use wharf_reference::{Algorithm, Digest};
use wharf_registry::{
    Backend as _, BlobRecord, Change, Commit, Content as _, Guard, Incoming, ManifestRecord, NewContent,
    Outcome, Record, RecordKey, Records as _, RepositoryPath, Uploads as _,
};
use wharf_registry_object::{
    Database, DatabaseOptions, DatabaseUrl, FsckFinding, FsckOptions, ObjectBackend, ObjectOptions,
};
use wharf_testkit::{PostgreSql, require_peers};

use self::gate::{Gate, Messages, Proxy, Stalling};
use crate::{races::Session, stage::now};

/// A registry that a process serves which can be stopped, and another.
struct Stage {
    gate: Arc<Gate>,
    stopped: ObjectBackend,
    other: ObjectBackend,
    observer: Session,
}

impl Stage {
    /// With the time after which uploads are dropped; nothing else lives for longer than it is needed.
    async fn new(uploads: Duration) -> Self {
        let server = PostgreSql::shared();
        let database = server.create_database();
        let (gate, store) = (Arc::new(Gate::default()), Arc::new(InMemory::new()));
        let proxy = Proxy::start(server.port(), Arc::clone(&gate), Messages::All).await;
        let url = server.tcp_url(&database);
        let through = url.replace(&format!(":{}/", server.port()), &format!(":{proxy}/"));
        let other = open(&url, Arc::clone(&store) as _, uploads).await;
        let stalling = Stalling::new(store, Arc::clone(&gate) as _);
        let stopped = open(&through, Arc::new(stalling), uploads).await;
        Self {
            gate,
            stopped,
            other,
            observer: Session::connect(&server.socket_url(&database)).await,
        }
    }

    /// Stops what runs at its next step but so many, until others have acted or wait for a lock that it holds, and lets it
    /// go on. Returns what comes of both; nothing of the others if there were not that many steps.
    async fn stop_at<T: Send + 'static, A: Send + 'static>(
        &self,
        step: usize,
        running: impl Future<Output = T> + Send + 'static,
        act: impl Future<Output = A> + Send + 'static,
    ) -> (T, Option<A>) {
        let reached = self.gate.arm(step);
        let mut running: JoinHandle<T> = tokio::spawn(running);
        tokio::select! {
            ended = &mut running => {
                self.gate.release();
                return (ended.expect("no panic"), None);
            }
            () = reached.notified() => {}
        }
        let acting = tokio::spawn(act);
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while !acting.is_finished() && self.observer.run(waiting).await == ["0"] {}
        self.gate.release();
        let ended = running.await.expect("no panic");
        (ended, Some(acting.await.expect("no panic")))
    }

    /// A check finds nothing but, at most, objects that belong to nothing, and after a collection not even those.
    async fn assert_whole(&self, context: &str) {
        let mut options = FsckOptions::default();
        options.repair = true;
        for is_last in [false, true] {
            let mut found = Vec::new();
            let checked = self
                .other
                .fsck(&options, &mut |finding| found.push(finding))
                .await;
            checked.expect("a report");
            let is_expected =
                |finding: &FsckFinding| !is_last && matches!(finding, FsckFinding::Unnamed { .. });
            assert!(found.iter().all(is_expected), "{context}: {found:#?}");
            self.other
                .collect(&now().with_untagged(true))
                .await
                .expect("a report");
        }
    }
}

async fn open(url: &str, store: Arc<dyn object_store::ObjectStore>, uploads: Duration) -> ObjectBackend {
    let mut options = DatabaseOptions::default();
    options.request_time = Duration::from_secs(60);
    let url = DatabaseUrl::parse(url).expect("a URL");
    let database = Database::open(&url, options).await.expect("a database");
    let mut options = ObjectOptions::default();
    let times = &mut options.reclamation;
    times.uploads = uploads;
    for time in [&mut times.pending, &mut times.hold, &mut times.again] {
        *time = Duration::ZERO;
    }
    ObjectBackend::open(database, store, options)
        .await
        .expect("a backend")
}

async fn collect_twice(backend: ObjectBackend) {
    for _ in 0..2 {
        let options = now().with_untagged(true);
        backend.collect(&options).await.expect("a report");
    }
}

fn app() -> RepositoryPath {
    RepositoryPath::parse("app").expect("a path")
}

fn proof(bytes: &[u8]) -> Verified {
    Verified::of(Algorithm::Sha256, bytes).expect("a digest")
}

/// Pushes a blob and a tagged manifest that needs it, as a registry does. Fails with `NotFound` where it would be refused.
async fn push(backend: ObjectBackend, name: String) -> Result<(), Error> {
    let refused = || Error::new(ErrorKind::NotFound, "what the manifest needs is gone");
    let blob = Bytes::from(name.clone());
    let (id, verified) = (
        format!("{:032x}", u128::from_le_bytes(padded(&name))),
        proof(&blob),
    );
    let digest = verified.digest().clone();
    backend.begin(&id, None).await?;
    let bytes = Box::pin(futures_util::stream::iter([Ok(blob.clone())]));
    let written = backend.write(&id, 0, Incoming::new(bytes)).await?;
    if let Some(failure) = written.failure {
        return Err(failure);
    }
    let record = Record::Blob(digest.clone(), BlobRecord::new(blob.len() as u64));
    let commit = Commit::new(vec![Change::Put(record)])?;
    let linked = backend
        .link(&app(), NewContent::Upload(id, verified), commit)
        .await?;
    if linked != Outcome::Committed {
        return Err(refused());
    }
    let manifest = manifest(&name);
    let record =
        serde_json::json!({"media_type": "a/b", "size": manifest.len(), "blobs": [(&digest, blob.len())]});
    let record: ManifestRecord = serde_json::from_value(record).expect("a record");
    let verified = proof(&manifest);
    let tag = wharf_reference::Tag::parse(&name).expect("a tag");
    let changes = vec![
        Change::Put(Record::Manifest(verified.digest().clone(), Arc::new(record))),
        Change::Put(Record::Tag(tag, verified.digest().clone())),
    ];
    let commit = Commit::new(changes)?.with_guard(Guard::Present(RecordKey::Blob(digest)));
    let linked = backend
        .link(&app(), NewContent::Bytes(manifest, verified), commit)
        .await?;
    if linked == Outcome::Committed {
        Ok(())
    } else {
        Err(refused())
    }
}

fn padded(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

fn manifest(name: &str) -> Bytes {
    Bytes::from(format!("manifest of {name}"))
}

/// Whether both of an image are there; what is there is read.
async fn pull(backend: &ObjectBackend, name: &str) -> bool {
    let (blob, manifest) = (Bytes::from(name.to_owned()), manifest(name));
    let digest = |bytes: &Bytes| -> Digest { proof(bytes).digest().clone() };
    let keys = [
        RecordKey::Manifest(digest(&manifest)),
        RecordKey::Blob(digest(&blob)),
    ];
    let values = backend.values(&app(), &keys).await.expect("records");
    let [
        Some(Record::Manifest(name, record)),
        Some(Record::Blob(layer, link)),
    ] = values.as_slice()
    else {
        assert!(values[0].is_none(), "a manifest without its blob");
        return false;
    };
    for (content, expected) in [(record.content(name), manifest), (link.content(layer), blob)] {
        let stream = backend.read(&content, 0..content.size).await.expect("content");
        let read: Vec<Bytes> = futures_util::TryStreamExt::try_collect(stream)
            .await
            .expect("bytes");
        assert_eq!(read.concat(), expected);
    }
    true
}

#[tokio::test]
async fn a_push_that_stops_at_any_step_is_whole_or_refused() {
    require_peers!("postgres", "psql");
    // What is written is given up with its upload, or alone.
    for uploads in [Duration::ZERO, Duration::from_secs(3600)] {
        let stage = Stage::new(uploads).await;
        let (mut pushed, mut refused) = (0, 0);
        for step in 0.. {
            let name = format!("image-{step}");
            let push = push(stage.stopped.clone(), name.clone());
            let (ended, acted) = stage
                .stop_at(step, push, collect_twice(stage.other.clone()))
                .await;
            match ended {
                Ok(()) => {
                    assert!(pull(&stage.other, &name).await, "{name} was acknowledged");
                    pushed += 1;
                }
                Err(error) => {
                    let is_refusal = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Timeout);
                    assert!(acted.is_some() && is_refusal, "{name}: {error}");
                    pull(&stage.other, &name).await;
                    refused += 1;
                }
            }
            stage.assert_whole(&name).await;
            if acted.is_none() {
                break;
            }
        }
        assert!(pushed > 3 && refused > 3, "{pushed} pushed, {refused} refused");
    }
}

#[tokio::test]
async fn a_collection_that_stops_at_any_step_takes_nothing_that_was_pushed_meanwhile() {
    require_peers!("postgres", "psql");
    let stage = Stage::new(Duration::ZERO).await;
    let mut pushed = 0;
    for step in 0.. {
        let (garbage, needed) = (format!("garbage-{step}"), format!("needed-{step}"));
        for name in [&garbage, &needed] {
            push(stage.other.clone(), name.clone()).await.expect("a push");
        }
        untag(&stage.other, &garbage).await;
        let stopped = stage.stopped.clone();
        let collection = async move { stopped.collect(&now().with_untagged(true)).await };
        let (other, name) = (stage.other.clone(), garbage.clone());
        let act = async move {
            let pushed = push(other.clone(), name).await; // the same image once more
            collect_twice(other).await;
            pushed
        };
        let (ended, acted) = stage.stop_at(step, collection, act).await;
        let is_last = acted.is_none();
        ended.expect("a report");
        assert!(pull(&stage.other, &needed).await, "{needed} is tagged");
        let is_there = pull(&stage.other, &garbage).await;
        match acted {
            Some(Ok(())) => {
                assert!(is_there, "{garbage} was pushed meanwhile");
                pushed += 1;
            }
            Some(Err(error)) => assert_eq!(error.kind(), ErrorKind::NotFound, "{garbage}: {error}"),
            None => assert!(!is_there, "{garbage} was collected"),
        }
        stage.assert_whole(&garbage).await;
        if is_last {
            assert!(step > 10 && pushed > 3, "{step} steps, {pushed} pushed");
            break;
        }
    }
}

async fn untag(backend: &ObjectBackend, name: &str) {
    let tag = wharf_reference::Tag::parse(name).expect("a tag");
    let commit = Commit::new(vec![Change::Remove(RecordKey::Tag(tag))]).expect("random bits");
    let removed = backend.commit(&app(), commit).await.expect("an outcome");
    assert_eq!(removed, Outcome::Committed);
}
