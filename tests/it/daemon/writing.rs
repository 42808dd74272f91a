//! What is loaded, and what a daemon answers.

use std::time::Duration;

use wharf::{ErrorKind, MediaType, Name, SinkExt as _, WithCauses, http::Timeouts};
use wharf_testkit::{
    DaemonAct::{self, Hang, Receive, ReceiveSome, SendForEver},
    Sandbox, ScriptedDaemon, noise,
};

use super::{NAME, answer, daemon, image, load, send};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn scripted(sandbox: &Sandbox, script: &[DaemonAct]) -> ScriptedDaemon {
    ScriptedDaemon::at_socket(&sandbox.path("daemon"), "1.41", script)
}

#[tokio::test]
async fn an_image_is_sent_in_chunks_as_an_archive_that_all_read() {
    let sandbox = Sandbox::new();
    let loaded = answer("200 OK", "{\"stream\":\"Loaded image: app:1\\n\"}\r\n");
    let script = [Receive, loaded];
    let image = image(5_000_000);
    for (version, path) in [
        ("1.41", "/v1.41/images/load?quiet=1"),
        ("1.52", "/v1.52/images/load?quiet=1"),
        ("", "/images/load?quiet=1"),
        ("x", "/images/load?quiet=1"),
        ("1.4/../..", "/images/load?quiet=1"),
    ] {
        for scripted in [
            ScriptedDaemon::at_socket(&sandbox.path("daemon"), version, &script),
            ScriptedDaemon::at_port(version, &script),
        ] {
            let said = load(&daemon(&scripted), &image).await.unwrap();
            assert_eq!(said.names, ["app:1"]);
            assert!(said.oci_only.is_empty() && !said.has_zstd);
            let request = scripted.request();
            assert!(
                request.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")),
                "{}",
                request.head
            );
            let head = request.head.to_ascii_lowercase();
            assert!(head.contains("transfer-encoding: chunked"), "{head}");
            assert!(head.contains("content-type: application/x-tar"), "{head}");
            assert!(request.is_whole && request.body.len() > 5_000_000);
            let archive = sandbox.write("sent.tar", &request.body);
            let archive = wharf::archive::Archive::open(archive, wharf::archive::Form::Docker)
                .await
                .unwrap();
            assert_eq!(archive.only().unwrap().names().collect::<Vec<_>>(), [NAME]);
        }
    }
}

