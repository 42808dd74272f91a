use std::{error, fmt, time::Duration};

use wharf_reference::ParseError;

use crate::{Diagnostic, Hint, RegistryError, WithCauses};

type Cause = Box<dyn error::Error + Send + Sync>;

/// A failure to read, verify or store content. The [`ErrorKind`] tells a program what to do, the [`Hint`]
/// tells a user.
///
/// `Display` states what failed and ends with the hint. `Debug`, which `main` prints, adds the causes, one
/// per line; `{:#?}` prints the fields.
pub struct Error {
    kind: ErrorKind,
    message: Option<Box<str>>,
    source: Option<Source>,
    rare: Option<Box<Rare>>,
}

enum Source {
    Other(Cause),
    Diagnosed(Box<dyn Diagnostic>),
}

/// The fields that few errors have, boxed to keep the others small.
#[derive(Default)]
struct Rare {
    hint: Option<Hint>,
    failures: Vec<Error>,
}

impl Error {
    /// Makes an error with a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: Some(message.into().into_boxed_str()),
            source: None,
            rare: None,
        }
    }

    /// Classifies an error of another layer. Its message is that of `source`.
    pub fn wrap(kind: ErrorKind, source: impl Into<Cause>) -> Self {
        Self {
            kind,
            message: None,
            source: Some(Source::Other(source.into())),
            rare: None,
        }
    }

    /// Classifies an error of another layer that has details, as [`Error::wrap`] does.
    pub fn diagnosed(kind: ErrorKind, source: impl Diagnostic + 'static) -> Self {
        Self {
            kind,
            message: None,
            source: Some(Source::Diagnosed(Box::new(source))),
            rare: None,
        }
    }

    /// Combines the failures of several alternatives, one of which would have been enough. The kind is that
    /// of the last; `message` states how each failed.
    pub fn all(failures: Vec<Self>, message: impl Into<String>) -> Self {
        let kind = failures.last().map_or(ErrorKind::Other, Self::kind);
        let mut error = Self::new(kind, message);
        error.rare.get_or_insert_default().failures = failures;
        error
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(Source::Other(source.into()));
        self
    }

    /// Sets the hint for the user.
    #[must_use]
    pub fn with_hint(mut self, hint: Hint) -> Self {
        self.rare.get_or_insert_default().hint = Some(hint);
        self
    }

    /// The class of failure.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The failures of all alternatives, in the order in which they were tried; empty unless there were
    /// several.
    #[must_use]
    pub fn failures(&self) -> &[Self] {
        self.rare.as_deref().map_or(&[], |rare| &rare.failures)
    }

    /// The hint for the user, of this error or of the error that it wraps; of several failures, that of the
    /// last.
    #[must_use]
    pub fn hint(&self) -> Option<&Hint> {
        let own = self.rare.as_deref().and_then(|rare| rare.hint.as_ref());
        own.or_else(|| self.below()?.hint())
    }

    /// The HTTP status of the registry's response, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.below()?.status()
    }

    /// The time to wait before the next attempt, if the registry states one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.below()?.retry_after()
    }

    /// The entries of the registry's error response; empty if it sent none.
    #[must_use]
    pub fn registry_errors(&self) -> &[RegistryError] {
        self.below().map_or(&[], Diagnostic::registry_errors)
    }

    /// The number of attempts of the failed request; 0 if no request failed.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.below().map_or(0, Diagnostic::attempts)
    }

    /// The wrapped error of another layer, or the cause, for downcasting.
    #[must_use]
    pub fn inner(&self) -> Option<&(dyn error::Error + Send + Sync + 'static)> {
        Some(match self.source.as_ref()? {
            Source::Other(source) => source.as_ref(),
            Source::Diagnosed(source) => source.as_ref(),
        })
    }

    /// The error that has the details: the wrapped error, or else the last of several failures.
    fn below(&self) -> Option<&dyn Diagnostic> {
        let wrapped: Option<&dyn Diagnostic> = match &self.source {
            Some(Source::Diagnosed(source)) => Some(source.as_ref()),
            Some(Source::Other(source)) => source.downcast_ref::<Self>().map(|error| error as _),
            None => None,
        };
        wrapped.or_else(|| self.failures().last().map(|error| error as _))
    }
}

