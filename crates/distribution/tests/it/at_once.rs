//! Tasks of one client that write the same content to the same repository, and registries that do not find yet what they
//! have.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use tokio::sync::Notify;
use wharf_content::{Blob, ByteStream, ErrorKind, Location, Manifest, MediaType, Sink as _};
use wharf_distribution::{Error, Remote};
use wharf_reference::{Algorithm, Digest, Repository, Tag};
use wharf_testkit::{
    Image, Request,
    hostile::{Answer, BodyUse, Match, Origin, Rule, Stage, Step},
    sha256,
};

use crate::support::{on_stage, push_image, registry, remote};

/// The paths of the blobs and manifests that the registry has.
type Held = Arc<Mutex<HashSet<String>>>;

/// A registry that takes blobs and manifests, and finds what it has.
fn serve(origin: &Origin) -> Held {
    let held = Held::default();
    origin.rule(Rule::call(Match::on("POST", "/uploads/"), |request: &Request| {
        Answer::new(202).header("Location", &format!("{}1", request.path()))
    }));
    let writing = Arc::clone(&held);
    origin.rule(Rule::call(
        Match::on("PUT", "/uploads/1"),
        move |request: &Request| {
            let repository = request.path().replace("uploads/1", "");
            let path = format!("{repository}{}", request.query("digest").concat());
            writing.lock().unwrap().insert(path);
            Answer::new(201)
        },
    ));
    let writing = Arc::clone(&held);
    origin.rule(Rule::call(
        Match::on("PUT", "/manifests/"),
        move |request: &Request| {
            let (repository, _) = request.path().rsplit_once('/').unwrap();
            let path = format!("{repository}/{}", sha256(&request.body));
            writing.lock().unwrap().insert(path);
            Answer::new(201)
        },
    ));
    let reading = Arc::clone(&held);
    origin.rule(Rule::call(Match::on("HEAD", "/v2/"), move |request: &Request| {
        let has_it = reading.lock().unwrap().contains(request.path());
        Answer::new(if has_it { 200 } else { 404 }).bare()
    }));
    origin.rule(Rule::new(Match::on("DELETE", "/uploads/1"), Answer::new(204)));
    held
}

struct Scene {
    _stage: Stage,
    registry: Origin,
    held: Held,
    app: Remote,
}

impl Scene {
    async fn new() -> Self {
        let stage = Stage::new();
        let registry = stage.origin("reg.test").await;
        let held = serve(&registry);
        let client = on_stage(&stage).build().unwrap();
        Self {
            app: remote(&client, "reg.test", "app"),
            _stage: stage,
            registry,
            held,
        }
    }

    /// The number of requests with this method whose target contains this text.
    fn count(&self, method: &str, part: &str) -> usize {
        let lines = self.registry.lines();
        let is_one = |line: &&String| line.starts_with(method) && line.contains(part);
        lines.iter().filter(is_one).count()
    }

    /// Whether the registry is sent the request that the rule holds up, which goes on when the second is notified.
    fn hold(&self, method: &str, part: &str) -> [Arc<Notify>; 2] {
        let [reached, go_on] = [(); 2].map(|()| Arc::new(Notify::new()));
        let mut steps = vec![Step::Tell(Arc::clone(&reached)), Step::Wait(Arc::clone(&go_on))];
        steps.extend(Answer::new(201).steps());
        self.registry
            .first(Rule::new(Match::on(method, part), steps).times(1));
        [reached, go_on]
    }

    /// The other repository of the same client and registry.
    fn other(&self) -> Remote {
        let repository = Repository::new(&registry("reg.test"), "other").unwrap();
        self.app.client().remote(&repository)
    }

    fn forget(&self) {
        self.held.lock().unwrap().clear();
    }
}

fn blob() -> Blob {
    Blob::of(MediaType::OCTET_STREAM, Bytes::from_static(b"content"))
}

fn texts(results: Vec<Result<(), Error>>) -> HashSet<String> {
    results
        .into_iter()
        .map(|result| result.unwrap_err().to_string())
        .collect()
}

