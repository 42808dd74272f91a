use std::{error, fmt};

use crate::Problem;

/// Why a signature does not count: by which key it claims to be, and what is wrong.
///
/// It prints both; of foreign text it holds a bounded and escaped part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    kind: ReasonKind,
    key: Option<String>,
    text: String,
}

/// The kinds of [`Reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReasonKind {
    /// It is in no form that a signature of an image has, or in one that the requirement does not take.
    Format,
    /// It is of an algorithm, size or version that is not accepted.
    Algorithm,
    /// The keyring does not have the key.
    UnknownKey,
    /// The key is known and may not sign: it expired, was revoked, or is not for signing.
    Key,
    /// The signature expired, or was made in the future or before its key.
    Time,
    /// The key did not make this signature.
    Forged,
    /// Its certificate is not of the authority, not for the subject, or was not valid then.
    Certificate,
    /// No transparency log that is trusted has recorded it.
    Log,
    /// The key made this signature, and its payload is not a simple-signing document.
    Payload,
    /// It is for another manifest.
    Digest,
    /// It is for another name.
    Identity,
}

impl ReasonKind {
    /// Makes a reason of this kind from a problem.
    pub(crate) fn of(self) -> impl Fn(Problem) -> Reason {
        move |problem| Reason::new(self, problem.to_string())
    }
}

impl Reason {
    /// A reason in words that finish the sentence "the signature is not accepted:".
    pub fn new(kind: ReasonKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            key: None,
            text: text.into(),
        }
    }

    /// Adds the key that the signature claims to be by: a fingerprint or key id, in upper
    /// hexadecimal.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            ..self
        }
    }

    /// The kind of the reason.
    #[must_use]
    pub const fn kind(&self) -> ReasonKind {
        self.kind
    }

    /// The key that the signature claims to be by. Where the kind is [`ReasonKind::Payload`],
    /// [`ReasonKind::Digest`] or [`ReasonKind::Identity`], that key made it; else it is a claim.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

impl Reason {
    /// The fault, without the key.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.key {
            Some(key) => write!(f, " (key {key})"),
            None => Ok(()),
        }
    }
}

impl error::Error for Reason {}
