use std::{collections::HashSet, fmt, sync::Arc};

use url::Url;
use wharf_config::{Candidate, Role, TlsMode};
use wharf_http::{Error, ErrorKind, Origin, Peer, Scheme, TlsSettings};
use wharf_reference::{Registry, Repository};

/// Gives the certificates for a registry: what its directory in certs.d holds.
///
/// Implemented by every function from a [`Registry`] to the settings.
pub trait TlsFor: Send + Sync {
    /// The settings for this registry, as it is called in image names (`docker.io`, not the host of its API).
    ///
    /// They hold what is trusted and shown. Whether verification is waived is the configuration's business,
    /// not theirs.
    fn tls_for(&self, registry: &Registry) -> Result<TlsSettings, Box<dyn std::error::Error + Send + Sync>>;
}

impl<F> TlsFor for F
where
    F: Fn(&Registry) -> Result<TlsSettings, Box<dyn std::error::Error + Send + Sync>> + Send + Sync,
{
    fn tls_for(&self, registry: &Registry) -> Result<TlsSettings, Box<dyn std::error::Error + Send + Sync>> {
        self(registry)
    }
}

/// A place that requests go to: a candidate with all that is needed to contact it.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) registry: Registry,
    pub(crate) repository: Option<Repository>,
    pub(crate) role: Role,
    /// Where the API is, if not where the registry's name says.
    api_host: Option<&'static str>,
    tls: Arc<TlsSettings>,
    /// The schemes to try, in order; the second only if the first cannot connect.
    pub(crate) schemes: &'static [Scheme],
    pub(crate) allow_plaintext: bool,
    /// Whether another place is asked if this one fails: it is the second try.
    pub(crate) has_next: bool,
}

/// What the client was told about plain http.
#[derive(Debug, Default, Clone)]
pub(crate) struct PlainHttp {
    pub(crate) registries: HashSet<Registry>,
    pub(crate) credentials: HashSet<Registry>,
}

impl Site {
    pub(crate) fn new(candidate: &Candidate, tls: &dyn TlsFor, plain: &PlainHttp) -> Result<Self, Error> {
        let registry = candidate.repository.registry();
        let mut site = Self::of_registry(registry, candidate.tls, tls, plain)?;
        site.repository = Some(candidate.repository.clone());
        site.role = candidate.role;
        Ok(site)
    }

    pub(crate) fn of_registry(
        registry: Registry,
        mode: TlsMode,
        tls: &dyn TlsFor,
        plain: &PlainHttp,
    ) -> Result<Self, Error> {
        let settings = tls.tls_for(&registry).map_err(|error| {
            let message = format!("the certificates for {registry} cannot be used");
            Error::new(ErrorKind::Settings, message).with_source(error)
        })?;
        let insecure = mode == TlsMode::Insecure;
        let schemes: &'static [Scheme] = if plain.registries.contains(&registry) {
            &[Scheme::Http]
        } else if insecure {
            &[Scheme::Https, Scheme::Http]
        } else {
            &[Scheme::Https]
        };
        let allow_plaintext = plain.credentials.contains(&registry);
        let settings = if insecure {
            settings.dangerous().skip_verify()
        } else {
            settings
        };
        Ok(Self {
            registry,
            repository: None,
            role: Role::Primary,
            api_host: None,
            tls: Arc::new(settings),
            schemes,
            allow_plaintext,
            has_next: false,
        })
    }

    /// The same with its API at another host, of the same operator.
    pub(crate) const fn with_api_host(mut self, host: &'static str) -> Self {
        self.api_host = Some(host);
        self
    }

    /// The root of the API under this scheme; Docker Hub's is at another host than its name says.
    pub(crate) fn base(&self, scheme: Scheme) -> Result<Url, Error> {
        let host = match self.api_host {
            Some(host) => host,
            None if self.registry.is_docker_hub() => "registry-1.docker.io",
            None => self.registry.as_str(),
        };
        Url::parse(&format!("{scheme}://{host}/")).map_err(|error| {
            let message = format!("{} is not a host that can be contacted", self.registry);
            Error::new(ErrorKind::Settings, message).with_source(error)
        })
    }

    pub(crate) fn peer(&self, url: &Url) -> Result<Peer, Error> {
        Ok(Peer::named(Origin::of(url)?, Arc::clone(&self.tls)))
    }
}

/// The sites in this order, each knowing whether one follows.
pub(crate) fn in_order<'a>(
    sites: &'a [Site],
    order: &'a [usize],
) -> impl Iterator<Item = (usize, Site)> + use<'a> {
    let followed = (1..order.len()).map(|_| true).chain([false]);
    order.iter().zip(followed).filter_map(|(index, has_next)| {
        let site = sites.get(*index)?.clone();
        Some((*index, Site { has_next, ..site }))
    })
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("registry", &self.registry)
            .field("repository", &self.repository)
            .field("schemes", &self.schemes)
            .finish_non_exhaustive()
    }
}
