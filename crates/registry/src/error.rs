use std::{borrow::Cow, io};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use wharf_content::{Error, ErrorKind};

use crate::{
    Body,
    state::{PushError, QuotaExceeded},
};

/// The error codes of distribution-spec, *Error Codes*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The blob is not in this repository.
    BlobUnknown,
    /// The upload cannot go on in this way.
    BlobUploadInvalid,
    /// There is no such upload session.
    BlobUploadUnknown,
    /// The digest is malformed, of an unknown algorithm, or not the content's.
    DigestInvalid,
    /// A manifest names a blob or manifest that is not in this repository.
    ManifestBlobUnknown,
    /// The manifest cannot be accepted.
    ManifestInvalid,
    /// The manifest is not in this repository.
    ManifestUnknown,
    /// The repository's name breaks the grammar.
    NameInvalid,
    /// There is no such repository.
    NameUnknown,
    /// A length is not what was announced, or beyond a limit.
    SizeInvalid,
    /// Credentials are missing or wrong.
    Unauthorized,
    /// The credentials do not allow this.
    Denied,
    /// The operation is not offered.
    Unsupported,
    /// The client should slow down.
    TooManyRequests,
    /// The registry itself failed; not in the specification's list.
    Unknown,
}

impl ErrorCode {
    /// The code as it stands in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// An error as the API answers it: a status, a code of distribution-spec, a message and headers.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: ErrorCode,
    message: Cow<'static, str>,
    headers: Option<Box<HeaderMap>>,
}

pub(crate) type ApiResult = Result<Response<Body>, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            headers: None,
        }
    }

    pub(crate) fn bad(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn missing(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn too_large(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, message)
    }

    /// Asks the client to retry after so many seconds: 429, or 503.
    pub(crate) fn wait(status: StatusCode, seconds: u64, message: impl Into<Cow<'static, str>>) -> Self {
        let code = match status {
            StatusCode::TOO_MANY_REQUESTS => ErrorCode::TooManyRequests,
            _ => ErrorCode::Unknown,
        };
        Self::new(status, code, message).with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// A condition of the request does not hold (RFC 9110, 13).
    pub(crate) fn condition() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            ErrorCode::Denied,
            "If-Match or If-None-Match does not hold for what is here now",
        )
    }

    /// A challenge: 401.
    pub(crate) fn unauthorized(challenge: HeaderValue, message: impl Into<Cow<'static, str>>) -> Self {
        let failure = Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message);
        failure.with_header(header::WWW_AUTHENTICATE, challenge)
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().append(name, value);
        self
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let document = serde_json::json!({
            "errors": [{ "code": self.code.as_str(), "message": self.message }]
        });
        let mut response = Response::new(Body::from(Bytes::from(document.to_string())));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.map(|headers| *headers).unwrap_or_default();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// The `Retry-After`, in seconds, while the storage cannot be reached.
const UNREACHABLE_WAIT: u64 = 2;

/// An error of the backend, as the client sees it. The backend's message is left out, since it may name
/// paths.
impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let (status, code, message) = match error.kind() {
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, ErrorCode::BlobUnknown, "not found"),
            ErrorKind::Mismatch => (
                StatusCode::BAD_REQUEST,
                ErrorCode::DigestInvalid,
                "the content does not have this digest",
            ),
            ErrorKind::Conflict => (StatusCode::CONFLICT, ErrorCode::BlobUploadInvalid, "busy"),
            ErrorKind::NoSpace => (
                StatusCode::INSUFFICIENT_STORAGE,
                ErrorCode::Unknown,
                "no space left",
            ),
            ErrorKind::TooLarge => {
                return Self::too_large(
                    ErrorCode::SizeInvalid,
                    "larger than what the registry's storage takes",
                );
            }
            // An engine that refuses the registry's credentials is away for clients, too.
            ErrorKind::Network
            | ErrorKind::Timeout
            | ErrorKind::Server
            | ErrorKind::RateLimited
            | ErrorKind::Tls
            | ErrorKind::Unauthorized
            | ErrorKind::Denied
            | ErrorKind::Cancelled => {
                let message = "the registry's storage cannot be reached; try again later";
                return Self::wait(StatusCode::SERVICE_UNAVAILABLE, UNREACHABLE_WAIT, message);
            }
            _ if is_exhausted(&error) => {
                let message = "the registry has no free file descriptors or no free memory; try again later";
                return Self::wait(StatusCode::SERVICE_UNAVAILABLE, 1, message);
            }
            _ => (
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::Unknown,
                "the registry's storage failed",
            ),
        };
        Self::new(status, code, message)
    }
}

