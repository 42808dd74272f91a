use std::borrow::Cow;

use crate::{Error, ErrorKind};

/// A failure, before the member and the position are known.
#[derive(Debug)]
pub(super) struct Problem {
    kind: ErrorKind,
    message: Cow<'static, str>,
}

impl Problem {
    pub(super) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(super) fn corrupt(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// `what` is more than the field `limit` of the limits allows.
    pub(super) fn limit(what: impl std::fmt::Display, limit: &str, most: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::TooLarge,
            format!("{what}; the limit `{limit}` is {most}"),
        )
    }

    /// The problem, with words before it.
    pub(super) fn about(self, words: &str) -> Self {
        Self::new(self.kind, format!("{words}{}", self.message))
    }

    /// The error, with the member and the offset of its first header.
    pub(super) fn at(&self, member: Option<&[u8]>, offset: u64) -> Error {
        let message = match member {
            Some(name) => format!("tar member {} at byte {offset}: {}", shown(name), self.message),
            None => format!("tar header at byte {offset}: {}", self.message),
        };
        Error::new(self.kind, message)
    }

    /// The error of a member that is written or made.
    pub(super) fn of(&self, member: &[u8]) -> Error {
        Error::new(
            self.kind,
            format!("tar member {}: {}", shown(member), self.message),
        )
    }
}

/// A foreign name for a message: at most 120 characters, control characters escaped.
pub(crate) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let mut short: String = text.chars().take(120).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
