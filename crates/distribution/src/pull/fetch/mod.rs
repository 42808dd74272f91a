mod check;
mod content_range;
mod part;

use http::{HeaderValue, Method, StatusCode, header};
use url::Url;
use wharf_auth::Action;
use wharf_config::Intent;
use wharf_content::{Descriptor, ErrorKind, Hint};
use wharf_http::{Redacted, WebPage};

use self::check::{check_range, check_rest};
pub(super) use self::part::{Part, ServedBy};
use super::limits::FOREIGN_URLS;
use crate::{
    Remote,
    endpoint::{Endpoint, InOrder},
    error::{Detail, Error, Operation, kind_of_http},
    send::{Call, RegistryAnswer},
};

/// Fetches parts of one blob from the endpoints that may have it.
pub(super) struct Fetch {
    pub(super) remote: Remote,
    pub(super) descriptor: Descriptor,
}

impl Fetch {
    pub(super) const fn new(remote: Remote, descriptor: Descriptor) -> Self {
        Self { remote, descriptor }
    }

    /// Asks for the bytes from `offset` on, one endpoint after another. `failed` is the endpoint whose stream
    /// has just broken off: it is asked last.
    ///
    /// # Errors
    ///
    /// No endpoint sends the bytes: the error has the answer of each.
    pub(super) async fn part(&self, offset: u64, failed: Option<usize>) -> Result<Part, Error> {
        let endpoints = self.remote.endpoints(Intent::PullDigest, Operation::PullBlob)?;
        let mut order: Vec<usize> = self.remote.order(endpoints.len()).collect();
        order.sort_by_key(|index| Some(*index) == failed);
        let mut errors = Vec::new();
        let mut in_order = InOrder::new(&endpoints, order);
        while let Some((index, endpoint)) = in_order.next() {
            match self.part_from(&endpoint, index, offset).await {
                Ok(part) => return Ok(part),
                Err(error) => {
                    in_order.failed(index, &error);
                    errors.push((index, error));
                }
            }
        }
        let error = self.remote.all_failed(Operation::PullBlob, errors);
        if error.kind() == ErrorKind::NotFound
            && self.remote.client().shared().foreign_urls
            && let Some(part) = self.part_from_urls(&endpoints, offset).await
        {
            return Ok(part);
        }
        Err(error)
    }

    /// Asks the descriptor's own URLs for the bytes from `offset` on (docs/threats.md, N7). `None` if none
    /// sends them.
    async fn part_from_urls(&self, endpoints: &[Endpoint], offset: u64) -> Option<Part> {
        let (index, endpoint) = endpoints.iter().enumerate().next_back()?;
        let client = self.remote.client();
        for url in self.descriptor.urls().iter().take(FOREIGN_URLS) {
            let range = (offset > 0).then(|| format!("bytes={offset}-"));
            let Some(answer) = client.ask_foreign(endpoint, url, range).await else {
                continue;
            };
            let Ok(skip) = check_rest(&answer, offset, self.descriptor.size()) else {
                continue;
            };
            let served_by = ServedBy::of(&answer, index);
            let permit = client.shared().limiters.of(&endpoint.registry).acquire().await;
            return Some(Part::new(answer, served_by, skip, Some(permit)));
        }
        None
    }

    async fn part_from(&self, endpoint: &Endpoint, index: usize, offset: u64) -> Result<Part, Error> {
        let client = self.remote.client();
        let permit = client.shared().limiters.of(&endpoint.registry).acquire().await;
        // A range only saves bytes: a server that refuses it may still send the whole blob.
        let rest = (offset > 0).then(|| format!("bytes={offset}-"));
        let answer = match self.ask(endpoint, rest).await {
            Ok(answer) if answer.status != StatusCode::RANGE_NOT_SATISFIABLE => answer,
            Err(error) if offset == 0 || !matches!(error.status(), Some(400 | 405 | 412 | 501)) => {
                return Err(error);
            }
            _ => self.ask(endpoint, None).await?,
        };
        let skip = check_rest(&answer, offset, self.descriptor.size())
            .map_err(|reason| self.refuse_answer(&answer, reason))?;
        let accepts = answer
            .headers
            .get(header::ACCEPT_RANGES)
            .map(HeaderValue::as_bytes);
        let served_by = ServedBy {
            elsewhere: (!answer.is_home).then(|| answer.url.clone()),
            has_ranges: answer.status == StatusCode::PARTIAL_CONTENT || accepts == Some(b"bytes"),
            ..ServedBy::of(&answer, index)
        };
        Ok(Part::new(answer, served_by, skip, Some(permit)))
    }

