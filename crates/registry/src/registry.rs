use std::{
    convert::Infallible,
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use tower_service::Service;
use wharf_content::Error;

use crate::{
    Access, Backend, Body, Limits, MemoryBackend, Observer, Profile, Quirk, RequestLog, Upstream,
    api::{self, RequestBody},
    auth::{Authentication, Issuer},
    fault::{Fault, Faults, Injected},
    state::State,
    upstream::Through,
};

/// Bytes of all warnings together.
const MAX_WARNINGS: usize = 4096;

/// An OCI registry: a service that answers HTTP requests below `/v2/`. Clones share content and sessions.
#[derive(Clone)]
pub struct Registry {
    pub(crate) config: Arc<Config>,
    pub(crate) state: Arc<State>,
    pub(crate) faults: Faults,
}

/// How a registry behaves.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) authentication: Authentication,
    pub(crate) limits: Limits,
    pub(crate) external: Option<String>,
    pub(crate) delete: bool,
    pub(crate) sparse: bool,
    pub(crate) log: Option<RequestLog>,
    pub(crate) quirks: Vec<Quirk>,
    pub(crate) warnings: Vec<HeaderValue>,
    pub(crate) read_only: bool,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) through: Option<Arc<Through>>,
}

impl Registry {
    /// An empty registry in memory, open to everybody, with a [request log](Registry::requests).
    pub fn memory() -> Self {
        let mut registry = Self::over(State::empty(Arc::new(MemoryBackend::default())));
        registry.config_mut().log = Some(RequestLog::default());
        registry
    }

    /// A registry over a backend, which it must own alone, open to everybody.
    ///
    /// # Errors
    ///
    /// Those of the backend, and [`Corrupt`](wharf_content::ErrorKind::Corrupt) for a record that cannot be
    /// read.
    pub async fn open(backend: impl Backend + 'static) -> Result<Self, Error> {
        Ok(Self::over(State::load(Arc::new(backend)).await?))
    }

    fn over(state: State) -> Self {
        Self {
            config: Arc::new(Config {
                authentication: Authentication::default(),
                limits: Limits::default(),
                external: None,
                delete: true,
                sparse: false,
                log: None,
                quirks: Vec::new(),
                warnings: Vec::new(),
                read_only: false,
                observer: None,
                through: None,
            }),
            state: Arc::new(state),
            faults: Faults::default(),
        }
    }

