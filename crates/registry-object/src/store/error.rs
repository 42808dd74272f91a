//! Failures of a store, as errors of the family.

use wharf_content::{Error, ErrorKind};

/// The most characters of the code of a server's error.
const MAX_CODE: usize = 64;

/// A reason, with its kind and the next step for the operator.
struct Reason {
    kind: ErrorKind,
    text: String,
    advice: &'static str,
}

/// The error of an operation on an object. Nothing of `error` is kept: its text has the URL of the request, and what the
/// server said may repeat a signed request with its session token.
///
/// | failure | kind |
/// |---|---|
/// | the object is absent | [`ErrorKind::NotFound`] |
/// | the bucket is absent | [`ErrorKind::Storage`] |
/// | 401, or 403 whose code is about the key | [`ErrorKind::Unauthorized`] |
/// | another 403 | [`ErrorKind::Denied`] |
/// | the clock is wrong (403) | [`ErrorKind::Unauthorized`] |
/// | 429, `SlowDown` | [`ErrorKind::RateLimited`] |
/// | 409, 412 | [`ErrorKind::Conflict`] |
/// | another 5xx, 408 | [`ErrorKind::Server`] |
/// | no connection, no answer | that of the connection |
/// | the disk is full | [`ErrorKind::NoSpace`] |
pub(super) fn failed(address: &str, operation: &str, object: &str, error: &object_store::Error) -> Error {
    let Reason { kind, text, advice } = reason(error);
    let mut message = format!("the store {address} cannot {operation} {object}: {text}");
    if !advice.is_empty() {
        message.push_str("; ");
        message.push_str(advice);
    }
    Error::new(kind, message)
}

/// A build without the scheme's feature.
#[cfg(not(all(feature = "aws", feature = "azure", feature = "gcp")))]
pub(super) fn not_built(url: &super::StoreUrl) -> Error {
    let message = format!("the store {url} cannot be opened: this build has no support for it");
    Error::new(ErrorKind::Unsupported, message)
}

fn reason(error: &object_store::Error) -> Reason {
    use object_store::Error as E;
    let answer = Answer::of(error);
    if let Some(reason) = answer.code.as_deref().and_then(known_code) {
        return reason;
    }
    let shown = answer.shown();
    match error {
        E::NotFound { .. } => new(ErrorKind::NotFound, "it is not there"),
        E::AlreadyExists { .. } | E::Precondition { .. } => {
            new(ErrorKind::Conflict, format!("another writer changed it{shown}"))
        }
        E::Unauthenticated { .. } => new(ErrorKind::Unauthorized, format!("the key is refused{shown}"))
            .advise("check the key of the store"),
        E::PermissionDenied { .. } => new(ErrorKind::Denied, format!("access is denied{shown}"))
            .advise("the key needs the rights to get, put, delete and list below the prefix"),
        E::NotSupported { .. } | E::NotImplemented { .. } => {
            new(ErrorKind::Unsupported, "the store does not support it")
        }
        E::InvalidPath { .. } => new(ErrorKind::Invalid, "no object has such a name"),
        _ => match answer.status {
            Some(429) => new(ErrorKind::RateLimited, format!("too many requests{shown}")),
            Some(400) => new(ErrorKind::Unsupported, format!("the request is refused{shown}"))
                .advise("check the region, the endpoint and the key"),
            Some(301 | 302 | 307 | 308) => {
                new(ErrorKind::Unsupported, format!("the bucket is elsewhere{shown}"))
                    .advise("check the region and the endpoint")
            }
            Some(507) => new(ErrorKind::NoSpace, format!("the store is full{shown}")),
            Some(_) => new(ErrorKind::Server, format!("the server failed{shown}")),
            None => unanswered(error),
        },
    }
}

