//! Finds the requests in what a client sends over HTTP/1.1.

/// Reads the client's half of one connection.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    /// What has come of a head or a chunk's length.
    line: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    /// In a request's head.
    #[default]
    Head,
    /// In a body or a chunk with so many bytes to come; then whether chunks follow.
    Body(u64, bool),
    /// In the line with a chunk's length; `true` behind the last chunk.
    Chunk(bool),
}

impl Parser {
    /// The requests whose heads end in `bytes`, as method and target.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut requests = Vec::new();
        while let Some((&first, rest)) = bytes.split_first() {
            if let State::Body(left, chunked) = &mut self.state {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= count as u64;
                bytes = &bytes[count..];
                if *left == 0 {
                    self.state = if *chunked {
                        State::Chunk(false)
                    } else {
                        State::Head
                    };
                }
                continue;
            }
            self.line.push(first);
            bytes = rest;
            match self.state {
                State::Head if self.line.ends_with(b"\r\n\r\n") => {
                    let head = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                    self.state = body(&head);
                    let mut words = head.split_whitespace();
                    let (method, target) =
                        (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                    requests.push(format!("{method} {target}"));
                }
                State::Chunk(last) if self.line.ends_with(b"\r\n") => {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.line))
                        .trim()
                        .to_owned();
                    let length = line.split(';').next().unwrap_or_default();
                    self.state = match u64::from_str_radix(length, 16) {
                        _ if last => {
                            if line.is_empty() {
                                State::Head
                            } else {
                                State::Chunk(true)
                            }
                        }
                        Ok(0) => State::Chunk(true),
                        Ok(length) => State::Body(length + 2, true),
                        Err(_) => State::Head,
                    };
                }
                _ => {}
            }
        }
        requests
    }
}

/// What follows a head.
fn body(head: &str) -> State {
    let header = |wanted: &str| {
        head.lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
    };
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return State::Chunk(false);
    }
    match header("content-length").and_then(|value| value.parse().ok()) {
        None | Some(0) => State::Head,
        Some(length) => State::Body(length, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_skipped_however_the_bytes_come() {
        let sent = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n\
            PUT /v2/a/blobs/uploads/1?digest=x HTTP/1.1\r\ncontent-length: 12\r\n\r\nGET / HTTP\r\n\
            PATCH /v2/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n2;x=y\r\n\r\n\r\n0\r\n\r\n\
            HEAD /v2/c HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        let expected = [
            "GET /v2/",
            "PUT /v2/a/blobs/uploads/1?digest=x",
            "PATCH /v2/b",
            "HEAD /v2/c",
        ];
        for size in [1, 7, sent.len()] {
            let mut parser = Parser::default();
            let found: Vec<String> = sent.chunks(size).flat_map(|piece| parser.feed(piece)).collect();
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }
}
