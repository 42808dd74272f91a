use std::{error, fmt, sync::Arc, time::Duration};

use wharf_auth::{AuthError, AuthErrorKind};
use wharf_content::{Diagnostic, ErrorKind, Hint, RegistryError, WithCauses};

type Cause = dyn error::Error + Send + Sync;

/// The operation that an [`Error`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Checking a login.
    Login,
    /// Reading a manifest.
    PullManifest,
    /// Checking whether the registry has a manifest or blob.
    CheckExistence,
    /// Reading a blob.
    PullBlob,
    /// Writing a blob.
    PushBlob,
    /// Writing a manifest.
    PushManifest,
    /// Mounting a blob from another repository.
    Mount,
    /// Listing tags.
    ListTags,
    /// Listing repositories.
    ListRepositories,
    /// Listing referrers.
    ListReferrers,
    /// Reading the signatures of a manifest.
    PullSignatures,
    /// Writing signatures of a manifest.
    PushSignatures,
    /// Deleting a manifest, tag or blob.
    Delete,
    /// Searching for repositories.
    Search,
    /// Listing the extensions of a registry, or explaining how a repository is reached.
    Discover,
}

impl Operation {
    const fn describe(self) -> &'static str {
        match self {
            Self::Login => "log in to",
            Self::PullManifest => "read manifest",
            Self::CheckExistence => "check for",
            Self::PullBlob => "read blob",
            Self::PushBlob => "push blob",
            Self::PushManifest => "push manifest",
            Self::Mount => "mount blob",
            Self::ListTags => "list the tags of",
            Self::ListRepositories => "list the repositories of",
            Self::ListReferrers => "list the referrers of",
            Self::PullSignatures => "read the signatures of",
            Self::PushSignatures => "write the signatures of",
            Self::Delete => "delete",
            Self::Search => "search",
            Self::Discover => "list the extensions of",
        }
    }
}

/// The reason why an operation on a registry failed: the operation, the endpoint, the number of attempts,
/// the errors of the registry and, where there is a remedy, a hint.
///
/// It never contains a secret: URLs are reduced to origin and path, and the texts of servers are bounded
/// and escaped.
///
/// ```no_run
/// use wharf_content::{ErrorKind, Target};
/// use wharf_distribution::Remote;
///
/// # async fn run(remote: Remote, target: Target) -> Result<(), wharf_distribution::Error> {
/// match remote.manifest(&target).await {
///     Ok(manifest) => println!("{}", manifest.digest()),
///     Err(error) if error.kind() == ErrorKind::NotFound => println!("there is no such image"),
///     Err(error) => {
///         eprintln!("status {:?} after {} attempts", error.status(), error.attempts());
///         return Err(error);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) kind: ErrorKind,
    pub(crate) operation: Operation,
    pub(crate) subject: String,
    pub(crate) endpoint: String,
    pub(crate) attempts: u32,
    pub(crate) status: Option<u16>,
    pub(crate) codes: Vec<RegistryError>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) reason: String,
    pub(crate) hint: Option<Hint>,
    pub(crate) detail: Option<Detail>,
    /// True if the failure is that of another host that the registry redirects to.
    pub(crate) is_elsewhere: bool,
    pub(crate) earlier: Vec<Error>,
    pub(crate) source: Option<Arc<Cause>>,
}

