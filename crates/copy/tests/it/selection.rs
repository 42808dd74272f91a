use std::sync::Arc;

use serde_json::json;
use wharf_content::{
    Descriptor, ErrorKind, Manifest, MediaType, Name, Outcome, Platform, Sink as _, Source as _, Target,
};
use wharf_copy::{Options, Selection, copy};
use wharf_store::Layout;

use crate::test_store::{Done, TestStore, pair, target};

/// An index of one image for each platform, named `x`.
fn index(source: &TestStore, platforms: &[&str]) -> (Manifest, Vec<Manifest>) {
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
async fn an_index_can_be_copied_without_its_images() {
    let (source, sink) = pair();
    let (index, images) = index(&source, &["linux/amd64", "linux/arm64"]);
    let copied = copy(
        source.clone(),
        sink.clone(),
        &target("x"),
        options(Selection::IndexOnly),
    )
    .await;
    assert_eq!(copied.unwrap().digest(), index.digest());
    assert_eq!(sink.count(|done| matches!(done, Done::Manifest(..))), 1);
    assert_eq!(sink.count(|done| matches!(done, Done::Blob(_))), 0);
    // An image that is in no index is copied whole.
    source.name("y", &images[0]);
    let options = Options::default().with_selection(Selection::IndexOnly);
    copy(source, sink.clone(), &target("y"), options).await.unwrap();
    assert!(sink.count(|done| matches!(done, Done::Blob(_))) > 0);
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
    let source = Arc::new(TestStore::new());
    let entries: Vec<Descriptor> = (0..2_100)
        .map(|number| source.image(&number.to_string(), &[]).descriptor().clone())
        .collect();
    source.name("x", &source.index(&entries));
    let sink = Arc::new(TestStore::new());
    let error = copy(source, sink.clone(), &target("x"), options(Selection::All))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(sink.count(|done| matches!(done, Done::Blob(_))), 0);
}

#[tokio::test]
async fn one_of_several_platforms_that_is_not_there_is_missed() {
    let (source, sink) = pair();
    index(&source, &["linux/amd64"]);
    let selection = Selection::Platforms(vec![platform("linux/amd64"), platform("linux/s390x")]);
    let error = copy(source, sink.clone(), &target("x"), options(selection))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("linux/s390x"), "{error}");
    assert_eq!(sink.named("x"), None);
}

#[tokio::test]
async fn several_platforms_are_found_in_nested_indexes_too() {
    let (source, sink) = pair();
    let (inner, images) = index(&source, &["linux/amd64", "linux/arm64"]);
    source.name("x", &source.index(&[inner.descriptor().clone()]));
    let selection = Selection::Platforms(vec![platform("linux/arm64")]);
    copy(source, sink.clone(), &target("x"), options(selection))
        .await
        .unwrap();
    assert_eq!(
        [sink.is_whole(&images[0]), sink.is_whole(&images[1])],
        [false, true]
    );
}

/// What an index lists, for the tests below.
enum Tree {
    /// An image, for this platform if one is stated.
    Image(&'static str, Option<&'static str>),
    Index(Vec<Tree>),
    /// An index that the source lacks.
    Lost,
}

fn add(source: &TestStore, tree: &Tree) -> Descriptor {
    match tree {
        Tree::Image(seed, platform) => {
            let descriptor = source.image(seed, &[seed]).descriptor().clone();
            match platform {
                Some(platform) => descriptor.with_platform(platform.parse().unwrap()),
                None => descriptor,
            }
        }
        Tree::Index(trees) => {
            let entries: Vec<Descriptor> = trees.iter().map(|tree| add(source, tree)).collect();
            source.index(&entries).descriptor().clone()
        }
        Tree::Lost => Descriptor::of(MediaType::OCI_INDEX, b"nowhere"),
    }
}

/// Indexes, and the failure to find an image for arm64 in each; `None` if it is the one called `wanted`.
fn nested() -> Vec<(&'static str, Tree, Option<ErrorKind>)> {
    use Tree::{Image, Index, Lost};
    let (amd, arm) = (Some("linux/amd64"), Some("linux/arm64"));
    let unknown = Some("unknown/unknown");
    let deepest = |image| Index(vec![Index(vec![Index(vec![Index(vec![image])])])]);
    vec![
        ("alone", Index(vec![Index(vec![Image("wanted", arm)])]), None),
        (
            "beside another",
            Index(vec![
                Image("a", amd),
                Index(vec![Image("b", amd), Image("wanted", arm)]),
            ]),
            None,
        ),
        (
            "two levels down",
            Index(vec![Index(vec![
                Image("a", amd),
                Index(vec![Image("wanted", arm)]),
            ])]),
            None,
        ),
        (
            "outer before inner",
            Index(vec![Index(vec![Image("a", arm)]), Image("wanted", arm)]),
            None,
        ),
        (
            "in the second of two",
            Index(vec![
                Index(vec![Image("a", amd)]),
                Index(vec![Image("wanted", arm)]),
            ]),
            None,
        ),
        (
            "stated before unstated",
            Index(vec![Image("a", None), Index(vec![Image("wanted", arm)])]),
            None,
        ),
        (
            "unstated if there is no other",
            Index(vec![Index(vec![Image("a", amd)]), Image("wanted", None)]),
            None,
        ),
        (
            "attestations never",
            Index(vec![Index(vec![Image("a", unknown), Image("wanted", arm)])]),
            None,
        ),
        (
            "beside an index that was left out",
            Index(vec![Lost, Index(vec![Image("wanted", arm)])]),
            None,
        ),
        (
            "left out",
            Index(vec![Lost, Image("a", amd)]),
            Some(ErrorKind::NotFound),
        ),
        (
            "nowhere",
            Index(vec![Image("a", amd), Index(vec![Image("b", unknown)])]),
            Some(ErrorKind::NotFound),
        ),
        ("too deep", deepest(Image("a", arm)), Some(ErrorKind::TooLarge)),
    ]
}

