//! Indexes of images in sources: M118.

use std::sync::Arc;

use serde_json::{Value, json};
use wharf_content::{ErrorKind, MediaType, Name, Platform, Source, SourceExt as _, Target};
use wharf_copy::{Selection, copy};
use wharf_image::{BuiltIndex, Depth, Format, IndexBuilder, Options, validate};
use wharf_store::{Layout, Memory};
use wharf_testkit::{Image, Sandbox, require_peers};

use crate::support::{OCI_INDEX, OCI_MANIFEST, Store, document};

fn image(architecture: &str) -> Image {
    Image::builder()
        .files(&[("name", architecture.as_bytes())])
        .platform(Platform::new("linux", architecture))
        .finish()
}

fn target(image: &Image) -> Target {
    image.manifest().digest().into()
}

/// An index of images that are in a store each.
async fn built(format: Format, images: &[Image]) -> BuiltIndex {
    let mut index = IndexBuilder::new(format);
    for image in images {
        let store = Store::with_image(image).await;
        index.add(store.0.clone(), &target(image)).await.unwrap();
    }
    index.build().unwrap()
}

fn platforms(index: &BuiltIndex) -> Vec<String> {
    let entries = index.root().manifests().iter();
    entries
        .map(|entry| entry.platform().unwrap().to_string())
        .collect()
}

