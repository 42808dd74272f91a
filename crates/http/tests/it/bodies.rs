use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wharf_http::{Connect as _, ErrorKind, Origin, Peer, Request, ReqwestConnector, Timeouts};
use wharf_testkit::hostile::{Answer, Fault, Match, Stage, Step};

use crate::support::{connector, fetch, fetch_from, peer, url};

const BODY: &str = "0123456789";

#[tokio::test]
async fn i12_a_body_that_breaks_off_is_an_error() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    for at in [0, 1, 5, 9] {
        for fault in [Fault::Cut(at), Fault::Reset(at)] {
            for answer in [
                Answer::ok(BODY),
                Answer::ok(BODY).chunked(),
                Answer::ok(BODY).until_close(),
            ] {
                registry.clear().on(Match::any(), answer.fault(fault));
                let got = fetch(&stage, &registry, Method::GET).await;
                assert_eq!(got, Err(ErrorKind::Broken), "{fault:?}");
            }
        }
    }
    // All bytes, but not the end that the framing promises.
    registry
        .clear()
        .on(Match::any(), Answer::ok(BODY).chunked().fault(Fault::Cut(10)));
    assert_eq!(
        fetch(&stage, &registry, Method::GET).await,
        Err(ErrorKind::Broken)
    );
    // A body that ends with the connection, in good order: its length is the caller's to check.
    registry.clear().on(Match::any(), Answer::ok(BODY).until_close());
    assert_eq!(fetch(&stage, &registry, Method::GET).await, Ok(BODY.into()));
}

#[tokio::test]
async fn i12_contradictory_framing_is_refused() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let raw = |text: &str| vec![Step::Send(Bytes::copy_from_slice(text.as_bytes())), Step::Close];
    let table = [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        "HTTP/1.1 999999 OK\r\n\r\n",
        "\0\0\0\0",
        "",
    ];
    for text in table {
        registry.clear().on(Match::any(), raw(text));
        let got = fetch(&stage, &registry, Method::GET).await;
        assert!(got.is_err(), "{text:?} {got:?}");
    }
    // Chunked with a length beside it: the length counts for nothing.
    let both =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n";
    registry.clear().on(Match::any(), raw(both));
    let got = fetch(&stage, &registry, Method::GET).await;
    assert!(got.is_err() || got == Ok(b"abcde".to_vec()), "{got:?}");
}

#[tokio::test]
async fn i12_a_body_after_head_is_not_read() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    registry
        .on(Match::on("HEAD", "/"), Answer::ok(BODY))
        .on(Match::on("GET", "/"), Answer::ok("next"));
    assert_eq!(fetch(&stage, &registry, Method::HEAD).await, Ok(Vec::new()));
    assert_eq!(fetch(&stage, &registry, Method::GET).await, Ok(b"next".to_vec()));
    // Also on a connection that is used again, the stray body is no answer to the next request.
    let service = connector(&stage).connect(&peer(&stage, &registry)).unwrap();
    for _ in 0..4 {
        let head = fetch_from(&stage, &*service, Method::HEAD, &url(&registry.url("/x"))).await;
        let get = fetch_from(&stage, &*service, Method::GET, &url(&registry.url("/x"))).await;
        assert!(head.is_ok_and(|body| body.is_empty()));
        assert!(get.is_err() || get == Ok(b"next".to_vec()), "{get:?}");
    }
}

#[tokio::test]
async fn i12_provisional_answers_without_end_are_bounded() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let flood = Bytes::from_static(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    registry.on(Match::any(), vec![Step::Repeat(flood, u64::MAX)]);
    let moment = Duration::from_millis(100);
    let timeouts = Timeouts::default().with_head(moment).with_connect(moment);
    let service = connector(&stage)
        .with_timeouts(timeouts)
        .connect(&peer(&stage, &registry))
        .unwrap();
    let got = fetch_from(&stage, &*service, Method::GET, &url(&registry.url("/x"))).await;
    assert_eq!(got, Err(ErrorKind::Timeout));
}

#[tokio::test]
async fn x01_heads_are_bounded() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let many = (0..101).fold(Answer::ok(""), |answer, number| {
        answer.header(&format!("X-{number}"), "x")
    });
    let long = Answer::ok("").header("X-Long", &"x".repeat(1024 * 1024));
    let endless = vec![
        Step::Send("HTTP/1.1 200 OK\r\nX: ".into()),
        Step::Repeat(Bytes::from_static(&[b'x'; 4096]), u64::MAX),
    ];
    for steps in [many.steps(), long.steps(), endless] {
        registry.clear().on(Match::any(), steps);
        let before = registry.traffic().sent;
        assert!(fetch(&stage, &registry, Method::GET).await.is_err());
        let sent = registry.traffic().sent - before;
        assert!(sent < 16 * 1024 * 1024, "{sent}");
    }
}

