use std::{error, fmt};

type Cause = Box<dyn error::Error + Send + Sync>;

/// Why content could not be had, checked or kept. What to do about it follows from the [`ErrorKind`].
pub struct Error {
    kind: ErrorKind,
    message: Option<Box<str>>,
    source: Option<Cause>,
}

impl Error {
    /// An error with its own words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: Some(message.into().into_boxed_str()),
            source: None,
        }
    }

    /// Another layer's error as it stands, classified: it prints as `source` prints.
    pub fn wrap(kind: ErrorKind, source: impl Into<Cause>) -> Self {
        Self {
            kind,
            message: None,
            source: Some(source.into()),
        }
    }

    /// The same with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What class of failure this is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The wrapped error of another layer, or the cause; for downcasting.
    #[must_use]
    pub fn inner(&self) -> Option<&(dyn error::Error + Send + Sync + 'static)> {
        self.source.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.message, &self.source) {
            (Some(message), _) => f.write_str(message),
            (None, Some(source)) => fmt::Display::fmt(source, f),
            (None, None) => f.write_str(self.kind.describe()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        let source = self.source.as_deref()?;
        if self.message.is_some() {
            Some(source)
        } else {
            source.source()
        }
    }
}

/// The classes of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No such repository, tag, manifest or blob.
    NotFound,
    /// The credentials are missing or wrong.
    Unauthorized,
    /// The credentials are good but do not allow this.
    Denied,
    /// The other side asks to come back later.
    RateLimited,
    /// The host's configuration forbids it.
    Blocked,
    /// A gate or a trust policy refused it.
    Rejected,
    /// Bytes do not have the digest or size they were promised to have.
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
    /// A feature, type or algorithm that is not supported here or there.
    Unsupported,
    /// The disk or quota is full.
    NoSpace,
    /// Stored bytes are damaged.
    Corrupt,
    /// Something changed underneath, or is held by another process.
    Conflict,
    /// The local storage failed.
    Storage,
    /// The operation was given up before it ended.
    Cancelled,
    /// The other side failed.
    Server,
    /// None of the above.
    Other,
}

impl ErrorKind {
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
            Self::Corrupt => "stored content is damaged",
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
