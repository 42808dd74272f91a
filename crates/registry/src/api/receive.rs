//! Request bodies, read with bounded memory.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use tokio::{
    task::{JoinHandle, spawn, spawn_blocking},
    time::Instant,
};
use wharf_content::{Error, ErrorKind, Hasher};

use crate::{Backend, ErrorCode, body::RequestBody, error::ApiError};

/// Bytes of an upload that are written and hashed at a time. Up to twice as many are in memory.
const BATCH: usize = 512 * 1024;
/// The lowest rate of a document, in bytes a second, on average after the first allowed pause. A document is
/// held in memory until it is complete.
const MIN_RATE: u64 = 1024;
/// Batches of fewer bytes are hashed on the current thread.
const SMALL: usize = 64 * 1024;

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

/// Receives a body into an upload; receiving, hashing and writing overlap.
pub(super) struct Intake {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) upload: String,
    pub(super) offset: u64,
    pub(super) hasher: Option<Hasher>,
    /// The most bytes that the upload may have in the end.
    pub(super) limit: Option<u64>,
    /// Called with the length of the upload in bytes, before bytes are written; fails if they exceed a quota.
    pub(super) account: Box<dyn Fn(u64) -> Result<(), ApiError> + Send + Sync>,
    pub(super) idle: Duration,
}

type Work = JoinHandle<Result<Option<Hasher>, Error>>;

impl Intake {
    /// Receives a body to its end. Bytes that came before a failure stay, and count in `offset`.
    pub(super) async fn take(&mut self, mut body: RequestBody) -> Result<(), ApiError> {
        let mut work: Option<(Work, u64)> = None;
        let outcome = loop {
            let batch = self.gather(&mut body, self.pending(work.as_ref())).await;
            self.finish_batch(&mut work).await?;
            let (batch, end) = batch;
            let length = batch.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
            if let Err(failure) = (self.account)(self.offset + length) {
                break Err(failure);
            }
            if length > 0 {
                work = Some((self.begin(batch, length), length));
            }
            if let Some(end) = end {
                break end;
            }
        };
        self.finish_batch(&mut work).await?;
        outcome
    }

    fn pending(&self, work: Option<&(Work, u64)>) -> u64 {
        self.offset + work.map_or(0, |(_, length)| *length)
    }

    /// The bytes of one batch, and the end of the body if it has ended.
    async fn gather(&self, body: &mut RequestBody, start: u64) -> (Vec<Bytes>, Option<Result<(), ApiError>>) {
        let mut batch = Vec::new();
        let mut length = 0;
        while length < BATCH {
            match next(body, self.idle).await {
                Ok(Some(data)) => {
                    let total = start + (length + data.len()) as u64;
                    if self.limit.is_some_and(|limit| total > limit) {
                        let failure = ApiError::too_large(ErrorCode::SizeInvalid, "the upload is too large");
                        return (batch, Some(Err(failure)));
                    }
                    length += data.len();
                    batch.push(data);
                }
                Ok(None) => return (batch, Some(Ok(()))),
                Err(failure) => return (batch, Some(Err(failure))),
            }
        }
        (batch, None)
    }

    fn begin(&mut self, batch: Vec<Bytes>, length: u64) -> Work {
        let (backend, upload, offset) = (Arc::clone(&self.backend), self.upload.clone(), self.offset);
        let hasher = self.hasher.take();
        spawn(async move {
            let hashing = hash(hasher, batch.clone(), length);
            let hashing = async {
                match hashing {
                    Hashing::Done(hasher) => Ok(*hasher),
                    Hashing::Begun(task) => task.await.map_err(|_| interrupted()),
                }
            };
            backend.append(&upload, offset, batch).await?;
            hashing.await
        })
    }

    /// Waits for the batch that is being written.
    async fn finish_batch(&mut self, work: &mut Option<(Work, u64)>) -> Result<(), Error> {
        if let Some((work, length)) = work.take() {
            self.hasher = work.await.map_err(|_| interrupted())??;
            self.offset += length;
        }
        Ok(())
    }
}

enum Hashing {
    Done(Box<Option<Hasher>>),
    Begun(JoinHandle<Option<Hasher>>),
}

/// Begins to hash, on another thread if the batch is large.
fn hash(hasher: Option<Hasher>, batch: Vec<Bytes>, length: u64) -> Hashing {
    let Some(mut hasher) = hasher else {
        return Hashing::Done(Box::new(None));
    };
    let work = move || {
        for chunk in batch {
            hasher.update(&chunk);
        }
        Some(hasher)
    };
    if length < SMALL as u64 {
        Hashing::Done(Box::new(work()))
    } else {
        Hashing::Begun(spawn_blocking(work))
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Cancelled, "the runtime is shutting down")
}
