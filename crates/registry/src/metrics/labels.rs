//! Values of labels. A client must not be able to choose them, else the families would grow without end.

use http::Method;
use wharf_content::ErrorKind;

use super::counts::Handler;
use crate::RouteKind;

/// The name of an endpoint, as Docker's registry has it, or in its manner.
pub(super) const fn handler(route: Option<RouteKind>) -> Handler {
    match route {
        Some(RouteKind::Base) => "base",
        Some(RouteKind::Token) => "token",
        Some(RouteKind::Catalog) => "catalog",
        Some(RouteKind::Manifest) => "manifest",
        Some(RouteKind::Blob) => "blob",
        Some(RouteKind::Uploads) => "blob_upload",
        Some(RouteKind::Upload) => "blob_upload_chunk",
        Some(RouteKind::Tags) => "tags",
        Some(RouteKind::Referrers) => "referrers",
        None => "other",
    }
}

/// The name of an endpoint in `wharf_request*`, which counts the requests of an upload together.
pub(super) fn endpoint(handler: Handler) -> &'static str {
    match handler {
        "blob_upload" | "blob_upload_chunk" => "upload",
        other => other,
    }
}

pub(super) fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "get",
        "HEAD" => "head",
        "POST" => "post",
        "PUT" => "put",
        "PATCH" => "patch",
        "DELETE" => "delete",
        "OPTIONS" => "options",
        _ => "other",
    }
}

/// The method in `wharf_requests_total`.
pub(super) fn upper(method: &str) -> String {
    match method {
        "other" => method.to_owned(),
        method => method.to_ascii_uppercase(),
    }
}

/// The outcome of a call that failed.
pub(super) const fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not_found",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::Denied => "denied",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Mismatch => "mismatch",
        ErrorKind::Invalid => "invalid",
        ErrorKind::TooLarge => "too_large",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Tls => "tls",
        ErrorKind::Network => "network",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::NoSpace => "no_space",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Storage => "storage",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::Server => "server",
        _ => "other",
    }
}