#[tokio::test]
async fn one_of_many_tasks_sends_a_blob() {
    let scene = Scene::new().await;
    // Clones and other values for the repository are the same.
    let again = scene.app.client().remote(scene.app.repository());
    let pushes = (0..16).map(|number| {
        let remote = if number % 2 == 0 { &scene.app } else { &again };
        remote.push_blob(blob())
    });
    for pushed in join_all(pushes).await {
        pushed.unwrap();
    }
    let lines = scene.registry.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[tokio::test]
async fn a_blob_that_was_written_or_found_is_asked_for_before_it_is_sent_again() {
    for is_found in [false, true] {
        let scene = Scene::new().await;
        if is_found {
            let path = format!("/v2/app/blobs/{}", blob().descriptor().digest());
            scene.held.lock().unwrap().insert(path);
            assert!(scene.app.contains(blob().descriptor()).await.unwrap());
        } else {
            scene.app.push_blob(blob()).await.unwrap();
        }
        let before = scene.registry.lines().len();
        scene.app.push_blob(blob()).await.unwrap();
        let lines = scene.registry.lines();
        assert_eq!(lines.len(), before + 1, "{lines:?}");
        assert!(lines.last().unwrap().starts_with("HEAD"), "{lines:?}");
        // Somebody has deleted it.
        scene.forget();
        scene.app.push_blob(blob()).await.unwrap();
        assert!(!scene.held.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_blob_is_not_taken_for_one_of_another_repository_or_of_another_digest() {
    let scene = Scene::new().await;
    let [reached, go_on] = scene.hold("PUT", "/app/blobs/");
    let held_up = scene.app.clone();
    let first = tokio::spawn(async move { held_up.push_blob(blob()).await });
    reached.notified().await;
    scene.other().push_blob(blob()).await.unwrap();
    let different = Blob::of(MediaType::OCTET_STREAM, Bytes::from_static(b"different"));
    scene.app.push_blob(different).await.unwrap();
    assert_eq!(scene.count("PUT", "/blobs/"), 3);
    go_on.notify_one();
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_next_task_takes_over_from_one_that_is_cancelled() {
    let scene = Scene::new().await;
    let stalled = Rule::new(Match::on("PUT", "/blobs/"), vec![Step::Stall]);
    scene.registry.first(stalled.body(BodyUse::UpTo(0)).times(1));
    let cancelled = Box::pin(scene.app.push_blob(blob()));
    let waiting = Box::pin(async {
        while scene.count("PUT", "/blobs/") == 0 {
            tokio::task::yield_now().await;
        }
    });
    // The first has begun; the others begin to wait, and then it is dropped.
    let Either::Left(((), cancelled)) = select(waiting, cancelled).await else {
        panic!("the upload that is held up has ended");
    };
    let others = Box::pin(join_all((0..4).map(|_| scene.app.push_blob(blob()))));
    let Either::Right(((), others)) = select(others, std::future::ready(())).await else {
        panic!("an upload has ended beside one that is held up");
    };
    drop(cancelled);
    for pushed in others.await {
        pushed.unwrap();
    }
    assert_eq!(scene.count("PUT", "/blobs/"), 2, "{:?}", scene.registry.lines());
}

#[tokio::test]
async fn a_failure_is_that_of_all_tasks_that_wait_and_of_no_later_one() {
    for (status, code, kind, requests) in [
        (403, "DENIED", ErrorKind::Denied, 1),
        (404, "NAME_UNKNOWN", ErrorKind::NotFound, 1),
        (400, "NAME_INVALID", ErrorKind::Invalid, 1),
        (503, "UNAVAILABLE", ErrorKind::Server, 6),
        (429, "TOOMANYREQUESTS", ErrorKind::RateLimited, 6),
    ] {
        let scene = Scene::new().await;
        let refusal = Rule::new(Match::on("POST", "/uploads/"), Answer::error(status, code, "no"));
        scene.registry.first(refusal.times(requests));
        let failed = join_all((0..8).map(|_| scene.app.push_blob(blob()))).await;
        assert!(
            failed
                .iter()
                .all(|failed| failed.as_ref().unwrap_err().kind() == kind)
        );
        assert_eq!(texts(failed).len(), 1, "{code}");
        assert_eq!(scene.count("POST", "/uploads/") as u64, requests, "{code}");
        scene.app.push_blob(blob()).await.unwrap();
    }
}

/// Of a source that can be read only once, too: its task has fewer attempts.
#[tokio::test]
async fn a_failure_of_the_source_is_that_of_its_task_alone() {
    let descriptor = blob().descriptor().clone();
    let wrong = Blob::from_bytes(descriptor.clone(), Bytes::from_static(b"c0ntent")).unwrap();
    let once: ByteStream = Box::pin(futures_util::stream::iter([Ok(Bytes::from_static(b"content"))]));
    let once = Blob::once(descriptor, once).unwrap();
    for (first, cut) in [(wrong, 0), (once, 1)] {
        let scene = Scene::new().await;
        let reset = Rule::new(Match::on("PUT", "/blobs/"), vec![Step::Reset]);
        scene.registry.first(reset.times(cut));
        let pushes = [first, blob(), blob()].map(|blob| scene.app.push_blob(blob));
        let pushed = join_all(pushes).await;
        let failed: Vec<bool> = pushed.iter().map(Result::is_err).collect();
        assert_eq!(failed, [true, false, false], "{pushed:?}");
        assert_eq!(scene.count("POST", "/uploads/"), 2);
    }
}

#[tokio::test]
async fn a_question_waits_for_the_task_that_sends_and_is_asked_once() {
    let scene = Scene::new().await;
    let (blob, descriptor) = (blob(), blob().descriptor().clone());
    let asked = join_all((0..8).map(|_| scene.app.contains(&descriptor))).await;
    assert!(asked.into_iter().all(|there| !there.unwrap()));
    assert_eq!(scene.count("HEAD", ""), 1);
    let push = scene.app.push_blob(blob);
    let asked = join_all((0..8).map(|_| scene.app.contains(&descriptor)));
    let (pushed, asked) = futures_util::future::join(push, asked).await;
    pushed.unwrap();
    assert!(asked.into_iter().all(|there| there.unwrap()));
    assert_eq!(scene.registry.lines().len(), 3, "{:?}", scene.registry.lines());
}

/// A registry that mounts a blob that it has links it again.
#[tokio::test]
async fn a_blob_is_mounted_once() {
    let scene = Scene::new().await;
    let (descriptor, other) = (blob().descriptor().clone(), scene.other());
    let from = Location::Repository(other.repository().clone());
    let path = format!("/v2/app/blobs/{}", descriptor.digest());
    let (held, location) = (Arc::clone(&scene.held), path.clone());
    scene
        .registry
        .first(Rule::call(Match::on("POST", "/app/blobs/uploads/"), move |_| {
            held.lock().unwrap().insert(location.clone());
            Answer::new(201).header("Location", &location)
        }));
    let mount = || scene.app.clone();
    let mounts = (0..8).map(|_| {
        let (remote, descriptor, from) = (mount(), descriptor.clone(), from.clone());
        async move { wharf_content::Sink::mount(&remote, &descriptor, &from).await }
    });
    assert!(join_all(mounts).await.into_iter().all(|mounted| mounted.unwrap()));
    assert_eq!(scene.registry.lines().len(), 1);
    // Later, it is asked for, and neither mounted nor sent again.
    for _ in 0..2 {
        assert!(
            wharf_content::Sink::mount(&scene.app, &descriptor, &from)
                .await
                .unwrap()
        );
        scene.app.push_blob(blob()).await.unwrap();
    }
    let lines = scene.registry.lines();
    assert!(
        lines.iter().skip(1).all(|line| line.starts_with("HEAD")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_mount_that_is_refused_is_one_request_and_one_upload() {
    let scene = Scene::new().await;
    let descriptor = blob().descriptor().clone();
    let from = scene.other().repository().clone();
    let copies = (0..8).map(|_| async {
        if !scene.app.mount(&descriptor, &from).await? {
            scene.app.push_blob(blob()).await?;
        }
        Ok::<(), Error>(())
    });
    for copied in join_all(copies).await {
        copied.unwrap();
    }
    let lines = scene.registry.lines();
    assert_eq!(lines.len(), 2, "{lines:?}"); // the session of the mount is that of the upload
}

#[tokio::test]
async fn one_of_many_tasks_writes_a_manifest_by_its_digest_and_each_its_tag() {
    let scene = Scene::new().await;
    let image = Image::small("x");
    let manifest = image.manifest();
    for pushed in join_all((0..8).map(|_| scene.app.push_manifest(manifest, None))).await {
        pushed.unwrap();
    }
    assert_eq!(scene.registry.lines().len(), 1);
    let tags = ["1", "2", "3"].map(|tag| Tag::parse(tag).unwrap());
    for pushed in join_all(
        tags.iter()
            .map(|tag| scene.app.push_manifest(manifest, Some(tag))),
    )
    .await
    {
        pushed.unwrap();
    }
    assert_eq!(scene.count("PUT", "/manifests/"), 4);
    scene.app.push_manifest(manifest, None).await.unwrap();
    assert_eq!(
        scene.count("PUT", "/manifests/"),
        4,
        "it is there, and was asked for"
    );
}

#[tokio::test]
async fn a_blob_of_unknown_digest_that_is_there_is_not_committed() {
    let scene = Scene::new().await;
    scene.registry.first(Rule::call(
        Match::on("PATCH", "/uploads/1"),
        |request: &Request| Answer::new(202).header("Location", request.path()),
    ));
    let ingest = || {
        let bytes: ByteStream = Box::pin(futures_util::stream::iter([Ok(Bytes::from_static(b"content"))]));
        scene
            .app
            .ingest(MediaType::OCTET_STREAM, Algorithm::Sha256, bytes)
    };
    for ingested in join_all([ingest(), ingest(), ingest()]).await {
        assert_eq!(ingested.unwrap().digest(), blob().descriptor().digest());
    }
    assert_eq!(scene.count("PUT", ""), 1, "{:?}", scene.registry.lines());
    assert_eq!(scene.count("PATCH", ""), 3);
}

/// How a registry says that it lacks a part of a manifest, and the number of requests that then write the manifest.
async fn refused(scene: &Scene, status: u16, codes: &[(&str, &str)], times: u64) -> u64 {
    let errors: Vec<_> = codes
        .iter()
        .map(|(code, detail)| serde_json::json!({ "code": code, "message": "no", "detail": detail }))
        .collect();
    let document = serde_json::json!({ "errors": errors });
    let refusals = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&refusals);
    let refusal = Answer::json(&document).status(status);
    scene.registry.first(
        Rule::call(Match::on("PUT", "/manifests/"), move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            refusal.clone()
        })
        .times(times),
    );
    let image = Image::small("x");
    let tag = Tag::parse("1").unwrap();
    let before = scene.count("PUT", "/manifests/");
    let pushed = scene.app.push_manifest(image.manifest(), Some(&tag)).await;
    let refusals = refusals.load(Ordering::Relaxed);
    let sent = scene.count("PUT", "/manifests/") - before;
    assert_eq!(sent as u64, refusals + u64::from(pushed.is_ok()), "{pushed:?}");
    refusals
}

fn blobs_of(manifest: &Manifest) -> Vec<Digest> {
    manifest.blobs().map(|blob| blob.digest().clone()).collect()
}

#[tokio::test]
async fn a_manifest_whose_content_is_there_is_sent_again_when_the_registry_does_not_find_it() {
    let image = Image::small("x");
    let parts = blobs_of(image.manifest());
    let one = parts.last().unwrap().as_str();
    for (status, codes) in [
        (400, &[("DIGEST_INVALID", ""), ("MANIFEST_BLOB_UNKNOWN", one)][..]),
        (404, &[("MANIFEST_BLOB_UNKNOWN", one)]),
        (400, &[("MANIFEST_BLOB_UNKNOWN", "")]),
        (404, &[("BLOB_UNKNOWN", one)]),
        (404, &[("blob_unknown", "")]),
        (404, &[("MANIFEST_UNKNOWN", "")]),
    ] {
        // Once it was written by this client, and once by another.
        for is_known in [true, false] {
            let scene = Scene::new().await;
            if is_known {
                push_image(&scene.app, &image, "0").await.unwrap();
            }
            for part in &parts {
                scene.held.lock().unwrap().insert(format!("/v2/app/blobs/{part}"));
            }
            assert_eq!(refused(&scene, status, codes, 3).await, 3, "{codes:?}");
            let asked = match (is_known, codes.iter().any(|(_, detail)| *detail == one)) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => parts.len(),
            };
            assert_eq!(scene.count("HEAD", ""), asked, "{codes:?} {is_known}");
            let scene = Scene::new().await;
            push_image(&scene.app, &image, "0").await.unwrap();
            // As often as the policy allows, and no more.
            assert_eq!(refused(&scene, status, codes, 100).await, 6, "{codes:?}");
        }
    }
}

#[tokio::test]
async fn a_manifest_is_not_sent_again_when_its_content_is_missing_or_something_else_is_wrong() {
    let image = Image::small("x");
    let parts = blobs_of(image.manifest());
    let lacking = |part: &Digest| vec![("MANIFEST_BLOB_UNKNOWN".to_owned(), part.to_string())];
    let wrong = |code: &str| vec![(code.to_owned(), String::new())];
    for (status, codes, is_there) in [
        (400, lacking(&parts[0]), false),
        (404, lacking(&parts[1]), false),
        (400, wrong("MANIFEST_BLOB_UNKNOWN"), false),
        (400, wrong("DIGEST_INVALID"), true),
        (400, wrong("MANIFEST_INVALID"), true),
        (404, wrong("NAME_UNKNOWN"), true),
        (403, wrong("DENIED"), true),
    ] {
        let scene = Scene::new().await;
        if is_there {
            push_image(&scene.app, &image, "0").await.unwrap();
        }
        let codes: Vec<(&str, &str)> = codes.iter().map(|(code, detail)| (&**code, &**detail)).collect();
        assert_eq!(refused(&scene, status, &codes, 100).await, 1, "{codes:?}");
    }
}
