use bytes::{Bytes, BytesMut};

/// An answer in HTTP/1.1 without its framing.
#[derive(Debug)]
pub(super) enum Piece {
    /// A head with a status below 200.
    Provisional(http::Response<()>),
    /// The head, and whether nothing follows.
    Head(http::Response<()>, bool),
    /// Bytes of the body.
    Data(Bytes),
    /// The body's end.
    End,
    /// This cannot be said in HTTP/2.
    Nonsense,
}

/// Reads the bytes of one answer in HTTP/1.1 as they come.
#[derive(Debug)]
pub(super) struct Translator {
    buffer: BytesMut,
    state: State,
    is_head: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Head,
    /// So many bytes are left.
    Counted(u64),
    UntilClose,
    ChunkLength,
    /// So many bytes of the chunk are left, and the line's end.
    Chunk(usize),
    Done,
}

/// The headers that belong to a connection and not to a stream (RFC 9113, section 8.2.2).
const OF_CONNECTIONS: [&str; 4] = ["connection", "transfer-encoding", "keep-alive", "upgrade"];

impl Translator {
    /// For an answer to HEAD, which has no body whatever it says.
    pub(super) fn new(is_head: bool) -> Self {
        Self {
            buffer: BytesMut::new(),
            state: State::Head,
            is_head,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.buffer.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        while let Some(piece) = self.next() {
            pieces.push(piece);
        }
        pieces
    }

    /// The connection would end here, in good order.
    pub(super) fn close(&mut self) -> Vec<Piece> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::UntilClose => vec![Piece::End],
            State::Done => Vec::new(),
            _ => vec![Piece::Nonsense],
        }
    }

    fn next(&mut self) -> Option<Piece> {
        match self.state {
            State::Head => self.head(),
            State::Counted(0) => {
                self.state = State::Done;
                Some(Piece::End)
            }
            State::Counted(left) => {
                let count = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.state = State::Counted(left - count as u64);
                self.data(count)
            }
            State::UntilClose => self.data(self.buffer.len()),
            State::ChunkLength => self.chunk_length(),
            State::Chunk(0) => {
                if self.buffer.len() < 2 {
                    return None;
                }
                drop(self.buffer.split_to(2));
                self.state = State::ChunkLength;
                self.next()
            }
            State::Chunk(left) => {
                let count = self.buffer.len().min(left);
                self.state = State::Chunk(left - count);
                self.data(count)
            }
            State::Done => None,
        }
    }

    fn data(&mut self, count: usize) -> Option<Piece> {
        (count > 0).then(|| Piece::Data(self.buffer.split_to(count).freeze()))
    }

    fn line_end(&self, mark: &[u8]) -> Option<usize> {
        self.buffer.windows(mark.len()).position(|window| window == mark)
    }

    fn chunk_length(&mut self) -> Option<Piece> {
        let end = self.line_end(b"\r\n")?;
        let line = self.buffer.split_to(end + 2);
        let digits = String::from_utf8_lossy(&line[..end]);
        match usize::from_str_radix(digits.trim(), 16) {
            Ok(0) => {
                self.state = State::Done;
                Some(Piece::End)
            }
            Ok(length) => {
                self.state = State::Chunk(length);
                self.next()
            }
            Err(_) => Some(self.nonsense()),
        }
    }

    fn nonsense(&mut self) -> Piece {
        self.state = State::Done;
        Piece::Nonsense
    }

    fn head(&mut self) -> Option<Piece> {
        let end = self.line_end(b"\r\n\r\n")?;
        let text = self.buffer.split_to(end + 4);
        let Some((head, framing)) = parse(&text[..end]) else {
            return Some(self.nonsense());
        };
        let status = head.status();
        if status.is_informational() {
            return Some(Piece::Provisional(head));
        }
        let ends = self.is_head || status == 204 || status == 304 || framing == State::Counted(0);
        self.state = if ends { State::Done } else { framing };
        Some(Piece::Head(head, ends))
    }
}

fn parse(text: &[u8]) -> Option<(http::Response<()>, State)> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.split("\r\n");
    let status: u16 = lines
        .next()?
        .strip_prefix("HTTP/1.1 ")?
        .split(' ')
        .next()?
        .parse()
        .ok()?;
    let mut response = http::Response::builder().status(status);
    let mut framing = State::UntilClose;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        if name == "transfer-encoding" {
            framing = State::ChunkLength;
        }
        if name == "content-length" && framing == State::UntilClose {
            framing = State::Counted(value.parse().unwrap_or(u64::MAX));
        }
        if !OF_CONNECTIONS.contains(&&*name) {
            response = response.header(name, value);
        }
    }
    response.body(()).ok().map(|head| (head, framing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_is_taken_away() {
        let table: [(&str, &str, bool); 6] = [
            ("HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\nabc", "abc", true),
            ("HTTP/1.1 200 X\r\nContent-Length: 4\r\n\r\nabc", "abc", false),
            (
                "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                "abc",
                true,
            ),
            ("HTTP/1.1 200 X\r\n\r\nabc", "abc", false),
            ("HTTP/1.1 204 X\r\n\r\n", "", true),
            (
                "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n",
                "",
                true,
            ),
        ];
        for (text, expected, done) in table {
            for size in [1, 3, text.len()] {
                let mut translator = Translator::new(false);
                let mut body = Vec::new();
                for chunk in text.as_bytes().chunks(size) {
                    for piece in translator.feed(chunk) {
                        match piece {
                            Piece::Data(bytes) => body.extend_from_slice(&bytes),
                            Piece::Nonsense => panic!("{text}"),
                            Piece::Provisional(_) | Piece::Head(..) | Piece::End => (),
                        }
                    }
                }
                assert_eq!(
                    (body.as_slice(), translator.is_done()),
                    (expected.as_bytes(), done),
                    "{text}"
                );
            }
        }
    }
}