/// The image for arm64 is found, whatever else the indexes list.
#[tokio::test]
async fn one_platform_is_found_in_nested_indexes_too() {
    for (what, tree, expected) in nested() {
        let (source, sink) = pair();
        let descriptor = add(&source, &tree);
        let top = source
            .manifest(&Target::Digest(descriptor.digest().clone()))
            .await
            .unwrap();
        source.name("x", &top);
        let wanted = source.image("wanted", &["wanted"]);
        let selection = Selection::Platform(platform("linux/arm64"));
        let selected = wharf_copy::select(&*source, top, &selection).await;
        let report = copy(source.clone(), sink.clone(), &target("x"), options(selection)).await;
        match expected {
            None => {
                assert_eq!(selected.unwrap(), wanted, "{what}");
                assert_eq!(report.unwrap().digest(), wanted.digest(), "{what}");
                assert!(sink.is_whole(&wanted), "{what}");
                assert_eq!(sink.count(|done| matches!(done, Done::Manifest(..))), 1, "{what}");
            }
            Some(kind) => {
                assert_eq!(selected.unwrap_err().kind(), kind, "{what}");
                assert_eq!(report.unwrap_err().kind(), kind, "{what}");
                assert_eq!(sink.named("x"), None, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_nested_index_that_is_another_than_described_is_refused() {
    let (source, sink) = pair();
    let (inner, _) = index(&source, &["linux/amd64"]);
    let real = inner.descriptor();
    let lies = [
        Descriptor::new(real.media_type().clone(), real.digest().clone(), real.size() + 1).unwrap(),
        Descriptor::new(MediaType::DOCKER_INDEX, real.digest().clone(), real.size()).unwrap(),
    ];
    for lie in lies {
        source.name("x", &source.index(&[lie]));
        let selection = Selection::Platform(platform("linux/amd64"));
        let error = copy(source.clone(), sink.clone(), &target("x"), options(selection))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
    }
    assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
}

/// From and to image layouts, with the nested index that a copy of some platforms leaves there.
#[tokio::test]
async fn one_platform_of_a_nested_index_comes_out_of_a_store() {
    let source = TestStore::new();
    let (inner, images) = index(&source, &["linux/amd64", "linux/arm64"]);
    source.name("x", &source.index(&[inner.descriptor().clone()]));
    let directory = tempfile::tempdir().unwrap();
    let layout = async |name: &str| Arc::new(Layout::create(directory.path().join(name)).await.unwrap());
    let (first, second) = (layout("first").await, layout("second").await);
    let wanted = platform("linux/arm64");
    let sparse = options(Selection::Platforms(vec![wanted.clone()]));
    copy(Arc::new(source), first.clone(), &target("x"), sparse.clone())
        .await
        .unwrap();
    let one = options(Selection::Platform(wanted));
    let report = copy(first.clone(), second.clone(), &target("x"), one.clone())
        .await
        .unwrap();
    assert_eq!(report.digest(), images[1].digest());
    assert!(second.contains(images[1].descriptor()).await.unwrap());
    let again = copy(first.clone(), second, &target("x"), one).await.unwrap();
    assert_eq!(again.bytes_copied(), 0);
    let third = layout("third").await;
    let report = copy(first.clone(), third, &target("x"), sparse).await.unwrap();
    assert!(report.resolved().media_type().is_index());
    let other = options(Selection::Platform(platform("linux/amd64")));
    let error = copy(first, layout("fourth").await, &target("x"), other)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_sparse_index_is_completed_by_a_copy_of_all() {
    let (source, sink) = pair();
    let (index, _) = index(&source, &["linux/amd64", "linux/arm64"]);
    let first = options(Selection::Platforms(vec![platform("linux/amd64")]));
    copy(source.clone(), sink.clone(), &target("x"), first)
        .await
        .unwrap();
    assert!(!sink.is_whole(&index));
    copy(source, sink.clone(), &target("x"), options(Selection::All))
        .await
        .unwrap();
    assert!(sink.is_whole(&index));
}

#[tokio::test]
async fn an_index_that_states_another_platform_than_the_config_is_told_of() {
    for (stated, actual, agree) in [
        ("linux/amd64", "linux/arm64", false),
        ("linux/amd64", "windows/amd64", false),
        ("linux/arm/v7", "linux/arm/v6", false),
        ("linux/arm64/v8", "linux/arm64", true),
        ("linux/amd64", "linux/amd64", true),
    ] {
        let (source, sink) = pair();
        let [stated, actual] = [platform(stated), platform(actual)];
        let config = source.add(MediaType::OCI_CONFIG, &serde_json::to_vec(&actual).unwrap());
        let image = source.manifest_of(&json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": [],
        }));
        let entry = image.descriptor().clone().with_platform(stated.clone());
        source.name("x", &source.index(&[entry]));
        let options = options(Selection::Platform(stated));
        let report = copy(source, sink, &target("x"), options).await.unwrap();
        assert_eq!(report.platform_mismatch(), (!agree).then_some(&actual));
        assert_eq!(report.warnings().len(), usize::from(!agree));
    }
}

#[tokio::test]
async fn what_a_descriptor_embeds_is_not_read() {
    let (source, sink) = pair();
    let config = json!({
        "mediaType": MediaType::OCI_EMPTY, "size": 2, "data": "e30=",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    });
    let image = source.manifest_of(&json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": [],
    }));
    source.name("x", &image);
    copy(
        source.clone(),
        sink.clone(),
        &target("x"),
        options(Selection::All),
    )
    .await
    .unwrap();
    assert!(sink.is_whole(&image));
    assert_eq!(source.log(), [Done::Read(image.digest().clone())]);
}

#[tokio::test]
async fn a_layer_that_may_not_be_distributed_is_left_where_it_is() {
    let (source, sink) = pair();
    let config = source.add(MediaType::OCI_CONFIG, b"{}");
    let layer = source.add(MediaType::OCTET_STREAM, b"base");
    let image = source.manifest_of(&json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": [{
            "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "digest": layer.digest(), "size": layer.size(), "urls": ["https://example.org/base"],
        }],
    }));
    source.name("x", &image);
    let all = options(Selection::All);
    let report = copy(source.clone(), sink.clone(), &target("x"), all.clone())
        .await
        .unwrap();
    let left = report
        .outcomes()
        .find(|(descriptor, _)| descriptor.digest() == layer.digest());
    assert_eq!(left.map(|(_, outcome)| outcome), Some(Outcome::Omitted));
    assert!(!sink.is_whole(&image));
    copy(
        source,
        sink.clone(),
        &target("x"),
        all.with_nondistributable(true),
    )
    .await
    .unwrap();
    assert!(sink.is_whole(&image));
}

