use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use url::Url;
use wharf_auth::Scopes;
use wharf_content::ErrorKind;
use wharf_http::{Redacted, RequestBody, RequestClass, Response, ResponseBody};

use crate::error::{Error, Operation};

/// A request of the protocol, independent of the endpoint that it is sent to.
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    /// The object of the operation, for errors.
    pub(crate) subject: String,
    pub(crate) method: Method,
    pub(crate) to: Destination<'a>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Payload<'a>,
    pub(crate) scopes: Scopes,
    /// The statuses that are answers; all others are errors.
    pub(crate) expect: &'static [u16],
    /// True if the request may be repeated although the first one may have had an effect (docs/threats.md,
    /// X5).
    pub(crate) repeatable: bool,
    /// True if the request only saves work: it is sent once, with a short time limit.
    pub(crate) is_optional: bool,
    /// Whether a login is sent and redirects are followed.
    pub(crate) access: Access,
    /// If set, the attempt reads the body of the answer up to this many bytes, so that a truncated body is
    /// a failed attempt and is repeated.
    pub(crate) whole: Option<u64>,
    /// The number of bytes that the request moves, as far as it is known.
    pub(crate) volume: u64,
}

/// The least number of bytes of a request that gets a connection of its own.
pub(crate) const BULK: u64 = 4 * 1024 * 1024;

/// Whether a login is sent with a request, and whether redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// A login if the server asks for one; redirects are followed.
    AsAsked,
    /// No login, and nothing is learned about the server; redirects are followed.
    Anonymous,
    /// No login, and no redirect is followed.
    AnonymousAtHome,
}

/// The URL of a request.
pub(crate) enum Destination<'a> {
    /// A path below the root of the API.
    Path(&'a str),
    /// A URL on the origin of the endpoint.
    Url(Url),
    /// A URL on any origin, requested without credentials and without redirects.
    Elsewhere(Url),
}

/// The body of a request.
pub(crate) enum Payload<'a> {
    Empty,
    Bytes(Bytes),
    /// Makes the body, once per attempt; `None` if it cannot be made again.
    Stream(&'a (dyn Fn() -> Option<RequestBody> + Send + Sync)),
}

/// An answer with an expected status.
pub(crate) struct RegistryAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ResponseBody,
    /// The body, if the call reads it within the attempt.
    pub(crate) bytes: Bytes,
    /// The URL that answered.
    pub(crate) url: Url,
    /// True if the registry itself answered, without a redirect through another host.
    pub(crate) is_home: bool,
}

impl RegistryAnswer {
    /// The response of another host than the registry, whose body has not been read.
    pub(super) fn of_another_host(response: Response, url: Url) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
            bytes: Bytes::new(),
            url,
            is_home: false,
        }
    }

    /// Checks that the registry itself answered: no other host can confirm an effect (docs/threats.md, N6).
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
            access: Access::AsAsked,
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

    /// Reads the body of the answer within the attempt, at most `limit` bytes (docs/threats.md, X1).
    pub(crate) fn read_whole(mut self, limit: u64) -> Self {
        self.whole = Some(limit);
        self
    }

    pub(crate) const fn with_volume(mut self, bytes: u64) -> Self {
        self.volume = bytes;
        self
    }

    /// Sends no login, whatever the server asks for: 401 is judged as any other status.
    pub(crate) const fn anonymous(mut self) -> Self {
        self.access = Access::Anonymous;
        self
    }

    /// Sends no login, and judges a redirect as any other status.
    pub(crate) const fn anonymous_at_home(mut self) -> Self {
        self.access = Access::AnonymousAtHome;
        self
    }

    /// Makes the request optional: it is not repeated, and has the time limit of
    /// [`RequestClass::Optional`].
    pub(crate) const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// Excludes repetitions after the registry may have processed the request.
    pub(crate) fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    pub(super) const fn is_anonymous(&self) -> bool {
        !matches!(self.access, Access::AsAsked)
    }

    /// True if the request is for a store of signatures, which is no registry.
    pub(super) fn is_to_store(&self) -> bool {
        self.is_anonymous() && self.operation == Operation::PullSignatures
    }

    /// The class of the request, which decides its time limit.
    pub(super) fn class(&self) -> RequestClass {
        match (self.operation, &self.method) {
            _ if self.is_optional => RequestClass::Optional,
            // Nothing depends on the cancellation of an upload.
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
