//! Skopeo, Podman and umoci read our archives, and we read theirs.

use std::{fs, path::Path, process::Command};

use wharf_archive::{Archive, Form, Writer, WriterForm, WriterOptions};
use wharf_content::{
    BuiltImage, ImageBuilder, ImageConfig, MediaType, Name, Platform, SinkExt as _, Source as _,
    SourceExt as _,
};
use wharf_reference::Digest;
use wharf_testkit::{Image, Index, Sandbox, noise, require_peers, sha256};

use crate::support::{push, push_index};

const FULL: &str = "docker.io/library/h:1";

/// An image whose layer is compressed with zstd, as one frame of blocks that are not.
fn zstd_image() -> BuiltImage {
    let tar = crate::tarball::archive([("hello", crate::tarball::M::File(noise(9, 1000)))]);
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend(u32::try_from(tar.len()).unwrap().to_le_bytes());
    frame.extend(&(u32::try_from(tar.len() << 3).unwrap() | 1).to_le_bytes()[..3]);
    frame.extend(&tar);
    let config = ImageConfig::builder(Platform::new("linux", "amd64"))
        .with_diff_id(&sha256(&tar))
        .build()
        .unwrap();
    let zstd = MediaType::OCI_LAYER_ZSTD;
    ImageBuilder::new()
        .with_config(config)
        .with_layer_bytes(zstd, frame)
        .build()
        .unwrap()
}

