//! The endpoints of distribution-spec, *Endpoints*.

mod answer;
mod blobs;
mod listings;
mod manifests;
mod quirks;
mod quota;
mod receive;
mod referrers;
mod session;
mod through;
mod token;
mod uploads;

pub(crate) use answer::answer;
pub(crate) use uploads::expire as expire_uploads;

use std::{borrow::Cow, error::Error as StdError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use wharf_reference::Digest;

use crate::{
    Action, Body, ErrorCode, Quirk, Registry,
    auth::{Mount, Principal, Wanted},
    error::{Answer, Failure},
    query::Query,
    route::{self, Path, Route},
};

pub(crate) type RequestBody = UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>;

const NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A request whose path, sender and rights are known.
pub(crate) struct Call<'a> {
    registry: &'a Registry,
    method: &'a Method,
    headers: &'a HeaderMap,
    query: Query<'a>,
    path: Path,
    principal: Principal,
}

/// Finds out who asks for what, and does it.
async fn dispatch(registry: &Registry, request: Request<RequestBody>) -> Answer {
    let (parts, body) = request.into_parts();
    let config = &registry.config;
    let (method, headers) = (&parts.method, &parts.headers);
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let external = config.external.as_deref().or(config.listening.as_deref());
    let head = *method == Method::HEAD;
    let answer = match Route::parse(parts.uri.path())? {
        Route::Token => token::answer(registry, method, headers, &query, body).await,
        Route::Base => {
            config.authentication.admit(headers, None, external).await?;
            only_reads(method)?;
            Ok(document(&serde_json::json!({})))
        }
        Route::Extensions => {
            config.authentication.admit(headers, None, external).await?;
            only_reads(method)?;
            Ok(document(&serde_json::json!({ "extensions": [] })))
        }
        Route::Catalog => {
            let principal = config.authentication.admit(headers, None, external).await?;
            only_reads(method)?;
            listings::catalog(registry, &principal, &query)
        }
        Route::Repository(path, endpoint) => {
            let action = action(method, &endpoint);
            let mount = match (method, &endpoint) {
                (&Method::POST, route::Endpoint::Uploads) if !registry.has(Quirk::NoMount) => {
                    Mount::of(&query)
                }
                _ => None,
            };
            let wanted = Some(Wanted {
                path: &path,
                action,
                mount: mount.as_ref(),
            });
            let principal = config.authentication.admit(headers, wanted, external).await?;
            if config.read_only && action != Action::Pull {
                return Err(Failure::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    ErrorCode::Unsupported,
                    "this registry is read-only",
                ));
            }
            let user = principal.user.clone().map(answer::User);
            let call = Call {
                registry,
                method,
                headers,
                query,
                path,
                principal,
            };
            let namespace = config
                .through
                .as_ref()
                .and(call.query.value("ns"))
                .and_then(namespace);
            let mut response = call
                .answer(endpoint, body)
                .await
                .unwrap_or_else(Failure::into_response);
            if let Some(namespace) = namespace {
                response.headers_mut().insert(NAMESPACE, namespace);
            }
            if let Some(user) = user {
                response.extensions_mut().insert(user);
            }
            Ok(response)
        }
    };
    answer.map(|response| if head { without_body(response) } else { response })
}

/// The registry that a client of a cache means (distribution-spec, *Registry Proxying*), to say it back.
fn namespace(text: &str) -> Option<HeaderValue> {
    wharf_reference::Registry::parse(text).ok()?;
    HeaderValue::try_from(text).ok()
}

fn action(method: &Method, endpoint: &route::Endpoint) -> Action {
    match (method, endpoint) {
        (_, route::Endpoint::Uploads | route::Endpoint::Upload(_)) => Action::Push,
        (&Method::GET | &Method::HEAD, _) => Action::Pull,
        (&Method::DELETE, _) => Action::Delete,
        _ => Action::Push,
    }
}

fn only_reads(method: &Method) -> Result<(), Failure> {
    match *method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Failure::method_not_allowed()),
    }
}

impl<'a> Call<'a> {
    /// What this process does itself.
    pub(crate) fn internal(
        registry: &'a Registry,
        path: Path,
        method: &'a Method,
        headers: &'a HeaderMap,
    ) -> Self {
        Self {
            registry,
            method,
            headers,
            query: Query::parse(""),
            path,
            principal: Principal::default(),
        }
    }
}

impl Call<'_> {
    async fn answer(&self, endpoint: route::Endpoint, body: RequestBody) -> Answer {
        match (self.method, endpoint) {
            (&Method::GET | &Method::HEAD, route::Endpoint::Manifest(target)) => {
                self.pull_manifest(&target).await
            }
            (&Method::PUT, route::Endpoint::Manifest(target)) => self.push_manifest(target, body).await,
            (&Method::DELETE, route::Endpoint::Manifest(target)) => self.delete_manifest(&target).await,
            (&Method::GET | &Method::HEAD, route::Endpoint::Blob(digest)) => self.pull_blob(&digest).await,
            (&Method::DELETE, route::Endpoint::Blob(digest)) => self.delete_blob(&digest).await,
            (&Method::POST, route::Endpoint::Uploads) => self.begin_upload(body).await,
            (&Method::GET | &Method::HEAD, route::Endpoint::Upload(id)) => self.upload_status(&id).await,
            (&Method::PATCH, route::Endpoint::Upload(id)) => self.continue_upload(&id, body).await,
            (&Method::PUT, route::Endpoint::Upload(id)) => self.finish_upload(&id, body).await,
            (&Method::DELETE, route::Endpoint::Upload(id)) => self.cancel_upload(&id).await,
            (&Method::GET | &Method::HEAD, route::Endpoint::Tags) => self.tags(),
            (&Method::GET | &Method::HEAD, route::Endpoint::Referrers(subject)) => {
                self.referrers(&subject).await
            }
            _ => Err(Failure::method_not_allowed()),
        }
    }

    /// A path of this registry for `Location`: absolute if the registry knows its own address, else relative.
    fn location(&self, rest: &str) -> Result<HeaderValue, Failure> {
        let external = self.registry.config.external.as_deref().unwrap_or_default();
        value(format!("{external}/v2/{}/{rest}", self.path))
    }

    fn may_delete(&self) -> Result<(), Failure> {
        if self.registry.config.delete {
            return Ok(());
        }
        Err(Failure::new(
            StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::Unsupported,
            "deleting is turned off",
        ))
    }
}

/// An answer without a body.
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
    let mut response = Response::new(Body::from(Bytes::from(document.to_string())));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The same answer as to GET, with its length but without its bytes.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if !parts.headers.contains_key(header::CONTENT_LENGTH) && parts.status != StatusCode::NO_CONTENT {
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    Response::from_parts(parts, Body::empty())
}

fn value<'a>(text: impl Into<Cow<'a, str>>) -> Result<HeaderValue, Failure> {
    HeaderValue::try_from(text.into().into_owned()).map_err(|_| {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Unknown,
            "a configured text cannot be a header",
        )
    })
}

fn digest_value(digest: &Digest) -> Result<HeaderValue, Failure> {
    value(digest.as_str())
}
