//! Failures of the database, as errors of the family.

use std::{error, fmt, io};

use tokio_postgres::error::DbError;
use wharf_content::{Error, ErrorKind};

use crate::text::bounded;

/// A failure of a statement or a connection. Keeps nothing of the client library's error but what can be told: a
/// server's details may repeat the values of a row.
#[derive(Debug)]
pub(super) struct Failure {
    code: Option<Box<str>>,
    /// Whether the connection is gone, so that nothing is known of the statement under way.
    is_lost: bool,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for Failure {}

/// The error of an operation that failed, such as `("connect", ...)`.
pub(super) fn failed(doing: &str, error: &tokio_postgres::Error) -> Error {
    if let Some(refusal) = error.as_db_error() {
        return refused(doing, refusal);
    }
    let causes = chain(error);
    let io = causes.iter().find_map(|cause| cause.downcast_ref::<io::Error>());
    let is_tls = causes.iter().any(|cause| cause.is::<rustls::Error>())
        || io
            .and_then(io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .is_some();
    let kind = if is_tls || error.to_string().contains("TLS") {
        ErrorKind::Tls
    } else if let Some(io) = io {
        match io.kind() {
            io::ErrorKind::TimedOut => ErrorKind::Timeout,
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Network,
        }
    } else if error.is_closed() {
        ErrorKind::Network
    } else if error.to_string().contains("authentication") {
        ErrorKind::Unauthorized
    } else {
        ErrorKind::Corrupt // the answer has another form than the statement
    };
    let reasons: Vec<String> = causes.iter().map(ToString::to_string).collect();
    let message = format!("PostgreSQL: cannot {doing}: {}", bounded(&reasons.join(": ")));
    let failure = Failure {
        code: None,
        is_lost: kind == ErrorKind::Network,
        message: message.clone(),
    };
    Error::new(kind, message).with_source(failure)
}

/// The error of an operation that took too long.
pub(crate) fn late(doing: &str) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("PostgreSQL: cannot {doing}: no answer in time"),
    )
}

/// Whether the operation may succeed if it is repeated as a whole, on another connection.
pub(super) fn is_transient(error: &Error) -> bool {
    failure(error).is_some_and(|failure| {
        failure.is_lost
            || failure.code.as_deref().is_some_and(|code| {
                // Classes of PostgreSQL's appendix A: connection exceptions, transaction rollback, operator intervention.
                matches!(code, "40001" | "40P01" | "53300" | "55P03" | READ_ONLY | RECOVERY)
                    || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
                    || code.starts_with("08")
            })
    })
}

/// Whether a row was to be removed that another one refers to, or the other way round.
pub(super) fn is_linked(error: &Error) -> bool {
    failure(error).is_some_and(|failure| failure.code.as_deref() == Some("23503"))
}

/// Whether a text was no number, as that of the statement by which a transaction begins that may not change anything.
pub(super) fn is_fence(error: &Error) -> bool {
    failure(error).is_some_and(|failure| failure.code.as_deref() == Some("22P02"))
}

/// The code of a statement that a standby has refused. A connection to a standby is refused when it is made, so a pooler has
/// changed the server behind this one; a new connection may lead to the primary.
const READ_ONLY: &str = "25006";
/// The code of the statement that begins a transaction and that a standby has refused.
const RECOVERY: &str = "0A000";

fn failure(error: &Error) -> Option<&Failure> {
    error.inner()?.downcast_ref()
}

fn refused(doing: &str, refusal: &DbError) -> Error {
    let code = refusal.code().code();
    let message = format!(
        "PostgreSQL: cannot {doing}: {} (SQLSTATE {code})",
        bounded(refusal.message())
    );
    let failure = Failure {
        code: Some(code.into()),
        is_lost: false,
        message: message.clone(),
    };
    Error::new(kind_of(code), message).with_source(failure)
}

/// The kind of an error with this code (PostgreSQL's appendix A).
fn kind_of(code: &str) -> ErrorKind {
    match code {
        "28P01" | "28000" => ErrorKind::Unauthorized,
        "42501" | READ_ONLY | RECOVERY => ErrorKind::Denied,
        // Database, schema, table, column, function: not what this release made.
        "3D000" | "3F000" | "42P01" | "42703" | "42883" | "42P07" => ErrorKind::Unsupported,
        "53100" => ErrorKind::NoSpace,
        // Text for which an index has no room.
        "54000" => ErrorKind::TooLarge,
        "53300" => ErrorKind::RateLimited,
        // Waited too long: for a lock, for an answer, idle between statements, refused to be repeated.
        "40001" | "40P01" | "55P03" | "57014" | "25P03" => ErrorKind::Timeout,
        _ if code.starts_with("08") || code.starts_with("57P") => ErrorKind::Network,
        _ if code.starts_with("XX00") && code != "XX000" => ErrorKind::Corrupt,
        _ => ErrorKind::Storage,
    }
}

fn chain<'e>(error: &'e (dyn error::Error + 'static)) -> Vec<&'e (dyn error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_kind_that_tells_what_to_do() {
        for (code, kind) in [
            ("28P01", ErrorKind::Unauthorized),
            ("28000", ErrorKind::Unauthorized),
            ("42501", ErrorKind::Denied),
            ("3D000", ErrorKind::Unsupported),
            ("42P01", ErrorKind::Unsupported),
            ("42703", ErrorKind::Unsupported),
            ("53100", ErrorKind::NoSpace),
            ("54000", ErrorKind::TooLarge),
            ("53200", ErrorKind::Storage),
            ("53300", ErrorKind::RateLimited),
            ("40001", ErrorKind::Timeout),
            ("40P01", ErrorKind::Timeout),
            ("55P03", ErrorKind::Timeout),
            ("57014", ErrorKind::Timeout),
            ("25P03", ErrorKind::Timeout),
            ("57P01", ErrorKind::Network),
            ("57P03", ErrorKind::Network),
            ("08006", ErrorKind::Network),
            ("25006", ErrorKind::Denied),
            ("0A000", ErrorKind::Denied),
            ("58030", ErrorKind::Storage),
            ("XX000", ErrorKind::Storage),
            ("XX001", ErrorKind::Corrupt),
            ("XX002", ErrorKind::Corrupt),
            ("", ErrorKind::Storage),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }
}
