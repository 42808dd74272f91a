use std::time::Duration;

use bytes::Bytes;
use wharf_content::{Descriptor, ErrorKind, Hasher, MediaType, Target};
use wharf_reference::Algorithm;
use wharf_testkit::{
    Image, Request,
    hostile::{Answer, Fault, Match, Rule, Step, blob_answer},
};

use super::scene::{Scene, layer, tag};

const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

#[tokio::test]
async fn i02_pinned_means_pinned() {
    let (image, other) = (Image::small("asked for"), Image::small("another"));
    let bytes = |image: &Image| image.manifest().bytes().clone();
    let digest = image.manifest().digest().to_string();
    let other_digest = other.manifest().digest().to_string();
    let strong = Hasher::digest(Algorithm::Sha512, &bytes(&image))
        .unwrap()
        .to_string();
    let answer = |body: Bytes, header: Option<&str>| {
        let answer = Answer::ok(body).header("Content-Type", KIND);
        header.map_or(answer.clone(), |header| {
            answer.header("Docker-Content-Digest", header)
        })
    };
    let scene = Scene::new().await;
    let pinned: Target = image.manifest().digest().clone().into();
    let table = [
        (answer(bytes(&image), Some(&digest)), true),
        (answer(bytes(&image), None), true),
        (answer(bytes(&image), Some(&strong)), true),
        (answer(bytes(&image), Some("sha256:../../x")), true),
        (answer(bytes(&other), Some(&digest)), false),
        (answer(bytes(&other), Some(&other_digest)), false),
        (answer(bytes(&other), None), false),
        (answer(bytes(&image), Some(&other_digest)), false),
        (
            answer(bytes(&image), Some(&format!("sha512:{}", "0".repeat(128)))),
            false,
        ),
    ];
    for (number, (answer, good)) in table.into_iter().enumerate() {
        scene.registry.clear().on(Match::get("/manifests/"), answer);
        let got = scene.anonymous().manifest(&pinned).await;
        if good {
            assert_eq!(got.unwrap(), *image.manifest(), "{number}");
        } else {
            assert_eq!(scene.failed(got).kind(), ErrorKind::Mismatch, "{number}");
        }
    }
    // A digest in the answer to a missing manifest is worth nothing.
    let missing = Answer::error(404, "MANIFEST_UNKNOWN", "no").header("Docker-Content-Digest", &digest);
    scene.registry.clear().on(Match::any(), missing);
    assert_eq!(
        scene.failed(scene.anonymous().resolve(&pinned).await).kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn i02_a_sha512_pin_is_met_by_sha512_alone() {
    let image = Image::small("x");
    let strong = Hasher::digest(Algorithm::Sha512, image.manifest().bytes()).unwrap();
    let scene = Scene::new().await;
    scene.registry.on(
        Match::get("/manifests/sha512"),
        Answer::ok(image.manifest().bytes().clone()).header("Content-Type", KIND),
    );
    let remote = scene.anonymous();
    let manifest = remote.manifest(&strong.clone().into()).await.unwrap();
    assert_eq!(*manifest.digest(), strong);
    let wrong = wharf_reference::Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
    assert_eq!(
        scene.failed(remote.manifest(&wrong.into()).await).kind(),
        ErrorKind::Mismatch
    );
}

#[tokio::test]
async fn i03_sizes_are_exact() {
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    let path = format!("/blobs/{}", descriptor.digest());
    let scene = Scene::new().await;
    scene
        .registry
        .on(Match::get(&path), Answer::ok(bytes.clone()).until_close());
    let size = bytes.len() as u64;
    for (claimed, good) in [
        (size, true),
        (size - 1, false),
        (size + 1, false),
        (0, false),
        (1 << 62, false),
    ] {
        let claim = Descriptor::new(MediaType::OCI_LAYER_GZIP, descriptor.digest().clone(), claimed).unwrap();
        let got = scene.read(&scene.anonymous(), &claim).await;
        assert_eq!(got.is_ok(), good, "{claimed}");
    }
}

#[test]
fn i03_an_endless_body_is_cut_at_the_promised_size() {
    let allocated = allocation_counter::measure(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let scene = Scene::new().await;
            let endless = vec![
                Step::Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into()),
                Step::Repeat(
                    Bytes::from([&b"4000\r\n"[..], &[0; 0x4000], b"\r\n"].concat()),
                    u64::MAX,
                ),
            ];
            scene.registry.on(Match::get("/blobs/"), endless);
            let digest = wharf_testkit::sha256(b"nothing like it");
            let descriptor = Descriptor::new(MediaType::OCI_LAYER, digest, 100_000).unwrap();
            let mut blob = scene.anonymous().blob(&descriptor).unwrap();
            let (mut passed, mut failed) = (0, false);
            while let Some(chunk) = blob.next().await {
                match chunk {
                    Ok(chunk) => passed += chunk.len(),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Mismatch);
                        failed = true;
                    }
                }
            }
            assert!(failed && passed <= 100_000, "{passed}");
        });
    });
    assert!(allocated.bytes_max < 16 * 1024 * 1024, "{}", allocated.bytes_max);
}

