//! Uploads that a registry leads to another host, where the user has allowed that.

use std::sync::Arc;

use wharf_content::{Blob, ErrorKind};
use wharf_distribution::{ClientBuilder, Error};
use wharf_reference::Registry;
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, Pretend, Rule},
};

use super::scene::{Scene, layer, registry};

fn blob(image: &Image) -> Blob {
    let (descriptor, bytes) = layer(image);
    Blob::from_bytes(descriptor, bytes).unwrap()
}

fn allowed(scene: &Scene, builder: ClientBuilder) -> ClientBuilder {
    builder
        .dangerous()
        .allow_foreign_uploads(registry(&scene.registry))
}

/// A registry that sends uploads to this place, and has the blob or has it not.
fn leading_to(scene: &Scene, location: &str, has_it: bool) {
    scene.desk.guard(&scene.registry);
    let found = Answer::new(if has_it { 200 } else { 404 }).head_only();
    scene
        .registry
        .on(Match::on("HEAD", "/blobs/"), found)
        .on(
            Match::on("POST", "/blobs/uploads/"),
            Answer::new(202).header("Location", location),
        )
        .on(Match::on("PUT", "/"), Answer::new(201));
}

async fn push(scene: &Scene, builder: ClientBuilder, image: &Image) -> Result<(), Error> {
    let client = builder.build().unwrap();
    scene.remote_of(&client).push_blob(blob(image)).await
}

/// The storage gets the bytes and no secret; the registry has the last word.
#[tokio::test]
async fn n06_an_upload_goes_elsewhere_only_where_that_is_allowed() {
    let image = Image::small("x");
    for (is_allowed, storage, has_it, pushed) in [
        (true, 201, true, true),
        (true, 204, true, true),
        (true, 201, false, false),
        (true, 403, true, false),
        (false, 201, true, false),
    ] {
        let scene = Scene::new().await;
        leading_to(&scene, "https://cdn.test/up?sig=s%2B1", has_it);
        scene.cdn.on(Match::on("PUT", "/up"), Answer::new(storage));
        let other = Registry::parse("other.example.test").unwrap();
        let builder = scene.alice_builder().dangerous().allow_foreign_uploads(other);
        let builder = if is_allowed {
            allowed(&scene, builder)
        } else {
            builder
        };
        let result = push(&scene, builder, &image).await;
        let case = format!("{is_allowed} {storage} {has_it}");
        assert_eq!(result.is_ok(), pushed, "{case}: {result:?}");
        if let Err(error) = result {
            drop(scene.stage.inspect(error));
        }
        let puts = scene.cdn.requests();
        assert_eq!(puts.len(), usize::from(is_allowed), "{case}");
        for put in puts {
            let (descriptor, bytes) = layer(&image);
            assert_eq!(put.body, bytes);
            assert_eq!(
                put.target,
                format!(
                    "/up?sig=s%2B1&digest={}",
                    descriptor.digest().as_str().replace(':', "%3A")
                )
            );
            for header in ["authorization", "cookie", "referer", "proxy-authorization"] {
                assert_eq!(put.header(header), None, "{case}");
            }
        }
        let heads = scene
            .registry
            .lines()
            .iter()
            .filter(|line| line.starts_with("HEAD"))
            .count();
        assert_eq!(heads > 0, is_allowed && storage != 403, "{case}");
    }
}

/// No plain http, no other host than the one that is named, nothing further inside, no login, no redirect.
#[tokio::test]
async fn n06_another_host_gets_no_further() {
    let image = Image::small("x");
    for location in [
        "http://evil.test/up",
        "http://registry.example.test:81/up",
        "https://registry.example.test@evil.test/up",
        "ftp://evil.test/up",
        "https://evil.test:0/up",
    ] {
        let scene = Scene::new().await;
        leading_to(&scene, location, true);
        scene.failed(push(&scene, allowed(&scene, scene.alice_builder()), &image).await);
        assert_eq!(scene.evil.traffic().connections, 0, "{location}");
    }
    for answer in [
        Answer::redirect(307, "https://evil.test/up"),
        Answer::redirect(303, "https://registry.example.test/v2/"),
        Answer::challenge("Basic realm=\"x\""),
        Answer::challenge("Bearer realm=\"https://evil.test/token\",service=\"s\""),
        Answer::challenge("Bearer realm=\"https://auth.example.test/token\",service=\"s\""),
    ] {
        let scene = Scene::new().await;
        leading_to(&scene, "https://cdn.test/up", false);
        scene.cdn.on(Match::any(), answer);
        scene.failed(push(&scene, allowed(&scene, scene.alice_builder()), &image).await);
        assert_eq!(scene.evil.traffic().connections, 0);
        let requests = scene.cdn.requests();
        assert!(
            requests
                .iter()
                .all(|request| request.header("authorization").is_none())
        );
        assert!(scene.desk.issued().len() <= 2, "{:?}", scene.desk.issued());
    }
}

/// N5 holds for uploads, too.
#[tokio::test]
async fn n06_an_upload_is_led_no_step_inward() {
    let image = Image::small("x");
    let scene = Scene::new().await;
    let inside = scene.stage.origin("inside.example.test").await;
    let metadata = "169.254.169.254:443".parse().unwrap();
    scene.stage.name("metadata.example.test", &[metadata]);
    for host in [
        "inside.example.test",
        "metadata.example.test",
        "127.0.0.1",
        "2130706433",
        "[::ffff:169.254.169.254]",
        "localhost",
        "10.0.0.1",
    ] {
        scene.registry.clear();
        leading_to(&scene, &format!("https://{host}/up"), true);
        let pretend = Pretend::new(scene.connector(), "registry.example.test", "8.8.8.8:443");
        let builder = allowed(&scene, scene.alice_builder()).with_connect(Arc::new(pretend));
        scene.failed(push(&scene, builder, &image).await);
    }
    assert_eq!(inside.traffic().connections, 0);
}

/// An upload that has been elsewhere gets no credentials any more, wherever it is led then (N2).
#[tokio::test]
async fn n06_an_upload_that_comes_back_is_a_strangers() {
    let image = Image::builder().noise(4, 2_500_000).finish();
    let scene = Scene::new().await;
    // Whole it is refused at home; the chunks go away and come back.
    let too_large = Rule::new(Match::on("PUT", "/up/1"), Answer::new(413)).times(1);
    let home = || Match::when(|request| request.path().starts_with("/back"));
    scene
        .registry
        .on(home(), Answer::new(202).header("Location", "/back/2"));
    scene.desk.guard(&scene.registry);
    scene
        .registry
        .on(Match::on("HEAD", "/blobs/"), Answer::new(404).head_only())
        .on(
            Match::on("POST", "/blobs/uploads/"),
            Answer::new(202).header("Location", "/up/1"),
        )
        .rule(too_large)
        .on(
            Match::on("PATCH", "/up/1"),
            Answer::new(202).header("Location", "https://cdn.test/up/2"),
        )
        .on(Match::on("DELETE", "/"), Answer::new(204));
    scene.cdn.on(
        Match::on("PATCH", "/up/2"),
        Answer::new(202).header("Location", "https://registry.example.test/back/1"),
    );
    let error = scene.failed(push(&scene, allowed(&scene, scene.alice_builder()), &image).await);
    assert_ne!(error.kind(), ErrorKind::NotFound);
    let requests = scene.registry.requests();
    let back: Vec<_> = requests
        .iter()
        .filter(|request| request.path().starts_with("/back"))
        .collect();
    assert!(!back.is_empty());
    assert!(
        back.iter()
            .all(|request| request.header("authorization").is_none())
    );
    assert!(
        scene
            .cdn
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
}
