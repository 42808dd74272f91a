use http::{HeaderMap, HeaderValue, Response, header};
use serde::Serialize;
use wharf_reference::Tag;

use super::{RepositoryRequest, conditions, json, unwritable, value};
use crate::{
    Body, ErrorCode, Registry, RepositoryPath,
    auth::Principal,
    error::{ApiError, ApiResult},
    percent::encode,
    query::Query,
};

/// The fewest repositories that are looked up at a time, since a client may see few of them.
const PART: usize = 64;

/// One page of a sorted list.
struct Page<T> {
    items: Vec<T>,
    /// Whether items follow this page.
    more: bool,
    n: usize,
}

impl<T> Page<T> {
    /// A page of `n`, of the first `n + 1` items.
    fn of(mut items: Vec<T>, n: usize) -> Self {
        let more = n > 0 && items.len() > n;
        items.truncate(n);
        Self { items, more, n }
    }
}

/// A page of tags as a document.
#[derive(Serialize)]
struct TagList<'a> {
    name: &'a str,
    tags: &'a [Tag],
}

/// A page of repositories as a document.
#[derive(Serialize)]
struct RepositoryList<'a> {
    repositories: Vec<&'a str>,
}

/// The response with a list, written without a copy of each name.
fn list(list: &impl Serialize) -> Result<Response<Body>, ApiError> {
    Ok(json(serde_json::to_vec(list).map_err(|_| unwritable())?))
}

/// The number of items on a page (distribution-spec, *Listing Tags*).
fn page_size(query: &Query<'_>, limit: usize) -> Result<usize, ApiError> {
    match query.value("n") {
        None => Ok(limit),
        Some(text) => text
            .parse::<u64>()
            .map_err(|_| ApiError::bad(ErrorCode::Unsupported, "n is not a number"))
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX).min(limit)),
    }
}

/// The `Link` to the next page (RFC 8288).
pub(super) fn next_link(target: &str) -> Result<HeaderValue, ApiError> {
    value(format!("<{target}>; rel=\"next\""))
}

impl RepositoryRequest<'_> {
    /// GET of the tags, by byte order (distribution-spec, *Listing Tags*).
    pub(super) async fn tags(&self) -> ApiResult {
        let repository = self.registry.state.repository(&self.path);
        if !repository.exists().await? {
            return Err(ApiError::missing(ErrorCode::NameUnknown, "no such repository"));
        }
        if let Some(answer) = conditions::instead_of_document(self.headers) {
            return answer;
        }
        let last = self.query.value("last").unwrap_or_default();
        let n = page_size(&self.query, self.registry.config.limits.page)?;
        let page = Page::of(repository.tags(last, n.saturating_add(1)).await?, n);
        let mut response = list(&TagList {
            name: self.path.as_str(),
            tags: &page.items,
        })?;
        if let Some(last) = page.items.last().filter(|_| page.more) {
            let target = format!("/v2/{}/tags/list?n={}&last={last}", self.path, page.n);
            response.headers_mut().insert(header::LINK, next_link(&target)?);
        }
        Ok(response)
    }
}

/// GET of the repositories that the client may pull from, `/v2/_catalog`; an extension that Docker's registry
/// introduced.
pub(super) async fn catalog(
    registry: &Registry,
    principal: &Principal,
    headers: &HeaderMap,
    query: &Query<'_>,
) -> ApiResult {
    if let Some(answer) = conditions::instead_of_document(headers) {
        return answer;
    }
    let authentication = &registry.config.authentication;
    let n = page_size(query, registry.config.limits.page)?;
    let mut last = query.value("last").unwrap_or_default().to_owned();
    let mut shown = Vec::new();
    loop {
        let wanted = n.saturating_add(1) - shown.len();
        let part = registry
            .state
            .backend
            .repositories(&last, wanted.max(PART))
            .await?;
        let is_last = part.len() < wanted.max(PART);
        if let Some(path) = part.last() {
            path.as_str().clone_into(&mut last);
        }
        let visible = part
            .into_iter()
            .filter(|path| authentication.shows(principal, path));
        shown.extend(visible.take(wanted));
        if is_last || shown.len() > n {
            break;
        }
    }
    let page = Page::of(shown, n);
    let repositories = page.items.iter().map(RepositoryPath::as_str).collect();
    let mut response = list(&RepositoryList { repositories })?;
    if let Some(last) = page.items.last().filter(|_| page.more) {
        let target = format!("/v2/_catalog?n={}&last={}", page.n, encode(last.as_str()));
        response.headers_mut().insert(header::LINK, next_link(&target)?);
    }
    Ok(response)
}
