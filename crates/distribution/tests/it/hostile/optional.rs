//! Requests that only save work: whatever is answered, the work is done.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use wharf_content::{Blob, Descriptor, ErrorKind, MediaType, Name, Sink as _};
use wharf_copy::{Options, copy};
use wharf_reference::{Repository, Tag};
use wharf_registry::Registry;
use wharf_testkit::{
    Image, Request,
    hostile::{Answer, Match, Rule, Step},
    noise, sha256,
};

use super::scene::{Scene, layer, tag};

pub(super) fn blob(size: usize) -> Blob {
    let bytes = Bytes::from(noise(11, size));
    let descriptor = Descriptor::new(MediaType::OCTET_STREAM, sha256(&bytes), size as u64).unwrap();
    Blob::from_bytes(descriptor, bytes).unwrap()
}

pub(super) fn count(scene: &Scene, method: &str) -> usize {
    let lines = scene.registry.lines();
    lines.iter().filter(|line| line.starts_with(method)).count()
}

/// Answers to a question with HEAD that are of no use.
fn useless() -> Vec<(&'static str, Vec<Step>)> {
    let refusals = [204, 301, 400, 401, 403, 405, 410, 416, 429, 500, 501, 503]
        .map(|status| Answer::new(status).head_only());
    let other = Answer::new(200)
        .header("Docker-Content-Digest", &format!("sha256:{}", "0".repeat(64)))
        .head_only();
    let mut answers: Vec<_> = refusals.map(|answer| ("refusal", answer.steps())).into();
    answers.extend([
        ("another digest", other.steps()),
        ("another length", Answer::ok("x").head_only().steps()),
        (
            "busy",
            Answer::new(503).header("Retry-After", "0").head_only().steps(),
        ),
        ("a circle", Answer::redirect(307, "/v2/").head_only().steps()),
        (
            "away",
            Answer::redirect(302, "https://evil.test/").head_only().steps(),
        ),
        (
            "to nobody",
            Answer::redirect(307, "https://nobody.test/").head_only().steps(),
        ),
        ("cut", vec![Step::Cut]),
        ("reset", vec![Step::Reset]),
    ]);
    answers
}

#[tokio::test]
async fn a_look_whether_something_is_there_ends_no_push() {
    for (what, answer) in useless() {
        let scene = Scene::new().await;
        let (model, image) = (Registry::memory(), Image::small("x"));
        scene.evil.on(Match::any(), Answer::new(404).head_only());
        scene
            .registry
            .on(Match::on("HEAD", "/"), answer.clone())
            .serve_registry(&model);
        let store = Arc::new(wharf_store::Memory::new());
        for (descriptor, bytes) in image.blobs() {
            let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
            store.push_blob(blob).await.unwrap();
        }
        let name = Name::parse("v1").unwrap();
        store.push_manifest(image.manifest(), Some(&name)).await.unwrap();
        let client = scene.builder().build().unwrap();
        let sink = Arc::new(scene.remote_of(&client));
        let options = Options::default().with_name(name.clone());
        copy(store, sink, &name.into(), options)
            .await
            .unwrap_or_else(|error| panic!("{what} {answer:?}: {error}"));
        scene.registry.clear().serve_registry(&model);
        assert_eq!(
            scene.anonymous().manifest(&tag("v1")).await.unwrap(),
            *image.manifest()
        );
        assert_eq!(client.counters().retries, 0, "{what} {answer:?}");
        assert_eq!(
            count(&scene, "HEAD /v2/team/app"),
            1 + image.blobs().len(),
            "{what}"
        );
    }
}

#[tokio::test]
async fn what_a_head_does_not_tell_the_manifest_does() {
    let image = Image::small("x");
    for (what, answer) in useless() {
        let scene = Scene::new().await;
        scene.evil.on(Match::any(), Answer::new(404).head_only());
        scene
            .registry
            .on(Match::on("HEAD", "/"), answer.clone())
            .serve_manifest("team/app", "v1", image.manifest());
        for target in [tag("v1"), image.manifest().digest().clone().into()] {
            if what == "another digest" && target == tag("v1") {
                continue; // of a tag it is a claim, as documented
            }
            let resolved = scene.anonymous().resolve(&target).await;
            let resolved = resolved.unwrap_or_else(|error| panic!("{what} {answer:?}: {error}"));
            assert_eq!(resolved.digest(), image.manifest().digest(), "{what}");
        }
    }
}