/// Each row: the name, what the daemon does, the kind of the error, a part of its text.
#[expect(clippy::too_many_lines, reason = "a table")]
fn refusals() -> Vec<(&'static str, Vec<DaemonAct>, ErrorKind, &'static str)> {
    use ErrorKind::{Denied, Network, NoSpace, Rejected, Server, TooLarge};
    let ok = |body: &str| answer("200 OK", body);
    let page = |status: &str, body: &str| vec![Receive, answer(status, body)];
    let long = format!("{{\"errorDetail\":{{\"message\":\"{}\"}}}}", "é".repeat(100_000));
    let line = format!("{{\"stream\":\"{}\"}}", "x".repeat(10_000_000));
    let instead = |what: &'static str, body: &str| {
        let script = vec![Receive, ok(body)];
        (what, script, Server, "answers what is no list of loaded images")
    };
    vec![
        instead("a string", "\"Loaded image: a:1\""),
        instead("numbers", "1 2 3"),
        instead("an array", "[{\"errorDetail\":{\"message\":\"x\"}}]"),
        instead("nothing of JSON", "null"),
        instead("values in each other", &"[".repeat(100_000)),
        (
            "an error in a success",
            vec![
                Receive,
                ok("{\"errorDetail\":{\"code\":1,\"message\":\"no room for it\"},\"error\":\"no room\"}\r\n"),
            ],
            Rejected,
            "refuses the image: no room for it",
        ),
        (
            "an error after images were loaded, and lines after it",
            vec![
                Receive,
                ok(
                    "{\"stream\":\"Loaded image: a\"}\n{\"error\":\"bad layer\"}\n{\"stream\":\"Loaded image: b\"}\n",
                ),
            ],
            Rejected,
            "bad layer",
        ),
        (
            "an error that is no text",
            vec![Receive, ok("{\"error\":{\"a\":5}}")],
            Rejected,
            "{\"a\":5}",
        ),
        (
            "an empty error",
            vec![Receive, ok("{\"error\":\"\"}")],
            Rejected,
            "refuses the image",
        ),
        (
            "control characters",
            vec![Receive, ok("{\"error\":\"a\\u001b[2Jb\\nc\\u202ed\"}")],
            Rejected,
            "a\\u{1b}[2Jb\\nc\\u{202e}d",
        ),
        ("a long error", vec![Receive, ok(&long)], Rejected, "ééé…"),
        (
            "a full disk",
            vec![Receive, ok("{\"error\":\"write /x: no space left on device\"}")],
            NoSpace,
            "no space left",
        ),
        (
            "no JSON",
            vec![Receive, ok("<html>hello</html>")],
            Server,
            "no list of loaded images",
        ),
        (
            "half a line",
            vec![Receive, ok("{\"stream\":\"Loa")],
            Server,
            "no list of loaded images",
        ),
        (
            "half a chunk",
            vec![Receive, send(format!("{CHUNKED}20\r\n{{\"stream\":\"Loaded"))],
            Network,
            "did not say to the end",
        ),
        (
            "an error before the answer breaks off",
            vec![
                Receive,
                send(format!("{CHUNKED}10\r\n{{\"error\":\"full\"}}\r\n20\r\nx")),
            ],
            Rejected,
            "full",
        ),
        (
            "garbage for a chunk",
            vec![Receive, send(format!("{CHUNKED}zz\r\n"))],
            Network,
            "did not say to the end",
        ),
        (
            "nothing",
            vec![Receive],
            Network,
            "cannot use the daemon at unix://",
        ),
        (
            "no HTTP",
            vec![Receive, send("hello\r\n\r\n")],
            Server,
            "not valid HTTP",
        ),
        (
            "lines without end",
            vec![
                Receive,
                answer("200 OK", ""),
                SendForEver(b"{\"stream\":\"x\"}\n".repeat(1000)),
            ],
            TooLarge,
            "more than 4194304 bytes",
        ),
        (
            "a line of 10 MB",
            vec![Receive, ok(&line)],
            TooLarge,
            "more than 4194304 bytes",
        ),
        (
            "Docker's refusal",
            page("400 Bad Request", "{\"message\":\"bad archive\"}"),
            Rejected,
            "(status 400): bad archive",
        ),
        (
            "Podman's refusal",
            page(
                "500 Internal Server Error",
                "{\"cause\":\"c\",\"message\":\"failed to load image\",\"response\":500}",
            ),
            Server,
            "failed to load image",
        ),
        (
            "a cause alone",
            page("500 Oops", "{\"cause\":\"the cause\"}"),
            Server,
            "the cause",
        ),
        (
            "a full disk by its status",
            page("500 Oops", "{\"message\":\"no space left on device\"}"),
            NoSpace,
            "no space",
        ),
        (
            "a plug-in that forbids",
            page("403 Forbidden", "{\"message\":\"authz\"}"),
            Denied,
            "authz",
        ),
        (
            "a page",
            page("502 Bad Gateway", "<h1>\u{1b}]0;x\u{7}</h1>"),
            Server,
            "\\u{1b}]0;x\\u{7}",
        ),
        ("an empty refusal", page("500 Oops", ""), Server, "(status 500)"),
        ("a redirect", page("301 Moved", ""), Server, "(status 301)"),
        (
            "a refusal before the image is read, and no end of the connection",
            vec![
                ReceiveSome(1),
                send("HTTP/1.1 400 Bad Request\r\nContent-Length: 24\r\n\r\n{\"message\":\"not wanted\"}"),
                Hang,
            ],
            Rejected,
            "not wanted",
        ),
        (
            "a success before the image is read",
            vec![
                ReceiveSome(1),
                send("HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{\"stream\":\"Loaded image: x\"}"),
                Hang,
            ],
            Server,
            "before it had the whole image",
        ),
        (
            "an end before the image is read",
            vec![ReceiveSome(1)],
            Network,
            "cannot use the daemon at unix://",
        ),
    ]
}

