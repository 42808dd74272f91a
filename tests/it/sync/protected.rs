//! Images that a synchronisation must not harm.

use std::fs;

use wharf::{
    Client, Digest, ErrorKind, IndexBuilder, Name, Platform,
    store::Layout,
    sync::{Destination, Naming, Options, SyncSet},
};
use wharf_registry::{Fault, RouteKind};
use wharf_testkit::Sandbox;

use super::{World, image};

fn pruning() -> Options {
    Options::default().with_prune(true)
}

/// Makes the mirror one that removes no tags, as Docker's registry is.
fn without_deletion_of_tags(world: &World) {
    let fault = Fault::status(405)
        .method(http::Method::DELETE)
        .on(RouteKind::Manifest);
    world.mirror.inject(fault.times(1));
}

async fn has(client: &Client, repository: String, digest: &Digest) -> bool {
    client.manifest(format!("{repository}@{digest}")).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_read_loses_no_tags() {
    let world = World::new().await;
    world.fill("app", &["1", "2", "3"]).await;
    let name = format!("{}/app", world.source.registry());
    let own = || Destination::Registry(world.source.registry().to_string());
    let filtered = SyncSet::matching(&name, "^1$".parse().unwrap()).unwrap();
    let one = SyncSet::of_repository(format!("{name}:1")).unwrap();
    let versions = SyncSet::versions(&name, ">=3".parse().unwrap()).unwrap();
    // Nothing of this list is in the set, and another image is written to its repository.
    world.fill("other/app", &["9"]).await;
    let nothing = SyncSet::matching(&name, "^nothing$".parse().unwrap()).unwrap();
    let elsewhere = SyncSet::of_repository(format!("{}/other/app", world.source.registry())).unwrap();
    for (set, options) in [
        (filtered, pruning()),
        (one, pruning()),
        (versions, pruning()),
        (world.set("app"), pruning().with_denied(["2$".parse().unwrap()])),
        (nothing.and(elsewhere), pruning()),
    ] {
        let report = world.client.sync_with(&set, own(), options).await.unwrap();
        assert!(report.removed.is_empty(), "{:?}", report.removed);
    }
    let tags = world.client.tags(&name).await.unwrap();
    assert_eq!(
        tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["1", "2", "3", "9"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layout_that_is_read_loses_no_names() {
    let (world, sandbox) = (World::new().await, Sandbox::new());
    world.fill("app", &["1", "2"]).await;
    let path = sandbox.path("images");
    let to = format!("oci:{}", path.display());
    world.client.sync(&world.set("app"), &to).await.unwrap();
    let denied = pruning().with_denied(["2$".parse().unwrap()]);
    let dotted = sandbox.path("images/../images");
    for from in [path.clone(), dotted] {
        let report = world
            .client
            .sync_with(&SyncSet::from_layout(from), &to, denied.clone())
            .await;
        assert!(report.unwrap().removed.is_empty());
    }
    assert_eq!(Layout::open(path).await.unwrap().images().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_an_image_of_the_set_needs_is_not_removed() {
    let world = World::new().await;
    let other = wharf::ImageBuilder::for_platform(Platform::new("linux", "s390x"))
        .with_tar(b"other".to_vec())
        .build()
        .unwrap();
    let index = IndexBuilder::new()
        .with_image(&image("one"))
        .with_image(&other)
        .build()
        .unwrap();
    let outer = IndexBuilder::new().with_image(&index).build().unwrap();
    let copies = format!("{}/x/app", world.mirror.registry());
    let old = world.mirror.reference("x/app:old").unwrap();
    let pinned = |digest: &Digest| {
        SyncSet::of_repository(format!("{}/app@{digest}", world.source.registry())).unwrap()
    };
    for (built, removed, set) in [
        (&index, &image("one"), world.set("app")),
        (&outer, &other, world.set("app")),
        (&outer, &index, world.set("app")),
        (&index, &index, pinned(index.digest())),
        (&index, &other, pinned(index.digest())),
    ] {
        world
            .client
            .push_image(built, world.source.reference("app:1").unwrap())
            .await
            .unwrap();
        world.client.push_image(removed, old.clone()).await.unwrap();
        without_deletion_of_tags(&world);
        let error = world
            .client
            .sync_with(&set, world.to("x"), pruning())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let text = wharf::WithCauses(&error).to_string();
        assert!(
            text.contains("x/app:old") && text.contains("is needed by"),
            "{text}"
        );
        assert!(has(&world.client, copies.clone(), removed.digest()).await);
        let remote = world.client.distribution().remote(&old.repository());
        let _ = remote.delete_tag(&"1".parse().unwrap()).await;
    }
    // Without the set's image, nothing needs it.
    world
        .client
        .push_image(&image("alone"), old.clone())
        .await
        .unwrap();
    without_deletion_of_tags(&world);
    world
        .client
        .sync_with(&world.set("app"), world.to("x"), pruning())
        .await
        .unwrap();
    assert!(!has(&world.client, copies, image("alone").digest()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_signatures_and_referrers_stay() {
    let (world, sandbox) = (World::new().await, Sandbox::new());
    world.fill("app", &["1"]).await;
    world.client.sync(&world.set("app"), world.to("x")).await.unwrap();
    let encoded = image("app:1").digest().encoded().to_owned();
    let mut expected = vec!["1".to_owned()];
    for suffix in ["", ".att", ".sbom", ".sig"] {
        let tag = format!("sha256-{encoded}{suffix}");
        let reference = world.mirror.reference(&format!("x/app:{tag}")).unwrap();
        world.client.push_image(&image(&tag), reference).await.unwrap();
        expected.push(tag);
    }
    let old = world.mirror.reference("x/app:sha256-old").unwrap();
    world.client.push_image(&image("old"), old).await.unwrap();
    let report = world
        .client
        .sync_with(&world.set("app"), world.to("x"), pruning())
        .await
        .unwrap();
    assert_eq!(report.removed.len(), 1);
    assert_eq!(world.tags("x/app").await, expected);

    let path = sandbox.path("images");
    let to = format!("oci:{}", path.display());
    world.client.sync(&world.set("app"), &to).await.unwrap();
    let layout = Layout::open(&path).await.unwrap();
    let descriptor = layout.images().await.unwrap()[0].descriptor().clone();
    for name in [
        format!("app:sha256-{encoded}.sig"),
        format!("sha256-{encoded}.sig"),
        "app:old".to_owned(),
    ] {
        layout
            .tag(&Name::parse(&name).unwrap(), &descriptor)
            .await
            .unwrap();
    }
    let report = world
        .client
        .sync_with(&world.set("app"), &to, pruning())
        .await
        .unwrap();
    assert_eq!(report.removed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_of_an_image_is_not_inside_that_of_another() {
    let (world, sandbox) = (World::new().await, Sandbox::new());
    world.fill("app", &["1"]).await;
    let path = sandbox.path("images");
    world
        .client
        .sync(&world.set("app"), format!("oci:{}", path.display()).as_str())
        .await
        .unwrap();
    let layout = Layout::open(&path).await.unwrap();
    let descriptor = layout.images().await.unwrap()[0].descriptor().clone();
    let to = |names: &'static [&'static str], directory: &str| {
        let (client, layout, descriptor) = (world.client.clone(), layout.clone(), descriptor.clone());
        let (set, to) = (
            SyncSet::from_layout(&path),
            Destination::Directory(sandbox.path(directory)),
        );
        async move {
            for image in layout.images().await.unwrap() {
                layout.untag(image.name().unwrap()).await.unwrap();
            }
            for name in names {
                layout
                    .tag(&Name::parse(name).unwrap(), &descriptor)
                    .await
                    .unwrap();
            }
            let options = Options::default()
                .with_naming(Naming::Scoped)
                .with_keep_going(true);
            client
                .sync_with(&set, to, options)
                .await
                .map(|report| report.copied())
        }
    };
    for (names, inner) in [
        (&["b", "b/c:1"][..], "b/c:1"),
        (&["b", "b/c/d/e:1"], "b/c/d/e:1"),
        (&["a/b", "a/b/c", "x"], "a/b/c"),
    ] {
        let error = to(names, "both").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{names:?}");
        assert!(error.to_string().contains(inner), "{error}");
        assert!(!sandbox.path("both").exists());
    }
    // Names that only begin alike, and images that were there before.
    assert_eq!(to(&["b", "bc/d", "b-c/d"], "first").await.unwrap(), 3);
    for names in [&["b/c:1"][..], &["bc/d/e/f:1"]] {
        assert_eq!(to(names, "first").await.unwrap_err().kind(), ErrorKind::Conflict);
    }
    assert_eq!(
        to(&["c"], "first/b").await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    assert!(sandbox.path("first/b/manifest.json").exists());
    assert!(!sandbox.path("first/b/c:1").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_exists_is_a_conflict_before_anything_is_copied() {
    let (world, sandbox) = (World::new().await, Sandbox::new());
    world.fill("app", &["1"]).await;
    fs::write(sandbox.path("some.tar"), "content").unwrap();
    fs::write(sandbox.path("empty.tar"), "").unwrap();
    fs::create_dir(sandbox.path("directory")).unwrap();
    for (name, expected) in [
        ("some.tar", Some(ErrorKind::Conflict)),
        ("directory", Some(ErrorKind::Conflict)),
        ("empty.tar", None),
        ("new.tar", None),
    ] {
        for transport in ["oci-archive", "docker-archive"] {
            let to = format!("{transport}:{}", sandbox.path(name).display());
            let options = Options::default().with_dry_run(true).with_keep_going(true);
            let report = world.client.sync_with(&world.set("app"), &to, options).await;
            assert_eq!(report.err().map(|error| error.kind()), expected, "{to}");
        }
    }
    assert_eq!(fs::read(sandbox.path("some.tar")).unwrap(), b"content");
}
