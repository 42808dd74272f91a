mod unprocessed;

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use wharf_http::{Connect as _, ErrorKind, Request, Timeouts};
use wharf_testkit::hostile::{Answer, Fault, Match, OriginOptions, Stage, Step};

use crate::support::{connector, fetch, fetch_from, peer, url};

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head[..], payload].concat()
}

const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const DATA: u8 = 0;

/// Floods of frames end the request in bounded memory, whatever they are.
#[test]
fn x08_floods_of_frames_are_bounded() {
    let literal = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x7e][..], &[b'y'; 254 + 127]].concat();
    let open = frame(HEADERS, 0x4, 1, &[0x88]); // :status 200, more to come
    let floods: [(&str, Vec<u8>, Vec<u8>); 7] = [
        (
            "continuations without end",
            frame(HEADERS, 0, 1, &[0x88]),
            frame(9, 0, 1, &literal),
        ),
        ("empty data", open.clone(), frame(DATA, 0, 1, &[])),
        ("settings", vec![], frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
        ("pings", vec![], frame(6, 0, 0, &[0; 8])),
        ("pushed streams", vec![], frame(5, 4, 1, &[0, 0, 0, 2, 0x82])),
        ("window updates", vec![], frame(8, 0, 1, &[0, 0, 0, 1])),
        ("unknown frames", vec![], frame(0xee, 0, 1, &[0; 64])),
    ];
    for (what, first, repeated) in floods {
        let allocated = allocation_counter::measure(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let stage = Stage::new();
                let server = stage
                    .origin_with("registry.test", OriginOptions::default().http2())
                    .await;
                server.speak(vec![
                    Step::Send(frame(SETTINGS, 0, 0, &[]).into()),
                    Step::Send(frame(SETTINGS, 1, 0, &[]).into()),
                    Step::Delay(Duration::from_millis(20)), // the request is on its way
                    Step::Send(first.into()),
                    Step::Repeat(Bytes::from(repeated.repeat(16)), u64::MAX),
                ]);
                let moment = Duration::from_millis(150);
                let timeouts = Timeouts::default()
                    .with_head(moment)
                    .with_connect(moment)
                    .with_idle(moment);
                let connector = connector(&stage).with_timeouts(timeouts);
                let service = connector.connect(&peer(&stage, &server)).unwrap();
                let target = url(&server.url("/x"));
                let fetching = fetch_from(&stage, &*service, Method::GET, &target);
                let got = tokio::time::timeout(Duration::from_secs(3), fetching).await;
                assert!(!matches!(got, Ok(Ok(_))), "{what}: {got:?}");
            });
        });
        assert!(
            allocated.bytes_max < 16 << 20,
            "{what}: {} held",
            allocated.bytes_max
        );
    }
}

/// The library beneath has the fixes for the floods that are known.
#[test]
fn x08_the_http2_library_is_recent() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let after = lock.split("name = \"h2\"\nversion = \"").nth(1).unwrap();
    let version = after.split('"').next().unwrap();
    let numbers: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(numbers >= vec![0, 4, 16], "{version}");
}

/// What the two sides agree on, for a small request and for one that moves many bytes, which shares no
/// connection.
#[tokio::test]
async fn x08_the_protocol_is_the_one_agreed_on() {
    let table = [
        ("both", OriginOptions::default().http2_or_1(), Some((true, false))),
        ("http/1.1", OriginOptions::default(), Some((false, false))),
        (
            "says nothing",
            OriginOptions::default().without_alpn(),
            Some((false, false)),
        ),
        ("h2 alone", OriginOptions::default().http2(), Some((true, true))),
        ("something else", OriginOptions::default().strange_alpn(), None),
    ];
    for (what, options, expected) in table {
        let stage = Stage::new();
        let server = stage.origin_with("registry.test", options).await;
        server.on(Match::any(), Answer::ok("said"));
        let service = connector(&stage).connect(&peer(&stage, &server)).unwrap();
        for bulk in [false, true] {
            let mut request = Request::new(Method::GET, url(&server.url("/x")));
            request.bulk = bulk;
            let got = match service.call(request).await {
                Ok(response) => Ok(response.into_body().read(100).await.unwrap()),
                Err(error) => Err(stage.inspect(error).kind()),
            };
            match expected {
                Some((small, large)) => {
                    assert_eq!(got, Ok("said".into()), "{what}, bulk: {bulk}");
                    let seen = server.requests().pop().unwrap();
                    assert_eq!(
                        seen.http2,
                        if bulk { large } else { small },
                        "{what}, bulk: {bulk}"
                    );
                }
                None => assert_eq!(got, Err(ErrorKind::Tls), "{what}"),
            }
        }
    }
}