#[tokio::test]
async fn i04_nothing_wrong_ends_well() {
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    let scene = Scene::new().await;
    let last = bytes.len() as u64 - 1;
    let whole = || Answer::ok(bytes.clone());
    let table = [
        ("good", whole(), Ok(())),
        (
            "last byte",
            whole().fault(Fault::Flip(last)),
            Err(ErrorKind::Mismatch),
        ),
        (
            "first byte",
            whole().fault(Fault::Flip(0)),
            Err(ErrorKind::Mismatch),
        ),
        (
            "too long",
            whole().fault(Fault::Lengthen(1)),
            Err(ErrorKind::Mismatch),
        ),
        (
            "gzip",
            whole().header("Content-Encoding", "gzip"),
            Err(ErrorKind::Mismatch),
        ),
        ("identity", whole().header("Content-Encoding", "identity"), Ok(())),
        (
            "another",
            Answer::ok(Bytes::from(vec![7; bytes.len()])),
            Err(ErrorKind::Mismatch),
        ),
    ];
    for (what, answer, expected) in table {
        scene.registry.clear().on(Match::get("/blobs/"), answer);
        let got = scene.read(&scene.anonymous(), &descriptor).await;
        assert_eq!(got.map(drop), expected, "{what}");
        let asked = scene.registry.requests().pop().unwrap();
        assert_eq!(asked.header("accept-encoding"), Some("identity"), "{what}");
    }
}