impl From<QuotaExceeded> for ApiError {
    fn from(exceeded: QuotaExceeded) -> Self {
        Self::too_large(ErrorCode::Denied, exceeded.to_string())
    }
}

impl From<PushError> for ApiError {
    fn from(error: PushError) -> Self {
        let code = match error {
            PushError::Storage(error) => return error.into(),
            PushError::Quota(exceeded) => return exceeded.into(),
            PushError::Condition => return Self::condition(),
            PushError::Missing(_) => ErrorCode::ManifestBlobUnknown,
            PushError::WrongSize(_) | PushError::OtherType => ErrorCode::ManifestInvalid,
        };
        Self::bad(code, error.to_string())
    }
}

/// Whether a call failed because the process or the machine has no more open files or memory for now.
fn is_exhausted(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        // An error that prints as what it wraps has no source for it.
        cause = if let Some(error) = error.downcast_ref::<io::Error>() {
            if is_short(error) {
                return true;
            }
            error.get_ref().map(|inner| inner as _)
        } else if let Some(error) = error.downcast_ref::<Error>() {
            error.inner().map(|inner| inner as _)
        } else {
            error.source()
        };
    }
    false
}

fn is_short(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    error.kind() == io::ErrorKind::OutOfMemory || code.is_some_and(|code| TOO_MANY_FILES.contains(&code))
}

/// `ENFILE` and `EMFILE`, which no [`io::ErrorKind`] stands for.
#[cfg(unix)]
const TOO_MANY_FILES: &[i32] = &[23, 24];
/// `ERROR_TOO_MANY_OPEN_FILES`, and that of sockets, `WSAEMFILE`.
#[cfg(not(unix))]
const TOO_MANY_FILES: &[i32] = &[4, 10024];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_for_now_asks_the_client_to_come_again() {
        let coded =
            |code| Error::new(ErrorKind::Storage, "x").with_source(io::Error::from_raw_os_error(code));
        let wrapped = |error| Error::wrap(ErrorKind::Cancelled, io::Error::other(error));
        let memory = || io::Error::from(io::ErrorKind::OutOfMemory);
        let other = || io::Error::from(io::ErrorKind::PermissionDenied);
        let mut cases = vec![
            (Error::new(ErrorKind::Storage, "x"), 500),
            (Error::new(ErrorKind::Storage, "x").with_source(other()), 500),
            (Error::wrap(ErrorKind::Storage, memory()), 503),
            (Error::new(ErrorKind::Other, "x").with_source(memory()), 503),
            (Error::new(ErrorKind::NotFound, "x").with_source(other()), 404),
            (Error::new(ErrorKind::TooLarge, "x"), 413),
            (Error::new(ErrorKind::Network, "x"), 503),
            (Error::new(ErrorKind::Timeout, "x"), 503),
            (Error::new(ErrorKind::Server, "x"), 503),
            (Error::new(ErrorKind::RateLimited, "x"), 503),
            (Error::new(ErrorKind::Tls, "x"), 503),
            (Error::new(ErrorKind::Unauthorized, "x"), 503),
            (Error::new(ErrorKind::Denied, "x"), 503),
            (Error::new(ErrorKind::Cancelled, "x"), 503),
        ];
        for code in TOO_MANY_FILES {
            cases.push((coded(*code), 503));
            cases.push((wrapped(coded(*code)), 503));
            cases.push((Error::wrap(ErrorKind::Storage, wrapped(coded(*code))), 503));
        }
        for (error, status) in cases {
            let told = format!("{error:?}");
            let response = ApiError::from(error).into_response();
            assert_eq!(response.status(), status, "{told}");
            let waits = response.headers().contains_key(header::RETRY_AFTER);
            assert_eq!(waits, status == 503, "{told}");
        }
    }
}