/// A login that is refused is refused for the work, too: it is not tried again.
#[tokio::test]
async fn a_look_with_a_wrong_login_ends_the_work() {
    for challenge in [
        "Basic realm=\"x\"",
        "Bearer realm=\"https://auth.example.test/token\",service=\"s\"",
    ] {
        let scene = Scene::new().await;
        scene.registry.on(Match::any(), Answer::challenge(challenge));
        let wrong = scene.stage.secret("password", &[&scene.registry, &scene.auth]);
        let credential = wharf_auth::Credential::basic("alice", wrong);
        let provider = wharf_auth::Fixed::new(super::scene::registry(&scene.registry), credential);
        let client = scene
            .builder()
            .with_credentials(Arc::new(provider))
            .build()
            .unwrap();
        let asked = scene
            .remote_of(&client)
            .contains(&layer(&Image::small("x")).0)
            .await;
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Unauthorized, "{challenge}");
        assert!(scene.auth.requests().len() <= 1, "{challenge}");
    }
}

#[tokio::test]
async fn whatever_becomes_of_a_mount_the_blob_is_pushed() {
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    let from = Repository::parse("registry.example.test/other/app").unwrap();
    let mut answers: Vec<(String, Vec<Step>)> = [400, 401, 403, 404, 405, 409, 429, 500, 501, 502, 503]
        .map(|status| {
            (
                status.to_string(),
                Answer::error(status, "UNSUPPORTED", "no").steps(),
            )
        })
        .into();
    answers.extend([
        ("created".to_owned(), Answer::new(201).steps()),
        ("accepted".to_owned(), Answer::new(202).steps()),
        (
            "gone".to_owned(),
            Answer::new(202)
                .header("Location", "/v2/team/app/blobs/uploads/none")
                .steps(),
        ),
        (
            "evil".to_owned(),
            Answer::new(202).header("Location", "https://evil.test/").steps(),
        ),
        (
            "away".to_owned(),
            Answer::redirect(307, "https://evil.test/").steps(),
        ),
        ("cut".to_owned(), vec![Step::Cut]),
        (
            "junk".to_owned(),
            vec![Step::Send(Bytes::from_static(b"junk\r\n\r\n")), Step::Close],
        ),
    ]);
    for (what, answer) in answers {
        for never in [false, true] {
            let scene = Scene::new().await;
            let model = Registry::memory();
            let mount = Match::on("POST", "/uploads/").and(|request| !request.query("mount").is_empty());
            scene.registry.on(mount, answer.clone()).serve_registry(&model);
            let builder = scene.builder();
            let builder = if never {
                builder.with_retry(wharf_http::RetryPolicy::never())
            } else {
                builder
            };
            let client = builder.build().unwrap();
            let remote = scene.remote_of(&client);
            assert!(!remote.mount(&descriptor, &from).await.unwrap(), "{what}");
            let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
            remote
                .push_blob(blob)
                .await
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(client.counters().retries, 0, "{what}");
            assert_eq!(scene.evil.traffic().connections, 0, "{what}");
        }
    }
}

/// A token server that refuses the scope of the other repository, in each of its ways.
#[tokio::test]
async fn a_mount_whose_scope_is_refused_is_a_push() {
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    let from = Repository::parse("registry.example.test/other/app").unwrap();
    for status in [400, 401, 403, 404, 429, 500, 503] {
        let scene = Scene::new().await;
        let model = Registry::memory();
        let two = Match::get("/token").and(|request| request.query("scope").len() > 1);
        scene.auth.first(Rule::new(two, Answer::new(status)));
        scene.desk.guard(&scene.registry);
        scene.registry.serve_registry(&model);
        let client = scene.alice_builder().build().unwrap();
        let remote = scene.remote_of(&client);
        assert!(!remote.mount(&descriptor, &from).await.unwrap(), "{status}");
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        remote
            .push_blob(blob)
            .await
            .unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!(client.counters().retries, 0, "{status}");
        assert_eq!(
            scene.read(&remote, &descriptor).await,
            Ok(bytes.to_vec()),
            "{status}"
        );
    }
}

