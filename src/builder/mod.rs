//! Wires a client from the host's configuration and from the caller's settings.

mod dangerous;
mod network;
mod proxies;
#[cfg(feature = "trust")]
mod trust;

use std::{fmt, sync::Arc};

pub use dangerous::DangerousClientBuilder;

use wharf_auth::Credential;
use wharf_config::{
    CredentialKey, Credentials, Locations, Policy, Prompt, Registries, ShortNameMode, SignatureLocations,
};
use wharf_content::{Error, ErrorKind, Progress};
use wharf_http::Roots;

use crate::{
    Client, IntoCredentialKey, IntoRegistry,
    certificates::{HostCertificates, RootSettings},
    client::Inner,
    daemon::Daemon,
    files::Streams,
    names::{Names, ShortNameOptions},
    overrides::{TlsOverrides, WithCredentials, WithTls},
    policy::{Demands, Guard},
    warnings::{Warning, Warnings},
};

/// Makes a [`Client`]: from the configuration of a host, and from settings of the program, which take
/// precedence.
///
/// It has every setting of [`wharf_distribution::ClientBuilder`]. A setter of a yes-or-no setting takes a
/// `bool`; a setter of an extension takes any type that implements its trait, or an `Arc` of one.
///
/// ```no_run
/// use std::time::Duration;
/// use wharf::{Client, config::Locations, http::{RetryPolicy, Timeouts}};
///
/// let client = Client::builder()
///     .with_locations(Locations::from_env()) // registries.conf, auth.json, certs.d, policy.json, proxies
///     .with_timeouts(Timeouts::default().with_content(Duration::from_secs(20 * 60)))
///     .with_retry(RetryPolicy::default().with_max_attempts(3))
///     .build()?;
/// # Ok::<(), wharf::Error>(())
/// ```
#[must_use]
pub struct ClientBuilder {
    locations: Locations,
    /// The settings of the protocol's client. Resolver, credentials, certificates and warnings are added by
    /// [`ClientBuilder::build`].
    protocol: wharf_distribution::ClientBuilder,
    /// True if the caller has set the proxies, so that the environment's have no effect.
    has_proxies: bool,
    credentials: Vec<(CredentialKey, Option<Credential>)>,
    short_name_credential: Option<Credential>,
    tls: TlsOverrides,
    roots: RootSettings,
    short_names: ShortNameOptions,
    warnings: Option<Arc<dyn Progress>>,
    policy: PolicyChoice,
    demands: Demands,
    /// If `None`, the host's registries.d says where signatures are kept.
    signature_locations: Option<Arc<dyn SignatureLocations>>,
    daemon: Daemon,
    streams: Streams,
    /// The first setting that is malformed.
    error: Option<Error>,
}