/// Writes each kind of image under one name; the digests of manifest and config.
async fn write_all(sandbox: &Sandbox) -> Vec<(&'static str, Digest, Digest)> {
    let name = Name::parse(FULL).unwrap();
    let mut written = Vec::new();
    for (file, image) in [
        ("gzip.tar", Image::small("gzip")),
        (
            "plain.tar",
            Image::builder().plain_files(&[("plain", b"tar")]).finish(),
        ),
        (
            "docker.tar",
            Image::builder().docker().files(&[("docker", b"types")]).finish(),
        ),
    ] {
        let writer = Writer::create(sandbox.path(file)).await.unwrap();
        push(&image, &writer).await;
        writer.tag(&name, image.manifest().digest()).unwrap();
        writer.finish().await.unwrap();
        written.push((
            file,
            image.manifest().digest().clone(),
            image.blobs()[0].0.digest().clone(),
        ));
    }
    let image = zstd_image();
    let writer = Writer::create(sandbox.path("zstd.tar")).await.unwrap();
    writer.push_image(&image, Some(&name)).await.unwrap();
    assert!(writer.finish().await.unwrap().has_zstd);
    let config = image.root().config().unwrap().digest().clone();
    written.push(("zstd.tar", image.digest().clone(), config));
    written
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn skopeo_reads_both_halves_of_our_hybrid() {
    require_peers!("skopeo");
    let sandbox = Sandbox::new();
    for (file, manifest, config) in write_all(&sandbox).await {
        let path = text(&sandbox.path(file));
        let mut locations = vec![format!("oci-archive:{path}")];
        if file != "docker.tar" {
            locations.push(format!("oci-archive:{path}:1")); // it looks for OCI's types by name
        }
        for location in locations {
            let inspected = sandbox.skopeo().run(&["inspect", &location]).json();
            assert_eq!(inspected["Digest"], manifest.as_str(), "{location}");
        }
        for location in [
            format!("docker-archive:{path}"),
            format!("docker-archive:{path}:{FULL}"),
        ] {
            let raw = sandbox.skopeo().run(&["inspect", "--raw", &location]).json();
            assert_eq!(raw["config"]["digest"], config.as_str(), "{location}");
            let copied = format!("dir:{}", text(&sandbox.path(format!("{file}-copied"))));
            sandbox.skopeo().run(&["copy", &location, &copied]).ok();
        }
        let tags = sandbox
            .skopeo()
            .run(&["list-tags", &format!("docker-archive:{path}")])
            .json();
        assert_eq!(tags["Tags"], serde_json::json!([FULL]));
    }
}

#[tokio::test]
async fn podman_loads_our_hybrid_from_a_file_and_a_pipe_under_its_full_names() {
    require_peers!("podman", "sh");
    let sandbox = Sandbox::new();
    for (file, _, config) in write_all(&sandbox).await {
        let path = text(&sandbox.path(file));
        let podman = sandbox.podman();
        let loaded = podman.run(&["load", "--quiet", "--input", &path]).ok();
        assert!(loaded.contains(FULL), "{file}: {loaded}");
        let id = sandbox
            .podman()
            .run(&["image", "inspect", "--format", "{{.Id}}", FULL])
            .ok();
        assert_eq!(id.trim(), config.encoded(), "{file}");
        sandbox.podman().run(&["rmi", "--force", FULL]).ok();
        let pipe =
            format!("cat {path} | podman --events-backend=none --cgroup-manager=cgroupfs load --quiet");
        let loaded = sandbox.tool("sh", &[]).run(&["-c", &pipe]).ok();
        assert!(loaded.contains(FULL), "{file}: {loaded}");
        sandbox.podman().run(&["rmi", "--force", FULL]).ok();
    }
    // Two names, and several images.
    let (one, two) = (Image::small("one"), Image::small("two"));
    let path = sandbox.path("several.tar");
    let writer = Writer::create(&path).await.unwrap();
    for (image, names) in [
        (&one, vec![FULL, "quay.io/team/h:2"]),
        (&two, vec!["docker.io/library/other:3"]),
    ] {
        push(image, &writer).await;
        for name in names {
            writer
                .tag(&Name::parse(name).unwrap(), image.manifest().digest())
                .unwrap();
        }
    }
    writer.finish().await.unwrap();
    let loaded = sandbox
        .podman()
        .run(&["load", "--quiet", "--input", &text(&path)])
        .ok();
    for name in [FULL, "quay.io/team/h:2", "docker.io/library/other:3"] {
        assert!(loaded.contains(name), "{loaded}");
    }
}

#[tokio::test]
async fn an_index_is_read_from_our_archive_by_skopeo_and_podman() {
    require_peers!("skopeo", "podman");
    let sandbox = Sandbox::new();
    let arm = Image::builder()
        .platform(Platform::new("linux", "arm64"))
        .files(&[("arm", b"64")])
        .finish();
    let index = Index::of(vec![Image::small("amd"), arm]);
    let path = sandbox.path("index.tar");
    let options = WriterOptions::default().with_platform(Platform::new("linux", "amd64"));
    let writer = Writer::create_with(&path, options).await.unwrap();
    push_index(&index, &writer).await;
    writer
        .tag(&Name::parse(FULL).unwrap(), index.manifest().digest())
        .unwrap();
    writer.finish().await.unwrap();

    let raw = sandbox
        .skopeo()
        .run(&["inspect", "--raw", &format!("oci-archive:{}", text(&path))])
        .ok();
    assert_eq!(sha256(raw.as_bytes()), *index.manifest().digest());
    let to = format!("dir:{}", text(&sandbox.path("dir")));
    sandbox
        .skopeo()
        .run(&["copy", "--all", &format!("oci-archive:{}:1", text(&path)), &to])
        .ok();
    let loaded = sandbox
        .podman()
        .run(&["load", "--quiet", "--input", &text(&path)])
        .ok();
    assert!(loaded.contains(FULL), "{loaded}");
}

#[tokio::test]
async fn umoci_reads_our_archive_unpacked() {
    require_peers!("umoci", "tar");
    let sandbox = Sandbox::new();
    let image = Image::small("one");
    let path = sandbox.path("oci.tar");
    let options = WriterOptions::default().with_form(WriterForm::Oci);
    let writer = Writer::create_with(&path, options).await.unwrap();
    push(&image, &writer).await;
    writer
        .tag(&Name::parse("v1").unwrap(), image.manifest().digest())
        .unwrap();
    writer.finish().await.unwrap();
    let layout = sandbox.path("layout");
    fs::create_dir(&layout).unwrap();
    let unpacked = Command::new("tar")
        .arg("-xf")
        .arg(&path)
        .arg("-C")
        .arg(&layout)
        .output()
        .unwrap();
    assert!(
        unpacked.status.success() && unpacked.stderr.is_empty(),
        "{unpacked:?}"
    );
    let listed = sandbox.umoci().run(&["ls", "--layout", &text(&layout)]).ok();
    assert_eq!(listed.trim(), "v1");
    sandbox
        .umoci()
        .run(&["stat", "--image", &format!("{}:v1", text(&layout)), "--json"])
        .json();
}

/// Checks that the only image of an archive has this config and can be read as a whole.
async fn reads(path: &Path, form: Form, config: &[u8], names: &[&str]) {
    let archive = Archive::open(path, form)
        .await
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let image = archive.only().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(image.names().collect::<Vec<_>>(), names, "{}", path.display());
    let manifest = archive.manifest(&image.target()).await.unwrap();
    assert_eq!(
        archive.config_bytes(&manifest).await.unwrap(),
        config,
        "{}",
        path.display()
    );
    for layer in manifest.layers() {
        archive
            .blob(layer)
            .await
            .unwrap()
            .read_to_end(u64::MAX)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn we_read_the_archives_of_skopeo() {
    require_peers!("skopeo");
    let sandbox = Sandbox::new();
    let image = Image::small("theirs");
    let config = &image.blobs()[0].1;
    image.write_layout(&sandbox.path("layout"), "v1");
    let from = format!("oci:{}:v1", text(&sandbox.path("layout")));
    let file = |name: &str| text(&sandbox.path(name));
    sandbox
        .skopeo()
        .run(&["copy", &from, &format!("oci-archive:{}:x/y:2", file("oci.tar"))])
        .ok();
    reads(&sandbox.path("oci.tar"), Form::Oci, config, &["x/y:2"]).await;
    reads(&sandbox.path("oci.tar"), Form::Detect, config, &["x/y:2"]).await;
    sandbox
        .skopeo()
        .run(&["copy", &from, &format!("oci-archive:{}", file("unnamed.tar"))])
        .ok();
    reads(&sandbox.path("unnamed.tar"), Form::Detect, config, &[]).await;
    let docker = format!("docker-archive:{}:h:1", file("docker.tar"));
    sandbox
        .skopeo()
        .run(&["copy", "--additional-tag", "quay.io/a/b:2", &from, &docker])
        .ok();
    for form in [Form::Docker, Form::Detect] {
        reads(
            &sandbox.path("docker.tar"),
            form,
            config,
            &[FULL, "quay.io/a/b:2"],
        )
        .await;
    }
    // Layers were decompressed: their digests are the diff_ids.
    let archive = Archive::open(sandbox.path("docker.tar"), Form::Docker)
        .await
        .unwrap();
    let manifest = archive.manifest(&archive.only().unwrap().target()).await.unwrap();
    let diff_ids = archive.config(&manifest).await.unwrap().diff_ids().unwrap();
    let layers: Vec<Digest> = manifest
        .layers()
        .iter()
        .map(|layer| layer.digest().clone())
        .collect();
    assert_eq!(layers, diff_ids);
}

#[tokio::test]
async fn we_read_the_archives_of_podman() {
    require_peers!("podman", "skopeo");
    let sandbox = Sandbox::new();
    let images = [Image::small("one"), Image::small("two")];
    for (number, image) in images.iter().enumerate() {
        let layout = sandbox.path(format!("layout{number}"));
        image.write_layout(&layout, "v1");
        let archive = format!(
            "{}:docker.io/library/p{number}:1",
            text(&sandbox.path(format!("in{number}.tar")))
        );
        sandbox
            .skopeo()
            .run(&[
                "copy",
                &format!("oci:{}:v1", text(&layout)),
                &format!("docker-archive:{archive}"),
            ])
            .ok();
        let file = text(&sandbox.path(format!("in{number}.tar")));
        sandbox.podman().run(&["load", "--quiet", "--input", &file]).ok();
    }
    let save = |format: &str, file: &str| {
        let file = text(&sandbox.path(file));
        let arguments = [
            "save",
            "--quiet",
            "--format",
            format,
            "--output",
            &file,
            "docker.io/library/p0:1",
        ];
        sandbox.podman().run(&arguments).ok();
    };
    save("docker-archive", "docker.tar");
    save("oci-archive", "oci.tar");
    save("docker-dir", "directory");
    let config = &images[0].blobs()[0].1;
    reads(
        &sandbox.path("docker.tar"),
        Form::Docker,
        config,
        &["docker.io/library/p0:1"],
    )
    .await;
    reads(
        &sandbox.path("docker.tar"),
        Form::Detect,
        config,
        &["docker.io/library/p0:1"],
    )
    .await;
    // Podman writes the config anew, in the order of Go's types, where it makes an OCI image.
    let archive = Archive::open(sandbox.path("oci.tar"), Form::Detect)
        .await
        .unwrap();
    assert_eq!(
        archive.only().unwrap().names().collect::<Vec<_>>(),
        ["docker.io/library/p0:1"]
    );
    let manifest = archive.manifest(&archive.only().unwrap().target()).await.unwrap();
    for blob in manifest.blobs() {
        archive
            .blob(blob)
            .await
            .unwrap()
            .read_to_end(u64::MAX)
            .await
            .unwrap();
    }
    let dir = wharf_archive::Dir::open(sandbox.path("directory")).await.unwrap();
    assert_eq!(dir.config_bytes(dir.root()).await.unwrap(), *config);

    let several = text(&sandbox.path("several.tar"));
    let names = ["docker.io/library/p0:1", "docker.io/library/p1:1"];
    let arguments = [
        "save",
        "--quiet",
        "--multi-image-archive",
        "--output",
        &several,
        names[0],
        names[1],
    ];
    sandbox.podman().run(&arguments).ok();
    let archive = Archive::open(&several, Form::Detect).await.unwrap();
    for (name, image) in names.iter().zip(&images) {
        let listed = archive.named(&Name::parse(name).unwrap()).unwrap();
        assert_eq!(listed.image_id(), Some(image.blobs()[0].0.digest()), "{name}");
    }
}
