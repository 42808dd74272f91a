//! What happens around a request: faults, quirks, headers that all answers have, the log, the observer.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;

use super::{RequestBody, dispatch, quirks};
use crate::{
    Answered, Body, Endpoint, ErrorCode, LoggedRequest, Observer, Registry,
    error::Failure,
    fault::{Script, claim_range, shift_range},
    observe::{CountedBody, Observation},
};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

pub(crate) async fn answer(registry: &Registry, mut request: Request<RequestBody>) -> Response<Body> {
    let observation = registry
        .config
        .observer
        .as_ref()
        .map(|observer| observe(observer, &mut request));
    let logged = registry.config.log.as_ref().map(|log| {
        (
            log,
            request.method().clone(),
            request.uri().clone(),
            request.headers().clone(),
        )
    });
    let script = registry.faults.hit(request.method(), request.uri().path());
    let quirks = (!registry.config.quirks.is_empty()).then(|| quirks::Seen::of(&request));
    let mut response = if let Some(refused) = quirks.as_ref().and_then(|seen| seen.refused(registry)) {
        refused
    } else if script.is_empty() {
        perform(registry, request).await
    } else {
        misbehave(registry, request, &script).await
    };
    if let Some(seen) = quirks {
        response = seen.altered(registry, response);
    }
    let headers = response.headers_mut();
    for warning in &registry.config.warnings {
        headers.append(header::WARNING, warning.clone());
    }
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Some((log, method, uri, headers)) = logged {
        log.push(LoggedRequest::new(method, &uri, &headers, response.status()));
    }
    match observation {
        Some(mut observation) => {
            observation.answered.status = response.status();
            observation.answered.user = response.extensions_mut().remove().map(|User(user)| user);
            response.map(|body| body.observed(observation))
        }
        None => response,
    }
}

/// Who asked, on its way from the check of the credentials to the observer.
#[derive(Clone)]
pub(super) struct User(pub(super) Arc<str>);

fn observe(observer: &Arc<dyn Observer>, request: &mut Request<RequestBody>) -> Observation {
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
        answered: Answered {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            endpoint: Endpoint::of(request.uri().path()),
            status: StatusCode::OK,
            user: None,
            received: 0,
            sent: 0,
            complete: false,
            duration: Duration::ZERO,
        },
    }
}

/// Does what is asked. What changes something is done to its end, also when its client goes away: it runs on a
/// task of its own.
async fn perform(registry: &Registry, request: Request<RequestBody>) -> Response<Body> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        let answer = dispatch(registry, request).await;
        return answer.unwrap_or_else(Failure::into_response);
    }
    let registry = registry.clone();
    let answer = tokio::spawn(async move { dispatch(&registry, request).await }).await;
    let stopped = |_| {
        Err(Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Unknown,
            "shutting down",
        ))
    };
    answer
        .unwrap_or_else(stopped)
        .unwrap_or_else(Failure::into_response)
}

/// Answers as the faults want it.
async fn misbehave(
    registry: &Registry,
    mut request: Request<RequestBody>,
    script: &Script,
) -> Response<Body> {
    if let Some(response) = script.before(&mut request).await {
        return script.after(response);
    }
    let lie = script
        .lies_about_range()
        .then(|| shift_range(&mut request))
        .flatten();
    let mut response = perform(registry, request).await;
    if let Some(asked) = lie {
        claim_range(&mut response, asked);
    }
    script.after(response)
}
