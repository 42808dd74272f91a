//! Referrers are copied on request, and what a store lists is only a hint (threat row I10).

use std::{num::NonZeroUsize, sync::Arc};

use wharf_content::{Descriptor, ErrorKind, Hasher, Manifest, MediaType, Name};
use wharf_copy::{Options, Referrers, Report, Selection, copy};
use wharf_reference::Algorithm;

use crate::test_store::{Done, TestStore, pair, target};

const SIGNATURE: &str = "application/x-signature";
const SBOM: &str = "application/x-sbom";

fn options(referrers: Referrers) -> Options {
    Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(Selection::All)
        .with_referrers(referrers)
}

async fn copied(source: &Arc<TestStore>, sink: &Arc<TestStore>, referrers: Referrers) -> Report {
    copy(source.clone(), sink.clone(), &target("x"), options(referrers))
        .await
        .unwrap()
}

fn has(sink: &TestStore, manifests: &[&Manifest]) -> Vec<bool> {
    manifests.iter().map(|manifest| sink.is_whole(manifest)).collect()
}

fn types(list: &[&str]) -> Referrers {
    Referrers::default().with_types(list.iter().map(|text| MediaType::parse(text).unwrap()))
}

#[tokio::test]
async fn depth_and_type_say_which_are_copied() {
    let source = Arc::new(TestStore::new());
    let image = source.image("a", &["1"]);
    let index = source.index(&[image.descriptor().clone()]);
    source.name("x", &index);
    let sbom = source.referrer(&image, SBOM, "of the image");
    let signature = source.referrer(&index, SIGNATURE, "of the index");
    let signed_sbom = source.referrer(&sbom, SIGNATURE, "of the sbom");
    let all = [&sbom, &signature, &signed_sbom];
    let two = NonZeroUsize::new(2).unwrap();
    for (referrers, expected) in [
        (Referrers::default(), [true, true, false]),
        (Referrers::default().with_depth(two), [true, true, true]),
        (types(&[SBOM]), [true, false, false]),
        (types(&[SIGNATURE]).with_depth(two), [false, true, false]),
        (types(&[SIGNATURE, SBOM]).with_depth(two), [true, true, true]),
        (types(&["application/x-other"]), [false, false, false]),
    ] {
        let sink = Arc::new(TestStore::new());
        let report = copied(&source, &sink, referrers.clone()).await;
        assert_eq!(has(&sink, &all), expected, "{referrers:?}");
        assert_eq!(report.warnings(), [] as [&str; 0]);
        let last = sink.log().pop();
        assert_eq!(
            last,
            Some(Done::Manifest(index.digest().clone(), Some("x".to_owned())))
        );
    }
}

#[tokio::test]
async fn the_index_that_is_left_behind_leaves_its_referrers_behind() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    let index = source.index(&[image.descriptor().clone()]);
    source.name("x", &index);
    let [sbom, signature] = [
        source.referrer(&image, SBOM, "of the image"),
        source.referrer(&index, SIGNATURE, "of the index"),
    ];
    let options = options(Referrers::default()).with_selection(Selection::default());
    copy(source, sink.clone(), &target("x"), options).await.unwrap();
    assert_eq!(has(&sink, &[&image, &sbom, &signature]), [true, true, false]);
}

#[tokio::test]
async fn without_a_request_nobody_asks_for_referrers() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    source.name("x", &image);
    source.referrer(&image, SBOM, "of the image");
    copy(source.clone(), sink, &target("x"), Options::default())
        .await
        .unwrap();
    assert_eq!(source.count(|done| matches!(done, Done::Listed(_))), 0);
}

#[tokio::test]
async fn new_referrers_of_an_image_that_is_there_are_copied() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    source.name("x", &image);
    copied(&source, &sink, Referrers::default()).await;
    let sbom = source.referrer(&image, SBOM, "later");
    copied(&source, &sink, Referrers::default()).await;
    assert_eq!(has(&sink, &[&image, &sbom]), [true, true]);
}

#[tokio::test]
async fn what_is_not_as_listed_is_left_behind_with_a_warning() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    let other = source.image("b", &["2"]);
    source.name("x", &image);
    let good = source.referrer(&image, SBOM, "good");

    let foreign = source.artifact(Some(other.descriptor()), SBOM, "of another image");
    let without = source.artifact(None, SBOM, "of nothing");
    let real = source.artifact(Some(image.descriptor()), SBOM, "larger than listed");
    let larger = real.descriptor();
    let larger = Descriptor::new(larger.media_type().clone(), larger.digest().clone(), 7).unwrap();
    let blob = source.add(MediaType::OCTET_STREAM, b"no manifest");
    let absent = Hasher::digest(Algorithm::Sha256, b"absent").unwrap();
    let absent = Descriptor::new(MediaType::OCI_MANIFEST, absent, 7).unwrap();
    let listed_as = source.artifact(Some(image.descriptor()), SIGNATURE, "a signature");
    let relabelled = listed_as
        .descriptor()
        .clone()
        .with_artifact_type(MediaType::parse(SBOM).unwrap());
    for entry in [
        foreign.descriptor(),
        without.descriptor(),
        &larger,
        &blob,
        &absent,
        &relabelled,
    ] {
        source.list(image.digest(), entry.clone());
    }

    let report = copied(&source, &sink, types(&[SBOM])).await;
    let false_ones = [&foreign, &without, &real, &listed_as];
    assert_eq!(has(&sink, &[&good]), [true]);
    assert_eq!(has(&sink, &false_ones), [false; 4]);
    assert_eq!(report.warnings().len(), 5, "{:?}", report.warnings());
    assert!(report.warnings()[0].contains("another subject"));
}

#[tokio::test]
async fn a_list_without_end_is_refused() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    source.name("x", &image);
    for number in 0..1_001_u32 {
        let digest = Hasher::digest(Algorithm::Sha256, &number.to_be_bytes()).unwrap();
        source.list(
            image.digest(),
            Descriptor::new(MediaType::OCI_MANIFEST, digest, 7).unwrap(),
        );
    }
    let error = copy(source, sink.clone(), &target("x"), options(Referrers::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
}
