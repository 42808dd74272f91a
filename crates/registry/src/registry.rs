use std::{
    convert::Infallible,
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use tower_service::Service;
use wharf_content::Error;

use crate::{
    Backend, Body, Limits, MemoryBackend, Observer, api,
    auth::Authentication,
    behaviour::Behaviour,
    body::RequestBody,
    error::ApiError,
    state::{Needs, RegistryState},
    upstream::PullThrough,
};

/// An OCI registry: a service that answers HTTP requests below `/v2/`. Clones share content and sessions.
#[derive(Clone)]
pub struct Registry {
    pub(crate) config: Arc<Config>,
    pub(crate) state: Arc<RegistryState>,
}

/// How a registry behaves.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) authentication: Authentication,
    pub(crate) limits: Limits,
    /// Where clients find the registry, as far as it was told.
    pub(crate) external: Option<String>,
    /// Where it listens.
    pub(crate) listening: Option<String>,
    pub(crate) delete: bool,
    pub(crate) sparse: bool,
    pub(crate) warnings: Vec<HeaderValue>,
    pub(crate) read_only: bool,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) through: Option<Arc<PullThrough>>,
    pub(crate) behaviour: Behaviour,
}

impl Config {
    /// What must be in a repository before a manifest.
    pub(crate) const fn needs(&self) -> Needs {
        if self.sparse { Needs::Sizes } else { Needs::All }
    }
}

impl Registry {
    /// An empty registry in memory, open to everybody. With the feature `testing` it keeps a log of requests.
    pub fn memory() -> Self {
        let registry = Self::over(RegistryState::empty(Arc::new(MemoryBackend::default())));
        #[cfg(feature = "testing")]
        let registry = registry.with_request_log(true);
        registry
    }

    /// A registry over a backend, which it must own alone, open to everybody.
    ///
    /// # Errors
    ///
    /// Those of the backend, and [`Corrupt`](wharf_content::ErrorKind::Corrupt) for a record that cannot be
    /// read.
    pub async fn open(backend: impl Backend + 'static) -> Result<Self, Error> {
        Ok(Self::over(RegistryState::load(Arc::new(backend)).await?))
    }

    fn over(state: RegistryState) -> Self {
        Self {
            config: Arc::new(Config {
                authentication: Authentication::default(),
                limits: Limits::default(),
                external: None,
                listening: None,
                delete: true,
                sparse: false,
                warnings: Vec::new(),
                read_only: false,
                observer: None,
                through: None,
                behaviour: Behaviour::default(),
            }),
            state: Arc::new(state),
        }
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

    /// Whether changes can be recorded.
    ///
    /// # Errors
    ///
    /// Why none can be, until that has been mended: [`Backend::health`].
    pub fn health(&self) -> Result<(), Error> {
        self.state.backend.health()
    }

    /// Drops the upload sessions that nobody has used for longer than the limit. A served registry does so by
    /// itself.
    pub async fn expire_uploads(&self) -> Result<(), Error> {
        api::expire_uploads(self).await
    }

    /// Answers a request.
    ///
    /// Must run in a tokio runtime with a clock. When this future is dropped, what has begun to change something
    /// goes on, until the request's body ends or fails; all else ends, also the wait for a password to be checked.
    ///
    /// Passwords are checked fairly between clients if the request has a [`ClientAddress`](crate::ClientAddress) as an extension.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.handle_unless(None, request).await
    }

    /// Answers a request, or says that it was refused.
    pub(crate) async fn handle_unless<B>(
        &self,
        refused: Option<ApiError>,
        request: Request<B>,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let request = request.map(|body| RequestBody::new(body.map_err(Into::into)));
        api::answer(self, request, refused).await
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
