use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Location, MAX_MANIFEST_SIZE, Manifest, MediaType, Name,
    OpenBlob, Sink, Source, Target, Verified,
};
use wharf_reference::{Algorithm, Digest, Tag};

use crate::{
    EventAction, ManifestRecord, Registry, RepositoryPath, StoredContent,
    events::EventContext,
    state::{ManifestPush, Quota, RegistryState, Repository},
    sync::LockExt as _,
};

/// A repository of a registry in this process, as a [`Source`] and a [`Sink`] without HTTP, for example to
/// fill it from a store.
///
/// Rights are not checked, and faults and quirks do not apply. Blobs and manifests that a manifest needs must
/// be there, as for clients.
///
/// ```
/// use wharf_content::{ImageBuilder, ImageConfig, Name, Platform, SinkExt as _, Source as _};
/// use wharf_registry::Registry;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let registry = Registry::memory();
/// let repository = registry.repository("lib/app")?;
/// let config = ImageConfig::builder(Platform::host()).build()?;
/// let image = ImageBuilder::new().with_config(config).build()?;
/// let name = Name::parse("1.0")?;
/// repository.push_image(&image, Some(&name)).await?;
/// assert_eq!(repository.manifest(&name.into()).await?.digest(), image.digest());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LocalRepository {
    registry: Registry,
    path: RepositoryPath,
}

impl Registry {
    /// The repository at this path, whether it exists or not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the path breaks the grammar.
    pub fn repository(&self, path: &str) -> Result<LocalRepository, Error> {
        let path = RepositoryPath::parse(path)?;
        Ok(LocalRepository {
            registry: self.clone(),
            path,
        })
    }
}

impl LocalRepository {
    fn state(&self) -> &Arc<RegistryState> {
        &self.registry.state
    }

    fn missing(&self, what: &dyn std::fmt::Display) -> Error {
        Error::new(ErrorKind::NotFound, format!("{what} is not in {}", self.path))
    }

    fn view(&self) -> Repository<'_> {
        self.state().repository(&self.path)
    }

    async fn digest(&self, target: &Target) -> Result<Digest, Error> {
        match target {
            Target::Digest(digest) => Ok(digest.clone()),
            Target::Name(name) => {
                let digest = self.view().tag(&name.to_tag()?).await?;
                digest.ok_or_else(|| self.missing(name))
            }
        }
    }

    /// Makes an upload a blob.
    async fn add_blob(&self, upload: &str, content: Verified) -> Result<(), Error> {
        let events = self.registry.config.notifications.of_process(&self.registry)?;
        let event = |events: EventContext| {
            events.blob(
                EventAction::Push,
                &self.path,
                content.digest(),
                content.size(),
                None,
            )
        };
        let event = events.map(event).transpose()?;
        self.state().add_blob(&self.path, upload, content, event).await
    }

    /// The record and the content of a manifest.
    async fn find(&self, target: &Target) -> Result<(Arc<ManifestRecord>, StoredContent), Error> {
        let digest = self.digest(target).await?;
        let record = self.view().manifest(&digest).await?;
        let record = record.ok_or_else(|| self.missing(target))?;
        let content = record.content(&digest);
        if !self.state().is_present(&content).await? {
            return Err(self.missing(target));
        }
        Ok((record, content))
    }
}

fn descriptor_of(record: &ManifestRecord, content: &StoredContent) -> Result<Descriptor, Error> {
    Descriptor::new(record.media_type.clone(), content.digest.clone(), content.size)
}

#[async_trait]
impl Source for LocalRepository {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        let (record, content) = self.find(target).await?;
        descriptor_of(&record, &content)
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let (record, content) = self.find(target).await?;
        let descriptor = descriptor_of(&record, &content)?;
        let (digest, size) = (descriptor.digest(), descriptor.size());
        let bytes = self.state().open(&content, 0..size).await?;
        let bytes = Blob::once(descriptor.clone(), bytes)?;
        let bytes = bytes.read_to_end(size.max(MAX_MANIFEST_SIZE)).await?;
        Manifest::parse_pinned(bytes, Some(descriptor.media_type()), digest)
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let content = self.view().touch_blob(descriptor.digest()).await?;
        let content = content.filter(|content| content.size == descriptor.size());
        let content = content.ok_or_else(|| self.missing(descriptor.digest()))?;
        if !self.state().is_present(&content).await? {
            return Err(self.missing(descriptor.digest()));
        }
        let opener = Opener {
            state: Arc::clone(self.state()),
            content,
        };
        Blob::new(descriptor.clone(), opener)
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

struct Opener {
    state: Arc<RegistryState>,
    content: StoredContent,
}

#[async_trait]
impl OpenBlob for Opener {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let size = self.content.size;
        self.state.open(&self.content, offset.min(size)..size).await
    }
}

/// A blob on its way into the registry.
struct Incoming {
    blob: Blob,
    /// The proof of its digest, if it has hashed itself on the way.
    proof: Arc<Mutex<Option<Verified>>>,
}

impl Stream for Incoming {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = ready!(Pin::new(&mut self.blob).poll_next(context));
        if polled.is_none() {
            *self.proof.locked() = self.blob.verified().cloned();
        }
        Poll::Ready(polled)
    }
}

#[async_trait]
impl Sink for LocalRepository {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let content = if descriptor.media_type().is_manifest() {
            let record = self.view().manifest(descriptor.digest()).await?;
            record.map(|record| record.content(descriptor.digest()))
        } else {
            self.view().touch_blob(descriptor.digest()).await?
        };
        match content.filter(|content| content.size == descriptor.size()) {
            Some(content) => self.state().is_present(&content).await,
            None => Ok(false),
        }
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let (state, digest) = (self.state(), blob.descriptor().digest().clone());
        let proof = Arc::default();
        let incoming = Incoming {
            blob,
            proof: Arc::clone(&proof),
        };
        let (id, _) = state.take(Box::pin(incoming), None).await?;
        let proof = proof.locked().take();
        let content = match proof {
            Some(content) => Ok(content),
            None => state.rehash(&id, digest.algorithm()).await,
        };
        let content = content.and_then(|content| {
            if *content.digest() == digest {
                return Ok(content);
            }
            let message = format!("the bytes of blob {digest} have another digest");
            Err(Error::new(ErrorKind::Mismatch, message))
        });
        match content {
            Ok(content) => self.add_blob(&id, content).await,
            Err(error) => {
                state.discard(&id).await;
                Err(error)
            }
        }
    }

    fn can_ingest(&self) -> bool {
        true
    }

    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        let state = self.state();
        let (id, written) = state.take(bytes, Some(algorithm)).await?;
        let content = match written.hasher {
            Some(hasher) => hasher.prove(),
            None => state.rehash(&id, algorithm).await,
        };
        let content = match content {
            Ok(content) => content,
            Err(error) => {
                state.discard(&id).await;
                return Err(error);
            }
        };
        self.add_blob(&id, content.clone()).await?;
        Descriptor::new(media_type, content.digest().clone(), content.size())
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        let tag: Option<Tag> = name.map(Name::to_tag).transpose()?;
        let config = &self.registry.config;
        let push = ManifestPush {
            path: &self.path,
            manifest,
            tags: tag.as_slice(),
            user: None,
            needs: config.needs(),
            quota: Quota::new(&config.limits, &self.path, None),
            condition: None,
            events: match config.notifications.of_process(&self.registry)? {
                Some(events) => events.manifest_pushed(&self.path, manifest, tag.as_slice())?,
                None => Vec::new(),
            },
        };
        Ok(self.state().push_manifest(push).await?)
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}
