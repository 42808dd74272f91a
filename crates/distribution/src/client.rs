use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use http::{HeaderValue, Method};
use tokio::sync::Semaphore;
use wharf_auth::{Authenticator, Scopes};
use wharf_config::{Candidate, Intent, Resolve, ResolveError, Role, SignatureLocations};
use wharf_content::{ErrorKind, Hint};
use wharf_http::{AddressClass, Origin, RetryPolicy, Scheme, Transport};
use wharf_reference::{Registry, Repository};

use crate::{
    CertificateProvider, ClientBuilder, Counters, Remote,
    counters::Counting,
    endpoint::{Endpoint, PlainHttp},
    error::{Error, Operation},
    existence::Unanswered,
    limiter::Limiters,
    locks::Locks,
    push::UploadQuirks,
    repeated_source::skip_repeated_source,
    send::Call,
    single_flight::SingleFlight,
    sync::LockExt as _,
    warnings::WarnOnce,
};

/// A client of registries. Clones share connections, tokens and what the client has learned about
/// registries.
///
/// ```no_run
/// use wharf_distribution::Client;
/// use wharf_reference::{Reference, Registry};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder().with_user_agent("my-program/1.0").build()?;
/// let registry = Registry::parse("registry.example:5000")?;
/// client.check_credentials(&registry).await?;
/// for repository in client.catalog(&registry, 100).await? {
///     println!("{repository}: {:?}", client.remote(&repository).tags().collect().await?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// `wharf::Client` is this client with the configuration of the host, and with operations on images.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) transport: Transport,
    pub(crate) authenticator: Authenticator,
    pub(crate) resolve: Arc<dyn Resolve>,
    pub(crate) tls: Arc<dyn CertificateProvider>,
    pub(crate) signature_locations: Arc<dyn SignatureLocations>,
    pub(crate) plain: PlainHttp,
    pub(crate) retry: RetryPolicy,
    pub(crate) user_agent: HeaderValue,
    pub(crate) hosts: Mutex<HashMap<Registry, Host>>,
    pub(crate) limiters: Limiters,
    pub(crate) counting: Counting,
    pub(crate) foreign_urls: bool,
    pub(crate) foreign_uploads: HashSet<Registry>,
    /// The directory for temporary files.
    pub(crate) scratch: PathBuf,
    pub(crate) warnings: WarnOnce,
    pub(crate) locks: Locks,
    pub(crate) flights: SingleFlight,
    /// Ranges that may be fetched beside the first of each blob: bounds the memory they take.
    pub(crate) range_permits: Arc<Semaphore>,
}

/// The properties of a registry that the client has learned.
#[derive(Debug, Default, Clone)]
pub(crate) struct Host {
    /// The scheme that it answered over.
    pub(crate) scheme: Option<Scheme>,
    /// The ways in which it accepts uploads.
    pub(crate) upload_quirks: UploadQuirks,
    /// The optional requests that it did not answer.
    pub(crate) unanswered: Unanswered,
    /// Whether it offers signatures in its API.
    pub(crate) offers_signatures: Option<bool>,
    /// The class of its address.
    pub(crate) class: Option<(Origin, AddressClass)>,
}

impl Client {
    /// A builder with default settings.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// A repository, by the name that the user wrote. Its candidates are resolved when it is first used.
    #[must_use]
    pub fn remote(&self, repository: &Repository) -> Remote {
        Remote::new(self.clone(), repository.clone())
    }

    /// The counts of this client and its clones so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counting.read()
    }

    /// Checks that the registry accepts the credentials that the provider has for it, as a login command
    /// does. It requests the root of the API, so the check is independent of repositories. A registry
    /// without authentication accepts any credentials.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorized`] if the registry refuses the credentials. Otherwise see [`Error::kind`].
    pub async fn check_credentials(&self, registry: &Registry) -> Result<(), Error> {
        let endpoint = self.registry_endpoint(registry, Operation::Login)?;
        let call =
            Call::new(Operation::Login, registry, Method::GET, "v2/", &[200]).with_scopes(Scopes::none());
        self.send(&endpoint, call).await.map(drop)
    }

    /// The endpoint of a registry as a whole, as the configuration describes it.
    pub(crate) fn registry_endpoint(
        &self,
        registry: &Registry,
        operation: Operation,
    ) -> Result<Endpoint, Error> {
        let mode = self
            .shared
            .resolve
            .resolve_registry(registry)
            .map_err(|error| resolve_error(operation, registry, &error))?;
        Endpoint::of_registry(registry.clone(), mode, &*self.shared.tls, &self.shared.plain)
            .map_err(|error| settings_error(operation, registry, error))
    }

    /// The endpoints of a repository that may be contacted, in order. A mirror whose certificates cannot be
    /// used is passed over, as one that does not answer.
    pub(crate) fn endpoints(
        &self,
        repository: &Repository,
        intent: Intent,
        operation: Operation,
    ) -> Result<Vec<Endpoint>, Error> {
        let candidates = self
            .shared
            .resolve
            .resolve(repository, intent)
            .map_err(|error| resolve_error(operation, repository, &error))?;
        let endpoint = |candidate: &Candidate| {
            let endpoint = Endpoint::new(candidate, &*self.shared.tls, &self.shared.plain);
            match endpoint {
                Err(error) if candidate.role == Role::Mirror => {
                    let message = format!("the mirror {} is passed over: {error}", candidate.repository);
                    self.shared.warnings.warn(&message);
                    None
                }
                endpoint => Some(endpoint.map_err(|error| settings_error(operation, repository, error))),
            }
        };
        let allowed = candidates.iter().filter(|candidate| candidate.blocked.is_none());
        allowed.filter_map(endpoint).collect()
    }

    pub(crate) fn host(&self, registry: &Registry) -> Host {
        let hosts = self.shared.hosts.locked();
        hosts.get(registry).cloned().unwrap_or_default()
    }

    pub(crate) fn learn(&self, registry: &Registry, lesson: impl FnOnce(&mut Host)) {
        let mut hosts = self.shared.hosts.locked();
        lesson(hosts.entry(registry.clone()).or_default());
    }
}

pub(crate) fn resolve_error(operation: Operation, subject: impl fmt::Display, error: &ResolveError) -> Error {
    let (kind, hint) = match error {
        ResolveError::Blocked(_) | ResolveError::BlockedRegistry { .. } => {
            (ErrorKind::Blocked, Hint::AllowInConfiguration)
        }
        _ => (ErrorKind::Invalid, Hint::CorrectConfiguration),
    };
    Error::new(kind, operation, subject, error.to_string()).with_hint(hint)
}

fn settings_error(operation: Operation, subject: impl fmt::Display, error: wharf_http::Error) -> Error {
    let ours = Error::new(ErrorKind::Invalid, operation, subject, error.to_string());
    skip_repeated_source(ours, error)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("transport", &self.shared.transport)
            .field("authenticator", &self.shared.authenticator)
            .field("resolve", &self.shared.resolve)
            .finish_non_exhaustive()
    }
}
