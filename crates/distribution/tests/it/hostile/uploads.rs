use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use wharf_content::{Blob, ErrorKind, MediaType, Sink as _};
use wharf_http::RetryPolicy;
use wharf_reference::{Algorithm, Tag};
use wharf_registry::Registry;
use wharf_testkit::{
    Image, Request,
    hostile::{Answer, BodyUse, Match, OriginOptions, Rule, Step, registry_answer},
};

use super::scene::{Scene, layer, tag};

fn blob(image: &Image) -> Blob {
    let (descriptor, bytes) = layer(image);
    Blob::from_bytes(descriptor, bytes).unwrap()
}

#[tokio::test]
async fn n06_bytes_go_only_to_the_registry_itself() {
    let image = Image::small("x");
    let long = format!("/v2/team/app/blobs/uploads/{}", "x".repeat(64 * 1024));
    let table: [(&[&str], bool); 17] = [
        (&["/v2/team/app/blobs/uploads/1"], true),
        (&["1"], true),
        (&["https://registry.example.test/up/1"], true),
        (&["https://registry.example.test:443/up/1"], true),
        (&["http://registry.example.test/up/1"], true),
        (&["/up/1?_state=a%2Bb%3D&digest=sha256:evil"], true),
        (&["/up/1#fragment"], true),
        (&["https://evil.test/up"], false),
        (&["//evil.test/up"], false),
        (&["http://evil.test/up"], false),
        (&["https://registry.example.test:444/up"], false),
        (&["https://sub.registry.example.test/up"], false),
        (&["https://registry.example.test@evil.test/up"], false),
        (&["ftp://registry.example.test/up"], false),
        (&[&long], false),
        (&[], false),
        (&["/up/1", "/up/2"], false),
    ];
    for (locations, accepted) in table {
        let scene = Scene::new().await;
        scene.desk.guard(&scene.registry);
        let opened = locations.iter().fold(Answer::new(202), |answer, location| {
            answer.header("Location", location)
        });
        scene
            .registry
            .on(Match::on("HEAD", "/blobs/"), Answer::new(404).head_only())
            .on(Match::on("POST", "/blobs/uploads/"), opened)
            .on(Match::on("PUT", "/"), Answer::new(201))
            .on(Match::on("DELETE", "/"), Answer::new(204));
        let pushed = scene.alice().push_blob(blob(&image)).await;
        assert_eq!(pushed.is_ok(), accepted, "{locations:.80?}");
        let puts: Vec<Request> = scene
            .registry
            .requests()
            .into_iter()
            .filter(|request| request.method == "PUT")
            .collect();
        assert_eq!(puts.len(), usize::from(accepted), "{locations:.80?}");
        for put in puts {
            assert_eq!(
                put.query("digest"),
                [layer(&image).0.digest().as_str()],
                "{}",
                put.target
            );
            if locations.iter().any(|location| location.contains("_state")) {
                assert!(put.target.contains("_state=a%2Bb%3D"), "{}", put.target);
            }
        }
        match pushed {
            Ok(()) => (),
            Err(error) => drop(scene.stage.inspect(error)),
        }
        assert_eq!(scene.evil.traffic().connections, 0, "{locations:.80?}");
    }
}

#[tokio::test]
async fn n06_https_is_never_left_for_an_upload() {
    let scene = Scene::new().await;
    let plain = scene
        .stage
        .origin_with(
            "registry.example.test",
            OriginOptions::default().plain().with_port(),
        )
        .await;
    scene
        .stage
        .name("registry.example.test", &[scene.registry.address()]);
    scene
        .registry
        .on(Match::on("HEAD", "/blobs/"), Answer::new(404).head_only())
        .on(
            Match::on("POST", "/"),
            Answer::new(202).header("Location", &plain.url("/up")),
        );
    scene.failed(scene.anonymous().push_blob(blob(&Image::small("x"))).await);
    assert_eq!(plain.traffic().connections, 0);
}

