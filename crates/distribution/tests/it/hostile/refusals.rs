//! Blobs that are refused: another way is tried, or the answer is final.

use wharf_registry::Registry;
use wharf_testkit::{
    Image, Request,
    hostile::{Answer, Match, Rule},
};

use super::{
    optional::{blob, count},
    scene::{Scene, layer, tag},
};

/// A registry that wants the bytes of a blob by PATCH, and refuses them otherwise.
fn wants_patch(scene: &Scene, model: &Registry, refusal: &Answer) {
    let whole = |request: &Request| request.method == "PUT" && request.header("content-length") != Some("0");
    scene
        .registry
        .on(Match::on("PUT", "/uploads/").and(whole), refusal.clone())
        .serve_registry(model);
}

#[tokio::test]
async fn a_whole_blob_that_is_refused_goes_by_patch() {
    for size in [1, 20_000, 1_500_000] {
        for (status, code) in [
            (400, "DIGEST_INVALID"),
            (400, "UNSUPPORTED"),
            (403, ""),
            (404, "BLOB_UPLOAD_UNKNOWN"),
            (405, "UNSUPPORTED"),
            (411, ""),
            (413, ""),
            (415, ""),
            (416, "BLOB_UPLOAD_INVALID"),
            (422, ""),
            (500, ""),
            (501, ""),
            (502, ""),
        ] {
            let scene = Scene::new().await;
            let model = Registry::memory();
            wants_patch(&scene, &model, &Answer::error(status, code, "no"));
            let remote = scene.anonymous();
            let pushed = remote.push_blob(blob(size)).await;
            pushed.unwrap_or_else(|error| panic!("{size} {status} {code}: {error}"));
            // The next blob goes the way that is known to be open.
            let before = count(&scene, "PUT");
            remote.push_blob(blob(size + 1)).await.unwrap();
            assert_eq!(count(&scene, "PUT") - before, 1, "{size} {status} {code}");
        }
    }
}

#[tokio::test]
async fn a_way_that_is_refused_leaves_the_other() {
    for status in [400, 404, 405, 415, 501] {
        let scene = Scene::new().await;
        let model = Registry::memory();
        scene
            .registry
            .rule(Rule::new(Match::on("PUT", "/uploads/"), Answer::new(422)).times(1))
            .on(Match::on("PATCH", "/uploads/"), Answer::new(status))
            .serve_registry(&model);
        scene.anonymous().push_blob(blob(1000)).await.unwrap();
        assert_eq!((count(&scene, "PATCH"), count(&scene, "PUT")), (1, 2), "{status}");
    }
    // Where both are closed, the error is that of the blob.
    let scene = Scene::new().await;
    scene
        .registry
        .on(
            Match::on("PUT", "/uploads/"),
            Answer::error(422, "", "the disk is full"),
        )
        .on(Match::on("PATCH", "/uploads/"), Answer::new(405))
        .serve_registry(&Registry::memory());
    let error = scene.failed(scene.anonymous().push_blob(blob(1000)).await);
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert!(count(&scene, "PUT") <= 2);
}

/// What a registry says clearly is not asked again.
#[tokio::test]
async fn a_clear_answer_is_final() {
    for (method, status, code) in [
        ("POST", 404, "NAME_UNKNOWN"),
        ("POST", 400, "NAME_INVALID"),
        ("POST", 403, "DENIED"),
        ("POST", 404, ""),
        ("POST", 500, "NAME_UNKNOWN"),
        ("PUT", 404, "NAME_UNKNOWN"),
        ("PUT", 403, "DENIED"),
    ] {
        let scene = Scene::new().await;
        let message = "The repository with name 'team/app' does not exist";
        scene
            .registry
            .on(
                Match::on(method, "/uploads/"),
                Answer::error(status, code, message),
            )
            .serve_registry(&Registry::memory());
        let client = scene.builder().build().unwrap();
        let error = scene.failed(scene.remote_of(&client).push_blob(blob(1000)).await);
        assert!(error.to_string().contains("does not exist"), "{error}");
        assert_eq!(
            count(&scene, method),
            1,
            "{method} {status} {code}: {:?}",
            scene.registry.lines()
        );
        assert_eq!(
            (count(&scene, "HEAD"), client.counters().retries),
            (0, 0),
            "{method} {status}"
        );
        if (status, code) == (404, "NAME_UNKNOWN") {
            assert!(
                error
                    .hint()
                    .is_some_and(|hint| matches!(hint, wharf_content::Hint::CreateRepository { .. })),
                "{error}"
            );
        }
    }
}

/// A policy that sends nothing again means that.
#[tokio::test]
async fn a_policy_of_never_sends_nothing_again() {
    use wharf_testkit::hostile::Fault;

    let image = Image::builder().noise(9, 100_000).finish();
    let (descriptor, bytes) = layer(&image);
    let scene = Scene::new().await;
    let client = scene
        .builder()
        .with_retry(wharf_http::RetryPolicy::never())
        .build()
        .unwrap();
    let remote = scene.remote_of(&client);
    for fault in [Fault::Cut(0), Fault::Cut(40_000), Fault::Reset(70_000)] {
        scene
            .registry
            .clear()
            .rule(Rule::new(Match::get("/blobs/"), Answer::ok(bytes.clone()).fault(fault)).times(1))
            .on(Match::get("/blobs/"), Answer::ok(bytes.clone()));
        let before = scene.registry.requests().len();
        assert!(scene.read(&remote, &descriptor).await.is_err(), "{fault:?}");
        assert_eq!(scene.registry.requests().len() - before, 1, "{fault:?}");
    }
    assert_eq!((client.counters().resumed, client.counters().retries), (0, 0));
    for status in [429, 500, 503] {
        scene.registry.clear().on(Match::any(), Answer::new(status));
        let before = scene.registry.requests().len();
        scene.failed(remote.manifest(&tag("v1")).await);
        scene.failed(remote.push_blob(blob(1000)).await);
        assert_eq!(scene.registry.requests().len() - before, 2, "{status}");
    }
}
