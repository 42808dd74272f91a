//! Directories with many signatures, large ones, and files of other writers.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use wharf_config::{Lookaside, SignatureStore};
use wharf_content::{Descriptor, ErrorKind, MediaType, Signature, Wanted};
use wharf_distribution::{Error, Remote};
use wharf_http::RetryPolicy;

use super::scene::Scene;

const MIB: usize = 1 << 20;

struct Store {
    scene: Scene,
    directory: tempfile::TempDir,
    remote: Remote,
    image: Descriptor,
}

impl Store {
    async fn new() -> Self {
        Self::of(|directory| SignatureStore::default().with_lookaside(directory)).await
    }

    async fn of(store: impl FnOnce(Lookaside) -> SignatureStore) -> Self {
        let scene = Scene::new().await;
        let directory = tempfile::tempdir().unwrap();
        let url = format!("file://{}", directory.path().display());
        let builder = scene
            .builder()
            .with_signature_locations(store(Lookaside::parse(&url).unwrap()))
            .with_retry(RetryPolicy::never());
        let store = Self {
            remote: scene.remote_of(&builder.build().unwrap()),
            image: Descriptor::of(MediaType::OCI_MANIFEST, b"{}"),
            scene,
            directory,
        };
        fs::create_dir_all(store.files()).unwrap();
        store
    }

    /// The directory of the image.
    fn files(&self) -> PathBuf {
        let name = format!("team/app@sha256={}", self.image.digest().encoded());
        self.directory.path().join(name)
    }

    /// Writes signatures as another program does.
    fn fill(&self, numbers: std::ops::RangeInclusive<usize>, size: usize) {
        for number in numbers {
            let mut blob = number.to_string().into_bytes();
            blob.insert(0, 0x90);
            blob.resize(size, 0);
            fs::write(self.files().join(format!("signature-{number}")), blob).unwrap();
        }
    }

    async fn push(&self, texts: &[&str]) -> Result<usize, Error> {
        self.push_blobs(texts.iter().map(|text| text.as_bytes())).await
    }

    async fn push_blobs(&self, blobs: impl Iterator<Item = &[u8]>) -> Result<usize, Error> {
        let message = |blob: &[u8]| Bytes::from([&[0x90], blob].concat());
        let signatures: Vec<_> = blobs.map(|blob| Signature::Simple(message(blob))).collect();
        self.remote.push_signatures(&self.image, None, &signatures).await
    }

    async fn read(&self) -> Result<usize, Error> {
        let found = self
            .remote
            .signatures(self.image.digest(), Wanted::SIMPLE)
            .await?;
        assert!(found.iter().all(|one| matches!(one, Signature::Simple(_))));
        Ok(found.len())
    }

    /// How many files there are whose names begin so.
    fn count(&self, prefix: &str) -> usize {
        let entries = fs::read_dir(self.files()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(prefix)).count()
    }

