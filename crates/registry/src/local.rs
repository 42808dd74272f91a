use std::{future::poll_fn, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, Location, MAX_MANIFEST_SIZE, Manifest, MediaType,
    Name, OpenBlob, Sink, Source, Target, Verified,
};
use wharf_reference::{Algorithm, Digest, Tag};

use crate::{
    Registry, RepositoryPath,
    state::{ManifestPush, Quota, RegistryState, Repository},
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

    fn here(&self) -> Result<Arc<Repository>, Error> {
        self.state()
            .existing(&self.path)
            .ok_or_else(|| self.missing(&"anything"))
    }

    fn digest(&self, target: &Target) -> Result<Digest, Error> {
        match target {
            Target::Digest(digest) => Ok(digest.clone()),
            Target::Name(name) => {
                let tag = name.to_tag()?;
                let repository = self.here()?;
                let digest = repository.content().tags.get(&tag).cloned();
                digest.ok_or_else(|| self.missing(name))
            }
        }
    }

    async fn is_present(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        self.state()
            .is_present(descriptor.digest(), descriptor.size())
            .await
    }
}

#[async_trait]
impl Source for LocalRepository {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        let digest = self.digest(target)?;
        let record = self
            .here()?
            .manifest(&digest)
            .ok_or_else(|| self.missing(target))?;
        let descriptor = Descriptor::new(record.media_type.clone(), digest, record.size)?;
        if !self.is_present(&descriptor).await? {
            return Err(self.missing(target));
        }
        Ok(descriptor)
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let descriptor = self.resolve(target).await?;
        let (digest, size) = (descriptor.digest(), descriptor.size());
        let bytes = self.state().open(digest, size, 0..size).await?;
        let bytes = Blob::once(descriptor.clone(), bytes)?;
        let bytes = bytes.read_to_end(size.max(MAX_MANIFEST_SIZE)).await?;
        Manifest::parse_pinned(bytes, Some(descriptor.media_type()), digest)
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let size = self.here()?.touch_blob(descriptor.digest());
        if size != Some(descriptor.size()) || !self.is_present(descriptor).await? {
            return Err(self.missing(descriptor.digest()));
        }
        let opener = Opener {
            state: Arc::clone(self.state()),
            descriptor: descriptor.clone(),
        };
        Blob::new(descriptor.clone(), opener)
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

struct Opener {
    state: Arc<RegistryState>,
    descriptor: Descriptor,
}

#[async_trait]
impl OpenBlob for Opener {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let size = self.descriptor.size();
        self.state
            .open(self.descriptor.digest(), size, offset.min(size)..size)
            .await
    }
}

/// Uploads.
impl LocalRepository {
    /// Writes a stream to an upload. `see` is called with each chunk.
    async fn write(
        &self,
        id: &str,
        mut bytes: impl Stream<Item = Result<Bytes, Error>> + Unpin + Send,
        mut see: impl FnMut(&Bytes) + Send,
    ) -> Result<(), Error> {
        let mut offset = 0;
        while let Some(chunk) = poll_fn(|context| Pin::new(&mut bytes).poll_next(context)).await {
            let (chunk, start) = (chunk?, offset);
            see(&chunk);
            offset += chunk.len() as u64;
            self.state().backend.append(id, start, vec![chunk]).await?;
        }
        Ok(())
    }

    /// Writes a blob to an upload, and returns the proof of its digest.
    async fn receive(&self, id: &str, mut blob: Blob) -> Result<Verified, Error> {
        self.write(id, &mut blob, |_| {}).await?;
        let digest = blob.descriptor().digest();
        let content = match blob.verified() {
            Some(verified) => verified.clone(),
            None => self.state().rehash(id, digest.algorithm()).await?,
        };
        if content.digest() != digest {
            let message = format!("the bytes of blob {digest} have another digest");
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        Ok(content)
    }

    /// Makes an upload a blob of this repository, or drops it if it failed.
    async fn finish(&self, id: &str, received: Result<Verified, Error>) -> Result<Verified, Error> {
        let state = self.state();
        match received {
            Ok(content) => {
                state.add_blob(&self.path, id, &content).await?;
                Ok(content)
            }
            Err(error) => {
                state.discard(id).await;
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Sink for LocalRepository {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let Some(repository) = self.state().existing(&self.path) else {
            return Ok(false);
        };
        let size = if descriptor.media_type().is_manifest() {
            repository.manifest(descriptor.digest()).map(|record| record.size)
        } else {
            repository.touch_blob(descriptor.digest())
        };
        Ok(size == Some(descriptor.size()) && self.is_present(descriptor).await?)
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let id = self.state().begin_unlisted().await?;
        let received = self.receive(&id, blob).await;
        self.finish(&id, received).await.map(drop)
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
        let mut hasher = Hasher::new(algorithm)?;
        let id = self.state().begin_unlisted().await?;
        let written = self.write(&id, bytes, |chunk| hasher.update(chunk)).await;
        let content = self.finish(&id, written.and_then(|()| hasher.prove())).await?;
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
        };
        Ok(self.state().push_manifest(push, |_| true).await?)
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}