/// The layer that failed, for programs that need more than the [`ErrorKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// The connection or the HTTP exchange.
    Http(wharf_http::ErrorKind),
    /// Authentication.
    Auth(AuthErrorKind),
    /// The content that was to be sent could not be read.
    Content,
    /// A list whose pages form a cycle.
    PaginationLoop,
    /// A list with more pages than allowed.
    TooManyPages,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: Operation,
        subject: impl fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            subject: subject.to_string(),
            endpoint: String::new(),
            attempts: 1,
            status: None,
            codes: Vec::new(),
            retry_after: None,
            reason: reason.into(),
            hint: None,
            detail: None,
            is_elsewhere: false,
            earlier: Vec::new(),
            source: None,
        }))
    }

    pub(crate) fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn with_source(self, source: impl Into<Box<Cause>>) -> Self {
        let source = Arc::from(source.into());
        self.edit(|inner| inner.source = Some(source))
    }

    pub(crate) fn with_hint(self, hint: impl Into<Option<Hint>>) -> Self {
        let hint = hint.into();
        self.edit(|inner| inner.hint = hint)
    }

    pub(crate) fn at(self, endpoint: impl fmt::Display) -> Self {
        let endpoint = endpoint.to_string();
        self.edit(|inner| inner.endpoint = endpoint)
    }

    /// True if the failure is that of another host than the registry.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.0.is_elsewhere
    }

    pub(crate) fn with_detail(self, detail: Detail) -> Self {
        self.edit(|inner| inner.detail = Some(detail))
    }

    /// An error about content, such as a manifest that does not parse or has another digest.
    pub(crate) fn from_content(
        operation: Operation,
        subject: impl fmt::Display,
        error: &wharf_content::Error,
    ) -> Self {
        Self::new(error.kind(), operation, subject, error.to_string())
    }

    /// The class of the failure, for a program to act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Origin and path of the URL that failed; empty if none was requested.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// The number of times the request was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The HTTP status, if the server answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The errors that the registry sent.
    #[must_use]
    pub fn registry_errors(&self) -> &[RegistryError] {
        &self.0.codes
    }

    /// The time that the registry asks to wait before the next attempt (`Retry-After`).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// A remedy that the user can try.
    #[must_use]
    pub fn hint(&self) -> Option<&Hint> {
        self.0.hint.as_ref()
    }

    /// The layer that failed.
    #[must_use]
    pub fn detail(&self) -> Option<Detail> {
        self.0.detail
    }

    /// The innermost cause, if no credential was found or one could not be read; `None` for every other
    /// failure.
    fn credential_source(&self) -> Option<&(dyn error::Error + 'static)> {
        let kinds = [AuthErrorKind::NoCredential, AuthErrorKind::Provider];
        let is_why = kinds
            .map(Detail::Auth)
            .iter()
            .any(|kind| self.0.detail == Some(*kind));
        let mut cause = error::Error::source(self).filter(|_| is_why)?;
        while let Some(next) = cause.source() {
            cause = next;
        }
        Some(cause)
    }

    /// The earlier failures: at the mirrors that were tried before, and with the other scheme if both https
    /// and http were tried.
    #[must_use]
    pub fn earlier(&self) -> &[Self] {
        &self.0.earlier
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        write!(f, "cannot {} {}", inner.operation.describe(), inner.subject)?;
        if !inner.endpoint.is_empty() {
            write!(f, " at {}", inner.endpoint)?;
        }
        write!(f, ": {}", inner.reason)?;
        if inner.attempts > 1 {
            write!(f, " (tried {} times)", inner.attempts)?;
        }
        if let Some(wait) = inner.retry_after {
            write!(f, "; the server asks to wait {}", Approximately(wait))?;
        }
        for earlier in &inner.earlier {
            write!(f, "; also tried: {}: {}", earlier.endpoint(), earlier.0.reason)?;
            if let Some(cause) = earlier.credential_source() {
                write!(f, " ({cause})")?;
            }
        }
        if let Some(hint) = &inner.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// Prints a time, rounded up to the smaller of its two units.
struct Approximately(Duration);

impl fmt::Display for Approximately {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0);
        let minutes = seconds.div_ceil(60);
        let hours = minutes.div_ceil(60);
        match (seconds, minutes, hours) {
            (0..=120, _, _) => write!(f, "{seconds} s"),
            (_, 0..=120, _) => write!(f, "{minutes} min"),
            (_, _, 0..=48) => write!(f, "{} h {} min", minutes / 60, minutes % 60),
            _ => write!(f, "{} days", hours.div_ceil(24)),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(&WithCauses(self), f);
        }
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("operation", &inner.operation)
            .field("subject", &inner.subject)
            .field("endpoint", &inner.endpoint)
            .field("attempts", &inner.attempts)
            .field("status", &inner.status)
            .field("codes", &inner.codes)
            .field("retry_after", &inner.retry_after)
            .field("reason", &inner.reason)
            .field("hint", &inner.hint)
            .field("detail", &inner.detail)
            .field("earlier", &inner.earlier)
            .field(
                "source",
                &inner.source.as_deref().map(|source| WithCauses(source)),
            )
            .finish()
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Error> for wharf_content::Error {
    fn from(error: Error) -> Self {
        Self::diagnosed(error.kind(), error)
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

/// The kind of an error for a failed HTTP exchange, as the errors of a registry have it: for programs that send requests
/// of their own.
#[must_use]
pub const fn kind_of_http(kind: wharf_http::ErrorKind) -> ErrorKind {
    use wharf_http::ErrorKind as Http;
    match kind {
        Http::ConnectTimeout | Http::Timeout => ErrorKind::Timeout,
        Http::NotTls | Http::Certificate | Http::CertificateName | Http::CertificateTime | Http::Tls => {
            ErrorKind::Tls
        }
        Http::Dns | Http::Connect | Http::Broken | Http::Proxy | Http::ProxyLogin => ErrorKind::Network,
        Http::Overloaded => ErrorKind::RateLimited,
        Http::Protocol | Http::Redirect => ErrorKind::Server,
        Http::TooLarge => ErrorKind::TooLarge,
        Http::Forbidden => ErrorKind::Blocked,
        Http::Settings => ErrorKind::Invalid,
        _ => ErrorKind::Other,
    }
}

/// The kind of failed authentication.
pub(crate) fn kind_of_auth(error: &AuthError) -> ErrorKind {
    match error.kind() {
        AuthErrorKind::Challenge | AuthErrorKind::Mismatch => ErrorKind::Unsupported,
        AuthErrorKind::NoCredential | AuthErrorKind::Rejected | AuthErrorKind::Provider => {
            ErrorKind::Unauthorized
        }
        AuthErrorKind::Denied => ErrorKind::Denied,
        AuthErrorKind::ForeignChallenge
        | AuthErrorKind::InsecureRealm
        | AuthErrorKind::UntrustedRealm
        | AuthErrorKind::Plaintext => ErrorKind::Blocked,
        AuthErrorKind::RateLimited(_) => ErrorKind::RateLimited,
        AuthErrorKind::Transport(kind) => kind_of_http(kind),
        _ => ErrorKind::Server,
    }
}
