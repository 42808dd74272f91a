use std::{io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use http::{HeaderValue, Method};
use url::Url;
use wharf_http::{
    Connect, DnsResolver, Error, ErrorKind, FollowError, Followed, HttpService, Origin, Peer, PeerAddress,
    Request, ReqwestConnector, Response, Roots, TlsSettings, Transport,
};
use wharf_testkit::hostile::{self, Names, Stage};

/// The stage's names instead of the system's.
#[derive(Debug)]
struct StageNames(Names);

#[async_trait]
impl DnsResolver for StageNames {
    async fn resolve(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let found = self.0.lookup(host);
        if found.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(found)
        }
    }
}

pub(crate) fn connector(stage: &Stage) -> ReqwestConnector {
    ReqwestConnector::new().with_dns_resolver(Arc::new(StageNames(stage.names())))
}

pub(crate) fn transport(stage: &Stage) -> Transport {
    Transport::new(Arc::new(connector(stage)))
}

/// A connector that says that a host's answers came from this address.
#[derive(Debug)]
pub(crate) struct Pretend {
    pub(crate) inner: ReqwestConnector,
    pub(crate) host: &'static str,
    pub(crate) address: SocketAddr,
}

#[derive(Debug)]
struct PretendService(Arc<dyn HttpService>, SocketAddr);

impl Connect for Pretend {
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error> {
        let inner = self.inner.connect(peer)?;
        if peer.origin.host() != self.host {
            return Ok(inner);
        }
        Ok(Arc::new(PretendService(inner, self.address)))
    }
}

#[async_trait]
impl HttpService for PretendService {
    async fn call(&self, request: Request) -> Result<Response, Error> {
        let mut response = self.0.call(request).await?;
        response.extensions_mut().insert(PeerAddress(self.1));
        Ok(response)
    }
}

/// Trusts the stage's authority and nothing else.
pub(crate) fn trust(stage: &Stage) -> TlsSettings {
    TlsSettings::default()
        .with_roots(Roots::AddedOnly)
        .with_root_pem(stage.ca().pem())
}

pub(crate) fn peer(stage: &Stage, origin: &hostile::Origin) -> Peer {
    Peer::named(
        Origin::of(&url(&origin.url("/"))).unwrap(),
        Arc::new(trust(stage)),
    )
}

pub(crate) fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// Follows redirects from `path` at `origin` with this secret as a bearer token.
pub(crate) async fn follow(
    stage: &Stage,
    transport: &Transport,
    origin: &hostile::Origin,
    method: Method,
    path: &str,
    secret: &str,
) -> Result<Followed, FollowError> {
    let request = Request::new(method, url(&origin.url(path)));
    let mut authorization = HeaderValue::try_from(format!("Bearer {secret}")).unwrap();
    authorization.set_sensitive(true);
    let followed = transport
        .follow(&peer(stage, origin), request, Some(&authorization))
        .await;
    followed.map_err(|failed| FollowError {
        error: stage.inspect(failed.error),
        url: failed.url,
    })
}

/// One request without redirects, and its body.
pub(crate) async fn fetch(
    stage: &Stage,
    origin: &hostile::Origin,
    method: Method,
) -> Result<Vec<u8>, ErrorKind> {
    let service = connector(stage).connect(&peer(stage, origin)).unwrap();
    fetch_from(stage, &*service, method, &url(&origin.url("/x"))).await
}

pub(crate) async fn fetch_from(
    stage: &Stage,
    service: &dyn HttpService,
    method: Method,
    url: &Url,
) -> Result<Vec<u8>, ErrorKind> {
    let kind = |error: Error| stage.inspect(error).kind();
    let mut response = service
        .call(Request::new(method, url.clone()))
        .await
        .map_err(kind)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.body_mut().next().await {
        body.extend_from_slice(&chunk.map_err(kind)?);
    }
    Ok(body)
}
