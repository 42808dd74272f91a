//! Archives are written and read.

use std::{
    fs,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use serde_json::Value;
use wharf_archive::{Archive, Form, OciOnlyReason, Writer, WriterForm, WriterOptions};
use wharf_content::{
    ByteStream, Descriptor, Error, ErrorKind, Manifest, MediaType, Name, Platform, Sink as _, Source as _,
    SourceExt as _, Target,
};
use wharf_reference::{Algorithm, Digest};
use wharf_testkit::{Image, Index, noise};

use crate::{
    support::{Scratch, blob, names, push, push_index, refused},
    tarball::{self, M},
};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

async fn push_as(image: &Image, writer: &Writer, names: &[&str]) {
    push(image, writer).await;
    for text in names {
        writer.tag(&name(text), image.manifest().digest()).unwrap();
    }
}

/// Checks that everything of an image can be read.
async fn is_whole(archive: &Archive, image: &Image) {
    let read = archive.manifest(&image.manifest().digest().into()).await.unwrap();
    assert_eq!(read, *image.manifest());
    for (descriptor, bytes) in image.blobs() {
        let read = archive
            .blob(descriptor)
            .await
            .unwrap()
            .read_to_end(u64::MAX)
            .await
            .unwrap();
        assert_eq!(read, *bytes);
    }
}

fn json(path: &Path, member: &str) -> Value {
    let members = tarball::read(path);
    let (_, text) = members
        .iter()
        .find(|(name, _)| name == member)
        .unwrap_or_else(|| panic!("no {member}"));
    serde_json::from_slice(text).unwrap()
}

#[tokio::test]
async fn a_hybrid_has_the_image_once_and_lists_it_for_both_kinds_of_readers() {
    let scratch = Scratch::new();
    let path = scratch.path("image.tar");
    let image = Image::small("one");
    let writer = Writer::create(&path).await.unwrap();
    push_as(
        &image,
        &writer,
        &["docker.io/library/app:1", "quay.io/team/app:2", "plain"],
    )
    .await;
    let written = writer.finish().await.unwrap();
    assert_eq!(written.size, fs::metadata(&path).unwrap().len());
    assert!(written.oci_only.is_empty() && !written.has_zstd);

    let members: Vec<String> = tarball::read(&path).into_iter().map(|(name, _)| name).collect();
    let mut expected: Vec<String> = ["oci-layout", "blobs/", "blobs/sha256/"]
        .map(str::to_owned)
        .into();
    let blob_path = |digest: &Digest| format!("blobs/sha256/{}", digest.encoded());
    expected.extend(
        image
            .blobs()
            .iter()
            .map(|(descriptor, _)| blob_path(descriptor.digest())),
    );
    expected.push(blob_path(image.manifest().digest()));
    expected.extend(["index.json", "manifest.json", "repositories"].map(str::to_owned));
    assert_eq!(members, expected);

    let index = json(&path, "index.json");
    let annotations: Vec<&Value> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["annotations"])
        .collect();
    assert_eq!(annotations.len(), 3);
    for (annotations, full, tag) in [
        (annotations[0], Some("docker.io/library/app:1"), "1"),
        (annotations[1], Some("quay.io/team/app:2"), "2"),
        (annotations[2], None, "plain"),
    ] {
        assert_eq!(annotations["io.containerd.image.name"].as_str(), full);
        assert_eq!(annotations["org.opencontainers.image.ref.name"], tag);
    }
    let docker = json(&path, "manifest.json");
    assert_eq!(docker.as_array().unwrap().len(), 1);
    assert_eq!(docker[0]["Config"], blob_path(image.blobs()[0].0.digest()));
    assert_eq!(
        docker[0]["Layers"],
        serde_json::json!([
            blob_path(image.blobs()[1].0.digest()),
            blob_path(image.blobs()[2].0.digest())
        ])
    );
    assert_eq!(
        docker[0]["RepoTags"],
        serde_json::json!(["docker.io/library/app:1", "quay.io/team/app:2"])
    );
    let top = image.blobs()[2].0.digest().encoded();
    assert_eq!(
        json(&path, "repositories"),
        serde_json::json!({"docker.io/library/app": {"1": top}, "quay.io/team/app": {"2": top}})
    );

    for form in [Form::Detect, Form::Oci] {
        let archive = Archive::open(&path, form).await.unwrap();
        assert_eq!(archive.images().len(), 3);
        for text in [
            "docker.io/library/app:1",
            "app:1",
            "1",
            "plain",
            "quay.io/team/app:2",
        ] {
            let read = archive.manifest(&Target::Name(name(text))).await.unwrap();
            assert_eq!(read, *image.manifest(), "{text}");
        }
        is_whole(&archive, &image).await;
    }
}

