//! Images unpacked to a directory, by the example `unpack` and the facade.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;
use wharf::{
    Client, ErrorKind,
    image::UnpackOptions,
    layer::{ApplyOptions, Ownership},
};
use wharf_content::{Event, Platform};
use wharf_registry::Registry;
use wharf_testkit::{Image, Index, Sandbox};

use crate::program::run;

/// An image of two layers, the upper of which hides a file.
fn image(architecture: &str) -> Image {
    Image::builder()
        .platform(Platform::new("linux", architecture))
        .files(&[
            ("etc/arch", architecture.as_bytes()),
            ("etc/gone", b"1"),
            ("bin/sh", b"#!"),
        ])
        .files(&[("etc/.wh.gone", b""), ("srv/app/file", b"22")])
        .finish()
}

/// A layout `here` with the index `it`, whose entry for the host's platform is one of two.
fn sandbox() -> (Sandbox, [Image; 2]) {
    let sandbox = Sandbox::new();
    let images = ["amd64", "arm64"].map(image);
    Index::of(images.to_vec()).write_layout(&sandbox.path("here"), "it");
    (sandbox, images)
}

/// The files of a tree, with their contents.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

fn expected(architecture: &str) -> BTreeMap<PathBuf, String> {
    let files = [
        ("etc/arch", architecture),
        ("bin/sh", "#!"),
        ("srv/app/file", "22"),
    ];
    files.map(|(name, content)| (name.into(), content.into())).into()
}

#[test]
fn every_transport_gives_the_same_tree() {
    let (sandbox, images) = sandbox();
    for to in [
        "oci:layout:it",
        "dir:directory",
        "oci-archive:oci.tar:it",
        "docker-archive:docker.tar:example.com/it:1",
    ] {
        run(
            &sandbox,
            "copy",
            &["--quiet", "--platform=linux/arm64", "oci:here:it", to],
        )
        .ok();
        let root = to.split(':').nth(1).unwrap().to_owned() + "-root";
        let printed = run(&sandbox, "unpack", &["--owner=current", to, &root]).last_line();
        if !to.starts_with("docker-archive") {
            // That has a manifest of its own.
            assert_eq!(printed, images[1].manifest().digest().to_string(), "{to}");
        }
        assert_eq!(tree(&sandbox.path(&root)), expected("arm64"), "{to}");
    }
}

#[test]
fn the_platform_is_chosen_and_the_digest_is_that_of_its_image() {
    let (sandbox, images) = sandbox();
    for (architecture, image) in ["amd64", "arm64"].into_iter().zip(&images) {
        let platform = format!("--platform=linux/{architecture}");
        let arguments = [
            "--quiet",
            "--owner=record",
            &platform,
            "oci:here:it",
            architecture,
        ];
        let printed = run(&sandbox, "unpack", &arguments).ok();
        assert_eq!(printed.trim_end(), image.manifest().digest().to_string());
        assert_eq!(tree(&sandbox.path(architecture)), expected(architecture));
    }
    let absent = ["--platform=linux/s390x", "oci:here:it", "root"];
    run(&sandbox, "unpack", &absent).fails(3, &["s390x"]);
    assert!(!sandbox.path("root").exists());
}

