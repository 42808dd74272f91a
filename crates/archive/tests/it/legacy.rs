//! Archives of Docker's old form.

use std::{
    fs,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use wharf_archive::{Archive, Form, Writer, WriterForm, WriterOptions};
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Manifest, MediaType, Name, Platform, Sink as _, Source as _,
    SourceExt as _,
};
use wharf_testkit::{Image, Index, Sandbox, require_peers, sha256};

use crate::{
    support::{Scratch, push, refused},
    tarball,
};

fn options() -> WriterOptions {
    WriterOptions::default().with_form(WriterForm::DockerLegacy)
}

/// Layers as they stand in the manifest, compressed and not.
fn layered() -> Image {
    Image::builder()
        .plain_files(&[("etc/", b""), ("etc/plain", b"1")])
        .files(&[("etc/gzip", b"<2>")])
        .files(&[("etc/last", b"3")])
        .finish()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// Writes images with their names.
async fn write(path: &Path, images: &[(&Image, &[&str])]) {
    let writer = Writer::create_with(path, options()).await.unwrap();
    for (image, names) in images {
        push(image, &writer).await;
        for text in *names {
            writer.tag(&name(text), image.manifest().digest()).unwrap();
        }
    }
    writer.finish().await.unwrap();
}

/// An image whose config is this text.
fn with_config(image: &Image, config: &str) -> (Vec<(Descriptor, bytes::Bytes)>, Manifest) {
    let config = bytes::Bytes::copy_from_slice(config.as_bytes());
    let described = Descriptor::of(MediaType::OCI_CONFIG, &config);
    let mut document: Value = serde_json::from_slice(image.manifest().bytes()).unwrap();
    document["config"]["digest"] = described.digest().as_str().into();
    document["config"]["size"] = described.size().into();
    let mut blobs = image.blobs().to_vec();
    blobs[0] = (described, config);
    (blobs, Manifest::parse(document.to_string().into(), None).unwrap())
}

#[tokio::test]
async fn an_old_archive_equals_skopeos() {
    require_peers!("skopeo");
    let sandbox = Sandbox::new();
    let image = layered();
    let config: Value = serde_json::from_slice(&image.blobs()[0].1).unwrap();
    let mut rich = config.clone();
    rich["created"] = "2024-01-01T00:00:00Z".into();
    rich["author"] = "somebody".into();
    rich["docker_version"] = "20.10".into();
    rich["container"] = Value::Null;
    rich["config"] = serde_json::json!({ "Cmd": ["<a> && b"], "Labels": { "z": "\u{2028}", "a": "\\\"" }, "Healthcheck": { "Test": ["NONE"] } });
    let pretty = serde_json::to_string_pretty(&rich).unwrap();
    for (case, text) in [
        ("plain", config.to_string()),
        ("rich", rich.to_string()),
        ("pretty", pretty),
    ] {
        let (blobs, manifest) = with_config(&image, &text);
        let directory = sandbox.path(format!("{case}-dir"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("version"), "Directory Transport Version: 1.1\n").unwrap();
        fs::write(directory.join("manifest.json"), manifest.bytes()).unwrap();
        for (descriptor, bytes) in &blobs {
            fs::write(directory.join(descriptor.digest().encoded()), bytes).unwrap();
        }
        let (theirs, ours) = (
            sandbox.path(format!("{case}-theirs.tar")),
            sandbox.path(format!("{case}-ours.tar")),
        );
        let to = format!("docker-archive:{}:h:1", theirs.display());
        let from = format!("dir:{}", directory.display());
        sandbox
            .skopeo()
            .run(&["copy", "--additional-tag", "quay.io/a/b:2", &from, &to])
            .ok();

        let writer = Writer::create_with(&ours, options()).await.unwrap();
        for (descriptor, bytes) in &blobs {
            writer
                .push_blob(Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap())
                .await
                .unwrap();
        }
        writer.push_manifest(&manifest, Some(&name("h:1"))).await.unwrap();
        writer.tag(&name("quay.io/a/b:2"), manifest.digest()).unwrap();
        let written = writer.finish().await.unwrap();
        let shown = |path: &Path| -> Vec<(String, String)> {
            let members = tarball::read(path).into_iter();
            members
                .map(|(name, content)| (name, String::from_utf8_lossy(&content).replace('\0', "")))
                .collect()
        };
        assert_eq!(shown(&ours), shown(&theirs), "{case}");
        let (theirs, bytes) = (fs::read(theirs).unwrap(), fs::read(&ours).unwrap());
        assert_eq!(written.size, bytes.len() as u64);
        assert_eq!(tarball::read(&ours).len(), 3 + 1 + 3 * 3 + 2, "{case}");
        let differs = theirs.iter().zip(&bytes).position(|(one, other)| one != other);
        assert!(theirs == bytes, "{case}: the archives differ at byte {differs:?}");
    }
}

#[tokio::test]
async fn podman_loads_an_old_archive_of_several_images_and_names() {
    require_peers!("podman");
    let sandbox = Sandbox::new();
    let (one, two) = (layered(), Image::small("two"));
    let path = sandbox.path("old.tar");
    let names: [&[&str]; 2] = [&["docker.io/library/h:1", "quay.io/team/h:2"], &["other"]];
    write(&path, &[(&one, names[0]), (&two, names[1])]).await;
    let loaded = sandbox
        .podman()
        .run(&["load", "--quiet", "--input", path.to_str().unwrap()])
        .ok();
    for (name, image) in [
        ("docker.io/library/h:1", &one),
        ("quay.io/team/h:2", &one),
        ("docker.io/library/other:latest", &two),
    ] {
        assert!(loaded.contains(name), "{loaded}");
        let id = sandbox
            .podman()
            .run(&["image", "inspect", "--format", "{{.Id}}", name])
            .ok();
        assert_eq!(id.trim(), image.blobs()[0].0.digest().encoded(), "{name}");
    }
}

#[tokio::test]
async fn an_old_archive_has_each_layer_once_as_a_tar_and_is_read_back() {
    let scratch = Scratch::new();
    let path = scratch.path("old.tar");
    let shared = Image::builder().docker().files(&[("etc/gzip", b"<2>")]).finish();
    let image = layered();
    write(&path, &[(&image, &["app", "quay.io/a/b:2"]), (&shared, &[])]).await;
    let archive = Archive::open(&path, Form::Detect).await.unwrap();
    let [first, second] = archive.images() else {
        panic!("two images: {archive:?}");
    };
    assert_eq!(
        first.names().collect::<Vec<_>>(),
        ["docker.io/library/app:latest", "quay.io/a/b:2"]
    );
    assert_eq!(second.names().count(), 0);
    for (listed, image) in [(first, &image), (second, &shared)] {
        assert_eq!(listed.image_id(), Some(image.blobs()[0].0.digest()));
        let manifest = archive.manifest(&listed.target()).await.unwrap();
        let diff_ids = archive.config(&manifest).await.unwrap().diff_ids().unwrap();
        for (layer, diff_id) in manifest.layers().iter().zip(&diff_ids) {
            assert_eq!(layer.media_type(), &MediaType::DOCKER_LAYER);
            let tar = archive
                .blob(layer)
                .await
                .unwrap()
                .read_to_end(u64::MAX)
                .await
                .unwrap();
            assert_eq!(sha256(&tar), *diff_id);
        }
    }
    let members = tarball::read(&path);
    let tars = members.iter().filter(|(name, _)| name.len() == 64 + ".tar".len());
    assert_eq!(tars.count(), 3, "the layer of both stands once");
}

#[tokio::test]
async fn what_an_old_archive_cannot_hold_is_refused_and_leaves_nothing() {
    let scratch = Scratch::new();
    let path = scratch.path("old.tar");
    let writer = Writer::create_with(&path, options()).await.unwrap();
    let arm = Image::builder()
        .platform(Platform::new("linux", "arm64"))
        .files(&[("a", b"1")])
        .finish();
    let index = Index::of(vec![Image::small("amd"), arm]);
    let artifact = Image::builder()
        .artifact_type(MediaType::parse("application/x-chart").unwrap())
        .noise(4, 500)
        .finish();
    let accepted = writer.accepts(index.manifest().descriptor());
    let pushed = writer.push_manifest(index.manifest(), None).await;
    for failure in [refused(accepted), refused(pushed)] {
        assert_eq!(failure.kind(), ErrorKind::Unsupported, "{failure}");
        assert!(failure.to_string().contains("one platform"), "{failure}");
    }
    for (descriptor, bytes) in artifact.blobs() {
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        if let Err(failure) = writer.push_blob(blob).await {
            assert_eq!(failure.kind(), ErrorKind::Unsupported, "{failure}");
        }
    }
    let failure = refused(writer.push_manifest(artifact.manifest(), None).await);
    assert!(failure.to_string().contains("no container image"), "{failure}");

    // A config of other layers, one of fewer, and an image of which a layer is missing.
    let image = layered();
    let config: Value = serde_json::from_slice(&image.blobs()[0].1).unwrap();
    let mut other = config.clone();
    other["rootfs"]["diff_ids"][1] = other["rootfs"]["diff_ids"][0].clone();
    let mut fewer = config.clone();
    fewer["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
    fewer["history"] = Value::Null;
    for (config, kind, words) in [
        (other.to_string(), ErrorKind::Mismatch, "layer 2 of "),
        (
            fewer.to_string(),
            ErrorKind::Invalid,
            "has 3 layers, and its config states 2",
        ),
    ] {
        let (blobs, manifest) = with_config(&image, &config);
        for (descriptor, bytes) in &blobs {
            writer
                .push_blob(Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap())
                .await
                .unwrap();
        }
        let failure = refused(writer.push_manifest(&manifest, None).await);
        assert_eq!(failure.kind(), kind, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
    }
    let lacking = Image::builder().docker().noise(8, 100).finish();
    let (descriptor, bytes) = &lacking.blobs()[0];
    writer
        .push_blob(Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap())
        .await
        .unwrap();
    let failure = refused(writer.push_manifest(lacking.manifest(), None).await);
    assert!(
        failure.to_string().contains("layer 1 was not pushed"),
        "{failure}"
    );

    // The archive is whole nevertheless.
    push(&image, &writer).await;
    for text in [
        "A",
        "app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ] {
        let failure: Error = refused(writer.tag(&name(text), image.manifest().digest()));
        assert_eq!(failure.kind(), ErrorKind::Invalid, "{failure}");
    }
    assert!(!writer.can_ingest());
    writer.finish().await.unwrap();
    let archive = Archive::open(&path, Form::Docker).await.unwrap();
    assert_eq!(
        archive.only().unwrap().image_id(),
        Some(image.blobs()[0].0.digest())
    );
}

/// A stream into memory.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_stream_of_the_old_form_takes_layers_that_are_not_compressed() {
    let scratch = Scratch::new();
    let plain = Image::builder().plain_files(&[("a", b"1")]).finish();
    let path = scratch.path("old.tar");
    write(&path, &[(&plain, &["app:1"])]).await;
    let stream = Shared::default();
    let writer = Writer::stream(stream.clone(), options()).await.unwrap();
    let image = layered();
    let (descriptor, bytes) = &image.blobs()[2];
    let compressed = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
    let failure = refused(writer.push_blob(compressed).await);
    assert_eq!(failure.kind(), ErrorKind::Unsupported, "{failure}");
    assert!(failure.to_string().contains("to a file"), "{failure}");
    push(&plain, &writer).await;
    writer.tag(&name("app:1"), plain.manifest().digest()).unwrap();
    writer.finish().await.unwrap();
    assert!(*stream.0.lock().unwrap() == fs::read(&path).unwrap());
}

/// Podman's directories say gzip of layers that are not compressed.
#[tokio::test]
async fn the_first_bytes_of_a_layer_tell_how_it_is_compressed() {
    let scratch = Scratch::new();
    let path = scratch.path("old.tar");
    let writer = Writer::create_with(&path, options()).await.unwrap();
    let image = layered();
    let text = str::from_utf8(image.manifest().bytes()).unwrap();
    let swapped = text
        .replace("layer.v1.tar+gzip\"", "T\"")
        .replace("layer.v1.tar\"", "layer.v1.tar+gzip\"");
    let manifest = Manifest::parse(swapped.replace("T\"", "layer.v1.tar\"").into(), None).unwrap();
    assert_ne!(manifest.digest(), image.manifest().digest());
    for (blob, (_, bytes)) in manifest.blobs().zip(image.blobs()) {
        writer
            .push_blob(Blob::from_bytes(blob.clone(), bytes.clone()).unwrap())
            .await
            .unwrap();
    }
    writer
        .push_manifest(&manifest, Some(&name("app:1")))
        .await
        .unwrap();
    writer.finish().await.unwrap();
    let true_path = scratch.path("true.tar");
    write(&true_path, &[(&image, &["app:1"])]).await;
    assert!(fs::read(&path).unwrap() == fs::read(&true_path).unwrap());

    // What can be decoded by no means is refused, and leaves nothing.
    let writer = Writer::create_with(scratch.path("bad.tar"), options())
        .await
        .unwrap();
    let gzip = &image.blobs()[2].1;
    for (bytes, kind) in [
        (gzip.slice(..gzip.len() - 9), ErrorKind::Corrupt),
        (
            bytes::Bytes::from_static(b"BZh91AY&SY1234567890"),
            ErrorKind::Unsupported,
        ),
    ] {
        let blob = Blob::from_bytes(Descriptor::of(MediaType::OCI_LAYER_GZIP, &bytes), bytes).unwrap();
        let failure = refused(writer.push_blob(blob).await);
        assert_eq!(failure.kind(), kind, "{failure}");
    }
    writer.finish().await.unwrap();
    assert_eq!(
        tarball::read(&scratch.path("bad.tar")).len(),
        2,
        "manifest.json and repositories"
    );
}
