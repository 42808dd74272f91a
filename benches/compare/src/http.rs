//! A client of HTTP/1.1 that does no more than a registry asks for, so that the client takes as little of the two cores as it can.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

/// The time that a server may take for a part of its answer.
const ANSWER: Duration = Duration::from_secs(120);

/// The media types that are accepted; distribution does not count manifests of OCI among any.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, */*";

/// A connection that is made when it is needed, and kept. A redirect is followed on another one.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
    elsewhere: Option<Box<Self>>,
}

/// An answer with its whole body.
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
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let answer = self.send(method, target, media_type, body)?;
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
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let answer = self.exchange(method, target, media_type, body);
        let answer = answer.with_context(|| format!("{method} {target} at {}", self.address))?;
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
        other.exchange(method, &format!("/{path}"), None, &[])
    }

    fn exchange(
        &mut self,
        method: &str,
        target: &str,
        media_type: Option<&str>,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let is_kept = self.stream.is_some();
        match self.attempt(method, target, media_type, body)? {
            Some(answer) => Ok(answer),
            // The server has closed a connection that was idle.
            None if is_kept => self
                .attempt(method, target, media_type, body)?
                .context("the connection was closed"),
            None => bail!("the connection was closed"),
        }
    }

    /// `None` if the connection was closed before the first byte of the answer.
    fn attempt(
        &mut self,
        method: &str,
        target: &str,
        media_type: Option<&str>,
        body: &[u8],
    ) -> anyhow::Result<Option<Answer>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(ANSWER))?;
                BufReader::with_capacity(64 * 1024, stream)
            }
        };
        let media_type = media_type.map_or_else(String::new, |it| format!("Content-Type: {it}\r\n"));
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAccept: {ACCEPT}\r\n{media_type}Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let sent = stream.get_mut().write_all(head.as_bytes());
        if sent.and_then(|()| stream.get_mut().write_all(body)).is_err() {
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
        if method != "HEAD" && !matches!(answer.status, 204 | 304) {
            let length = answer
                .header("content-length")
                .context("an answer has a length")?;
            answer.body = vec![0; length.parse()?];
            stream.read_exact(&mut answer.body)?;
        }
        if answer
            .header("connection")
            .is_none_or(|value| !value.eq_ignore_ascii_case("close"))
        {
            self.stream = Some(stream);
        }
        Ok(Some(answer))
    }
}
