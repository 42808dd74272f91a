use std::{fmt, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use http::{HeaderMap, Method};
use url::Url;

use crate::{AddressClass, Error, Origin, Redacted, RequestBody, RequestClass, ResponseBody, TlsSettings};

/// One request. The URL is kept parsed, so that the address that was checked is the address that is dialled.
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// The headers; the transport adds only what HTTP needs.
    pub headers: HeaderMap,
    /// The body.
    pub body: RequestBody,
    /// Whether many bytes will move: such a request gets a connection of its own instead of sharing one by
    /// HTTP/2, where all bytes pass through one task and one window.
    pub bulk: bool,
    /// How long the server may need before it answers.
    pub class: RequestClass,
    /// Whether another server can be asked: this one is given less time.
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

    /// The same with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<RequestBody>) -> Self {
        self.body = body.into();
        self
    }

    /// The same request again, or `None` if its body comes only once.
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

/// One answer. The transport may put a [`PeerAddress`] into its extensions.
pub type Response = http::Response<ResponseBody>;

/// The address a response came from; absent behind a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Sends one request and returns its answer, whatever its status: the one seam to the network.
///
/// It follows no redirect, decodes nothing, retries nothing and keeps no cookies. Replace it to script or
/// swap the transport.
#[async_trait]
pub trait HttpService: Send + Sync + fmt::Debug {
    /// Sends the request. The body of the answer is read later, by the caller.
    async fn call(&self, request: Request) -> Result<Response, Error>;
}

/// Makes the service for an origin: one TLS policy belongs to one origin (N9).
pub trait Connect: Send + Sync + fmt::Debug {
    /// The service for this peer; it need not connect yet. Called once per peer.
    ///
    /// Fails with [`ErrorKind::Settings`](crate::ErrorKind::Settings) if its TLS settings cannot be used.
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error>;
}

impl<C: Connect + ?Sized> Connect for Arc<C> {
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error> {
        (**self).connect(peer)
    }
}

/// An origin and how it may be contacted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Peer {
    /// Scheme, host and port.
    pub origin: Origin,
    /// How far its certificate is trusted, and what we show it.
    pub tls: Arc<TlsSettings>,
    /// The most inward class of address it may resolve to, set when a server named it (N5); `None` if the user
    /// did.
    pub floor: Option<AddressClass>,
}

impl Peer {
    /// A peer the user named: any address is allowed.
    #[must_use]
    pub const fn named(origin: Origin, tls: Arc<TlsSettings>) -> Self {
        Self {
            origin,
            tls,
            floor: None,
        }
    }

    /// The same for a peer that a server named: it may be no further inward than `floor`.
    #[must_use]
    pub const fn with_floor(mut self, floor: AddressClass) -> Self {
        self.floor = Some(floor);
        self
    }
}