#[tokio::test]
async fn both_halves_of_a_hybrid_have_one_config_and_the_same_layers() {
    let scratch = Scratch::new();
    let path = scratch.path("image.tar");
    let image = Image::builder()
        .noise(1, 2_000_000)
        .plain_files(&[("a", b"b")])
        .finish();
    let writer = Writer::create(&path).await.unwrap();
    push_as(&image, &writer, &["docker.io/library/app:1"]).await;
    writer.finish().await.unwrap();
    let archive = Archive::open(&path, Form::Docker).await.unwrap();
    let listed = archive.only().unwrap();
    assert_eq!(listed.names().collect::<Vec<_>>(), ["docker.io/library/app:1"]);
    assert_eq!(listed.image_id(), Some(image.blobs()[0].0.digest()));
    assert_eq!(
        listed.descriptor().platform(),
        Some(&Platform::new("linux", "amd64"))
    );
    let manifest = archive.manifest(&listed.target()).await.unwrap();
    assert_eq!(*manifest.media_type(), MediaType::DOCKER_MANIFEST);
    assert_eq!(manifest.config().unwrap().digest(), image.blobs()[0].0.digest());
    let layers: Vec<&Digest> = manifest.layers().iter().map(Descriptor::digest).collect();
    let expected: Vec<&Digest> = image.manifest().layers().iter().map(Descriptor::digest).collect();
    assert_eq!(layers, expected);
    let types: Vec<&MediaType> = manifest.layers().iter().map(Descriptor::media_type).collect();
    assert_eq!(types, [&MediaType::DOCKER_LAYER_GZIP, &MediaType::DOCKER_LAYER]);
    for (layer, (_, bytes)) in manifest.layers().iter().zip(&image.blobs()[1..]) {
        assert_eq!(
            archive
                .blob(layer)
                .await
                .unwrap()
                .read_to_end(u64::MAX)
                .await
                .unwrap(),
            *bytes
        );
    }
    assert_eq!(archive.config_bytes(&manifest).await.unwrap(), image.blobs()[0].1);
}

