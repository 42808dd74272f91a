use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use http::HeaderValue;
use tokio::sync::Semaphore;
use wharf_auth::{Anonymous, Authenticator, CredentialProvider, RealmPolicy};
use wharf_config::{Resolve, Unconfigured};
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
    pull::CLIENT_EXTRA_RANGES,
    warnings::WarnOnce,
};

/// Builds a [`Client`]. Everything has a default; what cannot be used is an error of
/// [`ClientBuilder::build`].
#[derive(Clone)]
pub struct ClientBuilder {
    resolve: Arc<dyn Resolve>,
    credentials: Arc<dyn CredentialProvider>,
    tls: Arc<dyn CertificateProvider>,
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
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            resolve: Arc::new(Unconfigured),
            credentials: Arc::new(Anonymous),
            tls: Arc::new(|_: &Registry| Ok(TlsSettings::default())),
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
        }
    }
}

impl ClientBuilder {
    /// Where repositories are, as the host's configuration says. Default: where their names say.
    #[must_use]
    pub fn with_resolve(mut self, resolve: impl Resolve + 'static) -> Self {
        self.resolve = Arc::new(resolve);
        self
    }

    /// Who we are. Default: nobody.
    #[must_use]
    pub fn with_credentials(mut self, credentials: impl CredentialProvider + 'static) -> Self {
        self.credentials = Arc::new(credentials);
        self
    }

    /// The certificates for each registry. Default: the system's trusted ones, and none of our own.
    #[must_use]
    pub fn with_certificates(mut self, certificates: impl CertificateProvider + 'static) -> Self {
        self.tls = Arc::new(certificates);
        self
    }

    /// Speaks plain http with this registry and nothing else. Credentials go there only if it is this machine;
    /// see [`DangerousClientBuilder::allow_plaintext_credentials`].
    #[must_use]
    pub fn with_plain_http(mut self, registry: Registry) -> Self {
        self.plain.registries.insert(registry);
        self
    }

    /// Which token servers may receive credentials.
    #[must_use]
    pub fn with_realms(mut self, realms: RealmPolicy) -> Self {
        self.realms = realms;
        self
    }

    /// The time limits of the built-in transport.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// When failed requests are sent again.
    #[must_use]
    pub const fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// What the registry is told about the program. Default: `wharf/` and the version.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// The proxies that the built-in transport goes through. Default: none.
    #[must_use]
    pub fn with_proxies(mut self, proxies: ProxySettings) -> Self {
        self.proxies = proxies;
        self
    }

    /// Tells what registries warn of and which mirrors cannot be used, each once, as
    /// [`wharf_content::Event::Warning`]. Default: it is logged.
    #[must_use]
    pub fn with_warnings(mut self, listener: impl Progress + 'static) -> Self {
        self.warnings = Some(Arc::new(listener));
        self
    }

    /// Another transport than the built-in one.
    #[must_use]
    pub fn with_connect(mut self, connect: impl Connect + 'static) -> Self {
        self.connect = Some(Arc::new(connect));
        self
    }

    /// Sets whether a layer that the registry does not have is fetched from the URLs that its descriptor lists: over https,
    /// without credentials, from no place further inside the network than the registry, and verified (N7).
    /// Default: `false`.
    #[must_use]
    pub const fn with_foreign_urls(mut self, foreign_urls: bool) -> Self {
        self.foreign_urls = foreign_urls;
        self
    }

    /// The settings that weaken security.
    pub const fn dangerous(self) -> DangerousClientBuilder {
        DangerousClientBuilder(self)
    }

    /// The client.
    ///
    /// Fails with [`ErrorKind::Invalid`] if the user agent is no header's value, and with
    /// [`ErrorKind::Unsupported`] if there is no transport.
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
            plain: self.plain,
            retry: self.retry,
            user_agent,
            hosts: std::sync::Mutex::new(HashMap::new()),
            limiters: Limiters::default(),
            counting: Counting::default(),
            foreign_urls: self.foreign_urls,
            foreign_uploads: self.foreign_uploads,
            warnings: self.warnings.map_or_else(WarnOnce::default, WarnOnce::to),
            referrers: tokio::sync::Mutex::default(),
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

/// Settings of a client that weaken security, behind one door.
#[derive(Debug)]
#[must_use]
pub struct DangerousClientBuilder(ClientBuilder);

impl DangerousClientBuilder {
    /// Sends credentials to this registry even over plain http, where everyone on the way can read them.
    pub fn allow_plaintext_credentials(mut self, registry: Registry) -> ClientBuilder {
        self.0.plain.credentials.insert(registry);
        self.0
    }

    /// Sends what is pushed to this registry to another origin, where the registry's answers name one for an
    /// upload: a registry, or who has taken it over, can send every blob anywhere. Default: such an upload fails (N6).
    ///
    /// The other origin gets the bytes and nothing else: no credentials, tokens or client certificate, not even once
    /// the upload leads back. It must be spoken to over https, unless the registry is spoken to in the clear, is no
    /// further inside the network than the registry (N5), and its redirects are not followed. A blob counts as
    /// pushed when the registry itself says that it has it, which takes one more request.
    pub fn allow_foreign_uploads(mut self, registry: Registry) -> ClientBuilder {
        self.0.foreign_uploads.insert(registry);
        self.0
    }
}
