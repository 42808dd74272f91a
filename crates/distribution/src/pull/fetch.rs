use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures_core::Stream as _;
use http::{HeaderValue, Method, StatusCode, header};
use url::Url;
use wharf_auth::Action;
use wharf_config::Intent;
use wharf_content::{Descriptor, ErrorKind, Hint};
use wharf_http::{Redacted, ResponseBody, WebPage, content_coding};

use super::{content_range::ContentRange, limits::FOREIGN_URLS};
use crate::{
    Remote,
    endpoint::{Endpoint, InOrder},
    error::{Detail, Error, Operation, kind_of_http},
    limiter::DownloadPermit,
    send::{Call, RegistryAnswer},
};

/// Fetches parts of one blob from the endpoints that may have it.
pub(super) struct Fetch {
    pub(super) remote: Remote,
    pub(super) descriptor: Descriptor,
}

/// The bytes from an offset on, as one endpoint sends them.
pub(super) struct Part {
    body: ResponseBody,
    /// Bytes to pass over: the server sent the blob from its start.
    skip: u64,
    /// The coding that the server says it has applied to the bytes, if any. It explains why there are too many or too
    /// few bytes.
    coding: Option<String>,
    pub(super) served_by: ServedBy,
    /// `None` for a range: its connection counts as one of the client's range permits.
    pub(super) permit: Option<DownloadPermit>,
}

/// The endpoint, and the URL there, that sends a part.
#[derive(Clone)]
pub(super) struct ServedBy {
    /// The index of the endpoint.
    pub(super) endpoint: usize,
    /// The URL that the endpoint redirected to, another host's: asked directly for more, it saves a round trip.
    pub(super) elsewhere: Option<Url>,
    /// The URL of the answer, as errors show it.
    pub(super) shown_url: String,
    /// Whether the server says it can send ranges.
    pub(super) has_ranges: bool,
}

impl Fetch {
    pub(super) const fn new(remote: Remote, descriptor: Descriptor) -> Self {
        Self { remote, descriptor }
    }

    /// The bytes from `offset` on, from the first endpoint that has them. `failed` is the endpoint that a stream just
    /// broke off from: it is asked last.
    pub(super) async fn part(&self, offset: u64, failed: Option<usize>) -> Result<Part, Error> {
        let endpoints = self.remote.endpoints(Intent::PullDigest, Operation::PullBlob)?;
        let mut order: Vec<usize> = self.remote.order(endpoints.len()).collect();
        order.sort_by_key(|index| Some(*index) == failed);
        let mut errors = Vec::new();
        let mut candidates = InOrder::new(&endpoints, order);
        while let Some((index, endpoint)) = candidates.next() {
            match self.part_from(&endpoint, index, offset).await {
                Ok(part) => return Ok(part),
                Err(error) => {
                    candidates.failed(index, &error);
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

    /// The bytes from `offset` on from one of the descriptor's own URLs (N7).
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
            return Some(Part {
                served_by: ServedBy {
                    endpoint: index,
                    shown_url: Redacted(&answer.url).to_string(),
                    elsewhere: None,
                    has_ranges: false,
                },
                coding: content_coding(&answer.headers),
                body: answer.body,
                skip,
                permit: Some(client.shared().limiters.of(&endpoint.registry).acquire().await),
            });
        }
        None
    }

    async fn part_from(&self, endpoint: &Endpoint, index: usize, offset: u64) -> Result<Part, Error> {
        let client = self.remote.client();
        let permit = client.shared().limiters.of(&endpoint.registry).acquire().await;
        // Asking for the rest saves bytes; what refuses it may still send the whole.
        let rest = (offset > 0).then(|| format!("bytes={offset}-"));
        let answer = match self.ask(endpoint, rest).await {
            Ok(answer) if answer.status != StatusCode::RANGE_NOT_SATISFIABLE => answer,
            Err(error) if offset == 0 || !matches!(error.status(), Some(400 | 405 | 412 | 501)) => {
                return Err(error);
            }
            _ => self.ask(endpoint, None).await?,
        };
        let shown_url = Redacted(&answer.url).to_string();
        let skip = check_rest(&answer, offset, self.descriptor.size())
            .map_err(|reason| self.refuse_answer(&answer, reason))?;
        let accepts = answer
            .headers
            .get(header::ACCEPT_RANGES)
            .map(HeaderValue::as_bytes);
        Ok(Part {
            served_by: ServedBy {
                endpoint: index,
                elsewhere: (!answer.is_home).then_some(answer.url),
                shown_url,
                has_ranges: answer.status == StatusCode::PARTIAL_CONTENT || accepts == Some(b"bytes"),
            },
            coding: content_coding(&answer.headers),
            body: answer.body,
            skip,
            permit: Some(permit),
        })
    }

    /// Exactly the bytes from `first` to before `end`, from this endpoint.
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
        Ok(Part {
            coding: content_coding(&answer.headers),
            body: answer.body,
            skip: 0,
            served_by: served_by.clone(),
            permit: None,
        })
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
                range.map_err(|_| self.refuse(ErrorKind::Invalid, "the range cannot be asked for"))?;
            call = call.with_header(header::RANGE, range);
        }
        let client = self.remote.client();
        client.send(endpoint, call, &mut client.budget_at(endpoint)).await
    }

