//! Answers from upstream, stored on their way to the client.
//!
//! A manifest is stored when its digest has been verified, a tag when its manifest is stored, a blob when it
//! has been received whole. One client fetches an item while others wait for it. If upstream cannot be
//! reached, stored content is served.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::StatusCode;
use tokio::sync::{OwnedMutexGuard, mpsc};
use wharf_content::{Blob, ByteStream, Descriptor, Error, ErrorKind, MediaType, Name, Source, Verified};
use wharf_reference::{Digest, Tag};

use super::RepositoryRequest;
use crate::{
    ErrorCode, RepositoryPath,
    error::ApiError,
    route::ManifestReference,
    state::{ManifestPush, Needs, RegistryState},
    upstream::PullThrough,
};

/// Chunks that are buffered between the client and the disk; the faster side waits for the slower.
const AHEAD: usize = 4;
/// The `Retry-After`, in seconds, of answers when upstream limits the rate.
const UPSTREAM_WAIT: u64 = 60;

impl RepositoryRequest<'_> {
    fn through(&self) -> Option<&Arc<PullThrough>> {
        self.registry.config.through.as_ref()
    }

    /// Whether missing content is looked for upstream.
    pub(super) fn is_cache(&self) -> bool {
        self.through().is_some()
    }

    async fn source(&self, through: &PullThrough) -> Result<Arc<dyn Source>, ApiError> {
        let source = through.upstream.repository(self.path.as_str()).await;
        source.map_err(|error| unreachable(&error))
    }

    /// Fetches a manifest from upstream, unless it is here.
    pub(super) async fn fetch_manifest(&self, target: &ManifestReference) -> Result<(), ApiError> {
        let Some(through) = self.through() else {
            return Ok(());
        };
        let key = match target {
            ManifestReference::Tag(tag) => format!("{}:{tag}", self.path),
            ManifestReference::Digest(digest) => format!("{}@{digest}", self.path),
        };
        if through.is_missing(&key)
            || matches!(target, ManifestReference::Digest(_)) && self.has_manifest(target).await
        {
            return Ok(());
        }
        let _permit = through.acquire(&key).await;
        let fetched = match target {
            ManifestReference::Digest(_) if self.has_manifest(target).await => Ok(()),
            ManifestReference::Digest(digest) => self.fetch(through, digest, None).await,
            ManifestReference::Tag(tag) => self.follow(through, tag).await,
        };
        match fetched {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                through.note_missing(&key);
                Ok(())
            }
            Err(error) if !self.has_manifest(target).await => Err(unreachable(&error)),
            _ => Ok(()), // what is here is served although upstream cannot be asked
        }
    }

    async fn has_manifest(&self, target: &ManifestReference) -> bool {
        let state = &self.registry.state;
        let Some(repository) = state.existing(&self.path) else {
            return false;
        };
        let digest = match target {
            ManifestReference::Digest(digest) => Some(digest.clone()),
            ManifestReference::Tag(tag) => repository.content().tags.get(tag).cloned(),
        };
        let Some((digest, record)) =
            digest.and_then(|digest| Some((digest.clone(), repository.manifest(&digest)?)))
        else {
            return false;
        };
        state.is_present(&digest, record.size).await.unwrap_or(false)
    }

    /// Points a tag at the manifest that it points at upstream.
    async fn follow(&self, through: &PullThrough, tag: &Tag) -> Result<(), Error> {
        let source = through.upstream.repository(self.path.as_str()).await?;
        let there = source.resolve(&Name::from(tag.clone()).into()).await?;
        let here = self
            .registry
            .state
            .existing(&self.path)
            .and_then(|repository| repository.content().tags.get(tag).cloned());
        let target = ManifestReference::Digest(there.digest().clone());
        if here.as_ref() == Some(there.digest()) && self.has_manifest(&target).await {
            return Ok(());
        }
        self.fetch(through, there.digest(), Some(tag)).await
    }

    async fn fetch(&self, through: &PullThrough, digest: &Digest, tag: Option<&Tag>) -> Result<(), Error> {
        let source = through.upstream.repository(self.path.as_str()).await?;
        let manifest = source.manifest(&digest.clone().into()).await?;
        if manifest.digest() != digest {
            return Err(Error::new(ErrorKind::Mismatch, "upstream sent another manifest"));
        }
        let push = ManifestPush {
            path: &self.path,
            manifest: &manifest,
            tags: tag.map(std::slice::from_ref).unwrap_or_default(),
            user: self.principal.user.as_deref(),
            needs: Needs::Nothing,
            quota: self.quota(),
        };
        let stored = self.registry.state.push_manifest(push, |_| true).await;
        stored.map_err(|error| {
            Error::new(ErrorKind::Storage, "the manifest cannot be stored").with_source(Error::from(error))
        })
    }

    /// The size of a blob, in bytes, that a manifest of this repository names, whether the blob is here or
    /// only upstream.
    pub(super) fn expected_blob(&self, digest: &Digest) -> Option<u64> {
        self.through()?;
        let repository = self.registry.state.existing(&self.path)?;
        let content = repository.content();
        content.manifests.values().find_map(|link| {
            let blobs = link.record.blobs.iter();
            blobs
                .filter(|(named, _)| named == digest)
                .map(|(_, size)| *size)
                .next()
        })
    }

    /// The bytes of a blob from upstream, which are stored on their way; `None` if another client has fetched
    /// the blob meanwhile.
    pub(super) async fn fetch_blob(
        &self,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<ByteStream>, ApiError> {
        let Some(through) = self.through() else {
            return Ok(None);
        };
        let permit = through.acquire(&format!("{}@{digest}", self.path)).await;
        if self.linked_blob(digest).is_some() && self.registry.state.is_present(digest, size).await? {
            return Ok(None);
        }
        let descriptor = Descriptor::new(MediaType::OCTET_STREAM, digest.clone(), size)?;
        let source = self.source(through).await?;
        let blob = source
            .blob(&descriptor)
            .await
            .map_err(|error| unreachable(&error))?;
        let (storing, stored) = mpsc::channel(AHEAD);
        let state = Arc::clone(&self.registry.state);
        tokio::spawn(store_blob(
            state,
            self.path.clone(),
            digest.clone(),
            stored,
            permit,
        ));
        if size == 0 {
            blob.read_to_end(0).await.map_err(|error| unreachable(&error))?;
            let _ = storing.send(Passed::Whole(None)).await; // the disk may have failed
            return Ok(None);
        }
        Ok(Some(Box::pin(Teed {
            blob,
            left: size,
            storing: Some(storing),
            sending: None,
        })))
    }
}

