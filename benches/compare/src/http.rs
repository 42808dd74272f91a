//! A client of HTTP/1.1 that does no more than a registry asks for, so that the client takes as little of the two cores as it can.

use std::{
    io::{self, BufRead as _, BufReader, IoSlice, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

/// The time that a server may take for a part of its answer.
const ANSWER: Duration = Duration::from_secs(120);

/// The media type of a blob.
pub const OCTETS: &str = "application/octet-stream";

/// The media types that are accepted; distribution does not count manifests of OCI among any.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, */*";

/// A connection that is made when it is needed, and kept. A redirect is followed on another one.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
    elsewhere: Option<Box<Self>>,
}

/// A request; its body is these parts, one after the other.
#[derive(Debug, Clone, Copy)]
struct Request<'a> {
    method: &'a str,
    target: &'a str,
    accept: &'a str,
    media_type: Option<&'a str>,
    parts: &'a [&'a [u8]],
}

/// The use of the body of an answer.
#[derive(Debug, Clone, Copy)]
enum Body<'a> {
    Keep,
    /// The body of an answer of status 200 must be these parts, and is not kept.
    Compare(&'a [&'a [u8]]),
}

/// An answer, with its body unless this was compared.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// The path and query of the upload that an answer has opened or gone on with.
    pub fn upload(&self) -> anyhow::Result<&str> {
        let location = self.header("location").context("an upload has a location")?;
        match location.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).context("a path"),
            None => Ok(location),
        }
    }
}

/// The target of the request that ends an upload.
pub fn end_of_upload(upload: &str, digest: &str) -> String {
    let separator = if upload.contains('?') { '&' } else { '?' };
    format!("{upload}{separator}digest={digest}")
}

impl Connection {
    pub const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            elsewhere: None,
        }
    }

    /// Sends a request whose answer must have this status.
    pub fn expect(
        &mut self,
        status: u16,
        method: &str,
        target: &str,
        media_type: Option<&str>,
        parts: &[&[u8]],
    ) -> anyhow::Result<Answer> {
        let answer = self.send(method, target, media_type, parts)?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(
            answer.status == status,
            "{method} {target}: {} instead of {status}: {text}",
            answer.status
        );
        Ok(answer)
    }

    /// Sends a request; for a GET, follows one redirect to another server.
    pub fn send(
        &mut self,
        method: &str,
        target: &str,
        media_type: Option<&str>,
        parts: &[&[u8]],
    ) -> anyhow::Result<Answer> {
        let request = Request {
            method,
            target,
            accept: ACCEPT,
            media_type,
            parts,
        };
        let answer = self.exchange(request, Body::Keep)?;
        let Some(location) = answer
            .header("location")
            .filter(|_| answer.status == 307 && method == "GET")
        else {
            return Ok(answer);
        };
        let rest = location.strip_prefix("http://").context("a redirect to http")?;
        let (host, path) = rest.split_once('/').context("a redirect to a path")?;
        let address: SocketAddr = host.parse()?;
        let other = self.elsewhere.get_or_insert_with(|| Box::new(Self::new(address)));
        ensure!(other.address == address, "redirects lead to one server");
        let target = &format!("/{path}");
        other.exchange(Request { target, ..request }, Body::Keep)
    }

    /// Sends a GET whose answer must be these parts, one after the other. They are compared as they come.
    pub fn compare(&mut self, target: &str, accept: &str, parts: &[&[u8]]) -> anyhow::Result<()> {
        let request = Request {
            method: "GET",
            target,
            accept,
            media_type: None,
            parts: &[],
        };
        let answer = self.exchange(request, Body::Compare(parts))?;
        ensure!(answer.status == 200, "GET {target}: {}", answer.status);
        Ok(())
    }

    fn exchange(&mut self, request: Request<'_>, body: Body<'_>) -> anyhow::Result<Answer> {
        let is_kept = self.stream.is_some();
        let mut answer = self.attempt(request, body);
        if is_kept && matches!(answer, Ok(None)) {
            // The server has closed a connection that was idle.
            answer = self.attempt(request, body);
        }
        let Request { method, target, .. } = request;
        answer
            .and_then(|answer| answer.context("the connection was closed"))
            .with_context(|| format!("{method} {target} at {}", self.address))
    }

    /// `None` if the connection was closed before the first byte of the answer.
    fn attempt(&mut self, request: Request<'_>, body: Body<'_>) -> anyhow::Result<Option<Answer>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(ANSWER))?;
                BufReader::with_capacity(64 * 1024, stream)
            }
        };
        if write(stream.get_mut(), self.address, request).is_err() {
            return Ok(None);
        }
        let mut head = String::new();
        if stream.read_line(&mut head).unwrap_or(0) == 0 {
            return Ok(None);
        }
        while !head.ends_with("\r\n\r\n") {
            ensure!(stream.read_line(&mut head)? > 0, "the answer has no end");
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut answer = Answer {
            status: status.context("an answer has a status")?,
            head,
            body: Vec::new(),
        };
        if request.method != "HEAD" && !matches!(answer.status, 204 | 304) {
            read_body(&mut stream, &mut answer, body)?;
        }
        let is_last = |value: &str| value.eq_ignore_ascii_case("close");
        if !answer.header("connection").is_some_and(is_last) {
            self.stream = Some(stream);
        }
        Ok(Some(answer))
    }
}

fn write(stream: &mut TcpStream, host: SocketAddr, request: Request<'_>) -> io::Result<()> {
    let Request {
        method,
        target,
        accept,
        media_type,
        parts,
    } = request;
    let media_type = media_type.map_or_else(String::new, |it| format!("Content-Type: {it}\r\n"));
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n{media_type}Content-Length: {length}\r\n\r\n"
    );
    let mut slices = vec![IoSlice::new(head.as_bytes())];
    slices.extend(parts.iter().map(|part| IoSlice::new(part)));
    let mut slices = slices.as_mut_slice();
    while !slices.is_empty() {
        match stream.write_vectored(slices)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut slices, written),
        }
    }
    Ok(())
}

fn read_body(stream: &mut BufReader<TcpStream>, answer: &mut Answer, body: Body<'_>) -> anyhow::Result<()> {
    let expected = match body {
        Body::Compare(parts) if answer.status == 200 => Some(parts),
        _ => None,
    };
    let encoding = answer.header("transfer-encoding");
    if encoding.is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        read_chunks(stream, &mut answer.body)?;
        ensure!(
            expected.is_none_or(|parts| answer.body == parts.concat()),
            "other bytes"
        );
        return Ok(());
    }
    let length = answer
        .header("content-length")
        .context("an answer has a length")?;
    let length: usize = length.parse()?;
    match expected {
        Some(parts) => compare(stream, length, parts),
        None => {
            answer.body = vec![0; length];
            Ok(stream.read_exact(&mut answer.body)?)
        }
    }
}

fn read_chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> anyhow::Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim(), 16)?;
        stream.take(length).read_to_end(body)?;
        line.clear();
        stream.read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn compare(stream: &mut BufReader<TcpStream>, length: usize, parts: &[&[u8]]) -> anyhow::Result<()> {
    let expected: usize = parts.iter().map(|part| part.len()).sum();
    ensure!(length == expected, "{length} bytes, not {expected}");
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            let bytes = stream.fill_buf()?;
            let count = bytes.len().min(rest.len());
            if count == 0 {
                bail!("the answer ends early");
            }
            let (expected, after) = rest.split_at(count);
            ensure!(&bytes[..count] == expected, "other bytes");
            stream.consume(count);
            rest = after;
        }
    }
    Ok(())
}
