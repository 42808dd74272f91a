use std::{error, fmt, time::Duration};

use crate::Hint;

/// The details that an error of another layer has beside its message. [`Error`](crate::Error) has methods of
/// the same names, which return the details of the error that it wraps, so that a caller need not downcast.
pub trait Diagnostic: error::Error + Send + Sync {
    /// The remedy that the user can try, if one is known.
    fn hint(&self) -> Option<&Hint> {
        None
    }

    /// The status code of the server's response, if there was one.
    fn status(&self) -> Option<u16> {
        None
    }

    /// The time to wait that the server states.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// The entries of the server's error response.
    fn registry_errors(&self) -> &[RegistryError] {
        &[]
    }

    /// The number of attempts of the request; 0 if there was none.
    fn attempts(&self) -> u32 {
        0
    }
}

/// One entry of a registry's error answer (distribution-spec, *Error Codes*), bounded and safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryError {
    /// The code, such as `MANIFEST_UNKNOWN`; may be empty.
    pub code: String,
    /// The message; may be empty.
    pub message: String,
    /// Further details, JSON if the registry sent an object or a list; may be empty.
    pub detail: String,
}

impl RegistryError {
    /// Makes an entry. The caller has bounded the length of its parts.
    pub fn new(code: impl Into<String>, message: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            detail: detail.into(),
        }
    }
}

/// Displays an error and its causes, one per line.
#[derive(Clone, Copy)]
pub struct WithCauses<'a>(pub &'a (dyn error::Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(next) = cause {
            // An error that is passed on ends with what its cause says, perhaps behind where it was met.
            let text = next.to_string();
            if !said.ends_with(&text) {
                write!(f, "\n  because: {text}")?;
                said = text;
            }
            cause = next.source();
        }
        Ok(())
    }
}

impl fmt::Debug for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
