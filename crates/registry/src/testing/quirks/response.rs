//! Changes of responses: lists of tags and challenges.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, Uri, header};
use serde_json::Value;

use super::Seen;
use crate::{Body, Registry, api};

/// A list of tags with those of all pages that follow.
pub(super) async fn all_pages(seen: &Seen, registry: &Registry, first: Response<Body>) -> Response<Body> {
    let (mut parts, mut body) = first.into_parts();
    let mut document = json(&body);
    while let Some(link) = parts.headers.remove(header::LINK) {
        let target = link
            .to_str()
            .ok()
            .and_then(|link| link.strip_prefix('<')?.split_once('>'));
        let Some(uri) = target.and_then(|(target, _)| Uri::try_from(target).ok()) else {
            break;
        };
        let page = api::respond(registry, seen.again(Method::GET, uri)).await;
        let (next, page) = page.into_parts();
        parts.headers = next.headers;
        if let Some(tags) = document.get_mut("tags").and_then(Value::as_array_mut) {
            tags.extend(
                json(&page)
                    .get("tags")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
        }
        body = Body::from(Bytes::from(document.to_string()));
    }
    Response::from_parts(parts, body)
}

pub(super) fn null_tags(response: Response<Body>) -> Response<Body> {
    let mut document = json(response.body());
    match document.get_mut("tags") {
        Some(tags) if tags.as_array().is_some_and(Vec::is_empty) => *tags = Value::Null,
        _ => return response,
    }
    response.map(|_| Body::from(Bytes::from(document.to_string())))
}

fn json(body: &Body) -> Value {
    let bytes = body.bytes().map(Bytes::as_ref).unwrap_or_default();
    serde_json::from_slice(bytes).unwrap_or_default()
}

pub(super) fn change_challenge(headers: &mut HeaderMap, change: impl Fn(&str) -> Option<String>) {
    let challenge = headers.get(header::WWW_AUTHENTICATE);
    let changed = challenge.and_then(|challenge| change(challenge.to_str().ok()?));
    if let Some(changed) = changed.and_then(|changed| HeaderValue::try_from(changed).ok()) {
        headers.insert(header::WWW_AUTHENTICATE, changed);
    }
}

/// A challenge without a parameter that is not its first.
pub(super) fn remove_parameter(challenge: &str, name: &str) -> Option<String> {
    let (before, rest) = challenge.split_once(&format!(",{name}=\""))?;
    let (_, after) = split_at_quote(rest)?;
    Some(format!("{before}{after}"))
}

/// A challenge for more scope that names another realm, below the first.
pub(super) fn scope_realm(challenge: &str) -> Option<String> {
    if !challenge.contains(",error=\"insufficient_scope\"") {
        return None;
    }
    let (before, rest) = challenge.split_once("realm=\"")?;
    let (realm, after) = split_at_quote(rest)?;
    Some(format!("{before}realm=\"{realm}/scoped\"{after}"))
}

/// The text before the quotation mark that ends a quoted string, and the text after it (RFC 9110, 5.6.4).
fn split_at_quote(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}
