//! Registries that misbehave.

use wharf::{
    ErrorKind,
    http::RetryPolicy,
    sync::{Options, Outcome, plan, run},
};
use wharf_registry::{Fault, RouteKind};

use super::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_tags_that_never_ends_is_an_error_and_nothing_is_removed() {
    let world = World::new().await;
    world.fill("app", &["1"]).await;
    world.client.sync(&world.set("app"), world.to("x")).await.unwrap();
    let old = world.mirror.reference("x/app:old").unwrap();
    world.client.push_image(&super::image("old"), old).await.unwrap();
    world
        .source
        .inject(Fault::header("Link", "</v2/app/tags/list?n=1000>; rel=\"next\"").on(RouteKind::Tags));
    for keep_going in [false, true] {
        let options = Options::default().with_prune(true).with_keep_going(keep_going);
        let error = world
            .client
            .sync_with(&world.set("app"), world.to("x"), options)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    }
    assert_eq!(world.tags("x/app").await, ["1", "old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_with_too_many_images_is_refused() {
    let world = World::new().await;
    world.fill("app", &["1"]).await;
    let tags: Vec<String> = (0..60_000).map(|number| format!("v{number}")).collect();
    let page = serde_json::json!({ "name": "app", "tags": tags }).to_string();
    world
        .source
        .inject(Fault::status(200).with_body(page).on(RouteKind::Tags));
    // Two lists, each of which would be small enough.
    let set = world.set("app").and(world.set("other"));
    let before = world.mirror.requests().len();
    for keep_going in [false, true] {
        let options = Options::default().with_keep_going(keep_going);
        let set = set.clone();
        let planned = plan(
            &world.client,
            &set,
            world.to("x"),
            options.with_denied(vec!["v".parse().unwrap()]),
        )
        .await;
        let failed = match planned {
            Ok(plan) => plan
                .failures()
                .iter()
                .any(|failure| failure.error.kind() == ErrorKind::TooLarge),
            Err(error) => error.kind() == ErrorKind::TooLarge,
        };
        assert!(failed);
    }
    assert_eq!(world.mirror.requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_vanishes_after_the_plan_fails_alone() {
    let world = World::new().await;
    world.fill("app", &["1", "2", "3"]).await;
    let options = Options::default().with_keep_going(true).with_prune(true);
    let plan = plan(&world.client, &world.set("app"), world.to("x"), options)
        .await
        .unwrap();
    let vanished = world.source.reference("app:2").unwrap();
    let tag = vanished.tag().unwrap();
    let remote = world.client.distribution().remote(&vanished.repository());
    remote.delete_tag(&tag).await.unwrap();
    let report = run(plan).await;
    assert_eq!((report.copied(), report.failed()), (2, 1));
    let Outcome::Failed(error) = &report.images[1].outcome else {
        panic!("{report:?}")
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(world.tags("x/app").await, ["1", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_limits_requests_is_asked_again_and_then_is_an_error() {
    let world = World::new().await;
    world.fill("app", &["1", "2", "3"]).await;
    let busy = Fault::status(429)
        .with_header("Retry-After", "0")
        .on(RouteKind::Manifest)
        .method(http::Method::HEAD);
    world.source.inject(busy.times(2));
    assert_eq!(
        world
            .client
            .sync(&world.set("app"), world.to("x"))
            .await
            .unwrap()
            .copied(),
        3
    );

    let once = wharf::Client::builder()
        .with_plain_http(world.source.registry())
        .with_plain_http(world.mirror.registry())
        .with_retry(RetryPolicy::default().with_max_attempts(1))
        .build()
        .unwrap();
    world.source.inject(Fault::status(429).on(RouteKind::Manifest));
    let error = once.sync(&world.set("app"), world.to("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(error.to_string().contains("was not copied"), "{error}");
    let options = Options::default().with_keep_going(true);
    let all = once
        .sync_with(&world.set("app"), world.to("x"), options)
        .await
        .unwrap_err();
    assert_eq!(all.failures().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_denies_reading_is_written() {
    let world = World::new().await;
    world.fill("app", &["1"]).await;
    let denied = Fault::status(403)
        .on(RouteKind::Manifest)
        .method(http::Method::HEAD)
        .times(1);
    world.mirror.inject(denied);
    assert_eq!(
        world
            .client
            .sync(&world.set("app"), world.to("x"))
            .await
            .unwrap()
            .copied(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_run_stops_and_sets_no_name_afterwards() {
    let world = World::new().await;
    world.fill("app", &["1"]).await;
    let stalled = world.source.inject(Fault::stall(1).on(RouteKind::Blob));
    let plan = plan(
        &world.client,
        &world.set("app"),
        world.to("x"),
        Options::default(),
    )
    .await
    .unwrap();
    let running = tokio::spawn(run(plan));
    while stalled.hits() == 0 {
        tokio::task::yield_now().await;
    }
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    stalled.remove();
    let report = world.client.sync(&world.set("app"), world.to("y")).await.unwrap();
    assert_eq!(report.copied(), 1);
    let absent = world
        .client
        .tags(format!("{}/x/app", world.mirror.registry()))
        .await;
    assert!(absent.map_or(true, |tags| tags.is_empty()));
}
