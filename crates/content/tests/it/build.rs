//! Images, artifacts and indexes that are made here.

use serde_json::{Value, json};
use wharf_content::{
    Blob, BuiltImage, Descriptor, ErrorKind, Hasher, ImageBuilder, ImageConfig, IndexBuilder, Location,
    MAX_MANIFEST_SIZE, Manifest, MediaType, Platform, Source as _, SourceExt as _, Target,
};

const TAR: &[u8] = b"a tar of files";

fn config(layers: &[&[u8]]) -> ImageConfig {
    let builder = ImageConfig::builder(Platform::new("linux", "arm64").with_variant("v8"));
    let builder = layers
        .iter()
        .fold(builder, |builder, tar| builder.with_diff_id(&Hasher::sha256(tar)));
    builder.build().unwrap()
}

fn image() -> ImageBuilder {
    ImageBuilder::new()
        .with_config(config(&[TAR]))
        .with_layer_bytes(MediaType::OCI_LAYER, TAR)
}

fn media_type(text: &str) -> MediaType {
    MediaType::from_document(text)
}

fn json_of(manifest: &Manifest) -> Value {
    serde_json::from_slice(manifest.bytes()).unwrap()
}

#[test]
fn an_image_states_its_parts_and_is_the_same_each_time() {
    let subject = Descriptor::of(MediaType::OCI_MANIFEST, b"another image");
    let builder = image()
        .with_annotation("a", "1")
        .with_annotation("b", "")
        .with_subject(subject.clone())
        .with_artifact_type(media_type("application/example"));
    let built = builder.clone().build().unwrap();
    assert_eq!(built.root(), builder.build().unwrap().root());
    let config = config(&[TAR]);
    assert_eq!(
        json_of(built.root()),
        json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "artifactType": "application/example",
            "config": Descriptor::of(MediaType::OCI_CONFIG, config.bytes()),
            "layers": [{"mediaType": MediaType::OCI_LAYER, "digest": Hasher::sha256(TAR), "size": TAR.len()}],
            "subject": subject,
            "annotations": {"a": "1", "b": ""},
        })
    );
    let blobs: Vec<_> = built
        .blobs()
        .map(|(descriptor, bytes)| (descriptor.size(), bytes.len()))
        .collect();
    assert_eq!(
        blobs,
        [config.bytes().len(), TAR.len()].map(|length| (length as u64, length))
    );
    assert_eq!(built.platform(), config.platform());
}

#[test]
fn dockers_types_are_used_on_request() {
    let built = ImageBuilder::new()
        .with_config(config(&[TAR]))
        .with_layer_bytes(MediaType::DOCKER_LAYER, TAR)
        .with_docker_types(true)
        .build()
        .unwrap();
    assert_eq!(*built.root().media_type(), MediaType::DOCKER_MANIFEST);
    assert_eq!(
        *built.root().config().unwrap().media_type(),
        MediaType::DOCKER_CONFIG
    );
    let list = IndexBuilder::new()
        .with_image(&built)
        .with_docker_types(true)
        .build()
        .unwrap();
    assert_eq!(*list.root().media_type(), MediaType::DOCKER_INDEX);
}

#[test]
fn an_artifact_without_config_and_layers_has_the_empty_object_for_both() {
    let artifact = ImageBuilder::new()
        .with_artifact_type(media_type("application/example"))
        .build()
        .unwrap();
    let empty: Descriptor = serde_json::from_value(serde_json::json!({
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
        "data": "e30=",
    }))
    .unwrap();
    assert_eq!(artifact.root().config(), Some(&empty));
    assert_eq!(artifact.root().layers(), [empty]);
    assert_eq!(artifact.blobs().count(), 1);
    assert_eq!(artifact.platform(), None);
}

