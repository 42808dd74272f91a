//! The endpoints of distribution-spec, *Endpoints*.

mod answer;
mod blobs;
mod chunks;
mod conditions;
mod events;
mod listings;
mod manifests;
mod methods;
mod receive;
mod referrers;
mod session;
mod session_limits;
mod through;
mod token;
mod upload_body;
mod uploads;

pub(crate) use answer::{answer, respond};
#[cfg(feature = "testing")]
pub(crate) use manifests::SUBJECT;
pub(crate) use uploads::expire as expire_uploads;

use std::{borrow::Cow, net::IpAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use wharf_reference::Digest;

use crate::{
    Action, Body, ClientAddress, ErrorCode, Registry, RepositoryPath,
    auth::{Mount, Principal, Wanted},
    body::RequestBody,
    client::ClientNetwork,
    error::{ApiError, ApiResult},
    events::EventContext,
    query::Query,
    route::{self, Route},
    state::Quota,
};

const NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
pub(crate) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A request to a repository whose sender has the right to it.
pub(crate) struct RepositoryRequest<'a> {
    registry: &'a Registry,
    method: &'a Method,
    headers: &'a HeaderMap,
    query: Query<'a>,
    path: RepositoryPath,
    principal: Principal,
    /// The address that the request came from.
    address: Option<IpAddr>,
    client: ClientNetwork,
    /// The circumstances of events, if anybody is to be told of any.
    events: Option<EventContext>,
}

/// A request that is admitted.
pub(super) struct Admitted {
    route: Route,
    principal: Principal,
}

impl Admitted {
    /// Whether the request changes nothing, so that its work may be dropped at any point.
    fn only_reads(&self, method: &Method) -> bool {
        matches!(*method, Method::GET | Method::HEAD) || matches!(self.route, Route::Token)
    }
}

/// Admits a request, or refuses it. Nothing has been begun yet, so that the work may be dropped at any point.
async fn admit(registry: &Registry, parts: &Parts) -> Result<Admitted, ApiError> {
    let config = &registry.config;
    let route = Route::parse(parts.uri.path())?;
    if let Route::Token = route {
        methods::check(&parts.method, &route, config)?;
        let principal = Principal::default(); // its credentials are checked where the form is read
        return Ok(Admitted { route, principal });
    }
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let mount = match (&parts.method, &route) {
        (&Method::POST, Route::Repository(_, route::RepositoryRoute::Uploads)) => Mount::of(&query),
        _ => None,
    };
    let wanted = match &route {
        Route::Repository(path, route) => Some(Wanted {
            path,
            action: action(&parts.method, route),
            mount: mount.as_ref(),
        }),
        _ => None,
    };
    let external = config.external.as_deref().or(config.listening.as_deref());
    let client = ClientNetwork::of(parts);
    let principal = config
        .authentication
        .admit(&client, &parts.headers, wanted, external)
        .await?;
    if let Route::Base = route {
        config.authentication.greet(&principal)?;
    }
    methods::check(&parts.method, &route, config)?;
    Ok(Admitted { route, principal })
}

/// Performs an admitted request.
async fn perform(registry: &Registry, parts: &Parts, body: RequestBody, admitted: Admitted) -> ApiResult {
    let (method, headers) = (&parts.method, &parts.headers);
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let Admitted { route, principal } = admitted;
    let user = principal.user.clone();
    let mut answer = match route {
        Route::Token => return token::answer(registry, parts, &query, body).await,
        Route::Base => {
            conditions::instead_of_document(headers).unwrap_or_else(|| Ok(document(&serde_json::json!({}))))
        }
        Route::Extensions => conditions::instead_of_document(headers)
            .unwrap_or_else(|| Ok(document(&serde_json::json!({ "extensions": [] })))),
        Route::Catalog => listings::catalog(registry, &principal, headers, &query).await,
        Route::Repository(path, route) => {
            let notifications = &registry.config.notifications;
            let events = notifications.of_request(registry, parts, principal.user.as_deref())?;
            let request = RepositoryRequest {
                registry,
                method,
                headers,
                query,
                path,
                principal,
                address: ClientAddress::of(parts),
                client: ClientNetwork::of(parts),
                events,
            };
            let namespace = registry
                .config
                .through
                .as_ref()
                .and(request.query.value("ns"))
                .and_then(namespace);
            let mut response = request
                .answer(route, body)
                .await
                .unwrap_or_else(ApiError::into_response);
            if let Some(namespace) = namespace {
                response.headers_mut().insert(NAMESPACE, namespace);
            }
            Ok(response)
        }
    }
    .unwrap_or_else(ApiError::into_response);
    if let Some(user) = user {
        answer.extensions_mut().insert(answer::User(user));
    }
    Ok(answer)
}

