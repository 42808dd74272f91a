use std::{error, fmt, sync::Arc, time::Duration};

type Cause = Box<dyn error::Error + Send + Sync>;

/// Why a request could not be authenticated. It never contains a secret: of a token server's refusal it has the
/// words, bounded and without what was sent or looks like a token, and nothing of an answer with a token (N14).
///
/// Cloning shares it: everyone who waited for one token fetch gets the same failure.
#[derive(Clone)]
pub struct AuthError(Arc<Inner>);

struct Inner {
    kind: AuthErrorKind,
    message: Box<str>,
    source: Option<Cause>,
}

impl AuthError {
    pub(crate) fn new(kind: AuthErrorKind, message: impl Into<String>) -> Self {
        Self::build(kind, message.into(), None)
    }

    pub(crate) fn with_cause(
        kind: AuthErrorKind,
        message: impl Into<String>,
        source: impl Into<Cause>,
    ) -> Self {
        Self::build(kind, message.into(), Some(source.into()))
    }

    fn build(kind: AuthErrorKind, message: String, source: Option<Cause>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into_boxed_str(),
            source,
        }))
    }

    /// What class of failure this is.
    #[must_use]
    pub fn kind(&self) -> AuthErrorKind {
        self.0.kind
    }
}

/// The classes of [`AuthError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthErrorKind {
    /// There is no challenge that can be met.
    Challenge,
    /// The challenge came from a host that is not the registry (N3).
    ForeignChallenge,
    /// The realm is no URL that may be used.
    InvalidRealm,
    /// The realm is plain http.
    InsecureRealm,
    /// Credentials may not be sent to the realm (N4).
    UntrustedRealm,
    /// Credentials may not be sent over plain http.
    Plaintext,
    /// A credential could not be read; that does not mean there is none.
    Provider,
    /// A credential is needed and there is none.
    NoCredential,
    /// The credential was refused.
    Rejected,
    /// The credential is known, but has no right to what was asked for.
    Denied,
    /// The credential does not fit the challenge.
    Mismatch,
    /// The token server asks to wait.
    RateLimited(Option<Duration>),
    /// The token server failed with this status.
    TokenServer(u16),
    /// The token server's answer cannot be used.
    InvalidToken,
    /// A web page came instead of a token.
    WebPage,
    /// The token server could not be reached.
    Transport(wharf_http::ErrorKind),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl error::Error for AuthError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
