use std::time::Duration;

use http::Method;
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::Instant};
use wharf_registry::{Fault, RouteKind, Server};

use crate::wire::{Answer, ask, get, open, push_blob, push_image, raw_get, with_digest};

const BYTES: &[u8] = b"0123456789";

async fn with_blob() -> (Server, String) {
    let server = open().await;
    let digest = push_blob(&server, "a", BYTES).await;
    (server, format!("/v2/a/blobs/{digest}"))
}

fn body(received: &[u8]) -> &[u8] {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(b"", |end| &received[end + 4..])
}

#[tokio::test]
async fn a_body_breaks_where_it_is_told_to() {
    let (server, path) = with_blob().await;
    for at in 0..BYTES.len() as u64 {
        let fault = server.inject(Fault::cut(at).on(RouteKind::Blob).times(1));
        let received = raw_get(&server, &path, "").await;
        assert!(received.starts_with(b"HTTP/1.1 200"), "{at}");
        assert_eq!(body(&received), &BYTES[..usize::try_from(at).unwrap()]);
        assert_eq!(get(&server, path.as_str()).await.body, BYTES);
        assert_eq!(fault.hits(), 1);
        fault.remove();
    }
}

#[tokio::test]
async fn a_bit_flips_where_it_is_told_to() {
    let (server, path) = with_blob().await;
    for at in 0..BYTES.len() {
        let fault = server.inject(Fault::flip(at as u64));
        let mut flipped = BYTES.to_vec();
        flipped[at] ^= 1;
        assert_eq!(get(&server, path.as_str()).await.body, flipped);
        fault.remove();
    }
}

#[tokio::test]
async fn connections_close_before_and_after_the_deed() {
    let server = open().await;
    let refused = server.inject(Fault::hang_up().on(RouteKind::Base).times(1));
    assert!(raw_get(&server, "/v2/", "").await.is_empty());
    assert_eq!(get(&server, "/v2/").await.status, 200);
    assert_eq!(refused.hits(), 1);

    let (bytes, _) = push_image(&server, "a", "v1").await;
    let lost = server.inject(Fault::lose_reply().method(Method::PUT).on(RouteKind::Manifest));
    let request = format!(
        "PUT /v2/a/manifests/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}",
        bytes.len(),
        String::from_utf8_lossy(&bytes)
    );
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
        .await
        .unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    assert!(received.is_empty());
    assert_eq!(lost.hits(), 1);
    assert_eq!(get(&server, "/v2/a/manifests/v2").await.body, bytes);
}

#[tokio::test]
async fn conditions_choose_the_requests() {
    let server = open().await;
    let one = push_blob(&server, "a", b"one").await;
    let two = push_blob(&server, "a", b"two").await;
    push_blob(&server, "b", b"one").await;
    let fault = server.inject(
        Fault::status(503)
            .with_header("retry-after", "7")
            .on(RouteKind::Blob)
            .method(Method::GET)
            .repository("a")
            .digest(&one)
            .after(1)
            .times(2),
    );
    let blob =
        |repository: &str, digest: &wharf_reference::Digest| format!("/v2/{repository}/blobs/{digest}");
    let status = async |path: String| get(&server, path).await.status;
    assert_eq!(status(blob("a", &one)).await, 200); // the first is spared
    assert_eq!(status(blob("a", &two)).await, 200);
    assert_eq!(status(blob("b", &one)).await, 200);
    assert_eq!(ask(&server, "HEAD", blob("a", &one)).send().await.status, 200);
    let hit = get(&server, blob("a", &one)).await;
    assert_eq!((hit.status, hit.header("retry-after")), (503, Some("7")));
    assert_eq!(hit.header("content-type"), Some("text/html"));
    assert_eq!(status(blob("a", &one)).await, 503);
    assert_eq!(status(blob("a", &one)).await, 200);
    assert_eq!(fault.hits(), 2);
}

#[tokio::test]
async fn answers_lie() {
    let (server, path) = with_blob().await;
    let part = async || {
        ask(&server, "GET", path.as_str())
            .header("Range", "bytes=4-6")
            .send()
            .await
    };
    let honest = part().await;
    assert_eq!((honest.status, honest.body.as_slice()), (206, b"456".as_slice()));

    let fault = server.inject(Fault::lie_about_range());
    let lie = part().await;
    assert_eq!((lie.status, lie.body.as_slice()), (206, b"012".as_slice()));
    assert_eq!(lie.header("content-range"), Some("bytes 4-6/10"));
    fault.remove();

    let fault = server.inject(Fault::ignore_range());
    let whole = part().await;
    assert_eq!((whole.status, whole.body.as_slice()), (200, BYTES));
    fault.remove();

    let fault = server.inject(Fault::redirect("http://evil.example/blob").on(RouteKind::Blob));
    let away = part().await;
    assert_eq!((away.status, away.location()), (307, "/blob".to_owned()));
    fault.remove();

    let fault = server.inject(
        Fault::header("docker-content-digest", "sha256:00").and(Fault::without_header("content-type")),
    );
    let wrong = part().await;
    assert_eq!(wrong.header("docker-content-digest"), Some("sha256:00"));
    assert_eq!(wrong.header("content-type"), None);
    fault.remove();

    server.inject(Fault::status(200).with_body("not what you asked for"));
    assert_eq!(part().await.body, b"not what you asked for");
}

#[tokio::test]
async fn an_upload_that_breaks_keeps_what_came() {
    let server = open().await;
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location();
    server.inject(Fault::cut_request(4).method(Method::PATCH).times(1));
    let cut = ask(&server, "PATCH", session.as_str()).body(BYTES).send().await;
    assert_eq!(cut.status, 400);
    let status: Answer = get(&server, session.as_str()).await;
    assert_eq!(status.header("range"), Some("0-3"));
    let rest = ask(&server, "PATCH", session.as_str())
        .header("Content-Range", "4-9")
        .body(&BYTES[4..])
        .send()
        .await;
    assert_eq!(rest.status, 202);
    let closed = ask(&server, "PUT", with_digest(&session, &crate::wire::digest(BYTES)))
        .send()
        .await;
    assert_eq!(closed.status, 201);
}

#[tokio::test(start_paused = true)]
async fn time_passes_as_told() {
    let registry = wharf_registry::Registry::memory();
    let ask = async |path: &str| {
        let request = http::Request::get(path)
            .body(http_body_util::Empty::new())
            .unwrap();
        let response = registry.handle(request).await;
        http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes()
    };
    let start = Instant::now();
    let fault = registry.inject(Fault::delay(Duration::from_secs(5)));
    ask("/v2/").await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    fault.remove();
    registry.inject(Fault::throttle(10).with_body(vec![0; 30]));
    let start = Instant::now();
    assert_eq!(ask("/v2/").await.len(), 30);
    assert_eq!(start.elapsed().as_secs(), 3);
}
