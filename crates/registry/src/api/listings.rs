use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use wharf_reference::Tag;

use super::{RepositoryRequest, conditions, document, value};
use crate::{
    ErrorCode, Registry, RepositoryPath,
    auth::Principal,
    error::{ApiError, ApiResult},
    percent::encode,
    query::Query,
    state::Repository,
};

/// One page of a sorted list.
struct Page<T> {
    items: Vec<T>,
    /// Whether items follow this page.
    more: bool,
    n: usize,
}

impl<T> Page<T> {
    /// The page that `n` asks for, from items that come after `last` (distribution-spec, *Listing Tags*).
    fn of(items: impl Iterator<Item = T>, query: &Query<'_>, limit: usize) -> Result<Self, ApiError> {
        let n = match query.value("n") {
            None => limit,
            Some(text) => text
                .parse::<u64>()
                .map_err(|_| ApiError::bad(ErrorCode::Unsupported, "n is not a number"))
                .map(|n| usize::try_from(n).unwrap_or(usize::MAX).min(limit))?,
        };
        let mut items = items.take(n.saturating_add(1)).collect::<Vec<_>>();
        let more = n > 0 && items.len() > n;
        items.truncate(n);
        Ok(Self { items, more, n })
    }
}

/// The `Link` to the next page (RFC 8288).
pub(super) fn next_link(target: &str) -> Result<HeaderValue, ApiError> {
    value(format!("<{target}>; rel=\"next\""))
}

impl RepositoryRequest<'_> {
    /// GET of the tags, by byte order (distribution-spec, *Listing Tags*).
    pub(super) fn tags(&self) -> ApiResult {
        let unknown = || ApiError::missing(ErrorCode::NameUnknown, "no such repository");
        let state = &self.registry.state;
        let repository = state.existing(&self.path).ok_or_else(unknown)?;
        let content = repository.content();
        if content.is_empty() {
            return Err(unknown());
        }
        if let Some(answer) = conditions::instead_of_document(self.headers) {
            return answer;
        }
        let last = self.query.value("last").unwrap_or_default();
        let after = (std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded);
        let tags = content.tags.range::<str, _>(after).map(|(tag, _)| tag);
        let page = Page::of(tags, &self.query, self.registry.config.limits.page)?;
        let names = page.items.iter().copied().map(Tag::as_str).collect::<Vec<_>>();
        let mut response = document(&json!({ "name": self.path.as_str(), "tags": names }));
        if let Some(last) = page.items.last().filter(|_| page.more) {
            let last: &Tag = last;
            let target = format!("/v2/{}/tags/list?n={}&last={last}", self.path, page.n);
            response.headers_mut().insert(header::LINK, next_link(&target)?);
        }
        Ok(response)
    }
}

/// GET of the repositories that the client may pull from, `/v2/_catalog`; an extension that Docker's registry
/// introduced.
pub(super) fn catalog(
    registry: &Registry,
    principal: &Principal,
    headers: &HeaderMap,
    query: &Query<'_>,
) -> ApiResult {
    if let Some(answer) = conditions::instead_of_document(headers) {
        return answer;
    }
    let authentication = &registry.config.authentication;
    let last = query.value("last").unwrap_or_default();
    let shown = |repository: &Arc<Repository>| {
        authentication.shows(principal, &repository.path) && !repository.content().is_empty()
    };
    let paths = registry.state.repositories_after(last).filter(shown);
    let paths = paths.map(|repository| repository.path.clone());
    let page = Page::of(paths, query, registry.config.limits.page)?;
    let names = page.items.iter().map(RepositoryPath::as_str).collect::<Vec<_>>();
    let mut response = document(&json!({ "repositories": names }));
    if let Some(last) = page.items.last().filter(|_| page.more) {
        let target = format!("/v2/_catalog?n={}&last={}", page.n, encode(last.as_str()));
        response.headers_mut().insert(header::LINK, next_link(&target)?);
    }
    Ok(response)
}
