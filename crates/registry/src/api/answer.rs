//! What happens around a request: faults, quirks, headers that all answers have, the log, the observer.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;

use super::{RequestBody, admit, methods, perform, quirks, without_body};
use crate::{
    Answered, Body, Endpoint, LoggedRequest, Observer, Registry,
    error::Failure,
    fault::{Script, claim_range, shift_range},
    observe::{CountedBody, Observation},
    route::Route,
};

/// The status in logs of a request whose client went before it was answered.
const CLIENT_GONE: u16 = 499;
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Answers a request; with `refused`, that it has been turned away already.
pub(crate) async fn answer(
    registry: &Registry,
    mut request: Request<RequestBody>,
    refused: Option<Failure>,
) -> Response<Body> {
    let is_head = *request.method() == Method::HEAD;
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
    let mut response = if let Some(refused) = refused {
        refused.into_response()
    } else if let Some(refused) = quirks.as_ref().and_then(|seen| seen.refused(registry)) {
        refused
    } else if script.is_empty() {
        handle(registry, request).await
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
    if is_head {
        response = without_body(response); // also of failures: what is counted is what is sent
    }
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
            status: StatusCode::from_u16(CLIENT_GONE).unwrap_or_default(),
            user: None,
            received: 0,
            sent: 0,
            complete: false,
            duration: Duration::ZERO,
        },
    }
}

/// Does what is asked. Until the client is known and has the right to it, and where it only reads, the work ends
/// when the client goes away. What changes something is done to its end: it runs on a task of its own.
async fn handle(registry: &Registry, request: Request<RequestBody>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if parts.method == Method::OPTIONS {
        let route = match parts.uri.path() {
            "*" => Ok(None),
            path => Route::parse(path).map(Some),
        };
        let answer = route.and_then(|route| methods::options(route.as_ref(), &registry.config));
        return answer.unwrap_or_else(Failure::into_response);
    }
    let admitted = match admit(registry, &parts).await {
        Ok(admitted) => admitted,
        Err(failure) => return failure.into_response(),
    };
    let answer = if admitted.only_reads(&parts.method) {
        perform(registry, &parts, body, admitted).await
    } else {
        let registry = registry.clone();
        let performing = async move { perform(&registry, &parts, body, admitted).await };
        tokio::spawn(performing)
            .await
            .unwrap_or_else(|_| Err(Failure::wait(StatusCode::SERVICE_UNAVAILABLE, 1, "shutting down")))
    };
    answer.unwrap_or_else(Failure::into_response)
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
    let mut response = handle(registry, request).await;
    if let Some(asked) = lie {
        claim_range(&mut response, asked);
    }
    script.after(response)
}
