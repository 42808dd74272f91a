//! An HTTP client that does nothing but send and compare: the same one for every registry.

use std::{
    io::{self, BufRead as _, BufReader, IoSlice, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context as _, bail, ensure};

/// One connection, which is kept for the next request as long as the registry keeps it.
pub struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

/// The head of an answer, and its body if it was asked for.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub body: Vec<u8>,
}

/// The use of the body of an answer.
enum Body<'a> {
    Keep,
    /// It must be these parts, one after the other.
    Compare(&'a [&'a [u8]]),
}

impl Client {
    pub const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
        }
    }

    pub fn get(&mut self, target: &str) -> anyhow::Result<Answer> {
        self.request("GET", target, "*/*", &[], Body::Keep)
    }

    /// Sends a request with a body of these parts.
    pub fn send(
        &mut self,
        method: &str,
        target: &str,
        media_type: &str,
        parts: &[&[u8]],
    ) -> anyhow::Result<Answer> {
        self.request(method, target, media_type, parts, Body::Keep)
    }

    /// Whether the answer to a GET is these bytes.
    pub fn expect(&mut self, target: &str, accept: &str, parts: &[&[u8]]) -> anyhow::Result<()> {
        let answer = self.request("GET", target, accept, &[], Body::Compare(parts))?;
        ensure!(answer.status == 200, "GET {target}: {}", answer.status);
        Ok(())
    }

    fn request(
        &mut self,
        method: &str,
        target: &str,
        media_type: &str,
        parts: &[&[u8]],
        body: Body<'_>,
    ) -> anyhow::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                BufReader::with_capacity(64 << 10, stream)
            }
        };
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let kind = if method == "GET" { "Accept" } else { "Content-Type" };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\n{kind}: {media_type}\r\nContent-Length: {length}\r\n\r\n",
            self.address
        );
        let mut slices = vec![IoSlice::new(head.as_bytes())];
        slices.extend(parts.iter().map(|part| IoSlice::new(part)));
        write_all(connection.get_mut(), &mut slices)?;
        let (answer, keeps) = read(&mut connection, body).with_context(|| format!("{method} {target}"))?;
        self.connection = keeps.then_some(connection);
        Ok(answer)
    }
}

fn write_all(stream: &mut TcpStream, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match stream.write_vectored(slices)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut slices, written),
        }
    }
    Ok(())
}

/// Reads an answer; true with it if the connection stays.
fn read(connection: &mut BufReader<TcpStream>, body: Body<'_>) -> anyhow::Result<(Answer, bool)> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut answer = Answer {
        status: status.with_context(|| format!("no status in {line:?}"))?,
        ..Answer::default()
    };
    let (mut length, mut chunked, mut keeps) = (0_u64, false, true);
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse()?,
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => keeps = !value.eq_ignore_ascii_case("close"),
            "location" => value.clone_into(&mut answer.location),
            _ => {}
        }
    }
    if chunked {
        read_chunks(connection, &mut answer.body)?;
        if let Body::Compare(parts) = body {
            ensure!(answer.body == parts.concat(), "other bytes");
        }
        return Ok((answer, keeps));
    }
    match body {
        Body::Compare(parts) if answer.status == 200 => compare(connection, length, parts)?,
        _ => _ = connection.take(length).read_to_end(&mut answer.body)?,
    }
    Ok((answer, keeps))
}

fn read_chunks(connection: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> anyhow::Result<()> {
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim(), 16)?;
        connection.take(length).read_to_end(body)?;
        line.clear();
        connection.read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
    }
}

fn compare(connection: &mut BufReader<TcpStream>, length: u64, parts: &[&[u8]]) -> anyhow::Result<()> {
    let expected: usize = parts.iter().map(|part| part.len()).sum();
    ensure!(length == expected as u64, "{length} bytes, not {expected}");
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            let bytes = connection.fill_buf()?;
            let count = bytes.len().min(rest.len());
            if count == 0 {
                bail!("the answer ends early");
            }
            let (expected, after) = rest.split_at(count);
            ensure!(&bytes[..count] == expected, "other bytes");
            connection.consume(count);
            rest = after;
        }
    }
    Ok(())
}
