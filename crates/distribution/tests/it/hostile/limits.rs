use std::time::Duration;

use bytes::Bytes;
use wharf_content::{Descriptor, ErrorKind, MediaType};
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, Rule, Step},
};

use super::scene::{Scene, tag};

const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

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
                .next_wait(wharf_http::RetryLimit::Policy, None)
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
