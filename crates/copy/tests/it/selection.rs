use std::sync::Arc;

use wharf_content::{Descriptor, ErrorKind, Manifest, Name, Platform};
use wharf_copy::{Options, Selection, copy};

use crate::place::{Done, Place, pair, target};

/// An index of one image for each platform, named `x`.
fn index(source: &Place, platforms: &[&str]) -> (Manifest, Vec<Manifest>) {
    let images: Vec<Manifest> = platforms
        .iter()
        .map(|platform| source.image(platform, &[platform, "shared"]))
        .collect();
    let entries: Vec<Descriptor> = images
        .iter()
        .zip(platforms)
        .map(|(image, platform)| {
            image
                .descriptor()
                .clone()
                .with_platform(platform.parse().unwrap())
        })
        .collect();
    let index = source.index(&entries);
    source.name("x", &index);
    (index, images)
}

fn options(selection: Selection) -> Options {
    Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(selection)
}

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

#[tokio::test]
async fn one_platform_leaves_the_index_behind() {
    let (source, sink) = pair();
    let (index, images) = index(&source, &["linux/amd64", "linux/arm64"]);
    let options = options(Selection::Platform(platform("linux/arm64")));
    let report = copy(source, sink.clone(), &target("x"), options).await.unwrap();
    assert_eq!(report.digest(), images[1].digest());
    assert_eq!(report.resolved().digest(), index.digest());
    assert_eq!(report.platform(), Some(&platform("linux/arm64")));
    assert_eq!(sink.named("x").as_ref(), Some(images[1].digest()));
    assert_eq!(sink.count(|done| matches!(done, Done::Manifest(..))), 1);
}

#[tokio::test]
async fn several_platforms_keep_the_index_and_leave_out_the_rest() {
    let (source, sink) = pair();
    let (index, images) = index(&source, &["linux/amd64", "linux/arm64", "linux/s390x"]);
    let selection = Selection::Platforms(vec![platform("linux/amd64"), platform("linux/s390x")]);
    let report = copy(source, sink.clone(), &target("x"), options(selection))
        .await
        .unwrap();
    assert_eq!(report.digest(), index.digest());
    let has = |image: &Manifest| sink.log().contains(&Done::Manifest(image.digest().clone(), None));
    assert_eq!(
        [has(&images[0]), has(&images[1]), has(&images[2])],
        [true, false, true]
    );
}

#[tokio::test]
async fn an_image_that_is_not_in_an_index_is_copied_whatever_its_platform() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    source.name("x", &image);
    let options = options(Selection::Platform(platform("plan9/mips")));
    let report = copy(source, sink, &target("x"), options).await.unwrap();
    assert_eq!(report.digest(), image.digest());
    assert_eq!(report.platform(), None);
}

#[tokio::test]
async fn an_index_that_lies_about_a_child_is_refused() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    let real = image.descriptor();
    let lie = Descriptor::new(real.media_type().clone(), real.digest().clone(), real.size() + 1).unwrap();
    source.name("x", &source.index(&[lie]));
    for selection in [Selection::All, Selection::default()] {
        let error = copy(source.clone(), sink.clone(), &target("x"), options(selection))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
    }
    assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
}

#[tokio::test]
async fn indexes_nested_too_deep_are_refused() {
    let (source, sink) = pair();
    let mut innermost = source.image("a", &["1"]).descriptor().clone();
    for _ in 0..4 {
        innermost = source.index(&[innermost]).descriptor().clone();
    }
    let root = source.index(&[innermost]);
    source.name("x", &root);
    let error = copy(source, sink, &target("x"), options(Selection::All))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn an_index_with_too_many_entries_is_refused() {
    let source = Arc::new(Place::new());
    let entries: Vec<Descriptor> = (0..2_100)
        .map(|number| source.image(&number.to_string(), &[]).descriptor().clone())
        .collect();
    source.name("x", &source.index(&entries));
    let sink = Arc::new(Place::new());
    let error = copy(source, sink.clone(), &target("x"), options(Selection::All))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(sink.count(|done| matches!(done, Done::Blob(_))), 0);
}
