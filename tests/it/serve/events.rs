//! `--notify`: what an endpoint is told.

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::Value;
use wharf_testkit::{Sandbox, sha256};

use super::{Serve, TIMEOUT, ask};
use crate::program::start_in_vain;

/// An endpoint that answers 204 to everything, and the heads and bodies of what it gets.
fn endpoint() -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (told, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let told = told.clone();
            thread::spawn(move || {
                while let Some(request) = answer(&stream) {
                    let _ = told.send(request); // the test may have ended
                }
            });
        }
    });
    (format!("http://{address}/hook"), requests)
}

fn answer(mut stream: &TcpStream) -> Option<(String, Value)> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    let text = String::from_utf8(text).expect("text").to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    stream.read_exact(&mut body).ok()?;
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
    Some((text, serde_json::from_slice(&body).expect("JSON")))
}

#[test]
fn an_endpoint_is_told_of_a_push_and_of_its_deletion() {
    let sandbox = Sandbox::new();
    sandbox.write("key", "secret key\n");
    sandbox.write("headers", "Authorization: Bearer of-hooks\n\nX-Team: one\n");
    let (url, requests) = endpoint();
    let flags = [
        "--notify",
        &url,
        "--notify-plain-http",
        "--notify-key",
        "key",
        "--notify-headers",
        "headers",
    ];
    let serve = Serve::start(&sandbox, &flags);
    let digest = sha256(b"layer");
    let blob = format!("/v2/lib/app/blobs/uploads/?digest={digest}");
    assert_eq!(ask(serve.name(), "POST", &blob, "none", b"layer").status, 201);
    let blob = format!("/v2/lib/app/blobs/{digest}");
    assert_eq!(ask(serve.name(), "DELETE", &blob, "none", b"").status, 202);
    for action in ["push", "delete"] {
        let (head, body) = requests.recv_timeout(TIMEOUT).expect("an event");
        for line in [
            "post /hook http/1.1\r\n",
            "content-type: application/vnd.docker.distribution.events.v1+json\r\n",
            "authorization: bearer of-hooks\r\n",
            "x-team: one\r\n",
            "x-wharf-signature-256: sha256=",
            "x-wharf-event-number: ",
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
        let event = &body["events"][0];
        assert_eq!(event["action"], action);
        assert_eq!(event["target"]["repository"], "lib/app");
        assert_eq!(event["target"]["digest"], digest.as_str());
        assert_eq!(event["source"]["addr"], serve.name());
    }
    serve.signal("TERM");
    serve.ended_well();
}

/// The endpoint is away: pushes go on, and what waits is said without the URL's secrets.
#[test]
fn an_endpoint_that_is_away_is_said_and_holds_up_nothing() {
    let sandbox = Sandbox::new();
    let url = "http://127.0.0.1:1/canary-path?token=canary-token"; // nobody listens there
    let serve = Serve::start(&sandbox, &["--notify", url, "--notify-plain-http"]);
    let blob = format!("/v2/a/blobs/uploads/?digest={}", sha256(b"layer"));
    assert_eq!(ask(serve.name(), "POST", &blob, "none", b"layer").status, 201);
    let line = serve.says("an event waits");
    assert!(
        line.contains("http://127.0.0.1:1") && !line.contains("canary"),
        "{line}"
    );
    serve.signal("TERM");
    serve.ended_well();
}

#[test]
fn settings_of_events_that_cannot_be_meant_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("empty", " \n");
    sandbox.write("headers", "no colon here: but canary\nnone\n");
    for (flags, said) in [
        (
            ["--notify", "http://hooks.test/canary"].as_slice(),
            "is not https, so that others could read and change what is sent; --notify-plain-http accepts it",
        ),
        (
            &["--notify", "https://hooks.test/", "--notify-key", "empty"],
            "an empty key",
        ),
        (&["--notify", "hooks.test"], "the URL of a webhook"),
        (&["--notify", "https://user:canary@hooks.test/"], "in a header"),
        (
            &["--notify", "https://hooks.test/", "--notify-key", "absent"],
            "cannot read absent",
        ),
        (
            &["--notify", "https://hooks.test/", "--notify-headers", "headers"],
            "Name: value",
        ),
        (&["--notify-key", "absent"], "--notify <URL>"),
    ] {
        let flags = [&["--listen", "127.0.0.1:0", "--root", "root"], flags].concat();
        let ended = start_in_vain(&sandbox, "serve", &flags);
        assert!(ended.stderr.contains(said), "{flags:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    }
}
