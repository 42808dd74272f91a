use std::{error, fmt, sync::Arc, time::Duration};

type Cause = Box<dyn error::Error + Send + Sync>;

/// The reason why a request could not be authenticated. It never contains a secret (docs/threats.md, N14):
/// the message of a token server is bounded, and everything in it that was sent or looks like a token is
/// replaced; no part of an answer with a token is shown.
///
/// Clones share one error: all tasks that waited for the same token get the same failure.
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

    /// The class of the failure.
    #[must_use]
    pub fn kind(&self) -> AuthErrorKind {
        self.0.kind
    }
}

/// The classes of [`AuthError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthErrorKind {
    /// The answer has no challenge that this crate can meet.
    Challenge,
    /// A host that is not the registry sent the challenge (docs/threats.md, N3).
    ForeignChallenge,
    /// The realm is not a URL that can be used.
    InvalidRealm,
    /// The realm is plain http.
    InsecureRealm,
    /// The realm is not known to belong to the registry, so that it gets no credentials (docs/threats.md,
    /// N4).
    UntrustedRealm,
    /// The registry is reached over plain http, so that it gets no credentials.
    Plaintext,
    /// A credential could not be read. There may be one.
    Provider,
    /// The registry or its token server asks for a credential, and there is none.
    NoCredential,
    /// The registry or its token server refused the credential.
    Rejected,
    /// The credential is valid and has no right to the requested access.
    Denied,
    /// The credential is of another form than the challenge asks for.
    Mismatch,
    /// The token server refuses requests for now (429), and states how long, if it sent `Retry-After`.
    RateLimited(Option<Duration>),
    /// The token server answered with this status.
    TokenServer(u16),
    /// The answer of the token server has no usable token.
    InvalidToken,
    /// The token server sent a web page instead of a token.
    WebPage,
    /// The request to the token server failed.
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