#[tokio::test]
async fn n06_a_push_counts_only_when_the_registry_says_so() {
    let image = Image::small("x");
    for (status, redirected) in [(200, true), (201, true), (303, true)] {
        let scene = Scene::new().await;
        scene
            .registry
            .on(Match::on("HEAD", "/blobs/"), Answer::new(404).head_only())
            .on(
                Match::on("POST", "/"),
                Answer::new(202).header("Location", "/up/1"),
            )
            .on(
                Match::on("PUT", "/"),
                Answer::redirect(303, "https://evil.test/done"),
            );
        scene
            .evil
            .on(Match::any(), Answer::new(if redirected { 201 } else { status }));
        let error = scene.failed(scene.anonymous().push_blob(blob(&image)).await);
        assert_ne!(error.kind(), ErrorKind::NotFound);
    }
}

/// The effect happens, the reply does not come: for each verb there is exactly one effect, and success.
#[tokio::test]
async fn x05_a_lost_reply_is_no_second_effect() {
    let image = Image::small("x");
    for (method, path) in [
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
        ("HEAD", "/blobs/"),
    ] {
        for how in [Step::Cut, Step::Reset] {
            let scene = Scene::new().await;
            let model = Registry::memory();
            let (lost, effects) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
            let (count, log, served) = (Arc::clone(&lost), Arc::clone(&effects), model.clone());
            scene
                .registry
                .rule(Rule::asynchronous(Match::any(), move |request| {
                    let (count, log, served, how) =
                        (Arc::clone(&count), Arc::clone(&log), served.clone(), how.clone());
                    async move {
                        let answer = registry_answer(&served, &request).await;
                        if answer.code() == 201 {
                            log.lock()
                                .unwrap()
                                .push(format!("{} {}", request.method, request.path()));
                        }
                        let hit = request.method == method && request.path().contains(path);
                        if hit && count.fetch_add(1, Ordering::SeqCst) == 0 {
                            vec![how]
                        } else {
                            answer.steps()
                        }
                    }
                }));
            let remote = scene.anonymous();
            for (descriptor, bytes) in image.blobs() {
                assert!(!remote.has_blob(descriptor).await.unwrap());
                let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
                remote
                    .push_blob(blob)
                    .await
                    .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
            }
            let name = Tag::parse("v1").unwrap();
            remote.push_manifest(image.manifest(), Some(&name)).await.unwrap();
            assert!(lost.load(Ordering::SeqCst) > 0, "{method} {path} was not hit");
            assert_eq!(remote.manifest(&tag("v1")).await.unwrap(), *image.manifest());
            let mut effects = effects.lock().unwrap().clone();
            effects.retain(|line| line.contains("/uploads/"));
            assert_eq!(effects.len(), image.blobs().len(), "{method} {path}: {effects:?}");
        }
    }
}

#[tokio::test]
async fn x05_an_upload_that_breaks_off_is_sent_again() {
    let image = Image::builder().noise(3, 300_000).finish();
    for (at, how) in [
        (0, Step::Cut),
        (1, Step::Reset),
        (100_000, Step::Cut),
        (299_000, Step::Reset),
    ] {
        let scene = Scene::new().await;
        let model = Registry::memory();
        scene
            .registry
            .rule(
                Rule::new(Match::on("PUT", "/uploads/"), how)
                    .body(BodyUse::UpTo(at))
                    .times(1),
            )
            .serve_registry(&model);
        let remote = scene.anonymous();
        remote
            .push_blob(blob(&image))
            .await
            .unwrap_or_else(|error| panic!("{at}: {error}"));
        let (descriptor, bytes) = layer(&image);
        assert_eq!(scene.read(&remote, &descriptor).await, Ok(bytes.to_vec()));
    }
}

