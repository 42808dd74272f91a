use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::local::LocalFileSystem;
use tokio::sync::oneshot;
use wharf_content::{Error, ErrorKind};
use wharf_reference::Algorithm;
use wharf_registry::{Incoming, Records as _, UploadOwner, UploadSession, Uploads as _};
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl, ObjectBackend, ObjectOptions};
use wharf_testkit::{PostgreSql, require_peers};

use super::{Engines, app, id, incoming, proof, stream};

fn session() -> UploadSession {
    UploadSession::new(app(), UploadOwner::User(Arc::from("ada")), Algorithm::Sha256)
}

/// An upload that is longer than what is sent at once, in parts.
#[tokio::test]
async fn a_long_body_is_one_object_and_hashed_on_its_way() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let id = id();
    backend.begin(&id, None).await.expect("an upload");
    let chunk = |number: u32| Bytes::from(vec![u8::try_from(number % 251).unwrap_or(0); 100_003]);
    let chunks = (0..120).map(chunk);
    let whole: Vec<u8> = chunks.clone().flatten().collect();
    let incoming = Incoming::new(stream(chunks.map(Ok))).with_algorithm(Algorithm::Sha256);
    let written = backend.write(&id, 0, incoming).await.expect("a write");
    assert!(written.failure.is_none(), "{:?}", written.failure);
    assert_eq!(
        written.hasher.expect("a hasher").prove().expect("a digest"),
        proof(&whole)
    );
    let [file] = engines.objects().try_into().expect("one object");
    assert!(std::fs::read(file).expect("an object") == whole);
}

#[tokio::test]
async fn an_upload_goes_on_in_another_process_with_its_hash() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let handles = [engines.open().await, engines.open().await, engines.open().await];
    let id = id();
    handles[0].begin(&id, Some(&session())).await.expect("an upload");
    for (number, byte) in b"0123456789".iter().enumerate() {
        let handle = &handles[number % 3];
        let upload = handle.resume(&id).await.expect("an answer").expect("an upload");
        assert_eq!(upload.offset, number as u64);
        let written = handle
            .write(&id, upload.offset, incoming(&[*byte]))
            .await
            .expect("a write");
        assert_eq!(written.offset, number as u64 + 1);
    }
    let upload = handles[1]
        .resume(&id)
        .await
        .expect("an answer")
        .expect("an upload");
    assert_eq!(
        upload.hasher.expect("a hasher").prove().expect("a digest"),
        proof(b"0123456789")
    );
    assert_eq!(upload.session, session());
}

/// A client that breaks off keeps what came; a process that dies loses the request, and nothing else.
#[tokio::test]
async fn a_write_whose_process_dies_leaves_the_upload_where_it_was() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let (backend, other) = (engines.open().await, engines.open().await);
    let id = id();
    backend.begin(&id, Some(&session())).await.expect("an upload");
    let broken = Err(Error::new(ErrorKind::Cancelled, "the client has gone"));
    let chunks = stream([Ok(Bytes::from_static(b"0123")), broken]);
    let written = backend
        .write(&id, 0, Incoming::new(chunks).with_algorithm(Algorithm::Sha256))
        .await;
    assert_eq!(written.expect("a write").offset, 4);
    let (begun, has_begun) = oneshot::channel();
    let chunks = futures_util::stream::once(async {
        begun.send(()).expect("somebody waits");
        Ok(Bytes::from_static(b"4567"))
    });
    let endless = chunks.chain(futures_util::stream::pending());
    let dying = {
        let (backend, id) = (backend.clone(), id.clone());
        tokio::spawn(async move { backend.write(&id, 4, Incoming::new(Box::pin(endless))).await })
    };
    has_begun.await.expect("it has begun");
    dying.abort();
    dying.await.expect_err("it has died");
    let written = other.write(&id, 4, incoming(b"456789")).await.expect("a write");
    assert_eq!(written.offset, 10);
    assert_eq!(
        written.hasher.expect("a hasher").prove().expect("a digest"),
        proof(b"0123456789")
    );
}

#[tokio::test]
async fn of_many_writers_at_one_offset_one_wins_and_the_others_leave_nothing() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let handles = [engines.open().await, engines.open().await];
    let id = id();
    handles[0].begin(&id, Some(&session())).await.expect("an upload");
    for round in 0..5 {
        let mut writers = Vec::new();
        for number in 0..8_u8 {
            let (handle, id) = (handles[usize::from(number) % 2].clone(), id.clone());
            writers.push(tokio::spawn(async move {
                handle.write(&id, round * 3, incoming(&[number; 3])).await
            }));
        }
        let mut won = 0;
        for writer in writers {
            match writer.await.expect("no panic") {
                Ok(written) => {
                    assert_eq!(written.offset, round * 3 + 3);
                    won += 1;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            }
        }
        assert_eq!(won, 1);
    }
    let unknown = "SELECT count(*) FROM pending WHERE upload IS NULL";
    assert_eq!(engines.see(unknown), "0");
    assert_eq!(
        engines.see("SELECT cardinality(objects), length FROM uploads"),
        "5|15"
    );
    handles[1].discard(&id).await.expect("dropped");
    assert_eq!(engines.see("SELECT count(*) FROM pending"), "0");
    let kept = engines.objects().len().to_string();
    assert_eq!(
        engines.see("SELECT count(*) FROM doomed"),
        kept,
        "each object has its row"
    );
}