/// The value of the `OCI-Namespace` header: the registry that the client names (distribution-spec, *Registry
/// Proxying*).
fn namespace(text: &str) -> Option<HeaderValue> {
    wharf_reference::Registry::parse(text).ok()?;
    HeaderValue::try_from(text).ok()
}

fn action(method: &Method, route: &route::RepositoryRoute) -> Action {
    match (method, route) {
        (_, route::RepositoryRoute::Uploads | route::RepositoryRoute::Upload(_)) => Action::Push,
        (&Method::GET | &Method::HEAD, _) => Action::Pull,
        (&Method::DELETE, _) => Action::Delete,
        _ => Action::Push,
    }
}

impl RepositoryRequest<'_> {
    async fn answer(&self, route: route::RepositoryRoute, body: RequestBody) -> ApiResult {
        match (self.method, route) {
            (&Method::GET | &Method::HEAD, route::RepositoryRoute::Manifest(target)) => {
                self.pull_manifest(&target).await
            }
            (&Method::PUT, route::RepositoryRoute::Manifest(target)) => {
                self.push_manifest(target, body).await
            }
            (&Method::DELETE, route::RepositoryRoute::Manifest(target)) => {
                self.delete_manifest(&target).await
            }
            (&Method::GET | &Method::HEAD, route::RepositoryRoute::Blob(digest)) => {
                self.pull_blob(&digest).await
            }
            (&Method::DELETE, route::RepositoryRoute::Blob(digest)) => self.delete_blob(&digest).await,
            (&Method::POST, route::RepositoryRoute::Uploads) => self.begin_upload(body).await,
            (&Method::GET | &Method::HEAD, route::RepositoryRoute::Upload(id)) => {
                self.upload_status(&id).await
            }
            (&Method::PATCH, route::RepositoryRoute::Upload(id)) => self.continue_upload(&id, body).await,
            (&Method::PUT, route::RepositoryRoute::Upload(id)) => self.finish_upload(&id, body).await,
            (&Method::DELETE, route::RepositoryRoute::Upload(id)) => self.cancel_upload(&id).await,
            (&Method::GET | &Method::HEAD, route::RepositoryRoute::Tags) => self.tags().await,
            (&Method::GET | &Method::HEAD, route::RepositoryRoute::Referrers(subject)) => {
                self.referrers(&subject).await
            }
            // `methods::check` has let pass what is above, and nothing else.
            _ => Err(ApiError::missing(
                ErrorCode::Unsupported,
                "there is nothing at this path",
            )),
        }
    }

    /// The quota for content that the client pushes.
    fn quota(&self) -> Quota {
        let limits = &self.registry.config.limits;
        Quota::new(limits, &self.path, self.principal.user.as_ref())
    }

    /// A URL of this registry for `Location`: absolute if the external URL is set, else relative.
    fn location(&self, rest: &str) -> Result<HeaderValue, ApiError> {
        let external = self.registry.config.external.as_deref().unwrap_or_default();
        value(format!("{external}/v2/{}/{rest}", self.path))
    }
}

/// A response without a body.
fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    if status == StatusCode::NO_CONTENT {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

fn document(document: &serde_json::Value) -> Response<Body> {
    json(document.to_string().into_bytes())
}

/// The response with a JSON document, of these bytes.
fn json(bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(bytes)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn unwritable() -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Unknown,
        "a record cannot be written as JSON",
    )
}

/// The response to HEAD: the one to GET, with its length but without its body.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !parts.headers.contains_key(header::CONTENT_LENGTH) && !bodiless {
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Response::from_parts(parts, Body::empty())
}

fn value<'a>(text: impl Into<Cow<'a, str>>) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(text.into().into_owned()).map_err(|_| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Unknown,
            "a configured value cannot be sent in a header",
        )
    })
}

fn digest_value(digest: &Digest) -> Result<HeaderValue, ApiError> {
    value(digest.as_str())
}