/// The source of the trust policy.
enum PolicyChoice {
    Host,
    Given(Policy),
    Ignored,
}

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        Self {
            locations: Locations::none(),
            protocol: wharf_distribution::Client::builder(),
            has_proxies: false,
            credentials: Vec::new(),
            short_name_credential: None,
            tls: TlsOverrides {
                all: None,
                named: Vec::new(),
            },
            roots: RootSettings::new(),
            short_names: ShortNameOptions::new(),
            warnings: None,
            policy: PolicyChoice::Host,
            demands: Demands::default(),
            signature_locations: None,
            daemon: Daemon::docker(),
            streams: Streams::default(),
            error: None,
        }
    }

    /// Sets where the host's configuration is. Default: [`Locations::none`], with which every registry is
    /// contacted anonymously, under its own name, over verified https.
    ///
    /// ```no_run
    /// use wharf::{Client, config::Locations};
    ///
    /// let host = Locations::from_env().with_auth_file("ci/auth.json");
    /// let client = Client::builder().with_locations(host).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_locations(mut self, locations: Locations) -> Self {
        self.locations = locations;
        self
    }

    /// Adds a credential for a registry, or for a namespace or repository in it ([`IntoCredentialKey`]),
    /// which is used instead of the configuration's. Of several the most specific is used, of two for the
    /// same key the later. No other registry receives it, not even a mirror of this one.
    ///
    /// ```
    /// use wharf::{Client, Credential};
    ///
    /// let ada = Credential::basic("ada", "password");
    /// let client = Client::builder().with_credential("registry.example.com/team", ada).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_credential(mut self, key: impl IntoCredentialKey, credential: Credential) -> Self {
        if let Some(key) = self.accept(key.into_key()) {
            self.credentials.push((key, Some(credential)));
        }
        self
    }

    /// Contacts a registry, or a namespace or repository in it, without a credential, although the configuration may
    /// have one. Mirrors are contacted as ever.
    ///
    /// ```
    /// let client = wharf::Client::builder().without_credential("registry.example.com").build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn without_credential(mut self, key: impl IntoCredentialKey) -> Self {
        if let Some(key) = self.accept(key.into_key()) {
            self.credentials.push((key, None));
        }
        self
    }

    /// Keeps the first error of the settings for [`ClientBuilder::build`].
    fn accept<T>(&mut self, setting: Result<T, Error>) -> Option<T> {
        match setting {
            Ok(value) => Some(value),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }

    /// Sets the credential for the registry that the short name of a [`Client::pull`] leads to: by an alias,
    /// by the only search registry, or by the choice of a prompt.
    ///
    /// ```
    /// use wharf::{Client, Credential};
    ///
    /// let client = Client::builder().with_short_name_credential(Credential::basic("ada", "password")).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    ///
    /// # Deviation
    ///
    /// With such a credential, a pull by a short name that is searched in several registries fails with
    /// [`ErrorKind::Invalid`]. Podman sends the password to one registry after the other until one has the
    /// image.
    pub fn with_short_name_credential(mut self, credential: Credential) -> Self {
        self.short_name_credential = Some(credential);
        self
    }

    /// Sets whether certificates must verify, instead of what the configuration says for each registry.
    /// `false` also allows plain http where no https connection can be made; credentials still go over plain
    /// http to the loopback address alone, unless [`DangerousClientBuilder::allow_plaintext_credentials`]
    /// names the registry.
    ///
    /// ```
    /// let client = wharf::Client::builder().with_tls_verify(true).build()?; // whatever registries.conf says
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub const fn with_tls_verify(mut self, verify: bool) -> Self {
        self.tls.all = Some(verify);
        self
    }

    /// Sets whether the certificates of one registry must verify; otherwise as
    /// [`ClientBuilder::with_tls_verify`], which this overrides for that registry. It applies to no other
    /// registry, not even to a mirror of that one.
    ///
    /// ```
    /// let client = wharf::Client::builder().with_tls_verify_of("lab.example.com:5000", false).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_tls_verify_of(mut self, registry: impl IntoRegistry, verify: bool) -> Self {
        if let Some(registry) = self.accept(registry.into_registry()) {
            self.tls.named.push((registry, verify));
        }
        self
    }

    /// Sets the root certificates. Default: [`Roots::Platform`], the system's. With [`Roots::AddedOnly`] only
    /// the authorities of certs.d and of [`ClientBuilder::with_root_pem`] are trusted, and a registry that
    /// has none is an error. The feature `webpki-roots` has Mozilla's, for a system without root
    /// certificates.
    ///
    /// ```no_run
    /// use wharf::{Client, Roots};
    ///
    /// let company = std::fs::read("company-ca.pem")?;
    /// let client = Client::builder().with_roots(Roots::AddedOnly).with_root_pem(company).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn with_roots(mut self, roots: Roots) -> Self {
        self.roots.roots = roots;
        self
    }

    /// Adds root certificates in PEM form, trusted for every registry; certs.d has those for one registry. It
    /// may be called more than once. Text that is no PEM is an error when a registry is first contacted.
    ///
    /// ```no_run
    /// let company = std::fs::read("company-ca.pem")?;
    /// let client = wharf::Client::builder().with_root_pem(company).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_root_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.added.push(pem.into());
        self
    }

    /// Sets how a short name that may mean several images is resolved, instead of the configuration's
    /// `short-name-mode`.
    ///
    /// ```
    /// use wharf::{Client, config::ShortNameMode};
    ///
    /// let client = Client::builder().with_short_name_mode(ShortNameMode::Enforcing).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub const fn with_short_name_mode(mut self, mode: ShortNameMode) -> Self {
        self.short_names.mode = Some(mode);
        self
    }

    /// Sets the prompt that chooses when a short name may mean several images. The choice is recorded in the
    /// file of aliases once the image was pulled, as Podman does.
    ///
    /// ```
    /// use wharf::{Client, Reference, reference::ShortName};
    ///
    /// let first = |_: &ShortName, candidates: &[Reference]| (!candidates.is_empty()).then_some(0);
    /// let client = Client::builder().with_short_name_prompt(first).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_short_name_prompt(mut self, prompt: impl Prompt + 'static) -> Self {
        self.short_names.prompt = Some(Arc::new(prompt));
        self
    }

    /// Sets whether every short name is Docker Hub's, as for Docker; aliases and search registries are
    /// ignored then. Default: `false`.
    ///
    /// ```
    /// let client = wharf::Client::builder().with_docker_hub_names(true).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub const fn with_docker_hub_names(mut self, docker_hub: bool) -> Self {
        self.short_names.docker_hub = docker_hub;
        self
    }

    /// Sets the trust policy, instead of the host's policy.json. It decides what may be pulled, copied and
    /// pushed ([`ErrorKind::Rejected`]); reading names, tags and manifests needs no permission. An image in a
    /// store is judged by the rules for the store's directory, an image in memory by the default rule.
    ///
    /// An image that the policy wants signed is verified by the signatures that lie where registries.d says. Without
    /// the feature `trust` such an image is refused.
    ///
    /// Default: the host's policy.json, if it has one. Without one every image is accepted; Podman copies
    /// nothing then.
    ///
    /// ```
    /// use wharf::{Client, config::Policy};
    ///
    /// let policy = Policy::parse(
    ///     r#"{"default": [{"type": "reject"}],
    ///         "transports": {"docker": {"registry.example.com/team": [{"type": "insecureAcceptAnything"}]}}}"#,
    /// )?;
    /// let client = Client::builder().with_policy(policy).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = PolicyChoice::Given(policy);
        self
    }

    /// The settings that weaken security.
    ///
    /// ```
    /// let client = wharf::Client::builder().dangerous().ignore_policy().build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn dangerous(self) -> DangerousClientBuilder {
        DangerousClientBuilder(self)
    }

    /// Reads the configuration and makes the client. Nothing is contacted.
    ///
    /// ```no_run
    /// use wharf::{Client, config::Locations};
    ///
    /// let client = Client::builder().with_locations(Locations::from_env()).build()?; // as Client::from_host
    /// # Ok::<(), wharf::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if a configuration file cannot be read or understood, a setting's text names no
    /// registry, or a variable names no proxy.
    pub fn build(self) -> Result<Client, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let invalid = |error| Error::wrap(ErrorKind::Invalid, error);
        let registries = Arc::new(Registries::load(&self.locations).map_err(invalid)?);
        let credentials = Credentials::from_locations(&self.locations)
            .map_err(invalid)?
            .with_helpers(registries.credential_helpers());
        let warnings = Arc::new(Warnings::to(self.warnings));
        let resolver = Arc::new(WithTls {
            configured: Arc::clone(&registries),
            overrides: self.tls,
            warnings: Arc::clone(&warnings),
        });
        let credentials_provider = WithCredentials {
            explicit: self.credentials,
            configured: credentials.clone(),
            warnings: Arc::clone(&warnings),
        };
        let policy = match self.policy {
            PolicyChoice::Host => Policy::load(&self.locations).map_err(invalid)?,
            PolicyChoice::Given(policy) => Some(policy),
            PolicyChoice::Ignored => None,
        };
        let guard = Guard::new(policy, self.demands, Arc::clone(&warnings));
        for warning in registries.warnings().iter().chain(guard.warnings()) {
            warnings.warn(Warning::Configuration(warning.clone()));
        }
        let names = Names {
            locations: self.locations.clone(),
            options: self.short_names,
            warnings: Arc::clone(&warnings),
        };
        let mut protocol = self.protocol;
        let signature_locations = match self.signature_locations {
            Some(given) => Some(given),
            None => of_host(&self.locations, &warnings)?,
        };
        if let Some(locations) = signature_locations {
            protocol = protocol.with_signature_locations(locations);
        }
        if !self.has_proxies {
            protocol = protocol.with_proxies(proxies::from_variables(self.locations.proxies())?);
        }
        let certificates = Arc::new(HostCertificates::new(
            self.locations,
            self.roots,
            Arc::clone(&warnings),
        ));
        let protocol = protocol
            .with_warnings(Arc::clone(&warnings))
            .with_resolve(Arc::clone(&resolver))
            .with_credentials(credentials_provider.clone())
            .with_certificates(Arc::clone(&certificates));
        Ok(Client {
            inner: Arc::new(Inner {
                client: protocol.clone().build()?,
                protocol,
                credentials_provider,
                warnings,
                short_name_credential: self.short_name_credential,
                registries,
                credentials,
                names,
                guard,
                daemon: self.daemon,
                streams: self.streams,
                #[cfg(feature = "sync")]
                resolver,
                #[cfg(feature = "sync")]
                certificates,
            }),
        })
    }
}

/// The stores of signatures that the host's registries.d names.
#[cfg(feature = "trust")]
fn of_host(locations: &Locations, warnings: &Warnings) -> Result<Option<Arc<dyn SignatureLocations>>, Error> {
    let stores = wharf_config::SignatureStores::load(locations);
    let stores = stores.map_err(|error| Error::wrap(ErrorKind::Invalid, error))?;
    for warning in stores.warnings() {
        warnings.warn(Warning::Configuration(warning.clone()));
    }
    Ok(Some(Arc::new(stores)))
}

/// No signature is read, and neither is registries.d.
#[cfg(not(feature = "trust"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
const fn of_host(_: &Locations, _: &Warnings) -> Result<Option<Arc<dyn SignatureLocations>>, Error> {
    Ok(None)
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("locations", &self.locations)
            .field("credentials", &self.credentials)
            .field("tls", &self.tls)
            .field("roots", &self.roots)
            .field("short_names", &self.short_names)
            .finish_non_exhaustive()
    }
}