    /// Asks one endpoint for exactly the bytes from `first` to before `end`.
    ///
    /// # Errors
    ///
    /// The failure of the request, or [`ErrorKind::Mismatch`] if the server sends other bytes.
    pub(super) async fn range(&self, served_by: &ServedBy, first: u64, end: u64) -> Result<Part, Error> {
        let endpoints = self.remote.endpoints(Intent::PullDigest, Operation::PullBlob)?;
        let endpoint = endpoints.get(served_by.endpoint).ok_or_else(|| {
            self.refuse(
                ErrorKind::Other,
                "the endpoint is not in the configuration any more",
            )
        })?;
        let range = format!("bytes={first}-{}", end.saturating_sub(1));
        let direct = match &served_by.elsewhere {
            Some(url) => self.ask_elsewhere(endpoint, url, &range).await,
            None => None,
        };
        let answer = match direct {
            Some(answer) => answer,
            None => self.ask(endpoint, Some(range)).await?,
        };
        check_range(&answer, first, end, self.descriptor.size())
            .map_err(|reason| self.refuse_answer(&answer, reason))?;
        Ok(Part::new(answer, served_by.clone(), 0, None))
    }

    async fn ask(&self, endpoint: &Endpoint, range: Option<String>) -> Result<RegistryAnswer, Error> {
        let digest = self.descriptor.digest();
        let path = self.remote.path(endpoint, &format!("blobs/{digest}"));
        let subject = self.remote.blob_name(digest);
        let expect: &[u16] = if range.is_some() {
            &[200, 206, 416]
        } else {
            &[200, 206]
        };
        let mut call = Call::new(Operation::PullBlob, &subject, Method::GET, &path, expect)
            .with_scopes(self.remote.scopes(endpoint, Action::Pull))
            .with_volume(self.descriptor.size());
        if let Some(range) = range {
            let range = HeaderValue::try_from(range);
            let range =
                range.map_err(|_| self.refuse(ErrorKind::Invalid, "the range is no valid header value"))?;
            call = call.with_header(header::RANGE, range);
        }
        let client = self.remote.client();
        client
            .send_within(endpoint, call, &mut client.budget_at(endpoint))
            .await
    }

    /// Asks the host that the registry redirected to before. `None` if it does not send the range, for
    /// instance because the link has expired: the registry is asked again.
    async fn ask_elsewhere(&self, endpoint: &Endpoint, url: &Url, range: &str) -> Option<RegistryAnswer> {
        let range = HeaderValue::try_from(range).ok()?;
        let answer = self
            .remote
            .client()
            .ask_elsewhere(endpoint, url, (header::RANGE, range))
            .await?;
        (answer.status == StatusCode::PARTIAL_CONTENT).then_some(answer)
    }

    /// An error about this blob.
    pub(super) fn refuse(&self, kind: ErrorKind, reason: impl Into<String>) -> Error {
        let subject = self.remote.blob_name(self.descriptor.digest());
        Error::new(kind, Operation::PullBlob, subject, reason)
    }

    /// The error of an answer that does not hold the bytes that were asked for.
    fn refuse_answer(&self, answer: &RegistryAnswer, reason: String) -> Error {
        let error = match WebPage::of(&answer.headers, b"") {
            Some(page) => self
                .refuse(
                    ErrorKind::Server,
                    format!("the server sent {page} instead of a blob"),
                )
                .with_hint(Hint::CheckNetwork),
            None => self.refuse(ErrorKind::Mismatch, reason),
        };
        error.at(Redacted(&answer.url))
    }

    /// The error of a body that broke off.
    pub(super) fn broken(&self, error: wharf_http::Error, shown_url: &str) -> Error {
        self.refuse(kind_of_http(error.kind()), error.to_string())
            .at(shown_url)
            .with_detail(Detail::Http(error.kind()))
            .with_source(error)
    }
}
