//! Names that a set does not have are removed, on request.

use wharf::{
    ErrorKind, Name,
    store::Layout,
    sync::{Options, Outcome, SyncSet, plan, run},
};
use wharf_registry::{Fault, RouteKind};
use wharf_testkit::Sandbox;

use super::{World, image};

fn pruning() -> Options {
    Options::default().with_prune(true)
}

/// A mirror that has the tags 1 and 2 of the source, `old`, and another repository.
async fn world() -> World {
    let world = World::new().await;
    world.fill("app", &["1", "2"]).await;
    world.client.sync(&world.set("app"), world.to("x")).await.unwrap();
    for name in ["x/app:old", "x/other:1", "app:1"] {
        let reference = world.mirror.reference(name).unwrap();
        world.client.push_image(&image(name), reference).await.unwrap();
    }
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_unless_it_is_asked_for_and_only_in_the_sets_repositories() {
    let world = world().await;
    let report = world.client.sync(&world.set("app"), world.to("x")).await.unwrap();
    assert!(report.removed.is_empty());
    assert_eq!(world.tags("x/app").await, ["1", "2", "old"]);

    let report = world
        .client
        .sync_with(&world.set("app"), world.to("x"), pruning())
        .await
        .unwrap();
    assert_eq!(report.removed.len(), 1);
    assert_eq!(world.tags("x/app").await, ["1", "2"]);
    assert_eq!(world.tags("x/other").await, ["1"]);
    assert_eq!(world.tags("app").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_suffix_only_names_with_it_are_removed() {
    let world = world().await;
    let suffixed = || pruning().with_suffix("-copy");
    world
        .client
        .sync_with(&world.set("app"), world.to("x"), suffixed())
        .await
        .unwrap();
    let one = world.set("app:1");
    world
        .client
        .sync_with(&one, world.to("x"), suffixed())
        .await
        .unwrap();
    assert_eq!(world.tags("x/app").await, ["1", "1-copy", "2", "old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_after_a_list_that_is_incomplete_or_a_copy_that_failed() {
    let world = world().await;
    let set = world.set("app").and(world.set("absent"));
    let options = || pruning().with_keep_going(true);
    let planned = plan(&world.client, &set, world.to("x"), options()).await.unwrap();
    assert_eq!((planned.failures().len(), planned.removals().len()), (1, 0));
    let report = run(planned).await;
    assert_eq!(
        (report.present(), report.failed(), report.removed.len()),
        (2, 1, 0)
    );
    assert_eq!(report.into_result().unwrap_err().kind(), ErrorKind::NotFound);

    // The second page of the list is missing.
    let pages = world.source.inject(Fault::status(500).on(RouteKind::Tags));
    let failed = world
        .client
        .sync_with(&world.set("app"), world.to("x"), options())
        .await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Server);
    pages.remove();

    world.fill("app", &["3"]).await;
    let denied = world.mirror.inject(Fault::status(403).on(RouteKind::Uploads));
    let planned = plan(&world.client, &world.set("app"), world.to("x"), options())
        .await
        .unwrap();
    assert_eq!(planned.removals().len(), 1);
    let report = run(planned).await;
    assert!(
        report
            .images
            .iter()
            .any(|image| matches!(image.outcome, Outcome::Failed(_)))
    );
    assert!(report.removed.is_empty());
    denied.remove();
    assert_eq!(world.tags("x/app").await, ["1", "2", "old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tags_cannot_be_removed_manifests_are_unless_another_tag_means_them() {
    let world = world().await;
    let same = world.mirror.reference("x/app:same-as-1").unwrap();
    world.client.push_image(&image("app:1"), same).await.unwrap();
    // As Docker's registry, which knows no deletion of tags.
    for tag in ["old", "same-as-1"] {
        let fault = Fault::status(405)
            .method(http::Method::DELETE)
            .on(RouteKind::Manifest)
            .times(1);
        let _ = (tag, world.mirror.inject(fault));
    }
    let planned = plan(&world.client, &world.set("app"), world.to("x"), pruning())
        .await
        .unwrap();
    assert_eq!(planned.removals().len(), 2);
    let report = run(planned).await;
    assert_eq!(world.tags("x/app").await, ["1", "2", "same-as-1"], "{report:?}");
    assert_eq!((report.removed.len(), report.failures.len()), (1, 1));
    let error = report.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_a_layout_are_removed_and_directories_are_not() {
    let (world, sandbox) = (world().await, Sandbox::new());
    let to = format!("oci:{}", sandbox.path("images").display());
    world.client.sync(&world.set("app"), &to).await.unwrap();
    let layout = Layout::open(sandbox.path("images")).await.unwrap();
    let descriptor = layout.images().await.unwrap()[0].descriptor().clone();
    for name in ["app:old", "other:1", "app"] {
        layout
            .tag(&Name::parse(name).unwrap(), &descriptor)
            .await
            .unwrap();
    }
    let set: SyncSet = world.set("app");
    let report = world.client.sync_with(&set, &to, pruning()).await.unwrap();
    assert_eq!(report.removed.len(), 2);
    let images = layout.images().await.unwrap();
    let mut names: Vec<&str> = images
        .iter()
        .filter_map(|image| image.name())
        .map(Name::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["app:1", "app:2", "other:1"]);

    for to in ["dir:x", "oci-archive:x.tar"] {
        let error = world.client.sync_with(&set, to, pruning()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
