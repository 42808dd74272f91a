//! Clients that are slow, and heads that are too large. The server listens on a real port, on a clock that
//! moves when nothing else does.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, pause, resume},
};
use wharf_registry::{Limits, Registry, Server};

use crate::wire::{get, open, push_blob, read};

const HEAD: &str = "GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";

/// What a request with these headers is answered with.
async fn status(server: &Server, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("{HEAD}{headers}\r\n");
    let _ = stream.write_all(request.as_bytes()).await; // the server may close before it has read everything
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    read(&received, false).status
}

#[tokio::test]
async fn heads_are_bounded_in_number_and_size() {
    let server = open().await;
    let many = |count: usize| "X: y\r\n".repeat(count);
    // Two are in the head already.
    assert_eq!(status(&server, &many(97)).await, 200);
    assert_eq!(status(&server, &many(98)).await, 200);
    assert_eq!(status(&server, &many(99)).await, 431);
    assert_eq!(status(&server, &many(100_000)).await, 431);
    let long = |length: usize| format!("X: {}\r\n", "y".repeat(length));
    assert_eq!(status(&server, &long(60_000)).await, 200);
    assert_eq!(status(&server, &long(1_000_000)).await, 431);
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let target = format!("GET /v2/{} HTTP/1.1\r\n", "a".repeat(1_000_000));
    let _ = stream.write_all(target.as_bytes()).await;
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    assert!(matches!(read(&received, false).status, 414 | 431));
    assert_eq!(get(&server, "/v2/").await.status, 200);
}

/// However the bytes of a head come, it has to be whole within the time.
#[tokio::test]
async fn heads_that_do_not_end_are_given_up() {
    let server = open().await;
    for drip in [false, true] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(HEAD.as_bytes()).await.unwrap();
        pause();
        let start = Instant::now();
        let mut received = Vec::new();
        loop {
            if drip {
                let _ = stream.write_all(b"X: y\r\n").await;
            }
            let reading = stream.read_to_end(&mut received);
            match tokio::time::timeout(Duration::from_secs(7), reading).await {
                Ok(_) => break,
                Err(_) => assert!(start.elapsed() < Duration::from_secs(2 * 60), "nobody gives up"),
            }
        }
        let waited = start.elapsed().as_secs();
        resume();
        assert!((30..=35).contains(&waited), "{waited}");
        assert!(!received.starts_with(b"HTTP/1.1 2"));
    }
    assert_eq!(get(&server, "/v2/").await.status, 200);
}

/// A form comes before any credentials, a document is held in memory: neither may come for ever, however
/// short the pauses are.
#[tokio::test]
async fn bodies_that_drip_are_given_up() {
    let registry = Registry::memory().with_basic("ada", "secret").with_tokens();
    let tokens = registry.serve().await.unwrap();
    let open = open().await;
    for (server, head, pause_for, piece, longest) in [
        (&tokens, "POST /token", 5, 1, 10..=16),
        (&tokens, "POST /token", 1, 100, 10..=12),
        (&tokens, "POST /token", 20, 30_000, 10..=21),
        (&open, "PUT /v2/a/manifests/v1", 5, 1, 30..=36),
        (&open, "PUT /v2/a/manifests/v1", 1, 100, 30..=35),
    ] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = format!("{head} HTTP/1.1\r\nHost: x\r\nContent-Length: 65000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        pause();
        let start = Instant::now();
        let mut received = Vec::new();
        loop {
            let _ = stream.write_all(&vec![b'a'; piece]).await;
            let reading = stream.read_to_end(&mut received);
            match tokio::time::timeout(Duration::from_secs(pause_for), reading).await {
                Ok(_) => break,
                Err(_) => assert!(start.elapsed() < Duration::from_secs(120), "nobody gives up"),
            }
        }
        let waited = start.elapsed().as_secs();
        resume();
        assert!(longest.contains(&waited), "{waited}");
        assert!(received.starts_with(b"HTTP/1.1 408 "), "{received:?}");
    }
}

/// Who keeps connections open and asks nothing keeps nobody out, neither newcomers nor who is between
/// requests.
#[tokio::test]
async fn idle_connections_make_way() {
    let limits = Limits::default().with_connections(8);
    let server = Registry::memory().with_limits(limits).serve().await.unwrap();
    let mut kept = TcpStream::connect(server.address()).await.unwrap();
    let again = async |kept: &mut TcpStream| {
        let request = "HEAD /v2/ HTTP/1.1\r\nHost: x\r\n\r\n";
        kept.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        kept.read_exact(&mut answer).await.unwrap();
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n") {
            rest.push(kept.read_u8().await.unwrap());
        }
        assert_eq!(&answer, b"HTTP/1.1 200");
    };
    again(&mut kept).await;
    let mut idle = Vec::new();
    for number in 0..50 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        if number % 2 == 0 {
            stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost").await.unwrap(); // and no more
        }
        idle.push(stream);
        if number % 10 == 9 {
            again(&mut kept).await;
            assert_eq!(get(&server, "/v2/").await.status, 200);
        }
    }
    again(&mut kept).await;
}

/// A connection that says nothing, before the first request or after one, does not stay for ever.
#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    let server = open().await;
    for request in ["", "HEAD /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        pause();
        let start = Instant::now();
        let mut received = Vec::new();
        let ended =
            tokio::time::timeout(Duration::from_secs(5 * 60), stream.read_to_end(&mut received)).await;
        assert!(ended.is_ok(), "{request:?} stays");
        assert!(
            start.elapsed() <= Duration::from_secs(31),
            "{:?}",
            start.elapsed()
        );
        resume();
        assert_eq!(received.is_empty(), request.is_empty());
    }
}

/// Who takes nothing of an answer is given up, and makes room for the next.
#[tokio::test]
async fn clients_that_take_nothing_are_given_up() {
    let limits = Limits::default().with_connections(2);
    let server = Registry::memory().with_limits(limits).serve().await.unwrap();
    let blob = push_blob(&server, "a", &vec![7; 30_000_000]).await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let request = format!("GET /v2/a/blobs/{blob} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    pause();
    let start = Instant::now();
    assert_eq!(get(&server, "/v2/").await.status, 200); // waits until one of them is given up
    assert!(
        start.elapsed() >= Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}
