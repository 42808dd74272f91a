use std::{error, fmt, time::Duration};

use crate::Hint;

/// The details that an error of another layer has beside its message. [`Error`](crate::Error) has methods of
/// the same names, which return the details of the error that it wraps, so that a caller need not downcast.
pub trait Diagnostic: error::Error + Send + Sync {
    /// The remedy that the user can try, if one is known.
    fn hint(&self) -> Option<&Hint> {
        None
    }

    /// The status code of the other side's answer, if it answered.
    fn status(&self) -> Option<u16> {
        None
    }

    /// How long the other side asks to wait.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// The entries of the other side's error answer.
    fn registry_errors(&self) -> &[RegistryError] {
        &[]
    }

    /// How many times the request was sent; 0 if there was none.
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
    /// An entry with these parts, which the caller has bounded.
    pub fn new(code: impl Into<String>, message: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            detail: detail.into(),
        }
    }
}

/// Displays an error with its causes, each on a line of its own.
#[derive(Clone, Copy)]
pub struct WithCauses<'a>(pub &'a (dyn error::Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(next) = cause {
            // An error that is only passed on says what its cause says.
            let text = next.to_string();
            if text != said {
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