#[tokio::test]
async fn several_images_share_an_archive_and_their_blobs() {
    let scratch = Scratch::new();
    let path = scratch.path("images.tar");
    let shared = Image::builder().files(&[("base", b"base")]).finish();
    let images = [
        shared.clone(),
        Image::builder()
            .files(&[("base", b"base")])
            .files(&[("one", b"1")])
            .finish(),
        Image::builder()
            .files(&[("base", b"base")])
            .files(&[("two", b"2")])
            .finish(),
    ];
    let writer = Writer::create(&path).await.unwrap();
    push_as(&images[0], &writer, &["docker.io/library/base:1"]).await;
    push_as(
        &images[1],
        &writer,
        &["docker.io/library/one:1", "docker.io/library/one:latest"],
    )
    .await;
    push_as(&images[2], &writer, &[]).await;
    writer.finish().await.unwrap();
    let layers = tarball::read(&path)
        .iter()
        .filter(|(name, _)| name.starts_with("blobs/sha256/"))
        .count();
    assert_eq!(layers, 1 + 3 + 3 + 3); // the directory, three layers, three configs, three manifests

    let archive = Archive::open(&path, Form::Detect).await.unwrap();
    let listed: Vec<Vec<&str>> = archive
        .images()
        .iter()
        .map(|image| image.names().collect())
        .collect();
    let expected: [&[&str]; 4] = [
        &["docker.io/library/base:1"],
        &["docker.io/library/one:1"],
        &["docker.io/library/one:latest"],
        &[],
    ];
    assert_eq!(listed, expected);
    for image in &images {
        is_whole(&archive, image).await;
    }
    assert_eq!(refused(archive.only()).kind(), ErrorKind::Ambiguous);
    assert_eq!(
        archive.at(3).unwrap().descriptor().digest(),
        images[2].manifest().digest()
    );
    assert_eq!(
        archive.named(&name("one")).unwrap().descriptor().digest(),
        images[1].manifest().digest()
    );
    let docker = Archive::open(&path, Form::Docker).await.unwrap();
    let listed: Vec<Vec<&str>> = docker
        .images()
        .iter()
        .map(|image| image.names().collect())
        .collect();
    let expected: [&[&str]; 3] = [
        &["docker.io/library/base:1"],
        &["docker.io/library/one:1", "docker.io/library/one:latest"],
        &[],
    ];
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn of_an_index_docker_sees_the_image_for_one_platform() {
    let scratch = Scratch::new();
    let arm = Image::builder()
        .platform(Platform::new("linux", "arm64"))
        .files(&[("arm", b"")])
        .finish();
    let index = Index::of(vec![Image::small("amd"), arm]);
    for (platform, expected) in [
        (Platform::new("linux", "amd64"), Some(0)),
        (Platform::new("linux", "arm64"), Some(1)),
        (Platform::new("linux", "s390x"), None),
    ] {
        let path = scratch.path(&platform.architecture);
        let options = WriterOptions::default().with_platform(platform);
        let writer = Writer::create_with(&path, options).await.unwrap();
        push_index(&index, &writer).await;
        writer
            .tag(&name("docker.io/library/multi:1"), index.manifest().digest())
            .unwrap();
        let written = writer.finish().await.unwrap();
        let archive = Archive::open(&path, Form::Oci).await.unwrap();
        assert_eq!(
            archive.only().unwrap().descriptor().digest(),
            index.manifest().digest()
        );
        for image in index.images() {
            is_whole(&archive, image).await;
        }
        let docker = Archive::open(&path, Form::Docker).await.unwrap();
        if let Some(expected) = expected {
            assert!(written.oci_only.is_empty());
            let config = index.images()[expected].blobs()[0].0.digest();
            let seen = docker.only().unwrap();
            assert_eq!(seen.image_id(), Some(config));
            assert_eq!(seen.names().collect::<Vec<_>>(), ["docker.io/library/multi:1"]);
        } else {
            assert_eq!(written.oci_only[0].reason, OciOnlyReason::NoPlatform);
            assert!(docker.images().is_empty());
        }
    }
}

#[tokio::test]
async fn what_docker_cannot_load_is_told() {
    let scratch = Scratch::new();
    let path = scratch.path("mixed.tar");
    let artifact = Image::builder()
        .artifact_type(MediaType::parse("application/x-chart").unwrap())
        .noise(1, 20)
        .finish();
    let sparse = Image::small("sparse");
    let writer = Writer::create(&path).await.unwrap();
    push_as(&artifact, &writer, &["docker.io/library/chart:1"]).await;
    writer.push_blob(blob(&sparse.blobs()[0])).await.unwrap();
    writer.push_manifest(sparse.manifest(), None).await.unwrap();
    let written = writer.finish().await.unwrap();
    let told: Vec<(&Digest, OciOnlyReason)> = written
        .oci_only
        .iter()
        .map(|only| (only.descriptor.digest(), only.reason))
        .collect();
    assert_eq!(
        told,
        [
            (artifact.manifest().digest(), OciOnlyReason::NoContainerImage),
            (sparse.manifest().digest(), OciOnlyReason::LayerMissing)
        ]
    );
    assert_eq!(json(&path, "manifest.json"), serde_json::json!([]));
    let archive = Archive::open(&path, Form::Oci).await.unwrap();
    is_whole(&archive, &artifact).await;
}

#[tokio::test]
async fn an_oci_archive_has_nothing_for_docker() {
    let scratch = Scratch::new();
    let path = scratch.path("oci.tar");
    let image = Image::builder()
        .algorithm(Algorithm::Sha512)
        .files(&[("a", b"b")])
        .finish();
    let writer = Writer::create_with(&path, WriterOptions::default().with_form(WriterForm::Oci))
        .await
        .unwrap();
    push_as(&image, &writer, &["latest"]).await;
    writer.finish().await.unwrap();
    let archive = Archive::open(&path, Form::Detect).await.unwrap();
    is_whole(&archive, &image).await;
    assert_eq!(archive.named(&name("latest")).unwrap().position(), 0);
    let missing = refused(Archive::open(&path, Form::Docker).await);
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("manifest.json"), "{missing}");
}

