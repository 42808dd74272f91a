use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;
use wharf_auth::Scopes;
use wharf_content::ErrorKind;
use wharf_http::{Redacted, RequestBody, RequestClass, ResponseBody};

use crate::error::{Error, Operation};

/// One request of the protocol, before it is known where it goes.
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    /// What it is about, for errors.
    pub(crate) subject: String,
    pub(crate) method: Method,
    pub(crate) to: Destination<'a>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Payload<'a>,
    pub(crate) scopes: Scopes,
    /// The statuses that are answers; all others are errors.
    pub(crate) expect: &'static [u16],
    /// Whether it may be sent again although the first may have had an effect (X5).
    pub(crate) repeatable: bool,
    /// Whether it only saves work: it is sent once and not waited for long.
    pub(crate) is_optional: bool,
    /// The most bytes of an answer that is read whole: a body that breaks off is a try that failed.
    pub(crate) whole: Option<u64>,
    /// How many bytes will move, as far as it is known.
    pub(crate) volume: u64,
}

/// From so many bytes on, a request gets a connection of its own.
pub(crate) const BULK: u64 = 4 * 1024 * 1024;

pub(crate) enum Destination<'a> {
    /// Below the root of the API.
    Path(&'a str),
    /// Exactly here, on the endpoint's own origin.
    Url(Url),
    /// Exactly here, on any origin: without credentials, and without redirects.
    Elsewhere(Url),
}

pub(crate) enum Payload<'a> {
    Empty,
    Bytes(Bytes),
    /// Makes the body, once per try; `None` if it cannot be made again.
    Stream(&'a (dyn Fn() -> Option<RequestBody> + Send + Sync)),
}

/// An expected answer.
pub(crate) struct RegistryAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ResponseBody,
    /// The body, if the call reads it whole.
    pub(crate) bytes: Bytes,
    /// The URL that gave it.
    pub(crate) url: Url,
    /// Whether it was the registry itself, without a redirect through another host.
    pub(crate) is_home: bool,
}

impl RegistryAnswer {
    /// An effect counts only if the registry itself confirms it (N6).
    pub(crate) fn check_home(&self, operation: Operation, subject: &str) -> Result<(), Error> {
        if self.is_home {
            return Ok(());
        }
        let reason = "another host than the registry answered";
        Err(Error::new(ErrorKind::Server, operation, subject, reason).at(Redacted(&self.url)))
    }
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        operation: Operation,
        subject: impl std::fmt::Display,
        method: Method,
        path: &'a str,
        expect: &'static [u16],
    ) -> Self {
        Self {
            operation,
            subject: subject.to_string(),
            method,
            to: Destination::Path(path),
            headers: HeaderMap::new(),
            body: Payload::Empty,
            scopes: Scopes::none(),
            expect,
            repeatable: true,
            is_optional: false,
            whole: None,
            volume: 0,
        }
    }

    pub(crate) fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: header::HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    pub(crate) fn with_body(mut self, body: Payload<'a>) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn at_url(mut self, url: Url) -> Self {
        self.to = Destination::Url(url);
        self
    }

    pub(crate) fn elsewhere(mut self, url: Url) -> Self {
        self.to = Destination::Elsewhere(url);
        self
    }

    /// Reads the answer's body whole, at most `limit` bytes (X1).
    pub(crate) fn read_whole(mut self, limit: u64) -> Self {
        self.whole = Some(limit);
        self
    }

    pub(crate) const fn with_volume(mut self, bytes: u64) -> Self {
        self.volume = bytes;
        self
    }

    /// Spends no retries on it, and the time of [`RequestClass::Optional`].
    pub(crate) const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    pub(crate) fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    /// How long the registry may need before it answers.
    pub(super) fn class(&self) -> RequestClass {
        match (self.operation, &self.method) {
            _ if self.is_optional => RequestClass::Optional,
            // Nobody waits for what is told of an upload that was given up.
            (Operation::PushBlob, &Method::DELETE) => RequestClass::Question,
            (_, &Method::PUT | &Method::PATCH | &Method::DELETE) => RequestClass::Commit,
            (
                Operation::PullManifest
                | Operation::PullBlob
                | Operation::ListTags
                | Operation::ListRepositories
                | Operation::ListReferrers
                | Operation::Search,
                _,
            ) => RequestClass::Content,
            _ => RequestClass::Question,
        }
    }

    pub(super) fn error(&self, kind: ErrorKind, reason: impl Into<String>) -> Error {
        Error::new(kind, self.operation, &self.subject, reason)
    }
}
