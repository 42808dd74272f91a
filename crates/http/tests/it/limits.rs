//! How long a server may need, by class of request (X3).

use std::time::Duration;

use http::Method;
use tokio::time::Instant;
use wharf_http::{Connect as _, ErrorKind, Request, RequestClass};
use wharf_testkit::hostile::{Answer, Match, Stage, Step};

use crate::support::{connector, peer, url};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";

/// The head after one wait, the body after another.
fn slow(head: u64, body: u64) -> Vec<Step> {
    vec![
        Step::Delay(Duration::from_secs(head)),
        Step::Send(HEAD.into()),
        Step::Delay(Duration::from_secs(body)),
        Step::Send("body".into()),
    ]
}

#[tokio::test(start_paused = true)]
async fn x03_each_class_of_request_has_its_own_limit() {
    use RequestClass::{Commit, Content, Optional, Question};
    let slow_head = Step::Drip(HEAD.into(), Duration::from_secs(2));
    let (done, late) = (Ok(()), Err(ErrorKind::Timeout));
    let table = [
        ("a token after 50 s", Question, false, slow(50, 0), done),
        ("a token never", Question, false, vec![Step::Stall], late),
        ("a question after 2 min", Question, false, slow(120, 0), late),
        ("a manifest after 417 s", Content, false, slow(417, 0), done),
        (
            "a blob's head at once, its bytes after 417 s",
            Content,
            false,
            slow(0, 417),
            done,
        ),
        (
            "a head that comes in 82 s",
            Content,
            false,
            vec![slow_head, Step::Send("body".into())],
            done,
        ),
        ("a blob never", Content, false, vec![Step::Stall], late),
        ("a commit after 14 min", Commit, false, slow(840, 0), done),
        ("a commit never", Commit, false, vec![Step::Stall], late),
        ("a mount after 20 s", Optional, false, slow(20, 0), late),
        (
            "a mirror that answers after 10 s",
            Content,
            true,
            slow(10, 0),
            done,
        ),
        (
            "a mirror that is silent for a minute",
            Content,
            true,
            slow(60, 0),
            late,
        ),
        (
            "a mirror that sends a head only",
            Content,
            true,
            slow(0, 60),
            late,
        ),
    ];
    let stage = Stage::new();
    let origin = stage.origin("registry.test").await;
    for (what, class, has_alternative, steps, expected) in table {
        origin.clear().on(Match::any(), steps);
        let service = connector(&stage).connect(&peer(&stage, &origin)).unwrap();
        let mut request = Request::new(Method::GET, url(&origin.url("/x")));
        request.class = class;
        request.has_alternative = has_alternative;
        let (before, started) = (origin.requests().len(), Instant::now());
        let got = match service.call(request).await {
            Ok(answer) => answer.into_body().read(100).await.map(drop),
            Err(error) => Err(error),
        };
        assert_eq!(got.map_err(|error| error.kind()), expected, "{what}");
        let longest = Duration::from_secs(if has_alternative || class == Optional {
            30
        } else {
            920
        });
        assert!(started.elapsed() < longest, "{what}: {:?}", started.elapsed());
        assert_eq!(origin.requests().len() - before, 1, "{what}");
    }
}

/// A server that takes no more bytes for minutes, since it writes them to slow storage first.
#[tokio::test(start_paused = true)]
async fn a_pause_in_an_upload_is_no_missing_answer() {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use wharf_http::{Origin, Peer, ReqwestConnector};

    const LENGTH: usize = 64 * 1024 * 1024;
    for (pause, expected) in [(240, Ok(())), (600, Err(ErrorKind::Timeout))] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = url(&format!("http://{}/x", listener.local_addr().unwrap()));
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 1024 * 1024];
            let mut received = stream.read(&mut buffer).await.unwrap();
            tokio::time::sleep(Duration::from_secs(pause)).await;
            while received < LENGTH {
                match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => received += count,
                }
            }
            let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        });
        let peer = Peer::named(Origin::of(&target).unwrap(), Arc::default());
        let service = ReqwestConnector::new().connect(&peer).unwrap();
        let request = Request::new(Method::PUT, target).with_body(bytes::Bytes::from(vec![0; LENGTH]));
        let got = service
            .call(request)
            .await
            .map(drop)
            .map_err(|error| error.kind());
        assert_eq!(got, expected, "{pause}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_without_a_body_is_read_whole() {
    let stage = Stage::new();
    let origin = stage.origin("registry.test").await;
    let service = connector(&stage).connect(&peer(&stage, &origin)).unwrap();
    for body in ["", "x", "several bytes"] {
        origin.clear().on(Match::any(), Answer::ok(body));
        let answer = service
            .call(Request::new(Method::GET, url(&origin.url("/x"))))
            .await;
        assert_eq!(answer.unwrap().into_body().read(100).await.unwrap(), body);
    }
}
