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
use tokio::time::Instant;
use tower_service::Service;
use wharf_content::Error;

use crate::{
    Backend, Body, GcOptions, GcReport, Inventory, Limits, MemoryBackend, Observer, Redirects, api,
    auth::Authentication,
    behaviour::Behaviour,
    body::RequestBody,
    error::ApiError,
    events::Notifications,
    state::{Needs, RegistryState},
    upstream::PullThrough,
};

/// An OCI registry: a service that answers HTTP requests below `/v2/`. Clones share content and sessions.
///
/// Its settings are methods that begin with `with_`, called before it serves.
///
/// ```
/// use wharf_registry::{DiskBackend, Limits, Registry};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// let backend = DiskBackend::open(directory.path().join("registry")).await?;
/// let registry = Registry::open(backend)
///     .await?
///     .with_basic("ada", "secret")
///     .with_tokens()
///     .with_external_url("https://registry.example.com")
///     .with_limits(Limits::default().with_blob(10 << 30));
/// let request = http::Request::get("/v2/").body(String::new())?;
/// assert_eq!(registry.handle(request).await.status(), 401);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Registry {
    pub(crate) config: Arc<Config>,
    pub(crate) state: Arc<RegistryState>,
}

/// The settings of a registry.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) authentication: Authentication,
    pub(crate) limits: Limits,
    /// The external URL, if it was set.
    pub(crate) external: Option<String>,
    /// The URL at which the registry listens, if it is served.
    pub(crate) listening: Option<String>,
    pub(crate) delete: bool,
    pub(crate) sparse: bool,
    pub(crate) warnings: Vec<HeaderValue>,
    pub(crate) read_only: bool,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) notifications: Notifications,
    pub(crate) through: Option<Arc<PullThrough>>,
    pub(crate) redirects: Option<Redirects>,
    pub(crate) behaviour: Behaviour,
}

impl Config {
    /// The check of what a manifest needs.
    pub(crate) const fn needs(&self) -> Needs {
        if self.sparse { Needs::Sizes } else { Needs::All }
    }
}

impl Registry {
    /// An empty registry in memory, open to everybody. With the feature `testing` it keeps a log of requests.
    pub fn memory() -> Self {
        let registry = Self::over(Arc::new(MemoryBackend::default()));
        #[cfg(feature = "testing")]
        let registry = registry.with_request_log(true);
        registry
    }

    /// Opens a registry over a backend, open to everybody. It reads from the backend once, so that one that
    /// cannot be reached is told at once. No other registry may use a [`LocalBackend`](crate::LocalBackend).
    ///
    /// # Errors
    ///
    /// Those of the backend.
    pub async fn open(backend: impl Backend + 'static) -> Result<Self, Error> {
        backend.ping().await?;
        Ok(Self::over(Arc::new(backend)))
    }

    fn over(backend: Arc<dyn Backend>) -> Self {
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
                notifications: Notifications::default(),
                through: None,
                redirects: None,
                behaviour: Behaviour::default(),
            }),
            state: Arc::new(RegistryState::new(backend)),
        }
    }

    /// Revokes all tokens that the registry has issued, and that others over a storage with a
    /// [`TokenSecret`](crate::TokenSecret) have. These accept them for up to 5 s more.
    ///
    /// # Errors
    ///
    /// Those of the backend, which may have revoked them or not.
    pub async fn revoke_tokens(&self) -> Result<(), Error> {
        match &self.config.authentication.issuer {
            Some(issuer) => issuer.revoke_all().await,
            None => Ok(()),
        }
    }

    /// The number of tokens that the registry has issued.
    #[must_use]
    pub fn tokens_issued(&self) -> u64 {
        self.config
            .authentication
            .issuer
            .as_ref()
            .map_or(0, |issuer| issuer.issued())
    }

    /// Checks that changes can be recorded.
    ///
    /// # Errors
    ///
    /// The reason why no change can be recorded until the storage works again:
    /// [`Records::health`](crate::Records::health).
    pub fn health(&self) -> Result<(), Error> {
        self.state.backend.health()
    }

    /// Drops the upload sessions that have not been used for longer than [`Limits::upload_expiry`]. A served
    /// registry does this every minute.
    ///
    /// # Errors
    ///
    /// Those of the backend.
    pub async fn expire_uploads(&self) -> Result<(), Error> {
        api::expire_uploads(self).await
    }

    /// Removes blobs that no manifest needs, and content that no repository links. Pushes and pulls go on
    /// meanwhile. The time grows linearly with the number of links and contents. The future may be dropped;
    /// the next collection continues.
    ///
    /// A dry run does not count content that loses its last link in the same collection.
    ///
    /// # Errors
    ///
    /// Those of the backend. If the removal of links cannot be recorded, as on a full disk, content without
    /// links is removed nevertheless, and the error is returned.
    pub async fn collect_garbage(&self, options: &GcOptions) -> Result<GcReport, Error> {
        let begun = Instant::now();
        let collected = self.state.backend.collect(options).await;
        match &collected {
            Err(error) => self.state.note_outcome(Some(error)),
            Ok(report) => {
                if let Some(observer) = self.state.observer() {
                    observer.collected(report, begun.elapsed());
                }
            }
        }
        collected
    }

    /// Counts what is stored, in constant time. Concurrent changes may be counted or not.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        self.state.backend.inventory()
    }

    /// Answers a request.
    ///
    /// Runs in a tokio runtime with a clock. If the future is dropped, a request that changes something runs
    /// to its end, until its body ends or fails; any other request ends, also one that waits for the check of
    /// a password.
    ///
    /// Passwords are checked fairly between clients if the request has a
    /// [`ClientAddress`](crate::ClientAddress) as an extension.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.handle_unless(None, request).await
    }

    /// Answers a request, or sends `refused`.
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
