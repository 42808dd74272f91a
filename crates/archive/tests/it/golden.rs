//! What Skopeo 1.9.3 and Podman 4.3.1 wrote, read here, and written alike.

use std::{fs, io::Read as _, path::Path, sync::Arc};

use wharf_archive::{Archive, Dir, Form, Writer, WriterForm, WriterOptions};
use wharf_content::{Descriptor, Manifest, MediaType, Name, Sink, Source, SourceExt as _, Target};
use wharf_copy::{Options, Selection, copy};
use wharf_reference::Digest;
use wharf_store::Layout;
use wharf_testkit::{SavedImage, saved_image, saved_images, sha256};

use crate::support::{Scratch, files};

/// Opens the only image of what was written.
async fn open(image: &SavedImage, path: &Path) -> (Arc<dyn Source>, Target) {
    let archive = |form| async move {
        let archive = Archive::open(path, form)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let target = archive.only().unwrap_or_else(|error| panic!("{error}")).target();
        (Arc::new(archive) as Arc<dyn Source>, target)
    };
    match image.transport() {
        "dir" => {
            let dir = Dir::open(path).await.unwrap();
            let target = dir.root().digest().into();
            (Arc::new(dir), target)
        }
        "oci" => {
            let layout = Layout::open(path).await.unwrap();
            let images = layout.images().await.unwrap();
            assert_eq!(images.len(), 1, "{}", image.name);
            let target = images[0].descriptor().digest().into();
            (Arc::new(layout), target)
        }
        "oci-archive" => {
            let _ = archive(Form::Oci).await;
            archive(Form::Detect).await
        }
        _ => {
            let _ = archive(Form::Docker).await;
            archive(Form::Detect).await
        }
    }
}

/// The tars of the layers have the digests that the config states.
async fn is_whole(source: &dyn Source, manifest: &Manifest, name: &str) {
    for child in manifest.manifests() {
        let child = source.manifest_of(child).await.unwrap();
        Box::pin(is_whole(source, &child, name)).await;
    }
    let is_artifact = manifest.artifact_type().is_some();
    let diff_ids = if manifest.is_index() || is_artifact {
        Vec::new()
    } else {
        source.config(manifest).await.unwrap().diff_ids().unwrap()
    };
    for (number, layer) in manifest.layers().iter().enumerate() {
        let blob = source.blob(layer).await.unwrap();
        let bytes = blob.read_to_end(u64::MAX).await.unwrap();
        if is_artifact {
            continue;
        }
        // Podman's directory says gzip of layers that are not compressed.
        let tar = if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut tar = Vec::new();
            flate2::read::MultiGzDecoder::new(&*bytes)
                .read_to_end(&mut tar)
                .unwrap();
            tar
        } else {
            bytes.to_vec()
        };
        assert_eq!(sha256(&tar), diff_ids[number], "{name}");
    }
}

#[tokio::test]
async fn what_skopeo_and_podman_wrote_has_the_digests_that_they_state() {
    let scratch = Scratch::new();
    let mut read = 0;
    for image in saved_images() {
        let Some(content) = &image.content else {
            continue;
        };
        let path = image.unpack(&scratch.path(""));
        let (source, target) = open(&image, &path).await;
        let manifest = source
            .manifest(&target)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", image.name));
        if let Some(root) = &content.root {
            assert_eq!(manifest.digest(), root, "{}", image.name);
        } else {
            assert_eq!(
                manifest.media_type(),
                &MediaType::DOCKER_MANIFEST,
                "{}",
                image.name
            );
        }
        assert_eq!(
            manifest.config().map(|config| config.digest().clone()),
            content.config,
            "{}",
            image.name
        );
        // Of a docker-archive Skopeo states the digests of the tars, also where they are stored compressed.
        let layers: Vec<_> = if content.root.is_some() {
            manifest
                .layers()
                .iter()
                .map(|layer| layer.digest().clone())
                .collect()
        } else {
            source.config(&manifest).await.unwrap().diff_ids().unwrap()
        };
        assert_eq!(layers, content.layers, "{}", image.name);
        is_whole(&*source, &manifest, &image.name).await;
        read += 1;
    }
    assert!(read >= 50, "only {read} were read");
}