/// As `BuildKit` exports a cache: an index of layers.
#[tokio::test]
async fn an_index_without_images_is_described() {
    const CACHE: &str = "application/vnd.buildkit.cacheconfig.v0";
    let layer = MediaType::OCI_LAYER_GZIP.to_string();
    let cases: [(&[&str], &str); 5] = [
        (&[&layer, &layer, CACHE], "a build cache of BuildKit"),
        (&[CACHE], "a build cache of BuildKit"),
        (
            &[
                "application/x",
                "application/y",
                "application/z",
                "application/w",
                CACHE,
            ],
            "a build cache",
        ),
        (
            &[&layer],
            "lists no image but application/vnd.oci.image.layer.v1.tar+gzip: it can only be copied as the index",
        ),
        (&["text/plain", "text/plain"], "no image but text/plain: "),
    ];
    for (types, part) in cases {
        let (source, sink) = pair();
        let entries: Vec<Descriptor> = types
            .iter()
            .enumerate()
            .map(|(number, media_type)| {
                source.add(
                    MediaType::parse(media_type).unwrap(),
                    &[u8::try_from(number).unwrap()],
                )
            })
            .collect();
        let index = source.index(&entries);
        source.name("x", &index);
        let host = options(Selection::default());
        let error = copy(source.clone(), sink.clone(), &target("x"), host)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{types:?}");
        assert!(error.to_string().contains(part), "{types:?}: {error}");
        let several = Selection::Platforms(vec![platform("linux/amd64")]);
        let error = copy(source.clone(), sink.clone(), &target("x"), options(several))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{types:?}");
        // As the index it is, it is copied with all it lists.
        let report = copy(source, sink.clone(), &target("x"), options(Selection::All))
            .await
            .unwrap();
        assert_eq!(report.digest(), index.digest());
        assert!(sink.is_whole(&index), "{types:?}");
    }
}

#[tokio::test]
async fn an_image_beside_other_content_is_chosen() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    let other = source.add(MediaType::OCI_LAYER_GZIP, b"a layer");
    let index = source.index(&[other, image.descriptor().clone()]);
    source.name("x", &index);
    let report = copy(source, sink, &target("x"), options(Selection::default()))
        .await
        .unwrap();
    assert_eq!(report.digest(), image.digest());
}