/// What ends a stream or a connection before its time, and what a caller sees of it.
#[tokio::test]
async fn x08_streams_that_end_early_are_errors_of_their_kind() {
    const CANCEL: u32 = 8;
    const REFUSED: u32 = 7;
    const CALM: u32 = 11;
    const INTERNAL: u32 = 2;
    let half = |end: Step| {
        let mut steps = Answer::ok("0123456789").fault(Fault::Stall(5)).steps();
        steps.pop();
        steps.push(end);
        steps
    };
    let table: [(&str, Vec<Step>, ErrorKind); 11] = [
        ("refused", vec![Step::ResetStream(REFUSED)], ErrorKind::Overloaded),
        ("calm", vec![Step::ResetStream(CALM)], ErrorKind::Overloaded),
        // The request may have been looked at, and the library below says no more than that.
        ("goes away", vec![Step::GoAway(CALM)], ErrorKind::Broken),
        ("internal", vec![Step::ResetStream(INTERNAL)], ErrorKind::Broken),
        ("cut", vec![Step::Cut], ErrorKind::Broken),
        ("reset", vec![Step::Reset], ErrorKind::Broken),
        (
            "body cancelled",
            half(Step::ResetStream(CANCEL)),
            ErrorKind::Broken,
        ),
        (
            "body refused",
            half(Step::ResetStream(CALM)),
            ErrorKind::Overloaded,
        ),
        (
            "body and connection gone",
            half(Step::GoAway(INTERNAL)),
            ErrorKind::Broken,
        ),
        ("body cut", half(Step::Cut), ErrorKind::Broken),
        ("body reset", half(Step::Reset), ErrorKind::Broken),
    ];
    for (what, steps, expected) in table {
        let stage = Stage::new();
        let server = stage
            .origin_with("registry.test", OriginOptions::default().http2())
            .await;
        server.on(Match::any(), steps);
        let got = fetch(&stage, &server, Method::GET).await;
        assert_eq!(got, Err(expected), "{what}");
        assert!(server.requests().iter().all(|request| request.http2));
    }
}

/// A server that speaks HTTP/2 and wants this request over HTTP/1.1 gets it so, and from then on all others.
#[tokio::test]
async fn x08_a_server_that_asks_for_http1_gets_it() {
    const HTTP_1_1_REQUIRED: u32 = 13;
    let stage = Stage::new();
    let server = stage
        .origin_with("registry.test", OriginOptions::default().http2_or_1())
        .await;
    server
        .on(
            Match::when(|request| request.http2),
            Step::ResetStream(HTTP_1_1_REQUIRED),
        )
        .on(Match::any(), Answer::ok("said"));
    let service = connector(&stage).connect(&peer(&stage, &server)).unwrap();
    for _ in 0..3 {
        let got = fetch_from(&stage, &*service, Method::GET, &url(&server.url("/x"))).await;
        assert_eq!(got, Ok(b"said".to_vec()));
    }
    let versions: Vec<bool> = server.requests().iter().map(|request| request.http2).collect();
    assert_eq!(versions, [true, false, false, false]);
}
