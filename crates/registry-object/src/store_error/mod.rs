//! Failures of a store, as errors of the family.

mod answer;

use std::io;

use wharf_content::{Error, ErrorKind};

use self::answer::Answer;
use crate::text::bounded;

/// A reason, with its kind and the next step for the operator.
struct Reason {
    kind: ErrorKind,
    text: String,
    advice: &'static str,
}

/// The error of a request that failed, such as `("read an object", ...)`. Nothing of `error` is kept: its text has the URL of the request, and what the
/// server said may repeat a signed request with its session token.
///
/// | failure | kind |
/// |---|---|
/// | the object is absent | [`ErrorKind::NotFound`] |
/// | the bucket, or the directory of a store, is absent | [`ErrorKind::Server`] |
/// | 401, or 403 whose code is about the key | [`ErrorKind::Unauthorized`] |
/// | another 403 | [`ErrorKind::Denied`] |
/// | the clock is wrong (403) | [`ErrorKind::Unauthorized`] |
/// | 429, `SlowDown` | [`ErrorKind::RateLimited`] |
/// | 409, 412 | [`ErrorKind::Conflict`] |
/// | another 5xx, 408 | [`ErrorKind::Server`] |
/// | no connection, no answer | that of the connection |
/// | the disk is full | [`ErrorKind::NoSpace`] |
#[cfg(feature = "postgres")]
pub(crate) fn failed(doing: &str, error: &object_store::Error) -> Error {
    tell(&format!("the object store cannot {doing}"), error)
}

/// As [`failed`], of a request that writes: what is absent is then no object that a client has asked for, but
/// the bucket, the directory or the upload in parts, and the kind is [`ErrorKind::Server`].
#[cfg(feature = "postgres")]
pub(crate) fn failed_write(doing: &str, error: &object_store::Error) -> Error {
    let failure = failed(doing, error);
    if matches!(error, object_store::Error::NotFound { .. }) || failure.kind() == ErrorKind::NotFound {
        return Error::new(ErrorKind::Server, failure.to_string());
    }
    failure
}

/// The error of an operation on an object of the store with this address, as [`failed`] has it.
#[cfg(feature = "store")]
pub(crate) fn failed_at(address: &str, operation: &str, object: &str, error: &object_store::Error) -> Error {
    tell(&format!("the store {address} cannot {operation} {object}"), error)
}

fn tell(what: &str, error: &object_store::Error) -> Error {
    let Reason { kind, text, advice } = reason(error);
    let mut message = format!("{what}: {text}");
    if !advice.is_empty() {
        message.push_str("; ");
        message.push_str(advice);
    }
    Error::new(kind, message)
}

fn reason(error: &object_store::Error) -> Reason {
    use object_store::Error as E;
    let answer = Answer::of(error);
    if let Some(reason) = answer.code.as_deref().and_then(known_code) {
        return reason;
    }
    let shown = answer.shown();
    match error {
        E::NotFound { path, .. } => new(
            ErrorKind::NotFound,
            format!("there is no object {}", bounded(path)),
        ),
        E::AlreadyExists { .. } | E::Precondition { .. } => {
            new(ErrorKind::Conflict, format!("another writer changed it{shown}"))
        }
        E::Unauthenticated { .. } => new(ErrorKind::Unauthorized, format!("the key is refused{shown}"))
            .advise("check the key of the store"),
        E::PermissionDenied { .. } => new(ErrorKind::Denied, format!("access is denied{shown}"))
            .advise("the key needs the rights to get, put, delete and list below the prefix"),
        E::NotSupported { .. } | E::NotImplemented { .. } => {
            new(ErrorKind::Unsupported, "the store does not support it")
        }
        E::InvalidPath { .. } => new(ErrorKind::Invalid, "no object has such a name"),
        _ => match answer.status {
            Some(429) => new(ErrorKind::RateLimited, format!("too many requests{shown}")),
            Some(400) => new(ErrorKind::Unsupported, format!("the request is refused{shown}"))
                .advise("check the region, the endpoint and the key"),
            Some(301 | 302 | 307 | 308) => {
                new(ErrorKind::Unsupported, format!("the bucket is elsewhere{shown}"))
                    .advise("check the region and the endpoint")
            }
            Some(507) => new(ErrorKind::NoSpace, format!("the store is full{shown}")),
            Some(_) => new(ErrorKind::Server, format!("the server failed{shown}")),
            None => unanswered(error),
        },
    }
}

