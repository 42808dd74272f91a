//! Exact bytes or a loud refusal.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Location, Manifest, MediaType, Name, Source, Target,
};
use wharf_copy::{Options, Selection, copy};
use wharf_reference::{Algorithm, Digest};

use crate::test_store::{Done, TestStore, pair, target};

fn options() -> Options {
    Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(Selection::All)
}

async fn refused(source: Arc<dyn Source>, sink: Arc<TestStore>, target: &Target, options: Options) -> Error {
    let error = copy(source, sink.clone(), target, options).await.unwrap_err();
    assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
    assert_eq!(sink.named("x"), None);
    error
}

#[tokio::test]
async fn a_destination_that_cannot_keep_an_algorithm_says_so_before_anything_moves() {
    let source = Arc::new(TestStore::new());
    let config = source.add(MediaType::OCI_CONFIG, b"{}");
    let layer = source.add_as(Algorithm::Sha512, MediaType::OCI_LAYER, b"layer");
    let image = source.manifest_of(&json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": [layer],
    }));
    source.name("x", &image);
    let sink = Arc::new(TestStore {
        refuses: Some(Algorithm::Sha512),
        ..TestStore::new()
    });
    let error = refused(source.clone(), sink, &target("x"), options()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);

    let keeps = Arc::new(TestStore::new());
    copy(source, keeps.clone(), &target("x"), options())
        .await
        .unwrap();
    assert!(keeps.is_whole(&image));
}

#[tokio::test]
async fn what_cannot_be_verified_is_not_copied() {
    let (source, sink) = pair();
    let config = source.add(MediaType::OCI_CONFIG, b"{}");
    let image = source.manifest_of(&json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config,
        "layers": [{"mediaType": MediaType::OCI_LAYER, "digest": "blake3:0123456789abcdef", "size": 3}],
    }));
    source.name("x", &image);
    let error = refused(source, sink, &target("x"), options()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// Sources and sinks tell a manifest from a blob by its type. So a config or layer that says it is a
/// manifest is copied as a blob of no particular type.
#[tokio::test]
async fn a_manifest_type_in_the_place_of_a_blob_makes_no_manifest_of_it() {
    for media_type in [MediaType::OCI_MANIFEST, MediaType::DOCKER_INDEX] {
        for (config_type, layer_type) in [
            (MediaType::OCI_CONFIG, media_type.clone()),
            (media_type.clone(), MediaType::OCI_LAYER),
        ] {
            let (source, sink) = pair();
            let config = source.add(config_type, b"{}");
            let layer = source.add(layer_type, b"layer");
            let image = source.manifest_of(&json!({
                "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": [layer],
            }));
            source.name("x", &image);
            copy(source, sink.clone(), &target("x"), options()).await.unwrap();
            assert_eq!(sink.named("x").as_ref(), Some(image.digest()));
            assert!(sink.is_whole(&image));
            assert_eq!(sink.count(|done| matches!(done, Done::Blob(_))), 2);
        }
    }
}

#[tokio::test]
async fn one_digest_with_two_sizes_is_refused() {
    let (source, sink) = pair();
    let layer = source.add(MediaType::OCI_LAYER, b"layer");
    let lie = Descriptor::new(layer.media_type().clone(), layer.digest().clone(), 6).unwrap();
    let config = source.add(MediaType::OCI_CONFIG, b"{}");
    let image = source.manifest_of(&json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": [layer, lie],
    }));
    source.name("x", &image);
    let error = refused(source, sink, &target("x"), options()).await;
    assert_eq!(error.kind(), ErrorKind::Mismatch);
}

#[tokio::test]
async fn an_image_above_the_limit_is_refused() {
    let (source, sink) = pair();
    source.name("x", &source.image("a", &["1", "2"]));
    let error = refused(source, sink, &target("x"), options().with_max_size(100)).await;
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn too_many_bytes_of_manifests_are_refused_before_they_are_read() {
    let (source, sink) = pair();
    let entry = |number: u32| {
        let digest = wharf_content::Hasher::digest(Algorithm::Sha256, &number.to_be_bytes()).unwrap();
        Descriptor::new(MediaType::OCI_MANIFEST, digest, 4 << 20).unwrap()
    };
    let index = source.index(&(0..9).map(entry).collect::<Vec<_>>());
    source.name("x", &index);
    let error = refused(source.clone(), sink, &target("x"), options()).await;
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(source.log().len(), 1);
}

#[tokio::test]
async fn an_image_that_hides_in_a_deep_index_too_is_still_pushed_before_it() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    let inner = source.index(&[image.descriptor().clone()]);
    let root = source.index(&[image.descriptor().clone(), inner.descriptor().clone()]);
    source.name("x", &root);
    copy(source, sink.clone(), &target("x"), options()).await.unwrap();
    let pushed: Vec<Digest> = sink
        .log()
        .into_iter()
        .filter_map(|done| match done {
            Done::Manifest(digest, _) => Some(digest),
            _ => None,
        })
        .collect();
    assert_eq!(
        pushed,
        [&image, &inner, &root].map(|manifest| manifest.digest().clone())
    );
}

#[tokio::test]
async fn a_list_of_indexes_within_each_other_is_too_deep_although_all_stand_in_the_root() {
    let (source, sink) = pair();
    let mut all = vec![source.image("a", &["1"]).descriptor().clone()];
    for _ in 0..6 {
        let index = source.index(&all[all.len() - 1..]);
        all.push(index.descriptor().clone());
    }
    source.name("x", &source.index(&all));
    let error = refused(source, sink, &target("x"), options()).await;
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn the_same_bytes_as_image_and_as_blob_are_copied_as_both() {
    let (source, sink) = pair();
    let image = source.image("a", &["1"]);
    let as_blob = source.add(MediaType::OCTET_STREAM, image.bytes());
    let index = source.index(&[as_blob, image.descriptor().clone()]);
    source.name("x", &index);
    copy(source, sink.clone(), &target("x"), options()).await.unwrap();
    assert!(sink.is_whole(&index));
}

/// A source that serves one manifest whatever is asked.
struct Liar(Manifest);

#[async_trait]
impl Source for Liar {
    async fn resolve(&self, _: &Target) -> Result<Descriptor, Error> {
        Ok(self.0.descriptor().clone())
    }

    async fn manifest(&self, _: &Target) -> Result<Manifest, Error> {
        Ok(self.0.clone())
    }

    async fn blob(&self, _: &Descriptor) -> Result<Blob, Error> {
        Err(Error::new(ErrorKind::NotFound, "no blobs"))
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

#[tokio::test]
async fn a_source_that_serves_another_manifest_than_the_digest_asked_for_is_not_believed() {
    let (store, sink) = pair();
    let [asked, served] = [store.image("a", &[]), store.image("b", &[])];
    let by_digest = Target::Digest(asked.digest().clone());
    let error = refused(
        Arc::new(Liar(served.clone())),
        sink.clone(),
        &by_digest,
        options(),
    )
    .await;
    assert_eq!(error.kind(), ErrorKind::Mismatch);

    // An index that says it lists itself.
    let index = store.index(&[asked.descriptor().clone()]);
    let error = refused(Arc::new(Liar(index)), sink, &target("x"), options()).await;
    assert_eq!(error.kind(), ErrorKind::Mismatch);
}
