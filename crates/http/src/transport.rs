use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
};

use http::{HeaderValue, Method, header::AUTHORIZATION};
use url::Url;

use crate::{
    AddressClass, Connect, Error, ErrorKind, HttpService, Origin, Peer, PeerAddress, RedirectChain, Request,
    RequestBody, Response, sync::LockExt as _,
};

/// Caches one service per peer, and follows redirects from peer to peer.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use http::Method;
/// use wharf_http::{Connect, Origin, Peer, Request, TlsSettings, Transport};
///
/// # async fn run(connector: impl Connect + 'static) -> Result<(), Box<dyn std::error::Error>> {
/// let transport = Transport::new(connector); // such as ReqwestConnector::new()
/// let url: url::Url = "https://registry.example/v2/".parse()?;
/// let registry = Peer::named(Origin::of(&url)?, Arc::new(TlsSettings::default()));
/// let followed = transport.follow(&registry, Request::new(Method::GET, url), None).await;
/// println!("{}", followed.map_err(|failed| failed.error)?.response.status());
/// # Ok(())
/// # }
/// ```
pub struct Transport {
    connect: Arc<dyn Connect>,
    services: Mutex<HashMap<Peer, Arc<dyn HttpService>>>,
}

/// The response at the end of a chain of redirects.
#[derive(Debug)]
pub struct Followed {
    /// The response.
    pub response: Response,
    /// The URL that answered.
    pub url: Url,
    /// True if all requests went to the first origin. Only then do challenges count (docs/threats.md, N3).
    pub is_home: bool,
    /// The class of the address of the first origin, if the transport reports addresses.
    pub home_class: Option<AddressClass>,
}

/// A failed request, and its URL.
#[derive(Debug)]
pub struct FollowError {
    /// The failure.
    pub error: Error,
    /// The URL that failed. Its query may contain secrets: print it with [`Redacted`](crate::Redacted).
    pub url: Url,
}

impl Transport {
    /// A transport whose services this connector makes.
    pub fn new(connect: impl Connect + 'static) -> Self {
        Self {
            connect: Arc::new(connect),
            services: Mutex::default(),
        }
    }

