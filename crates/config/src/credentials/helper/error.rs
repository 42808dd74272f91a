use std::{error, fmt, io, sync::Arc, time::Duration};

use crate::{credentials::key, program::ProgramError};

/// The failure of a credential helper. Its text never quotes the helper's output.
#[derive(Debug, Clone)]
pub struct HelperError {
    name: String,
    failure: Failure,
    timeout: Duration,
}

/// The kinds of [`HelperError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HelperErrorKind {
    /// The name cannot be that of a helper.
    InvalidName,
    /// The server cannot be asked for: it is empty or has control characters.
    InvalidServer,
    /// No such program in the search path.
    NotFound,
    /// The program cannot be started, or it cannot be talked to.
    Io,
    /// The program did not end in time and was killed.
    TimedOut,
    /// The program wrote more than 1 MiB and was killed.
    TooMuchOutput,
    /// The program ended with a failure status.
    Failed,
    /// The program succeeded, but its output is not an answer of the protocol.
    BadOutput,
    /// The credential has no form that helpers know.
    NotStorable,
}

/// A kind, with its cause where there is one.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: HelperErrorKind,
    source: Option<Arc<io::Error>>,
}

impl From<HelperErrorKind> for Failure {
    fn from(kind: HelperErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Io(error) => Self {
                kind: HelperErrorKind::Io,
                source: Some(Arc::new(error)),
            },
            // Nobody waits for a helper that is cancelled.
            ProgramError::TimedOut | ProgramError::Cancelled => HelperErrorKind::TimedOut.into(),
            ProgramError::TooMuchOutput => HelperErrorKind::TooMuchOutput.into(),
        }
    }
}

impl HelperError {
    pub(super) fn new(name: &str, failure: Failure, timeout: Duration) -> Self {
        Self {
            name: name.to_owned(),
            failure,
            timeout,
        }
    }

    pub(super) fn invalid_name(name: &str) -> Self {
        Self::new(
            &key::shown(name),
            HelperErrorKind::InvalidName.into(),
            Duration::ZERO,
        )
    }

    /// The kind of failure.
    #[must_use]
    pub const fn kind(&self) -> HelperErrorKind {
        self.failure.kind
    }

    /// The name of the helper, without `docker-credential-`; escaped and bounded.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for HelperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failure.kind == HelperErrorKind::InvalidName {
            return write!(
                f,
                "'{}' cannot be a credential helper: expected up to 64 letters, digits, '.', '_' and '-'",
                self.name
            );
        }
        write!(f, "docker-credential-{}: ", self.name)?;
        match self.failure.kind {
            HelperErrorKind::InvalidName | HelperErrorKind::InvalidServer => {
                f.write_str("the server has control characters or is empty")
            }
            HelperErrorKind::NotFound => f.write_str(
                "the program is not in the search path; install it or change the configuration that names it",
            ),
            HelperErrorKind::Io => f.write_str("cannot be run"),
            HelperErrorKind::TimedOut => write!(f, "did not end within {:?} and was killed", self.timeout),
            HelperErrorKind::TooMuchOutput => f.write_str("wrote more than 1 MiB and was killed"),
            HelperErrorKind::Failed => f.write_str("failed; run it by hand to see why"),
            HelperErrorKind::BadOutput => f.write_str("its output is not one JSON answer"),
            HelperErrorKind::NotStorable => {
                f.write_str("helpers keep user names with passwords and identity tokens only")
            }
        }
    }
}

impl error::Error for HelperError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.failure.source.as_deref().map(|source| source as _)
    }
}