impl Diagnostic for Error {
    fn hint(&self) -> Option<&Hint> {
        self.hint()
    }

    fn status(&self) -> Option<u16> {
        self.status()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after()
    }

    fn registry_errors(&self) -> &[RegistryError] {
        self.registry_errors()
    }

    fn attempts(&self) -> u32 {
        self.attempts()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.message, self.inner()) {
            (Some(message), _) => f.write_str(message),
            (None, Some(source)) => fmt::Display::fmt(source, f),
            (None, None) => f.write_str(self.kind.describe()),
        }?;
        match self.rare.as_deref().and_then(|rare| rare.hint.as_ref()) {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(&WithCauses(self), f);
        }
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("hint", &self.hint())
            .field("source", &self.inner())
            .field("failures", &self.failures())
            .finish_non_exhaustive()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        let source = self.inner()?;
        if self.message.is_some() {
            Some(source)
        } else {
            source.source()
        }
    }
}

/// A name that breaks its grammar is [`ErrorKind::Invalid`].
impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self::wrap(ErrorKind::Invalid, error)
    }
}

/// The class of an [`Error`], for programs to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No such repository, tag, manifest or blob.
    NotFound,
    /// The credentials are missing or wrong.
    Unauthorized,
    /// The credentials are good but do not allow this.
    Denied,
    /// Too many requests; a later attempt may succeed.
    RateLimited,
    /// The configuration of this host forbids it.
    Blocked,
    /// A gate or a trust policy refused it.
    Rejected,
    /// Bytes differ from the digest or size of their descriptor.
    Mismatch,
    /// A document that can be read in more than one way.
    Ambiguous,
    /// A document, name or answer that breaks its grammar.
    Invalid,
    /// More bytes or items than the limit for this kind of thing.
    TooLarge,
    /// A time limit passed.
    Timeout,
    /// The encrypted connection could not be made or trusted.
    Tls,
    /// The connection could not be made, or broke.
    Network,
    /// A feature, type or algorithm that this crate or the other side does not support.
    Unsupported,
    /// The disk or quota is full.
    NoSpace,
    /// Stored bytes are corrupt.
    Corrupt,
    /// Another process changed it meanwhile, or has it locked; or what is asked conflicts with what is there, as a new
    /// manifest does with a tag that a registry lets nobody change (409, 412).
    Conflict,
    /// The local storage failed.
    Storage,
    /// The operation was cancelled.
    Cancelled,
    /// The other side failed.
    Server,
    /// None of the above.
    Other,
}

impl ErrorKind {
    /// True for an error about the content that was asked for: it is missing, or is not what was stated of it. False if
    /// the source itself failed, so that nothing is known about the content.
    #[must_use]
    pub const fn is_about_content(self) -> bool {
        matches!(
            self,
            Self::NotFound
                | Self::Mismatch
                | Self::Ambiguous
                | Self::Invalid
                | Self::TooLarge
                | Self::Unsupported
        )
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Unauthorized => "not authenticated",
            Self::Denied => "access denied",
            Self::RateLimited => "too many requests",
            Self::Blocked => "blocked by configuration",
            Self::Rejected => "rejected by policy",
            Self::Mismatch => "content does not match its digest or size",
            Self::Ambiguous => "ambiguous document",
            Self::Invalid => "invalid",
            Self::TooLarge => "too large",
            Self::Timeout => "timed out",
            Self::Tls => "TLS failure",
            Self::Network => "network failure",
            Self::Unsupported => "not supported",
            Self::NoSpace => "no space left",
            Self::Corrupt => "stored content is corrupt",
            Self::Conflict => "conflict",
            Self::Storage => "storage failure",
            Self::Cancelled => "cancelled",
            Self::Server => "server failure",
            Self::Other => "failed",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}