#[test]
fn x02_a_false_length_is_not_believed() {
    for length in ["9223372036854775807", "18446744073709551614", "1099511627776"] {
        let allocated = allocation_counter::measure(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let stage = Stage::new();
                let registry = stage.origin("registry.test").await;
                registry.on(Match::any(), Answer::ok(BODY).claim_length(length));
                let service = connector(&stage).connect(&peer(&stage, &registry)).unwrap();
                let request = Request::new(Method::GET, url(&registry.url("/x")));
                if let Ok(response) = service.call(request).await {
                    let error = response.into_body().read(4096).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::TooLarge);
                }
            });
        });
        assert!(
            allocated.bytes_max < 16 * 1024 * 1024,
            "{length}: {}",
            allocated.bytes_max
        );
    }
}

#[tokio::test(start_paused = true)]
async fn x03_a_server_that_stops_is_given_up() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let slow_head = vec![Step::Drip(
        Bytes::from_static(b"HTTP/1.1 200 OK\r\nX-Slow: abcdefghijklmnopqrstuvwxyz\r\n\r\n"),
        Duration::from_secs(2),
    )];
    let table: [(&str, Vec<Step>); 4] = [
        ("no answer", vec![Step::Stall]),
        ("a head byte by byte", slow_head),
        (
            "half a head",
            vec![Step::Send("HTTP/1.1 200".into()), Step::Stall],
        ),
        ("half a body", Answer::ok(BODY).fault(Fault::Stall(5)).steps()),
    ];
    for (what, steps) in table {
        registry.clear().on(Match::any(), steps);
        let started = tokio::time::Instant::now();
        let got = fetch(&stage, &registry, Method::GET).await;
        assert_eq!(got, Err(ErrorKind::Timeout), "{what}");
        let waited = started.elapsed();
        assert!(waited <= Duration::from_secs(75), "{what}: {waited:?}");
    }
}

/// Every byte comes before the idle limit, and all of them too slowly.
#[tokio::test(start_paused = true)]
async fn x03_a_server_that_drips_is_given_up() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    registry.on(
        Match::any(),
        Answer::ok(vec![7; 100_000]).fault(Fault::Drip(1000)),
    );
    let started = tokio::time::Instant::now();
    let got = fetch(&stage, &registry, Method::GET).await;
    assert_eq!(got, Err(ErrorKind::Timeout));
    let waited = started.elapsed();
    assert!(waited <= Duration::from_secs(3 * 60), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn x03_a_request_that_is_dropped_frees_its_connection() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    registry.on(Match::any(), Answer::ok(BODY).fault(Fault::Stall(5)));
    let timeouts = Timeouts::default().with_idle(Duration::from_secs(60 * 60));
    let service = connector(&stage)
        .with_timeouts(timeouts)
        .connect(&peer(&stage, &registry))
        .unwrap();
    let target = url(&registry.url("/x"));
    let fetching = fetch_from(&stage, &*service, Method::GET, &target);
    assert!(
        tokio::time::timeout(Duration::from_secs(5), fetching)
            .await
            .is_err()
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(registry.traffic().open, 0);
}

/// The wait for an answer begins with the last byte of the request, also where all its bytes are in memory.
#[tokio::test(start_paused = true)]
async fn a_slow_upload_is_not_a_server_that_does_not_answer() {
    // Much more than the system keeps between the two, which nobody sees on its way.
    const LENGTH: usize = 256 * 1024 * 1024;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = url(&format!("http://{}/x", listener.local_addr().unwrap()));
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 1024 * 1024];
        let mut received = 0;
        while received < LENGTH {
            tokio::time::sleep(Duration::from_millis(200)).await;
            received += stream.read(&mut buffer).await.unwrap();
        }
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    });
    let origin = Origin::of(&target).unwrap();
    let limit = Duration::from_secs(10);
    let timeouts = Timeouts::default().with_connect(limit).with_head(limit);
    let service = ReqwestConnector::new()
        .with_timeouts(timeouts)
        .connect(&Peer::named(origin, Arc::default()))
        .unwrap();
    let request = Request::new(Method::PUT, target).with_body(Bytes::from(vec![0; LENGTH]));
    let started = tokio::time::Instant::now();
    let answer = service.call(request).await.unwrap();
    assert_eq!(answer.status(), 201);
    assert!(started.elapsed() > Duration::from_secs(40));
    server.await.unwrap();
}
