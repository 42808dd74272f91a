//! Each corruption of an image has its finding, and an image without one has none.

use std::sync::Arc;

use serde_json::{Value, json};
use wharf_content::{
    Blob, Descriptor, ErrorKind, Hasher, Manifest, MediaType, Sink as _, SinkExt as _, SourceExt as _,
};
use wharf_image::{Check, Depth, Finding, Options, Severity, validate};
use wharf_layer::tar::{Member, Writer};
use wharf_store::Memory;
use wharf_testkit::{Image, Index};

use crate::support::{OCI_CONFIG, OCI_GZIP, OCI_INDEX, OCI_MANIFEST, Store};

const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

async fn findings(store: &Store, root: &Manifest) -> Vec<Finding> {
    let target = root.digest().into();
    validate(store.0.clone(), &target, Depth::Blobs, &Options::default())
        .await
        .unwrap()
}

fn seen(findings: &[Finding]) -> Vec<(Severity, Check, Option<usize>)> {
    findings
        .iter()
        .map(|finding| (finding.severity, finding.check, finding.layer))
        .collect()
}

/// A tar of empty files of these names.
fn tar(names: &[&str]) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut bytes = Vec::new();
    for name in names {
        bytes.extend(writer.member(&Member::file(name, 0).unwrap()).unwrap());
        bytes.extend_from_slice(writer.end_member().unwrap());
    }
    bytes.extend_from_slice(writer.finish().unwrap());
    bytes
}

/// A tar of one empty file, of which the name is written into the header whatever it is.
fn raw_tar(name: &str) -> Vec<u8> {
    let mut bytes = tar(&["x"]);
    bytes[..100].fill(0);
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

/// An image of a good layer and of one of this type and these bytes, whose tar has this digest by the config.
async fn image(store: &Store, media_type: &str, bytes: &[u8], diff_id: &[u8]) -> Manifest {
    let good = tar(&["good"]);
    let layers = json!([
        store.blob(OCI_LAYER, good.clone()).await,
        store.blob(media_type, bytes.to_vec()).await,
    ]);
    let diff_ids = json!([Hasher::sha256(&good), Hasher::sha256(diff_id)]);
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    image_of(store, &config, layers).await
}

async fn image_of(store: &Store, config: &Value, layers: Value) -> Manifest {
    let config = store.blob(OCI_CONFIG, config.to_string()).await;
    store
        .manifest(
            &json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers }),
        )
        .await
}

#[tokio::test]
async fn nothing_is_wrong_with_a_good_image() {
    let index = Index::of(vec![
        Image::small("a"),
        Image::builder()
            .docker()
            .files(&[("x", b"y")])
            .plain_files(&[("z", b"")])
            .finish(),
    ]);
    let store = Store::with_index(&index).await;
    assert_eq!(findings(&store, index.manifest()).await, []);
    let artifact = Image::builder()
        .artifact_type(MediaType::parse("a/b").unwrap())
        .files(&[("x", b"y")])
        .finish();
    let store = Store::with_image(&artifact).await;
    assert_eq!(findings(&store, artifact.manifest()).await, []);
}

#[tokio::test]
async fn a_layer_that_is_wrong_has_its_finding() {
    let good = tar(&["a"]);
    let mut trailing = good.clone();
    trailing.extend([1; 512]);
    let rows = vec![
        (
            OCI_LAYER,
            good.clone(),
            b"another".to_vec(),
            Severity::Error,
            Check::DiffId,
        ),
        (
            OCI_GZIP,
            good.clone(),
            good.clone(),
            Severity::Error,
            Check::Compression,
        ),
        (
            OCI_LAYER,
            good[..700].to_vec(),
            good[..700].to_vec(),
            Severity::Error,
            Check::Tar,
        ),
        (
            OCI_LAYER,
            b"no tar".to_vec(),
            b"no tar".to_vec(),
            Severity::Error,
            Check::Tar,
        ),
        (
            OCI_LAYER,
            raw_tar("../up"),
            raw_tar("../up"),
            Severity::Error,
            Check::Tar,
        ),
        (
            OCI_LAYER,
            tar(&["d/.wh."]),
            tar(&["d/.wh."]),
            Severity::Error,
            Check::Whiteout,
        ),
        (
            OCI_LAYER,
            tar(&[".wh..wh.plnk"]),
            tar(&[".wh..wh.plnk"]),
            Severity::Warning,
            Check::Whiteout,
        ),
        (
            OCI_LAYER,
            trailing.clone(),
            trailing,
            Severity::Warning,
            Check::Tar,
        ),
    ];
    for (media_type, bytes, diff_id, severity, check) in rows {
        let store = Store::default();
        let image = image(&store, media_type, &bytes, &diff_id).await;
        let found = findings(&store, &image).await;
        assert_eq!(seen(&found), [(severity, check, Some(2))], "{found:?}");
        assert_eq!(found[0].manifest, *image.digest());
        let target = image.digest().into();
        let documents = validate(store.0.clone(), &target, Depth::Documents, &Options::default())
            .await
            .unwrap();
        assert_eq!(documents, [], "layers are not read");
    }
    for names in [&[".wh..wh..opq", ".wh.gone"][..], &["a.wh.b"]] {
        let store = Store::default();
        let bytes = tar(names);
        let image = image(&store, OCI_LAYER, &bytes, &bytes).await;
        assert_eq!(findings(&store, &image).await, []);
    }
}

