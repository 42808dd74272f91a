//! Changes of requests: their targets and their bodies.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Uri, uri::PathAndQuery};
use http_body::{Frame, SizeHint};
use wharf_reference::{Algorithm, Digest, Tag};

use crate::{
    body::RequestBody,
    query::Query,
    route::{ManifestReference, RepositoryRoute, Route},
};

/// Keeps the parameters of a query whose key `keep` accepts, and adds `more`.
pub(super) fn set_query(request: &mut Request<RequestBody>, keep: impl Fn(&str) -> bool, more: Option<&str>) {
    let uri = request.uri();
    let parameters = uri.query().unwrap_or_default().split('&');
    let kept = parameters.filter(|parameter| {
        let (key, _) = parameter.split_once('=').unwrap_or((parameter, ""));
        !parameter.is_empty() && keep(key)
    });
    let query = kept.chain(more).collect::<Vec<_>>().join("&");
    set_target(request, &format!("{}?{query}", uri.path()));
}

pub(super) fn set_target(request: &mut Request<RequestBody>, target: &str) {
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

/// Makes a mount an upload, of the algorithm that the mount's digest has.
pub(super) fn without_mount(request: &mut Request<RequestBody>) {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let digest = query.value("mount").and_then(|text| Digest::parse(text).ok());
    let is_sha512 = digest.is_some_and(|digest| digest.algorithm() == Algorithm::Sha512);
    let algorithm =
        (is_sha512 && query.value("digest-algorithm").is_none()).then_some("digest-algorithm=sha512");
    set_query(request, |key| !matches!(key, "mount" | "from"), algorithm);
}

/// The path of the manifest whose digest a tag spells, as `sha256-<hex>` does.
pub(super) fn by_digest(uri: &Uri) -> Option<Uri> {
    let Ok(Route::Repository(path, RepositoryRoute::Manifest(ManifestReference::Tag(tag)))) =
        Route::parse(uri.path())
    else {
        return None;
    };
    let digest = Digest::parse(&Tag::as_str(&tag).replacen('-', ":", 1)).ok()?;
    Uri::try_from(format!("/v2/{path}/manifests/{digest}")).ok()
}

/// A request's body that fails before it exceeds a number of bytes.
pub(super) struct LimitedBody {
    pub(super) body: RequestBody,
    pub(super) left: u64,
    /// Set when the body was too long.
    pub(super) too_long: Arc<AtomicBool>,
}

impl http_body::Body for LimitedBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
            _ => 0,
        };
        let Some(left) = self.left.checked_sub(length) else {
            self.too_long.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err("longer than the limit".into())));
        };
        self.left = left;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
