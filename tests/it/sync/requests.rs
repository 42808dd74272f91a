//! The requests that a synchronisation costs.

use wharf::{
    ErrorKind, IndexBuilder, Platform, Selection,
    sync::{Action, Options, Outcome, SyncSet, plan, run},
};
use wharf_registry::Fault;

use super::{World, image, requests};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_images_are_one_call_and_again_one_head_per_image_and_side() {
    let world = World::new().await;
    let tags: Vec<String> = (0..100).map(|number| format!("v{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    world.fill("team/app", &tags).await;
    let set = world.set("team/app");

    let report = world.client.sync(&set, world.to("copies")).await.unwrap();
    assert_eq!((report.copied(), report.present()), (100, 0));
    assert_eq!(world.tags("copies/app").await.len(), 100);

    let (at_source, at_mirror) = (world.source.requests().len(), world.mirror.requests().len());
    let report = world.client.sync(&set, world.to("copies")).await.unwrap();
    assert_eq!((report.copied(), report.present()), (0, 100));
    let expected = |repository: &str| {
        let heads = tags
            .iter()
            .map(move |tag| format!("HEAD /v2/{repository}/manifests/{tag}"));
        heads.collect::<Vec<_>>()
    };
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let mut from_source = expected("team/app");
    from_source.push("GET /v2/team/app/tags/list".to_owned());
    assert_eq!(sorted(requests(&world.source, at_source)), sorted(from_source));
    assert_eq!(
        sorted(requests(&world.mirror, at_mirror)),
        sorted(expected("copies/app"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing() {
    let world = World::new().await;
    world.fill("app", &["1", "2"]).await;
    world
        .client
        .sync(&world.set("app:1"), world.to("x"))
        .await
        .unwrap();
    let before = world.mirror.requests().len();

    let options = Options::default().with_dry_run(true).with_prune(true);
    let plan = plan(&world.client, &world.set("app"), world.to("x"), options)
        .await
        .unwrap();
    let actions: Vec<bool> = plan
        .images()
        .iter()
        .map(|image| matches!(image.action, Action::Copy))
        .collect();
    assert_eq!(actions, [false, true]);
    let report = run(plan).await.into_result().unwrap();
    assert!(matches!(report.images[1].outcome, Outcome::WouldCopy));
    assert!(report.images.iter().all(|image| image.digest.is_some()));

    let sent = requests(&world.mirror, before);
    assert!(!sent.is_empty());
    assert!(
        sent.iter()
            .all(|sent| sent.starts_with("HEAD ") || sent.starts_with("GET ")),
        "{sent:?}"
    );
    assert_eq!(world.tags("x/app").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_continues_with_what_is_missing() {
    let world = World::new().await;
    world.fill("app", &["1", "2", "3", "4", "5"]).await;
    let broken = world.mirror.inject(
        Fault::status(403)
            .on(wharf_registry::RouteKind::Manifest)
            .method(http::Method::PUT)
            .after(2),
    );
    let options = Options::default().with_concurrency(std::num::NonZeroUsize::MIN);
    let failed = world
        .client
        .sync_with(&world.set("app"), world.to("x"), options)
        .await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(world.tags("x/app").await, ["1", "2"]);

    broken.remove();
    let report = world.client.sync(&world.set("app"), world.to("x")).await.unwrap();
    assert_eq!((report.copied(), report.present()), (3, 2));
    assert_eq!(world.tags("x/app").await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_index_all_images_are_copied_or_one() {
    let world = World::new().await;
    let index = IndexBuilder::new()
        .with_image(&image("host"))
        .with_image(
            &wharf::ImageBuilder::for_platform(Platform::new("linux", "s390x"))
                .with_tar(b"other".to_vec())
                .build()
                .unwrap(),
        )
        .build()
        .unwrap();
    world
        .client
        .push_image(&index, world.source.reference("app:1").unwrap())
        .await
        .unwrap();
    let all = world
        .client
        .sync(&world.set("app"), world.to("all"))
        .await
        .unwrap();
    assert_eq!(all.images[0].digest.as_ref(), Some(index.digest()));

    for (copied, present) in [(1, 0), (0, 1)] {
        let options = Options::default().with_copy(Selection::Platform(Platform::new("linux", "s390x")));
        let one = world
            .client
            .sync_with(&world.set("app"), world.to("one"), options)
            .await
            .unwrap();
        assert_eq!((one.copied(), one.present()), (copied, present));
        assert_eq!(one.images[0].digest.as_ref(), Some(index.manifests()[1].digest()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_has_moved_is_copied_again() {
    let world = World::new().await;
    world.fill("app", &["1"]).await;
    world.client.sync(&world.set("app"), world.to("x")).await.unwrap();
    let moved = image("moved");
    world
        .client
        .push_image(&moved, world.source.reference("app:1").unwrap())
        .await
        .unwrap();
    let report = world.client.sync(&world.set("app"), world.to("x")).await.unwrap();
    assert_eq!((report.copied(), report.present()), (1, 0));
    let copied = world.mirror.reference("x/app:1").unwrap();
    assert_eq!(
        world.client.manifest(copied).await.unwrap().digest(),
        moved.digest()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_judges_what_is_there_already() {
    let world = World::new().await;
    world.fill("app", &["1"]).await;
    world.client.sync(&world.set("app"), world.to("x")).await.unwrap();
    let policy = wharf::config::Policy::parse(r#"{"default": [{"type": "reject"}]}"#).unwrap();
    let strict = wharf::Client::builder()
        .with_plain_http(world.source.registry())
        .with_plain_http(world.mirror.registry())
        .with_policy(policy)
        .build()
        .unwrap();
    let before = world.source.requests().len();
    let error = strict.sync(&world.set("app:1"), world.to("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(requests(&world.source, before).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logins_of_a_set_are_for_reading_alone() {
    let world = World::of(
        wharf_registry::Registry::memory().with_basic("ada", "s3cret-of-ada"),
        wharf_registry::Registry::memory(),
    )
    .await;
    let source = world.source.registry();
    let writer = wharf::Client::builder()
        .with_plain_http(source.clone())
        .with_credential(source.clone(), wharf::Credential::basic("ada", "s3cret-of-ada"))
        .build()
        .unwrap();
    writer
        .push_image(&image("app"), world.source.reference("app:1").unwrap())
        .await
        .unwrap();
    let set = |password: &str| -> SyncSet {
        let text = serde_json::json!({ source.to_string(): {
            "images": { "app": [] },
            "credentials": { "username": "ada", "password": password },
        }});
        serde_json::from_value(text).unwrap()
    };
    assert_eq!(
        world
            .client
            .sync(&world.set("app"), world.to("x"))
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Unauthorized
    );
    let wrong = world.client.sync(&set("wrong"), world.to("x")).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Unauthorized);
    let report = world
        .client
        .sync(&set("s3cret-of-ada"), world.to("x"))
        .await
        .unwrap();
    assert_eq!(report.copied(), 1);
    // Written with the client's logins, which has none for this registry.
    let back = wharf::sync::Destination::Registry(format!("{source}/back"));
    let denied = world.client.sync(&set("s3cret-of-ada"), back).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Unauthorized);
    let sent = world.mirror.requests();
    assert!(
        sent.iter()
            .all(|request| request.headers().get("authorization").is_none())
    );
}

/// Images with the same layers, whose copies run side by side, write each blob once: some registries refuse a manifest
/// while a blob of it is written again.
#[tokio::test(flavor = "multi_thread")]
async fn images_that_share_blobs_write_each_blob_once() {
    let world = World::new().await;
    for tag in ["1", "2", "3", "4", "5", "6"] {
        let reference = world.source.reference(&format!("app:{tag}")).unwrap();
        world
            .client
            .push_image(&image("shared"), reference)
            .await
            .unwrap();
    }
    let report = world.client.sync(&world.set("app"), world.to("x")).await.unwrap();
    assert_eq!(report.copied(), 6);
    let written = requests(&world.mirror, 0);
    let uploads = written
        .iter()
        .filter(|line| line.starts_with("PUT /v2/x/app/blobs/"));
    assert_eq!(uploads.count(), 2, "{written:?}"); // the layer and the config
    assert_eq!(world.tags("x/app").await.len(), 6);
}
