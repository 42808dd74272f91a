//! Metrics, health, logs, signals.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

use wharf_testkit::{Grant, Image, Sandbox, TestCa, TokenServer, require_peers, sha256};

use super::{CREDENTIALS, Serve, TIMEOUT, ask, head, htpasswd, users};
use crate::program::{self, Ended, ended, run, start_in_vain};

/// Metrics in Prometheus' text format, read strictly: every sample's family has been described before, histograms
/// add up.
fn scrape(address: &str) -> BTreeMap<String, f64> {
    let reply = ask(address, "GET", "/metrics", "", b"");
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("Content-Type: text/plain; version=0.0.4"));
    let mut kinds = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in reply.body.lines() {
        if let Some(described) = line.strip_prefix("# TYPE ") {
            let (name, kind) = described.split_once(' ').expect("name and kind");
            assert!(
                kinds.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{name} twice"
            );
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').expect("name and value");
            let value: f64 = value.parse().expect("a number");
            let family = name.split('{').next().expect("a name");
            let parts = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|part| family.strip_suffix(part));
            let kind = kinds.get(family).or_else(|| kinds.get(parts?)).expect(line);
            assert!(kind != "counter" || family.ends_with("_total"), "{line}");
            assert!(name == family || name.ends_with('}'), "{line}");
            assert!(samples.insert(name.to_owned(), value).is_none(), "{name} twice");
        }
    }
    for (name, count) in samples
        .iter()
        .filter(|(name, _)| name.contains("_seconds_count{"))
    {
        let all = name.replace("_count{", "_bucket{").replace('}', ",le=\"+Inf\"}");
        assert_eq!(samples.get(&all), Some(count), "{name}");
    }
    samples
}

#[test]
fn metrics_and_health_have_an_address_of_their_own() {
    let sandbox = Sandbox::new();
    let serve = Serve::start(&sandbox, &["--metrics", "127.0.0.1:0"]);
    let metrics = serve.metrics();
    assert!(
        scrape(&metrics)
            .get("wharf_blobs")
            .is_some_and(|blobs| *blobs == 0.0)
    );
    for path in ["/healthz", "/readyz"] {
        let health = ask(&metrics, "GET", path, "", b"");
        assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    }

    let path = format!("/v2/lib/app/blobs/uploads/?digest={}", sha256(b"12345"));
    assert_eq!(serve.ask("POST", &path, b"12345").status, 201);
    assert_eq!(serve.ask("GET", "/v2/lib/app/manifests/none", b"").status, 404);
    assert_eq!(serve.ask("POST", "/v2/lib/app/blobs/uploads/", b"").status, 202);
    assert_eq!(serve.ask("BREW", "/v2/lib/app/tags/list", b"").status, 405);
    let expected = [
        (
            "wharf_requests_total{endpoint=\"upload\",method=\"POST\",status=\"201\"}",
            1.0,
        ),
        (
            "wharf_requests_total{endpoint=\"upload\",method=\"POST\",status=\"202\"}",
            1.0,
        ),
        (
            "wharf_requests_total{endpoint=\"manifest\",method=\"GET\",status=\"404\"}",
            1.0,
        ),
        (
            "wharf_requests_total{endpoint=\"tags\",method=\"other\",status=\"405\"}",
            1.0,
        ),
        ("wharf_request_seconds_count{endpoint=\"upload\"}", 2.0),
        (
            "registry_http_requests_total{code=\"404\",handler=\"manifest\",method=\"get\"}",
            1.0,
        ),
        ("registry_http_in_flight_requests{handler=\"blob_upload\"}", 0.0),
        ("wharf_received_bytes_total", 5.0),
        ("wharf_corrupt_total", 0.0),
        ("wharf_repositories", 1.0),
        ("wharf_blobs", 1.0),
        ("wharf_bytes", 5.0),
        ("wharf_uploads", 1.0),
    ];
    // A request is counted when its answer has been taken, which may be a moment after the client has it.
    let there = || {
        let samples = scrape(&metrics);
        expected
            .iter()
            .all(|(name, value)| samples.get(*name) == Some(value))
    };
    let given_up = std::time::Instant::now() + TIMEOUT;
    while !there() {
        assert!(std::time::Instant::now() < given_up, "{:?}", scrape(&metrics));
    }

    // Neither is reachable at the other's address.
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(serve.ask("GET", path, b"").status, 404);
    }
    assert_eq!(ask(&metrics, "GET", "/v2/", "", b"").status, 404);
    for (method, path, status) in [
        ("GET", "/metrics?x=1", 200),
        ("GET", "/healthz?x=1", 200),
        ("GET", "/readyz?x=1", 200),
        ("POST", "/metrics", 405),
        ("DELETE", "/healthz", 405),
        ("PUT", "/readyz", 405),
        ("GET", "/metrics/", 404),
        ("GET", "/", 404),
    ] {
        let reply = ask(&metrics, method, path, "", b"");
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.head.contains("Allow: GET, HEAD"), status == 405);
    }
    for path in ["/metrics", "/healthz", "/readyz", "/healthz?x=1"] {
        let mut stream = super::connect(&metrics);
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("an answer");
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        assert!(
            reply.ends_with("\r\n\r\n") && !reply.contains("Content-Length: 0"),
            "{reply}"
        );
    }
}

