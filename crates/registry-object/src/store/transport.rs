//! HTTP for object stores, by the family's own layer.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http_body::Frame;
use http_body_util::BodyExt as _;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService,
    },
};
use url::Url;
use wharf_http::{
    Connect, Error, Origin, Peer, ProxySettings, Request, RequestBody, RequestClass, ReqwestConnector,
    ResponseBody, Timeouts, TlsSettings,
};

use super::StoreClock;

/// The most bytes that are read of an answer that tells an error.
const MAX_ERROR: usize = 16 * 1024;
/// The time to connect to a store.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time until a store answers, and the longest pause in a body.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The HTTP of an object store: `wharf-http`, which is reqwest with rustls and ring, over HTTP/1.1.
///
/// It makes one attempt per request and tells truly whether the server may have carried it out; the store repeats. The
/// store and its servers of tokens are named by the operator: their addresses are not restricted, and no redirect is
/// followed.
///
/// [`Store::open`](super::Store::open) makes one by the options. It serves a builder of `object_store` as well, as its
/// `HttpConnector`; the client options of that builder have no effect.
#[derive(Clone)]
pub struct StoreTransport {
    connect: Arc<dyn Connect>,
    tls: Arc<TlsSettings>,
    clock: StoreClock,
}

impl StoreTransport {
    /// Time limits of the requests to a store: 5 s to connect, 30 s for an answer and for a pause in a body.
    #[must_use]
    pub fn timeouts() -> Timeouts {
        Timeouts::default()
            .with_connect(CONNECT_TIMEOUT)
            .with_head(ANSWER_TIMEOUT)
            .with_send(ANSWER_TIMEOUT)
            .with_idle(ANSWER_TIMEOUT)
    }

    /// A transport with these certificates, proxies and time limits.
    #[must_use]
    pub fn new(tls: TlsSettings, proxies: ProxySettings, timeouts: Timeouts) -> Self {
        let connect = ReqwestConnector::new()
            .with_proxies(proxies)
            .with_timeouts(timeouts);
        Self::over(connect, tls)
    }

    /// A transport over another connector, for tests and for programs that have one.
    pub fn over(connect: impl Connect + 'static, tls: TlsSettings) -> Self {
        Self {
            connect: Arc::new(connect),
            tls: Arc::new(tls),
            clock: StoreClock::default(),
        }
    }

    /// The clock of the store that this transport reaches.
    #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
    pub(super) const fn clock(&self) -> &StoreClock {
        &self.clock
    }
}

impl Default for StoreTransport {
    /// The certificates of the operating system, no proxy, and [`StoreTransport::timeouts`].
    fn default() -> Self {
        Self::new(TlsSettings::default(), ProxySettings::default(), Self::timeouts())
    }
}

impl fmt::Debug for StoreTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTransport")
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl HttpConnector for StoreTransport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service {
            transport: self.clone(),
            services: Mutex::default(),
        }))
    }
}

/// The services of the few origins that a store has: its own, and a server of tokens.
struct Service {
    transport: StoreTransport,
    services: Mutex<HashMap<Origin, Arc<dyn wharf_http::HttpService>>>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreTransport")
    }
}

impl Service {
    fn to(&self, url: &Url) -> Result<Arc<dyn wharf_http::HttpService>, Error> {
        let origin = Origin::of(url)?;
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(service) = services.get(&origin) {
            return Ok(Arc::clone(service));
        }
        let peer = Peer::named(origin.clone(), Arc::clone(&self.transport.tls));
        let service = self.transport.connect.connect(&peer)?;
        services.insert(origin, Arc::clone(&service));
        Ok(service)
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|_| {
            Error::new(
                wharf_http::ErrorKind::Settings,
                "the URL of the store cannot be read",
            )
        })?;
        let service = self.to(&url)?;
        let mut request = Request::new(parts.method, url);
        request.headers = parts.headers;
        request.bulk = true; // a connection of its own for each request under way
        request.class = if request.method.is_safe() {
            RequestClass::Content
        } else {
            RequestClass::Commit
        };
        request.body = match body.as_bytes() {
            Some(bytes) if bytes.is_empty() => RequestBody::Empty,
            Some(bytes) => RequestBody::Bytes(bytes.clone()),
            None => RequestBody::Stream {
                length: Some(body.content_length() as u64),
                bytes: Box::pin(body.into_data_stream().map_err(Into::into)),
            },
        };
        let (parts, body) = service.call(request).await?.into_parts();
        if let Some(date) = parts.headers.get(http::header::DATE) {
            self.transport.clock.note(date.as_bytes());
        }
        let body = if parts.status.is_success() {
            HttpResponseBody::new(Answer(Mutex::new(body)))
        } else {
            HttpResponseBody::from(body.read_prefix(MAX_ERROR).await)
        };
        Ok(HttpResponse::from_parts(parts, body))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.send(request).await.map_err(http_error)
    }
}

/// The body of an answer. The mutex is never contended; a body has to be `Sync`.
struct Answer(Mutex<ResponseBody>);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let body = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let next = futures_util::Stream::poll_next(Pin::new(body), context);
        next.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data).map_err(http_error)))
    }
}

/// Whether the store repeats a request: always if it was not sent, if it is idempotent after a reply that was lost,
/// else never.
fn http_error(error: Error) -> HttpError {
    use wharf_http::ErrorKind as K;
    let kind = match error.kind() {
        K::Dns | K::Connect | K::ConnectTimeout | K::Proxy | K::Overloaded => HttpErrorKind::Connect,
        K::Timeout => HttpErrorKind::Timeout,
        K::Broken => HttpErrorKind::Interrupted,
        K::Protocol | K::TooLarge => HttpErrorKind::Decode,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
