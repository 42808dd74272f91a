//! Sets and destinations of every kind.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use wharf::{
    ArchiveForm, Client, Descriptor, ErrorKind,
    sync::{Destination, Event, Naming, Options, Outcome, SyncSet, plan, run},
};
use wharf_testkit::{Sandbox, sha256};

use super::{World, image};

/// Makes a set of what is at a path.
type Open = fn(std::path::PathBuf) -> SyncSet;

async fn world() -> World {
    let world = World::new().await;
    world.fill("team/app", &["1", "2"]).await;
    world.fill("tool", &["1"]).await;
    world
}

fn both(world: &World) -> SyncSet {
    world.set("team/app").and(world.set("tool"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_is_copied_to_each_destination_and_back() {
    let (world, sandbox) = (world().await, Sandbox::new());
    let path = |name: &str| sandbox.path(name);
    let kinds: [(&str, Open); 4] = [
        ("dir", SyncSet::from_directory),
        ("oci", SyncSet::from_layout),
        ("oci-archive", |path| {
            SyncSet::from_archive(path, ArchiveForm::Oci)
        }),
        ("docker-archive", |path| {
            SyncSet::from_archive(path, ArchiveForm::Docker)
        }),
    ];
    let names = ["app:1", "app:2", "tool:1"];
    for (from, open) in kinds {
        let first = format!("{from}:{}", path(&format!("first-{from}")).display());
        let report = world.client.sync(&both(&world), &first).await.unwrap();
        assert_eq!(report.copied(), 3, "{first}");
        let set = open(path(&format!("first-{from}")));
        for to in ["dir", "oci", "oci-archive", "docker-archive"] {
            let second = format!("{to}:{}", path(&format!("second-{from}-{to}")).display());
            assert_eq!(
                world.client.sync(&set, &second).await.unwrap().copied(),
                3,
                "{from} {to}"
            );
        }
        let back = format!("back-{from}");
        assert_eq!(
            world.client.sync(&set, world.to(&back)).await.unwrap().copied(),
            3,
            "{from}"
        );
        assert_eq!(
            world.client.sync(&set, world.to(&back)).await.unwrap().present(),
            3
        );
        for name in names {
            let copied = world.mirror.reference(&format!("{back}/{name}")).unwrap();
            let original = if name.starts_with("app") {
                format!("team/{name}")
            } else {
                name.to_owned()
            };
            let built = image(&original);
            if from == "docker-archive" {
                // Of this form the half is read that has no digest of a manifest.
                let config = world.client.config_bytes(copied).await.unwrap();
                assert_eq!(
                    Some(&sha256(&config)),
                    built.root().config().map(Descriptor::digest)
                );
                continue;
            }
            let manifest = world.client.manifest(copied).await.unwrap();
            assert_eq!(manifest.digest(), built.digest(), "{from} {name}");
        }
    }
    // Directories and layouts that have the images already.
    for to in ["dir", "oci"] {
        let again = format!("{to}:{}", path(&format!("first-{to}")).display());
        assert_eq!(
            world.client.sync(&both(&world), &again).await.unwrap().present(),
            3
        );
    }
    let again = format!("oci-archive:{}", path("first-oci-archive").display());
    let error = world.client.sync(&both(&world), &again).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_named_by_the_last_component_the_whole_name_or_a_function() {
    let (world, sandbox) = (world().await, Sandbox::new());
    let host = world.source.registry();
    for (naming, suffix, expected) in [
        (Naming::Last, "", "tool:1".to_owned()),
        (Naming::Last, "-a", "tool:1-a".to_owned()),
        (Naming::Scoped, "", format!("{host}/tool:1")),
        (
            Naming::map(|_| "any/name:x".to_owned()),
            "",
            "any/name:x".to_owned(),
        ),
    ] {
        let to = Destination::Directory(sandbox.path("named"));
        let options = Options::default().with_naming(naming).with_suffix(suffix);
        let report = world
            .client
            .sync_with(&world.set("tool"), &to, options)
            .await
            .unwrap();
        assert_eq!(report.copied(), 1);
        assert!(
            sandbox
                .path("named")
                .join(&expected)
                .join("manifest.json")
                .exists(),
            "{expected}"
        );
    }
    // A port cannot stand in the name of a repository.
    let options = Options::default().with_naming(Naming::Scoped);
    let error = world
        .client
        .sync_with(&world.set("tool"), world.to("x"), options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("cannot be copied"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_by_digest_is_copied_without_a_tag() {
    let (world, sandbox) = (world().await, Sandbox::new());
    let digest = image("tool:1").digest().clone();
    let text = serde_json::json!({ world.source.registry().to_string(): { "images": { "tool": [digest.to_string()] } } });
    let set: SyncSet = serde_json::from_value(text).unwrap();
    for (copied, present) in [(1, 0), (0, 1)] {
        let report = world.client.sync(&set, world.to("x")).await.unwrap();
        assert_eq!((report.copied(), report.present()), (copied, present));
    }
    let pinned = format!("{}/x/tool@{digest}", world.mirror.registry());
    assert_eq!(world.client.manifest(pinned).await.unwrap().digest(), &digest);
    world
        .client
        .sync(&set, Destination::Directory(sandbox.path("out")))
        .await
        .unwrap();
    assert!(sandbox.path(format!("out/tool@{digest}/manifest.json")).exists());
    // A digest and a suffix name no image in a registry.
    let suffixed = Options::default().with_suffix("-x");
    let error = world
        .client
        .sync_with(&set, world.to("x"), suffixed)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_images_of_one_name_are_a_conflict_and_one_image_twice_is_none() {
    let world = world().await;
    world.fill("other/app", &["1"]).await;
    let set = world.set("team/app").and(world.set("other/app"));
    let error = plan(&world.client, &set, world.to("x"), Options::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    for part in ["team/app:1", "other/app:1", "x/app:1"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let twice = world.set("team/app").and(world.set("team/app:1"));
    assert_eq!(
        world.client.sync(&twice, world.to("x")).await.unwrap().copied(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_selected_by_pattern_and_version_and_images_allowed_and_denied() {
    let world = World::new().await;
    world
        .fill("app", &["1.0", "v1.2", "2.0", "2.0-rc.1", "latest"])
        .await;
    let name = format!("{}/app", world.source.registry());
    let pattern = SyncSet::matching(&name, "^[12]\\.0$".parse().unwrap()).unwrap();
    let versions = SyncSet::versions(&name, ">=1.1, <2 || ^2".parse().unwrap()).unwrap();
    let everything = SyncSet::of_repository(&name).unwrap();
    let patterns = |text: &str| vec![text.parse().unwrap()];
    for (set, options, expected) in [
        (&pattern, Options::default(), vec!["1.0", "2.0"]),
        (&versions, Options::default(), vec!["2.0", "v1.2"]),
        (
            &everything,
            Options::default().with_denied(patterns("rc|latest")),
            vec!["1.0", "2.0", "v1.2"],
        ),
        (
            &everything,
            Options::default().with_allowed(patterns(":2")),
            vec!["2.0", "2.0-rc.1"],
        ),
        (
            &everything,
            Options::default()
                .with_allowed(patterns(":2"))
                .with_denied(patterns("rc")),
            vec!["2.0"],
        ),
    ] {
        let plan = plan(&world.client, set, world.to("x"), options).await.unwrap();
        let tags = plan
            .images()
            .iter()
            .map(|image| image.to.reference().unwrap().tag().unwrap());
        let mut tags: Vec<String> = tags.map(|tag| tag.to_string()).collect();
        tags.sort();
        assert_eq!(tags, expected);
    }
    let nothing = Options::default().with_allowed(patterns("^nothing$"));
    let error = world
        .client
        .sync_with(&everything, world.to("x"), nothing)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_that_the_receiver_has_are_left_out_of_an_archive() {
    let (world, sandbox) = (world().await, Sandbox::new());
    let built = image("tool:1");
    let layer = built.root().layers()[0].digest().clone();
    let to = Destination::Archive {
        path: sandbox.path("some.tar"),
        form: ArchiveForm::Oci,
    };
    let options = Options::default().with_except([layer.clone()]);
    world
        .client
        .sync_with(&world.set("tool"), &to, options.clone())
        .await
        .unwrap();
    let bytes = fs::read(sandbox.path("some.tar")).unwrap();
    let has = |digest: &wharf::Digest| {
        let needle = digest.encoded().as_bytes();
        bytes
            .windows(needle.len() + 6)
            .any(|window| window == [b"sha256/", needle].concat().get(1..).unwrap())
    };
    assert!(has(built.digest()) && !has(&layer));

    // A receiver that has the layer takes the archive.
    let mirror = world.mirror.reference("tool:0").unwrap();
    world.client.push_image(&built, mirror).await.unwrap();
    let set = SyncSet::from_archive(sandbox.path("some.tar"), ArchiveForm::Oci);
    let whole = Destination::Registry(world.mirror.registry().to_string());
    assert_eq!(world.client.sync(&set, &whole).await.unwrap().copied(), 1);

    let error = world
        .client
        .sync_with(&world.set("tool"), world.to("x"), options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_and_the_events_say_what_happened() {
    let world = world().await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let options = Options::default()
        .with_keep_going(true)
        .with_progress(move |event| {
            let said = match event {
                Event::Listed { count } => format!("listed {count}"),
                Event::Planned { to, .. } => format!("planned {to}"),
                Event::Started { to, .. } => format!("started {to}"),
                Event::Finished { image } => format!("finished {}", image.to),
                _ => return,
            };
            heard.lock().unwrap().push(said);
        });
    let set = world.set("tool").and(world.set("team/app:absent"));
    let plan = plan(&world.client, &set, world.to("x"), options).await.unwrap();
    let report = run(plan).await;
    assert!(matches!(report.images[1].outcome, Outcome::Failed(_)));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["images"][0]["outcome"], "copied");
    assert_eq!(json["images"][0]["digest"], image("tool:1").digest().to_string());
    assert!(json["images"][0]["bytes"].as_u64().unwrap() > 0);
    assert_eq!(json["images"][1]["outcome"], "failed");
    assert!(json["images"][1]["error"].as_str().unwrap().contains("absent"));
    assert_eq!(report.into_result().unwrap_err().kind(), ErrorKind::NotFound);

    let to = format!("docker://{}/x/tool:1", world.mirror.registry());
    let events = events.lock().unwrap();
    for said in [
        "listed 2".to_owned(),
        format!("planned {to}"),
        format!("started {to}"),
        format!("finished {to}"),
    ] {
        assert!(events.contains(&said), "{said}: {events:?}");
    }
}

#[tokio::test]
async fn directories_are_found_as_skopeo_finds_them() {
    let sandbox = Sandbox::new();
    let client = Client::builder().build().unwrap();
    let base = sandbox.path("base");
    for directory in ["b/app:1", "a/deep/er/tool:2", "b/app:1/inside", "empty"] {
        fs::create_dir_all(base.join(directory)).unwrap();
    }
    for directory in ["b/app:1", "a/deep/er/tool:2", "b/app:1/inside"] {
        fs::write(base.join(directory).join("manifest.json"), "{}").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(&base, base.join("loop")).unwrap();
    let found = |path: std::path::PathBuf| {
        let client = client.clone();
        async move {
            let options = Options::default()
                .with_naming(Naming::Scoped)
                .with_keep_going(true);
            let plan = plan(&client, &SyncSet::from_directory(path), "oci:out", options)
                .await
                .unwrap();
            let names = plan.images().iter().map(|image| image.to.to_string());
            names.collect::<Vec<_>>()
        }
    };
    assert_eq!(
        found(base.clone()).await,
        ["oci:out:a/deep/er/tool:2", "oci:out:b/app:1"]
    );
    assert_eq!(found(base.join("b/app:1")).await, ["oci:out:app:1"]);
    let nothing = SyncSet::from_directory(base.join("empty"));
    assert_eq!(
        client.sync(&nothing, "oci:out").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let absent = SyncSet::from_directory(base.join("absent"));
    assert_eq!(
        client.sync(&absent, "oci:out").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}
