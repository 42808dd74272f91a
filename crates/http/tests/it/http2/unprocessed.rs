//! Servers that do not process what is sent to them over HTTP/2: they refuse streams, or end connections.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use tokio::sync::Notify;
use wharf_http::{Connect as _, ErrorKind, HttpService, Request, RequestBody, Timeouts};
use wharf_testkit::hostile::{Answer, Match, Origin, OriginOptions, Rule, Stage, Step};

use super::{SETTINGS, frame};
use crate::support::{connector, fetch_from, peer, url};

// RFC 9113, sections 6 and 7.
const GOAWAY: u8 = 7;
const MAX_CONCURRENT_STREAMS: u8 = 3;
const INITIAL_WINDOW_SIZE: u8 = 4;
const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const HTTP_1_1_REQUIRED: u32 = 13;

/// The beginning of a connection, with this setting.
fn settings(name: u8, value: u32) -> Step {
    let setting = [&[0, name][..], &value.to_be_bytes()].concat();
    let frames = [frame(SETTINGS, 0, 0, &setting), frame(SETTINGS, 1, 0, &[])];
    Step::Send(frames.concat().into())
}

/// The connection ends, and no stream was processed.
fn farewell() -> Step {
    let payload = [0_u32.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
    Step::Send(frame(GOAWAY, 0, 0, &payload).into())
}

async fn get(
    stage: &Stage,
    server: &Origin,
    service: &dyn HttpService,
    path: &str,
) -> Result<Vec<u8>, ErrorKind> {
    fetch_from(stage, service, Method::GET, &url(&server.url(path))).await
}

/// A server that takes no request over HTTP/2 gets it over HTTP/1.1 at once, and all later ones.
#[tokio::test]
async fn x08_a_request_that_was_not_processed_is_sent_over_http1() {
    let hello = settings(MAX_CONCURRENT_STREAMS, 100);
    let ends = [
        vec![hello.clone(), farewell(), Step::Stall],
        vec![hello.clone(), farewell(), Step::Close],
        vec![
            hello,
            Step::Delay(Duration::from_millis(20)),
            farewell(),
            Step::Stall,
        ],
        vec![farewell(), Step::Stall],
    ];
    for steps in ends {
        let stage = Stage::new();
        let server = stage
            .origin_with("registry.test", OriginOptions::default().http2_or_1())
            .await;
        server
            .speak_over_http2(steps.clone())
            .on(Match::any(), Answer::ok("said"));
        let service = connector(&stage).connect(&peer(&stage, &server)).unwrap();
        for _ in 0..3 {
            let got = get(&stage, &server, &*service, "/x").await;
            assert_eq!(got, Ok(b"said".to_vec()), "{steps:?}");
        }
        assert!(server.requests().iter().all(|request| !request.http2));
        let connections = server.traffic().connections;
        assert!(connections <= 4, "{steps:?}: {connections}");
    }
    let stage = Stage::new();
    let server = stage
        .origin_with("registry.test", OriginOptions::default().http2_or_1())
        .await;
    server
        .on(
            Match::when(|request| request.http2),
            Step::ResetStream(REFUSED_STREAM),
        )
        .on(Match::any(), Answer::ok("said"));
    let service = connector(&stage).connect(&peer(&stage, &server)).unwrap();
    for _ in 0..3 {
        assert_eq!(get(&stage, &server, &*service, "/x").await, Ok(b"said".to_vec()));
    }
    let versions: Vec<bool> = server.requests().iter().map(|request| request.http2).collect();
    assert_eq!(versions, [true, false, false, false]);
}

/// A server without HTTP/1.1 is asked again at once for as long as it answers other requests meanwhile.
#[tokio::test]
async fn x08_a_refused_stream_is_asked_for_again_at_once_while_others_are_answered() {
    for others_are_answered in [true, false] {
        let stage = Stage::new();
        let server = stage
            .origin_with("registry.test", OriginOptions::default().http2())
            .await;
        let (asked, answered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let refusal = vec![
            Step::Tell(Arc::clone(&asked)),
            Step::Wait(Arc::clone(&answered)),
            Step::ResetStream(REFUSED_STREAM),
        ];
        server
            .rule(Rule::new(Match::get("/large"), refusal).times(1))
            .on(Match::any(), Answer::ok("said"));
        let service = connector(&stage).connect(&peer(&stage, &server)).unwrap();
        // The server is known to refuse HTTP/1.1.
        let mut request = Request::new(Method::GET, url(&server.url("/first")));
        request.bulk = true;
        service.call(request).await.unwrap();
        let other = async {
            asked.notified().await;
            if others_are_answered {
                assert!(get(&stage, &server, &*service, "/other").await.is_ok());
            }
            answered.notify_one();
        };
        let (got, ()) = tokio::join!(get(&stage, &server, &*service, "/large"), other);
        if others_are_answered {
            assert_eq!(got, Ok(b"said".to_vec()));
        } else {
            assert_eq!(got, Err(ErrorKind::Overloaded));
        }
    }
}

/// A server of HTTP/2 alone does this with every connection; the error of an upload to it, after three connections at most.
async fn given_up(steps: Vec<Step>) -> ErrorKind {
    let stage = Stage::new();
    let server = stage
        .origin_with("registry.test", OriginOptions::default().http2())
        .await;
    server.speak(steps.clone());
    let moment = Duration::from_millis(200);
    let timeouts = Timeouts::default()
        .with_head(moment)
        .with_send(moment)
        .with_connect(Duration::from_secs(2));
    let connector = connector(&stage).with_timeouts(timeouts);
    let service = connector.connect(&peer(&stage, &server)).unwrap();
    let mut request = Request::new(Method::POST, url(&server.url("/x")));
    request.body = RequestBody::Bytes(Bytes::from(vec![0; 200_000]));
    let error = stage.inspect(service.call(request).await.unwrap_err());
    let connections = server.traffic().connections;
    assert!(connections <= 3, "{steps:?}: {connections}");
    error.kind()
}

/// Whatever a server does for ever, a request is an error after a few connections.
#[tokio::test]
async fn x08_a_server_that_never_processes_a_request_is_given_up() {
    let ample = || settings(INITIAL_WINDOW_SIZE, 65_535);
    let ended = tokio::join!(
        given_up(vec![ample(), farewell(), Step::Stall]),
        given_up(vec![ample(), farewell(), Step::Close]),
    );
    assert_eq!(ended, (ErrorKind::Broken, ErrorKind::Broken));
    let stalled = tokio::join!(
        given_up(vec![settings(MAX_CONCURRENT_STREAMS, 0), Step::Stall]),
        given_up(vec![settings(MAX_CONCURRENT_STREAMS, 1), Step::Stall]),
        given_up(vec![settings(INITIAL_WINDOW_SIZE, 0), Step::Stall]),
        given_up(vec![settings(INITIAL_WINDOW_SIZE, 1), Step::Stall]),
    );
    assert_eq!(
        [stalled.0, stalled.1, stalled.2, stalled.3],
        [ErrorKind::Timeout; 4]
    );
    for (code, expected) in [
        (REFUSED_STREAM, ErrorKind::Overloaded),
        (HTTP_1_1_REQUIRED, ErrorKind::Broken),
    ] {
        let stage = Stage::new();
        let server = stage
            .origin_with("registry.test", OriginOptions::default().http2())
            .await;
        server.on(Match::any(), Step::ResetStream(code));
        let service = connector(&stage).connect(&peer(&stage, &server)).unwrap();
        let got = get(&stage, &server, &*service, "/x").await;
        assert_eq!(got, Err(expected), "{code}");
        let traffic = server.traffic();
        assert_eq!((traffic.requests, traffic.connections), (2, 3), "{code}");
    }
}
