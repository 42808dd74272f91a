use wharf_content::ErrorKind;
use wharf_registry::{Delivery, Subscriber as _};
use wharf_registry_webhook::Webhook;
use wharf_testkit::hostile::{Answer, Fault, Match, OriginOptions, Stage, Step};

use super::{build, event};

/// The answers of an endpoint, and the outcome of each: accepted, ended, or the kind of a failure, after which the event comes
/// again.
fn answers() -> Vec<(&'static str, Vec<Step>, Result<Delivery, ErrorKind>)> {
    let status = |status: u16| Answer::new(status).steps();
    let redirect = |status| Answer::redirect(status, "https://evil.test/").steps();
    vec![
        ("200", status(200), Ok(Delivery::Accepted)),
        ("201", status(201), Ok(Delivery::Accepted)),
        (
            "202 with a page",
            Answer::new(202).body("thanks").steps(),
            Ok(Delivery::Accepted),
        ),
        ("204", status(204), Ok(Delivery::Accepted)),
        ("299", status(299), Ok(Delivery::Accepted)),
        ("410", status(410), Ok(Delivery::Unsubscribe)),
        ("301", redirect(301), Err(ErrorKind::Invalid)),
        ("302", redirect(302), Err(ErrorKind::Invalid)),
        ("303", redirect(303), Err(ErrorKind::Invalid)),
        ("307", redirect(307), Err(ErrorKind::Invalid)),
        ("308", redirect(308), Err(ErrorKind::Invalid)),
        ("304", status(304), Err(ErrorKind::Invalid)),
        ("400", status(400), Err(ErrorKind::Invalid)),
        ("401", status(401), Err(ErrorKind::Unauthorized)),
        ("403", status(403), Err(ErrorKind::Denied)),
        ("404", status(404), Err(ErrorKind::NotFound)),
        ("429", status(429), Err(ErrorKind::RateLimited)),
        ("500", status(500), Err(ErrorKind::Server)),
        ("503", status(503), Err(ErrorKind::Server)),
        (
            "an answer without end",
            vec![
                Step::Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into()),
                Step::Repeat("1000\r\n".to_owned().into_bytes().into(), 1),
                Step::Repeat(vec![b'x'; 4096].into(), u64::MAX),
            ],
            Ok(Delivery::Accepted),
        ),
        (
            "an answer that stalls after its head",
            vec![
                Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".into()),
                Step::Stall,
            ],
            Ok(Delivery::Accepted),
        ),
        (
            "an answer that is cut after its head",
            Answer::ok("0123456789").fault(Fault::Cut(3)).steps(),
            Ok(Delivery::Accepted),
        ),
        ("a reset", vec![Step::Reset], Err(ErrorKind::Network)),
        (
            "a connection that ends",
            vec![Step::Close],
            Err(ErrorKind::Network),
        ),
        (
            "no HTTP",
            vec![Step::Send("220 smtp.test ESMTP\r\n".into()), Step::Close],
            Err(ErrorKind::Network),
        ),
        (
            "half a head",
            vec![Step::Send("HTTP/1.1 200 OK\r\nContent-Le".into()), Step::Close],
            Err(ErrorKind::Network),
        ),
        (
            "a head without end",
            vec![
                Step::Send("HTTP/1.1 200 OK\r\n".into()),
                Step::Repeat("X-More: 1234567890\r\n".into(), u64::MAX),
            ],
            Err(ErrorKind::Network),
        ),
    ]
}

/// Answers before the answer, and what is none, as [`answers`] has them.
fn announcements() -> Vec<(&'static str, Vec<Step>, Result<Delivery, ErrorKind>)> {
    vec![
        (
            "answers that announce another",
            vec![
                Step::Send(
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n".into(),
                ),
                Step::Send("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".into()),
            ],
            Ok(Delivery::Accepted),
        ),
        (
            "an announcement and the end",
            vec![Step::Send("HTTP/1.1 103 Early Hints\r\n\r\n".into()), Step::Close],
            Err(ErrorKind::Network),
        ),
        (
            "another protocol",
            vec![
                Step::Send(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n".into(),
                ),
                Step::Close,
            ],
            Err(ErrorKind::Invalid),
        ),
        (
            "no status",
            vec![Step::Send("HTTP/1.1 000 \r\n\r\n".into()), Step::Close],
            Err(ErrorKind::Network),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_2xx_accepts_and_410_ends_whatever_else_comes() {
    let event = event().await;
    for (answer, steps, expected) in answers().into_iter().chain(announcements()) {
        let stage = Stage::new();
        let (endpoint, evil) = (stage.origin("hooks.test").await, stage.origin("evil.test").await);
        endpoint.on(Match::any(), steps);
        evil.on(Match::any(), Answer::ok(""));
        let token = stage.secret("token", &[&endpoint]);
        let builder = Webhook::builder("https://hooks.test/").with_header("Authorization", &token);
        let webhook = build(&stage, builder.with_key("key"));
        let delivered = webhook.deliver(&event).await;
        let delivered = delivered.map_err(|error| stage.inspect(error).kind());
        assert_eq!(delivered, expected, "{answer}");
        assert!(evil.requests().is_empty(), "{answer}: a redirect was followed");
        assert_eq!(
            endpoint.requests().len(),
            1,
            "{answer}: it is the registry that repeats"
        );
    }
}

/// Answers that say when the endpoint wants to be asked again, and the time that the registry is told.
#[tokio::test]
async fn the_time_for_which_an_endpoint_wants_nothing_is_told() {
    let event = event().await;
    for (status, value, expected) in [
        (429, Some("7"), Some(7)),
        (503, Some("120"), Some(120)),
        (429, Some("0"), Some(0)),
        (500, Some("99999999999999999999999999"), Some(u64::MAX)),
        (429, Some("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0)),
        (429, Some("soon"), None),
        (429, Some("-1"), None),
        (503, None, None),
    ] {
        let stage = Stage::new();
        let endpoint = stage.origin("hooks.test").await;
        let answer = Answer::new(status);
        endpoint.on(
            Match::any(),
            match value {
                Some(value) => answer.header("Retry-After", value),
                None => answer,
            },
        );
        let webhook = build(&stage, Webhook::builder("https://hooks.test/"));
        let error = webhook.deliver(&event).await.expect_err("it is refused");
        let wait = error.retry_after().map(|wait| wait.as_secs());
        assert_eq!((error.status(), wait), (Some(status), expected), "{value:?}");
    }
}

#[tokio::test]
async fn an_endpoint_with_a_wrong_certificate_gets_nothing() {
    let event = event().await;
    let stage = Stage::new();
    let options = OriginOptions::default().certificate_for(&["other.test"]);
    let endpoint = stage.origin_with("hooks.test", options).await;
    let webhook = build(&stage, Webhook::builder("https://hooks.test/"));
    let error = webhook.deliver(&event).await.expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert!(endpoint.requests().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_is_away_is_a_failure_that_passes() {
    let event = event().await;
    let stage = Stage::new();
    let webhook = build(&stage, Webhook::builder("https://absent.test/"));
    let error = webhook.deliver(&event).await.expect_err("there is nobody");
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
}
