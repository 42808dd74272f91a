use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};

use crate::sync::LockExt as _;

/// The most requests that the log keeps; the oldest make way.
const MAX_KEPT: usize = 10_000;

/// A request that was answered, for a test to look at.
///
/// It has the whole head of the request, secrets included. `Display` and `Debug` show the method, the path
/// without the query, and the status only.
#[derive(Clone)]
pub struct LoggedRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    status: StatusCode,
}

impl LoggedRequest {
    /// A request that has not been answered yet.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            uri: Uri::from_maybe_shared(Bytes::from(request.uri().to_string())).unwrap_or_default(),
            headers: copied(request.headers()),
            status: StatusCode::default(),
        }
    }

    pub(super) const fn answered(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The path, as it was sent.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query, as it was sent.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The status it was answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

/// Copies headers into memory of their own: the received ones are slices of the connection's buffer, and each
/// slice would hold the whole buffer.
fn copied(headers: &HeaderMap) -> HeaderMap {
    let values: Vec<u8> = headers
        .values()
        .flat_map(HeaderValue::as_bytes)
        .copied()
        .collect();
    let mut values = Bytes::from(values);
    let mut copied = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let copy = HeaderValue::from_maybe_shared(values.split_to(value.len()));
        if let (Ok(name), Ok(mut copy)) = (HeaderName::from_bytes(name.as_str().as_bytes()), copy) {
            copy.set_sensitive(value.is_sensitive());
            copied.append(name, copy);
        }
    }
    copied
}

impl fmt::Display for LoggedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.path(), self.status.as_u16())
    }
}

impl fmt::Debug for LoggedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The last requests.
#[derive(Clone, Default)]
pub(super) struct RequestLog(Arc<Mutex<VecDeque<LoggedRequest>>>);

impl RequestLog {
    pub(super) fn push(&self, request: LoggedRequest) {
        let mut entries = self.0.locked();
        if entries.len() == MAX_KEPT {
            entries.pop_front();
        }
        entries.push_back(request);
    }

    pub(super) fn entries(&self) -> Vec<LoggedRequest> {
        let entries = self.0.locked();
        entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_came_and_no_more() {
        let buffer = Bytes::from(b"token /v2/a?n=1 x-name twice twice".repeat(100));
        let slice =
            |range: std::ops::Range<usize>| HeaderValue::from_maybe_shared(buffer.slice(range)).unwrap();
        let mut headers = HeaderMap::new();
        let mut secret = slice(0..5);
        secret.set_sensitive(true);
        headers.append("authorization", secret);
        headers.append(HeaderName::from_bytes(&buffer[16..22]).unwrap(), slice(23..28));
        headers.append("x-name", slice(29..34));
        let uri = Uri::from_maybe_shared(buffer.slice(6..15)).unwrap();
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.clone();
        let logged = LoggedRequest::of(&request).answered(StatusCode::OK);
        assert_eq!(*logged.headers(), headers);
        assert!(logged.headers()["authorization"].is_sensitive());
        assert_eq!((logged.path(), logged.query()), ("/v2/a", Some("n=1")));
        drop((request, headers));
        assert!(buffer.is_unique(), "the log keeps the buffer");
    }
}