/// A registry that leaves such a request without an answer is not asked again.
#[tokio::test(start_paused = true)]
async fn what_hangs_is_left_after_seconds_and_not_asked_again() {
    let image = Image::builder()
        .noise(1, 1000)
        .noise(2, 1000)
        .noise(3, 1000)
        .finish();
    let from = Repository::parse("registry.example.test/other/app").unwrap();
    let scene = Scene::new().await;
    let model = Registry::memory();
    let mount = Match::on("POST", "/uploads/").and(|request| !request.query("mount").is_empty());
    scene
        .registry
        .on(mount, vec![Step::Stall])
        .on(Match::on("HEAD", "/"), vec![Step::Stall])
        .serve_registry(&model);
    let remote = scene.anonymous();
    let began = tokio::time::Instant::now();
    for (descriptor, bytes) in image.blobs() {
        assert!(!remote.mount(descriptor, &from).await.unwrap());
        assert!(!remote.contains(descriptor).await.unwrap());
        let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        remote.push_blob(blob).await.unwrap();
    }
    remote
        .push_manifest(image.manifest(), Some(&Tag::parse("v1").unwrap()))
        .await
        .unwrap();
    assert_eq!(
        remote.resolve(&tag("v1")).await.unwrap().digest(),
        image.manifest().digest()
    );
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(count(&scene, "HEAD"), 1);
}

/// The first page is asked for with a size, which saves pages.
#[tokio::test]
async fn a_list_whose_size_is_refused_is_asked_for_without() {
    for status in [400, 405, 406, 413, 414, 416, 422, 501] {
        let scene = Scene::new().await;
        let sized = Match::get("/tags/").and(|request| !request.query("n").is_empty());
        scene
            .registry
            .on(sized, Answer::new(status))
            .on(Match::get("/tags/"), Answer::ok(r#"{"tags":["a","b"]}"#));
        let tags = scene.anonymous().tags().collect().await;
        assert_eq!(tags.unwrap().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn several_tags_at_once_are_no_condition() {
    let image = Image::small("x");
    let tags = ["a", "b", "c"].map(|tag| Tag::parse(tag).unwrap());
    for status in [400, 403, 404, 405, 414, 422, 431, 500, 501] {
        let scene = Scene::new().await;
        let many = Match::on("PUT", "/manifests/").and(|request| !request.query("tag").is_empty());
        scene
            .registry
            .on(many, Answer::new(status))
            .on(Match::on("PUT", "/manifests/"), Answer::new(201));
        scene
            .anonymous()
            .push_manifest_tags(image.manifest(), &tags)
            .await
            .unwrap();
        let puts = scene.registry.requests();
        let plain = puts
            .iter()
            .filter(|request| request.query("tag").is_empty())
            .count();
        assert_eq!(plain, 4, "{status}");
    }
}

/// Asking for the rest of a blob saves bytes.
#[tokio::test]
async fn a_range_that_is_refused_is_no_end_of_a_download() {
    use wharf_testkit::hostile::Fault;

    let image = Image::builder().noise(9, 100_000).finish();
    let (descriptor, bytes) = layer(&image);
    for status in [400, 405, 412, 416, 501] {
        let scene = Scene::new().await;
        let has_range = |request: &Request| request.header("range").is_some();
        let cut = Answer::ok(bytes.clone()).fault(Fault::Cut(40_000));
        scene
            .registry
            .on(Match::get("/blobs/").and(has_range), Answer::new(status))
            .rule(Rule::new(Match::get("/blobs/"), cut).times(1))
            .on(Match::get("/blobs/"), Answer::ok(bytes.clone()));
        let read = scene.read(&scene.anonymous(), &descriptor).await;
        assert_eq!(read, Ok(bytes.to_vec()), "{status}");
    }
}

/// How far an upload got is asked to save bytes.
#[tokio::test]
async fn an_upload_whose_state_is_not_told_begins_anew() {
    for answer in [
        Answer::new(400),
        Answer::new(404),
        Answer::new(405),
        Answer::new(500),
        Answer::new(204).header("Range", "all of it"),
        Answer::new(302).header("Location", "https://evil.test/"),
    ] {
        let scene = Scene::new().await;
        let model = Registry::memory();
        // Another host has no say in it.
        let more = Answer::new(204).header("Range", "0-1999999");
        scene.evil.on(Match::any(), more);
        let too_large =
            Match::on("PUT", "/uploads/").and(|request| request.header("content-length") != Some("0"));
        scene
            .registry
            .on(too_large, Answer::new(413))
            .rule(Rule::new(Match::on("PATCH", "/uploads/").and(second), Answer::new(502)).times(1))
            .on(Match::get("/uploads/"), answer.clone())
            .serve_registry(&model);
        let remote = scene.anonymous();
        let pushed = remote.push_blob(blob(2_500_000)).await;
        pushed.unwrap_or_else(|error| panic!("{answer:?}: {error}"));
    }
}

fn second(request: &Request) -> bool {
    request
        .header("content-range")
        .is_some_and(|range| !range.starts_with("0-"))
}
