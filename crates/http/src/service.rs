use std::{fmt, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use http::{HeaderMap, Method};
use url::Url;

use crate::{AddressClass, Error, Origin, Redacted, RequestBody, RequestClass, ResponseBody, TlsSettings};

/// A request. The URL stays parsed, so that the address that was checked is the one that is connected to.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: Url,
    /// The headers. The transport adds only those that HTTP itself requires.
    pub headers: HeaderMap,
    /// The body.
    pub body: RequestBody,
    /// True for a request that moves many bytes. It gets a connection of its own: over a shared HTTP/2
    /// connection, all bytes would pass through one task and one flow-control window.
    pub bulk: bool,
    /// The class of the request, which decides how long the transport waits for the head of the answer.
    pub class: RequestClass,
    /// True if another server can be asked if this one fails. The transport then waits for a shorter time:
    /// see [`Timeouts::with_alternative`](crate::Timeouts::with_alternative).
    pub has_alternative: bool,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: RequestBody::Empty,
            bulk: false,
            class: RequestClass::default(),
            has_alternative: false,
        }
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<RequestBody>) -> Self {
        self.body = body.into();
        self
    }

    /// A copy of the request; `None` if its body is a stream, which can be sent only once.
    #[must_use]
    pub fn replay(&self) -> Option<Self> {
        Some(Self {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body.replay()?,
            bulk: self.bulk,
            class: self.class,
            has_alternative: self.has_alternative,
        })
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &Redacted(&self.url))
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// A response. The transport may put a [`PeerAddress`] into its extensions.
pub type Response = http::Response<ResponseBody>;

/// The network address that a response came from. Absent behind a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Sends one request and returns the response, with any status. All requests of a client go through this
/// trait, so an implementation can script, record or replace the network.
///
/// An implementation follows no redirects, decodes no content codings, repeats no requests and stores no
/// cookies: the layers above decide about these.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use wharf_http::{Connect, Error, HttpService, Peer, Request, Response};
///
/// /// Counts the requests to one peer, and passes them on.
/// #[derive(Debug)]
/// struct Counted {
///     inner: Arc<dyn HttpService>,
///     count: Arc<std::sync::atomic::AtomicU64>,
/// }
///
/// #[async_trait]
/// impl HttpService for Counted {
///     async fn call(&self, request: Request) -> Result<Response, Error> {
///         self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         self.inner.call(request).await
///     }
/// }
///
/// /// Makes such a service of each service of another transport.
/// #[derive(Debug)]
/// struct CountedConnector<C> {
///     inner: C,
///     count: Arc<std::sync::atomic::AtomicU64>,
/// }
///
/// impl<C: Connect> Connect for CountedConnector<C> {
///     fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error> {
///         let inner = self.inner.connect(peer)?;
///         Ok(Arc::new(Counted { inner, count: Arc::clone(&self.count) }))
///     }
/// }
/// ```
#[async_trait]
pub trait HttpService: Send + Sync + fmt::Debug {
    /// Sends the request and waits for the head of the response. The caller reads the body afterwards.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind). Every status is a response, not an error.
    async fn call(&self, request: Request) -> Result<Response, Error>;
}

/// Makes the [`HttpService`] for an origin. Each origin has TLS settings of its own (docs/threats.md, N9).
///
/// ```
/// use std::sync::Arc;
///
/// use wharf_http::{Connect, Error, HttpService, Peer};
///
/// /// One service for every peer, such as a recorded conversation in a test.
/// #[derive(Debug)]
/// struct One(Arc<dyn HttpService>);
///
/// impl Connect for One {
///     fn connect(&self, _: &Peer) -> Result<Arc<dyn HttpService>, Error> {
///         Ok(Arc::clone(&self.0))
///     }
/// }
/// ```
pub trait Connect: Send + Sync + fmt::Debug {
    /// The service for this peer. It need not connect before the first request.
    /// [`Transport`](crate::Transport) calls this once per peer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Settings`](crate::ErrorKind::Settings) if the TLS settings of the peer cannot be used.
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error>;
}

impl<C: Connect + ?Sized> Connect for Arc<C> {
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error> {
        (**self).connect(peer)
    }
}

/// An origin, and the restrictions on connections to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Peer {
    /// Scheme, host and port.
    pub origin: Origin,
    /// The settings that decide which certificates of the server are accepted, and the client certificate.
    pub tls: Arc<TlsSettings>,
    /// The most private class of address that the host may resolve to (docs/threats.md, N5); `None` for a
    /// host that the user named, which may have any address.
    pub floor: Option<AddressClass>,
}

impl Peer {
    /// A peer that the user named. It may have any address.
    #[must_use]
    pub const fn named(origin: Origin, tls: Arc<TlsSettings>) -> Self {
        Self {
            origin,
            tls,
            floor: None,
        }
    }

    /// Sets the most private class of address that the host may resolve to, for a peer that a server named.
    #[must_use]
    pub const fn with_floor(mut self, floor: AddressClass) -> Self {
        self.floor = Some(floor);
        self
    }
}
