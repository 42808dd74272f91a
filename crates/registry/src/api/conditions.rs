//! Conditional requests (RFC 9110, 13): a client reads only what it does not have yet, or changes only what
//! it has seen.
//!
//! Entity tags are digests in quotes, and strong. There is no `Last-Modified`, so conditions on dates are
//! ignored, as the RFC demands.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use wharf_reference::Digest;

use super::{DIGEST, digest_value, value};
use crate::{
    Body,
    error::{ApiError, ApiResult},
};

/// The entity tag of content.
pub(super) fn etag(digest: &Digest) -> Result<HeaderValue, ApiError> {
    value(format!("\"{digest}\""))
}

/// The answer instead of the content, if a condition of the request demands one: 304 if the client has the
/// content, 412 if it wants other content.
pub(super) fn instead_of(headers: &HeaderMap, digest: &Digest) -> Option<ApiResult> {
    if !if_match(headers, Some(digest)) {
        return Some(Err(ApiError::condition()));
    }
    if_none_match(headers, Some(digest)).then_some(())?;
    Some(not_modified(digest))
}

/// As [`instead_of`], for a document without an entity tag: only `*` and `If-Match` apply to it.
pub(super) fn instead_of_document(headers: &HeaderMap) -> Option<ApiResult> {
    let is_any = |name| values(headers, name).any(|tag| tag == Tag::Any);
    if headers.contains_key(header::IF_MATCH) && !is_any(header::IF_MATCH) {
        return Some(Err(ApiError::condition()));
    }
    is_any(header::IF_NONE_MATCH).then(|| Ok(empty_304()))
}

/// Refuses a change unless the request's conditions hold for the current content.
pub(super) fn allow_change(headers: &HeaderMap, current: Option<&Digest>) -> Result<(), ApiError> {
    if if_match(headers, current) && !if_none_match(headers, current) {
        return Ok(());
    }
    Err(ApiError::condition())
}

/// Whether the request has conditions.
pub(super) fn are_there(headers: &HeaderMap) -> bool {
    headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_NONE_MATCH)
}

/// Whether `If-Match` lets the request pass (13.1.1). The comparison is strong: a weak tag never matches.
fn if_match(headers: &HeaderMap, current: Option<&Digest>) -> bool {
    !headers.contains_key(header::IF_MATCH)
        || values(headers, header::IF_MATCH).any(|tag| match tag {
            Tag::Any => current.is_some(),
            Tag::Strong(text) => current.is_some_and(|current| current.as_str() == text),
            Tag::Weak(_) => false,
        })
}

/// Whether `If-None-Match` names the current content (13.1.2). The comparison is weak.
fn if_none_match(headers: &HeaderMap, current: Option<&Digest>) -> bool {
    values(headers, header::IF_NONE_MATCH).any(|tag| match tag {
        Tag::Any => current.is_some(),
        Tag::Strong(text) | Tag::Weak(text) => current.is_some_and(|current| current.as_str() == text),
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Tag<'a> {
    Any,
    Strong(&'a str),
    Weak(&'a str),
}

/// The entity tags of a header. A digest without quotes, which some clients send, counts as a tag; malformed
/// tags match nothing.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Tag<'_>> {
    let lines = headers.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(',')) // no tag of ours has a comma
        .filter_map(|text| {
            let text = text.trim_matches([' ', '\t']);
            if text == "*" {
                Some(Tag::Any)
            } else if let Some(weak) = text.strip_prefix("W/") {
                quoted(weak).map(Tag::Weak)
            } else {
                Some(Tag::Strong(quoted(text).unwrap_or(text)))
            }
        })
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

fn not_modified(digest: &Digest) -> ApiResult {
    let mut response = empty_304();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag(digest)?);
    headers.insert(DIGEST, digest_value(digest)?);
    Ok(response)
}

fn empty_304() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_compared_as_the_rfc_has_it() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest = Digest::parse(&format!("sha256:{hex}")).unwrap();
        let (own, weak) = (format!("\"{digest}\""), format!("W/\"{digest}\""));
        let list = format!("\"x\", W/\"y\" ,{own}");
        // The header's value, whether If-Match lets pass, whether If-None-Match names the content; of nothing
        // the same.
        let cases: [(&str, [bool; 4]); 9] = [
            (&own, [true, true, false, false]),
            (&weak, [false, true, false, false]),
            (&list, [true, true, false, false]),
            (digest.as_str(), [true, true, false, false]),
            ("*", [true, true, false, false]),
            ("\"other\"", [false, false, false, false]),
            ("", [false, false, false, false]),
            ("\"", [false, false, false, false]),
            ("W/", [false, false, false, false]),
        ];
        for (text, expected) in cases {
            let with = |name: HeaderName| {
                let mut headers = HeaderMap::new();
                headers.insert(name, text.parse().unwrap());
                headers
            };
            let (matching, none) = (with(header::IF_MATCH), with(header::IF_NONE_MATCH));
            let found = [
                if_match(&matching, Some(&digest)),
                if_none_match(&none, Some(&digest)),
                if_match(&matching, None),
                if_none_match(&none, None),
            ];
            assert_eq!(found, expected, "{text}");
        }
        assert!(if_match(&HeaderMap::new(), None) && !if_none_match(&HeaderMap::new(), Some(&digest)));
    }
}