/// What a document is does not depend on which of its descriptions is read.
#[tokio::test]
async fn i05_ambiguous_manifests_are_refused() {
    use ErrorKind::{Ambiguous, Invalid, Unsupported};
    let empty = "{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2}";
    let index = "application/vnd.oci.image.index.v1+json";
    let with = |text: &str| text.replace("EMPTY", empty);
    let table = [
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"manifests":[]}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"manifests":[]}"#),
            index,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"layers":[]}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"Layers":[]}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"annotations":{"a":"b","a":"c"}}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(&format!(
                r#"{{"schemaVersion":2,"mediaType":"{index}","config":EMPTY,"layers":[]}}"#
            )),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"fsLayers":[]}"#),
            KIND,
            Ambiguous,
        ),
        (
            with(r#"{"schemaVersion":"2","config":EMPTY,"layers":[]}"#),
            KIND,
            Invalid,
        ),
        (
            with(
                r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"subject":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":1e999}}"#,
            ),
            KIND,
            Invalid,
        ),
        (
            with(
                r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"subject":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":-1}}"#,
            ),
            KIND,
            Invalid,
        ),
        (
            with(r#"[2,null,null,EMPTY,[],null,null,{},null,null]"#),
            KIND,
            Invalid,
        ),
        (
            with(
                r#"{"schemaVersion":2,"config":["application/vnd.oci.empty.v1+json","sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",2,null,null,null,null,null],"layers":[]}"#,
            ),
            KIND,
            Invalid,
        ),
        (
            with(r#"[{"schemaVersion":2,"config":EMPTY,"layers":[]}]"#),
            KIND,
            Invalid,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[]} trailing"#),
            KIND,
            Invalid,
        ),
        (
            with("\u{feff}{\"schemaVersion\":2,\"config\":EMPTY,\"layers\":[]}"),
            KIND,
            Invalid,
        ),
        (
            with(r#"{"schemaVersion":2,"config":EMPTY,"layers":[],"x":NaN}"#),
            KIND,
            Invalid,
        ),
        (
            r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#.to_owned(),
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            Unsupported,
        ),
    ];
    let scene = Scene::new().await;
    for (body, media_type, expected) in table {
        let answer = Answer::ok(body.clone()).header("Content-Type", media_type);
        scene.registry.clear().on(Match::get("/manifests/"), answer);
        let remote = scene.anonymous();
        let digest = wharf_testkit::sha256(body.as_bytes());
        for target in [tag("v1"), digest.into()] {
            let error = scene.failed(remote.manifest(&target).await);
            assert_eq!(error.kind(), expected, "{body} as {media_type}: {error}");
        }
    }
}

#[tokio::test]
async fn i08_a_digest_beats_a_tag_and_stays() {
    let (first, second) = (Image::small("first"), Image::small("second"));
    let scene = Scene::new().await;
    for image in [&first, &second] {
        scene
            .registry
            .serve_manifest("team/app", "unused", image.manifest());
    }
    let reference = format!("registry.example.test/team/app:v1@{}", first.manifest().digest());
    let reference = wharf_reference::Reference::parse(&reference).unwrap();
    let remote = scene.anonymous();
    let manifest = remote.manifest(&Target::of(&reference)).await.unwrap();
    assert_eq!(manifest, *first.manifest());
    assert!(
        scene.registry.lines().iter().all(|line| !line.ends_with("/v1")),
        "{:?}",
        scene.registry.lines()
    );

    // A tag that moves between two questions: what was read stays what it is.
    let (one, two) = (first.manifest().clone(), second.manifest().clone());
    let say = |manifest: &wharf_content::Manifest| {
        Answer::ok(manifest.bytes().clone()).header("Content-Type", KIND)
    };
    scene
        .registry
        .clear()
        .rule(Rule::new(Match::get("/manifests/moving"), say(&one)).times(1))
        .on(Match::get("/manifests/moving"), say(&two))
        .serve_image("team/app", "unused", &first);
    let manifest = remote.manifest(&tag("moving")).await.unwrap();
    for descriptor in manifest.blobs() {
        assert!(scene.read(&remote, descriptor).await.is_ok());
    }
    assert_eq!(manifest, one);
}

/// Range and body of a lying answer, from the true first byte, the true rest and the true size.
type Lie = fn(usize, Bytes, usize) -> (String, Bytes);

/// The second request of a download asks for the rest; each lie about it is caught.
#[tokio::test]
async fn i09_ranges_are_checked() {
    let image = Image::builder().noise(9, 200_000).finish();
    let (descriptor, bytes) = layer(&image);
    let (total, cut) = (bytes.len(), 70_000);
    let part = |range: &str, body: Bytes| Answer::ok(body).status(206).header("Content-Range", range);
    let rest = |request: &Request, all: &Bytes| {
        let from: usize = request
            .header("range")
            .unwrap()
            .trim_start_matches("bytes=")
            .trim_end_matches('-')
            .parse()
            .unwrap();
        (from, all.slice(from..))
    };
    let lies: [(&str, bool, Lie); 9] = [
        ("honest", true, |from, rest, total| {
            (format!("bytes {from}-{}/{total}", total - 1), rest)
        }),
        ("unknown total", true, |from, rest, total| {
            (format!("bytes {from}-{}/*", total - 1), rest)
        }),
        ("another start", false, |from, rest, total| {
            (
                format!("bytes {}-{}/{total}", from + 1, total - 1),
                rest.slice(1..),
            )
        }),
        ("from zero", false, |_, rest, total| {
            (format!("bytes 0-{}/{total}", total - 1), rest)
        }),
        ("overlong", false, |from, rest, total| {
            (
                format!("bytes {from}-{}/{}", total, total + 1),
                [&rest[..], b"x"].concat().into(),
            )
        }),
        ("another total", false, |from, rest, total| {
            (format!("bytes {from}-{}/{}", total - 1, total + 7), rest)
        }),
        ("overflow", false, |from, rest, _| {
            (
                format!("bytes {from}-18446744073709551615/18446744073709551615"),
                rest,
            )
        }),
        ("shorter than said", true, |from, rest, total| {
            (format!("bytes {from}-{}/{total}", total - 1), rest)
        }),
        ("no grammar", false, |_, rest, _| ("bytes all".to_owned(), rest)),
    ];
    for (what, good, lie) in lies {
        let scene = Scene::new().await;
        let all = bytes.clone();
        scene
            .registry
            .rule(
                Rule::new(
                    Match::get("/blobs/").and(|r| r.header("range").is_none()),
                    Answer::ok(all.clone()).fault(Fault::Cut(cut)),
                )
                .times(1),
            )
            .rule(
                Rule::call(Match::get("/blobs/").and(|r| r.header("range").is_some()), {
                    let all = all.clone();
                    move |request| {
                        let (from, rest) = rest(request, &all);
                        let (range, body) = lie(from, rest, total);
                        let answer = part(&range, body);
                        if what == "shorter than said" {
                            answer.fault(Fault::Cut(1000))
                        } else {
                            answer
                        }
                    }
                })
                .times(1),
            )
            .rule(Rule::call(Match::get("/blobs/"), move |request| {
                blob_answer(request, &all)
            }));
        let got = scene.read(&scene.anonymous(), &descriptor).await;
        if good {
            assert_eq!(got, Ok(bytes.to_vec()), "{what}");
        } else {
            // Refused, or made good from an honest answer; never wrong bytes.
            assert!(got.is_err() || got == Ok(bytes.to_vec()), "{what}");
        }
        // The next try from the start succeeds.
        let again = scene.read(&scene.anonymous(), &descriptor).await;
        assert_eq!(again, Ok(bytes.to_vec()), "{what}");
    }
}

#[tokio::test]
async fn i09_other_answers_to_a_range() {
    let image = Image::builder().noise(9, 100_000).finish();
    let (descriptor, bytes) = layer(&image);
    let cut_first = |scene: &Scene| {
        let first = Match::get("/blobs/").and(|request| request.header("range").is_none());
        scene
            .registry
            .rule(Rule::new(first, Answer::ok(bytes.clone()).fault(Fault::Cut(40_000))).times(1));
    };
    let changed = Bytes::from([&bytes[..50_000], &vec![1; bytes.len() - 50_000]].concat());
    let table = [
        ("the whole again", Answer::ok(bytes.clone()), true),
        ("changed content", Answer::ok(changed), false),
        ("not satisfiable", Answer::new(416), false),
        (
            "several parts",
            Answer::ok("--x\r\n")
                .status(206)
                .header("Content-Type", "multipart/byteranges; boundary=x"),
            false,
        ),
        (
            "two ranges",
            Answer::ok("x")
                .status(206)
                .header("Content-Range", "bytes 1-1/2")
                .header("Content-Range", "bytes 1-1/2"),
            false,
        ),
        (
            "encoded",
            Answer::ok(bytes.clone()).header("Content-Encoding", "gzip"),
            false,
        ),
    ];
    for (what, answer, good) in table {
        let scene = Scene::new().await;
        cut_first(&scene);
        scene.registry.on(Match::get("/blobs/"), answer);
        let got = scene.read(&scene.anonymous(), &descriptor).await;
        if good {
            assert_eq!(got, Ok(bytes.to_vec()), "{what}");
        } else {
            assert!(got.is_err(), "{what}");
        }
    }
    // A part although the whole was asked for.
    let scene = Scene::new().await;
    let range = format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len());
    scene.registry.on(
        Match::get("/blobs/"),
        Answer::ok(bytes.clone())
            .status(206)
            .header("Content-Range", &range),
    );
    assert_eq!(
        scene.read(&scene.anonymous(), &descriptor).await,
        Err(ErrorKind::Mismatch)
    );
}