/// Whoever keeps connections open to it, and though files run out meanwhile.
#[test]
fn metrics_and_health_outlive_a_flood() {
    let sandbox = Sandbox::new();
    let serve = Serve::start(&sandbox, &["--metrics", "127.0.0.1:0"]);
    let metrics = serve.metrics();
    let limit = |files: &str| {
        let id = serve.child.id().to_string();
        ended(Command::new("prlimit").args(["--pid", &id, &format!("--nofile={files}")])).ok();
    };
    let healthy = || ask(&metrics, "GET", "/healthz", "", b"").status;
    let idle = [(); 100].map(|()| TcpStream::connect(&metrics).expect("it listens"));
    assert_eq!(healthy(), 200);
    limit("3:4096"); // no file can be opened any more
    let waiting = [(); 20].map(|()| TcpStream::connect(&metrics).expect("it listens"));
    let registry = [(); 20].map(|()| TcpStream::connect(serve.name()).expect("it listens"));
    limit("4096:4096");
    assert_eq!(healthy(), 200);
    assert_eq!(serve.ask("GET", "/v2/", b"").status, 200);
    drop((idle, waiting, registry));
}

/// Text of a client or a token is one word of a line, and printable.
#[test]
fn nothing_of_a_client_is_raw_in_the_log() {
    const FORGED: &str = "root DELETE /v2/a/manifests/latest 202 in=0 out=0 0ms";
    let forging = format!("eve\n{FORGED}");
    let names = [
        (
            forging.as_str(),
            "eve%0Aroot+DELETE+/v2/a/manifests/latest+202+in=0+out=0+0ms",
        ),
        ("a b", "a+b"),
        ("-", "-"),
        ("\u{1b}[2J", "%1b[2J"),
        ("\u{9b}2J", "%c2%9b2J"),
        ("x\u{202e}y", "x%e2%80%aey"),
        ("x\r\ty\u{7f}", "x%0d%09y%7f"),
    ];
    for log in ["plain", "json"] {
        let sandbox = Sandbox::new();
        let mut tokens = TokenServer::builder();
        for (name, _) in names {
            tokens = tokens.user(name, "secret", &[Grant::new("lib/*", "pull")]);
        }
        let tokens = tokens.start();
        sandbox.write("keys.json", tokens.jwks());
        let realm = tokens.realm();
        let flags = [
            ["--token-keys", "keys.json"],
            ["--token-realm", &realm],
            ["--token-issuer", TokenServer::ISSUER],
            ["--token-service", tokens.service()],
            ["--log", log],
        ];
        let serve = Serve::start(&sandbox, &flags.concat());
        let address = realm.split('/').nth(2).expect("a host");
        for (name, encoded) in names {
            let form = format!(
                "grant_type=password&service=x&client_id=x&username={encoded}&password=secret&scope=repository:lib/app:pull"
            );
            let issued = ask(address, "POST", "/token", "", form.as_bytes());
            let issued: serde_json::Value = serde_json::from_str(&issued.body).expect("JSON");
            let bearer = format!("Bearer {}", issued["access_token"].as_str().expect("a token"));
            let path = "/v2/lib/app/tags/list";
            assert_eq!(ask(serve.name(), "GET", path, &bearer, b"").status, 404);
            let line = serve.said.recv_timeout(TIMEOUT).expect("a line");
            assert!(
                line.chars().all(|character| matches!(character, ' '..='~')),
                "{line:?}"
            );
            if log == "json" {
                let entry: serde_json::Value = serde_json::from_str(&line).expect("JSON");
                assert_eq!((&entry["user"], &entry["path"]), (&name.into(), &path.into()));
            } else {
                assert_eq!(line.split(' ').count(), 7, "{line}");
                assert!(
                    !line.starts_with("- ") && line.contains(" GET /v2/lib/app/tags/list 404 "),
                    "{line}"
                );
            }
        }
        for (method, path) in [
            ("GET", "/v2/\u{9b}2J"),
            ("GET", "/v2/x\u{202e}y"),
            ("BREW", "/v2/\""),
        ] {
            ask(serve.name(), method, path, "", b"");
            let line = serve.said.recv_timeout(TIMEOUT).expect("a line");
            assert!(
                line.chars().all(|character| matches!(character, ' '..='~')),
                "{line:?}"
            );
        }
    }
}

