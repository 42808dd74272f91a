use std::{io, panic, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use wharf_testkit::{
    Image,
    hostile::{Answer, BodyUse, Fault, Match, Origin, OriginOptions, Rule, Stage, Step},
};

async fn connect(stage: &Stage, host: &str) -> io::Result<TlsStream<TcpStream>> {
    let address = stage.names().lookup(host).into_iter().next();
    let stream = TcpStream::connect(address.ok_or(io::ErrorKind::NotFound)?).await?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(stage.ca().client_config())
        .connect(name, stream)
        .await
}

/// Sends one request and reads until the connection ends: what came, and how it ended.
async fn exchange(stage: &Stage, host: &str, request: &str) -> (Vec<u8>, io::Result<()>) {
    let mut received = Vec::new();
    let ended = async {
        let mut stream = connect(stage, host).await?;
        stream.write_all(request.as_bytes()).await?;
        while stream.read_buf(&mut received).await? > 0 {}
        Ok(())
    };
    let ended = ended.await;
    (received, ended)
}

fn body(received: &[u8]) -> &[u8] {
    let head = received.windows(4).position(|window| window == b"\r\n\r\n");
    head.and_then(|at| received.get(at + 4..)).unwrap_or_default()
}

const GET: &str = "GET /x HTTP/1.1\r\nHost: registry.test\r\nConnection: close\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_body_breaks_where_the_script_says() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let table: [(Fault, &[u8], bool); 6] = [
        (Fault::Cut(3), b"012", false),
        (Fault::Reset(4), b"0123", false),
        (Fault::Flip(2), b"0133456789", true),
        (Fault::Lengthen(2), b"0123456789xx", true),
        (Fault::Drip(4), b"0123456789", true),
        (Fault::Cut(0), b"", false),
    ];
    for (fault, expected, ends_well) in table {
        registry
            .clear()
            .on(Match::any(), Answer::ok("0123456789").fault(fault));
        let (received, ended) = exchange(&stage, "registry.test", GET).await;
        assert_eq!(body(&received), expected, "{fault:?}");
        assert_eq!(ended.is_ok(), ends_well, "{fault:?} {ended:?}");
    }
    registry
        .clear()
        .on(Match::any(), Answer::ok("0123456789").fault(Fault::Stall(5)));
    let stalled = tokio::time::timeout(Duration::from_secs(60), exchange(&stage, "registry.test", GET)).await;
    assert!(stalled.is_err());
}

#[tokio::test]
async fn rules_hold_in_order_and_run_out() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    registry
        .rule(Rule::new(Match::get("/x"), Answer::new(503)).times(1))
        .rule(Rule::new(Match::get("/x"), vec![Step::Send("not http".into()), Step::Close]).times(1))
        .on(Match::get("/x"), Answer::ok("third").chunked());
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (received, _) = exchange(&stage, "registry.test", GET).await;
        seen.push(String::from_utf8(received).unwrap());
    }
    assert!(seen[0].starts_with("HTTP/1.1 503 "), "{seen:?}");
    assert_eq!(seen[1], "not http");
    assert!(seen[2].ends_with("\r\n\r\n5\r\nthird\r\n0\r\n\r\n"), "{seen:?}");
    let (unknown, _) = exchange(&stage, "registry.test", &GET.replace("/x", "/y")).await;
    assert!(unknown.starts_with(b"HTTP/1.1 404 "));
    assert_eq!(registry.lines(), ["GET /x", "GET /x", "GET /x", "GET /y"]);
    assert_eq!(registry.traffic().connections, 4);
}

#[tokio::test]
async fn an_upload_can_be_answered_in_its_middle() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    registry.rule(Rule::new(Match::on("PUT", "/"), Step::Cut).body(BodyUse::UpTo(4)));
    let request = "PUT /u HTTP/1.1\r\nHost: r\r\nContent-Length: 10\r\n\r\n0123456789";
    let (received, ended) = exchange(&stage, "registry.test", request).await;
    assert!(received.is_empty() && ended.is_err());
    assert_eq!(registry.requests()[0].body, b"0123");
}

#[tokio::test]
async fn certificates_are_as_ordered() {
    let stage = Stage::new();
    let options = OriginOptions::default;
    stage.origin("good.test").await;
    stage.origin_with("expired.test", options().expired()).await;
    stage.origin_with("untrusted.test", options().untrusted()).await;
    stage
        .origin_with("other.test", options().certificate_for(&["another.test"]))
        .await;
    for (host, good) in [
        ("good.test", true),
        ("expired.test", false),
        ("untrusted.test", false),
        ("other.test", false),
    ] {
        assert_eq!(connect(&stage, host).await.is_ok(), good, "{host}");
    }
    let mutual = stage
        .origin_with("mutual.test", options().demands_client_certificate())
        .await;
    mutual.on(Match::any(), Answer::ok("never"));
    let (received, _) = exchange(&stage, "mutual.test", GET).await;
    assert!(received.is_empty());
    assert_eq!(stage.names().asked().len(), 5);
}

