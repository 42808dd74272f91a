//! The quirks that show before or after a request is handled; the others stand where they show.

use std::sync::PoisonError;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;

use super::{DIGEST, RequestBody};
use crate::{Body, ErrorCode, Quirk, Registry, error::Failure};

/// What the quirks look at.
pub(super) struct Seen {
    method: Method,
    manifest: bool,
    cookie: bool,
}

impl Seen {
    pub(super) fn of(request: &Request<RequestBody>) -> Self {
        Self {
            method: request.method().clone(),
            manifest: request.uri().path().contains("/manifests/"),
            cookie: request.headers().contains_key(header::COOKIE),
        }
    }

    /// The answer to a request that is not handled at all.
    pub(super) fn refused(&self, registry: &Registry) -> Option<Response<Body>> {
        let refused = registry.config.quirks.iter().find_map(|quirk| match quirk {
            Quirk::RefusesCookies if self.cookie => Some(Failure::new(
                StatusCode::FORBIDDEN,
                ErrorCode::Denied,
                "CSRF token not found in request",
            )),
            Quirk::NoManifestHead if self.manifest && self.method == Method::HEAD => {
                Some(Failure::missing(ErrorCode::ManifestUnknown, "no such manifest"))
            }
            Quirk::PullLimit(limit) if self.manifest && self.method == Method::GET => {
                let mut pulls = registry
                    .state
                    .pulls
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                pulls.retain(|pull| pull.elapsed() < Quirk::PULL_WINDOW);
                if pulls.len() as u64 >= *limit {
                    return Some(Failure::wait(
                        StatusCode::TOO_MANY_REQUESTS,
                        60,
                        "you have reached your pull rate limit",
                    ));
                }
                pulls.push(Instant::now());
                None
            }
            _ => None,
        });
        refused.map(Failure::into_response)
    }

    /// The answer as the client gets it.
    pub(super) fn altered(&self, registry: &Registry, mut response: Response<Body>) -> Response<Body> {
        let failed = response.status().is_client_error() || response.status().is_server_error();
        for quirk in &registry.config.quirks {
            match quirk {
                Quirk::NoManifestLocation if self.manifest => {
                    response.headers_mut().remove(header::LOCATION);
                }
                Quirk::NoDigestHeader => {
                    response.headers_mut().remove(DIGEST);
                }
                Quirk::SetsCookie => {
                    let cookie = HeaderValue::from_static("session=1; Path=/; HttpOnly");
                    response.headers_mut().insert(header::SET_COOKIE, cookie);
                }
                Quirk::HtmlErrors if failed => {
                    let page = Bytes::from_static(b"<html><body><h1>error</h1></body></html>\n");
                    response.headers_mut().remove(header::CONTENT_LENGTH);
                    let html = HeaderValue::from_static("text/html");
                    response.headers_mut().insert(header::CONTENT_TYPE, html);
                    if self.method != Method::HEAD {
                        *response.body_mut() = Body::from(page);
                    }
                }
                _ => {}
            }
        }
        response
    }
}