    /// Asks the host that the registry redirected to before; whatever goes wrong (the link is too old), the
    /// registry is asked again.
    async fn ask_elsewhere(&self, endpoint: &Endpoint, url: &Url, range: &str) -> Option<RegistryAnswer> {
        let range = HeaderValue::try_from(range).ok()?;
        let answer = self
            .remote
            .client()
            .ask_elsewhere(endpoint, url, (header::RANGE, range))
            .await?;
        (answer.status == StatusCode::PARTIAL_CONTENT).then_some(answer)
    }

    pub(super) fn refuse(&self, kind: ErrorKind, reason: impl Into<String>) -> Error {
        let subject = self.remote.blob_name(self.descriptor.digest());
        Error::new(kind, Operation::PullBlob, subject, reason)
    }

    /// The error for an answer with other bytes than those of the blob.
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

    pub(super) fn broken(&self, error: wharf_http::Error, shown_url: &str) -> Error {
        self.refuse(kind_of_http(error.kind()), error.to_string())
            .at(shown_url)
            .with_detail(Detail::Http(error.kind()))
            .with_source(error)
    }
}

impl Part {
    /// The failure of a body that ended before its last byte.
    pub(super) fn early_end(&self, position: u64, end: u64) -> wharf_http::Error {
        let coding = compressed(self.coding.as_deref());
        let message = format!("it ended after {position} of {end} bytes{coding}");
        wharf_http::Error::new(wharf_http::ErrorKind::Broken, message)
    }

    /// Why a body goes on beyond its last byte, if that can be told.
    pub(super) fn overrun(&self) -> Option<String> {
        let coding = self.coding.as_deref()?;
        Some(format!(
            "the server sends more bytes than there are{}",
            compressed(Some(coding))
        ))
    }

    /// A chunk, without what is to be passed over and nothing from `end` on. `position` is where it begins.
    pub(super) fn poll_chunk(
        &mut self,
        position: u64,
        end: u64,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, wharf_http::Error>>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(mut chunk)) => {
                    let skipped = self.skip.min(chunk.len() as u64);
                    self.skip -= skipped;
                    chunk.advance(usize::try_from(skipped).unwrap_or(usize::MAX));
                    let room = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
                    chunk.truncate(room);
                    if !chunk.is_empty() {
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                }
                other => return Poll::Ready(other),
            }
        }
    }
}

/// The explanation of a wrong number of bytes with a label; nothing without one.
fn compressed(coding: Option<&str>) -> String {
    coding.map_or_else(String::new, |coding| {
        format!(", encoded as {coding} although it was asked not to encode them")
    })
}

/// Checks the head of an answer to a request for the bytes from `offset` on (I9); the number of bytes to pass
/// over if the whole came instead.
fn check_rest(answer: &RegistryAnswer, offset: u64, size: u64) -> Result<u64, String> {
    if answer.status == StatusCode::PARTIAL_CONTENT {
        if offset == 0 {
            return Err("the server sends a part although the whole was asked for".to_owned());
        }
        check_range(answer, offset, size, size)?;
        return Ok(0);
    }
    if answer.status != StatusCode::OK {
        return Err(format!("the server answered {}", answer.status.as_u16()));
    }
    check_length(answer, size)?;
    Ok(offset)
}

/// Checks that an answer is exactly this range.
fn check_range(answer: &RegistryAnswer, first: u64, end: u64, size: u64) -> Result<(), String> {
    if answer.status != StatusCode::PARTIAL_CONTENT {
        return Err("the server does not send the part that was asked for".to_owned());
    }
    let range = ContentRange::of(&answer.headers).ok_or("the server sends a part but does not say which")?;
    let fits = range.first == first
        && range.last.checked_add(1) == Some(end)
        && range.complete.is_none_or(|complete| complete == size);
    if !fits {
        return Err("the server sends another part than the one asked for".to_owned());
    }
    check_length(answer, end.saturating_sub(first))
}

fn check_length(answer: &RegistryAnswer, expected: u64) -> Result<(), String> {
    match answer.body.length() {
        Some(declared) if declared != expected => {
            let coding = content_coding(&answer.headers);
            Err(format!(
                "the server announces {declared} bytes instead of {expected}{}",
                compressed(coding.as_deref())
            ))
        }
        _ => Ok(()),
    }
}
