//! Answers from upstream, stored on their way to the client.
//!
//! A manifest is stored when its digest has been verified, a tag when its manifest is stored, a blob when it
//! has been received whole. One client fetches an item while others wait for it. If upstream cannot be
//! reached, stored content is served.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
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
    ErrorCode, RecordRange, RepositoryPath,
    error::ApiError,
    route::ManifestReference,
    state::{ManifestPush, Needs, PushError, RegistryState},
    sync::LockExt as _,
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

    /// Fetches a manifest from upstream, unless it is here. The bytes that were fetched.
    pub(super) async fn fetch_manifest(&self, target: &ManifestReference) -> Result<u64, ApiError> {
        let Some(through) = self.through() else {
            return Ok(0);
        };
        let key = match target {
            ManifestReference::Tag(tag) => format!("{}:{tag}", self.path),
            ManifestReference::Digest(digest) => format!("{}@{digest}", self.path),
        };
        let by_digest = matches!(target, ManifestReference::Digest(_));
        if through.is_missing(&key) || by_digest && self.has_manifest(target).await? {
            return Ok(0);
        }
        let _permit = through.acquire(&key).await;
        let fetched = match target {
            ManifestReference::Digest(_) if self.has_manifest(target).await? => Ok(0),
            ManifestReference::Digest(digest) => self.fetch(through, digest, None).await,
            ManifestReference::Tag(tag) => self.follow(through, tag).await,
        };
        match fetched {
            Ok(bytes) => Ok(bytes),
            Err(FetchError::Upstream(error)) if error.kind() == ErrorKind::NotFound => {
                through.note_missing(&key);
                Ok(0)
            }
            Err(_) if self.has_manifest(target).await? => Ok(0), // although it may be older than upstream's
            Err(error) => Err(error.into()),
        }
    }

    async fn has_manifest(&self, target: &ManifestReference) -> Result<bool, Error> {
        let state = &self.registry.state;
        let repository = state.repository(&self.path);
        let digest = match target {
            ManifestReference::Digest(digest) => digest.clone(),
            ManifestReference::Tag(tag) => match repository.tag(tag).await? {
                Some(digest) => digest,
                None => return Ok(false),
            },
        };
        match repository.manifest(&digest).await? {
            Some(record) => state.is_present(&record.content(&digest)).await,
            None => Ok(false),
        }
    }

    /// Points a tag at the manifest that it points at upstream. The bytes that were fetched.
    async fn follow(&self, through: &PullThrough, tag: &Tag) -> Result<u64, FetchError> {
        let source = through.upstream.repository(self.path.as_str()).await?;
        let there = source.resolve(&Name::from(tag.clone()).into()).await?;
        let here = self.registry.state.repository(&self.path).tag(tag).await;
        let here = here.map_err(FetchError::storage)?;
        let target = ManifestReference::Digest(there.digest().clone());
        if here.as_ref() == Some(there.digest())
            && self.has_manifest(&target).await.map_err(FetchError::storage)?
        {
            return Ok(0);
        }
        self.fetch(through, there.digest(), Some(tag)).await
    }

    async fn fetch(
        &self,
        through: &PullThrough,
        digest: &Digest,
        tag: Option<&Tag>,
    ) -> Result<u64, FetchError> {
        let source = through.upstream.repository(self.path.as_str()).await?;
        let manifest = source.manifest(&digest.clone().into()).await?;
        if manifest.digest() != digest {
            let message = "upstream sent another manifest";
            return Err(Error::new(ErrorKind::Mismatch, message).into());
        }
        let push = ManifestPush {
            path: &self.path,
            manifest: &manifest,
            tags: tag.map(std::slice::from_ref).unwrap_or_default(),
            user: self.principal.user.as_deref(),
            needs: Needs::Nothing,
            quota: self.quota(),
            condition: None,
            events: Vec::new(), // nobody has pushed it
        };
        let stored = self.registry.state.push_manifest(push).await;
        stored.map_err(FetchError::Storage)?;
        Ok(manifest.bytes().len() as u64)
    }

    /// The size of a blob, in bytes, that a manifest of this repository names, whether the blob is here or
    /// only upstream.
    pub(super) async fn expected_blob(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        if !self.is_cache() {
            return Ok(None);
        }
        let needing = RecordRange::Needing(digest.clone());
        let repository = self.registry.state.repository(&self.path);
        let found = repository.manifests(&needing, "", 1).await?;
        let named = found.iter().flat_map(|(_, record)| &record.blobs);
        Ok(named
            .filter(|(named, _)| named == digest)
            .map(|(_, size)| *size)
            .next())
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
        if let Some(content) = self.linked_blob(digest).await?
            && self.registry.state.is_present(&content).await?
        {
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

/// The reason why a manifest could not be fetched.
enum FetchError {
    Upstream(Error),
    /// Of this registry's own storage.
    Storage(PushError),
}

impl FetchError {
    fn storage(error: Error) -> Self {
        Self::Storage(PushError::Storage(error))
    }
}

impl From<Error> for FetchError {
    fn from(error: Error) -> Self {
        Self::Upstream(error)
    }
}

impl From<FetchError> for ApiError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Upstream(error) => unreachable(&error),
            FetchError::Storage(error) => error.into(),
        }
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
    chunks: mpsc::Receiver<Passed>,
    _permit: OwnedMutexGuard<()>,
) -> Result<(), Error> {
    let whole = Arc::default();
    let storing = Storing {
        passed: chunks,
        whole: Arc::clone(&whole),
    };
    let (id, _) = state.take(Box::pin(storing), None).await?;
    let proof = whole.locked().take();
    let content = match proof {
        Some(content) => Ok(content),
        None => state.rehash(&id, digest.algorithm()).await,
    };
    match content {
        Ok(content) if *content.digest() == digest => state.add_blob(&path, &id, content, None).await,
        Ok(_) => state.backend.discard(&id).await,
        Err(error) => {
            state.discard(&id).await;
            Err(error)
        }
    }
}

/// The chunks that are passed, as a stream that fails unless the blob was complete.
struct Storing {
    passed: mpsc::Receiver<Passed>,
    /// The proof that came with the end.
    whole: Arc<Mutex<Option<Verified>>>,
}

impl Stream for Storing {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.passed.poll_recv(context)) {
            Some(Passed::Chunk(chunk)) => Some(Ok(chunk)),
            Some(Passed::Whole(proof)) => {
                *self.whole.locked() = proof;
                None
            }
            None => Some(Err(Error::new(
                ErrorKind::Cancelled,
                "the blob broke off on its way from upstream",
            ))),
        })
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
