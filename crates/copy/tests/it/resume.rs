//! An interrupted copy into a store on disk goes on where it was, in another process too.

use std::{
    future::Future,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, Location, Manifest, Name, OpenBlob, Sink, Source,
    Target,
};
use wharf_copy::{Options, Report, Selection, copy};
use wharf_reference::{Algorithm, Digest};
use wharf_store::Layout;

use crate::test_store::{TestStore, target};

const CHUNK: usize = 100_000;

/// A source whose blobs break after so many bytes, and that writes down from where they are read.
struct Breaking {
    store: TestStore,
    breaks_after: usize,
    opened: Arc<Mutex<Vec<(Digest, u64)>>>,
}

#[async_trait]
impl Source for Breaking {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        self.store.resolve(target).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        self.store.manifest(target).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let bytes = self.store.blob(descriptor).await?.read_to_end(1 << 30).await?;
        let opener = Opener {
            digest: descriptor.digest().clone(),
            bytes,
            breaks_after: self.breaks_after,
            opened: Arc::clone(&self.opened),
        };
        Blob::new(descriptor.clone(), Arc::new(opener))
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

struct Opener {
    digest: Digest,
    bytes: Bytes,
    breaks_after: usize,
    opened: Arc<Mutex<Vec<(Digest, u64)>>>,
}

#[async_trait]
impl OpenBlob for Opener {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        self.opened.lock().unwrap().push((self.digest.clone(), offset));
        let start = usize::try_from(offset).unwrap();
        let end = self.bytes.len().min(start.saturating_add(self.breaks_after));
        let mut chunks: Vec<Result<Bytes, Error>> = self
            .bytes
            .slice(start..end)
            .chunks(CHUNK)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        if end < self.bytes.len() {
            chunks.push(Err(Error::new(ErrorKind::Network, "the connection broke")));
        }
        Ok(Box::pin(futures_util::stream::iter(chunks)))
    }
}

/// Copies `x` with a handle of its own, as another process would.
async fn run(source: &Arc<Breaking>, path: &Path) -> Result<Report, Error> {
    let layout = Layout::create(path).await.unwrap();
    let options = Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(Selection::All);
    copy(source.clone(), Arc::new(layout), &target("x"), options).await
}

#[tokio::test]
async fn what_is_complete_is_skipped_and_what_is_not_goes_on() {
    let store = TestStore::new();
    let layers = [5, 20].map(|chunks| "0123456789".repeat(chunks * CHUNK / 10));
    let image = store.image("a", &layers.each_ref().map(String::as_str));
    store.name("x", &image);

    let mut source = Arc::new(Breaking {
        store,
        breaks_after: 8 * CHUNK,
        opened: Arc::default(),
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let error = run(&source, &path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    let layout = Layout::open(&path).await.unwrap();
    let unnamed = layout.resolve(&target("x")).await.unwrap_err();
    assert_eq!(unnamed.kind(), ErrorKind::NotFound);
    drop(layout);

    source.opened.lock().unwrap().clear();
    Arc::get_mut(&mut source).unwrap().breaks_after = usize::MAX;
    let report = run(&source, &path).await.unwrap();

    let large = image.layers()[1].digest();
    let opened = source.opened.lock().unwrap().clone();
    let from: Vec<u64> = opened
        .iter()
        .filter(|(digest, _)| digest == large)
        .map(|(_, offset)| *offset)
        .collect();
    let [from] = *from.as_slice() else {
        panic!("the large layer is opened once: {from:?}");
    };
    assert!(from >= 7 * CHUNK as u64, "it went on at {from}");
    assert!(report.bytes_moved() <= report.bytes_copied() - from);

    let layout = Layout::open(&path).await.unwrap();
    for blob in image.blobs() {
        assert!(layout.contains(blob).await.unwrap());
        layout
            .blob(blob)
            .await
            .unwrap()
            .read_to_end(1 << 30)
            .await
            .unwrap();
    }
    let named = layout.manifest(&target("x")).await.unwrap();
    assert_eq!(named.bytes(), image.bytes());
}

/// Lets a future run until it has been woken so many times, and drops it then.
async fn woken<F: Future>(future: F, mut times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if times == 0 {
            return Poll::Ready(None);
        }
        times -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Nothing that a store serves has another digest than its name.
fn assert_sound(store: &Path) -> usize {
    let blobs = store.join("blobs/sha256");
    let files = std::fs::read_dir(blobs).into_iter().flatten().map(Result::unwrap);
    files
        .map(|file| {
            let digest = Hasher::digest(Algorithm::Sha256, &std::fs::read(file.path()).unwrap()).unwrap();
            assert_eq!(file.file_name().to_str(), Some(digest.encoded()));
        })
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_into_a_store_given_up_at_any_time_is_finished_by_the_next() {
    let layers = [
        "0123456789".repeat(50_000),
        "small".to_owned(),
        "smaller".to_owned(),
    ];
    let layers = layers.each_ref().map(String::as_str);
    for times in 1.. {
        let store = TestStore::new();
        let images = [store.image("a", &layers), store.image("b", &layers[1..])];
        let index = store.index(&images.each_ref().map(|image| image.descriptor().clone()));
        store.name("x", &index);
        let source = Arc::new(Breaking {
            store,
            breaks_after: usize::MAX,
            opened: Arc::default(),
        });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");

        let ended = woken(run(&source, &path), times).await;
        assert_sound(&path);
        let named = async |path: &Path| match Layout::open(path).await {
            Ok(layout) => layout.manifest(&target("x")).await.ok(),
            Err(_) => None,
        };
        if let Some(manifest) = named(&path).await {
            assert_eq!(manifest.bytes(), index.bytes());
            assert_eq!(assert_sound(&path), 8, "what is named is whole");
        }
        run(&source, &path).await.unwrap();
        assert_eq!(
            named(&path).await.map(|manifest| manifest.digest().clone()),
            Some(index.digest().clone())
        );
        assert_eq!(assert_sound(&path), 8);
        if ended.is_some() {
            assert!(times > 5, "given up {times} times");
            return;
        }
    }
}