    /// The service for a peer, made at the first request to it.
    ///
    /// # Errors
    ///
    /// The error of [`Connect::connect`].
    pub fn service(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error> {
        let mut services = self.services.locked();
        if let Some(service) = services.get(peer) {
            return Ok(Arc::clone(service));
        }
        if services.len() >= MAX_PEERS {
            services.clear(); // a server that redirects to ever new hosts must not fill the memory
        }
        let service = self.connect.connect(peer)?;
        services.insert(peer.clone(), Arc::clone(&service));
        Ok(service)
    }

    /// Sends one request to a URL that a server named. No redirect is followed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`] if the host is further inside the network than `home_class`, the class of
    /// the server that named it (docs/threats.md, N5). Otherwise see [`HttpService::call`].
    pub async fn call_foreign(
        &self,
        home: &Peer,
        home_class: Option<AddressClass>,
        request: Request,
    ) -> Result<Response, Error> {
        let service = self.service(&peer_for(home, home_class, &request.url)?)?;
        service.call(request).await
    }

    /// Sends a request like [`call_foreign`](Self::call_foreign), and follows redirects [within its
    /// origin](RedirectChain::within_origin). Headers and body are sent again unchanged, including secrets.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Redirect`] for a redirect to another origin, or one of a body that is a stream.
    /// Otherwise as `call_foreign`.
    pub async fn call_within_origin(
        &self,
        home: &Peer,
        home_class: Option<AddressClass>,
        mut request: Request,
    ) -> Result<Response, Error> {
        let mut chain = RedirectChain::new(&request.method, request.url.clone())?.within_origin();
        loop {
            let (method, again) = (request.method.clone(), request.replay());
            let response = self.call_foreign(home, home_class, request).await?;
            let Some(next) = chain.advance(&method, response.status(), response.headers())? else {
                return Ok(response);
            };
            request = again.ok_or_else(|| {
                Error::new(
                    ErrorKind::Redirect,
                    "the server redirects bytes that come only once",
                )
            })?;
            request.method = next;
            request.url = chain.url().clone();
        }
    }

    /// Sends a request to `home` and follows redirects by the rules of [`RedirectChain`]. `authorization`
    /// is sent only while the chain is at its first origin.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Redirect`] for a redirect that is not followed, [`ErrorKind::Forbidden`] for one that
    /// leads further inside the network than `home` is, [`ErrorKind::Settings`] if the URL of the request
    /// is not at `home`. Otherwise see [`HttpService::call`].
    pub async fn follow(
        &self,
        home: &Peer,
        mut request: Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Followed, FollowError> {
        let first = request.url.clone();
        let fail = |url: &Url| {
            let url = url.clone();
            move |error| FollowError { error, url }
        };
        let mut chain = RedirectChain::new(&request.method, first.clone()).map_err(fail(&first))?;
        if home.tls.is_insecure() {
            chain = chain.allowing_plain_http();
        }
        if Origin::of(&first).map_err(fail(&first))? != home.origin {
            let error = Error::new(ErrorKind::Settings, "the request is not for this origin");
            return Err(fail(&first)(error));
        }
        let mut home_class = None;
        loop {
            let url = request.url.clone();
            let peer = peer_for(home, home_class, &url).map_err(fail(&url))?;
            let service = self.service(&peer).map_err(fail(&url))?;
            let mut hop = Request {
                method: request.method.clone(),
                url: url.clone(),
                headers: request.headers.clone(),
                body: RequestBody::Empty,
                bulk: request.bulk,
                class: request.class,
                has_alternative: request.has_alternative,
            };
            if chain.is_home()
                && let Some(authorization) = authorization
            {
                hop.headers.insert(AUTHORIZATION, authorization.clone());
            }
            let replay = request.body.replay();
            hop.body = std::mem::replace(&mut request.body, replay.unwrap_or_default());
            let was_stream = matches!(hop.body, RequestBody::Stream { .. });
            let response = service.call(hop).await.map_err(fail(&url))?;
            if home_class.is_none() && chain.is_home() {
                let peer = response.extensions().get::<PeerAddress>();
                home_class = peer.map(|peer| AddressClass::of(peer.0.ip()));
            }
            let next = chain
                .advance(&request.method, response.status(), response.headers())
                .map_err(fail(&url))?;
            let Some(method) = next else {
                return Ok(Followed {
                    response,
                    url,
                    is_home: chain.is_home(),
                    home_class,
                });
            };
            if method == Method::GET || method == Method::HEAD {
                request.body = RequestBody::Empty;
            } else if was_stream {
                let why = "the server redirects an upload whose bytes cannot be sent again";
                return Err(fail(&url)(Error::new(ErrorKind::Redirect, why)));
            }
            request.method = method;
            request.url = chain.url().clone();
        }
    }
}

/// The peer of a URL: `home` itself, or another origin with the trust anchors of `home` and nothing else of
/// it.
fn peer_for(home: &Peer, home_class: Option<AddressClass>, url: &Url) -> Result<Peer, Error> {
    let origin = Origin::of(url)?;
    if origin == home.origin {
        return Ok(home.clone());
    }
    let tls = Arc::new(home.tls.for_others());
    let peer = Peer::named(origin, tls);
    // Behind a proxy the address of the first origin is unknown. Loopback is the limit then, which excludes
    // the metadata services of clouds.
    let floor = home_class.unwrap_or(AddressClass::Loopback);
    if AddressClass::of_host(url).is_some_and(|class| class > floor) {
        let message = format!("{} is further inside the network than the registry", peer.origin);
        return Err(Error::new(ErrorKind::Forbidden, message));
    }
    Ok(peer.with_floor(floor))
}

/// The most services in the cache, one for each origin with its TLS settings.
const MAX_PEERS: usize = 64;

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("connect", &self.connect)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TlsSettings;

    #[test]
    fn metadata_is_out_of_reach_wherever_home_is() {
        use AddressClass::{Loopback, Private, Public};
        let origin = Origin::of(&Url::parse("https://reg.example").unwrap()).unwrap();
        let home = Peer::named(origin, Arc::new(TlsSettings::default()));
        let table = [
            (None, "https://169.254.169.254/", false),
            (None, "https://[fd00:ec2::254]/", false),
            (None, "https://127.0.0.1/", true),
            (None, "https://cdn.example/", true),
            (Some(Loopback), "https://169.254.169.254/", false),
            (Some(Private), "https://127.0.0.1/", false),
            (Some(Private), "https://10.0.0.1/", true),
            (Some(Public), "https://10.0.0.1/", false),
            (Some(Public), "https://reg.example/", true),
        ];
        for (class, url, allowed) in table {
            let url = Url::parse(url).unwrap();
            let peer = peer_for(&home, class, &url);
            assert_eq!(peer.is_ok(), allowed, "{class:?} {url}");
            let Ok(peer) = peer else { continue };
            let floor = (peer.origin != home.origin).then(|| class.unwrap_or(Loopback));
            assert_eq!(peer.floor, floor, "{class:?} {url}");
        }
    }
}