/// HEAD sends no bytes, and that it did is no broken answer.
#[test]
fn the_log_says_how_many_bytes_were_sent() {
    let sandbox = Sandbox::new();
    let serve = Serve::start(&sandbox, &["--log", "json"]);
    let path = format!("/v2/lib/app/blobs/uploads/?digest={}", sha256(b"12345"));
    assert_eq!(serve.ask("POST", &path, b"12345").status, 201);
    serve.says("uploads");
    let blob = format!("/v2/lib/app/blobs/{}", sha256(b"12345"));
    for (method, path, status, sent) in [
        ("GET", blob.as_str(), 200, Some(5)),
        ("HEAD", &blob, 200, Some(0)),
        ("HEAD", "/v2/lib/app/manifests/none", 404, Some(0)),
        ("HEAD", "/v2/lib/app/tags/list", 200, Some(0)),
        ("HEAD", "/v2/LIB/tags/list", 400, Some(0)),
        ("GET", "/v2/LIB/tags/list", 400, None),
    ] {
        let mut stream = super::connect(serve.name());
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).expect("an answer");
        let line = serve.says(&format!("\"{method}\""));
        let entry: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            (&entry["status"], &entry["complete"]),
            (&status.into(), &true.into()),
            "{line}"
        );
        let head = reply
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .expect("a head")
            + 4;
        assert_eq!(entry["sent"], (reply.len() - head) as u64, "{line}");
        assert!(sent.is_none_or(|sent: u64| entry["sent"] == sent), "{line}");
    }
}

#[test]
fn requests_are_logged_as_json() {
    require_peers!("htpasswd");
    let sandbox = Sandbox::new();
    users(&sandbox);
    let serve = Serve::start(&sandbox, &["--htpasswd", "htpasswd", "--log", "json"]);
    assert_eq!(
        serve.ask("GET", "/v2/lib/app/tags/list?n=1&secret=x", b"").status,
        404
    );
    let line = serve.says("tags/list");
    let entry: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(entry["user"], "ada");
    assert_eq!(entry["status"], 404);
    assert_eq!(entry["path"], "/v2/lib/app/tags/list");
    assert_eq!(entry["complete"], true);
    for never in ["secret", "correct-horse", "Basic"] {
        assert!(!line.contains(never), "{line}");
    }
}

