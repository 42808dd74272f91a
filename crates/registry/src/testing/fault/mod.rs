//! Faults: the misbehaviour of a hostile or broken registry, at a chosen request and byte.

mod alter;
mod apply;
mod inject;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use wharf_reference::Digest;

use self::alter::{Altered, AlteredBody};
#[cfg(feature = "server")]
pub(super) use self::apply::HangUp;
pub use self::inject::Injected;
pub(super) use self::{
    apply::{claim_range, shift_range},
    inject::Faults,
};
use crate::RouteKind;

/// A misbehaviour, and when it happens.
///
/// A constructor sets the effect; `on`, `method`, `repository` and `digest` select requests; `after` and
/// `times` count them. A fault without conditions hits every request.
/// [`Registry::inject`](crate::Registry::inject) arms it; all faults that fit a request act on it, in the
/// order they were injected.
///
/// ```
/// use wharf_registry::{RouteKind, Fault, Registry};
///
/// let registry = Registry::memory();
/// // The first download of a blob breaks after 1,000 bytes, the second goes well.
/// let cut = registry.inject(Fault::cut(1000).on(RouteKind::Blob).times(1));
/// // Every third request is one too many.
/// registry.inject(Fault::status(429).with_header("retry-after", "1").after(2));
/// assert_eq!(cut.hits(), 0);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    effects: Vec<Effect>,
    kind: Option<RouteKind>,
    method: Option<Method>,
    repository: Option<String>,
    digest: Option<Digest>,
    after: u64,
    times: u64,
}

#[derive(Debug, Clone)]
enum Effect {
    Delay(Duration),
    HangUp,
    Status(StatusCode),
    Body(Bytes),
    CutRequest(u64),
    IgnoreRange,
    LieAboutRange,
    LoseReply,
    SetHeader(HeaderName, HeaderValue),
    RemoveHeader(HeaderName),
    Cut(u64),
    Stall(u64),
    Flip(u64),
    Throttle(u64),
}

/// Effects.
impl Fault {
    fn new(effect: Effect) -> Self {
        Self {
            effects: vec![effect],
            kind: None,
            method: None,
            repository: None,
            digest: None,
            after: 0,
            times: u64::MAX,
        }
    }

    /// Answers with this status, without doing anything; a number that is no status becomes 500. The body is
    /// HTML, as proxies send it, unless [`Fault::with_body`] is called.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(Effect::Status(status))
    }

    /// Sends the client to this URL with status 307, without doing anything.
    pub fn redirect(url: &str) -> Self {
        Self::status(307).with_header("location", url)
    }

    /// Waits before doing anything.
    pub fn delay(duration: Duration) -> Self {
        Self::new(Effect::Delay(duration))
    }

    /// Closes the connection, without an answer and without doing anything.
    pub fn hang_up() -> Self {
        Self::new(Effect::HangUp)
    }

    /// Handles the request, then closes the connection without an answer.
    pub fn lose_reply() -> Self {
        Self::new(Effect::LoseReply)
    }

    /// Stops reading the request's body after this many bytes, as if the connection had broken. The bytes
    /// before are handled as they would be then.
    pub fn cut_request(bytes: u64) -> Self {
        Self::new(Effect::CutRequest(bytes))
    }

    /// Breaks the connection after this many bytes of the answer's body.
    pub fn cut(bytes: u64) -> Self {
        Self::new(Effect::Cut(bytes))
    }

    /// Sends nothing more after this many bytes of the answer's body, and keeps the connection open.
    pub fn stall(bytes: u64) -> Self {
        Self::new(Effect::Stall(bytes))
    }

    /// Inverts the lowest bit of the byte at this offset of the answer's body.
    pub fn flip(offset: u64) -> Self {
        Self::new(Effect::Flip(offset))
    }

    /// Sends the answer's body at this many bytes a second.
    pub fn throttle(bytes_per_second: u64) -> Self {
        Self::new(Effect::Throttle(bytes_per_second.max(1)))
    }

    /// Sets a header of the answer, such as a wrong `Docker-Content-Digest` or a foreign `Location`. An
    /// invalid header is left out.
    pub fn header(name: &str, value: &str) -> Self {
        let mut fault = Self::new(Effect::Delay(Duration::ZERO));
        fault.effects.clear();
        fault.with_header(name, value)
    }

    /// Leaves a header out of the answer.
    pub fn without_header(name: &str) -> Self {
        let mut fault = Self::new(Effect::Delay(Duration::ZERO));
        fault.effects.clear();
        fault
            .effects
            .extend(HeaderName::try_from(name).ok().map(Effect::RemoveHeader));
        fault
    }

    /// Answers a request for a part with 200 and the whole.
    pub fn ignore_range() -> Self {
        Self::new(Effect::IgnoreRange)
    }

    /// Answers a request for a part with 206 and the right `Content-Range`, but with the first bytes of the
    /// content.
    pub fn lie_about_range() -> Self {
        Self::new(Effect::LieAboutRange)
    }

    /// Adds the effects of `other`; the conditions stay those of this fault.
    pub fn and(mut self, other: Self) -> Self {
        self.effects.extend(other.effects);
        self
    }

    /// Also sets a header of the answer.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.effects.push(Effect::SetHeader(name, value));
        }
        self
    }

    /// Sends this body instead of the answer's.
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.effects.push(Effect::Body(body.into()));
        self
    }
}

/// Conditions.
impl Fault {
    /// Only requests to this kind of path.
    pub fn on(mut self, kind: RouteKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only requests with this method.
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only requests to the repository at this path.
    pub fn repository(mut self, path: &str) -> Self {
        self.repository = Some(path.to_owned());
        self
    }

    /// Only requests whose path ends with this digest.
    pub fn digest(mut self, digest: &Digest) -> Self {
        self.digest = Some(digest.clone());
        self
    }

    /// Not the first `requests` that fit.
    pub fn after(mut self, requests: u64) -> Self {
        self.after = requests;
        self
    }

    /// At most so many requests.
    pub fn times(mut self, requests: u64) -> Self {
        self.times = requests;
        self
    }
}

/// The effects that one request meets.
#[derive(Debug, Default)]
pub(in crate::testing) struct Script {
    effects: Vec<Effect>,
}
