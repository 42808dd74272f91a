//! Podman's service takes what we load and gives it back, and Skopeo agrees.

use std::sync::Arc;

use wharf::{Client, Daemon, DaemonImage, ErrorKind, Name, Selection, SinkExt as _, Target, store::Layout};
use wharf_testkit::{Image, Index, PodmanService, Sandbox, program::run, require_peers};

use super::NAME;

fn daemon(service: &PodmanService) -> Daemon {
    Daemon::new(service.address().parse().unwrap())
}

fn id_of(sandbox: &Sandbox, name: &str) -> String {
    let id = sandbox
        .podman()
        .run(&["image", "inspect", "--format", "{{.Id}}", name])
        .ok();
    format!("sha256:{}", id.trim())
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_takes_an_image_and_gives_it_back() {
    require_peers!("podman", "skopeo");
    let sandbox = Sandbox::new();
    let service = PodmanService::start(&sandbox);
    let client = Client::builder().with_daemon(daemon(&service)).build().unwrap();
    for (number, image) in [
        Image::builder()
            .files(&[("etc/motd", b"gzip")])
            .noise(1, 300_000)
            .finish(),
        Image::builder().plain_files(&[("plain", b"tar")]).finish(),
        Image::builder().docker().files(&[("docker", b"types")]).finish(),
    ]
    .into_iter()
    .enumerate()
    {
        let layout = sandbox.path(format!("layout{number}"));
        image.write_layout(&layout, "v1");
        let name = format!("docker.io/library/app{number}:1");
        let from = format!("oci:{}:v1", layout.display());
        let copied = client.copy(from, format!("docker-daemon:{name}")).await.unwrap();
        assert_eq!(copied.digest(), image.manifest().digest());
        let config = image.blobs()[0].0.digest();
        assert_eq!(id_of(&sandbox, &name), config.as_str());

        // Each transport takes it from there, with its config.
        for to in [
            "oci:back",
            "dir:back-dir",
            "oci-archive:back.tar",
            "docker-archive:back-docker.tar",
        ] {
            let (transport, path) = to.split_once(':').unwrap();
            let path = sandbox.path(format!("{path}{number}"));
            client
                .copy(
                    format!("docker-daemon:{name}"),
                    format!("{transport}:{}", path.display()),
                )
                .await
                .unwrap_or_else(|error| panic!("{to}: {error:?}"));
            let back = format!("{transport}:{}", path.display());
            let manifest = client.image_manifest(back.as_str()).await.unwrap();
            assert_eq!(manifest.config().unwrap().digest(), config, "{to}");
        }
        // By its ID, under no name.
        let store = Layout::create(sandbox.path(format!("by-id{number}")))
            .await
            .unwrap();
        let found = daemon(&service)
            .get(&DaemonImage::Id(config.clone()), &store)
            .await
            .unwrap();
        assert!(found.names.is_empty());
        assert_eq!(found.image_id.as_ref(), Some(config));
        let inspected = client.inspect(format!("docker-daemon:{name}")).await.unwrap();
        assert_eq!(inspected.layers.len(), image.blobs().len() - 1);

        {
            let raw = sandbox
                .skopeo()
                .run_async(&[
                    "inspect",
                    "--config",
                    "--raw",
                    "--daemon-host",
                    service.address(),
                    &format!("docker-daemon:{name}"),
                ])
                .await
                .ok();
            assert_eq!(raw.as_bytes(), image.blobs()[0].1, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_takes_several_images_and_an_index_and_lacks_what_it_has_not() {
    require_peers!("podman");
    let sandbox = Sandbox::new();
    let service = PodmanService::start(&sandbox);
    let daemon = daemon(&service);
    // A layer of noise is no tar, which Podman finds when it unpacks it.
    assert!(super::load(&daemon, &super::image(1000)).await.is_err());

    let images = [Image::small("one"), Image::small("two")];
    for (number, image) in images.iter().enumerate() {
        image.write_layout(&sandbox.path(format!("store{number}")), "v1");
    }
    let writer = Arc::new(daemon.writer().await.unwrap());
    let names = [NAME, "quay.io/team/app:2", "docker.io/library/other:3"];
    for (number, named) in [(0, &names[..2]), (1, &names[2..])] {
        let store = Layout::open(sandbox.path(format!("store{number}")))
            .await
            .unwrap();
        let target = Target::from(Name::parse("v1").unwrap());
        let options = wharf::Options::default().with_name(Name::parse(named[0]).unwrap());
        let report = wharf::copy::copy(Arc::new(store), writer.clone(), &target, options)
            .await
            .unwrap();
        for name in &named[1..] {
            writer.tag(&Name::parse(name).unwrap(), report.digest()).unwrap();
        }
    }
    let mut loaded = writer.finish().await.unwrap().names;
    loaded.sort();
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(loaded, expected);
    for (name, image) in [
        (names[0], &images[0]),
        (names[1], &images[0]),
        (names[2], &images[1]),
    ] {
        assert_eq!(id_of(&sandbox, name), image.blobs()[0].0.digest().as_str());
    }
    let several: Vec<DaemonImage> = names.iter().map(|name| name.parse().unwrap()).collect();
    let back = Layout::create(sandbox.path("several")).await.unwrap();
    assert_eq!(daemon.get_all(&several, &back).await.unwrap().len(), 2);

    for missing in [
        "docker.io/library/absent:1".to_owned(),
        format!("sha256:{}", "0".repeat(64)),
    ] {
        let error = daemon.get(&missing.parse().unwrap(), &back).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }

    let index = Index::of(vec![Image::small("amd")]);
    index.write_layout(&sandbox.path("list"), "v1");
    let client = Client::builder().with_daemon(daemon.clone()).build().unwrap();
    let from = format!("oci:{}:v1", sandbox.path("list").display());
    for (name, selection) in [("list:all", Selection::All), ("list:one", Selection::default())] {
        client
            .copy_with(from.as_str(), format!("docker-daemon:{name}"), selection)
            .await
            .unwrap();
        assert_eq!(
            id_of(&sandbox, &format!("docker.io/library/{name}")),
            index.images()[0].blobs()[0].0.digest().as_str()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_lists_no_image_that_was_cut_off() {
    require_peers!("podman");
    let sandbox = Sandbox::new();
    let service = PodmanService::start(&sandbox);
    let image = super::image(3_000_000);
    let writer = daemon(&service).writer().await.unwrap();
    writer
        .push_image(&image, Some(&Name::parse(NAME).unwrap()))
        .await
        .unwrap();
    drop(writer);
    let exists = sandbox.podman().run(&["image", "exists", NAME]);
    assert!(!exists.success);
}

#[test]
fn the_examples_copy_to_and_from_a_daemon() {
    require_peers!("podman");
    let sandbox = Sandbox::new();
    let service = PodmanService::start(&sandbox);
    let image = Image::small("one");
    image.write_layout(&sandbox.path("layout"), "v1");
    let host = service.address();
    let digest = image.manifest().digest().to_string();
    let to = run(
        &sandbox,
        "copy",
        &["oci:layout:v1", "docker-daemon:app:1", "--dest-daemon-host", host],
    );
    assert_eq!(to.last_line(), digest);
    run(
        &sandbox,
        "copy",
        &["docker-daemon:app:1", "oci:back:v1", "--src-daemon-host", host],
    )
    .ok();
    let config = image.blobs()[0].0.digest();
    let inspected = run(
        &sandbox,
        "inspect",
        &["--raw", "docker-daemon:app:1", "--daemon-host", host],
    )
    .ok();
    assert!(inspected.contains(config.as_str()), "{inspected}");
    run(
        &sandbox,
        "inspect",
        &["docker-daemon:absent:1", "--daemon-host", host],
    )
    .fails(3, &["image not known"]);
    let missing = format!("unix://{}", sandbox.path("none.sock").display());
    run(
        &sandbox,
        "inspect",
        &["docker-daemon:app:1", "--daemon-host", &missing],
    )
    .fails(1, &["there is no such socket"]);
    run(
        &sandbox,
        "copy",
        &[
            "oci:layout:v1",
            &format!("docker-daemon:{config}"),
            "--dest-daemon-host",
            host,
        ],
    )
    .fails(1, &["write a name instead"]);
}

/// The ways to Podman's images that the refusal of `containers-storage:` names.
#[test]
fn each_bridge_to_podmans_storage_is_passable_in_both_directions() {
    require_peers!("podman");
    let sandbox = Sandbox::new();
    let image = Image::small("one");
    image.write_layout(&sandbox.path("layout"), "v1");
    run(&sandbox, "copy", &["oci:layout:v1", "containers-storage:app"])
        .fails(2, &["podman pull oci:DIRECTORY"]);
    let path = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let id = image.blobs()[0].0.digest();
    let podman = |arguments: &[&str]| sandbox.podman().run(arguments).ok();

    // podman pull and push, with a store.
    let pulled = podman(&["pull", "--quiet", &format!("oci:{}:v1", path("layout"))]);
    assert_eq!(pulled.trim(), id.encoded());
    podman(&[
        "push",
        "--quiet",
        id.encoded(),
        &format!("oci:{}:v2", path("pushed")),
    ]);
    run(&sandbox, "inspect", &["oci:pushed:v2"]).ok();
    // podman load and save, with an archive.
    run(
        &sandbox,
        "copy",
        &["oci:layout:v1", "docker-archive:to.tar:app:1"],
    )
    .ok();
    let loaded = podman(&["load", "--quiet", "--input", &path("to.tar")]);
    assert!(loaded.contains(NAME), "{loaded}");
    podman(&["save", "--quiet", "--output", &path("from.tar"), NAME]);
    run(&sandbox, "copy", &["docker-archive:from.tar", "oci:saved:v3"]).ok();
}
