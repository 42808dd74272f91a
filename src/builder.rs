use std::{fmt, sync::Arc};

use wharf_auth::{Credential, CredentialProvider};
use wharf_config::{Credentials, Locations, Policy, Prompt, Registries, Resolve, ShortNameMode};
use wharf_content::{Error, ErrorKind, Progress};
use wharf_distribution::ClientBuilder;
use wharf_http::Roots;
use wharf_reference::Registry;

use crate::{
    Client,
    certificates::{HostCertificates, Trust},
    client::Inner,
    names::{Names, ShortNameOptions},
    overrides::{TlsWord, WithCredentials, WithTls},
    policy::Guard,
    warnings::Warnings,
};

/// Makes a [`Client`].
#[must_use]
pub struct Builder {
    locations: Locations,
    credentials: Vec<(Registry, Credential)>,
    tls: TlsWord,
    trust: Trust,
    plain_http: Vec<Registry>,
    plaintext_credentials: Vec<Registry>,
    foreign_uploads: Vec<Registry>,
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

impl Builder {
    pub(crate) const fn new() -> Self {
        Self {
            locations: Locations::none(),
            credentials: Vec::new(),
            tls: TlsWord {
                all: None,
                named: Vec::new(),
            },
            trust: Trust::new(),
            plain_http: Vec::new(),
            plaintext_credentials: Vec::new(),
            foreign_uploads: Vec::new(),
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

    /// A credential for one registry, instead of what the configuration has for it. No other registry sees it,
    /// not even a mirror of this one.
    pub fn with_credential(mut self, registry: Registry, credential: Credential) -> Self {
        self.credentials.push((registry, credential));
        self
    }

    /// Whether certificates must verify, whatever the configuration says. `false` also allows plain http where
    /// https cannot be had; credentials still go over plain http to the loopback address alone, unless
    /// [`DangerousBuilder::allow_plaintext_credentials`] names the registry.
    pub const fn with_tls_verify(mut self, verify: bool) -> Self {
        self.tls.all = Some(verify);
        self
    }

    /// The same for one registry, and no other: not even a mirror of it. It beats [`Builder::with_tls_verify`].
    pub fn with_tls_verify_of(mut self, registry: Registry, verify: bool) -> Self {
        self.tls.named.push((registry, verify));
        self
    }

    /// Where trust in certificates begins. Default: [`Roots::Platform`], the system's. With [`Roots::AddedOnly`]
    /// nobody is trusted but the authorities of certs.d and of [`Builder::with_root_pem`], and a registry that has none
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

    /// Tells what the user should know and is no failure, each thing once, as
    /// [`Event::Warning`](wharf_content::Event::Warning): what registries warn of, and files with credentials that
    /// others can read. Default: it is logged. What is odd in the configuration is in [`Client::warnings`].
    pub fn with_warnings(mut self, listener: Arc<dyn Progress>) -> Self {
        self.warnings = Some(listener);
        self
    }

    /// Speaks plain http with this registry, and never tries https: for a registry inside this machine, such as
    /// one in a test.
    pub fn with_plain_http(mut self, registry: Registry) -> Self {
        self.plain_http.push(registry);
        self
    }

    /// What to do with a short name that may mean several images, whatever the configuration says.
    pub const fn with_short_name_mode(mut self, mode: ShortNameMode) -> Self {
        self.short_names.mode = Some(mode);
        self
    }

    /// Who is asked which of several images a short name means. The choice is remembered once the image was
    /// pulled, as Podman remembers it.
    pub fn with_short_name_prompt(mut self, prompt: Arc<dyn Prompt>) -> Self {
        self.short_names.prompt = Some(prompt);
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

    /// What weakens security.
    pub const fn dangerous(self) -> DangerousBuilder {
        DangerousBuilder(self)
    }

    /// Reads the configuration and makes the client. Nothing is contacted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if a configuration file cannot be read or understood.
    pub fn build(self) -> Result<Client, Error> {
        let invalid = |error| Error::wrap(ErrorKind::Invalid, error);
        let registries = Arc::new(Registries::load(&self.locations).map_err(invalid)?);
        let credentials = Credentials::from_locations(&self.locations)
            .map_err(invalid)?
            .with_helpers(registries.credential_helpers());
        let resolver: Arc<dyn Resolve> = Arc::new(WithTls {
            configured: Arc::clone(&registries) as _,
            word: self.tls,
        });
        let provider: Arc<dyn CredentialProvider> = Arc::new(WithCredentials {
            explicit: self.credentials,
            configured: credentials.clone(),
            warnings: Warnings::to(self.warnings.clone()),
        });
        let policy = match self.policy {
            PolicyChoice::Host => Policy::load(&self.locations).map_err(invalid)?,
            PolicyChoice::Given(policy) => Some(policy),
            PolicyChoice::Ignored => None,
        };
        let names = Names {
            locations: self.locations.clone(),
            options: self.short_names,
        };
        let registry_client = RegistryClient {
            resolver,
            certificates: Arc::new(HostCertificates::new(self.locations, self.trust)),
            plain_http: self.plain_http,
            plaintext_credentials: self.plaintext_credentials,
            foreign_uploads: self.foreign_uploads,
            warnings: self.warnings,
        };
        let client = registry_client.with_credentials(provider)?;
        Ok(Client {
            inner: Arc::new(Inner {
                client,
                registry_client,
                registries,
                credentials,
                names,
                guard: Guard::new(policy),
            }),
        })
    }
}

/// Settings of a client that weaken security, behind one door.
#[derive(Debug)]
#[must_use]
pub struct DangerousBuilder(Builder);

impl DangerousBuilder {
    /// Sends credentials to this registry even over plain http, where everyone on the way can read them. Whether
    /// plain http is spoken with it at all is another setting's matter: [`Builder::with_plain_http`], or
    /// `insecure` in registries.conf.
    pub fn allow_plaintext_credentials(mut self, registry: Registry) -> Builder {
        self.0.plaintext_credentials.push(registry);
        self.0
    }

    /// Accepts every image, whatever the host's policy.json says.
    pub fn ignore_policy(mut self) -> Builder {
        self.0.policy = PolicyChoice::Ignored;
        self.0
    }

    /// Sends what is pushed to this registry to another origin where the registry says so, without credentials; see
    /// [`DangerousClient::allow_foreign_uploads`](wharf_distribution::DangerousClient::allow_foreign_uploads).
    pub fn allow_foreign_uploads(mut self, registry: Registry) -> Builder {
        self.0.foreign_uploads.push(registry);
        self.0
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("locations", &self.locations)
            .field("credentials", &self.credentials)
            .field("tls", &self.tls)
            .field("trust", &self.trust)
            .field("short_names", &self.short_names)
            .finish_non_exhaustive()
    }
}

/// How to make a client of the protocol for this host, for any credentials.
pub(crate) struct RegistryClient {
    resolver: Arc<dyn Resolve>,
    certificates: Arc<HostCertificates>,
    plain_http: Vec<Registry>,
    plaintext_credentials: Vec<Registry>,
    foreign_uploads: Vec<Registry>,
    warnings: Option<Arc<dyn Progress>>,
}

impl RegistryClient {
    pub(crate) fn with_credentials(
        &self,
        provider: Arc<dyn CredentialProvider>,
    ) -> Result<wharf_distribution::Client, Error> {
        let builder = wharf_distribution::Client::builder();
        let builder = self
            .plain_http
            .iter()
            .cloned()
            .fold(builder, ClientBuilder::with_plain_http);
        let builder = self
            .plaintext_credentials
            .iter()
            .cloned()
            .fold(builder, |builder, registry| {
                builder.dangerous().allow_plaintext_credentials(registry)
            });
        let builder = self
            .foreign_uploads
            .iter()
            .cloned()
            .fold(builder, |builder, registry| {
                builder.dangerous().allow_foreign_uploads(registry)
            });
        let builder = match &self.warnings {
            Some(listener) => builder.with_warnings(Arc::clone(listener)),
            None => builder,
        };
        Ok(builder
            .with_resolve(Arc::clone(&self.resolver))
            .with_credentials(provider)
            .with_tls(Arc::clone(&self.certificates) as _)
            .build()?)
    }
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClient")
            .field("resolver", &self.resolver)
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}
