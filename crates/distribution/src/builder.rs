use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use http::HeaderValue;
use tokio::sync::Semaphore;
use wharf_auth::{Anonymous, Authenticator, CredentialProvider, RealmPolicy};
use wharf_config::{Resolve, SignatureLocations, SignatureStore, Unconfigured};
use wharf_content::{ErrorKind, Progress};
use wharf_http::{Connect, ProxySettings, RetryPolicy, Timeouts, TlsSettings, Transport};
use wharf_reference::Registry;

use crate::{
    CertificateProvider, Client,
    client::Shared,
    counters::Counting,
    endpoint::PlainHttp,
    error::{Error, Operation},
    limiter::Limiters,
    locks::Locks,
    pull::CLIENT_EXTRA_RANGES,
    single_flight::SingleFlight,
    warnings::WarnOnce,
};

/// Builds a [`Client`]. Every setting has a default.
///
/// ```no_run
/// use std::time::Duration;
///
/// use wharf_auth::{Credential, Fixed};
/// use wharf_distribution::Client;
/// use wharf_http::{RetryPolicy, Timeouts};
/// use wharf_reference::Registry;
///
/// let registry = Registry::parse("registry.example")?;
/// let client = Client::builder()
///     .with_credentials(Fixed::new(registry, Credential::basic("ada", "s3cret")))
///     .with_retry(RetryPolicy::default().with_max_attempts(3))
///     .with_timeouts(Timeouts::default().with_connect(Duration::from_secs(3)))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientBuilder {
    resolve: Arc<dyn Resolve>,
    credentials: Arc<dyn CredentialProvider>,
    tls: Arc<dyn CertificateProvider>,
    signature_locations: Arc<dyn SignatureLocations>,
    connect: Option<Arc<dyn Connect>>,
    realms: RealmPolicy,
    plain: PlainHttp,
    timeouts: Timeouts,
    retry: RetryPolicy,
    user_agent: String,
    proxies: ProxySettings,
    warnings: Option<Arc<dyn Progress>>,
    foreign_urls: bool,
    foreign_uploads: HashSet<Registry>,
    scratch: PathBuf,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            resolve: Arc::new(Unconfigured),
            credentials: Arc::new(Anonymous),
            tls: Arc::new(|_: &Registry| Ok(TlsSettings::default())),
            signature_locations: Arc::new(SignatureStore::default()),
            connect: None,
            realms: RealmPolicy::default(),
            plain: PlainHttp::default(),
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            user_agent: concat!("wharf/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxies: ProxySettings::default(),
            warnings: None,
            foreign_urls: false,
            foreign_uploads: HashSet::new(),
            scratch: std::env::temp_dir(),
        }
    }
}

impl ClientBuilder {
    /// Sets the resolver of repositories, which gives the candidates of each. Default: [`Unconfigured`],
    /// the repository itself at the registry of its name.
    #[must_use]
    pub fn with_resolve(mut self, resolve: impl Resolve + 'static) -> Self {
        self.resolve = Arc::new(resolve);
        self
    }

    /// Sets the provider of credentials. Default: [`Anonymous`].
    #[must_use]
    pub fn with_credentials(mut self, credentials: impl CredentialProvider + 'static) -> Self {
        self.credentials = Arc::new(credentials);
        self
    }

    /// Sets the provider of certificates. Default: the root certificates of the system, and no client
    /// certificate.
    #[must_use]
    pub fn with_certificates(mut self, certificates: impl CertificateProvider + 'static) -> Self {
        self.tls = Arc::new(certificates);
        self
    }

    /// Sets where the signatures of images are kept: those of the host (`wharf_config::SignatureStores`), or one store for
    /// all images. Default: nowhere.
    ///
    /// A lookaside store on a web server gets no login and no client certificate. Its certificate must verify, by the
    /// roots that the [`CertificateProvider`] has for its host; plain http is used where its URL says so, and nowhere
    /// else (docs/threats.md, T173).
    #[must_use]
    pub fn with_signature_locations(mut self, locations: impl SignatureLocations + 'static) -> Self {
        self.signature_locations = Arc::new(locations);
        self
    }

    /// Uses plain http, and nothing else, with this registry. Credentials are sent only if it is on the
    /// local machine; see [`DangerousClientBuilder::allow_plaintext_credentials`].
    #[must_use]
    pub fn with_plain_http(mut self, registry: Registry) -> Self {
        self.plain.registries.insert(registry);
        self
    }

    /// Sets the rules for which token servers may receive credentials. Default: [`RealmPolicy::default`].
    #[must_use]
    pub fn with_realms(mut self, realms: RealmPolicy) -> Self {
        self.realms = realms;
        self
    }

    /// Sets the time limits of the built-in transport. Default: [`Timeouts::default`]. They do not affect a
    /// transport of [`ClientBuilder::with_connect`].
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets when failed requests are repeated, and when downloads are resumed. Default:
    /// [`RetryPolicy::default`].
    #[must_use]
    pub const fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the header `User-Agent`. Default: `wharf/` and the version. Characters that no header can carry
    /// make [`ClientBuilder::build`] fail.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sets the proxies of the built-in transport. Default: none. They do not affect a transport of
    /// [`ClientBuilder::with_connect`].
    #[must_use]
    pub fn with_proxies(mut self, proxies: ProxySettings) -> Self {
        self.proxies = proxies;
        self
    }

