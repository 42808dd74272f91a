use std::time::Duration;

use bytes::Bytes;
use wharf_content::{Descriptor, ErrorKind, MediaType};
use wharf_testkit::{
    Image, Request,
    hostile::{Answer, Fault, Match, Rule, Step, blob_answer},
};

use super::scene::{Scene, layer};
use crate::support::read_in_pieces;

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
            "labelled",
            Answer::ok(bytes.clone()).header("Content-Encoding", "gzip"),
            true,
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

/// A CDN that is asked for several ranges at once lies about one of them; it never sees a secret.
#[tokio::test]
async fn i09_parallel_ranges_of_a_lying_host() {
    let bytes = Bytes::from(wharf_testkit::noise(11, 24 << 20));
    let descriptor = Descriptor::of(MediaType::OCI_LAYER, &bytes);
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
        match read_in_pieces(scene.alice().blob(&descriptor).unwrap()).await {
            Ok((read, _)) => assert!(read == bytes, "{lie}"),
            Err(error) => {
                let kind = scene.stage.inspect(error).kind();
                assert_eq!((kind, lie), (ErrorKind::Mismatch, "other bytes"));
            }
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