#[tokio::test]
async fn a_name_that_occurs_twice_is_a_warning() {
    let [one, other] = [raw_tar("a"), raw_tar("./a")];
    let bytes = [&one[..512], &other].concat();
    let store = Store::default();
    let image = image(&store, OCI_LAYER, &bytes, &bytes).await;
    let found = findings(&store, &image).await;
    assert_eq!(
        seen(&found),
        [(Severity::Warning, Check::Duplicate, Some(2))],
        "{found:?}"
    );
}

#[tokio::test]
async fn a_config_that_is_wrong_has_its_finding() {
    let layer = tar(&["a"]);
    let diff_id = Hasher::sha256(&layer);
    let rootfs = json!({ "type": "layers", "diff_ids": [diff_id] });
    let rows = [
        (
            json!({ "architecture": "amd64", "os": "linux", "rootfs": { "diff_ids": [diff_id] } }),
            Check::RootFs,
        ),
        (
            json!({ "rootfs": { "type": "layers", "diff_ids": [] } }),
            Check::Counts,
        ),
        (
            json!({ "rootfs": { "type": "layers", "diff_ids": [diff_id, diff_id] } }),
            Check::Counts,
        ),
        (
            json!({ "rootfs": { "type": "layers", "diff_ids": ["sha256:x"] } }),
            Check::Counts,
        ),
        (json!({ "rootfs": rootfs, "history": [{}, {}] }), Check::Counts),
        (
            json!({ "rootfs": rootfs, "history": [{ "empty_layer": true }] }),
            Check::Counts,
        ),
        (
            json!({ "rootfs": rootfs, "os": "linux", "OS": "windows" }),
            Check::Document,
        ),
        (json!({ "rootfs": rootfs, "os": 1 }), Check::Document),
    ];
    for (config, check) in rows {
        let store = Store::default();
        let layers = json!([store.blob(OCI_LAYER, layer.clone()).await]);
        let image = image_of(&store, &config, layers).await;
        let found = findings(&store, &image).await;
        assert_eq!(
            seen(&found),
            [(Severity::Error, check, None)],
            "{config}: {found:?}"
        );
    }
}

#[tokio::test]
async fn content_that_is_missing_or_described_falsely_has_its_finding() {
    let good = Image::small("a");
    // Each blob of the image in turn is missing.
    for (missing, (descriptor, _)) in good.blobs().iter().enumerate() {
        let store = Store::default();
        for (other, bytes) in good.blobs().iter().filter(|(other, _)| other != descriptor) {
            let blob = Blob::from_bytes(other.clone(), bytes.clone()).unwrap();
            store.0.push_blob(blob).await.unwrap();
        }
        store.0.push_manifest(good.manifest(), None).await.unwrap();
        let layer = missing.checked_sub(1).map(|at| at + 1);
        let found = findings(&store, good.manifest()).await;
        assert_eq!(
            seen(&found),
            [(Severity::Error, Check::Present, layer)],
            "{missing}: {found:?}"
        );
    }
    // An index lists images that are missing, larger, or of another type or platform than it says.
    let store = Store::with_image(&good).await;
    let entry = |digest: &str, media_type: &str, size: usize, architecture: &str| {
        json!({ "mediaType": media_type, "digest": digest, "size": size,
            "platform": { "os": "linux", "architecture": architecture } })
    };
    let (digest, size) = (good.manifest().digest().as_str(), good.manifest().bytes().len());
    let absent = format!("sha256:{}", "e".repeat(64));
    let rows = [
        (
            entry(&absent, OCI_MANIFEST, 100, "amd64"),
            Severity::Error,
            Check::Present,
        ),
        (
            entry(digest, OCI_MANIFEST, size + 1, "amd64"),
            Severity::Error,
            Check::Digest,
        ),
        (
            entry(digest, OCI_INDEX, size, "amd64"),
            Severity::Error,
            Check::Digest,
        ),
        (
            entry(digest, OCI_MANIFEST, size, "arm64"),
            Severity::Warning,
            Check::Platform,
        ),
    ];
    for (entry, severity, check) in rows {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
        let index = store.manifest(&index).await;
        let found = findings(&store, &index).await;
        assert_eq!(seen(&found), [(severity, check, None)], "{found:?}");
    }
}