#[tokio::test]
async fn equal_images_make_equal_archives() {
    let scratch = Scratch::new();
    let image = Image::builder().noise(1, 3_000_000).noise(2, 10).finish();
    let mut archives = Vec::new();
    for (number, time) in [(0, 0), (1, 0), (2, 1_700_000_000)] {
        let path = scratch.path(&number.to_string());
        let writer = Writer::create_with(&path, WriterOptions::default().with_time(time))
            .await
            .unwrap();
        push_as(&image, &writer, &["docker.io/library/app:1"]).await;
        writer.finish().await.unwrap();
        archives.push(fs::read(path).unwrap());
    }
    assert!(archives[0] == archives[1]);
    assert!(archives[0] != archives[2]);
    assert_eq!(
        &archives[2][136..147],
        format!("{:011o}", 1_700_000_000).as_bytes()
    );

    let (stream, bytes) = Shared::new();
    let writer = Writer::stream(stream, WriterOptions::default()).await.unwrap();
    push_as(&image, &writer, &["docker.io/library/app:1"]).await;
    writer.finish().await.unwrap();
    assert!(
        *bytes.lock().unwrap() == archives[0],
        "a stream has the bytes of a file"
    );
}

#[tokio::test]
async fn a_blob_of_unknown_digest_gets_its_header_last_and_stands_once() {
    let scratch = Scratch::new();
    let path = scratch.path("image.tar");
    let image = Image::builder().noise(1, 2_500_000).noise(2, 100).finish();
    let writer = Writer::create(&path).await.unwrap();
    let ingest = |bytes: Bytes| writer.ingest(MediaType::OCI_LAYER_GZIP, Algorithm::Sha256, chunks(&bytes));
    for (descriptor, bytes) in &image.blobs()[1..] {
        assert_eq!(ingest(bytes.clone()).await.unwrap(), *descriptor);
        assert_eq!(ingest(bytes.clone()).await.unwrap(), *descriptor); // is cut off again
    }
    let broken = futures_util::stream::iter([
        Ok(Bytes::from(noise(3, 2_000_000))),
        Err(Error::new(ErrorKind::Network, "it broke")),
    ]);
    let failed = writer
        .ingest(MediaType::OCI_LAYER, Algorithm::Sha256, Box::pin(broken))
        .await;
    assert_eq!(refused(failed).kind(), ErrorKind::Network);
    push_as(&image, &writer, &["docker.io/library/app:1"]).await;
    writer.finish().await.unwrap();
    let archive = Archive::open(&path, Form::Detect).await.unwrap();
    is_whole(&archive, &image).await;
    // The bytes are those of blobs of known digests in the same order.
    let other = scratch.path("known.tar");
    let writer = Writer::create(&other).await.unwrap();
    for content in &image.blobs()[1..] {
        writer.push_blob(blob(content)).await.unwrap();
    }
    push_as(&image, &writer, &["docker.io/library/app:1"]).await;
    writer.finish().await.unwrap();
    assert!(fs::read(path).unwrap() == fs::read(other).unwrap());
}

