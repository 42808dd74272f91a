use std::collections::HashSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;
use wharf_auth::Scopes;
use wharf_content::ErrorKind;
use wharf_http::Redacted;

use crate::{
    Client,
    error::{Detail, Error, Operation},
    link::next_page,
    send::Call,
    site::Site,
};

/// The most bytes of one page (X1).
const MAX_PAGE: u64 = 4 * 1024 * 1024;
/// The entries of a page that are asked for.
pub(crate) const PAGE_SIZE: &str = "?n=1000";
/// The most pages of one list (N8).
const MAX_PAGES: usize = 1000;

/// A list that a registry gives page by page. It ends: pages on another origin, circles, pages without
/// anything and more than 1,000 pages are errors.
#[derive(Debug)]
pub(crate) struct Pages {
    operation: Operation,
    subject: String,
    path: String,
    scopes: Scopes,
    accept: Option<HeaderValue>,
    expect: &'static [u16],
    next: Next,
    visited: HashSet<Url>,
}

#[derive(Debug)]
enum Next {
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
            next: Next::First,
            visited: HashSet::new(),
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

    /// The next page; `None` after the last. It moves on only with an answer: one that failed, or was given up,
    /// is asked for again.
    pub(crate) async fn next(&mut self, client: &Client, site: &Site) -> Result<Option<Page>, Error> {
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
            Next::None => return Ok(None),
            Next::First => {}
            Next::Page(url) => call = call.at_url(url.clone()),
        }
        let answer = match client.send(site, call, &mut client.budget()).await {
            Err(error) if error.status() == Some(400) && self.has_page_size() => {
                return Box::pin(self.without_page_size().next(client, site)).await;
            }
            answer => answer?,
        };
        let (url, headers) = (answer.url, answer.headers);
        let link = if answer.is_home {
            next_page(&url, &headers)
        } else {
            Ok(None)
        };
        let link = link.map_err(|error| self.error(ErrorKind::Server, error.to_string(), &url))?;
        self.visited.insert(url.clone());
        self.next = match link {
            None => Next::None,
            Some(next) if self.visited.contains(&next) => return Err(self.circle(&url)),
            Some(_) if self.visited.len() >= MAX_PAGES => {
                let reason = format!("the list has more than {MAX_PAGES} pages");
                let error = self.error(ErrorKind::TooLarge, reason, &url);
                return Err(error.with_detail(Detail::TooManyPages));
            }
            Some(next) => Next::Page(next),
        };
        Ok(Some(Page {
            status: answer.status.as_u16(),
            headers,
            body: answer.bytes,
            url,
        }))
    }

    /// Whether the first page is about to be asked for with a size, which some registries refuse.
    fn has_page_size(&self) -> bool {
        self.visited.is_empty() && self.path.ends_with(PAGE_SIZE)
    }

    fn without_page_size(&mut self) -> &mut Self {
        let length = self.path.len().saturating_sub(PAGE_SIZE.len());
        self.path.truncate(length);
        self.next = Next::First;
        self
    }

    /// Must be told how many entries a page had: one without any that leads on is going nowhere.
    pub(crate) fn check_progress(&self, entries: usize, page: &Page) -> Result<(), Error> {
        if entries == 0 && matches!(self.next, Next::Page(_)) {
            return Err(self.circle(&page.url));
        }
        Ok(())
    }

    pub(crate) fn error(&self, kind: ErrorKind, reason: impl Into<String>, url: &Url) -> Error {
        Error::new(kind, self.operation, &self.subject, reason).at(Redacted(url))
    }

    fn circle(&self, url: &Url) -> Error {
        self.error(ErrorKind::Server, "the list leads in a circle", url)
            .with_detail(Detail::PaginationLoop)
    }
}
