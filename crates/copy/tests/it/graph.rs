//! Whatever the graph, whatever the sink has already and whichever calls fail: what is named
//! afterwards is whole, and a second run makes it so without moving a complete blob again.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroUsize,
    sync::Arc,
};

use proptest::{collection, prelude::*, sample::Index};
use wharf_content::{Descriptor, Manifest, MediaType, Name, Outcome};
use wharf_copy::{Action, Options, Referrers, Selection, copy, plan};
use wharf_reference::Digest;

use crate::test_store::{Content, Done, TestStore, target};

/// What a case is made of; indexes point into what was made before.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that a store may do or not"
)]
struct Case {
    blobs: Vec<u16>,
    images: Vec<Vec<Index>>,
    indexes: Vec<Vec<Index>>,
    referrers: Vec<Index>,
    /// Which blobs, images and indexes the sink has.
    present: Vec<bool>,
    named_before: bool,
    mounts: bool,
    reads_itself: bool,
    answers_from_cache: bool,
    gentle: bool,
    sink_failures: BTreeMap<usize, bool>,
    source_failures: BTreeMap<usize, bool>,
}

fn case() -> impl Strategy<Value = Case> {
    let failures = || collection::btree_map(0..40_usize, any::<bool>(), 0..3);
    let graph = (
        collection::vec(any::<u16>(), 1..8),
        collection::vec(collection::vec(any::<Index>(), 0..4), 1..5),
        collection::vec(collection::vec(any::<Index>(), 0..4), 1..4),
        collection::vec(any::<Index>(), 0..3),
    );
    let store = (
        collection::vec(any::<bool>(), 20),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (graph, store, failures(), failures()).prop_map(|(graph, store, sink_failures, source_failures)| {
        let (blobs, images, indexes, referrers) = graph;
        let (present, named_before, mounts, reads_itself, answers_from_cache, gentle) = store;
        Case {
            blobs,
            images,
            indexes,
            referrers,
            present,
            named_before,
            mounts,
            reads_itself,
            answers_from_cache,
            gentle,
            sink_failures,
            source_failures,
        }
    })
}

/// The source, its root, and the referrers.
fn build(case: &Case) -> (TestStore, Manifest, Vec<Manifest>) {
    let source = TestStore {
        failures: case.source_failures.clone().into_iter().collect(),
        ..TestStore::new()
    };
    let layers: Vec<String> = case.blobs.iter().map(ToString::to_string).collect();
    let mut manifests: Vec<Manifest> = Vec::new();
    for (number, chosen) in case.images.iter().enumerate() {
        let layers: Vec<&str> = chosen.iter().map(|one| one.get(&layers).as_str()).collect();
        manifests.push(source.image(&number.to_string(), &layers));
    }
    let mut root = manifests[0].clone();
    for chosen in &case.indexes {
        let mut children: Vec<Descriptor> = chosen
            .iter()
            .map(|one| one.get(&manifests).descriptor().clone())
            .collect();
        children.push(root.descriptor().clone());
        children.push(source.add(MediaType::OCTET_STREAM, layers[0].as_bytes()));
        root = source.index(&children);
        manifests.push(root.clone());
    }
    let mut referrers: Vec<Manifest> = Vec::new();
    for (number, subject) in case.referrers.iter().enumerate() {
        let subject = subject.get(&manifests).clone();
        referrers.push(source.referrer(&subject, "application/x-sbom", &number.to_string()));
    }
    source.name("x", &root);
    (source, root, referrers)
}

/// Part of what the source has, images only with their blobs.
fn part(case: &Case, source: &TestStore) -> Content {
    let all = source.content.lock().unwrap().clone();
    let mut present = case.present.iter().copied().cycle();
    let mut has = Content::default();
    let mut digests: Vec<&Digest> = all.blobs.keys().collect();
    digests.sort_by_key(ToString::to_string);
    for digest in digests {
        if present.next().unwrap() {
            has.blobs.insert(digest.clone(), all.blobs[digest].clone());
        }
    }
    let mut digests: Vec<&Digest> = all.manifests.keys().collect();
    digests.sort_by_key(ToString::to_string);
    for digest in digests {
        let manifest = &all.manifests[digest];
        if present.next().unwrap() && manifest.blobs().all(|blob| has.blobs.contains_key(blob.digest())) {
            has.manifests.insert(digest.clone(), manifest.clone());
        }
    }
    has
}

/// What the tree below a manifest has and what refers to it: all of it, each once.
fn items(source: &TestStore, root: &Manifest, referrers: &[Manifest]) -> HashSet<(Digest, bool)> {
    let content = source.content.lock().unwrap();
    let mut open = vec![root.clone()];
    let mut met = HashSet::from([(root.digest().clone(), true)]);
    while let Some(manifest) = open.pop() {
        open.extend(referrers.iter().filter_map(|referrer| {
            let refers = referrer.subject().map(Descriptor::digest) == Some(manifest.digest());
            (refers && met.insert((referrer.digest().clone(), true))).then(|| referrer.clone())
        }));
        for child in manifest.blobs().chain(manifest.manifests()) {
            let is_manifest = child.media_type().is_manifest();
            if met.insert((child.digest().clone(), is_manifest)) && is_manifest {
                open.push(content.manifests[child.digest()].clone());
            }
        }
    }
    met
}

async fn run(case: Case) {
    let (source, root, referrers) = build(&case);
    let source = Arc::new(source);
    let before = TestStore::new();
    let other = before.image("before", &["before"]);
    let mut content = part(&case, &source);
    if case.named_before {
        let old = before.content.lock().unwrap().clone();
        content.blobs.extend(old.blobs);
        content.manifests.extend(old.manifests);
        content.names.insert("x".to_owned(), other.digest().clone());
    }
    let sink = Arc::new(TestStore {
        content: content.into(),
        mounts_from: case.mounts.then(|| source.clone()),
        reads_itself: case.reads_itself,
        answers_from_cache: case.answers_from_cache,
        failures: case.sink_failures.into_iter().collect(),
        ..TestStore::new()
    });
    let mut options = Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(Selection::All)
        .with_referrers(Referrers::default());
    if case.gentle {
        options = options.with_concurrency(NonZeroUsize::MIN).with_byte_budget(1);
    }
    let is_there = |manifest: &Manifest| {
        let wanted = items(&source, manifest, &referrers);
        let content = sink.content.lock().unwrap();
        wanted.iter().all(|(digest, is_manifest)| {
            if *is_manifest {
                content.manifests.contains_key(digest)
            } else {
                content.blobs.contains_key(digest)
            }
        })
    };
    let old = case.named_before.then(|| other.digest().clone());

    // Every call fails at most once, so a copy succeeds within as many runs as there are failures, and one.
    let mut succeeded = false;
    for attempt in 0..8 {
        let (from, to, what) = (source.clone(), sink.clone(), target("x"));
        let result = if (attempt + case.blobs.len()).is_multiple_of(2) {
            copy(from, to, &what, options.clone()).await
        } else {
            match plan(from, to, &what, options.clone()).await {
                Ok(plan) => {
                    assert_eq!(plan.amount(Action::Ask).count, 0);
                    plan.execute().await
                }
                Err(error) => Err(error),
            }
        };
        let named = sink.named("x");
        if named.as_ref() == Some(root.digest()) {
            assert!(is_there(&root), "what is named is whole");
        } else {
            assert_eq!(named, old, "the name is the old one or the new one");
        }
        if let Ok(report) = result {
            assert_eq!(named.as_ref(), Some(root.digest()));
            let moved: u64 = report
                .outcomes()
                .filter(|(_, outcome)| *outcome == Outcome::Copied)
                .map(|(descriptor, _)| descriptor.size())
                .sum();
            assert_eq!(moved, report.bytes_moved());
            let mut said = HashSet::new();
            for (descriptor, _) in report.outcomes() {
                let is_manifest = descriptor.media_type().is_manifest();
                assert!(
                    said.insert((descriptor.digest().clone(), is_manifest)),
                    "said twice"
                );
            }
            assert!(said.contains(&(root.digest().clone(), true)));
            succeeded = true;
            break;
        }
    }
    assert!(succeeded);
    let log = sink.log();
    let blobs: Vec<&Digest> = log
        .iter()
        .filter_map(|done| match done {
            Done::Blob(digest) | Done::Mounted(digest) => Some(digest),
            _ => None,
        })
        .collect();
    let distinct: HashSet<&&Digest> = blobs.iter().collect();
    assert_eq!(
        blobs.len(),
        distinct.len(),
        "a complete blob moves once over all runs"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_named_is_whole(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(case));
    }
}
