use std::{error, fmt};

pub(crate) type Cause = Box<dyn error::Error + Send + Sync>;

/// Why an exchange with a server failed below the level of its meaning.
///
/// It carries no URL: the layer that knows what was asked for adds where.
pub struct Error {
    kind: ErrorKind,
    message: Option<Box<str>>,
    source: Option<Cause>,
}

impl Error {
    /// An error in its own words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: Some(message.into().into_boxed_str()),
            source: None,
        }
    }

    /// An error of this kind with what caused it.
    pub fn from_cause(kind: ErrorKind, source: impl Into<Cause>) -> Self {
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
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self {
            kind,
            message: None,
            source: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or_else(|| self.kind.describe()))
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
        self.source.as_deref().map(|source| source as _)
    }
}

/// The classes of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The host's name does not resolve.
    Dns,
    /// The connection was refused, or no route leads there.
    Connect,
    /// The connection could not be made in time.
    ConnectTimeout,
    /// The server does not speak TLS on this port: it answered with something else.
    NotTls,
    /// The proxy could not be reached, or refuses to connect to the server.
    Proxy,
    /// The proxy wants a user name and password, or others than it got (407).
    ProxyLogin,
    /// The server's certificate is not trusted.
    Certificate,
    /// The server's certificate is trusted, but is for another name.
    CertificateName,
    /// The server's certificate has expired, or is not valid yet.
    CertificateTime,
    /// TLS failed in another way.
    Tls,
    /// The server did not answer, or stopped sending, for too long.
    Timeout,
    /// The connection broke.
    Broken,
    /// The server refuses more requests on this connection (HTTP/2's `REFUSED_STREAM`, `ENHANCE_YOUR_CALM`).
    Overloaded,
    /// The answer is not HTTP, or breaks its rules.
    Protocol,
    /// The body has more bytes than allowed.
    TooLarge,
    /// A redirect that is not followed: a loop, too many hops, a downgrade, a body sent elsewhere.
    Redirect,
    /// The address may not be contacted on a server's word (N5).
    Forbidden,
    /// A certificate, key, proxy or URL in the settings cannot be used.
    Settings,
    /// The request's body could not be read.
    RequestBody,
    /// None of the above.
    Other,
}

impl ErrorKind {
    const fn describe(self) -> &'static str {
        match self {
            Self::Dns => "the host name does not resolve",
            Self::Connect => "cannot connect",
            Self::ConnectTimeout => "the connection could not be made in time",
            Self::NotTls => "the server does not speak TLS on this port",
            Self::Proxy => "the proxy does not connect to the server",
            Self::ProxyLogin => "the proxy wants a login",
            Self::Certificate => "the server's certificate is not trusted",
            Self::CertificateName => "the server's certificate is for another name",
            Self::CertificateTime => "the server's certificate has expired or is not valid yet",
            Self::Tls => "the TLS handshake failed",
            Self::Timeout => "the server did not answer in time",
            Self::Broken => "the connection broke",
            Self::Overloaded => "the server refuses more requests at once",
            Self::Protocol => "the server's answer is not valid HTTP",
            Self::TooLarge => "the answer is too large",
            Self::Redirect => "the redirect is not followed",
            Self::Forbidden => "the address may not be contacted",
            Self::Settings => "the connection's settings cannot be used",
            Self::RequestBody => "the bytes to send could not be read",
            Self::Other => "the request failed",
        }
    }

    /// Whether no request can have reached the server: nothing was sent over the connection.
    #[must_use]
    pub const fn is_before_request(self) -> bool {
        matches!(
            self,
            Self::Dns
                | Self::Connect
                | Self::ConnectTimeout
                | Self::NotTls
                | Self::Proxy
                | Self::ProxyLogin
                | Self::Certificate
                | Self::CertificateName
                | Self::CertificateTime
                | Self::Tls
                | Self::Forbidden
                | Self::Settings
        )
    }
}