/// Copies an image as it is, and gives it a name.
async fn copy_as(source: &Arc<dyn Source>, target: &Target, sink: Arc<dyn Sink>, name: Option<&str>) {
    let options = Options::from(Selection::All);
    let options = match name {
        Some(name) => options.with_name(Name::parse(name).unwrap()),
        None => options.without_name(),
    };
    copy(Arc::clone(source), sink, target, options).await.unwrap();
}

#[tokio::test]
async fn what_is_copied_unchanged_is_written_as_skopeo_writes_it() {
    let scratch = Scratch::new();
    for from in ["oci", "docker", "list", "artifact"] {
        let original = saved_image(&format!("{from}-to-dir-preserve"));
        let path = original.unpack(&scratch.path(""));
        let (source, target) = open(&original, &path).await;

        let ours = scratch.path(&format!("{from}-ours"));
        let dir = Arc::new(Dir::create(&ours).await.unwrap());
        copy_as(&source, &target, Arc::clone(&dir) as _, None).await;
        dir.finish().await.unwrap();
        assert_eq!(files(&ours), files(&path), "{from}");

        let ours = scratch.path(&format!("{from}-ours.tar"));
        let options = WriterOptions::default().with_form(WriterForm::Oci);
        let writer = Arc::new(Writer::create_with(&ours, options).await.unwrap());
        copy_as(&source, &target, Arc::clone(&writer) as _, Some("v1")).await;
        writer.finish().await.unwrap();
        let theirs = saved_image(&format!("{from}-to-oci-archive-preserve"));
        let theirs = Archive::open(theirs.unpack(&scratch.path("")), Form::Oci)
            .await
            .unwrap();
        let ours = Archive::open(&ours, Form::Oci).await.unwrap();
        let (ours, theirs) = (ours.only().unwrap(), theirs.only().unwrap());
        assert_eq!(entry(ours.descriptor()), entry(theirs.descriptor()), "{from}");

        let layout = Arc::new(
            Layout::create(scratch.path(&format!("{from}-layout")))
                .await
                .unwrap(),
        );
        copy_as(&source, &target, Arc::clone(&layout) as _, Some("v1")).await;
        let theirs = saved_image(&format!("{from}-to-oci-preserve"));
        let theirs = Layout::open(theirs.unpack(&scratch.path(""))).await.unwrap();
        let (ours, theirs) = (layout.images().await.unwrap(), theirs.images().await.unwrap());
        assert_eq!((ours.len(), theirs.len()), (1, 1), "{from}");
        assert_eq!(
            entry(ours[0].descriptor()),
            entry(theirs[0].descriptor()),
            "{from}"
        );
    }
}

/// The parts of an entry of index.json that all programs write. Skopeo leaves out the type of an artifact and the platform.
fn entry(descriptor: &Descriptor) -> (Digest, MediaType, u64, Option<String>) {
    let name = descriptor
        .annotations()
        .get("org.opencontainers.image.ref.name")
        .cloned();
    (
        descriptor.digest().clone(),
        descriptor.media_type().clone(),
        descriptor.size(),
        name,
    )
}

#[tokio::test]
async fn an_archive_of_dockers_old_form_is_that_of_skopeo() {
    let scratch = Scratch::new();
    for from in ["oci", "docker"] {
        let original = saved_image(&format!("{from}-to-dir-preserve"));
        let path = original.unpack(&scratch.path(""));
        let (source, target) = open(&original, &path).await;
        let ours = scratch.path(&format!("{from}-ours.tar"));
        let options = WriterOptions::default().with_form(WriterForm::DockerLegacy);
        let writer = Writer::create_with(&ours, options).await.unwrap();
        let manifest = source.manifest(&target).await.unwrap();
        for blob in manifest.blobs() {
            writer.push_blob(source.blob(blob).await.unwrap()).await.unwrap();
        }
        writer
            .push_manifest(&manifest, Some(&Name::parse("docker.io/library/h:1").unwrap()))
            .await
            .unwrap();
        writer.finish().await.unwrap();
        let theirs = saved_image(&format!("{from}-to-docker-archive")).unpack(&scratch.path(""));
        assert!(
            fs::read(&ours).unwrap() == fs::read(&theirs).unwrap(),
            "{from}: the archives differ"
        );
    }
}
