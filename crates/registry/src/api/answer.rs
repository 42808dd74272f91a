//! Receives a request, passes it through the [behaviour](crate::behaviour) to its endpoint, adds the headers
//! that all responses have, and observes the response.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;

use super::{admit, methods, perform, without_body};
use crate::{
    Answered, Body, Observer, Registry, RouteKind,
    body::RequestBody,
    error::ApiError,
    observe::{CountedBody, Observation, ObservedBody},
    route::Route,
};

/// The status that is logged for a request whose client went before it was answered.
const CLIENT_GONE: u16 = 499;
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Answers a request. `refused` is the answer to a request that the server has refused already.
pub(crate) async fn answer(
    registry: &Registry,
    mut request: Request<RequestBody>,
    refused: Option<ApiError>,
) -> Response<Body> {
    let is_head = *request.method() == Method::HEAD;
    let observation = registry
        .config
        .observer
        .as_ref()
        .map(|observer| observe(observer, &mut request));
    let behaviour = &registry.config.behaviour;
    let mut response = behaviour.answer(registry, request, refused).await;
    let headers = response.headers_mut();
    for warning in &registry.config.warnings {
        headers.append(header::WARNING, warning.clone());
    }
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if is_head {
        response = without_body(response); // also of failures: what is counted is what is sent
    }
    match observation {
        Some(mut observation) => {
            observation.answered.status = response.status();
            let extensions = response.extensions_mut();
            observation.answered.user = extensions.remove().map(|User(user)| user);
            match extensions.remove() {
                Some(Fetched::Bytes(count)) => observation.answered.fetched = Some(count),
                Some(Fetched::Body) => observation.is_body_fetched = true,
                None => {}
            }
            response.map(|body| ObservedBody::around(body, observation))
        }
        None => response,
    }
}

/// The user of a request, an extension of the response, for the observer.
#[derive(Clone)]
pub(super) struct User(pub(super) Arc<str>);

/// The content that a pull-through cache fetched from upstream for a response: an extension of the response, for the
/// observer.
#[derive(Clone, Copy)]
pub(super) enum Fetched {
    /// So many bytes, before the response; 0 if the content was here.
    Bytes(u64),
    /// The body of the response, while it is sent.
    Body,
}

fn observe(observer: &Arc<dyn Observer>, request: &mut Request<RequestBody>) -> Observation {
    let route = RouteKind::at(request.uri().path());
    observer.begun(route);
    let received = Arc::new(AtomicU64::new(0));
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = RequestBody::new(CountedBody {
        body,
        received: Arc::clone(&received),
    });
    Observation {
        observer: Arc::clone(observer),
        started: Instant::now(),
        received,
        is_body_fetched: false,
        answered: Answered {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            route,
            status: StatusCode::from_u16(CLIENT_GONE).unwrap_or_default(),
            user: None,
            received: 0,
            sent: 0,
            complete: false,
            fetched: None,
            duration: Duration::ZERO,
        },
    }
}

/// Admits and performs a request. A request that only reads ends when its client goes, and so does any
/// request that has not been admitted yet. A request that changes something runs to its end, on a task of its
/// own.
pub(crate) async fn respond(registry: &Registry, request: Request<RequestBody>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if parts.method == Method::OPTIONS {
        let route = match parts.uri.path() {
            "*" => Ok(None),
            path => Route::parse(path).map(Some),
        };
        let answer = route.and_then(|route| methods::options(route.as_ref(), &registry.config));
        return answer.unwrap_or_else(ApiError::into_response);
    }
    let admitted = match admit(registry, &parts).await {
        Ok(admitted) => admitted,
        Err(failure) => return failure.into_response(),
    };
    // In boxes, since the future of a request is large, and those around it are moved several times before they run.
    let answer = if admitted.only_reads(&parts.method) {
        Box::pin(perform(registry, &parts, body, admitted)).await
    } else {
        let registry = registry.clone();
        let performing = async move { Box::pin(perform(&registry, &parts, body, admitted)).await };
        tokio::spawn(performing).await.unwrap_or_else(|_| {
            Err(ApiError::wait(
                StatusCode::SERVICE_UNAVAILABLE,
                1,
                "shutting down",
            ))
        })
    };
    answer.unwrap_or_else(ApiError::into_response)
}
