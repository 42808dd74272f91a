use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::{StatusCode, header};
use wharf_http::{Connect, HttpService, Peer, Request, Response, ResponseBody};

/// The bytes of a chunk of every body.
pub(super) const CHUNK: u64 = 64 * 1024;

/// A request for the blob, and the first byte that it asks for.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    Whole,
    Rest,
    Range(u64),
}

/// The server's answer: a pause before each chunk, and the end of the body.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    All(Duration),
    /// As many bytes, then the connection breaks off.
    Cut(Duration, u64),
    /// All bytes but the last chunk, then the server says that it has too much to do.
    Overloaded(Duration),
    /// One byte more, and the label of an encoding.
    Longer,
    Status(StatusCode),
}

/// Answers every request for a blob as a case says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) size: u64,
    pub(super) has_ranges: bool,
    pub(super) reply: fn(Asked) -> Reply,
}

impl Connect for Server {
    fn connect(&self, _: &Peer) -> Result<Arc<dyn HttpService>, wharf_http::Error> {
        Ok(Arc::new(*self))
    }
}

#[async_trait]
impl HttpService for Server {
    async fn call(&self, request: Request) -> Result<Response, wharf_http::Error> {
        let range = request.headers.get(header::RANGE);
        let range = range.map(|range| range.to_str().unwrap().strip_prefix("bytes=").unwrap());
        let (asked, range) = match range.and_then(|range| range.split_once('-')) {
            None => (Asked::Whole, 0..self.size),
            Some((start, "")) => (Asked::Rest, start.parse().unwrap()..self.size),
            Some((start, last)) => {
                let start = start.parse().unwrap();
                (Asked::Range(start), start..last.parse::<u64>().unwrap() + 1)
            }
        };
        Ok(self.answer(asked, range))
    }
}

impl Server {
    fn answer(&self, asked: Asked, range: Range<u64>) -> Response {
        let length = range.end - range.start;
        let broken = wharf_http::ErrorKind::Broken;
        let (pause, length, failure) = match (self.reply)(asked) {
            Reply::Cut(pause, after) if after < length => (pause, after, Some(broken)),
            Reply::All(pause) | Reply::Cut(pause, _) => (pause, length, None),
            Reply::Overloaded(pause) => (
                pause,
                length.saturating_sub(CHUNK),
                Some(wharf_http::ErrorKind::Overloaded),
            ),
            Reply::Longer => {
                let response = http::Response::builder().header(header::CONTENT_ENCODING, "gzip");
                return response.body(body(Duration::ZERO, self.size + 1, None)).unwrap();
            }
            Reply::Status(StatusCode::OK) => {
                return http::Response::new(body(Duration::ZERO, self.size, None));
            }
            Reply::Status(status) => {
                let response = http::Response::builder().status(status);
                return response.body(ResponseBody::empty()).unwrap();
            }
        };
        let mut response = http::Response::builder();
        if self.has_ranges {
            response = response.header(header::ACCEPT_RANGES, "bytes");
        }
        if !matches!(asked, Asked::Whole) {
            let content = format!("bytes {}-{}/{}", range.start, range.end - 1, self.size);
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, content);
        }
        response.body(body(pause, length, failure)).unwrap()
    }
}

/// As many bytes in chunks, a pause before each, and the failure after the last.
fn body(pause: Duration, length: u64, failure: Option<wharf_http::ErrorKind>) -> ResponseBody {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let chunks = stream::unfold((length, failure), move |(left, failure)| async move {
        if left == 0 {
            return failure.map(|kind| (Err(kind.into()), (0, None)));
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let chunk = left.min(CHUNK);
        let bytes = Bytes::from_static(&ZEROS).slice(..usize::try_from(chunk).unwrap());
        Some((Ok(bytes), (left - chunk, failure)))
    });
    ResponseBody::new(Box::pin(chunks), None)
}