#[tokio::test]
async fn images_of_several_sources_are_copied_as_one_index() {
    let images = ["riscv64", "amd64", "arm64"].map(image);
    for format in [Format::Oci, Format::Docker] {
        let index = built(format, &images).await;
        assert_eq!(Format::of(index.root().media_type()), Some(format));
        assert_eq!(platforms(&index), ["linux/riscv64", "linux/amd64", "linux/arm64"]);
        let (source, sink): (Arc<dyn Source>, _) = (Arc::new(index.clone()), Arc::new(Memory::new()));
        let (target, options) = (index.target(), Options::default());
        let findings = validate(source.clone(), &target, Depth::Blobs, &options).await;
        assert_eq!(findings.unwrap(), []);
        copy(source, sink.clone(), &index.target(), Selection::All.into())
            .await
            .unwrap();
        for entry in index.root().manifests() {
            let image = sink.manifest_of(entry).await.unwrap();
            sink.config(&image).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_index_that_is_opened_keeps_what_is_not_changed() {
    let store = Store::default();
    let images = ["amd64", "arm64", "riscv64"].map(image);
    for image in &images {
        store.add_image(image).await;
    }
    let entry = |image: &Image| {
        json!({
            "digest": image.manifest().digest(), "mediaType": OCI_MANIFEST, "size": image.manifest().bytes().len(),
            "x-entry": 1, "platform": { "os": "linux", "x-platform": true, "architecture": image.platform().architecture },
        })
    };
    let before = json!({
        "x-first": 1.5, "manifests": [entry(&images[0]), entry(&images[1])], "mediaType": OCI_INDEX, "schemaVersion": 2,
    });
    let opened = store.manifest(&before).await;
    let target_of_opened = opened.digest().into();
    let open = async || {
        IndexBuilder::open(store.0.clone(), &target_of_opened)
            .await
            .unwrap()
    };
    assert_eq!(open().await.build().unwrap().root().bytes(), opened.bytes());

    let mut index = open().await;
    index.add(store.0.clone(), &target(&images[2])).await.unwrap();
    index.remove(images[0].manifest().digest()).unwrap();
    let arm = images[1].manifest().digest();
    index.annotate(Some(arm), "key", "value").unwrap();
    index.annotate(None, "of", "the index").unwrap();
    let platform = Platform::new("linux", "arm64").with_variant("v8");
    index.set_platform(arm, &platform).unwrap();
    let index = index.build().unwrap();
    assert_eq!(platforms(&index), ["linux/arm64/v8", "linux/riscv64"]);
    let after = document(index.root());
    assert_eq!(after["x-first"], 1.5);
    assert_eq!(after["annotations"], json!({ "of": "the index" }));
    assert_eq!(after["manifests"][0]["x-entry"], 1);
    assert_eq!(after["manifests"][0]["platform"]["x-platform"], true);
    assert_eq!(after["manifests"][0]["annotations"], json!({ "key": "value" }));

    // Of another index, each entry is added as it is.
    let mut whole = IndexBuilder::new(Format::Oci);
    whole.add(store.0.clone(), &target_of_opened).await.unwrap();
    let whole = whole.build().unwrap();
    assert_eq!(document(whole.root())["manifests"], before["manifests"]);
}

#[tokio::test]
async fn what_no_index_can_list_is_refused() {
    let store = Store::default();
    let (amd64, arm64) = (image("amd64"), image("arm64"));
    let artifact = Image::builder().artifact_type(MediaType::OCTET_STREAM).finish();
    for image in [&amd64, &arm64, &artifact] {
        store.add_image(image).await;
    }
    let source = || store.0.clone();
    let mut oci = IndexBuilder::new(Format::Oci);
    oci.add(source(), &target(&amd64)).await.unwrap();
    let twice = oci.add(source(), &target(&amd64)).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Conflict, "{twice}");
    oci.add(source(), &target(&artifact)).await.unwrap();
    let digest = arm64.manifest().digest();
    let platform = Platform::new("linux", "arm64");
    for error in [
        oci.remove(digest),
        oci.annotate(Some(digest), "a", "b"),
        oci.set_platform(digest, &platform),
    ] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let error = oci.annotate(None, "", "b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);

    let mut docker = IndexBuilder::new(Format::Docker);
    let error = docker.add(source(), &target(&artifact)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = docker.annotate(None, "a", "b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = IndexBuilder::open(source(), &target(&amd64)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");

    // Two entries of one image become equal when they get the same platform.
    let mut equal = IndexBuilder::new(Format::Oci);
    equal.add(source(), &target(&amd64)).await.unwrap();
    equal.set_platform(amd64.manifest().digest(), &platform).unwrap();
    equal.add(source(), &target(&amd64)).await.unwrap();
    equal.set_platform(amd64.manifest().digest(), &platform).unwrap();
    assert_eq!(equal.build().unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn skopeo_and_podman_read_what_was_built() {
    require_peers!("skopeo", "podman");
    let sandbox = Sandbox::new();
    let directory = sandbox.path("images");
    let layout = Arc::new(Layout::create(&directory).await.unwrap());
    let index = built(Format::Oci, &["amd64", "arm64"].map(image)).await;
    let options = wharf_copy::Options::from(Selection::All).with_name(Name::parse("it").unwrap());
    copy(Arc::new(index.clone()), layout, &index.target(), options)
        .await
        .unwrap();
    let source = format!("oci:{}:it", directory.display());
    let raw = sandbox.skopeo().run(&["inspect", "--raw", &source]).ok();
    assert_eq!(raw.as_bytes(), index.root().bytes());
    let copied = format!("dir:{}", sandbox.path("copied").display());
    sandbox.skopeo().run(&["copy", "--all", &source, &copied]).ok();
    // Podman looks at indexes of its own store.
    sandbox
        .podman()
        .run(&["manifest", "create", "--all", "localhost/it", &source])
        .ok();
    let inspected: Value = sandbox
        .podman()
        .run(&["manifest", "inspect", "localhost/it"])
        .json();
    assert_eq!(inspected["manifests"], document(index.root())["manifests"]);
    let pushed = format!("dir:{}", sandbox.path("pushed").display());
    let arguments = ["manifest", "push", "--all", "localhost/it", &pushed];
    sandbox.podman().run(&arguments).ok();
    for image in index.root().manifests() {
        let name = format!("pushed/{}.manifest.json", image.digest().encoded());
        assert!(sandbox.path(&name).exists(), "{name}");
    }
}