#[test]
fn mistakes_are_named_and_leave_nothing() {
    let (sandbox, _) = sandbox();
    fs::create_dir(sandbox.path("full")).unwrap();
    fs::write(sandbox.path("full/file"), "mine").unwrap();
    fs::write(
        sandbox.path("policy.json"),
        r#"{"default": [{"type": "reject"}]}"#,
    )
    .unwrap();
    let here = |more: &[&str], directory: &str, code: i32, words: &[&str]| {
        let arguments = [more, &["--platform=linux/amd64", "oci:here:it", directory]].concat();
        run(&sandbox, "unpack", &arguments).fails(code, words);
    };
    here(&[], "full", 1, &["full", "not empty"]);
    here(&[], "full/file", 1, &["full/file", "must be a directory"]);
    here(&[], "missing/root", 3, &["missing"]);
    here(&["--policy=policy.json"], "root", 1, &["reject"]);
    here(&["--owner=root"], "root", 2, &["use keep, current or record"]);
    here(&["--uid-map=0:1000"], "root", 2, &["--gid-map"]);
    here(
        &["--uid-map=0:1000:0", "--gid-map=0:1"],
        "root",
        2,
        &["it is empty"],
    );
    here(
        &["--uid-map=a:b", "--gid-map=0:1"],
        "root",
        2,
        &["such as 0:100000:65536"],
    );
    run(&sandbox, "unpack", &["oci:here:other", "root"]).fails(3, &["other", "it has it"]);
    run(&sandbox, "unpack", &["dokcer://x", "root"]).fails(2, &["dokcer"]);
    let left: Vec<_> = fs::read_dir(sandbox.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name == "root" || name.to_string_lossy().starts_with(".wharf")),
        "{left:?}"
    );
    assert_eq!(
        tree(&sandbox.path("full")),
        [("file".into(), "mine".into())].into()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_registry_is_unpacked_without_a_store() {
    let (sandbox, _) = sandbox();
    let server = Registry::memory().serve().await.unwrap();
    let name = format!("{}/app:1", server.registry());
    let arguments = [
        "--quiet",
        "--all",
        "--tls-verify=false",
        "oci:here:it",
        &format!("docker://{name}"),
    ];
    run(&sandbox, "copy", &arguments).ok();
    let client = Client::builder()
        .with_plain_http(server.registry())
        .build()
        .unwrap();
    let apply = ApplyOptions::default().with_ownership(Ownership::Current);
    let options = UnpackOptions::default()
        .with_platform(Platform::new("linux", "amd64"))
        .with_apply(apply);
    let root = sandbox.path("root");
    let unpacked = client.unpack_with(&name, &root, options.clone()).await.unwrap();
    assert_eq!(tree(&root), expected("amd64"));
    assert_eq!((unpacked.layers.len(), unpacked.layers[1].whiteouts), (2, 1));
    let again = client.unpack_with(&name, &root, options).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    let missing = client
        .unpack(format!("{}/app:2", server.registry()), sandbox.path("other"))
        .await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_unpacking_is_reported_and_dropped_in_its_middle_leaves_nothing() {
    let sandbox = Sandbox::new();
    let platform = Platform::new("linux", "amd64");
    let image = Image::builder().platform(platform.clone());
    let image = image.noise(1, 6 << 20).noise(2, 5 << 20).finish();
    let sizes: Vec<_> = image.blobs()[1..].iter().map(|(layer, _)| layer.size()).collect();
    Index::of(vec![image]).write_layout(&sandbox.path("here"), "it");
    let (to, root) = (sandbox.path("to"), sandbox.path("to/root"));
    fs::create_dir(&to).unwrap();
    let name = format!("oci:{}:it", sandbox.path("here").display());
    let apply = ApplyOptions::default().with_ownership(Ownership::Current);
    let options = UnpackOptions::default().with_apply(apply).with_platform(platform);
    // At the start, in the first layer, at its end, in the second one.
    for (wanted, part) in [("started", 0), ("advanced", 0), ("finished", 0), ("advanced", 1)] {
        let runtime = runtime();
        runtime.block_on(async {
            let client = Client::builder().build().unwrap();
            let (reached, size) = (Arc::new(Notify::new()), sizes[part]);
            let tell = Arc::clone(&reached);
            let options = options.clone().with_progress(move |event: Event<'_>| {
                if said(&event) == Some((wanted, size)) {
                    tell.notify_one();
                }
            });
            tokio::select! {
                biased;
                () = reached.notified() => {}
                result = client.unpack_with(&name, &root, options) => {
                    // Both may be ready at once: the thread is faster.
                    result.unwrap();
                    fs::remove_dir_all(&root).unwrap();
                }
            }
        });
        drop(runtime); // waits for its blocking threads
        let left: Vec<_> = fs::read_dir(&to).unwrap().collect();
        assert!(left.is_empty(), "{wanted} {part}: {left:?}");
    }
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let options = options.with_progress(move |event: Event<'_>| {
        if let Some((said, size)) = said(&event).filter(|(said, _)| *said != "advanced") {
            seen.lock().unwrap().push((said, size));
        }
    });
    let client = Client::builder().build().unwrap();
    runtime()
        .block_on(client.unpack_with(&name, &root, options))
        .unwrap();
    let mut events = events.lock().unwrap().clone();
    events.sort_unstable();
    let mut expected: Vec<_> = sizes
        .iter()
        .flat_map(|size| [("finished", *size), ("started", *size)])
        .collect();
    expected.sort_unstable();
    assert_eq!(events, expected, "the path can be unpacked to afterwards");
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// An event about a layer: its kind, and the size of the layer.
fn said(event: &Event<'_>) -> Option<(&'static str, u64)> {
    match event {
        Event::Started { descriptor } => Some(("started", descriptor.size())),
        Event::Advanced { descriptor, .. } => Some(("advanced", descriptor.size())),
        Event::Finished { descriptor, .. } => Some(("finished", descriptor.size())),
        _ => None,
    }
}