    fn refused(&self, pushed: Result<usize, Error>, words: &str) {
        let error = self.scene.failed(pushed);
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// What was written can be read: the limits of both are the same, at their edges too.
#[tokio::test]
async fn t168_no_more_signatures_are_written_than_are_read() {
    let directory = |directory: Lookaside| SignatureStore::default().with_lookaside(directory);
    let published = |directory: Lookaside| {
        let web = Lookaside::parse("https://store.test/sigs").unwrap();
        SignatureStore::default()
            .with_lookaside(web)
            .with_staging(directory)
    };
    let staged_alone = |directory: Lookaside| SignatureStore::default().with_staging(directory);
    for (store, limit) in [
        (Store::of(directory).await, 1_000),
        (Store::of(published).await, 100),
        (Store::of(staged_alone).await, 1_000),
    ] {
        let words = format!("more than {limit} signatures of it, and no more are read");
        store.fill(1..=limit - 2, 10);
        store.refused(store.push(&["a", "b", "c"]).await, &words);
        assert_eq!(store.count("signature-"), limit - 2, "nothing of them is written");
        assert_eq!(store.push(&["a"]).await.unwrap(), 1);
        assert_eq!(store.push(&["b", "a"]).await.unwrap(), 1);
        store.refused(store.push(&["c"]).await, &words);
        assert_eq!(store.push(&["a", "b"]).await.unwrap(), 0, "those are there");
        assert_eq!(store.count("signature-"), limit);
        assert_eq!(store.count("."), 0);
    }
    let store = Store::new().await;
    store.fill(1..=1_000, 10);
    assert_eq!(store.read().await.unwrap(), 1_000);
    store.fill(1_001..=1_001, 10);
    let error = store.scene.failed(store.read().await);
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(error.to_string().contains("more than 1000 signatures"), "{error}");
}

#[tokio::test]
async fn t168_no_more_bytes_of_signatures_are_written_than_are_read() {
    let store = Store::new().await;
    let large = vec![1; 4 * MIB];
    store.refused(
        store.push_blobs([large.as_slice()].into_iter()).await,
        "has more than 4 MiB",
    );
    assert_eq!(store.count(""), 0, "nothing is written");
    store.fill(1..=7, 4 * MIB);
    assert_eq!(store.push_blobs([&large[1..]].into_iter()).await.unwrap(), 1);
    assert_eq!(store.read().await.unwrap(), 8, "32 MiB are read");
    store.refused(store.push(&[""]).await, "more than 32 MiB");
    assert_eq!(store.read().await.unwrap(), 8, "and still are");
    // What nobody can read is not added to.
    let store = Store::new().await;
    store.fill(1..=1, 4 * MIB + 1);
    store.refused(
        store.push(&["a"]).await,
        "so that no signature is read; remove it",
    );
    assert_eq!(store.count(""), 1);
    assert!(store.read().await.is_err());
}

#[cfg(unix)]
fn pipe(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// Files of stopped writers are removed, a hundred at each write; what another writer has locked is not, though it keeps
/// it for ever, nor what is no file.
#[cfg(unix)]
#[tokio::test]
async fn files_of_stopped_writers_are_removed_and_no_others() {
    let store = Store::new().await;
    let files = store.files();
    for number in 11..=260 {
        fs::write(files.join(format!(".signature-{number}.new")), b"\x90half").unwrap();
    }
    let locked = files.join(".signature-1.new");
    fs::write(&locked, b"of another user").unwrap();
    let lock = fs::File::open(&locked).unwrap();
    lock.lock().unwrap();
    let outside = store.directory.path().join("outside");
    fs::write(&outside, "outside").unwrap();
    std::os::unix::fs::symlink(&outside, files.join(".signature-2.new")).unwrap();
    fs::create_dir(files.join(".signature-dir.new")).unwrap();
    pipe(&files.join(".signature-pipe.new"));
    for name in [".signature-1.old", ".sig-1.new", "signature-1.new", ".new"] {
        fs::write(files.join(name), "x").unwrap();
    }
    for (text, left) in [("a", 150), ("b", 50), ("c", 0), ("d", 0)] {
        assert_eq!(store.push(&[text]).await.unwrap(), 1);
        assert_eq!(store.count(".signature-") - 5, left, "{text}");
    }
    assert_eq!(fs::read(&locked).unwrap(), b"of another user");
    assert_eq!(fs::read(&outside).unwrap(), b"outside");
    for name in [
        ".signature-2.new",
        ".signature-dir.new",
        ".signature-pipe.new",
        ".signature-1.old",
        ".sig-1.new",
        "signature-1.new",
        ".new",
    ] {
        assert!(files.join(name).symlink_metadata().is_ok(), "{name}");
    }
    assert_eq!(store.read().await.unwrap(), 4);
    drop(lock);
    assert_eq!(store.push(&["d"]).await.unwrap(), 0, "also if nothing is written");
    assert!(!locked.exists());
}

/// However many files were left, the next writer has a name for its own, and removes a hundred of them.
#[tokio::test]
async fn ten_thousand_files_of_stopped_writers_hold_up_no_writer() {
    let store = Store::new().await;
    for number in 1..=10_000 {
        fs::write(store.files().join(format!(".signature-{number}.new")), b"").unwrap();
    }
    assert_eq!(store.push(&["a"]).await.unwrap(), 1);
    assert_eq!(store.read().await.unwrap(), 1);
    let left = store.count(".signature-");
    assert!((9_899..=9_900).contains(&left), "{left}");
}

/// Files that others have locked for ever are passed, up to a thousand.
#[cfg(unix)]
#[tokio::test]
async fn a_crowd_of_locked_files_holds_up_no_writer() {
    let store = Store::new().await;
    let files = store.files();
    let locks: Vec<fs::File> = (1..=500)
        .map(|number| {
            let file = fs::File::create(files.join(format!(".signature-{number}.new"))).unwrap();
            file.lock().unwrap();
            file
        })
        .collect();
    assert_eq!(store.push(&["a", "b"]).await.unwrap(), 2);
    assert_eq!(store.count(".signature-"), 500);
    assert_eq!(store.read().await.unwrap(), 2);
    drop(locks);
    assert_eq!(store.push(&["c"]).await.unwrap(), 1);
    // A hundred of them, and perhaps one more whose name the writer needs.
    assert!((399..=400).contains(&store.count(".signature-")));
    // With a thousand that are in use, the writer gives up.
    fs::remove_dir_all(&files).unwrap();
    fs::create_dir_all(&files).unwrap();
    for number in 1..=1_000 {
        fs::create_dir(files.join(format!(".signature-{number}.new"))).unwrap();
    }
    let error = store.scene.failed(store.push(&["a"]).await);
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(
        error.to_string().contains("remove those named .signature-*.new"),
        "{error}"
    );
    assert_eq!(store.count("signature-"), 0);
}

/// Writers that stop in the middle beside others that write: nothing of the others is removed.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_remove_no_files_of_each_other() {
    let store = std::sync::Arc::new(Store::new().await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for number in 0..12 {
                // As a writer does that is stopped at once.
                let left = store
                    .files()
                    .join(format!(".signature-{}.new", number * 8 + writer + 20));
                drop(fs::File::create(left));
                let text = format!("{writer} {number}");
                assert_eq!(store.push(&[&text]).await.unwrap(), 1, "{text}");
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    assert_eq!(store.read().await.unwrap(), 96);
    assert_eq!(store.push(&["0 0"]).await.unwrap(), 0);
    assert_eq!(store.count("."), 0);
}