#[tokio::test]
async fn images_are_served_with_ranges() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let image = Image::small("served");
    registry.serve_ping().serve_image("team/app", "v1", &image);
    let (layer, bytes) = &image.blobs()[1];
    let ask = |method: &str, path: &str, extra: &str| {
        format!("{method} /v2/team/app/{path} HTTP/1.1\r\nHost: r\r\n{extra}Connection: close\r\n\r\n")
    };
    let blob = format!("blobs/{}", layer.digest());
    let table = [
        (
            ask("GET", "manifests/v1", ""),
            200,
            image.manifest().bytes().to_vec(),
        ),
        (ask("HEAD", "manifests/v1", ""), 200, vec![]),
        (ask("GET", &blob, ""), 200, bytes.to_vec()),
        (ask("GET", &blob, "Range: bytes=5-\r\n"), 206, bytes[5..].to_vec()),
        (
            ask("GET", &blob, "Range: bytes=2-4\r\n"),
            206,
            bytes[2..5].to_vec(),
        ),
        (ask("GET", &blob, "Range: bytes=99999999-\r\n"), 416, vec![]),
    ];
    for (request, status, expected) in table {
        let (received, ended) = exchange(&stage, "registry.test", &request).await;
        assert!(
            received.starts_with(format!("HTTP/1.1 {status} ").as_bytes()),
            "{request}"
        );
        assert_eq!(body(&received), expected, "{request}");
        ended.unwrap();
    }
}

/// A stage on which `leak` is tried fails its test when it goes.
async fn leaks(leak: impl AsyncFnOnce(&Stage, &Origin, &str)) -> bool {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let evil = stage.origin("evil.test").await;
    let secret = stage.secret("password", &[&registry]);
    leak(&stage, &evil, &secret).await;
    panic::catch_unwind(panic::AssertUnwindSafe(|| drop(stage))).is_err()
}

#[tokio::test]
async fn a_leaked_secret_fails_the_test() {
    let request = |host: &str, secret: &str| {
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("alice:{secret}"));
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {basic}\r\nConnection: close\r\n\r\n")
    };
    assert!(!leaks(async |_, _, _| ()).await);
    let to_registry = async |stage: &Stage, _: &Origin, secret: &str| {
        let _ = exchange(stage, "registry.test", &request("registry.test", secret)).await;
    };
    assert!(!leaks(to_registry).await);
    let to_evil = async |stage: &Stage, _: &Origin, secret: &str| {
        let _ = exchange(stage, "evil.test", &request("evil.test", secret)).await;
    };
    assert!(leaks(to_evil).await);
    let allowed = async |stage: &Stage, evil: &Origin, secret: &str| {
        stage.allow(secret, evil);
        to_evil(stage, evil, secret).await;
    };
    assert!(!leaks(allowed).await);
    let in_an_error = async |stage: &Stage, _: &Origin, secret: &str| {
        let inner = Arc::new(io::Error::other(secret.to_owned()));
        stage.inspect(io::Error::other(inner));
    };
    assert!(leaks(in_an_error).await);
}

/// Over HTTP/2 the same script says the same, and what was heard is searched all the same.
#[tokio::test]
async fn scripts_are_spoken_in_both_versions() {
    let get = async |stage: &Stage, host: &str, secret: &str| {
        let mut config = (*stage.ca().client_config()).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(stage.names().lookup(host)[0]).await.unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get(format!("https://{host}/x?y=1")).header("authorization", secret);
        let (response, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        let response = response.await?;
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        while let Some(chunk) = body.data().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok::<_, h2::Error>((head.status.as_u16(), bytes))
    };
    let leak = async |stage: &Stage, _: &Origin, secret: &str| {
        let h2 = stage
            .origin_with("h2.test", OriginOptions::default().http2())
            .await;
        h2.rule(Rule::new(Match::any(), Step::ResetStream(7)).times(1));
        h2.on(
            Match::any(),
            Answer::ok("0123456789")
                .chunked()
                .header("Connection", "keep-alive"),
        );
        assert!(get(stage, "h2.test", secret).await.unwrap_err().is_reset());
        let got = get(stage, "h2.test", secret).await.unwrap();
        assert_eq!(got, (200, b"0123456789".to_vec()));
        let asked = h2.requests().remove(0);
        assert_eq!(
            (asked.target.as_str(), asked.header("host")),
            ("/x?y=1", Some("h2.test"))
        );
    };
    assert!(leaks(leak).await);
}
