use std::{error, fmt};

/// Why a document, key, certificate or signature is not accepted.
///
/// The text names the part that was at fault. Text of others in it is bounded and escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    message: String,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }

    /// Puts the name of the enclosing structure before the message.
    pub(crate) fn within(self, what: &str) -> Self {
        Self::new(format!("{what}: {}", self.message))
    }
}

impl From<String> for Problem {
    fn from(message: String) -> Self {
        Self { message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for Problem {}

/// Foreign text for a message: in quotes, escaped and bounded.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", crate::bounded(text))
}