/// The codes that S3, Google and Azure give their errors, as far as they tell more than the status.
fn known_code(code: &str) -> Option<Reason> {
    Some(match code {
        "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted" | "AccountIsDisabled" => {
            new(ErrorKind::Server, "the bucket does not exist")
                .advise("create it, or check its name and the endpoint")
        }
        "NoSuchUpload" => new(ErrorKind::NotFound, "the upload does not exist"),
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "AuthenticationFailed"
        | "InvalidAuthenticationInfo"
        | "InvalidToken"
        | "ExpiredToken"
        | "TokenRefreshRequired"
        | "AuthorizationHeaderMalformed" => {
            new(ErrorKind::Unauthorized, format!("the key is refused ({code})"))
                .advise("check the key, its secret, the session's token and the region")
        }
        "RequestTimeTooSkewed" | "RequestExpired" => new(
            ErrorKind::Unauthorized,
            format!("the clocks differ too much ({code})"),
        )
        .advise("set the clock of this machine"),
        "SlowDown" | "Throttling" | "TooManyRequests" | "RequestLimitExceeded" | "ServerBusy" => {
            new(ErrorKind::RateLimited, format!("too many requests ({code})"))
        }
        "EntityTooLarge" | "RequestBodyTooLarge" => new(
            ErrorKind::TooLarge,
            format!("it is too large for the store ({code})"),
        ),
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" => {
            new(ErrorKind::NoSpace, format!("the store is full ({code})"))
        }
        "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException" => new(
            ErrorKind::Unsupported,
            format!("the bucket is in another region ({code})"),
        )
        .advise("set its region"),
        _ => return None,
    })
}

/// A failure without an answer: of the connection, of the disk, or of what answered.
fn unanswered(error: &object_store::Error) -> Reason {
    for cause in causes(error) {
        #[cfg(feature = "http")]
        if let Some(failure) = cause.downcast_ref::<wharf_http::Error>() {
            let advice = "check the endpoint, the proxy and the network";
            return new(kind_of(failure.kind()), failure.to_string()).advise(advice);
        }
        if let Some(failure) = cause.downcast_ref::<io::Error>() {
            return new(io_kind(failure.kind()), failure.kind().to_string());
        }
    }
    let text = causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    if text.contains("redirect without LOCATION") {
        return new(ErrorKind::Unsupported, "the bucket is elsewhere")
            .advise("check the region and the endpoint");
    }
    if [
        "instance",
        "metadata",
        "token request",
        "managed identity",
        "credentials",
        "OAuth",
    ]
    .iter()
    .any(|part| text.contains(part))
    {
        return new(
            ErrorKind::Unauthorized,
            "no key could be had from the machine that it runs on",
        )
        .advise("give the key of the store");
    }
    new(ErrorKind::Server, "the answer cannot be read")
}

/// The kind of a failure of a disk, or of a connection that another client made. A directory that a server shares may be away as
/// any server.
pub(crate) const fn io_kind(kind: io::ErrorKind) -> ErrorKind {
    use io::ErrorKind as K;
    match kind {
        K::PermissionDenied => ErrorKind::Denied,
        K::StorageFull | K::QuotaExceeded => ErrorKind::NoSpace,
        K::TimedOut => ErrorKind::Timeout,
        K::ConnectionRefused
        | K::ConnectionReset
        | K::ConnectionAborted
        | K::NotConnected
        | K::BrokenPipe
        | K::HostUnreachable
        | K::NetworkUnreachable
        | K::NetworkDown
        | K::UnexpectedEof => ErrorKind::Network,
        K::NotADirectory | K::StaleNetworkFileHandle => ErrorKind::Server,
        _ => ErrorKind::Storage,
    }
}

/// The kind of an error of a store that did not answer.
#[cfg(feature = "http")]
const fn kind_of(kind: wharf_http::ErrorKind) -> ErrorKind {
    use wharf_http::ErrorKind as K;
    match kind {
        K::Timeout | K::ConnectTimeout => ErrorKind::Timeout,
        K::NotTls | K::Certificate | K::CertificateName | K::CertificateTime | K::Tls => ErrorKind::Tls,
        K::Settings => ErrorKind::Invalid,
        K::Overloaded => ErrorKind::RateLimited,
        _ => ErrorKind::Network,
    }
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
}