#[tokio::test]
async fn i12_a_body_that_breaks_off_is_resumed() {
    let image = Image::builder().noise(1, 50_000).finish();
    let (descriptor, bytes) = layer(&image);
    for at in [0, 1, 25_000, bytes.len() as u64 - 1] {
        for fault in [Fault::Cut(at), Fault::Reset(at)] {
            let scene = Scene::new().await;
            let all = bytes.clone();
            scene
                .registry
                .rule(Rule::new(Match::get("/blobs/"), Answer::ok(all.clone()).fault(fault)).times(1))
                .rule(Rule::call(Match::get("/blobs/"), move |request| {
                    blob_answer(request, &all)
                }));
            let got = scene.read(&scene.anonymous(), &descriptor).await;
            assert_eq!(got, Ok(bytes.to_vec()), "{fault:?}");
            let sent = scene.registry.traffic().sent;
            assert!(sent < 2 * bytes.len() as u64 + 2000, "{fault:?}: {sent}");
        }
    }
}

#[test]
fn x01_bodies_are_bounded_whatever_the_status() {
    let endpoints: [(&str, u64); 4] = [
        ("manifest", 4 << 20),
        ("tags", 4 << 20),
        ("blob", 64 << 10),
        ("login", 64 << 10),
    ];
    for (what, limit) in endpoints {
        for status in [200, 401, 404, 500] {
            let sent = std::cell::Cell::new(0);
            let allocated = allocation_counter::measure(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async {
                    let scene = Scene::new().await;
                    let head = format!("HTTP/1.1 {status} X\r\nWWW-Authenticate: Basic realm=x\r\nTransfer-Encoding: chunked\r\n\r\n");
                    let endless = vec![
                        Step::Send(head.into()),
                        Step::Repeat(Bytes::from([&b"4000\r\n"[..], &[b' '; 0x4000], b"\r\n"].concat()), u64::MAX),
                    ];
                    scene.registry.on(Match::any(), endless);
                    let client = scene.builder().with_retry(wharf_http::RetryPolicy::never()).build().unwrap();
                    let remote = scene.remote_of(&client);
                    let digest = wharf_testkit::sha256(b"x");
                    let blob = Descriptor::new(MediaType::OCI_LAYER, digest, 1000).unwrap();
                    match what {
                        "manifest" => drop(scene.failed(remote.manifest(&tag("v1")).await)),
                        "tags" => drop(scene.failed(remote.tags().collect().await)),
                        "blob" => drop(scene.read(&remote, &blob).await.unwrap_err()),
                        _ => drop(client.check_credentials(&super::scene::registry(&scene.registry)).await),
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    sent.set(scene.registry.traffic().sent);
                });
            });
            // What the sockets buffer comes on top.
            assert!(
                sent.get() < limit + (16 << 20),
                "{what} {status}: {} sent",
                sent.get()
            );
            assert!(
                allocated.bytes_max < 24 << 20,
                "{what} {status}: {} held",
                allocated.bytes_max
            );
        }
    }
}