/// The answer to a client for a failure of upstream: 404 for content that upstream does not have, 429, 502 or
/// 504 else.
fn unreachable(error: &Error) -> ApiError {
    const MESSAGE: &str = "upstream cannot be reached";
    let status = match error.kind() {
        ErrorKind::NotFound => return ApiError::missing(ErrorCode::ManifestUnknown, "not found upstream"),
        ErrorKind::RateLimited => {
            return ApiError::wait(StatusCode::TOO_MANY_REQUESTS, UPSTREAM_WAIT, MESSAGE);
        }
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    ApiError::new(status, ErrorCode::Unknown, MESSAGE)
}

/// A message to the task that stores a blob.
enum Passed {
    Chunk(Bytes),
    /// The blob is complete, with its proof if it was hashed on its way.
    Whole(Option<Verified>),
}

/// Writes a blob, and links it if it was received whole and verified.
async fn store_blob(
    state: Arc<RegistryState>,
    path: RepositoryPath,
    digest: Digest,
    mut chunks: mpsc::Receiver<Passed>,
    _permit: OwnedMutexGuard<()>,
) -> Result<(), Error> {
    let id = state.begin_unlisted().await?;
    let written = async {
        let mut offset = 0;
        while let Some(chunk) = chunks.recv().await {
            let chunk = match chunk {
                Passed::Chunk(chunk) => chunk,
                Passed::Whole(Some(verified)) => return Ok(Some(verified)),
                Passed::Whole(None) => return state.rehash(&id, digest.algorithm()).await.map(Some),
            };
            let length = chunk.len() as u64;
            state.backend.append(&id, offset, vec![chunk]).await?;
            offset += length;
        }
        Ok(None)
    };
    match written.await {
        Ok(Some(content)) if *content.digest() == digest => state.add_blob(&path, &id, &content).await,
        Ok(_) => state.backend.discard(&id).await,
        Err(error) => {
            state.backend.discard(&id).await?;
            Err(error)
        }
    }
}

type Sending = Pin<Box<dyn Future<Output = (mpsc::Sender<Passed>, Bytes)> + Send>>;

/// A blob on its way to a client and to the disk. If the disk fails, the client still gets it.
struct Teed {
    blob: Blob,
    /// Bytes to come. The blob yields the last of them only if all bytes are right.
    left: u64,
    storing: Option<mpsc::Sender<Passed>>,
    /// A chunk that is being handed to the disk, and then goes to the client.
    sending: Option<Sending>,
}

impl Stream for Teed {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.sending.is_none() {
            let chunk = match ready!(Pin::new(&mut self.blob).poll_next(context)) {
                Some(Ok(chunk)) => chunk,
                other => {
                    self.storing = None;
                    return Poll::Ready(other);
                }
            };
            self.left = self.left.saturating_sub(chunk.len() as u64);
            let whole = (self.left == 0).then(|| Passed::Whole(self.blob.verified().cloned()));
            let Some(storing) = self.storing.take() else {
                return Poll::Ready(Some(Ok(chunk)));
            };
            self.sending = Some(Box::pin(async move {
                let _ = storing.send(Passed::Chunk(chunk.clone())).await; // the disk may have failed
                if let Some(whole) = whole {
                    let _ = storing.send(whole).await;
                }
                (storing, chunk)
            }));
        }
        let Some(sending) = &mut self.sending else {
            return Poll::Ready(None);
        };
        let (storing, chunk) = ready!(sending.as_mut().poll(context));
        self.sending = None;
        self.storing = Some(storing);
        Poll::Ready(Some(Ok(chunk)))
    }
}