/// The codes that S3, Google and Azure give their errors, as far as they tell more than the status.
fn known_code(code: &str) -> Option<Reason> {
    Some(match code {
        "NoSuchBucket" | "ContainerNotFound" | "ContainerBeingDeleted" | "AccountIsDisabled" => {
            new(ErrorKind::Storage, "the bucket does not exist")
                .advise("create it, or check its name and the endpoint")
        }
        "NoSuchUpload" => new(ErrorKind::NotFound, "the upload does not exist"),
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "AuthenticationFailed"
        | "InvalidAuthenticationInfo"
        | "InvalidToken"
        | "ExpiredToken"
        | "TokenRefreshRequired"
        | "AuthorizationHeaderMalformed" => {
            new(ErrorKind::Unauthorized, format!("the key is refused ({code})"))
                .advise("check the key, its secret, the session's token and the region")
        }
        "RequestTimeTooSkewed" | "RequestExpired" => new(
            ErrorKind::Unauthorized,
            format!("the clocks differ too much ({code})"),
        )
        .advise("set the clock of this machine"),
        "SlowDown" | "Throttling" | "TooManyRequests" | "RequestLimitExceeded" | "ServerBusy" => {
            new(ErrorKind::RateLimited, format!("too many requests ({code})"))
        }
        "EntityTooLarge" | "RequestBodyTooLarge" => new(
            ErrorKind::TooLarge,
            format!("it is too large for the store ({code})"),
        ),
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" => {
            new(ErrorKind::NoSpace, format!("the store is full ({code})"))
        }
        "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException" => new(
            ErrorKind::Unsupported,
            format!("the bucket is in another region ({code})"),
        )
        .advise("set its region"),
        _ => return None,
    })
}

/// A failure without an answer: of the connection, of the disk, or of what answered.
fn unanswered(error: &object_store::Error) -> Reason {
    for cause in causes(error) {
        #[cfg(feature = "http")]
        if let Some(failure) = cause.downcast_ref::<wharf_http::Error>() {
            let advice = "check the endpoint, the proxy and the network";
            return new(super::transport::kind_of(failure.kind()), failure.to_string()).advise(advice);
        }
        if let Some(failure) = cause.downcast_ref::<std::io::Error>() {
            let kind = match failure.kind() {
                std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
                _ => ErrorKind::Storage,
            };
            return new(kind, failure.kind().to_string());
        }
    }
    let text = causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    if text.contains("redirect without LOCATION") {
        return new(ErrorKind::Unsupported, "the bucket is elsewhere")
            .advise("check the region and the endpoint");
    }
    if [
        "instance",
        "metadata",
        "token request",
        "managed identity",
        "credentials",
        "OAuth",
    ]
    .iter()
    .any(|part| text.contains(part))
    {
        return new(
            ErrorKind::Unauthorized,
            "no key could be had from the machine that it runs on",
        )
        .advise("give the key of the store");
    }
    new(ErrorKind::Server, "the answer cannot be read")
}

/// The status and the code of a server's answer. `object_store` has them in the text of a cause alone.
#[derive(Default)]
struct Answer {
    status: Option<u16>,
    code: Option<String>,
}

impl Answer {
    fn of(error: &object_store::Error) -> Self {
        let texts = causes(error).map(ToString::to_string);
        let mut found = texts.filter_map(|text| {
            let (_, rest) = text.split_once("status code: ")?;
            let status = rest.get(..3)?.parse().ok()?;
            Some(Self {
                status: Some(status),
                code: code_of(rest),
            })
        });
        found.next().unwrap_or_default()
    }

    /// The status and code in parentheses; nothing if there was no answer.
    fn shown(&self) -> String {
        match (self.status, &self.code) {
            (Some(status), Some(code)) => format!(" ({status}, {code})"),
            (Some(status), None) => format!(" ({status})"),
            (None, _) => String::new(),
        }
    }
}

/// The code of an error document in XML, if it is a word.
fn code_of(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word =
        !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
}

fn new(kind: ErrorKind, text: impl Into<String>) -> Reason {
    Reason {
        kind,
        text: text.into(),
        advice: "",
    }
}

impl Reason {
    fn advise(mut self, advice: &'static str) -> Self {
        self.advice = advice;
        self
    }
}
