//! Failures of the store, as errors of the family.

use std::{error, io};

use object_store::Error as Failure;
use wharf_content::{Error, ErrorKind};

use crate::text::bounded;

/// The error of a request that failed, such as `("read an object", ...)`.
///
/// The store's own error is not kept as the source: it may name a URL that is signed.
pub(crate) fn failed(doing: &str, failure: &Failure) -> Error {
    let reason = match failure {
        // Its text repeats the path, and tells nothing more.
        Failure::NotFound { path, .. } => format!("there is no object {path}"),
        _ => failure.to_string(),
    };
    let message = format!(
        "object store: cannot {doing}: {}",
        bounded(&without_queries(&reason))
    );
    Error::new(kind_of(failure), message)
}

fn kind_of(failure: &Failure) -> ErrorKind {
    match failure {
        Failure::NotFound { .. } => ErrorKind::NotFound,
        Failure::PermissionDenied { .. } => ErrorKind::Denied,
        Failure::Unauthenticated { .. } => ErrorKind::Unauthorized,
        Failure::NotSupported { .. } | Failure::NotImplemented { .. } => ErrorKind::Unsupported,
        Failure::AlreadyExists { .. } | Failure::Precondition { .. } => ErrorKind::Conflict,
        Failure::InvalidPath { .. } => ErrorKind::Invalid,
        Failure::Generic { source, .. } => match io_kind(source.as_ref()) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => ErrorKind::NoSpace,
            Some(io::ErrorKind::PermissionDenied) => ErrorKind::Denied,
            Some(io::ErrorKind::TimedOut) => ErrorKind::Timeout,
            Some(kind) if is_of_a_network(kind) => ErrorKind::Network,
            Some(_) => ErrorKind::Storage,
            // The service has answered with a failure, or not at all, although it was asked several times.
            None => ErrorKind::Server,
        },
        _ => ErrorKind::Storage,
    }
}

const fn is_of_a_network(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::UnexpectedEof
    )
}

fn io_kind(failure: &(dyn error::Error + 'static)) -> Option<io::ErrorKind> {
    let mut causes = std::iter::successors(Some(failure), |error| error.source());
    causes
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind)
}

/// The text without the queries of URLs, which may sign a request.
fn without_queries(text: &str) -> String {
    let is_end =
        |character: char| character.is_whitespace() || matches!(character, '"' | '\'' | ')' | '>' | ',');
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('?') {
        kept.push_str(before);
        let end = after.find(is_end).unwrap_or(after.len());
        if end > 0 {
            kept.push_str("?...");
        } else {
            kept.push('?');
        }
        rest = after.get(end..).unwrap_or_default();
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Failure {
        Failure::Generic {
            store: "S3",
            source: source.into(),
        }
    }

    #[test]
    fn each_failure_has_a_kind_that_tells_what_to_do() {
        let (path, source) = (|| "v1/data".to_owned(), || "reason".into());
        for (failure, kind) in [
            (
                Failure::NotFound {
                    path: path(),
                    source: source(),
                },
                ErrorKind::NotFound,
            ),
            (
                Failure::PermissionDenied {
                    path: path(),
                    source: source(),
                },
                ErrorKind::Denied,
            ),
            (
                Failure::Unauthenticated {
                    path: path(),
                    source: source(),
                },
                ErrorKind::Unauthorized,
            ),
            (Failure::NotSupported { source: source() }, ErrorKind::Unsupported),
            (
                Failure::Precondition {
                    path: path(),
                    source: source(),
                },
                ErrorKind::Conflict,
            ),
            (generic("503 SlowDown"), ErrorKind::Server),
            (
                generic(io::Error::from(io::ErrorKind::StorageFull)),
                ErrorKind::NoSpace,
            ),
            (
                generic(io::Error::from(io::ErrorKind::ConnectionReset)),
                ErrorKind::Network,
            ),
            (
                generic(io::Error::from(io::ErrorKind::TimedOut)),
                ErrorKind::Timeout,
            ),
            (
                generic(io::Error::from(io::ErrorKind::NotADirectory)),
                ErrorKind::Storage,
            ),
        ] {
            let error = failed("read an object", &failure);
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn signatures_in_urls_are_not_told() {
        for (text, told) in [
            ("GET https://h/b/o?sig=abc failed", "GET https://h/b/o?... failed"),
            (
                "(https://h/?a=b&X-Amz-Signature=c) and https://i/?d",
                "(https://h/?...) and https://i/?...",
            ),
            ("what? nothing", "what? nothing"),
            ("", ""),
            ("https://h/o?sig=abc", "https://h/o?..."),
        ] {
            assert_eq!(without_queries(text), told);
        }
        let error = failed("write an object", &generic("https://h/o?sig=secret\n\u{1b}"));
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
