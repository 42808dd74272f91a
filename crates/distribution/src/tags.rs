use std::vec;

use wharf_auth::Action;
use wharf_content::ErrorKind;
use wharf_reference::{Digest, Tag};

use crate::{
    Remote,
    error::{Error, Operation},
    pages::{PAGE_SIZE, Page, Pages},
    wire::{Object, TagPage},
};

/// The most tags of one list.
const MAX_TAGS: usize = 1_000_000;

impl Remote {
    /// The tags of the repository. The list is fetched page by page, from the registry itself.
    ///
    /// ```no_run
    /// # async fn run(remote: wharf_distribution::Remote) -> Result<(), wharf_distribution::Error> {
    /// let mut tags = remote.tags();
    /// while let Some(tag) = tags.next().await? {
    ///     println!("{tag}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tags(&self) -> Tags {
        Tags {
            remote: self.clone(),
            pages: None,
            page: Vec::new().into_iter(),
            seen: 0,
        }
    }
}

/// A list of tags, in the order of the registry. It is bounded: a list with a cycle, without progress, or
/// with more than 1,000 pages or 1,000,000 tags is an error.
#[derive(Debug)]
pub struct Tags {
    remote: Remote,
    pages: Option<Pages>,
    page: vec::IntoIter<Tag>,
    seen: usize,
}

impl Tags {
    /// The next tag; `None` after the last. Empty entries, digests and invalid tags are left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the registry has no such repository; [`ErrorKind::Server`] for a list
    /// that cannot be read or does not end; [`ErrorKind::TooLarge`] for one beyond the limits.
    pub async fn next(&mut self) -> Result<Option<Tag>, Error> {
        loop {
            if let Some(tag) = self.page.next() {
                return Ok(Some(tag));
            }
            let endpoint = self.remote.primary(Operation::ListTags)?;
            let pages = self.pages.get_or_insert_with(|| {
                let path = self.remote.path(&endpoint, &format!("tags/list{PAGE_SIZE}"));
                let scopes = self.remote.scopes(&endpoint, Action::Pull);
                Pages::new(Operation::ListTags, self.remote.repository(), path, scopes)
            });
            let Some(page) = pages.next(self.remote.client(), &endpoint).await? else {
                return Ok(None);
            };
            let tags = read_page(pages, &page)?;
            self.seen += tags.len();
            if self.seen > MAX_TAGS {
                let reason = format!("the repository has more than {MAX_TAGS} tags");
                return Err(pages.error(ErrorKind::TooLarge, reason, &page.url));
            }
            self.page = tags.into_iter();
        }
    }

    /// All remaining tags.
    ///
    /// # Errors
    ///
    /// As [`Tags::next`].
    pub async fn collect(mut self) -> Result<Vec<Tag>, Error> {
        let mut tags = Vec::new();
        while let Some(tag) = self.next().await? {
            tags.push(tag);
        }
        Ok(tags)
    }
}

fn read_page(pages: &Pages, page: &Page) -> Result<Vec<Tag>, Error> {
    const EXPECTED: &str = "a list of tags";
    let Object(read) = serde_json::from_slice::<Object<TagPage>>(&page.body)
        .map_err(|_| pages.unexpected(EXPECTED, page))?;
    if read.tags.is_none()
        && let Some(error) = pages.error_instead(EXPECTED, page)
    {
        return Err(error);
    }
    let tags = read.tags.unwrap_or_default();
    pages.check_progress(tags.len(), page)?;
    let named = tags.iter().filter(|tag| Digest::parse(tag).is_err());
    Ok(named.filter_map(|tag| Tag::parse(tag).ok()).collect())
}
