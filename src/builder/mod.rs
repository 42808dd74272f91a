//! Wires a client from the host's configuration and from what the caller sets.

mod dangerous;
mod network;
mod proxies;

use std::{fmt, sync::Arc};

pub use dangerous::DangerousClientBuilder;

use wharf_auth::Credential;
use wharf_config::{
    CredentialKey, Credentials, Locations, Policy, Prompt, Registries, Resolve, ShortNameMode,
};
use wharf_content::{Error, ErrorKind, Progress};
use wharf_http::Roots;
use wharf_reference::Registry;

use crate::{
    Client,
    certificates::{HostCertificates, Trust},
    client::Inner,
    names::{Names, ShortNameOptions},
    overrides::{TlsWord, WithCredentials, WithTls},
    policy::Guard,
    warnings::{Warning, Warnings},
};

/// Makes a [`Client`].
///
/// It owns the builder of the protocol's client, [`wharf_distribution::ClientBuilder`], and has every setting of it.
#[must_use]
pub struct ClientBuilder {
    locations: Locations,
    /// Every setting of the protocol's client. Where repositories are, who we are and which certificates are used
    /// is put in when it is built.
    protocol: wharf_distribution::ClientBuilder,
    /// Whether the caller has set the proxies: then the environment's do not count.
    has_proxies: bool,
    credentials: Vec<(CredentialKey, Credential)>,
    short_name_credential: Option<Credential>,
    tls: TlsWord,
    trust: Trust,
    short_names: ShortNameOptions,
    warnings: Option<Arc<dyn Progress>>,
    policy: PolicyChoice,
}

/// Where the trust policy comes from.
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
            tls: TlsWord {
                all: None,
                named: Vec::new(),
            },
            trust: Trust::new(),
            short_names: ShortNameOptions::new(),
            warnings: None,
            policy: PolicyChoice::Host,
        }
    }

    /// Where the configuration is. Without this call there is none: every registry is contacted anonymously,
    /// under its own name, over verified https.
    pub fn with_locations(mut self, locations: Locations) -> Self {
        self.locations = locations;
        self
    }

    /// A credential for a registry, or for a namespace or repository in it ([`CredentialKey::parse`]), instead of what
    /// the configuration has for it. Of several the most specific is used, of two for the same the later. No other
    /// registry sees it, not even a mirror of this one.
    pub fn with_credential(mut self, key: impl Into<CredentialKey>, credential: Credential) -> Self {
        self.credentials.push((key.into(), credential));
        self
    }

    /// A credential for the registry that the short name of a [`Client::pull`] leads to: by an alias, by the only search
    /// registry, or by choice when asked.
    ///
    /// # Deviation
    ///
    /// A short name that is searched in several registries fails with [`ErrorKind::Invalid`] then. Podman sends the
    /// password to one after the other until one has the image, whoever runs them.
    pub fn with_short_name_credential(mut self, credential: Credential) -> Self {
        self.short_name_credential = Some(credential);
        self
    }

    /// Whether certificates must verify, whatever the configuration says. `false` also allows plain http where
    /// https cannot be had; credentials still go over plain http to the loopback address alone, unless
    /// [`DangerousClientBuilder::allow_plaintext_credentials`] names the registry.
    pub const fn with_tls_verify(mut self, verify: bool) -> Self {
        self.tls.all = Some(verify);
        self
    }

    /// Whether the certificates of one registry must verify; otherwise as [`ClientBuilder::with_tls_verify`],
    /// which this overrides for that registry. It applies to no other registry, not even to a mirror of that
    /// one.
    pub fn with_tls_verify_of(mut self, registry: Registry, verify: bool) -> Self {
        self.tls.named.push((registry, verify));
        self
    }

    /// Where trust in certificates begins. Default: [`Roots::Platform`], the system's. With [`Roots::AddedOnly`]
    /// nobody is trusted but the authorities of certs.d and of [`ClientBuilder::with_root_pem`], and a registry that has none
    /// is an error; with the feature
    /// `webpki-roots` there are Mozilla's, for a system that has none.
    pub const fn with_roots(mut self, roots: Roots) -> Self {
        self.trust.roots = roots;
        self
    }

    /// Trusts the certificates of this PEM text too, for every registry; certs.d names those of one. May be
    /// called more than once. What is no PEM is an error when a registry is first contacted.
    pub fn with_root_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trust.added.push(pem.into());
        self
    }

    /// Sets how a short name that may mean several images is resolved, instead of the configuration's mode.
    pub const fn with_short_name_mode(mut self, mode: ShortNameMode) -> Self {
        self.short_names.mode = Some(mode);
        self
    }

    /// Sets the prompt that chooses when a short name may mean several images. The choice is remembered once the image was
    /// pulled, as Podman remembers it.
    pub fn with_short_name_prompt(mut self, prompt: impl Prompt + 'static) -> Self {
        self.short_names.prompt = Some(Arc::new(prompt));
        self
    }

    /// Takes every short name for Docker Hub's, as Docker does; aliases and search registries are ignored.
    pub const fn with_docker_hub_names(mut self) -> Self {
        self.short_names.docker_hub = true;
        self
    }

    /// The trust policy, instead of the host's policy.json. It decides what may be pulled, copied and pushed
    /// ([`ErrorKind::Rejected`]); reading names, tags and manifests is free. What comes from a store is judged by the
    /// rules for its directory, and what comes from memory by the default.
    ///
    /// By default the host's is obeyed if it has one. Where there is none everything is accepted, other than in Podman,
    /// which does nothing then.
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = PolicyChoice::Given(policy);
        self
    }

    /// The settings that weaken security.
    pub fn dangerous(self) -> DangerousClientBuilder {
        DangerousClientBuilder(self)
    }

    /// Reads the configuration and makes the client. Nothing is contacted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if a configuration file cannot be read or understood, or a variable names no proxy.
    pub fn build(self) -> Result<Client, Error> {
        let invalid = |error| Error::wrap(ErrorKind::Invalid, error);
        let registries = Arc::new(Registries::load(&self.locations).map_err(invalid)?);
        let credentials = Credentials::from_locations(&self.locations)
            .map_err(invalid)?
            .with_helpers(registries.credential_helpers());
        let warnings = Arc::new(Warnings::to(self.warnings));
        let resolver: Arc<dyn Resolve> = Arc::new(WithTls {
            configured: Arc::clone(&registries),
            word: self.tls,
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
        let guard = Guard::new(policy, Arc::clone(&warnings));
        for warning in registries.warnings().iter().chain(guard.warnings()) {
            warnings.warn(Warning::Configuration(warning.clone()));
        }
        let names = Names {
            locations: self.locations.clone(),
            options: self.short_names,
            warnings: Arc::clone(&warnings),
        };
        let mut protocol = self.protocol;
        if !self.has_proxies {
            protocol = protocol.with_proxies(proxies::from_variables(self.locations.proxies())?);
        }
        let certificates = HostCertificates::new(self.locations, self.trust, Arc::clone(&warnings));
        let protocol = protocol
            .with_warnings(Arc::clone(&warnings))
            .with_resolve(resolver)
            .with_credentials(credentials_provider.clone())
            .with_certificates(certificates);
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
            }),
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("locations", &self.locations)
            .field("credentials", &self.credentials)
            .field("tls", &self.tls)
            .field("trust", &self.trust)
            .field("short_names", &self.short_names)
            .finish_non_exhaustive()
    }
}
