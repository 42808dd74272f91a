//! The effects of quirks: a request is refused or rewritten before it is handled, and its response altered
//! afterwards.

mod request;
mod response;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body as _;
use tokio::time::Instant;

use self::{
    request::{LimitedBody, by_digest, set_query, set_target, without_mount},
    response::{all_pages, change_challenge, null_tags, remove_parameter, scope_realm},
};
use super::{Behaviour, Quirk};
use crate::{
    Body, ErrorCode, Registry, RouteKind,
    api::{self, DIGEST, SUBJECT},
    body::RequestBody,
    error::ApiError,
    range,
    sync::LockExt as _,
};

const CHUNK_MINIMUM: HeaderName = HeaderName::from_static("oci-chunk-min-length");
/// A `Content-Range` that begins behind every upload.
const FAR_CHUNK: HeaderValue = HeaderValue::from_static("1152921504606846976-1152921504606846976");
const NO_CHUNK: HeaderValue = HeaderValue::from_static("none");

/// The memory of quirks from one request to the next.
#[derive(Debug, Default)]
pub(super) struct QuirkState {
    /// When manifests were pulled, for [`Quirk::PullLimit`].
    pulls: Mutex<Vec<Instant>>,
    /// The `Range` of the first chunk, by the path of its upload, for [`Quirk::FirstChunkRange`].
    first_chunks: Mutex<HashMap<String, HeaderValue>>,
}

/// The facts about a request that quirks look at.
pub(super) struct Seen {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    route: Option<RouteKind>,
    has_body: bool,
    /// A chunk was sent although [`Quirk::NoChunks`] offers none.
    unwanted_chunk: bool,
    /// Set when a body was longer than [`Quirk::PatchLimit`].
    too_long: Arc<AtomicBool>,
}