/// The upload is gone, or has become another, when the last byte has come.
#[tokio::test]
async fn an_upload_that_is_dropped_meanwhile_takes_nothing() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let (backend, other) = (engines.open().await, engines.open().await);
    let id = id();
    backend.begin(&id, Some(&session())).await.expect("an upload");
    let (discarded, is_discarded) = oneshot::channel();
    let chunks = futures_util::stream::once(async { Ok(Bytes::from_static(b"0123")) });
    let late = chunks.chain(futures_util::stream::once(async {
        is_discarded.await.expect("it is dropped");
        Ok(Bytes::from_static(b"4567"))
    }));
    let dropping = async {
        other.discard(&id).await.expect("dropped");
        discarded.send(()).expect("somebody waits");
    };
    let (written, ()) = tokio::join!(backend.write(&id, 0, Incoming::new(Box::pin(late))), dropping);
    assert_eq!(written.expect_err("it is gone").kind(), ErrorKind::NotFound);
    assert_eq!(engines.see("SELECT count(*) FROM pending"), "0");
}

#[tokio::test]
async fn bytes_on_their_way_count_in_the_process_that_receives_them_and_stored_ones_in_all() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let (backend, other) = (engines.open().await, engines.open().await);
    let id = id();
    backend.begin(&id, Some(&session())).await.expect("an upload");
    backend.write(&id, 0, incoming(b"0123")).await.expect("a write");
    let received = Arc::new(AtomicU64::new(4));
    let (begun, has_begun) = oneshot::channel();
    let (end, has_ended) = oneshot::channel::<()>();
    let counting = Arc::clone(&received);
    let chunks = futures_util::stream::once(async move {
        counting.store(10, Ordering::Relaxed);
        begun.send(()).expect("somebody waits");
        Ok(Bytes::from_static(b"456789"))
    });
    let slow = chunks.chain(futures_util::stream::once(async {
        has_ended.await.expect("it goes on");
        Ok(Bytes::new())
    }));
    let writing = backend.write(&id, 4, Incoming::new(Box::pin(slow)).with_received(received));
    let looking = async {
        has_begun.await.expect("it has begun");
        for (handle, expected) in [(&backend, 10), (&other, 4)] {
            let usage = handle.usage(&app(), Some("ada")).await.expect("the usage");
            assert_eq!((usage.repository, usage.user), (expected, expected));
            let usage = handle.usage(&app(), Some("bob")).await.expect("the usage");
            assert_eq!((usage.repository, usage.user), (expected, 0));
        }
        other
            .expire(Duration::from_secs(60))
            .await
            .expect("nothing is idle");
        backend.expire(Duration::ZERO).await.expect("it is being written");
        end.send(()).expect("somebody waits");
    };
    let (written, ()) = tokio::join!(writing, looking);
    assert_eq!(written.expect("a write").offset, 10);
    let usage = other.usage(&app(), Some("ada")).await.expect("the usage");
    assert_eq!((usage.repository, usage.user), (10, 10));
}

#[tokio::test]
async fn an_upload_of_a_process_that_is_gone_is_dropped_after_a_day() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    for (session, hours, left) in [
        (None, 23, "1"),
        (None, 25, "0"),
        (Some(session()), 1, "1"),
        (Some(session()), 3, "0"),
    ] {
        let id = id();
        backend.begin(&id, session.as_ref()).await.expect("an upload");
        backend.write(&id, 0, incoming(b"0123")).await.expect("a write");
        engines.see(&format!(
            "UPDATE uploads SET used = now() - interval '{hours} hours'"
        ));
        backend
            .expire(Duration::from_secs(2 * 3600))
            .await
            .expect("expired");
        assert_eq!(engines.see("SELECT count(*) FROM uploads"), left, "{hours}");
        assert_eq!(engines.see("SELECT count(*) FROM pending"), left, "{hours}");
        backend.discard(&id).await.expect("dropped");
    }
}

/// A commit that waits for a standby which never comes waits for its own disk too.
#[tokio::test]
async fn the_use_of_a_session_is_noted_without_waiting_for_the_disk_and_what_is_acknowledged_waits() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::builder().start();
    let database = server.create_database();
    let url = DatabaseUrl::parse(&server.socket_url(&database)).expect("a URL");
    let directory = tempfile::tempdir().expect("a directory");
    let open = async |time| {
        let mut options = DatabaseOptions::default();
        options.request_time = time;
        let database = Database::open(&url, options).await.expect("a database");
        let store = LocalFileSystem::new_with_prefix(directory.path()).expect("a store");
        let opened = ObjectBackend::open(database, Arc::new(store), ObjectOptions::default()).await;
        opened.expect("a backend")
    };
    let (backend, impatient) = (
        open(Duration::from_secs(60)).await,
        open(Duration::from_secs(1)).await,
    );
    let id = id();
    backend.begin(&id, Some(&session())).await.expect("an upload");
    let past = "UPDATE uploads SET used = now() - interval '1 hour'";
    let absent = "ALTER SYSTEM SET synchronous_standby_names = 'absent'";
    for sql in [past, absent, "SELECT pg_reload_conf()"] {
        server.query(&database, sql);
    }
    let late = loop {
        // The server takes a moment to notice.
        if let Err(late) = impatient.begin(&self::id(), None).await {
            break late;
        }
    };
    assert_eq!(late.kind(), ErrorKind::Timeout, "{late}");
    let resumed = backend.resume(&id).await.expect("an answer").expect("an upload");
    assert!(resumed.idle >= Duration::from_secs(3600), "{resumed:?}");
    let is_used = "SELECT used > now() - interval '1 hour' FROM uploads";
    assert_eq!(server.query(&database, is_used), "t");
}
