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

/// Keeps one service per peer and follows redirects between them.
pub struct Transport {
    connect: Arc<dyn Connect>,
    services: Mutex<HashMap<Peer, Arc<dyn HttpService>>>,
}

/// The final answer of a chain of redirects.
#[derive(Debug)]
pub struct Followed {
    /// The answer.
    pub response: Response,
    /// The URL that gave it.
    pub url: Url,
    /// Whether the chain never left the first origin: challenges count only then (N3).
    pub is_home: bool,
    /// The class of the first origin's address, if the transport tells it.
    pub home_class: Option<AddressClass>,
}

/// A failure, and the URL it happened at.
#[derive(Debug)]
pub struct FollowError {
    /// What failed.
    pub error: Error,
    /// Where. It may hold secrets in its query: print it with [`Redacted`](crate::Redacted).
    pub url: Url,
}

impl Transport {
    /// A transport over these connections.
    pub fn new(connect: impl Connect + 'static) -> Self {
        Self {
            connect: Arc::new(connect),
            services: Mutex::default(),
        }
    }

    /// The service for a peer, made at the first call.
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

    /// Sends one request to a URL that a server named, which must be no further inward than `home_class`
    /// (N5). No redirect is followed.
    pub async fn call_foreign(
        &self,
        home: &Peer,
        home_class: Option<AddressClass>,
        request: Request,
    ) -> Result<Response, Error> {
        let service = self.service(&peer_for(home, home_class, &request.url)?)?;
        service.call(request).await
    }

    /// Sends a request as [`call_foreign`](Self::call_foreign) does, and follows redirects [within its
    /// origin](RedirectChain::within_origin): the headers and the body stay what they are, secrets included.
    ///
    /// Fails with [`ErrorKind::Redirect`] for a redirect that leads elsewhere.
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

    /// Sends a request to `home` and follows redirects as [`RedirectChain`] decides. `authorization` goes along only
    /// as long as the chain is at home.
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

/// The peer of a URL: `home` itself, or a stranger with nothing but the same trust anchors.
fn peer_for(home: &Peer, home_class: Option<AddressClass>, url: &Url) -> Result<Peer, Error> {
    let origin = Origin::of(url)?;
    if origin == home.origin {
        return Ok(home.clone());
    }
    let tls = Arc::new(home.tls.for_others());
    let peer = Peer::named(origin, tls);
    // Where the first origin is cannot be told behind a proxy; that is no way to a cloud's metadata.
    let floor = home_class.unwrap_or(AddressClass::Loopback);
    if AddressClass::of_host(url).is_some_and(|class| class > floor) {
        let message = format!("{} is further inside the network than the registry", peer.origin);
        return Err(Error::new(ErrorKind::Forbidden, message));
    }
    Ok(peer.with_floor(floor))
}

/// The most services that are kept, one for each origin with its TLS settings.
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
