use std::{error, io};

use super::{call::UploadError, protocols::Protocols};
use crate::{Error, ErrorKind, printable};

/// The longest message of another layer in an error, in characters.
const MAX_TEXT: usize = 400;

/// The messages of h2 for the HTTP/2 error codes that matter here (RFC 9113, section 7). Its error type is
/// not reachable through reqwest's; the tests of docs/threats.md, X8, fail if the messages change.
const REFUSED_STREAM: &str = "refused stream before processing";
const ENHANCE_YOUR_CALM: &str = "detected excessive load generating behavior";
const HTTP_1_1_REQUIRED: &str = "endpoint requires HTTP/1.1";
/// The beginning of its message for a stream that the server refused: `RST_STREAM` with `REFUSED_STREAM`.
const STREAM_REFUSED: &str = "stream error received: refused stream before processing";
/// The beginning of its message for a stream above the last one that the server processes before it ends the
/// connection: `GOAWAY` with `NO_ERROR`.
const CONNECTION_ENDED: &str = "connection error received: not a result of an error";
/// The message of hyper-util for a request that was not sent, because its connection had ended before.
const NOT_SENT: &str = "client error (Canceled)";

/// Converts an error of reqwest. The kind is that of the deepest cause that has one, and the URL is
/// removed.
pub(super) fn classify(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let fallback = if error.is_timeout() {
        if error.is_connect() {
            ErrorKind::ConnectTimeout
        } else {
            ErrorKind::Timeout
        }
    } else if error.is_connect() {
        ErrorKind::Connect
    } else if error.is_body() || error.is_request() {
        ErrorKind::Broken
    } else if error.is_builder() {
        ErrorKind::Settings
    } else {
        ErrorKind::Other
    };
    let connecting = error.is_connect();
    let kind = kind_of(&error, connecting).unwrap_or(fallback);
    if kind == ErrorKind::Forbidden
        && let Some(own) = find_own(&error)
    {
        return Error::new(kind, own.to_string());
    }
    let cause = deepest(&error);
    if cause.to_string().starts_with(CONNECTION_ENDED) {
        return Error::new(
            kind,
            "the server ended the connection before it processed the request",
        );
    }
    Error::from_cause(kind, cause)
}

/// The reason why the server has not processed a request, which may therefore be sent again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unprocessed {
    /// The server rejects this version of HTTP, and demands the other one.
    WrongVersion(Protocols),
    /// The server has no stream of HTTP/2 for it: it refused the stream, or ended the connection before it
    /// looked at the request (RFC 9113, sections 6.8 and 8.7).
    NoStream,
}

impl Unprocessed {
    /// The reason of this failure; `None` if the request may have been processed.
    pub(super) fn of(error: &reqwest::Error) -> Option<Self> {
        let mut next: Option<&(dyn error::Error + 'static)> = Some(error);
        while let Some(error) = next {
            let io = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(inner) = io {
                next = Some(inner);
                continue;
            }
            if let Some(rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)) =
                error.downcast_ref()
            {
                return Some(Self::WrongVersion(Protocols::Http2));
            }
            let text = error.to_string();
            if text.contains(HTTP_1_1_REQUIRED) {
                return Some(Self::WrongVersion(Protocols::Http1));
            }
            let messages = [STREAM_REFUSED, CONNECTION_ENDED, NOT_SENT];
            if messages.iter().any(|message| text.starts_with(message)) {
                return Some(Self::NoStream);
            }
            next = error.source();
        }
        None
    }
}

fn find_own<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a Error> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref::<Error>())
}

/// The message of the deepest cause: those of reqwest itself ("error sending request") add nothing to the
/// kind. Bounded, since a certificate may list any number of names.
fn deepest(error: &reqwest::Error) -> Box<dyn error::Error + Send + Sync> {
    let mut cause: &(dyn error::Error + 'static) = error;
    loop {
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(|io| io.get_ref())
            .map(|inner| inner as &(dyn error::Error + 'static));
        if let Some(next) = inner.or_else(|| cause.source()) {
            cause = next;
            continue;
        }
        let code = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error);
        return match code {
            // The system's own error, so that a caller can tell which it is.
            Some(code) => io::Error::from_raw_os_error(code).into(),
            None => printable(&cause.to_string(), MAX_TEXT).into(),
        };
    }
}

fn kind_of(error: &(dyn error::Error + 'static), connecting: bool) -> Option<ErrorKind> {
    let mut kind = None;
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some(own.kind());
        }
        if error.is::<UploadError>() {
            return Some(ErrorKind::RequestBody);
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls_kind(tls));
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            if let Some(inner) = io.get_ref() {
                next = Some(inner);
                kind = kind.or(io_kind(io.kind(), connecting));
                continue;
            }
            kind = io_kind(io.kind(), connecting).or(kind);
        }
        // The parse errors of hyper have no public type; only their messages tell them apart.
        let text = error.to_string();
        if text.starts_with("invalid HTTP") || text.starts_with("message head is too large") {
            kind = Some(ErrorKind::Protocol);
        } else if text.contains(REFUSED_STREAM) || text.contains(ENHANCE_YOUR_CALM) {
            kind = Some(ErrorKind::Overloaded);
        } else if text.starts_with("connection closed before message completed")
            || text.starts_with("end of file before message length reached")
        {
            kind = Some(ErrorKind::Broken);
        }
        next = error.source();
    }
    kind
}

fn io_kind(kind: io::ErrorKind, connecting: bool) -> Option<ErrorKind> {
    use io::ErrorKind as Io;
    match kind {
        Io::ConnectionRefused
        | Io::HostUnreachable
        | Io::NetworkUnreachable
        | Io::NetworkDown
        | Io::AddrNotAvailable
        | Io::PermissionDenied => Some(ErrorKind::Connect),
        Io::TimedOut if connecting => Some(ErrorKind::ConnectTimeout),
        Io::TimedOut => Some(ErrorKind::Timeout),
        // During a handshake: the server closed the connection at the ClientHello, as plain-text servers
        // do.
        Io::UnexpectedEof | Io::ConnectionReset | Io::BrokenPipe if connecting => Some(ErrorKind::NotTls),
        Io::UnexpectedEof | Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe => {
            Some(ErrorKind::Broken)
        }
        _ => None,
    }
}

fn tls_kind(error: &rustls::Error) -> ErrorKind {
    use rustls::CertificateError as Why;
    match error {
        rustls::Error::InvalidCertificate(Why::NotValidForName | Why::NotValidForNameContext { .. }) => {
            ErrorKind::CertificateName
        }
        rustls::Error::InvalidCertificate(
            Why::Expired | Why::ExpiredContext { .. } | Why::NotValidYet | Why::NotValidYetContext { .. },
        ) => ErrorKind::CertificateTime,
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            ErrorKind::Certificate
        }
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => ErrorKind::NotTls,
        _ => ErrorKind::Tls,
    }
}
