//! Requests, each on a connection of its own.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The time after which a client gives a request up.
const TIME: Duration = Duration::from_secs(6);

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The path of `Location`.
    pub(crate) location: Option<String>,
    pub(crate) digest: Option<String>,
    /// Whether it has `Retry-After`.
    pub(crate) asks_to_wait: bool,
    pub(crate) body: Vec<u8>,
}

pub(crate) async fn request(
    address: &str,
    method: &str,
    path: &str,
    media_type: &str,
    body: &[u8],
) -> io::Result<Answer> {
    request_within(TIME, address, [method, path, media_type], body).await
}

/// As [`request`], with method, path and media type, in another time.
pub(crate) async fn request_within(
    time: Duration,
    address: &str,
    [method, path, media_type]: [&str; 3],
    body: &[u8],
) -> io::Result<Answer> {
    let exchange = async {
        let mut connection = TcpStream::connect(address).await?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).await?;
        connection.write_all(body).await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        parse(method, &answer).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    };
    tokio::time::timeout(time, exchange)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The answer, if it is whole.
fn parse(method: &str, answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let (mut location, mut digest, mut asks_to_wait, mut length) = (None, None, false, 0);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        match name.to_ascii_lowercase().as_str() {
            "location" => location = Some(path(value).to_owned()),
            "docker-content-digest" => digest = Some(value.to_owned()),
            "retry-after" => asks_to_wait = true,
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let body = answer[end + 4..].to_vec();
    let is_whole = method == "HEAD" || body.len() == length;
    is_whole.then_some(Answer {
        status,
        location,
        digest,
        asks_to_wait,
        body,
    })
}

/// The path of a URL, with its query.
fn path(url: &str) -> &str {
    match url.strip_prefix("http://") {
        Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => url,
    }
}