/// Compressed layers are not compared with their `diff_id`, layers of the same bytes are pushed once.
#[test]
fn layers_are_listed_as_they_were_added() {
    let elsewhere = Descriptor::of(MediaType::OCI_LAYER_ZSTD, b"pushed before");
    let built = ImageBuilder::new()
        .with_config(config(&[TAR, b"other", TAR]))
        .with_layer_bytes(MediaType::OCI_LAYER, TAR)
        .with_layer(elsewhere.clone())
        .with_layer_bytes(MediaType::OCI_LAYER, TAR)
        .build()
        .unwrap();
    let tar = Descriptor::of(MediaType::OCI_LAYER, TAR);
    assert_eq!(built.root().layers(), [tar.clone(), elsewhere, tar]);
    assert_eq!(built.blobs().count(), 2);
    assert!(
        ImageBuilder::new().with_config(config(&[])).build().is_ok(),
        "a scratch image"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let subject = || Descriptor::of(MediaType::OCI_MANIFEST, b"");
    let huge = "x".repeat(usize::try_from(MAX_MANIFEST_SIZE).unwrap());
    let broken = ImageConfig::parse(br#"{"rootfs":{"diff_ids":["sha256:0"]}}"#.as_slice().into()).unwrap();
    let cases: Vec<(ImageBuilder, &str)> = vec![
        (ImageBuilder::new(), "needs a config"),
        (
            ImageBuilder::new().with_config_bytes(MediaType::OCI_EMPTY, "{}"),
            "artifact type",
        ),
        (
            ImageBuilder::new().with_config_bytes(media_type(""), "{}"),
            "the config has no type",
        ),
        (
            ImageBuilder::new().with_config(config(&[TAR])),
            "lists 1 layers (diff_ids), but the image has 0",
        ),
        (
            image().with_layer_bytes(MediaType::OCI_LAYER_GZIP, "more"),
            "but the image has 2",
        ),
        (
            ImageBuilder::new()
                .with_config(config(&[TAR]))
                .with_layer_bytes(MediaType::OCI_LAYER, "another tar"),
            "not compressed, but the config lists",
        ),
        (ImageBuilder::new().with_config(broken), "diff_id 1"),
        (
            ImageBuilder::new()
                .with_config(config(&[TAR]))
                .with_layer_bytes(MediaType::OCI_MANIFEST, TAR),
            "which is a manifest's",
        ),
        (
            ImageBuilder::new()
                .with_config(config(&[TAR]))
                .with_layer_bytes(media_type(""), TAR),
            "layer 1 has no type",
        ),
        (
            image().with_subject(Descriptor::of(MediaType::OCI_LAYER, b"")),
            "no manifest",
        ),
        (
            image().with_artifact_type(media_type("")),
            "artifact type is empty",
        ),
        (image().with_annotation("", "x"), "no key"),
        (image().with_docker_types(true), "OCI's type"),
        (
            image().with_docker_types(true).with_annotation("a", "b"),
            "Docker's manifests",
        ),
        (
            image().with_docker_types(true).with_subject(subject()),
            "Docker's manifests",
        ),
        (
            image()
                .with_docker_types(true)
                .with_artifact_type(media_type("a/b")),
            "Docker's manifests",
        ),
        (image().with_annotation("a", huge), "need not accept more"),
    ];
    for (builder, expected) in cases {
        let error = builder.build().unwrap_err();
        let kind = if expected.contains("accept") {
            ErrorKind::TooLarge
        } else {
            ErrorKind::Invalid
        };
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_index_lists_images_with_the_platform_of_their_config() {
    let arm = image().build().unwrap();
    let sbom = ImageBuilder::new()
        .with_artifact_type(media_type("application/example"))
        .with_subject(arm.root().descriptor().clone())
        .build()
        .unwrap();
    let inner = IndexBuilder::new().with_image(&arm).build().unwrap();
    let elsewhere = Descriptor::of(MediaType::DOCKER_MANIFEST, b"pushed before");
    let index = IndexBuilder::new()
        .with_image(&arm)
        .with_image(&sbom)
        .with_image(&inner)
        .with_manifest(elsewhere.clone())
        .with_annotation("a", "1")
        .build()
        .unwrap();
    assert!(index.root().is_index());
    let entries = index.root().manifests();
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[0].platform(), arm.platform());
    assert_eq!(entries[1].platform(), None);
    assert_eq!(
        entries[1].artifact_type().unwrap().as_str(),
        "application/example"
    );
    assert_eq!(entries[3], elsewhere);
    let below: Vec<_> = index.manifests().iter().map(Manifest::digest).collect();
    assert_eq!(below, [arm.digest(), sbom.digest(), inner.digest()]);
    assert_eq!(index.blobs().count(), 3);
}

#[test]
fn an_index_that_cannot_be_is_refused() {
    let built = image().build().unwrap();
    let cases: Vec<(IndexBuilder, &str)> = vec![
        (
            IndexBuilder::new().with_manifest(Descriptor::of(MediaType::OCI_LAYER, b"")),
            "no manifest",
        ),
        (
            IndexBuilder::new().with_image(&built).with_image(&built),
            "listed twice",
        ),
        (
            IndexBuilder::new()
                .with_manifest(built.root().descriptor().clone())
                .with_docker_types(true),
            "no platform",
        ),
        (
            IndexBuilder::new()
                .with_docker_types(true)
                .with_annotation("a", "b"),
            "Docker's manifests",
        ),
        (IndexBuilder::new().with_annotation("", "b"), "no key"),
    ];
    for (builder, expected) in cases {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let other = built
        .root()
        .descriptor()
        .clone()
        .with_platform(Platform::new("linux", "amd64"));
    let twice = IndexBuilder::new().with_image(&built).with_manifest(other);
    assert!(twice.build().is_ok(), "one image may serve two platforms");
}

/// What was built is read as from any other place.
#[tokio::test]
async fn a_built_image_is_a_source() {
    let elsewhere = Descriptor::of(MediaType::OCI_LAYER_GZIP, b"pushed before");
    let arm = ImageBuilder::new()
        .with_config(config(&[TAR, b"x"]))
        .with_layer_bytes(MediaType::OCI_LAYER, TAR)
        .with_layer(elsewhere.clone())
        .build()
        .unwrap();
    let index = IndexBuilder::new().with_image(&arm).build().unwrap();
    for built in [&arm, &index] {
        for manifest in built.manifests().iter().chain([built.root()]) {
            let target = Target::from(manifest.digest());
            assert_eq!(built.resolve(&target).await.unwrap(), *manifest.descriptor());
            assert_eq!(built.manifest(&target).await.unwrap(), *manifest);
        }
    }
    let source: &dyn wharf_content::Source = &index;
    let layer = &arm.root().layers()[0];
    assert_eq!(source.fetch(layer, 100).await.unwrap(), TAR);
    assert_eq!(
        source.fetch(layer, 5).await.unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    assert_eq!(source.config(arm.root()).await.unwrap(), config(&[TAR, b"x"]));
    assert_eq!(source.location_of(layer), Location::Memory);
    let error = source.config(index.root()).await.unwrap_err();
    assert!(error.to_string().contains("is an index"), "{error}");
    let error = source.fetch(&elsewhere, 100).await.unwrap_err();
    assert!(error.to_string().contains("without its bytes"), "{error}");
    let name = Target::Name(wharf_content::Name::parse("latest").unwrap());
    let error = source.resolve(&name).await.unwrap_err();
    assert!(error.to_string().contains(index.digest().as_str()), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// A descriptor that embeds its content needs no source.
#[tokio::test]
async fn embedded_content_is_not_asked_for() {
    let built: BuiltImage = image().build().unwrap();
    let text = json!({
        "mediaType": "application/json", "digest": Hasher::sha256(b"{}"), "size": 2, "data": "e30=",
    });
    let embedded: Descriptor = serde_json::from_value(text).unwrap();
    assert_eq!(built.fetch(&embedded, 2).await.unwrap(), "{}");
}

#[tokio::test]
async fn a_blob_of_bytes_has_their_descriptor_and_can_be_read_again() {
    let blob = Blob::of(MediaType::OCI_LAYER, TAR);
    assert_eq!(*blob.descriptor(), Descriptor::of(MediaType::OCI_LAYER, TAR));
    let again = blob.reopen().unwrap();
    assert_eq!(blob.read_to_end(100).await.unwrap(), TAR);
    assert_eq!(again.read_to_end(100).await.unwrap(), TAR);
    assert_eq!(
        Blob::of(MediaType::OCTET_STREAM, "")
            .read_to_end(0)
            .await
            .unwrap(),
        ""
    );
}
