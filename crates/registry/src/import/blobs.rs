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
use crate::{
    BlobRecord, ExternalContent, NewContent, RepositoryPath, StoredContent, state::hash, sync::LockExt as _,
};

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
    /// The source has them, and the registry reads them there.
    InPlace,
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
        && is_there(work, &content).await?
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
    if work.modes.in_place {
        leave(work, path, digest, record, &linked).await?;
        return Ok(Bytes::InPlace);
    }
    fetch(work, path, digest, record, &linked).await?;
    Ok(Bytes::Copied)
}

/// Whether content is there. What others may delete is asked for where it is.
async fn is_there(work: &Work<'_>, content: &StoredContent) -> Result<bool, Error> {
    let state = work.state();
    if work.modes.in_place {
        state.backend.probe(content).await
    } else {
        state.is_present(content).await
    }
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
        if content.size == record.size && is_there(work, &content).await? {
            let linked = state.link_blob(path, NewContent::Stored(content), record.clone(), None, None);
            if linked.await.map_err(Error::from)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Links a blob where the source has it, if it has its digest there.
async fn leave(
    work: &Work<'_>,
    path: &RepositoryPath,
    digest: &Digest,
    record: BlobRecord,
    linked: &LinkedBlob,
) -> Result<(), Failed> {
    let Some(object) = work.source.locate(digest) else {
        let message =
            "the source is in no storage that an engine reads itself, so that blobs cannot stay in place";
        return Err(Error::new(ErrorKind::Unsupported, message).into());
    };
    // What is trusted does not heal what was found to be damaged: that has to be hashed.
    let ways: &[bool] = if work.modes.trusted_digests {
        &[false, true]
    } else {
        &[true]
    };
    for is_hashed in ways {
        let bytes = opened(work, digest, record.size, linked).await?;
        let content = if *is_hashed {
            let reading = Reading::new(bytes, record.size);
            let failure = Arc::clone(&reading.failure);
            let hashed = hash(Box::pin(reading), digest.algorithm()).await;
            let of_source = failure.locked().take();
            let hashed = hashed.map_err(|error| of_source.map_or_else(|| error.into(), Failed::of_source))?;
            if hashed.digest() != digest {
                return Err(other_digest(digest, hashed.digest()));
            }
            ExternalContent::verified(object.clone(), &hashed)
        } else {
            ExternalContent::trusted(object.clone(), digest.clone(), record.size)
        };
        let content = NewContent::External(content);
        let linking = work.state().link_blob(path, content, record.clone(), None, None);
        if linking.await.map_err(Error::from)? {
            return Ok(());
        }
    }
    Err(missing(digest))
}

/// The bytes of a blob, which are so many.
async fn opened(
    work: &Work<'_>,
    digest: &Digest,
    expected: u64,
    linked: &LinkedBlob,
) -> Result<ByteStream, Failed> {
    let opened = work.source.bytes(digest, linked).await;
    let (size, bytes) = opened
        .map_err(Failed::of_source)?
        .ok_or_else(|| missing(digest))?;
    if size != expected {
        return Err(Failed::skip(format!("{digest} has {size} bytes, not {expected}")));
    }
    Ok(bytes)
}

fn missing(digest: &Digest) -> Failed {
    Failed::skip(format!("the data of {digest} is missing, which it needs"))
}

fn other_digest(digest: &Digest, found: &Digest) -> Failed {
    Failed::skip(format!("the data of {digest} has the digest {found}"))
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
    let bytes = opened(work, digest, record.size, linked).await?;
    let reading = Reading::new(bytes, record.size);
    let failure = Arc::clone(&reading.failure);
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
            return Err(other_digest(digest, content.digest()));
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
    fn new(bytes: ByteStream, size: u64) -> Self {
        Self {
            bytes,
            left: size,
            failure: Arc::default(),
        }
    }

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