#[tokio::test]
async fn a_refusal_is_an_error_in_whatever_form_it_comes() {
    let sandbox = Sandbox::new();
    let image = image(40_000_000); // more than the sockets and the channel hold
    for (name, script, kind, part) in refusals() {
        let scripted = scripted(&sandbox, &script);
        let error = load(&daemon(&scripted), &image).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        let text = error.to_string();
        assert!(WithCauses(&error).to_string().contains(part), "{name}: {text}");
        assert!(text.len() < 4096 + 300, "{name}: {}", text.len());
        assert!(!text.chars().any(char::is_control), "{name}: {text:?}");
    }
}

#[tokio::test]
async fn names_are_read_from_every_line() {
    let sandbox = Sandbox::new();
    for (lines, names) in [
        ("", &[][..]),
        (
            "{\"stream\":\"Loaded image: a:1\\n\"}{\"stream\":\"Loaded image: b:2\\n\"}",
            &["a:1", "b:2"],
        ),
        ("{\"stream\":\"Loaded image: a:1,b:2\"}", &["a:1", "b:2"]),
        ("{\"stream\":\"Loaded image: ,, a:1,\"}", &["a:1"]),
        (
            "{\"stream\":\"Loaded image ID: sha256:0\"}\r\n{\"status\":\"x\"}\r\n[]\r\n5",
            &["sha256:0"],
        ),
        ("{\"stream\":\"Loaded image: a\\u001bb\"}", &["a\\u{1b}b"]),
        ("{\"stream\":5,\"error\":null,\"errorDetail\":null}", &[]),
    ] {
        let scripted = scripted(&sandbox, &[Receive, answer("200 OK", lines)]);
        assert_eq!(
            load(&daemon(&scripted), &image(1)).await.unwrap().names,
            names,
            "{lines}"
        );
    }
}

#[tokio::test]
async fn a_daemon_that_never_answers_is_given_up() {
    let sandbox = Sandbox::new();
    for script in [
        vec![Receive, Hang],
        vec![Receive, answer("200 OK", "{\"stream\":\"x\"}"), Hang],
    ] {
        let scripted = scripted(&sandbox, &script);
        let short = Duration::from_secs(1);
        let timeouts = Timeouts::default().with_commit(short).with_idle(short);
        let daemon = daemon(&scripted).with_timeouts(timeouts);
        let error = load(&daemon, &image(1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_that_is_given_up_is_no_whole_request() {
    let sandbox = Sandbox::new();
    let scripted = scripted(&sandbox, &[Receive]);
    let writer = daemon(&scripted).writer().await.unwrap();
    writer
        .push_image(&image(3_000_000), Some(&Name::parse(NAME).unwrap()))
        .await
        .unwrap();
    drop(writer);
    let request = scripted.request();
    assert!(!request.is_whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_breaks_off_is_an_error_of_its_source_and_no_whole_request() {
    use wharf::{Descriptor, Sink as _, content::Blob};
    let sandbox = Sandbox::new();
    let scripted = scripted(&sandbox, &[Receive]);
    let writer = daemon(&scripted).writer().await.unwrap();
    // More than waits anywhere: the request has begun when it was taken.
    let first = noise(1, 4 << 20);
    let descriptor = Descriptor::of(MediaType::OCI_LAYER, &first);
    let blob = Blob::from_bytes(descriptor, first.into()).unwrap();
    writer.push_blob(blob).await.unwrap();
    let descriptor = Descriptor::of(MediaType::OCI_LAYER, b"wanted");
    let blob = Blob::from_bytes(descriptor, "other!".into()).unwrap();
    let error = writer.push_blob(blob).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch, "{error:?}");
    assert!(writer.finish().await.is_err());
    drop(writer);
    assert!(!scripted.request().is_whole);
}

#[tokio::test]
async fn an_artifact_that_a_daemon_does_not_load_is_an_error() {
    let sandbox = Sandbox::new();
    let scripted = scripted(&sandbox, &[Receive, answer("200 OK", "")]);
    let artifact = wharf::ImageBuilder::new()
        .with_artifact_type(MediaType::parse("application/x").unwrap())
        .build()
        .unwrap();
    let error = load(&daemon(&scripted), &artifact).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("it is no container image"), "{error}");
}