    /// Reports the warnings of registries, and mirrors that cannot be used, to this listener as
    /// [`wharf_content::Event::Warning`], each distinct warning once. Default: they are logged.
    #[must_use]
    pub fn with_warnings(mut self, listener: impl Progress + 'static) -> Self {
        self.warnings = Some(Arc::new(listener));
        self
    }

    /// Sets the directory for temporary files. One is made for a blob of unknown digest that the registry takes in no way but
    /// whole: without a name where the system can do that, for this user alone, of at most 64 GiB, and gone with the upload. Default: that of the system.
    #[must_use]
    pub fn with_scratch(mut self, directory: impl Into<PathBuf>) -> Self {
        self.scratch = directory.into();
        self
    }

    /// Sets what sends the requests, instead of the built-in HTTP client. [`wharf_http::HttpService`] has an example.
    #[must_use]
    pub fn with_connect(mut self, connect: impl Connect + 'static) -> Self {
        self.connect = Some(Arc::new(connect));
        self
    }

    /// Sets whether a layer that the registry does not have is fetched from the URLs in its descriptor: over
    /// https, without credentials, from no address further inside the network than the registry, and
    /// verified (docs/threats.md, N7). Default: `false`, these URLs are ignored.
    #[must_use]
    pub const fn with_foreign_urls(mut self, foreign_urls: bool) -> Self {
        self.foreign_urls = foreign_urls;
        self
    }

    /// The settings that weaken security.
    pub const fn dangerous(self) -> DangerousClientBuilder {
        DangerousClientBuilder(self)
    }

    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the user agent has characters that no header can carry;
    /// [`ErrorKind::Unsupported`] if the crate was built without the feature `reqwest` and no transport was
    /// set.
    pub fn build(self) -> Result<Client, Error> {
        let user_agent = HeaderValue::from_str(&self.user_agent).map_err(|_| {
            let reason = "the user agent has characters that no header can carry";
            Error::new(ErrorKind::Invalid, Operation::Discover, "registries", reason)
        })?;
        let connect = match self.connect {
            Some(connect) => connect,
            None => built_in(self.timeouts, self.proxies)?,
        };
        Ok(Client::new(Shared {
            transport: Transport::new(connect),
            authenticator: Authenticator::new(self.credentials).with_realms(self.realms),
            resolve: self.resolve,
            tls: self.tls,
            signature_locations: self.signature_locations,
            plain: self.plain,
            retry: self.retry,
            user_agent,
            hosts: std::sync::Mutex::new(HashMap::new()),
            limiters: Limiters::default(),
            counting: Counting::default(),
            foreign_urls: self.foreign_urls,
            foreign_uploads: self.foreign_uploads,
            scratch: self.scratch,
            warnings: self.warnings.map_or_else(WarnOnce::default, WarnOnce::to),
            locks: Locks::default(),
            flights: SingleFlight::default(),
            range_permits: Arc::new(Semaphore::new(CLIENT_EXTRA_RANGES)),
        }))
    }
}

#[cfg(feature = "reqwest")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "without the feature there is nothing to return"
)]
fn built_in(timeouts: Timeouts, proxies: ProxySettings) -> Result<Arc<dyn Connect>, Error> {
    Ok(Arc::new(
        wharf_http::ReqwestConnector::new()
            .with_timeouts(timeouts)
            .with_proxies(proxies),
    ))
}

#[cfg(not(feature = "reqwest"))]
fn built_in(_: Timeouts, _: ProxySettings) -> Result<Arc<dyn Connect>, Error> {
    let reason = "there is no transport: enable the feature `reqwest` or pass one";
    Err(Error::new(
        ErrorKind::Unsupported,
        Operation::Discover,
        "registries",
        reason,
    ))
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("resolve", &self.resolve)
            .field("credentials", &self.credentials)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// The settings that weaken security; see [`ClientBuilder::dangerous`].
#[derive(Debug)]
#[must_use]
pub struct DangerousClientBuilder(ClientBuilder);

impl DangerousClientBuilder {
    /// Allows credentials to be sent to this registry over plain http, where everybody on the network path
    /// can read them.
    pub fn allow_plaintext_credentials(mut self, registry: Registry) -> ClientBuilder {
        self.0.plain.credentials.insert(registry);
        self.0
    }

    /// Allows this registry to direct uploads to another origin. The registry, or an attacker who controls
    /// it, can then send every pushed blob to any host. Default: such an upload fails (docs/threats.md,
    /// N6).
    ///
    /// The other origin gets the bytes and nothing else: no credentials, tokens or client certificate, not
    /// even after the upload leads back to the registry. It must be https unless the registry itself is
    /// plain http, it may be no further inside the network than the registry (docs/threats.md, N5), and its
    /// redirects are not followed. A blob counts as pushed if the registry itself confirms that it has the
    /// blob, which takes one more request.
    pub fn allow_foreign_uploads(mut self, registry: Registry) -> ClientBuilder {
        self.0.foreign_uploads.insert(registry);
        self.0
    }
}
