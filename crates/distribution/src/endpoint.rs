use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::Arc,
};

use url::Url;
use wharf_config::{Candidate, Role, TlsMode};
use wharf_http::{ErrorKind, Origin, Peer, Scheme, TlsSettings};
use wharf_reference::{Registry, Repository};

use crate::{
    CertificateProvider,
    error::{Detail, Error},
};

/// The API of a registry that requests are sent to: a [`Candidate`], or a registry as a whole, with its
/// certificates and the schemes that are tried.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) registry: Registry,
    pub(crate) repository: Option<Repository>,
    pub(crate) role: Role,
    /// The host of the API, if the name of the registry is not it.
    api_host: Option<&'static str>,
    tls: Arc<TlsSettings>,
    /// The schemes in the order in which they are tried. The second is tried only if the first cannot
    /// connect.
    pub(crate) schemes: &'static [Scheme],
    pub(crate) allow_plaintext: bool,
    /// True unless this is the last endpoint: failed requests are not repeated here, the next endpoint is
    /// asked instead.
    pub(crate) has_next: bool,
}

/// The settings about plain http.
#[derive(Debug, Default, Clone)]
pub(crate) struct PlainHttp {
    pub(crate) registries: HashSet<Registry>,
    pub(crate) credentials: HashSet<Registry>,
}

impl Endpoint {
    pub(crate) fn new(
        candidate: &Candidate,
        tls: &dyn CertificateProvider,
        plain: &PlainHttp,
    ) -> Result<Self, wharf_http::Error> {
        let registry = candidate.repository.registry();
        let mut endpoint = Self::of_registry(registry, candidate.tls, tls, plain)?;
        endpoint.repository = Some(candidate.repository.clone());
        endpoint.role = candidate.role;
        Ok(endpoint)
    }

    pub(crate) fn of_registry(
        registry: Registry,
        mode: TlsMode,
        tls: &dyn CertificateProvider,
        plain: &PlainHttp,
    ) -> Result<Self, wharf_http::Error> {
        let settings = tls.tls_settings(&registry).map_err(|error| {
            let message = format!("the certificates for {registry} cannot be used");
            wharf_http::Error::new(ErrorKind::Settings, message).with_source(error)
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

    /// A web server that anybody may read, such as a store of signatures. Its certificate must verify, whatever the
    /// configuration waives for a registry of the same name, and it gets no client certificate (docs/threats.md, T173).
    pub(crate) fn public(
        registry: Registry,
        scheme: Scheme,
        tls: &dyn CertificateProvider,
    ) -> Result<Self, wharf_http::Error> {
        let mut endpoint = Self::of_registry(registry, TlsMode::Verify, tls, &PlainHttp::default())?;
        endpoint.tls = Arc::new(endpoint.tls.for_others());
        endpoint.schemes = match scheme {
            Scheme::Http => &[Scheme::Http],
            Scheme::Https => &[Scheme::Https],
        };
        Ok(endpoint)
    }

    /// This endpoint, with its API at another host of the same operator.
    pub(crate) const fn with_api_host(mut self, host: &'static str) -> Self {
        self.api_host = Some(host);
        self
    }

    /// The root URL of the API with this scheme. That of Docker Hub is at another host than its name says.
    pub(crate) fn base(&self, scheme: Scheme) -> Result<Url, wharf_http::Error> {
        let host = match self.api_host {
            Some(host) => host,
            None if self.registry.is_docker_hub() => "registry-1.docker.io",
            None => self.registry.as_str(),
        };
        Url::parse(&format!("{scheme}://{host}/")).map_err(|error| {
            let message = format!("{} is not a host that can be contacted", self.registry);
            wharf_http::Error::new(ErrorKind::Settings, message).with_source(error)
        })
    }

    /// True if the URL is at the registry itself.
    pub(crate) fn is_at(&self, url: &Url) -> bool {
        Origin::of(url).is_ok_and(|origin| {
            let home = self.base(origin.scheme()).and_then(|base| Origin::of(&base));
            home.is_ok_and(|home| home == origin)
        })
    }

    pub(crate) fn peer(&self, url: &Url) -> Result<Peer, wharf_http::Error> {
        Ok(Peer::named(Origin::of(url)?, Arc::clone(&self.tls)))
    }
}

/// The endpoints in an order, each with the information whether one follows.
///
/// The time limits of an endpoint that others follow are short. If such an endpoint did not answer in time,
/// and the last one failed without an answer, it is asked again at the end with the full limits: a cache
/// may be slow and still be the only way to the content.
pub(crate) struct InOrder<'a> {
    endpoints: &'a [Endpoint],
    order: VecDeque<usize>,
    silent: Option<usize>,
}

impl<'a> InOrder<'a> {
    pub(crate) fn new(endpoints: &'a [Endpoint], order: impl IntoIterator<Item = usize>) -> Self {
        Self {
            endpoints,
            order: order.into_iter().collect(),
            silent: None,
        }
    }

    pub(crate) fn next(&mut self) -> Option<(usize, Endpoint)> {
        let index = self.order.pop_front()?;
        let endpoint = self.endpoints.get(index)?.clone();
        let has_next = !self.order.is_empty();
        Some((index, Endpoint { has_next, ..endpoint }))
    }

    /// Records the error of the endpoint that `next` returned last. It decides whether an endpoint that did
    /// not answer is asked again.
    pub(crate) fn failed(&mut self, index: usize, error: &Error) {
        let no_answer = matches!(error.detail(), Some(Detail::Http(_)));
        if !self.order.is_empty() {
            if error.detail() == Some(Detail::Http(ErrorKind::Timeout)) {
                self.silent.get_or_insert(index);
            }
        } else if no_answer && let Some(silent) = self.silent.take() {
            self.order.push_back(silent);
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("registry", &self.registry)
            .field("repository", &self.repository)
            .field("schemes", &self.schemes)
            .finish_non_exhaustive()
    }
}