#[tokio::test]
async fn x05_a_mount_that_is_not_done_is_an_upload() {
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    let from = wharf_reference::Repository::parse("registry.example.test/other/app").unwrap();
    for answer in [
        Answer::new(202).header("Location", "/v2/team/app/blobs/uploads/made-by-mount"),
        Answer::error(405, "UNSUPPORTED", "no"),
        Answer::error(404, "NAME_UNKNOWN", "no"),
        Answer::error(403, "DENIED", "no"),
    ] {
        let scene = Scene::new().await;
        let model = Registry::memory();
        let mount = Match::on("POST", "/uploads/").and(|request| !request.query("mount").is_empty());
        scene
            .registry
            .on(mount, answer.clone())
            .on(
                Match::on("PUT", "made-by-mount"),
                Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "gone"),
            )
            .serve_registry(&model);
        let remote = scene.anonymous();
        assert!(
            !remote.mount(&descriptor, &from).await.unwrap(),
            "{}",
            answer.code()
        );
        remote.push_blob(blob(&image)).await.unwrap();
        assert_eq!(
            scene.read(&remote, &descriptor).await,
            Ok(bytes.to_vec()),
            "{}",
            answer.code()
        );
    }
}

/// A mount that is done names the blob; what names another is not believed, and what names none is asked
/// about.
#[tokio::test]
async fn x05_a_mount_is_done_when_the_registry_names_the_blob() {
    let image = Image::small("x");
    let (descriptor, _) = layer(&image);
    let from = wharf_reference::Repository::parse("registry.example.test/other/app").unwrap();
    let digest = descriptor.digest().to_string();
    let other = format!("sha256:{}", "0".repeat(64));
    let long = format!("sha512:{}", "0".repeat(128));
    let at = |digest: &str| format!("https://registry.example.test/v2/team/app/blobs/{digest}");
    let escaped = at(&digest.replace(':', "%3A"));
    // What the answer says, whether the registry has the blob, what comes of it, and whether it was asked.
    for (headers, has_it, mounted, asked) in [
        (vec![("Location", at(&digest))], false, true, false),
        (vec![("Location", escaped + "?x=1")], false, true, false),
        (
            vec![("Docker-Content-Digest", digest.clone())],
            false,
            true,
            false,
        ),
        (vec![("Location", at(&other))], true, false, false),
        (
            vec![("Location", at(&digest)), ("Docker-Content-Digest", other)],
            true,
            false,
            false,
        ),
        (vec![("Docker-Content-Digest", long)], true, true, true),
        (vec![("Location", "/somewhere".to_owned())], true, true, true),
        (vec![("Location", "/somewhere".to_owned())], false, false, true),
        (vec![], true, true, true),
        (vec![], false, false, true),
    ] {
        let scene = Scene::new().await;
        let made = headers.iter().fold(Answer::new(201), |answer, (name, value)| {
            answer.header(name, value)
        });
        let found = Answer::new(if has_it { 200 } else { 404 }).head_only();
        scene
            .registry
            .on(Match::on("POST", "/uploads/"), made)
            .on(Match::on("HEAD", "/blobs/"), found);
        let done = scene.anonymous().mount(&descriptor, &from).await.unwrap();
        assert_eq!(done, mounted, "{headers:?} {has_it}");
        let heads = scene.registry.lines().iter().any(|line| line.starts_with("HEAD"));
        assert_eq!(heads, asked, "{headers:?}");
    }
}

#[tokio::test]
async fn n13_a_token_that_runs_out_during_an_upload_is_renewed() {
    let image = Image::builder().noise(5, 200_000).finish();
    let scene = Scene::new().await;
    let model = Registry::memory();
    let desk = scene.desk.clone();
    let revoke = Rule::call(Match::on("POST", "/uploads/"), {
        move |_| {
            desk.revoke();
            Answer::error(503, "UNAVAILABLE", "again")
        }
    });
    scene.registry.rule(revoke.times(1));
    scene.desk.guard(&scene.registry);
    scene.registry.serve_registry(&model);
    let remote = scene.alice();
    remote.push_blob(blob(&image)).await.unwrap();
    let (descriptor, bytes) = layer(&image);
    // Between opening the session and sending the bytes.
    scene.desk.revoke();
    assert_eq!(scene.read(&remote, &descriptor).await, Ok(bytes.to_vec()));
    assert!(scene.desk.issued().len() <= 4, "{:?}", scene.desk.issued());
}