    pub(crate) fn config_mut(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.config)
    }

    /// Requires credentials, and admits this user. May be called for several users.
    #[must_use]
    pub fn with_basic(mut self, user: &str, password: &str) -> Self {
        self.config_mut().authentication.users.insert(user, password);
        self
    }

    /// Requires credentials, and admits these users.
    #[cfg(feature = "htpasswd")]
    #[must_use]
    pub fn with_htpasswd(mut self, users: &crate::Htpasswd) -> Self {
        self.config_mut().authentication.users.htpasswd = Some(users.clone());
        self
    }

    /// Has clients exchange their credentials for a token at the registry's own `/token`, valid for five
    /// minutes. Without users, everybody gets one.
    ///
    /// Clients are sent to the [external URL](Registry::with_external_url); a served registry knows it.
    #[must_use]
    pub fn with_tokens(self) -> Self {
        self.with_token_lifetime(Duration::from_mins(5))
    }

    /// As [`Registry::with_tokens`], with tokens that are valid for `lifetime`.
    #[must_use]
    pub fn with_token_lifetime(mut self, lifetime: Duration) -> Self {
        let issuer = Issuer::new("registry", lifetime);
        self.config_mut().authentication.issuer = Some(Arc::new(issuer));
        self
    }

    /// Accepts tokens that another party signs, instead of issuing its own.
    ///
    /// Clients are sent to `realm`; a token must come from `issuer` (`iss`) and be for `service` (`aud`), and
    /// list the repositories and actions it allows in `access`, as Docker's token specification has it.
    #[cfg(feature = "jwt")]
    #[must_use]
    pub fn with_token_keys(
        mut self,
        realm: &str,
        issuer: &str,
        service: &str,
        keys: &crate::TokenKeys,
    ) -> Self {
        let verifier = crate::auth::Verifier {
            realm: realm.to_owned(),
            issuer: issuer.to_owned(),
            service: service.to_owned(),
            keys: keys.clone(),
        };
        self.config_mut().authentication.verifier = Some(Arc::new(verifier));
        self
    }

    /// Lets clients without credentials in. They may pull, or what [`Registry::with_access`] says.
    #[must_use]
    pub fn with_anonymous(mut self) -> Self {
        self.config_mut().authentication.anonymous = true;
        self
    }

    /// Asks `access` what users may do. Without it, whoever has credentials may do everything.
    #[must_use]
    pub fn with_access(mut self, access: impl Access + 'static) -> Self {
        self.config_mut().authentication.access = Some(Arc::new(access));
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.config_mut().limits = limits;
        self
    }

    /// Where clients find this registry: scheme, host and port, such as `https://registry.example.com`. It
    /// is used in challenges and `Location`; the `Host` of a request is never trusted for that.
    #[must_use]
    pub fn with_external_url(mut self, url: &str) -> Self {
        self.config_mut().external = Some(url.trim_end_matches('/').to_owned());
        self
    }

    /// Whether tags, manifests and blobs can be deleted; they can by default. If not, the answer is 405.
    #[must_use]
    pub fn with_delete(mut self, delete: bool) -> Self {
        self.config_mut().delete = delete;
        self
    }

    /// Whether a manifest may name layers, and an index manifests, that are not here; by default they may not.
    #[must_use]
    pub fn with_sparse(mut self, sparse: bool) -> Self {
        self.config_mut().sparse = sparse;
        self
    }

    /// Keeps the last requests, to be read by [`Registry::requests`].
    #[must_use]
    pub fn with_request_log(mut self) -> Self {
        self.config_mut().log.get_or_insert_default();
        self
    }

    /// The last requests, oldest first; none without a request log.
    #[must_use]
    pub fn requests(&self) -> Vec<crate::LoggedRequest> {
        self.config
            .log
            .as_ref()
            .map(RequestLog::entries)
            .unwrap_or_default()
    }

    /// Whether pushes and deletes are answered 405.
    #[must_use]
    pub fn with_read_only(mut self, read_only: bool) -> Self {
        self.config_mut().read_only = read_only;
        self
    }

    /// Tells `observer` what happens.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + 'static) -> Self {
        let observer: Arc<dyn Observer> = Arc::new(observer);
        self.state.observe(Arc::clone(&observer));
        self.config_mut().observer = Some(observer);
        self
    }

    /// Makes the registry a cache: what it does not have, it gets from `upstream`. It is read-only then.
    #[must_use]
    pub fn with_upstream(mut self, upstream: impl Upstream + 'static) -> Self {
        self.config_mut().through = Some(Arc::new(Through::new(upstream)));
        self.with_read_only(true)
    }

    /// Tells every client something, in a `Warning` header (distribution-spec, *Warnings*). Characters that a
    /// header cannot have become `?`. What would make the warnings longer than 4,096 bytes is left out.
    #[must_use]
    pub fn with_warning(mut self, text: &str) -> Self {
        let escaped = text.chars().fold(String::new(), |mut escaped, character| {
            match character {
                '"' | '\\' => escaped.extend(['\\', character]),
                ' '..='~' => escaped.push(character),
                _ => escaped.push('?'),
            }
            escaped
        });
        let config = self.config_mut();
        let before = config.warnings.iter().map(HeaderValue::len).sum::<usize>();
        if let Ok(value) = HeaderValue::try_from(format!("299 - \"{escaped}\""))
            && before + value.len() <= MAX_WARNINGS
        {
            config.warnings.push(value);
        }
        self
    }

    /// Makes the registry differ from the specification in one way.
    #[must_use]
    pub fn with_quirk(mut self, quirk: Quirk) -> Self {
        let config = self.config_mut();
        config.authentication.no_service |= quirk == Quirk::NoService;
        config.authentication.scoped_realm |= quirk == Quirk::ScopedRealm;
        config.quirks.push(quirk);
        self
    }

    /// Makes the registry behave as a known one does.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        let quirks = profile.quirks().iter();
        quirks.fold(self, |registry, quirk| registry.with_quirk(*quirk))
    }

    pub(crate) fn has(&self, quirk: Quirk) -> bool {
        self.config.quirks.contains(&quirk)
    }

    /// Makes the registry, and all its clones, misbehave from now on.
    pub fn inject(&self, fault: Fault) -> Injected {
        self.faults.inject(fault)
    }

    /// Makes all tokens invalid that the registry has issued.
    pub fn revoke_tokens(&self) {
        if let Some(issuer) = &self.config.authentication.issuer {
            issuer.revoke_all();
        }
    }

    /// How many tokens the registry has issued.
    #[must_use]
    pub fn tokens_issued(&self) -> u64 {
        self.config
            .authentication
            .issuer
            .as_ref()
            .map_or(0, |issuer| issuer.issued())
    }

    /// Drops the upload sessions that nobody has used for longer than the limit. A served registry does so by
    /// itself.
    pub async fn expire_uploads(&self) -> Result<(), Error> {
        api::expire_uploads(self).await
    }

    /// Answers a request.
    ///
    /// Must run in a tokio runtime with a clock. What a request began with its body goes on when this future
    /// is dropped, until the body ends or fails.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let request = request.map(|body| RequestBody::new(body.map_err(Into::into)));
        api::answer(self, request).await
    }
}

impl<B> Service<Request<B>> for Registry
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let registry = self.clone();
        Box::pin(async move { Ok(registry.handle(request).await) })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("backend", &self.state.backend)
            .field("authentication", &self.config.authentication)
            .finish_non_exhaustive()
    }
}
