use std::time::Duration;

use bytes::Bytes;

use super::Step;

/// An answer in HTTP/1.1, right by default and wrong on request.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    framing: Framing,
    fault: Option<Fault>,
}

/// How the body's end is told.
#[derive(Debug, Clone)]
enum Framing {
    Length,
    Claim(String),
    Chunked,
    UntilClose,
    NoBody,
    Bare,
}

/// The fault of a body at a chosen byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The connection ends after so many bytes.
    Cut(u64),
    /// The connection is reset after so many bytes.
    Reset(u64),
    /// The byte at this offset has a bit flipped.
    Flip(u64),
    /// Nothing comes after so many bytes, and the connection stays open.
    Stall(u64),
    /// So many bytes more than promised, declared in the length.
    Lengthen(u64),
    /// One byte a second after so many bytes.
    Drip(u64),
}

impl Answer {
    /// An answer with this status, without headers and body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            framing: Framing::Length,
            fault: None,
        }
    }

    /// 200 with this body.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::new(200).body(body)
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status).header("Location", location)
    }

    /// 401 with this challenge.
    pub fn challenge(challenge: &str) -> Self {
        Self::error(401, "UNAUTHORIZED", "authentication required").header("WWW-Authenticate", challenge)
    }

    /// An error as registries report it (distribution-spec, *Error Codes*).
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "errors": [{ "code": code, "message": message }] });
        Self::json(&body).status(status)
    }

    /// 200 with this document.
    pub fn json(document: &serde_json::Value) -> Self {
        Self::ok(document.to_string()).header("Content-Type", "application/json")
    }

    /// Replaces the status.
    #[must_use]
    pub const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header, also a second one of this name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces all headers of this name.
    #[must_use]
    pub fn replace_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.header(name, value)
    }

    /// Removes all headers of this name.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Claims this `Content-Length`, whatever the body has.
    #[must_use]
    pub fn claim_length(mut self, length: &str) -> Self {
        self.framing = Framing::Claim(length.to_owned());
        self
    }

    /// Sends the body in chunks.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Tells the body's end by closing the connection.
    #[must_use]
    pub fn until_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self
    }

    /// Answers a HEAD request: the headers of the body, without it.
    #[must_use]
    pub fn head_only(mut self) -> Self {
        self.framing = Framing::NoBody;
        self
    }

    /// Nothing after the headers, which stand as they are.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.framing = Framing::Bare;
        self
    }

    /// Damages the body.
    #[must_use]
    pub const fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Its status.
    pub const fn code(&self) -> u16 {
        self.status
    }

    /// The bytes of its body.
    pub const fn content(&self) -> &Bytes {
        &self.body
    }

    /// The bytes that go over the wire.
    pub fn steps(&self) -> Vec<Step> {
        let mut body = self.body.to_vec();
        match self.fault {
            Some(Fault::Flip(at)) => {
                if let Some(byte) = usize::try_from(at).ok().and_then(|at| body.get_mut(at)) {
                    *byte ^= 1;
                }
            }
            Some(Fault::Lengthen(more)) => body.extend(std::iter::repeat_n(b'x', index(more))),
            _ => (),
        }
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let framing = match &self.framing {
            Framing::Length | Framing::NoBody => format!("Content-Length: {}", body.len()),
            Framing::Claim(length) => format!("Content-Length: {length}"),
            Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
            Framing::UntilClose => "Connection: close".to_owned(),
            Framing::Bare => String::new(),
        };
        head.push_str(&framing);
        head.push_str(if framing.is_empty() { "\r\n" } else { "\r\n\r\n" });
        let mut steps = vec![Step::Send(head.into())];
        if !matches!(self.framing, Framing::NoBody | Framing::Bare) {
            self.body_steps(body, &mut steps);
        }
        if matches!(self.framing, Framing::UntilClose) {
            steps.push(Step::Close);
        }
        steps
    }

    fn body_steps(&self, mut body: Vec<u8>, steps: &mut Vec<Step>) {
        let chunked = matches!(self.framing, Framing::Chunked);
        let send = |bytes: Vec<u8>, steps: &mut Vec<Step>| {
            let bytes = if chunked { chunk(&bytes) } else { bytes };
            if !bytes.is_empty() {
                steps.push(Step::Send(bytes.into()));
            }
        };
        let (at, end) = match self.fault {
            Some(Fault::Cut(at)) => (at, Step::Cut),
            Some(Fault::Reset(at)) => (at, Step::Reset),
            Some(Fault::Stall(at)) => (at, Step::Stall),
            Some(Fault::Drip(at)) => {
                let rest = body.split_off(index(at).min(body.len()));
                send(body, steps);
                steps.push(Step::Drip(rest.into(), Duration::from_secs(1)));
                return;
            }
            Some(Fault::Flip(_) | Fault::Lengthen(_)) | None => {
                send(body, steps);
                if chunked {
                    steps.push(Step::Send(Bytes::from_static(b"0\r\n\r\n")));
                }
                return;
            }
        };
        body.truncate(index(at));
        send(body, steps);
        steps.push(end);
    }
}

impl From<Answer> for Vec<Step> {
    fn from(answer: Answer) -> Self {
        answer.steps()
    }
}

impl From<Step> for Vec<Step> {
    fn from(step: Step) -> Self {
        vec![step]
    }
}

fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return Vec::new();
    }
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