#[tokio::test]
async fn a_blob_with_another_digest_is_found_wherever_it_is() {
    /// Serves the last byte of one blob wrong.
    struct Wrong(Arc<Memory>, Descriptor);

    #[async_trait::async_trait]
    impl wharf_content::Source for Wrong {
        async fn resolve(&self, target: &wharf_content::Target) -> Result<Descriptor, wharf_content::Error> {
            self.0.resolve(target).await
        }

        async fn manifest(&self, target: &wharf_content::Target) -> Result<Manifest, wharf_content::Error> {
            self.0.manifest(target).await
        }

        async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, wharf_content::Error> {
            let mut bytes = self.0.fetch(descriptor, 1 << 20).await?.to_vec();
            if descriptor.digest() == self.1.digest() {
                *bytes.last_mut().unwrap() ^= 1;
            }
            Blob::from_bytes(descriptor.clone(), bytes.into())
        }

        fn location(&self) -> wharf_content::Location {
            wharf_content::Location::Memory
        }
    }

    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    for (at, (descriptor, _)) in image.blobs().iter().enumerate() {
        let source = Arc::new(Wrong(store.0.clone(), descriptor.clone()));
        let target = image.manifest().digest().into();
        let found = validate(source, &target, Depth::Blobs, &Options::default())
            .await
            .unwrap();
        let layer = at.checked_sub(1).map(|at| at + 1);
        assert_eq!(
            seen(&found),
            [(Severity::Error, Check::Digest, layer)],
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn indexes_that_are_nested_too_deep_have_a_finding() {
    let store = Store::default();
    let mut inner = store
        .image(OCI_MANIFEST, OCI_CONFIG, "application/vnd.in-toto+json")
        .await;
    for level in 2..=5 {
        let entry =
            json!({ "mediaType": inner.media_type(), "digest": inner.digest(), "size": inner.bytes().len() });
        inner = store
            .manifest(&json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] }))
            .await;
        let found = findings(&store, &inner).await;
        let deep = found.iter().any(|finding| finding.check == Check::Limit);
        assert_eq!(deep, level > 4, "{level}: {found:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_found_at_all_is_an_error() {
    let target = Hasher::sha256(b"nothing").into();
    let refused = validate(
        Arc::new(Memory::new()),
        &target,
        Depth::Blobs,
        &Options::default(),
    )
    .await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn findings_are_shown_without_control_characters() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = Store::default();
        let bytes = tar(&["a\u{1b}[2J/.wh."]);
        let image = image(&store, OCI_LAYER, &bytes, &bytes).await;
        let found = findings(&store, &image).await;
        let shown = found[0].to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(
            shown.contains("layer 2") && shown.starts_with("error: sha256:"),
            "{shown}"
        );
        let _ = store.0.push_bytes(MediaType::OCTET_STREAM, "x").await.unwrap();
    });
}

#[tokio::test]
async fn zeros_after_the_tar_of_a_layer_are_no_finding() {
    for zeros in [512, 10_240, 1 << 20] {
        let mut bytes = tar(&["a"]);
        bytes.extend(vec![0; zeros]);
        let store = Store::default();
        let image = image(&store, OCI_LAYER, &bytes, &bytes).await;
        assert_eq!(findings(&store, &image).await, [], "{zeros}");
    }
}

#[tokio::test]
async fn layers_that_unpack_to_more_than_an_image_may_have_a_finding() {
    let store = Store::default();
    let bytes = tar(&["a"]);
    let image = image(&store, OCI_LAYER, &bytes, &bytes).await;
    let target = image.digest().into();
    let options = Options::default().with_max_unpacked(bytes.len() as u64 - 1);
    let found = validate(store.0.clone(), &target, Depth::Blobs, &options)
        .await
        .unwrap();
    assert!(
        found
            .iter()
            .any(|finding| finding.message.contains("`max_unpacked` is")),
        "{found:?}"
    );
}
