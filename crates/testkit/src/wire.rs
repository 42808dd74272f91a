//! HTTP/1.1 by hand, on the server's side: what a client sent, byte for byte, and answers that need not be
//! legal. No HTTP library stands between a test and the wire.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest head of a request that is read, in bytes.
const MAX_HEAD: usize = 256 * 1024;

/// A request as it came over the wire.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Names and values in order, as sent.
    pub headers: Vec<(String, String)>,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
    /// Whether it came over HTTP/2.
    pub http2: bool,
}

impl Request {
    /// The first value of the header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The query's values for `name`, decoded.
    pub fn query(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        values(query.as_bytes(), name)
    }

    /// The values for `name` in a body that is a form.
    pub fn form(&self, name: &str) -> Vec<String> {
        values(&self.body, name)
    }

    /// User and password of Basic authorization.
    pub fn basic(&self) -> Option<(String, String)> {
        use base64::Engine as _;

        let encoded = self.header("authorization")?.strip_prefix("Basic ")?;
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The token of Bearer authorization.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }
}

fn values(encoded: &[u8], name: &str) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(encoded);
    pairs
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// The listener that is told of every byte as it arrives, also of a request that never becomes whole.
pub(crate) type Seen<'a> = &'a mut (dyn FnMut(&[u8]) + Send);

/// Reads one whole request, or `None` if the client closed the connection before the first byte.
pub(crate) async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Request>> {
    let mut seen = |_: &[u8]| ();
    let Some(mut request) = read_head(stream, buffer, &mut seen).await? else {
        return Ok(None);
    };
    read_body(stream, buffer, &mut seen, &mut request, usize::MAX).await?;
    Ok(Some(request))
}

/// Reads the head of a request, or `None` if the client closed the connection before the first byte.
pub(crate) async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    seen: Seen<'_>,
) -> io::Result<Option<Request>> {
    let head_end = loop {
        if let Some(position) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break position;
        }
        if buffer.len() > MAX_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too long"));
        }
        if fill(stream, buffer, seen).await? == 0 {
            return if buffer.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    buffer.drain(..head_end + 4);
    Ok(Some(parse_head(&head)))
}

/// Reads the body that belongs to a head, or its first bytes.
pub(crate) async fn read_body(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    seen: Seen<'_>,
    request: &mut Request,
    limit: usize,
) -> io::Result<()> {
    let chunked = request
        .header("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    if chunked {
        return read_chunks(stream, buffer, seen, request, limit).await;
    }
    if let Some(length) = request.header("content-length") {
        let length: usize = length
            .parse()
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let wanted = length.min(limit);
        while request.body.len() < wanted {
            if buffer.is_empty() && fill(stream, buffer, seen).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = buffer.len().min(wanted - request.body.len());
            request.body.extend(buffer.drain(..count));
        }
    }
    Ok(())
}

fn parse_head(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let mut next = || first.next().unwrap_or_default().to_owned();
    let (method, target) = (next(), next());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Request {
        method,
        target,
        headers: headers.collect(),
        ..Request::default()
    }
}

async fn read_chunks(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    seen: Seen<'_>,
    request: &mut Request,
    limit: usize,
) -> io::Result<()> {
    loop {
        let line = loop {
            if let Some(end) = buffer.windows(2).position(|window| window == b"\r\n") {
                break buffer.drain(..end + 2).collect::<Vec<u8>>();
            }
            if fill(stream, buffer, seen).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let digits = String::from_utf8_lossy(&line);
        let digits = digits.trim().split(';').next().unwrap_or_default();
        let length =
            usize::from_str_radix(digits, 16).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let chunk = take(stream, buffer, seen, length + 2).await?;
        request.body.extend_from_slice(&chunk[..length]);
        if length == 0 || request.body.len() >= limit {
            return Ok(());
        }
    }
}

async fn take(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    seen: Seen<'_>,
    length: usize,
) -> io::Result<Vec<u8>> {
    while buffer.len() < length {
        if fill(stream, buffer, seen).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(buffer.drain(..length).collect())
}

async fn fill(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    seen: Seen<'_>,
) -> io::Result<usize> {
    let before = buffer.len();
    buffer.reserve(16 * 1024);
    let count = stream.read_buf(buffer).await?;
    seen(&buffer[before..]);
    Ok(count)
}

/// An answer with these headers, a true `Content-Length`, and the body; to be changed at will.
pub fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} Status\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}
