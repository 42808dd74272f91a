//! The errors for statuses that are no expected answers.

use http::StatusCode;
use wharf_auth::Authorization;
use wharf_content::{ErrorKind, Hint, RegistryError};
use wharf_http::ErrorEntry;

use super::Call;
use crate::{
    endpoint::Endpoint,
    error::{Error, Operation},
    hint,
};

/// The error for a status that is not an expected answer.
///
/// | status | codes | kind |
/// |---|---|---|
/// | 404 or any | `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`, `BLOB_UNKNOWN` ... | not found |
/// | 401 | any | unauthorized |
/// | 403 or any | `DENIED` | denied |
/// | 429 or any | `TOOMANYREQUESTS` | rate limited |
/// | 413 or any | `SIZE_INVALID` on a manifest | too large |
/// | 400 | `DIGEST_INVALID` | mismatch |
/// | 405, 501 or any | `UNSUPPORTED` | unsupported |
/// | 409, 412 | | conflict |
/// | other 4xx | | invalid |
/// | 408, 504 | | timeout |
/// | 5xx, 3xx | | server |
pub(crate) fn status_error(
    call: &Call<'_>,
    endpoint: &Endpoint,
    sent: Option<&Authorization>,
    status: StatusCode,
    entries: &[ErrorEntry],
) -> Error {
    let has = |wanted: &[&str]| entries.iter().any(|error| wanted.contains(&error.code.as_str()));
    let says_not_found = || {
        entries
            .iter()
            .any(|error| error.message.eq_ignore_ascii_case("not found"))
    };
    let kind = match status.as_u16() {
        401 => ErrorKind::Unauthorized,
        429 => ErrorKind::RateLimited,
        _ if has(&["TOOMANYREQUESTS"]) => ErrorKind::RateLimited,
        404 => ErrorKind::NotFound,
        400..=499
            if has(&[
                "MANIFEST_UNKNOWN",
                "NAME_UNKNOWN",
                "BLOB_UNKNOWN",
                "BLOB_UPLOAD_UNKNOWN",
            ]) =>
        {
            ErrorKind::NotFound
        }
        403 => ErrorKind::Denied,
        400..=499 if has(&["DENIED"]) => ErrorKind::Denied,
        413 => ErrorKind::TooLarge,
        405 | 501 => ErrorKind::Unsupported,
        400..=499 if has(&["UNSUPPORTED"]) => ErrorKind::Unsupported,
        400 if has(&["DIGEST_INVALID"]) => ErrorKind::Mismatch,
        408 | 504 => ErrorKind::Timeout,
        400..=499 if says_not_found() => ErrorKind::NotFound,
        409 | 412 => ErrorKind::Conflict,
        400..=499 => ErrorKind::Invalid,
        _ => ErrorKind::Server,
    };
    let anonymous = sent.is_none_or(Authorization::is_anonymous);
    let codes: Vec<RegistryError> = entries
        .iter()
        .map(|entry| RegistryError::new(&*entry.code, &*entry.message, &*entry.detail))
        .collect();
    let hint = if call.is_to_store() {
        Some(Hint::CheckSignatureStore)
    } else {
        hint::of_status(
            kind,
            call.operation,
            &call.method,
            &endpoint.registry,
            anonymous,
            &codes,
        )
    };
    Error::new(kind, call.operation, &call.subject, reason(kind, status, entries)).edit(|inner| {
        inner.status = Some(status.as_u16());
        inner.codes = codes;
        inner.hint = hint;
    })
}

/// True for a 403 whose message says that the token or password has expired (Amazon ECR).
pub(crate) fn says_expired(error: &Error) -> bool {
    let expired = |said: &RegistryError| said.message.to_ascii_lowercase().contains("expired");
    error.status() == Some(403) && error.registry_errors().iter().any(expired)
}

/// The error for a missing object, where 404 is an expected status.
pub(crate) fn not_there(operation: Operation, subject: &str, url: &url::Url) -> Error {
    Error::new(
        ErrorKind::NotFound,
        operation,
        subject,
        ErrorKind::NotFound.to_string(),
    )
    .at(wharf_http::Redacted(url))
    .edit(|inner| inner.status = Some(404))
}

/// The messages of the registry if there are any, and the status otherwise.
fn reason(kind: ErrorKind, status: StatusCode, entries: &[ErrorEntry]) -> String {
    let mut reason = match kind {
        ErrorKind::Server | ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::Other => {
            format!("the server answered {}", status.as_u16())
        }
        kind => kind.to_string(),
    };
    let said: Vec<String> = entries.iter().map(ErrorEntry::to_string).collect();
    if !said.is_empty() {
        reason.push_str(" (");
        reason.push_str(&said.join("; "));
        reason.push(')');
    }
    reason
}
