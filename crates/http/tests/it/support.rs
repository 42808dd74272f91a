use std::sync::Arc;

use http::{HeaderValue, Method};
use url::Url;
use wharf_http::{
    Connect, Error, ErrorKind, FollowError, Followed, HttpService, Origin, Peer, Request, ReqwestConnector,
    Roots, TlsSettings, Transport,
};
use wharf_testkit::hostile::{self, Stage};

pub(crate) fn connector(stage: &Stage) -> ReqwestConnector {
    ReqwestConnector::new().with_dns_resolver(Arc::new(stage.names()))
}

pub(crate) fn transport(stage: &Stage) -> Transport {
    Transport::new(Arc::new(connector(stage)))
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
