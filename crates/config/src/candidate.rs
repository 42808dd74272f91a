use std::{error, fmt, sync::Arc};

use wharf_reference::{Reference, Registry, Repository};

use crate::SourceTable;

/// The operation that the candidates are for; mirrors serve pulls only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Intent {
    /// Read by tag.
    PullTag,
    /// Read by digest.
    PullDigest,
    /// Write.
    Push,
    /// Anything else: list tags, delete, log in.
    Other,
}

impl Intent {
    /// The intent of pulling this reference.
    #[must_use]
    pub const fn pull(reference: &Reference) -> Self {
        if reference.has_digest() {
            Self::PullDigest
        } else {
            Self::PullTag
        }
    }
}

/// The trust in the connection to a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TlsMode {
    /// https, and the certificate must verify.
    #[default]
    Verify,
    /// https without verification and, if that fails to connect, plain http: what `insecure = true` means.
    Insecure,
}

/// The reason why a candidate is in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// A mirror.
    Mirror,
    /// The registry itself, or the registry it was moved to.
    Primary,
}

/// One registry and repository to try for a repository that a user named.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The repository to ask for there, after rewriting.
    pub repository: Repository,
    /// The trust in its connection.
    pub tls: TlsMode,
    /// Mirror or primary.
    pub role: Role,
    /// Set when the configuration forbids this candidate: it must not be contacted, and this names the table.
    pub blocked: Option<Blocked>,
    /// The table of the configuration that it comes from, for an explanation. `None` if no table matched.
    pub table: Option<SourceTable>,
}

impl Candidate {
    /// A mirror that has the repository under this name, trusted only over verified https.
    #[must_use]
    pub fn mirror(repository: Repository) -> Self {
        Self {
            role: Role::Mirror,
            ..Self::primary(repository)
        }
    }

    /// The repository itself, trusted only over verified https.
    #[must_use]
    pub const fn primary(repository: Repository) -> Self {
        Self {
            repository,
            tls: TlsMode::Verify,
            role: Role::Primary,
            blocked: None,
            table: None,
        }
    }
}

/// A registry that the configuration forbids to contact (`blocked = true`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The blocked repository.
    pub repository: Repository,
    /// The table that blocks it.
    pub table: SourceTable,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is blocked by {}", self.repository, self.table)
    }
}

impl error::Error for Blocked {}

/// The reason why there is no candidate to try for a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// Every candidate is blocked.
    Blocked(Blocked),
    /// The registry as a whole is blocked.
    BlockedRegistry {
        /// The blocked registry.
        registry: Registry,
        /// The table that blocks it.
        table: SourceTable,
    },
    /// The configuration moves the repository to a name that is not valid.
    Unusable {
        /// The repository that was asked for.
        repository: Repository,
        /// The file and table that move it, and the mistake in the resulting name.
        reason: String,
    },
}

impl From<Blocked> for ResolveError {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked(blocked)
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked(blocked) => blocked.fmt(f),
            Self::BlockedRegistry { registry, table } => write!(f, "{registry} is blocked by {table}"),
            Self::Unusable { repository, reason } => write!(f, "no candidate for {repository}: {reason}"),
        }
    }
}

impl error::Error for ResolveError {}

/// Turns a repository into the candidates to try, in order, and gives the trust in the connection to a
/// registry itself. Does no I/O.
///
/// ```
/// use wharf_config::{Candidate, Intent, Resolve, ResolveError};
/// use wharf_reference::{Registry, Repository};
///
/// /// Pulls by digest go to a cache first.
/// #[derive(Debug)]
/// struct Cached(Registry);
///
/// impl Resolve for Cached {
///     fn resolve(&self, repository: &Repository, intent: Intent) -> Result<Vec<Candidate>, ResolveError> {
///         let mut candidates = Vec::new();
///         if let (Intent::PullDigest, Ok(cached)) = (intent, Repository::new(&self.0, repository.path())) {
///             candidates.push(Candidate::mirror(cached));
///         }
///         candidates.push(Candidate::primary(repository.clone()));
///         Ok(candidates)
///     }
/// }
///
/// let cached = Cached(Registry::parse("cache.example.com")?);
/// let candidates = cached.resolve(&Repository::parse("quay.io/fedora/fedora")?, Intent::PullDigest)?;
/// assert_eq!(candidates[0].repository, "cache.example.com/fedora/fedora");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The candidates for this repository, in the order to try them; at least one of them is not blocked.
    ///
    /// # Errors
    ///
    /// [`ResolveError::Blocked`] if every candidate is blocked, [`ResolveError::Unusable`] if none has a
    /// valid name.
    fn resolve(&self, repository: &Repository, intent: Intent) -> Result<Vec<Candidate>, ResolveError>;

    /// The trust in the connection to this registry for operations without a repository: a login, the
    /// catalog, a search. A registry is neither mirrored nor moved.
    ///
    /// The default is verified https for every registry. A wrapper around another resolver must forward this
    /// method, since the default ignores the wrapped resolver.
    ///
    /// # Errors
    ///
    /// [`ResolveError::BlockedRegistry`] if the registry must not be contacted.
    fn resolve_registry(&self, registry: &Registry) -> Result<TlsMode, ResolveError> {
        let _ = registry;
        Ok(TlsMode::Verify)
    }
}

impl<R: Resolve + ?Sized> Resolve for Arc<R> {
    fn resolve(&self, repository: &Repository, intent: Intent) -> Result<Vec<Candidate>, ResolveError> {
        (**self).resolve(repository, intent)
    }

    fn resolve_registry(&self, registry: &Registry) -> Result<TlsMode, ResolveError> {
        (**self).resolve_registry(registry)
    }
}

/// A resolver without configuration: every repository is at the registry that its name states, over verified
/// https.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unconfigured;

impl Resolve for Unconfigured {
    fn resolve(&self, repository: &Repository, _: Intent) -> Result<Vec<Candidate>, ResolveError> {
        Ok(vec![Candidate::primary(repository.clone())])
    }
}
