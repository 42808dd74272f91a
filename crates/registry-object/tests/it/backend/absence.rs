//! A directory that is not mounted for a while: nothing of what it has is known then.

use std::fs;

use wharf_content::{Error, ErrorKind};
use wharf_registry::{Backend as _, Content as _, GcOptions, NewContent, Outcome, Refusal, Uploads as _};
use wharf_registry_object::{FsckOptions, ObjectOptions};
use wharf_testkit::require_peers;

use super::{Engines, app, id, incoming, path, proof, push, put, read};

impl Engines {
    /// Takes away what the directory has, as if it was not mounted.
    fn unmount(&self) -> tempfile::TempDir {
        let elsewhere = tempfile::tempdir().expect("a directory");
        fs::rename(self.directory.path().join("v1"), elsewhere.path().join("v1")).expect("moved");
        elsewhere
    }

    /// Brings it back, instead of what was written meanwhile.
    fn mount(&self, elsewhere: &tempfile::TempDir) {
        let here = self.directory.path().join("v1");
        if here.exists() {
            fs::remove_dir_all(&here).expect("removed");
        }
        fs::rename(elsewhere.path().join("v1"), here).expect("moved");
    }
}

fn is_away<T: std::fmt::Debug>(answer: Result<T, Error>) -> bool {
    let error = answer.expect_err("it is away");
    error.kind() == ErrorKind::Network && error.to_string().contains("v1/format")
}

#[tokio::test]
async fn content_of_a_directory_that_is_not_mounted_is_not_said_to_be_missing() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let backend = engines.open().await;
    let content = push(&backend, &app(), b"layer").await;
    push(&backend, &path("lib"), b"another").await;
    let object = id();
    engines.see(&format!(
        "INSERT INTO doomed (object, doomed) VALUES ('{object}', now() - interval '1 year')"
    ));
    let upload = id();
    backend.begin(&upload, None).await.expect("an upload");
    backend
        .write(&upload, 0, incoming(b"layer"))
        .await
        .expect("a write");
    let elsewhere = engines.unmount();
    assert!(is_away(backend.ping().await));
    assert!(is_away(read(&backend, &content, 0..5).await));
    assert!(is_away(read(&backend, &content, 1..2).await));
    let (lib, put) = (path("lib"), || put(&content.digest, 5));
    let mount = backend.link(&lib, NewContent::Stored(content.clone()), put());
    assert!(is_away(mount.await));
    let share = backend.link(&lib, NewContent::Upload(upload, proof(b"layer")), put());
    assert!(is_away(share.await));
    let collected = backend.collect(&GcOptions::default()).await;
    assert!(is_away(collected));
    let checked = backend.fsck(&FsckOptions::default(), &mut |_| {}).await;
    assert!(is_away(checked));
    assert_eq!(
        engines.see("SELECT count(*), count(swept) FROM doomed"),
        "1|0",
        "nothing was deleted"
    );
    assert_eq!(
        engines.see("SELECT count(*) FROM contents WHERE quarantined IS NOT NULL"),
        "0"
    );
    engines.mount(&elsewhere);
    backend.ping().await.expect("it is back");
    assert_eq!(read(&backend, &content, 0..5).await.expect("bytes"), b"layer");
}

/// A bucket that was emptied or replaced takes bytes, too. A process that has noticed it acknowledges none until the
/// store is the registry's again.
#[tokio::test]
async fn a_push_to_a_store_that_is_not_the_registrys_any_more_is_not_acknowledged() {
    require_peers!("postgres", "psql");
    for is_replaced in [false, true] {
        let engines = Engines::new();
        let backend = engines.open().await;
        let content = push(&backend, &app(), b"layer").await;
        let begun = id();
        backend.begin(&begun, None).await.expect("an upload");
        let written = backend.write(&begun, 0, incoming(b"another")).await;
        assert!(written.expect("a write").failure.is_none());
        let elsewhere = engines.unmount();
        if is_replaced {
            let other = Engines::new();
            other.open().await;
            fs::rename(other.directory().join("v1"), engines.directory().join("v1")).expect("moved");
            let told = read(&backend, &content, 0..5).await.expect_err("it is away");
            assert_eq!(told.kind(), ErrorKind::Network, "{told}");
        } else {
            assert!(is_away(backend.ping().await));
        }
        let unwritten = id();
        backend.begin(&unwritten, None).await.expect("an upload");
        let written = backend.write(&unwritten, 0, incoming(b"third")).await;
        let written = written.expect("an end");
        assert_eq!(written.offset, 0, "the bytes went to another store");
        assert_eq!(written.failure.expect("a reason").kind(), ErrorKind::Network);
        let proof = proof(b"another");
        let digest = proof.digest().clone();
        let (repository, put) = (app(), || put(&digest, 7));
        let link = || NewContent::Upload(begun.clone(), proof.clone());
        let refused = backend.link(&repository, link(), put()).await;
        assert_eq!(refused.expect_err("it is away").kind(), ErrorKind::Network);
        engines.mount(&elsewhere);
        let linked = backend.link(&repository, link(), put()).await;
        assert_eq!(linked.expect("it is back"), Outcome::Committed);
        push(&backend, &app(), b"third").await;
    }
}

/// An empty directory takes what is written to it, and hides it when the right one is back.
#[tokio::test]
async fn bytes_that_were_written_to_another_directory_become_no_content() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let mut options = ObjectOptions::default();
    options.reclamation.directory = Some(engines.directory.path().to_owned());
    let backend = engines.open_with(options).await.expect("a backend");
    let mut uploads = Vec::new();
    for _ in 0..2 {
        let upload = id();
        backend.begin(&upload, None).await.expect("an upload");
        let written = backend.write(&upload, 0, incoming(b"layer")).await;
        assert_eq!(written.expect("a write").offset, 5);
        uploads.push(upload);
    }
    let elsewhere = engines.unmount();
    // They went to a directory that was there for a moment.
    fs::remove_dir_all(elsewhere.path().join("v1/data")).expect("removed");
    let (repository, proof) = (app(), proof(b"layer"));
    let digest = proof.digest().clone();
    let link = |upload: String| {
        backend.link(
            &repository,
            NewContent::Upload(upload, proof.clone()),
            put(&digest, 5),
        )
    };
    assert!(is_away(link(uploads.remove(0)).await), "while it is away");
    engines.mount(&elsewhere);
    let outcome = link(uploads.remove(0)).await.expect("an outcome");
    assert_eq!(outcome, Outcome::Refused(Refusal::Content), "when it is back");
    assert_eq!(engines.see("SELECT count(*) FROM contents"), "0");
    push(&backend, &app(), b"layer").await;
}