/// In an upload of many requests, each answer can try to lead it away.
#[tokio::test]
async fn n06_no_step_of_an_upload_leads_away() {
    let image = Image::builder().noise(4, 2_500_000).finish();
    for location in [
        "https://evil.test/up",
        "//evil.test/up",
        "http://evil.test/up",
        "https://registry.example.test:444/up",
    ] {
        for step in ["PATCH", "GET"] {
            let scene = Scene::new().await;
            scene.desk.guard(&scene.registry);
            let too_large = Rule::new(Match::on("PUT", "/up/1"), Answer::new(413)).times(1);
            let away = |status: u16| {
                Answer::new(status)
                    .header("Location", location)
                    .header("Range", "0-0")
            };
            let first = if step == "PATCH" {
                away(202)
            } else {
                Answer::new(503)
            };
            scene
                .registry
                .on(Match::on("HEAD", "/blobs/"), Answer::new(404).head_only())
                .on(
                    Match::on("POST", "/blobs/uploads/"),
                    Answer::new(202).header("Location", "/up/1"),
                )
                .rule(too_large)
                .rule(Rule::new(Match::on("PATCH", "/up/1"), first))
                .on(Match::on("GET", "/up/1"), away(204))
                .on(Match::on("DELETE", "/up/1"), Answer::new(204));
            scene.failed(scene.alice().push_blob(blob(&image)).await);
            assert!(
                scene.registry.lines().iter().any(|line| line.starts_with(step)),
                "{step} {location}"
            );
            assert_eq!(scene.evil.traffic().connections, 0, "{step} {location}");
        }
    }
}

/// What was deleted although the reply was lost is gone: asking again finds nothing, which is what was
/// wanted.
#[tokio::test]
async fn x05_a_lost_reply_to_a_deletion_is_success() {
    use wharf_registry::{Fault, RouteKind};

    let image = Image::small("x");
    for what in ["tag", "manifest", "blob"] {
        let model = Registry::memory();
        let server = model.clone().serve().await.unwrap();
        let name = server.registry();
        let client = wharf_distribution::Client::builder()
            .with_plain_http(name.clone())
            .build()
            .unwrap();
        let remote = client.remote(&wharf_reference::Repository::new(&name, "team/app").unwrap());
        for (descriptor, bytes) in image.blobs() {
            let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
            remote.push_blob(blob).await.unwrap();
        }
        let v1 = Tag::parse("v1").unwrap();
        remote.push_manifest(image.manifest(), Some(&v1)).await.unwrap();
        let endpoint = if what == "blob" {
            RouteKind::Blob
        } else {
            RouteKind::Manifest
        };
        let lost = model.inject(
            Fault::lose_reply()
                .on(endpoint)
                .method(http::Method::DELETE)
                .times(1),
        );
        let deleted = match what {
            "tag" => remote.delete_tag(&v1).await,
            "manifest" => remote.delete_manifest(image.manifest().digest()).await,
            _ => remote.delete_blob(layer(&image).0.digest()).await,
        };
        assert_eq!(lost.hits(), 1, "{what}");
        assert!(deleted.is_ok(), "{what}: {deleted:?}");
        // What was never there is another matter.
        let missing = remote
            .delete_tag(&Tag::parse("never").unwrap())
            .await
            .unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound, "{what}");
    }
}

/// A registry that takes a chunk and forgets it makes no progress, however often it takes it again.
#[tokio::test]
async fn x05_an_upload_that_gets_nowhere_ends() {
    let image = Image::builder().noise(4, 2_500_000).finish();
    let scene = Scene::new().await;
    let here = |status: u16| Answer::new(status).header("Location", "/up/1");
    let starts = |request: &Request| {
        let range = request.header("content-range").unwrap_or_default();
        range.starts_with("0-")
    };
    scene
        .registry
        .on(Match::on("HEAD", "/blobs/"), Answer::new(404).head_only())
        .on(Match::on("POST", "/blobs/uploads/"), here(202))
        .on(Match::on("PUT", "/up/1"), Answer::new(413))
        .on(Match::on("PATCH", "/up/1").and(starts), here(202))
        .on(Match::on("PATCH", "/up/1"), here(416))
        .on(Match::on("GET", "/up/1"), here(204).header("Range", "0-0"))
        .on(Match::on("DELETE", "/up/1"), Answer::new(204));
    let error = scene.failed(scene.anonymous().push_blob(blob(&image)).await);
    assert_eq!(error.status(), Some(416), "{error}");
    let chunks = scene
        .registry
        .lines()
        .iter()
        .filter(|line| line.starts_with("PATCH"))
        .count();
    assert!(chunks <= 30, "{chunks}");
}

