//! Blobs on their way into a repository.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::Bytes as Chunk;
use futures_core::Stream;
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_reference::Digest;

use super::{
    source::LinkedBlob,
    work::{Failed, Work},
};
use crate::{BlobRecord, NewContent, RepositoryPath, sync::LockExt as _};

/// The number of repositories that are asked for a blob before it is copied.
const HOLDERS: usize = 8;

/// How a blob came into a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// It was there.
    Here,
    /// The registry had its bytes, in another repository.
    Shared,
    Copied,
    /// It did not: the source does not link it.
    Missing,
}

/// Brings a blob of this size into a repository, if the source links it there.
pub(super) async fn copy(
    work: &Work<'_>,
    path: &RepositoryPath,
    digest: &Digest,
    size: u64,
) -> Result<Bytes, Failed> {
    let state = work.state();
    if let Some(content) = state.repository(path).touch_blob(digest).await?
        && content.size == size
        && state.is_present(&content).await?
    {
        return Ok(Bytes::Here);
    }
    let linked = work.source.blob(path, digest).await.map_err(Failed::of_source)?;
    let Some(linked) = linked else {
        return Ok(Bytes::Missing);
    };
    let record = match &linked.user {
        Some(user) => BlobRecord::new(size).with_user(user),
        None => BlobRecord::new(size),
    };
    if share(work, path, digest, &record).await? {
        return Ok(Bytes::Shared);
    }
    fetch(work, path, digest, record, &linked).await?;
    Ok(Bytes::Copied)
}

/// Links content that the registry has in another repository. The source links it in this one, too.
async fn share(
    work: &Work<'_>,
    path: &RepositoryPath,
    digest: &Digest,
    record: &BlobRecord,
) -> Result<bool, Failed> {
    let state = work.state();
    for holder in state.backend.holders(digest, HOLDERS).await? {
        let Some(content) = state.repository(&holder).touch_blob(digest).await? else {
            continue;
        };
        if content.size == record.size && state.is_present(&content).await? {
            let linked = state.link_blob(path, NewContent::Stored(content), record.clone(), None, None);
            if linked.await.map_err(Error::from)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Copies the bytes of a blob, and links them if they have its digest.
async fn fetch(
    work: &Work<'_>,
    path: &RepositoryPath,
    digest: &Digest,
    record: BlobRecord,
    linked: &LinkedBlob,
) -> Result<(), Failed> {
    let state = work.state();
    let opened = work.source.bytes(digest, linked).await;
    let Some((size, bytes)) = opened.map_err(Failed::of_source)? else {
        return Err(Failed::skip(format!(
            "the data of {digest} is missing, which it needs"
        )));
    };
    if size != record.size {
        let expected = record.size;
        return Err(Failed::skip(format!("{digest} has {size} bytes, not {expected}")));
    }
    let failure = Arc::default();
    let reading = Reading {
        bytes,
        left: size,
        failure: Arc::clone(&failure),
    };
    let taken = state.take(Box::pin(reading), Some(digest.algorithm())).await;
    let of_source = failure.locked().take();
    let (id, written) = match (taken, of_source) {
        (Ok(taken), _) => taken,
        (Err(_), Some(error)) => return Err(Failed::of_source(error)),
        (Err(error), None) => return Err(error.into()),
    };
    let content = match written.hasher {
        Some(hasher) => hasher.prove(),
        None => state.rehash(&id, digest.algorithm()).await,
    };
    let content = match content {
        Ok(content) if content.digest() == digest => content,
        Ok(content) => {
            state.discard(&id).await;
            let found = content.digest();
            return Err(Failed::skip(format!(
                "the data of {digest} has the digest {found}"
            )));
        }
        Err(error) => {
            state.discard(&id).await;
            return Err(error.into());
        }
    };
    let content = NewContent::Upload(id.clone(), content);
    let linking = state.link_blob(path, content, record, None, None).await;
    if !matches!(linking, Ok(true)) {
        state.discard(&id).await;
    }
    if linking.map_err(Error::from)? {
        return Ok(());
    }
    let message = "the bytes of a blob are gone before they are linked";
    Err(Error::new(ErrorKind::Storage, message).into())
}

/// The bytes of a source. Its failure is told apart from one of the backend that writes them.
struct Reading {
    bytes: ByteStream,
    /// Bytes to come.
    left: u64,
    failure: Arc<Mutex<Option<Error>>>,
}

impl Reading {
    fn fail(&mut self, error: Error) -> Error {
        let told = Error::new(ErrorKind::Cancelled, "the source failed");
        *self.failure.locked() = Some(error);
        told
    }
}

impl Stream for Reading {
    type Item = Result<Chunk, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = match ready!(self.bytes.as_mut().poll_next(context)) {
            Some(Ok(chunk)) if chunk.len() as u64 <= self.left => {
                self.left -= chunk.len() as u64;
                Ok(chunk)
            }
            Some(Ok(_)) => Err(Error::new(ErrorKind::Mismatch, "the data grows while it is read")),
            Some(Err(error)) => Err(error),
            None if self.left > 0 => Err(Error::new(ErrorKind::Mismatch, "the data ends before its size")),
            None => return Poll::Ready(None),
        };
        Poll::Ready(Some(polled.map_err(|error| self.fail(error))))
    }
}