fn new(kind: ErrorKind, text: impl Into<String>) -> Reason {
    Reason {
        kind,
        text: text.into(),
        advice: "",
    }
}

impl Reason {
    fn advise(mut self, advice: &'static str) -> Self {
        self.advice = advice;
        self
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use object_store::Error as Failure;

    use super::*;

    fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
        Failure::Generic {
            store: "S3",
            source: source.into(),
        }
    }

    #[test]
    #[cfg(feature = "postgres")]
    fn what_a_write_does_not_find_is_a_failure_of_the_store() {
        let absent = |source: &str| Failure::NotFound {
            path: "v1/data".to_owned(),
            source: source.to_owned().into(),
        };
        let kinds = [
            (absent("status code: 404"), ErrorKind::Server),
            (
                absent("status code: 404 <Code>NoSuchKey</Code>"),
                ErrorKind::Server,
            ),
            (
                absent("status code: 404 <Code>NoSuchBucket</Code>"),
                ErrorKind::Server,
            ),
            (
                absent("status code: 404 <Code>NoSuchUpload</Code>"),
                ErrorKind::Server,
            ),
            (
                absent("status code: 404 <Code>ContainerNotFound</Code>"),
                ErrorKind::Server,
            ),
            (
                generic("status code: 404 <Code>NoSuchUpload</Code>"),
                ErrorKind::Server,
            ),
            (
                generic("status code: 503 <Code>SlowDown</Code>"),
                ErrorKind::RateLimited,
            ),
            (
                Failure::PermissionDenied {
                    path: String::new(),
                    source: "403".into(),
                },
                ErrorKind::Denied,
            ),
        ];
        for (failure, kind) in kinds {
            let error = failed_write("write an object", &failure);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(
                error
                    .to_string()
                    .starts_with("the object store cannot write an object: ")
            );
        }
    }

    #[test]
    fn each_failure_has_a_kind_and_nothing_of_the_text_of_a_server() {
        let (path, source) = (|| "v1/data".to_owned(), || "https://h/o?sig=canary".into());
        let absent = || Failure::NotFound {
            path: path(),
            source: source(),
        };
        let denied = Failure::PermissionDenied {
            path: path(),
            source: source(),
        };
        let refused = Failure::Unauthenticated {
            path: path(),
            source: source(),
        };
        let changed = Failure::Precondition {
            path: path(),
            source: source(),
        };
        let io = |kind: io::ErrorKind| generic(io::Error::from(kind));
        for (failure, kind, part) in [
            (absent(), ErrorKind::NotFound, "there is no object v1/data"),
            (denied, ErrorKind::Denied, "rights"),
            (refused, ErrorKind::Unauthorized, "check the key"),
            (changed, ErrorKind::Conflict, "another writer"),
            (
                Failure::NotSupported { source: source() },
                ErrorKind::Unsupported,
                "support",
            ),
            (generic("canary"), ErrorKind::Server, "cannot be read"),
            (
                generic("status code: 503 Slow: canary"),
                ErrorKind::Server,
                "(503)",
            ),
            (
                generic("status code: 503 Slow: <Code>SlowDown</Code>"),
                ErrorKind::RateLimited,
                "SlowDown",
            ),
            (
                generic("status code: 500 canary<Code>can\nary</Code>"),
                ErrorKind::Server,
                "(500)",
            ),
            (
                generic("Error performing token request: canary"),
                ErrorKind::Unauthorized,
                "give the key",
            ),
            (
                io(io::ErrorKind::StorageFull),
                ErrorKind::NoSpace,
                "no storage space",
            ),
            (io(io::ErrorKind::ConnectionReset), ErrorKind::Network, "reset"),
            (io(io::ErrorKind::TimedOut), ErrorKind::Timeout, "timed out"),
            (io(io::ErrorKind::NotADirectory), ErrorKind::Server, "directory"),
            (
                io(io::ErrorKind::StaleNetworkFileHandle),
                ErrorKind::Server,
                "stale",
            ),
            (io(io::ErrorKind::IsADirectory), ErrorKind::Storage, "directory"),
        ] {
            let error = failed("read an object", &failure);
            assert_eq!(error.kind(), kind, "{error}");
            let told = format!("{error} {error:?} {error:#?}");
            assert!(told.contains(part) && !told.contains("canary"), "{told}");
            assert!(
                told.starts_with("the object store cannot read an object: "),
                "{told}"
            );
        }
    }
}