/// A push holds the archive until its member is ended: one that waits would drop a member that is still open.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn pushes_at_once_are_members_of_their_own() {
    let scratch = Scratch::new();
    for round in 0..20 {
        let path = scratch.path(&format!("image-{round}.tar"));
        let writer = Arc::new(Writer::create(&path).await.unwrap());
        let images: Vec<_> = (0..16).map(|n| Image::small(&format!("image {n}"))).collect();
        let mut pushes = tokio::task::JoinSet::new();
        for content in images.iter().flat_map(Image::blobs) {
            let (writer, blob) = (Arc::clone(&writer), blob(content));
            pushes.spawn(async move { writer.push_blob(blob).await });
        }
        while let Some(pushed) = pushes.join_next().await {
            pushed.unwrap().unwrap();
        }
        for (n, image) in images.iter().enumerate() {
            push_as(image, &writer, &[&format!("docker.io/library/app:{n}")]).await;
        }
        writer.finish().await.unwrap();
        let archive = Archive::open(&path, Form::Detect).await.unwrap();
        for image in &images {
            is_whole(&archive, image).await;
        }
    }
}

#[tokio::test]
async fn a_stream_takes_known_digests_alone_and_ends_with_its_first_failure() {
    let image = Image::small("one");
    let (stream, _) = Shared::new();
    let writer = Writer::stream(stream, WriterOptions::default()).await.unwrap();
    assert!(!writer.can_ingest());
    let refused_ingest = writer
        .ingest(MediaType::OCI_LAYER, Algorithm::Sha256, chunks(&"x".into()))
        .await;
    assert_eq!(refused(refused_ingest).kind(), ErrorKind::Unsupported);
    writer.push_blob(blob(&image.blobs()[0])).await.unwrap();
    let (descriptor, _) = &image.blobs()[1];
    let wrong = wharf_content::Blob::from_bytes(
        descriptor.clone(),
        vec![0; usize::try_from(descriptor.size()).unwrap()].into(),
    );
    let first = refused(writer.push_blob(wrong.unwrap()).await);
    assert_eq!(first.kind(), ErrorKind::Mismatch);
    for later in [
        refused(writer.push_blob(blob(&image.blobs()[1])).await),
        refused(writer.push_manifest(image.manifest(), None).await),
        refused(writer.finish().await),
    ] {
        assert!(later.to_string().contains(&first.to_string()), "{later}");
    }
}

#[tokio::test]
async fn a_closed_pipe_is_an_error() {
    let image = Image::builder().noise(1, 100_000).finish();
    let (reader, pipe) = std::io::pipe().unwrap();
    let writer = Writer::stream(pipe, WriterOptions::default()).await.unwrap();
    drop(reader);
    let failure = refused(writer.push_blob(blob(&image.blobs()[1])).await);
    assert_eq!(failure.kind(), ErrorKind::Storage, "{failure}");
    let later = refused(writer.finish().await).to_string();
    for part in ["cannot write", "Broken pipe"] {
        assert!(later.contains(part), "the first cause: {later}");
    }
}

#[tokio::test]
async fn a_file_that_exists_is_replaced_on_request_alone() {
    let scratch = Scratch::new();
    let path = scratch.path("image.tar");
    let image = Image::small("one");
    fs::write(&path, "mine").unwrap();
    let failure = refused(Writer::create(&path).await);
    assert_eq!(failure.kind(), ErrorKind::Conflict, "{failure}");
    assert_eq!(
        refused(Writer::create(scratch.path(".")).await).kind(),
        ErrorKind::Conflict
    );
    assert_eq!(names(&scratch.path(".")), ["image.tar"]);

    let replace = || WriterOptions::default().with_replace(true);
    let writer = Writer::create_with(&path, replace()).await.unwrap();
    push(&image, &writer).await;
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    drop(writer);
    assert_eq!(names(&scratch.path(".")), ["image.tar"]);
    assert_eq!(fs::read(&path).unwrap(), b"mine");

    let writer = Writer::create_with(&path, replace()).await.unwrap();
    let second = refused(Writer::create_with(&path, replace()).await);
    assert_eq!(second.kind(), ErrorKind::Conflict, "{second}");
    push(&image, &writer).await;
    writer.finish().await.unwrap();
    assert_eq!(names(&scratch.path(".")), ["image.tar"]);
    is_whole(&Archive::open(&path, Form::Detect).await.unwrap(), &image).await;

    // Made by mktemp, or left by a writer that was killed.
    fs::write(scratch.path("empty.tar"), "").unwrap();
    fs::write(scratch.path(".new.tar.wharf-new"), "half").unwrap();
    for file in ["empty.tar", "new.tar"] {
        let writer = Writer::create(scratch.path(file)).await.unwrap();
        push(&image, &writer).await;
        writer.finish().await.unwrap();
        is_whole(
            &Archive::open(scratch.path(file), Form::Detect).await.unwrap(),
            &image,
        )
        .await;
    }
    assert_eq!(names(&scratch.path(".")), ["empty.tar", "image.tar", "new.tar"]);

    // Appeared meanwhile.
    let late = scratch.path("late.tar");
    let writer = Writer::create(&late).await.unwrap();
    push(&image, &writer).await;
    fs::write(&late, "mine").unwrap();
    assert_eq!(refused(writer.finish().await).kind(), ErrorKind::Conflict);
    drop(writer);
    assert_eq!(fs::read(&late).unwrap(), b"mine");
    assert_eq!(
        names(&scratch.path(".")),
        ["empty.tar", "image.tar", "late.tar", "new.tar"]
    );
}

