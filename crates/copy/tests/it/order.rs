use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::json;
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Hasher, Location, Manifest, MediaType, Name, Outcome, Platform, Sink,
};
use wharf_copy::{Options, Selection, copy};
use wharf_reference::Algorithm;

use crate::test_store::{Done, TestStore, pair, target};

fn named(name: &str) -> Options {
    Options::default()
        .with_name(Name::parse(name).unwrap())
        .with_selection(Selection::All)
}

#[tokio::test]
async fn children_come_before_parents_and_the_name_last() {
    let (source, sink) = pair();
    let images = [source.image("a", &["1", "2"]), source.image("b", &["2", "3"])];
    let inner = source.index(&[images[1].descriptor().clone()]);
    let root = source.index(&[images[0].descriptor().clone(), inner.descriptor().clone()]);
    source.name("all", &root);

    let report = copy(source.clone(), sink.clone(), &target("all"), named("here"))
        .await
        .unwrap();

    assert_eq!(report.digest(), root.digest());
    assert_eq!(sink.named("here").as_ref(), Some(root.digest()));
    let log = sink.log();
    let place_of = |digest: &wharf_reference::Digest| {
        log.iter()
            .position(|done| matches!(done, Done::Blob(found) | Done::Manifest(found, _) if found == digest))
            .unwrap()
    };
    for parent in images.iter().chain([&inner, &root]) {
        for child in parent.blobs().chain(parent.manifests()) {
            assert!(place_of(child.digest()) < place_of(parent.digest()));
        }
    }
    assert_eq!(
        log.last(),
        Some(&Done::Manifest(root.digest().clone(), Some("here".to_owned())))
    );
    assert_eq!(
        sink.count(|done| matches!(done, Done::Blob(_))),
        5,
        "a shared layer moves once"
    );
}

#[tokio::test]
async fn what_is_there_is_not_moved_again() {
    let (source, sink) = pair();
    let image = source.image("a", &["1", "2", "3"]);
    source.name("x", &image);
    copy(source.clone(), sink.clone(), &target("x"), named("x"))
        .await
        .unwrap();
    sink.forget();
    source.forget();

    let again = copy(source.clone(), sink.clone(), &target("x"), named("y"))
        .await
        .unwrap();

    assert_eq!(again.bytes_copied(), 0);
    assert_eq!(
        source.log(),
        [Done::Read(image.digest().clone())],
        "one manifest is read, nothing else"
    );
    assert_eq!(
        sink.count(|done| matches!(done, Done::Asked(_))),
        1,
        "one question is enough"
    );
    assert_eq!(sink.named("y").as_ref(), Some(image.digest()));
}

#[tokio::test]
async fn an_interrupted_copy_continues_with_what_is_missing() {
    let (mut source, sink) = pair();
    let image = source.image("a", &["1", "2", "3"]);
    source.name("x", &image);
    let last = image.layers()[2].digest().clone();
    Arc::get_mut(&mut source).unwrap().broken = Some(last.clone());

    let options = named("x").with_concurrency(NonZeroUsize::MIN);
    let error = copy(source.clone(), sink.clone(), &target("x"), options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(sink.named("x"), None);
    assert_eq!(sink.count(|done| matches!(done, Done::Manifest(..))), 0);

    let moved = sink.count(|done| matches!(done, Done::Blob(_)));
    Arc::get_mut(&mut source).unwrap().broken = None;
    let report = copy(source, sink.clone(), &target("x"), named("x"))
        .await
        .unwrap();
    let copied = report
        .outcomes()
        .filter(|(_, outcome)| *outcome == Outcome::Copied)
        .count();
    assert_eq!(copied, 4 - moved + 1, "the rest of the blobs and the manifest");
    assert_eq!(sink.named("x").as_ref(), Some(image.digest()));
}

#[tokio::test]
async fn what_the_destination_mounts_is_not_read() {
    let source = Arc::new(TestStore::new());
    let image = source.image("a", &["1", "2"]);
    source.name("x", &image);
    let mounted = image.layers()[0].digest().clone();
    let sink = Arc::new(TestStore {
        mounts_from: Some(source.clone()),
        mounts_only: Some(mounted.clone()),
        ..TestStore::new()
    });

    let report = copy(source.clone(), sink.clone(), &target("x"), named("x"))
        .await
        .unwrap();

    assert!(!source.log().contains(&Done::Read(mounted.clone())));
    let outcome = report
        .outcomes()
        .find(|(descriptor, _)| *descriptor.digest() == mounted);
    assert_eq!(outcome.map(|(_, outcome)| outcome), Some(Outcome::Mounted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_blobs_than_allowed_move_at_once() {
    let (source, sink) = pair();
    let layers: Vec<String> = (0..40).map(|number| format!("layer {number}")).collect();
    let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
    let image = source.image("a", &layers);
    source.name("x", &image);
    let options = named("x").with_concurrency(NonZeroUsize::new(3).unwrap());
    copy(source, sink.clone(), &target("x"), options).await.unwrap();
    let most = sink.most_pushing.load(Ordering::SeqCst);
    assert!((1..=3).contains(&most), "{most}");
}

#[tokio::test]
async fn many_small_blobs_and_few_big_ones_move_at_once() {
    for (size, count, expected) in [(1_000, 100, 32), (5 << 20, 20, 8), (2 << 20, 40, 16)] {
        let source = Arc::new(TestStore::new());
        let layers: Vec<Descriptor> = (0..count)
            .map(|number: u32| {
                let digest = Hasher::digest(Algorithm::Sha256, &number.to_be_bytes()).unwrap();
                let unread = bytes::Bytes::new();
                source
                    .content
                    .lock()
                    .unwrap()
                    .blobs
                    .insert(digest.clone(), unread);
                Descriptor::new(MediaType::OCI_LAYER, digest, size).unwrap()
            })
            .collect();
        let config = source.add(MediaType::OCI_CONFIG, b"{}");
        let image = source.manifest_of(&json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": layers,
        }));
        source.name("x", &image);
        let sink = Arc::new(Counting::default());
        copy(source.clone(), sink.clone(), &target("x"), named("x"))
            .await
            .unwrap();
        assert_eq!(
            sink.most.load(Ordering::SeqCst),
            expected,
            "blobs of {size} bytes"
        );
    }
}

/// Takes blobs unread, and waits until no more begin.
#[derive(Default)]
struct Counting {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Sink for Counting {
    async fn contains(&self, _: &Descriptor) -> Result<bool, Error> {
        Ok(false)
    }

    async fn push_blob(&self, _: Blob) -> Result<(), Error> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }

    async fn push_manifest(&self, _: &Manifest, _: Option<&Name>) -> Result<(), Error> {
        Ok(())
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

#[tokio::test]
async fn a_platform_that_is_not_there_names_those_that_are() {
    let (source, sink) = pair();
    let image = source.image("a", &[]);
    let platform: Platform = "linux/riscv64".parse().unwrap();
    let index = source.index(&[image.descriptor().clone().with_platform(platform)]);
    source.name("x", &index);
    let options = Options::default().with_selection(Selection::Platform("linux/s390x".parse().unwrap()));
    let error = copy(source, sink.clone(), &target("x"), options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("linux/riscv64"), "{error}");
    assert!(sink.log().is_empty());
}
