use std::{collections::HashSet, vec};

use http::Method;
use url::Url;
use wharf_auth::Action;
use wharf_content::ErrorKind;
use wharf_http::Redacted;
use wharf_reference::{Digest, Tag};

use crate::{
    Remote,
    error::{Detail, Error, Operation},
    link::next_page,
    send::Call,
    site::Site,
    wire::TagPage,
};

/// The most bytes of one page (X1).
const MAX_PAGE: u64 = 4 * 1024 * 1024;
/// The most pages of one list (N8).
const MAX_PAGES: usize = 1000;

impl Remote {
    /// The tags of the repository, fetched page by page as they are taken.
    #[must_use]
    pub fn tags(&self) -> Tags {
        Tags {
            remote: self.clone(),
            page: Vec::new().into_iter(),
            next: Next::First,
            visited: HashSet::new(),
        }
    }
}

/// A list of tags in the registry's order. It ends: a list that leads in a circle, makes no progress or has
/// more than 1,000 pages is an error.
#[derive(Debug)]
pub struct Tags {
    remote: Remote,
    page: vec::IntoIter<Tag>,
    next: Next,
    visited: HashSet<Url>,
}

#[derive(Debug)]
enum Next {
    First,
    Page(Url),
    None,
}

impl Tags {
    /// The next tag; `None` after the last. Empty entries and what only looks like a tag are passed over.
    pub async fn next(&mut self) -> Result<Option<Tag>, Error> {
        loop {
            if let Some(tag) = self.page.next() {
                return Ok(Some(tag));
            }
            let site = self.remote.primary(Operation::ListTags)?;
            match std::mem::replace(&mut self.next, Next::None) {
                Next::None => return Ok(None),
                Next::First => self.fetch(&site, None).await?,
                Next::Page(url) => self.fetch(&site, Some(url)).await?,
            }
        }
    }

    /// All of them that are left.
    pub async fn collect(mut self) -> Result<Vec<Tag>, Error> {
        let mut tags = Vec::new();
        while let Some(tag) = self.next().await? {
            tags.push(tag);
        }
        Ok(tags)
    }

    async fn fetch(&mut self, site: &Site, url: Option<Url>) -> Result<(), Error> {
        let operation = Operation::ListTags;
        let remote = &self.remote;
        let path = remote.path(site, "tags/list?n=1000");
        let mut call = Call::new(operation, remote.repository(), Method::GET, &path, &[200])
            .with_scopes(remote.scopes(site, Action::Pull));
        if let Some(url) = url {
            call = call.at_url(url);
        }
        let client = remote.client();
        let answer = client.send(site, call, &mut client.budget()).await?;
        let url = answer.url;
        let fail = |kind, reason: String| {
            Error::new(kind, operation, remote.repository(), reason).at(Redacted(&url))
        };
        let link = if answer.is_home {
            next_page(&url, &answer.headers)
        } else {
            Ok(None)
        };
        let link = link.map_err(|error| fail(ErrorKind::Server, error.to_string()))?;
        let body = answer.body.read(MAX_PAGE).await.map_err(|error| {
            let kind = error.kind();
            fail(crate::error::kind_of_http(kind), error.to_string()).with_detail(Detail::Http(kind))
        })?;
        let page: TagPage = serde_json::from_slice(&body).map_err(|_| {
            fail(
                ErrorKind::Server,
                "the registry's answer is no list of tags".to_owned(),
            )
        })?;
        let tags = page.tags.unwrap_or_default();
        self.next = match link {
            None => Next::None,
            Some(next) => {
                if tags.is_empty() || !self.visited.insert(next.clone()) || next == url {
                    let reason = "the list leads in a circle".to_owned();
                    return Err(fail(ErrorKind::Server, reason).with_detail(Detail::PaginationLoop));
                }
                if self.visited.len() >= MAX_PAGES {
                    let reason = format!("the list has more than {MAX_PAGES} pages");
                    return Err(fail(ErrorKind::TooLarge, reason).with_detail(Detail::TooManyPages));
                }
                Next::Page(next)
            }
        };
        let valid = |tag: &String| Digest::parse(tag).is_err();
        let tags: Vec<Tag> = tags
            .iter()
            .filter(|tag| valid(tag))
            .filter_map(|tag| Tag::parse(tag).ok())
            .collect();
        self.page = tags.into_iter();
        Ok(())
    }
}
