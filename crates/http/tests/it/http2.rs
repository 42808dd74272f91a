use std::time::Duration;

use bytes::Bytes;
use http::Method;
use wharf_http::{Connect as _, Timeouts};
use wharf_testkit::hostile::{OriginOptions, Stage, Step};

use crate::support::{connector, fetch_from, peer, url};

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