#[tokio::test]
async fn x02_a_manifest_with_a_huge_length_is_refused_at_once() {
    let scene = Scene::new().await;
    for length in ["9223372036854775807", "4194305", "18446744073709551614"] {
        let answer = Answer::ok("{").header("Content-Type", KIND).claim_length(length);
        scene.registry.clear().on(Match::get("/manifests/"), answer);
        let error = scene.failed(scene.anonymous().manifest(&tag("v1")).await);
        assert!(
            matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Server),
            "{length}: {error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn x04_waits_are_bounded() {
    let image = Image::small("x");
    let table = [
        ("0", true),
        ("1", true),
        ("59", true),
        ("-5", true),
        ("1e30", true),
        ("soon", true),
        ("", true),
        ("Sun, 06 Nov 1994 08:49:37 GMT", true),
        ("61", false),
        ("99999999999999999999", false),
        ("Tue, 31 Dec 2999 23:59:59 GMT", false),
    ];
    for (value, comes_back) in table {
        let scene = Scene::new().await;
        let busy = Answer::error(429, "TOOMANYREQUESTS", "later").header("Retry-After", value);
        scene
            .registry
            .rule(Rule::new(Match::any(), busy).times(1))
            .serve_manifest("team/app", "v1", image.manifest());
        let started = tokio::time::Instant::now();
        let got = scene.anonymous().manifest(&tag("v1")).await;
        let waited = started.elapsed();
        assert_eq!(got.is_ok(), comes_back, "{value}");
        assert!(waited < Duration::from_secs(62), "{value}: {waited:?}");
        if let Ok(seconds) = value.parse::<u64>() {
            assert!(
                !comes_back || waited >= Duration::from_secs(seconds),
                "{value}: {waited:?}"
            );
        }
        if let Err(error) = got {
            assert_eq!(
                scene.stage.inspect(error).kind(),
                ErrorKind::RateLimited,
                "{value}"
            );
        }
    }
}

#[tokio::test]
async fn x04_many_clients_do_not_come_back_at_once() {
    let mut waits: Vec<Duration> = (0..1000)
        .map(|_| {
            wharf_http::RetryBudget::new(wharf_http::RetryPolicy::default())
                .next_wait(None)
                .unwrap()
        })
        .collect();
    waits.sort();
    // Spread over the whole first window: no tenth of it holds more than a fifth of them.
    for tenth in 0..10 {
        let window = Duration::from_millis(25) * tenth..Duration::from_millis(25) * (tenth + 1);
        let inside = waits.iter().filter(|wait| window.contains(*wait)).count();
        assert!(inside < 200, "{window:?}: {inside}");
    }
}

#[tokio::test]
async fn x04_bursts_of_refusals_end_in_success_or_in_an_error() {
    let image = Image::small("x");
    for status in [408, 425, 429, 500, 502, 503, 504] {
        for times in [1, 3, 5, 6, 100] {
            let scene = Scene::new().await;
            let html = Answer::new(status)
                .header("Content-Type", "text/html")
                .body("<html><h1>busy</h1></html>");
            scene
                .registry
                .rule(Rule::new(Match::any(), html).times(times))
                .serve_manifest("team/app", "v1", image.manifest());
            let got = scene.anonymous().manifest(&tag("v1")).await;
            assert_eq!(got.is_ok(), times < 6, "{status} {times} times");
            assert!(scene.registry.traffic().requests <= 6);
            if let Err(error) = got {
                assert_eq!((error.attempts(), error.status()), (6, Some(status)));
            }
        }
    }
}

/// Deep, wide and long documents cost no more than their size.
#[tokio::test]
async fn x09_json_bombs_are_defused() {
    let deep = |open: &str, count: usize| format!("{{\"schemaVersion\":2,\"x\":{}", open.repeat(count));
    let many = (0..400_000).fold(String::new(), |mut text, number| {
        text.push_str(&format!("\"{number}\":\"\","));
        text
    });
    let bombs = [
        "[".repeat(4 << 20),
        deep("[", 2 << 20),
        deep("{\"a\":", 700_000),
        format!("{{\"schemaVersion\":2,\"annotations\":{{{many}\"z\":\"\"}}}}"),
        format!(
            "{{\"schemaVersion\":2,\"manifests\":[{}{{}}]}}",
            "{},".repeat(1_000_000)
        ),
        format!("{{\"schemaVersion\":{}}}", "9".repeat(1_000_000)),
    ];
    let scene = Scene::new().await;
    for bomb in bombs {
        let start: String = bomb.chars().take(40).collect();
        scene
            .registry
            .clear()
            .on(Match::any(), Answer::ok(bomb).header("Content-Type", KIND));
        let remote = scene.anonymous();
        let error = scene.failed(remote.manifest(&tag("v1")).await);
        assert!(error.to_string().len() < 2000, "{start}");
        // As a list of tags some of them are valid, and empty.
        drop(remote.tags().collect().await);
    }
}

/// A CDN that is asked for several ranges at once lies about one of them; it never sees a secret.
#[tokio::test]
async fn i09_parallel_ranges_of_a_lying_host() {
    let bytes = Bytes::from(wharf_testkit::noise(11, 24 << 20));
    let digest = wharf_testkit::sha256(&bytes);
    let descriptor = Descriptor::new(MediaType::OCI_LAYER, digest, bytes.len() as u64).unwrap();
    for lie in [
        "none",
        "other bytes",
        "another range",
        "whole",
        "challenge",
        "away",
    ] {
        let scene = Scene::new().await;
        scene.desk.guard(&scene.registry);
        scene.registry.on(
            Match::get("/blobs/"),
            Answer::redirect(307, "https://cdn.test/blob?sig=x"),
        );
        let all = bytes.clone();
        let slow = |answer: &Answer| {
            // Slow enough that several connections are worth it, each as slow as the other.
            let mut steps = Vec::new();
            for step in answer.steps() {
                match step {
                    Step::Send(bytes) if bytes.len() > 256 * 1024 => {
                        for piece in bytes.chunks(256 * 1024) {
                            steps.push(Step::Delay(Duration::from_millis(20)));
                            steps.push(Step::Send(Bytes::copy_from_slice(piece)));
                        }
                    }
                    other => steps.push(other),
                }
            }
            steps
        };
        let lied = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = std::sync::Arc::clone(&lied);
        scene.cdn.rule(Rule::call(Match::get("/blob"), move |request| {
            let answer = blob_answer(request, &all);
            let is_range = request.header("range").is_some_and(|range| !range.ends_with('-'));
            if !is_range || lie == "none" || flag.swap(true, std::sync::atomic::Ordering::SeqCst) {
                return slow(&answer);
            }
            match lie {
                "other bytes" => {
                    let length = answer.content().len();
                    slow(&answer.body(vec![7; length]))
                }
                "another range" => slow(&answer.replace_header("Content-Range", "bytes 0-2097151/25165824")),
                "whole" => slow(&Answer::ok(all.clone())),
                "challenge" => Answer::challenge("Basic realm=\"x\"").steps(),
                _ => Answer::redirect(307, "https://evil.test/x").steps(),
            }
        }));
        let got = scene.read(&scene.alice(), &descriptor).await;
        match got {
            Ok(read) => assert!(read == bytes, "{lie}"),
            Err(kind) => assert_eq!((kind, lie), (ErrorKind::Mismatch, "other bytes")),
        }
        assert_eq!(
            lied.load(std::sync::atomic::Ordering::SeqCst),
            lie != "none",
            "{lie}: no range was asked for"
        );
        assert!(
            scene
                .cdn
                .requests()
                .iter()
                .all(|request| request.header("authorization").is_none())
        );
    }
}

/// What a server says in an error is short, and cannot move a terminal's cursor.
#[tokio::test]
async fn x01_words_of_a_server_are_bounded_and_tame() {
    let nasty = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\nerror: all is well\u{202e}\u{0}\u{9b}31m";
    let long = "x".repeat(60_000);
    let document =
        |text: &str| serde_json::json!({ "errors": [{ "code": text, "message": text, "detail": text }] });
    let many =
        serde_json::json!({ "errors": vec![serde_json::json!({ "code": "A", "message": "b" }); 5000] });
    let bodies = [
        document(nasty).to_string(),
        document(&long).to_string(),
        many.to_string(),
        nasty.to_owned(),
        long.clone(),
        format!("{{\"details\":{}}}", serde_json::Value::from(nasty)),
        format!("<html>{long}</html>"),
    ];
    let scene = Scene::new().await;
    for body in bodies {
        for status in [400, 403, 404, 418, 500] {
            scene.registry.clear().on(
                Match::any(),
                Answer::new(status)
                    .body(body.clone())
                    .header("Warning", &format!("299 - \"{long}\"")),
            );
            let client = scene
                .builder()
                .with_retry(wharf_http::RetryPolicy::never())
                .build()
                .unwrap();
            let error = scene.failed(scene.remote_of(&client).manifest(&tag("v1")).await);
            for text in [error.to_string(), format!("{error:?}")] {
                assert!(text.len() < 16 * 1024, "{} bytes", text.len());
                let wild = text
                    .chars()
                    .find(|letter| letter.is_control() || ('\u{202a}'..='\u{202e}').contains(letter));
                assert_eq!(wild, None, "{text:.200}");
            }
        }
    }
}
