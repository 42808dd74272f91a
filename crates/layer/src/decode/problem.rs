use std::fmt::Display;

use crate::{Error, ErrorKind};

/// A failure, before the position is known.
#[derive(Debug)]
pub(super) struct Problem {
    kind: ErrorKind,
    message: String,
}

impl Problem {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(super) fn wrap(error: &Error) -> Self {
        Self::new(error.kind(), error.to_string())
    }

    pub(super) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// `what` is more than the field `limit` of the limits allows.
    pub(super) fn limit(what: impl Display, limit: &str, most: impl Display) -> Self {
        Self::new(
            ErrorKind::TooLarge,
            format!("{what}; the limit `{limit}` is {most}"),
        )
    }

    /// The error, after this many compressed bytes.
    pub(super) fn at(&self, consumed: u64) -> Error {
        Error::new(
            self.kind,
            format!("layer, after {consumed} bytes: {}", self.message),
        )
    }
}
