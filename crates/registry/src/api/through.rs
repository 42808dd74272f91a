//! Answers from upstream, kept on the way.
//!
//! A manifest is kept when its digest has been verified, a tag when its manifest has been, a blob when it has
//! passed whole. One client fetches a thing, the others wait for it. When upstream cannot be reached, what is
//! here is served.

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

use super::Call;
use crate::{
    ErrorCode, RepositoryPath,
    error::ApiError,
    route::ManifestReference,
    state::{ManifestPush, Needs, RegistryState},
    upstream::PullThrough,
};

/// Chunks between the client and the disk: who is slower holds the other up.
const AHEAD: usize = 4;
/// Seconds after which a client may come again when upstream takes no more requests.
const UPSTREAM_WAIT: u64 = 60;

impl Call<'_> {
    fn through(&self) -> Option<&Arc<PullThrough>> {
        self.registry.config.through.as_ref()
    }

    /// Whether what is not here may be had upstream.
    pub(super) fn is_cache(&self) -> bool {
        self.through().is_some()
    }

    async fn source(&self, through: &PullThrough) -> Result<Arc<dyn Source>, ApiError> {
        let source = through.upstream.repository(self.path.as_str()).await;
        source.map_err(|error| unreachable(&error))
    }

    /// Has the manifest here, if upstream has it.
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

    /// Makes a tag what it is upstream.
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

    /// The size of a blob that a manifest of this repository names, if it is not here but may be upstream.
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

    /// The bytes of a blob from upstream, kept on their way; `None` if another client has fetched it meanwhile.
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

/// What a failure of upstream is for our client: what is not there is not here, the rest is a bad gateway.
fn unreachable(error: &Error) -> ApiError {
    const MESSAGE: &str = "upstream cannot be asked";
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

/// What passes to the disk.
enum Passed {
    Chunk(Bytes),
    /// All has passed, with the proof where the blob was hashed on its way here.
    Whole(Option<Verified>),
}

/// Writes what passes; keeps it if it passed whole, which its verification has to say.
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
    /// Bytes to come. The last of them only come when all of them are right.
    left: u64,
    storing: Option<mpsc::Sender<Passed>>,
    /// A chunk that waits for the disk; then it goes to the client.
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