impl Seen {
    pub(super) fn of(request: &Request<RequestBody>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            route: RouteKind::at(request.uri().path()),
            has_body: !request.body().is_end_stream(),
            unwanted_chunk: false,
            too_long: Arc::default(),
        }
    }

    fn is(&self, method: &Method, route: RouteKind) -> bool {
        self.method == *method && self.route == Some(route)
    }

    fn reads(&self, route: RouteKind) -> bool {
        matches!(self.method, Method::GET | Method::HEAD) && self.route == Some(route)
    }

    /// A request like this one, without a body.
    fn again(&self, method: Method, uri: Uri) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::default());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl Behaviour {
    /// The answer to a request that is not handled at all.
    pub(super) fn refuse(&self, seen: &Seen) -> Option<ApiError> {
        self.quirks.iter().find_map(|quirk| match quirk {
            Quirk::RefusesCookies if seen.headers.contains_key(header::COOKIE) => Some(ApiError::new(
                StatusCode::FORBIDDEN,
                ErrorCode::Denied,
                "CSRF token not found in request",
            )),
            Quirk::NoManifestHead if seen.is(&Method::HEAD, RouteKind::Manifest) => {
                Some(ApiError::missing(ErrorCode::ManifestUnknown, "no such manifest"))
            }
            Quirk::PullLimit(limit) if seen.is(&Method::GET, RouteKind::Manifest) => {
                self.state.count_pull(*limit)
            }
            _ => None,
        })
    }

    /// Changes a request before it is handled.
    pub(super) fn rewrite(&self, seen: &mut Seen, request: &mut Request<RequestBody>) {
        for quirk in &self.quirks {
            match quirk {
                Quirk::NoMount if seen.is(&Method::POST, RouteKind::Uploads) => without_mount(request),
                Quirk::NoSinglePost if seen.is(&Method::POST, RouteKind::Uploads) => {
                    set_query(request, |key| key != "digest", None);
                }
                Quirk::NoReferrersFilter if seen.route == Some(RouteKind::Referrers) => {
                    set_query(request, |key| key != "artifactType", None);
                }
                Quirk::NoTagParameter if seen.is(&Method::PUT, RouteKind::Manifest) => {
                    set_query(request, |key| key != "tag", None);
                }
                Quirk::NoPages if seen.route == Some(RouteKind::Tags) => {
                    set_query(request, |key| key != "n", None);
                }
                Quirk::ScopedRealm if seen.uri.path() == "/token/scoped" => {
                    let query = seen.uri.query().unwrap_or_default();
                    set_target(request, &format!("/token?{query}"));
                }
                Quirk::NoRange if seen.route == Some(RouteKind::Blob) => {
                    request.headers_mut().remove(header::RANGE);
                }
                Quirk::NoChunks if seen.is(&Method::PATCH, RouteKind::Upload) => {
                    let headers = request.headers_mut();
                    seen.unwanted_chunk = headers.contains_key(header::CONTENT_RANGE);
                    if seen.unwanted_chunk {
                        headers.insert(header::CONTENT_RANGE, NO_CHUNK);
                    }
                }
                Quirk::ChunkMinimum(minimum) if seen.is(&Method::PATCH, RouteKind::Upload) => {
                    let chunk = range::content_range(request.headers()).ok().flatten();
                    if chunk.is_some_and(|chunk| chunk.end - chunk.start < *minimum) {
                        request.headers_mut().insert(header::CONTENT_RANGE, FAR_CHUNK);
                    }
                }
                Quirk::PatchLimit(limit) if seen.is(&Method::PATCH, RouteKind::Upload) => {
                    let body = std::mem::take(request.body_mut());
                    *request.body_mut() = RequestBody::new(LimitedBody {
                        body,
                        left: *limit,
                        too_long: Arc::clone(&seen.too_long),
                    });
                }
                _ => {}
            }
        }
    }

    /// Makes further requests if a quirk needs their responses too.
    pub(super) async fn complete(
        &self,
        seen: &Seen,
        registry: &Registry,
        mut response: Response<Body>,
    ) -> Response<Body> {
        for quirk in &self.quirks {
            match quirk {
                Quirk::DigestTags
                    if seen.reads(RouteKind::Manifest) && response.status() == StatusCode::NOT_FOUND =>
                {
                    if let Some(uri) = by_digest(&seen.uri) {
                        let request = seen.again(seen.method.clone(), uri);
                        response = api::respond(registry, request).await;
                    }
                }
                Quirk::NoPages if seen.reads(RouteKind::Tags) => {
                    response = all_pages(seen, registry, response).await;
                }
                _ => {}
            }
        }
        response
    }

    /// Alters a response before the client gets it.
    pub(super) fn alter(&self, seen: &Seen, mut response: Response<Body>) -> Response<Body> {
        for quirk in &self.quirks {
            let status = response.status();
            let failed = status.is_client_error() || status.is_server_error();
            let headers = response.headers_mut();
            match quirk {
                Quirk::PatchLimit(_) if seen.too_long.load(Ordering::Relaxed) => {
                    let message = "the upload is too large";
                    response = ApiError::too_large(ErrorCode::SizeInvalid, message).into_response();
                }
                Quirk::NoChunks if seen.unwanted_chunk && status == StatusCode::BAD_REQUEST => {
                    let message = "chunks are not offered";
                    response = ApiError::bad(ErrorCode::Unsupported, message).into_response();
                }
                Quirk::ChunkMinimum(minimum) if seen.is(&Method::POST, RouteKind::Uploads) && !failed => {
                    headers.insert(CHUNK_MINIMUM, HeaderValue::from(*minimum));
                }
                Quirk::FirstChunkRange if seen.is(&Method::PATCH, RouteKind::Upload) && !failed => {
                    self.state.show_first_chunk(seen, headers);
                }
                Quirk::NoReferrers if seen.route == Some(RouteKind::Referrers) => {
                    let passed_rights = !failed || status == StatusCode::PRECONDITION_FAILED;
                    if passed_rights {
                        let message = "there is nothing at this path";
                        response = ApiError::missing(ErrorCode::Unsupported, message).into_response();
                    }
                }
                Quirk::NoReferrers => drop(headers.remove(SUBJECT)),
                Quirk::NullTags if seen.route == Some(RouteKind::Tags) && status == StatusCode::OK => {
                    response = null_tags(response);
                }
                Quirk::NoService => change_challenge(headers, |text| remove_parameter(text, "service")),
                Quirk::ScopedRealm => change_challenge(headers, scope_realm),
                Quirk::NoManifestLocation if seen.route == Some(RouteKind::Manifest) => {
                    headers.remove(header::LOCATION);
                }
                Quirk::NoDigestHeader => drop(headers.remove(DIGEST)),
                Quirk::SetsCookie => {
                    let cookie = HeaderValue::from_static("session=1; Path=/; HttpOnly");
                    headers.insert(header::SET_COOKIE, cookie);
                }
                Quirk::HtmlErrors if failed => {
                    let page = Bytes::from_static(b"<html><body><h1>error</h1></body></html>\n");
                    headers.remove(header::CONTENT_LENGTH);
                    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
                    if seen.method != Method::HEAD {
                        *response.body_mut() = Body::from(page);
                    }
                }
                _ => {}
            }
        }
        response
    }
}

impl QuirkState {
    /// Counts a pull, or refuses it if `limit` pulls were counted within the window.
    fn count_pull(&self, limit: u64) -> Option<ApiError> {
        let mut pulls = self.pulls.locked();
        pulls.retain(|pull| pull.elapsed() < Quirk::PULL_WINDOW);
        if pulls.len() as u64 >= limit {
            return Some(ApiError::wait(
                StatusCode::TOO_MANY_REQUESTS,
                60,
                "you have reached your pull rate limit",
            ));
        }
        pulls.push(Instant::now());
        None
    }

    fn show_first_chunk(&self, seen: &Seen, headers: &mut HeaderMap) {
        let mut chunks = self.first_chunks.locked();
        let path = seen.uri.path();
        match (chunks.get(path), headers.get(header::RANGE)) {
            (Some(first), _) => drop(headers.insert(header::RANGE, first.clone())),
            (None, Some(range)) if seen.has_body => drop(chunks.insert(path.to_owned(), range.clone())),
            (None, _) => {}
        }
    }
}