/// The bytes of a stream come once, but the request that closes it carries none.
#[tokio::test]
async fn x05_a_stream_is_closed_as_often_as_it_takes() {
    use wharf_registry::{Fault, RouteKind};

    let chunk = bytes::Bytes::from_static(b"a layer that is made as it is sent");
    for fault in [Fault::lose_reply(), Fault::status(503), Fault::status(429)] {
        let model = Registry::memory();
        let server = model.clone().serve().await.unwrap();
        let name = server.registry();
        let client = wharf_distribution::Client::builder()
            .with_plain_http(name.clone())
            .with_retry(RetryPolicy::default().with_initial_backoff(Duration::from_millis(1)))
            .build()
            .unwrap();
        let remote = client.remote(&wharf_reference::Repository::new(&name, "team/app").unwrap());
        let hit = model.inject(fault.on(RouteKind::Upload).method(http::Method::PUT).times(1));
        let whole = chunk.clone();
        let stream = Box::pin(futures_util::stream::once(async move { Ok(whole) }));
        let pushed = remote
            .ingest(MediaType::OCI_LAYER, Algorithm::Sha256, stream)
            .await;
        let descriptor = pushed.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(hit.hits(), 1);
        let read = remote.blob(&descriptor).unwrap().read_to_end(100).await.unwrap();
        assert_eq!(read, chunk);
    }
}

/// What counts as success, beyond the statuses of the specification: an upload is confirmed by the registry
/// itself.
#[tokio::test]
async fn other_statuses_of_success_count_where_the_registry_has_the_bytes() {
    let image = Image::small("x");
    for status in [200, 202] {
        for is_stored in [true, false] {
            let scene = Scene::new().await;
            let length = layer(&image).1.len().to_string();
            let head = if is_stored {
                Answer::new(200).header("Content-Length", &length).head_only()
            } else {
                Answer::new(404).head_only()
            };
            scene
                .registry
                .on(
                    Match::on("POST", "/blobs/uploads/"),
                    Answer::new(202).header("Location", "/up/1"),
                )
                .on(Match::on("PUT", "/up/1"), Answer::new(status))
                .on(Match::on("DELETE", "/up/1"), Answer::new(204))
                .on(Match::on("HEAD", "/blobs/"), head);
            let pushed = scene.anonymous().push_blob(blob(&image)).await;
            assert_eq!(pushed.is_ok(), is_stored, "{status}");
            if let Err(error) = pushed {
                let words = format!("answered {status}, but does not have the blob");
                assert!(error.to_string().contains(&words), "{error}");
            }
        }
    }
    for status in [200, 201, 202, 204] {
        let scene = Scene::new().await;
        scene
            .registry
            .on(
                Match::on("POST", "/blobs/uploads/"),
                Answer::new(202).header("Location", "/up/1"),
            )
            .on(Match::on("PATCH", "/up/1"), Answer::new(status))
            .on(
                Match::on("PUT", "/up/1").and(|request| request.body.is_empty()),
                Answer::new(201),
            )
            .on(Match::on("PUT", "/up/1"), Answer::new(400))
            .on(Match::on("DELETE", "/up/1"), Answer::new(204))
            .on(Match::on("PUT", "/manifests/"), Answer::new(status));
        let remote = scene.anonymous();
        remote.push_blob(blob(&image)).await.unwrap();
        remote
            .push_manifest(image.manifest(), Some(&Tag::parse("v1").unwrap()))
            .await
            .unwrap();
    }
}
