use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures_core::Stream as _;
use url::Url;
use wharf_http::{Redacted, ResponseBody, content_coding};

use super::check::coding_note;
use crate::{limiter::DownloadPermit, send::RegistryAnswer};

/// The bytes of a blob from an offset on, as one endpoint sends them.
pub(in crate::pull) struct Part {
    body: ResponseBody,
    /// Bytes to pass over: the server sends the blob from its start.
    skip: u64,
    /// The coding that the server says it has applied to the bytes, if any: the cause of a wrong number of
    /// bytes.
    coding: Option<String>,
    pub(in crate::pull) served_by: ServedBy,
    /// `None` for a range: its connection counts as one of the client's range permits.
    pub(in crate::pull) permit: Option<DownloadPermit>,
}

/// The endpoint, and the URL there, that sends a part.
#[derive(Clone)]
pub(in crate::pull) struct ServedBy {
    /// The index of the endpoint.
    pub(in crate::pull) endpoint: usize,
    /// The URL at another host that the endpoint redirected to. Ranges are asked for there, which saves a
    /// round trip.
    pub(super) elsewhere: Option<Url>,
    /// The URL of the answer, as errors show it.
    pub(in crate::pull) shown_url: String,
    /// True if the server says that it can send ranges.
    pub(in crate::pull) has_ranges: bool,
}

impl ServedBy {
    /// Describes the answer of an endpoint, to which no range was asked for at another host yet.
    pub(super) fn of(answer: &RegistryAnswer, endpoint: usize) -> Self {
        Self {
            endpoint,
            elsewhere: None,
            shown_url: Redacted(&answer.url).to_string(),
            has_ranges: false,
        }
    }
}

impl Part {
    /// Takes the body of an answer that was checked, to pass over its first `skip` bytes.
    pub(super) fn new(
        answer: RegistryAnswer,
        served_by: ServedBy,
        skip: u64,
        permit: Option<DownloadPermit>,
    ) -> Self {
        Self {
            coding: content_coding(&answer.headers),
            body: answer.body,
            skip,
            served_by,
            permit,
        }
    }

    /// The error of a body that ended before byte `end` of the blob.
    pub(in crate::pull) fn early_end(&self, position: u64, end: u64) -> wharf_http::Error {
        let note = coding_note(self.coding.as_deref());
        let message = format!("the body ended after {position} of {end} bytes{note}");
        wharf_http::Error::new(wharf_http::ErrorKind::Broken, message)
    }

    /// The reason why a body goes on beyond its last byte; `None` if its headers do not tell.
    pub(in crate::pull) fn overrun(&self) -> Option<String> {
        let note = coding_note(Some(self.coding.as_deref()?));
        Some(format!("the server sends more bytes than the blob has{note}"))
    }

    /// The next chunk, which begins at `position`: without the bytes to pass over, and without those from
    /// `end` on.
    pub(in crate::pull) fn poll_chunk(
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