#[tokio::test]
async fn nothing_is_pushed_after_the_end() {
    let scratch = Scratch::new();
    let image = Image::small("one");
    let writer = Writer::create(scratch.path("image.tar")).await.unwrap();
    writer.finish().await.unwrap();
    for kind in [
        refused(writer.push_blob(blob(&image.blobs()[0])).await).kind(),
        refused(writer.push_manifest(image.manifest(), None).await).kind(),
        refused(writer.finish().await).kind(),
        refused(writer.tag(&name("a"), image.manifest().digest())).kind(),
    ] {
        assert_eq!(kind, ErrorKind::Unsupported);
    }
    // An archive of nothing is one.
    let empty = Archive::open(scratch.path("image.tar"), Form::Detect)
        .await
        .unwrap();
    assert_eq!(refused(empty.only()).kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn referrers_are_beside_their_subject_and_not_listed() {
    let scratch = Scratch::new();
    let path = scratch.path("signed.tar");
    let image = Image::small("one");
    let signature = Image::builder()
        .subject(image.manifest().descriptor())
        .artifact_type(MediaType::parse("application/x-signature").unwrap())
        .noise(3, 10)
        .finish();
    let writer = Writer::create(&path).await.unwrap();
    push(&signature, &writer).await;
    push_as(&image, &writer, &["docker.io/library/app:1"]).await;
    writer.finish().await.unwrap();
    let archive = Archive::open(&path, Form::Detect).await.unwrap();
    assert_eq!(
        archive.only().unwrap().descriptor().digest(),
        image.manifest().digest()
    );
    let found = archive.referrers(image.manifest().digest()).await.unwrap();
    assert_eq!(
        found.iter().map(Descriptor::digest).collect::<Vec<_>>(),
        [signature.manifest().digest()]
    );
    is_whole(&archive, &signature).await;
}

/// The old format of `docker save`: a directory for each layer, some of them links to others.
#[tokio::test]
async fn archives_of_old_docker_are_read() {
    let scratch = Scratch::new();
    let path = scratch.path("old.tar");
    let image = Image::builder()
        .plain_files(&[("a", b"1")])
        .plain_files(&[("b", b"2")])
        .finish();
    let [(config, config_bytes), (_, first), (_, second)] = image.blobs() else {
        panic!("three blobs");
    };
    let id = config.digest().encoded();
    let manifest = format!(
        r#"[{{"Config":"{id}.json","RepoTags":["old:1"],"Layers":["one/layer.tar","two/layer.tar"]}},
            {{"Config":"{id}.json","RepoTags":null,"Layers":["one/layer.tar","three/layer.tar"],"Parent":"x"}}]"#
    );
    tarball::write(
        &path,
        [
            ("one/", M::Directory),
            ("one/VERSION", M::text("1.0")),
            ("one/layer.tar", M::File(first.to_vec())),
            ("three/layer.tar", M::Link("../two/layer.tar")),
            (&*format!("{id}.json"), M::File(config_bytes.to_vec())),
            ("manifest.json", M::text(manifest)),
            ("two/layer.tar", M::File(second.to_vec())),
            ("repositories", M::text("{}")),
        ],
    );
    let archive = Archive::open(&path, Form::Detect).await.unwrap();
    assert_eq!(archive.images().len(), 2);
    let [one, other] = archive.images() else {
        panic!("two images")
    };
    assert_eq!(one.descriptor().digest(), other.descriptor().digest());
    assert_eq!(
        (one.names().collect::<Vec<_>>(), other.names().count()),
        (vec!["old:1"], 0)
    );
    let read: Manifest = archive.manifest(&one.target()).await.unwrap();
    for (layer, bytes) in read.layers().iter().zip([first, second]) {
        assert_eq!(*layer.media_type(), MediaType::DOCKER_LAYER);
        assert_eq!(
            archive
                .blob(layer)
                .await
                .unwrap()
                .read_to_end(u64::MAX)
                .await
                .unwrap(),
            *bytes
        );
    }
    assert_eq!(archive.named(&name("old:1")).unwrap().position(), 0);
}

/// A layer that is compressed and not named by its digest is hashed; crane has a colon in the config's name.
#[tokio::test]
async fn archives_of_crane_are_read() {
    let scratch = Scratch::new();
    let path = scratch.path("crane.tar");
    let image = Image::small("crane");
    let config = image.blobs()[0].0.digest().to_string();
    let layers = ["layer-1.tar.gz", "layer-2.tar.gz"];
    let manifest =
        serde_json::json!([{"Config": config, "RepoTags": ["localhost:5000/app:1"], "Layers": layers}]);
    tarball::write(
        &path,
        [
            (&*config, M::File(image.blobs()[0].1.to_vec())),
            (layers[1], M::File(image.blobs()[2].1.to_vec())),
            (layers[0], M::File(image.blobs()[1].1.to_vec())),
            ("manifest.json", M::text(manifest.to_string())),
        ],
    );
    let archive = Archive::open(&path, Form::Docker).await.unwrap();
    let read = archive.manifest(&archive.only().unwrap().target()).await.unwrap();
    let digests =
        |manifest: &Manifest| -> Vec<Digest> { manifest.blobs().map(|blob| blob.digest().clone()).collect() };
    assert_eq!(digests(&read), digests(image.manifest()));
    assert!(
        read.layers()
            .iter()
            .all(|layer| *layer.media_type() == MediaType::DOCKER_LAYER_GZIP)
    );
}

/// Where the OCI half lacks what it lists, the other half is read.
#[tokio::test]
async fn an_incomplete_layout_gives_way_to_manifest_json() {
    let scratch = Scratch::new();
    let path = scratch.path("image.tar");
    let image = Image::small("one");
    let writer = Writer::create(&path).await.unwrap();
    push_as(&image, &writer, &["docker.io/library/app:1"]).await;
    writer.finish().await.unwrap();
    let root = format!("blobs/sha256/{}", image.manifest().digest().encoded());
    let members = tarball::read(&path)
        .into_iter()
        .filter(|(name, _)| !name.ends_with('/') && *name != root);
    let members: Vec<(String, Vec<u8>)> = members.collect();
    tarball::write(
        &path,
        members
            .iter()
            .map(|(name, content)| (name.as_str(), M::File(content.clone()))),
    );
    let archive = Archive::open(&path, Form::Detect).await.unwrap();
    assert_eq!(
        archive.only().unwrap().image_id(),
        Some(image.blobs()[0].0.digest())
    );
    let oci = Archive::open(&path, Form::Oci).await.unwrap();
    let missing = refused(oci.manifest(&Target::Name(name("app:1"))).await);
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
}

fn chunks(bytes: &Bytes) -> ByteStream {
    let chunks: Vec<Result<Bytes, Error>> = bytes
        .chunks(60_000)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    Box::pin(futures_util::stream::iter(chunks))
}

/// A stream into memory.
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn new() -> (Self, Arc<Mutex<Vec<u8>>>) {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        (Self(Arc::clone(&bytes)), bytes)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
