//! Request bodies, read with bounded memory.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use tokio::time::Instant;
use wharf_content::{ByteStream, Error, ErrorKind};

use super::chunks::Chunks;
use crate::{ErrorCode, body::RequestBody, error::ApiError, sync::LockExt as _};

/// Bytes of an upload that are received, checked against quotas and passed on at a time.
const BATCH: usize = 512 * 1024;
/// The lowest rate of a document, in bytes a second, on average after the first allowed pause. A document is
/// held in memory until it is complete.
const MIN_RATE: u64 = 1024;

/// The next bytes of a body, or `None` at its end.
async fn next(body: &mut RequestBody, idle: Duration) -> Result<Option<Bytes>, ApiError> {
    let frame = async {
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                None => return Ok(None),
                Some(Ok(Ok(data))) if data.is_empty() => {}
                Some(Ok(Ok(data))) => return Ok(Some(data)),
                Some(Ok(Err(_))) => {} // trailers
                Some(Err(_)) => {
                    return Err(ApiError::bad(
                        ErrorCode::SizeInvalid,
                        "the body broke off before its end",
                    ));
                }
            }
        }
    };
    tokio::time::timeout(idle, frame).await.unwrap_or_else(|_| {
        Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            ErrorCode::Unknown,
            "the body came too slowly",
        ))
    })
}

/// A whole body of at most `limit` bytes; 413 if it is larger, 408 if it comes at less than [`MIN_RATE`].
pub(super) async fn whole(body: RequestBody, limit: u64, idle: Duration) -> Result<Bytes, ApiError> {
    gather(body, limit, idle, |received| {
        idle.saturating_add(Duration::from_secs(received / MIN_RATE))
    })
    .await
}

/// Reads a whole body of at most `limit` bytes; answers 408 if the body is not complete within `total`.
pub(super) async fn within(
    total: Duration,
    body: RequestBody,
    limit: u64,
    idle: Duration,
) -> Result<Bytes, ApiError> {
    gather(body, limit, idle, |_| total).await
}

/// Reads a whole body; `deadline` gives the time that a number of received bytes may have taken.
async fn gather(
    mut body: RequestBody,
    limit: u64,
    idle: Duration,
    deadline: impl Fn(u64) -> Duration,
) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::too_large(
            ErrorCode::SizeInvalid,
            format!("larger than the {limit} bytes that are accepted"),
        )
    };
    if body.size_hint().lower() > limit {
        return Err(too_large());
    }
    let begun = Instant::now();
    let mut whole = BytesMut::new();
    loop {
        let left = deadline(whole.len() as u64).saturating_sub(begun.elapsed());
        let Some(data) = next(&mut body, idle.min(left)).await? else {
            return Ok(whole.freeze());
        };
        if whole.len() as u64 + data.len() as u64 > limit {
            return Err(too_large());
        }
        whole.extend_from_slice(&data);
    }
}

/// The `Content-Length` of a request.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body of a request on its way into an upload.
pub(super) struct UploadBody {
    body: RequestBody,
    rules: Rules,
    /// The length of the upload with what has been passed on.
    offset: u64,
    /// The length of the upload with what has been received.
    received: Arc<AtomicU64>,
    /// The reason for which the stream has failed.
    failure: BodyFailure,
}

/// The rules for the body of an upload.
pub(super) struct Rules {
    /// The most bytes that the upload may have in the end.
    pub(super) limit: Option<u64>,
    pub(super) idle: Duration,
    /// Asked before bytes are written, when they have been counted as received: fails if they exceed a quota, or
    /// if the upload is cancelled.
    pub(super) allow: Box<dyn Fn() -> Allowing + Send + Sync>,
}

pub(super) type Allowing = Pin<Box<dyn Future<Output = Result<(), ApiError>> + Send>>;

/// The failure of a body, as the client is told it: what passes through the backend is an error of another kind.
#[derive(Clone, Default)]
pub(super) struct BodyFailure(Arc<Mutex<Option<ApiError>>>);

impl BodyFailure {
    pub(super) fn take(&self) -> Option<ApiError> {
        self.0.locked().take()
    }
}

type Batch = (UploadBody, Vec<Bytes>, Option<Result<(), ApiError>>);

impl UploadBody {
    /// The bytes that come after `offset` bytes, in batches: the chunks of one batch come at once.
    pub(super) fn stream(
        body: RequestBody,
        rules: Rules,
        offset: u64,
        received: Arc<AtomicU64>,
    ) -> (ByteStream, BodyFailure) {
        let failure = BodyFailure::default();
        let body = Self {
            body,
            rules,
            offset,
            received,
            failure: failure.clone(),
        };
        let batches = Batches {
            rest: Rest::More(Box::pin(body.gather())),
            ready: Vec::new().into_iter(),
        };
        (Box::pin(batches), failure)
    }

    /// The bytes of one batch, and the end of the body if it has ended.
    async fn gather(mut self) -> Batch {
        let (batch, end) = self.receive().await;
        let length = batch.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        self.offset += length;
        self.received.store(self.offset, Ordering::Release);
        if let Err(failure) = (self.rules.allow)().await {
            return (self, Vec::new(), Some(Err(failure)));
        }
        (self, batch, end)
    }

    async fn receive(&mut self) -> (Vec<Bytes>, Option<Result<(), ApiError>>) {
        let mut batch = Chunks::default();
        let end = loop {
            if batch.length() >= BATCH {
                break None;
            }
            match next(&mut self.body, self.rules.idle).await {
                Ok(Some(data)) => {
                    let total = self.offset + (batch.length() + data.len()) as u64;
                    if self.rules.limit.is_some_and(|limit| total > limit) {
                        let failure = ApiError::too_large(ErrorCode::SizeInvalid, "the upload is too large");
                        break Some(Err(failure));
                    }
                    batch.push(data);
                }
                Ok(None) => break Some(Ok(())),
                Err(failure) => break Some(Err(failure)),
            }
        };
        (batch.into_vec(), end)
    }
}

struct Batches {
    rest: Rest,
    ready: std::vec::IntoIter<Bytes>,
}

/// The bytes after those that are ready.
enum Rest {
    More(Pin<Box<dyn Future<Output = Batch> + Send>>),
    Broken,
    End,
}

impl Stream for Batches {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(chunk) = self.ready.next() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            let (body, batch, end) = match &mut self.rest {
                Rest::More(gathering) => ready!(gathering.as_mut().poll(context)),
                Rest::Broken => {
                    self.rest = Rest::End;
                    let error = Error::new(ErrorKind::Cancelled, "the request broke off");
                    return Poll::Ready(Some(Err(error)));
                }
                Rest::End => return Poll::Ready(None),
            };
            self.ready = batch.into_iter();
            self.rest = match end {
                None => Rest::More(Box::pin(body.gather())),
                Some(Ok(())) => Rest::End,
                Some(Err(failure)) => {
                    *body.failure.0.locked() = Some(failure);
                    Rest::Broken
                }
            };
        }
    }
}
