use std::{error, fmt};

pub(crate) type Cause = Box<dyn error::Error + Send + Sync>;

/// The reason why a request failed before there was a response, or while its body was read.
///
/// It contains no URL: the layer that knows the purpose of the request adds it.
pub struct Error {
    kind: ErrorKind,
    message: Option<Box<str>>,
    source: Option<Cause>,
}

impl Error {
    /// An error with this message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: Some(message.into().into_boxed_str()),
            source: None,
        }
    }

    /// An error with a cause; its message is that of the kind.
    pub fn from_cause(kind: ErrorKind, source: impl Into<Cause>) -> Self {
        Self {
            kind,
            message: None,
            source: Some(source.into()),
        }
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Cause>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The class of the failure.
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

/// The class of an [`Error`], for programs to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The host's name does not resolve.
    Dns,
    /// The connection was refused, or there is no route.
    Connect,
    /// No connection within the time limit.
    ConnectTimeout,
    /// The server does not speak TLS on this port.
    NotTls,
    /// The proxy could not be reached, or does not connect to the server.
    Proxy,
    /// The proxy asks for a user name and password, or refuses the ones that it got (407).
    ProxyLogin,
    /// The server's certificate is not trusted.
    Certificate,
    /// The server's certificate is trusted, but is for another name.
    CertificateName,
    /// The server's certificate has expired, or is not valid yet.
    CertificateTime,
    /// TLS failed in another way.
    Tls,
    /// The server sent nothing within a time limit.
    Timeout,
    /// The connection was closed before the response was complete.
    Broken,
    /// The server refuses further requests on this connection (HTTP/2: `REFUSED_STREAM`,
    /// `ENHANCE_YOUR_CALM`).
    Overloaded,
    /// The response is not valid HTTP.
    Protocol,
    /// The body is larger than allowed.
    TooLarge,
    /// A redirect that is not followed: a loop, too many, from https to http, or of a body to another host.
    Redirect,
    /// The address may not be contacted because a server, not the user, named it (docs/threats.md, N5).
    Forbidden,
    /// A certificate, key, proxy or URL in the settings cannot be used.
    Settings,
    /// The body of the request could not be read.
    RequestBody,
    /// Any other failure.
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

    /// True if the failure happened before the request was sent, so that the server cannot have processed
    /// it.
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
