use std::collections::HashSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;
use wharf_auth::Scopes;
use wharf_content::ErrorKind;
use wharf_http::{Redacted, Scheme, resolve_location};

use crate::{
    Client,
    endpoint::Endpoint,
    error::{Detail, Error, Operation},
    link::next_page,
    send::{Call, RegistryAnswer},
    wire::UnexpectedBody,
};

/// The most bytes of one page of a list (docs/threats.md, X1).
const MAX_PAGE: u64 = 4 * 1024 * 1024;
/// The entries of a page that are asked for.
pub(crate) const PAGE_SIZE: &str = "?n=1000";
/// The most pages of one list (docs/threats.md, N8).
const MAX_PAGES: usize = 1000;

/// A list that a registry sends in pages. It is bounded: cycles, empty pages with a successor, more than
/// 1,000 pages, and a link to the next page that cannot be parsed are errors.
#[derive(Debug)]
pub(crate) struct Pages {
    operation: Operation,
    subject: String,
    path: String,
    scopes: Scopes,
    accept: Option<HeaderValue>,
    expect: &'static [u16],
    next: NextPage,
    visited: HashSet<Url>,
    /// The number of pages so far.
    count: usize,
}

#[derive(Debug)]
enum NextPage {
    First,
    Page(Url),
    None,
}

/// One page.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) url: Url,
}

impl Pages {
    pub(crate) fn new(
        operation: Operation,
        subject: impl std::fmt::Display,
        path: String,
        scopes: Scopes,
    ) -> Self {
        Self {
            operation,
            subject: subject.to_string(),
            path,
            scopes,
            accept: None,
            expect: &[200],
            next: NextPage::First,
            visited: HashSet::new(),
            count: 0,
        }
    }

    pub(crate) fn with_accept(mut self, accept: &'static str) -> Self {
        self.accept = Some(HeaderValue::from_static(accept));
        self
    }

    pub(crate) const fn expecting(mut self, expect: &'static [u16]) -> Self {
        self.expect = expect;
        self
    }

    /// The next page; `None` after the last. After a failure, or a future that was dropped, the next call
    /// requests the same page again.
    pub(crate) async fn next(&mut self, client: &Client, endpoint: &Endpoint) -> Result<Option<Page>, Error> {
        let mut call = Call::new(
            self.operation,
            &self.subject,
            Method::GET,
            &self.path,
            self.expect,
        )
        .with_scopes(self.scopes.clone())
        .read_whole(MAX_PAGE);
        if let Some(accept) = &self.accept {
            call = call.with_header(header::ACCEPT, accept.clone());
        }
        match &self.next {
            NextPage::None => return Ok(None),
            NextPage::First => {}
            NextPage::Page(url) => call = call.at_url(url.clone()),
        }
        let answer = match client.send(endpoint, call).await {
            Err(error) if self.has_page_size() && refuses_query(&error) => {
                return Box::pin(self.without_page_size().next(client, endpoint)).await;
            }
            answer => answer?,
        };
        let asked = self.asked(client, endpoint, &answer);
        let (url, headers) = (answer.url, answer.headers);
        let link = asked.and_then(|asked| {
            self.visited.insert(asked.clone());
            next_page(&asked, &url, &headers)
        });
        let link = link.map_err(|error| self.error(ErrorKind::Server, error.to_string(), &url))?;
        self.visited.insert(url.clone());
        self.count += 1;
        self.next = match link {
            None => NextPage::None,
            Some(next) if self.visited.contains(&next) => return Err(self.pagination_loop(&url)),
            Some(_) if self.count >= MAX_PAGES => {
                let reason = format!("the list has more than {MAX_PAGES} pages");
                let error = self.error(ErrorKind::TooLarge, reason, &url);
                return Err(error.with_detail(Detail::TooManyPages));
            }
            Some(next) => NextPage::Page(next),
        };
        Ok(Some(Page {
            status: answer.status.as_u16(),
            headers,
            body: answer.bytes,
            url,
        }))
    }

    /// The URL at the registry that a page was requested from, before any redirect to another host.
    fn asked(
        &self,
        client: &Client,
        endpoint: &Endpoint,
        answer: &RegistryAnswer,
    ) -> Result<Url, wharf_http::Error> {
        match &self.next {
            NextPage::Page(url) => Ok(url.clone()),
            _ if answer.is_home => Ok(answer.url.clone()),
            _ => {
                let scheme = client.host(&endpoint.registry).scheme.unwrap_or(Scheme::Https);
                resolve_location(&endpoint.base(scheme)?, self.path.as_bytes())
            }
        }
    }

    /// True if the last page was not the first.
    pub(crate) const fn is_beyond_first(&self) -> bool {
        self.count > 1
    }

    /// The error for a page that is not the `expected` list.
    pub(crate) fn unexpected(&self, expected: &str, page: &Page) -> Error {
        self.unreadable(expected, page, UnexpectedBody::unreadable(expected).reason)
    }

    /// The error for a page that is not the `expected` list, with the reason `why` if its content does not
    /// explain it.
    pub(crate) fn unreadable(&self, expected: &str, page: &Page, why: String) -> Error {
        UnexpectedBody::of(expected, &page.headers, &page.body)
            .unwrap_or(UnexpectedBody {
                reason: why,
                hint: None,
            })
            .into_error(self.operation, &self.subject, &page.url)
    }

    /// The error that a page contains in place of a list; `None` if it contains none.
    pub(crate) fn error_instead(&self, expected: &str, page: &Page) -> Option<Error> {
        let instead = UnexpectedBody::error(expected, &page.body)?;
        Some(instead.into_error(self.operation, &self.subject, &page.url))
    }

    /// True if the first page is about to be requested with a page size, which some registries refuse.
    fn has_page_size(&self) -> bool {
        self.count == 0 && self.path.ends_with(PAGE_SIZE)
    }

    fn without_page_size(&mut self) -> &mut Self {
        let length = self.path.len().saturating_sub(PAGE_SIZE.len());
        self.path.truncate(length);
        self.next = NextPage::First;
        self
    }

    /// Checks that the list makes progress: a page without entries that has a successor is an error.
    pub(crate) fn check_progress(&self, entries: usize, page: &Page) -> Result<(), Error> {
        if entries == 0 && matches!(self.next, NextPage::Page(_)) {
            return Err(self.pagination_loop(&page.url));
        }
        Ok(())
    }

    pub(crate) fn error(&self, kind: ErrorKind, reason: impl Into<String>, url: &Url) -> Error {
        Error::new(kind, self.operation, &self.subject, reason).at(Redacted(url))
    }

    fn pagination_loop(&self, url: &Url) -> Error {
        self.error(
            ErrorKind::Server,
            "the pages of the list link to each other in a loop",
            url,
        )
        .with_detail(Detail::PaginationLoop)
    }
}

/// True if a request may have been refused because of its query, which only saves requests.
fn refuses_query(error: &Error) -> bool {
    let status = error.status().unwrap_or_default();
    matches!(status, 400..=499 | 501) && !matches!(status, 401 | 403 | 404 | 408 | 425 | 429)
}
