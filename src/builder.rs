use std::sync::Arc;

use wharf_auth::{Credential, CredentialProvider};
use wharf_config::{Credentials, Locations, Prompt, Registries, Resolve, ShortNameMode};
use wharf_content::{Error, ErrorKind};
use wharf_distribution::ClientBuilder;
use wharf_reference::Registry;

use crate::{
    Client,
    certificates::HostCertificates,
    client::Inner,
    names::{Names, ShortNameOptions},
    overrides::{TlsWord, WithCredentials, WithTls},
};

/// Makes a [`Client`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    locations: Locations,
    credentials: Vec<(Registry, Credential)>,
    tls: TlsWord,
    plain_http: Vec<Registry>,
    plaintext_credentials: Vec<Registry>,
    short_names: ShortNameOptions,
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
            plain_http: Vec::new(),
            plaintext_credentials: Vec::new(),
            short_names: ShortNameOptions::new(),
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
            configured: Arc::new(credentials.clone()),
        });
        let names = Names {
            locations: self.locations.clone(),
            options: self.short_names,
        };
        let registry_client = RegistryClient {
            resolver,
            certificates: Arc::new(HostCertificates::new(self.locations)),
            plain_http: self.plain_http,
            plaintext_credentials: self.plaintext_credentials,
        };
        let client = registry_client.with_credentials(provider)?;
        Ok(Client {
            inner: Arc::new(Inner {
                client,
                registry_client,
                registries,
                credentials,
                names,
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
}

/// How to make a client of the protocol for this host, for any credentials.
#[derive(Debug)]
pub(crate) struct RegistryClient {
    resolver: Arc<dyn Resolve>,
    certificates: Arc<HostCertificates>,
    plain_http: Vec<Registry>,
    plaintext_credentials: Vec<Registry>,
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
        Ok(builder
            .with_resolve(Arc::clone(&self.resolver))
            .with_credentials(provider)
            .with_tls(Arc::clone(&self.certificates) as _)
            .build()?)
    }
}