/// The reader of the log may go at any time.
#[test]
fn a_log_that_nobody_reads_is_no_harm() {
    let sandbox = Sandbox::new();
    let mut child = program::command(&sandbox, "serve", &["--listen", "127.0.0.1:0", "--root", "root"])
        .args(["--log", "plain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stderr.take());
    let mut url = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut url).expect("a line");
    let name = url.trim_end().strip_prefix("http://").expect("a URL");
    let statuses = [(); 20].map(|()| ask(name, "GET", "/v2/", "", b"").status);
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
    assert_eq!(statuses, [200; 20]);
}

#[test]
fn what_is_running_is_answered_before_the_program_ends() {
    require_peers!("htpasswd");
    let sandbox = Sandbox::new();
    users(&sandbox);
    let serve = Serve::start(&sandbox, &["--htpasswd", "htpasswd", "--metrics", "127.0.0.1:0"]);
    let metrics = serve.metrics();
    let digest = sha256(b"first second");
    let (mut idle, mut busy) = (serve.connect(), serve.half_an_upload(&digest));
    serve.signal("TERM");
    assert_eq!(idle.read(&mut [0]).expect("an orderly end"), 0); // it is ending
    let refused = TcpStream::connect(serve.name()).expect_err("it takes nobody any more");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let ready = ask(&metrics, "GET", "/readyz", "", b"");
    assert_eq!((ready.status, ready.body.as_str()), (503, "draining\n"));
    assert!(ready.head.contains("Retry-After: "));
    assert_eq!(ask(&metrics, "GET", "/healthz", "", b"").status, 200);
    busy.write_all(b"second").expect("the other half");
    assert!(head(&mut busy).starts_with("HTTP/1.1 201 "));
    serve.ended_well();
    let kept = sandbox.path("root/blobs/sha256").join(digest.encoded());
    assert_eq!(std::fs::read(kept).expect("the blob"), b"first second");
}

#[test]
fn who_does_not_end_is_given_up() {
    require_peers!("htpasswd");
    let sandbox = Sandbox::new();
    users(&sandbox);
    let flags = ["--htpasswd", "htpasswd", "--drain", "1"];
    let serve = Serve::start(&sandbox, &flags);
    let digest = sha256(b"first second");
    let busy = serve.half_an_upload(&digest);
    serve.signal("TERM");
    serve.says("gave up on requests that are still running");
    serve.ended_well();
    drop(busy);
    let serve = Serve::start(&sandbox, &flags); // the directory is free, and whole
    let path = format!("/v2/lib/app/blobs/{digest}");
    assert_eq!(serve.ask("GET", &path, b"").status, 404);
}

/// The outcome of `tags` for the repository, over verified TLS.
fn tags(sandbox: &Sandbox, serve: &Serve, credentials: &str) -> Ended {
    let repository = format!("{}/lib/app", serve.name());
    run(sandbox, "tags", &["--creds", credentials, &repository])
}

#[test]
fn passwords_and_certificates_are_read_again() {
    require_peers!("htpasswd");
    let (sandbox, old, new) = (Sandbox::new(), TestCa::new(), TestCa::new());
    users(&sandbox);
    let install = |ca: &TestCa| {
        let certificate = ca.issue(&["127.0.0.1"]);
        certificate.write(&sandbox.path("cert.pem"), &sandbox.path("key.pem"));
    };
    install(&old);
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let serve = Serve::start(&sandbox, &[&tls[..], &["--htpasswd", "htpasswd"]].concat());
    sandbox.trust(serve.name(), old.pem());
    let image = Image::small("again");
    image.write_layout(&sandbox.path("layout"), "v1");
    let target = format!("{}/lib/app:1", serve.name());
    let push = ["--creds", CREDENTIALS, "--store", "layout", "v1", &target];
    run(&sandbox, "push", &push).ok();

    let eve = "eve:battery-staple";
    sandbox.write("htpasswd", htpasswd(eve));
    install(&new);
    tags(&sandbox, &serve, CREDENTIALS).ok(); // nothing is read before it is asked for
    serve.signal("HUP");
    serve.says("read passwords, keys and certificates again");
    tags(&sandbox, &serve, eve).fails(1, &["certificate"]);
    sandbox.trust(serve.name(), new.pem());
    assert_eq!(tags(&sandbox, &serve, eve).last_line(), "1");
    tags(&sandbox, &serve, CREDENTIALS).fails(1, &[serve.name()]);

    // If one file is wrong, the others are not used either.
    sandbox.write("htpasswd", "ada:not-a-hash\n");
    install(&old);
    serve.signal("HUP");
    let kept = serve.says("kept what was read before");
    assert!(kept.contains("htpasswd") && kept.contains("line 1"), "{kept}");
    assert!(!kept.contains("not-a-hash"), "{kept}");
    assert_eq!(tags(&sandbox, &serve, eve).last_line(), "1");
}

/// Everything that a person can set is where they look first.
#[test]
fn help_names_everything() {
    let help = start_in_vain(&Sandbox::new(), "serve", &["--help"]).ok();
    for flag in [
        "--listen",
        "--root",
        "--external-url",
        "--tls-cert",
        "--tls-key",
        "--htpasswd",
        "--tokens",
        "--anonymous-pull",
        "--token-keys",
        "--token-realm",
        "--token-issuer",
        "--token-service",
        "--read-only",
        "--no-delete",
        "--max-blob",
        "--quota",
        "--user-quota",
        "--sparse",
        "--upstream",
        "--gc ",
        "--gc-grace",
        "--gc-untagged",
        "--metrics",
        "/healthz",
        "/readyz",
        "--import ",
        "--import-only",
        "--keep-tags",
        "--log",
        "--drain",
        "SIGHUP",
        "SIGTERM",
    ] {
        assert!(help.contains(flag), "{flag} is not in:\n{help}");
    }
}
