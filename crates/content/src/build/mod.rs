//! Images and indexes made in memory.

mod container;
mod document;
mod image;
mod index;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_reference::Digest;

pub use self::{image::ImageBuilder, index::IndexBuilder};
use crate::{Blob, Descriptor, Error, ErrorKind, Location, Manifest, Platform, Source, Target};

/// An image or index that was built in memory: the manifest, those below it, and the blobs that were given
/// as bytes. Clones share it.
///
/// It is a [`Source`], so a copy can push it, and [`SinkExt::push_image`](crate::SinkExt) pushes it in one
/// call. Its manifests have no names and are found by digest. A layer that was added by its descriptor
/// alone is not in it: the sink must have that layer already.
///
/// ```
/// use wharf_content::{Error, ImageBuilder, MediaType, Source, SourceExt as _};
///
/// # async fn example() -> Result<(), Error> {
/// let note = ImageBuilder::new()
///     .with_artifact_type(MediaType::parse("text/markdown")?)
///     .with_layer_bytes(MediaType::parse("text/markdown")?, "# Hello")
///     .build()?;
/// let manifest = note.manifest(&note.digest().into()).await?;
/// assert_eq!(manifest, *note.root());
/// assert_eq!(note.fetch(&manifest.layers()[0], 1024).await?, "# Hello");
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
#[derive(Clone)]
pub struct BuiltImage {
    content: Arc<Content>,
}

struct Content {
    root: Manifest,
    /// The manifests below the root, children before parents.
    manifests: Vec<Manifest>,
    blobs: Vec<(Descriptor, Bytes)>,
    /// The platform that the config of an image states.
    platform: Option<Platform>,
}

impl BuiltImage {
    fn new(
        root: Manifest,
        manifests: Vec<Manifest>,
        blobs: Vec<(Descriptor, Bytes)>,
        platform: Option<Platform>,
    ) -> Self {
        Self {
            content: Arc::new(Content {
                root,
                manifests,
                blobs,
                platform,
            }),
        }
    }

    /// The manifest of the image, or the index.
    #[must_use]
    pub fn root(&self) -> &Manifest {
        &self.content.root
    }

    /// The digest of the manifest or index.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        self.content.root.digest()
    }

    /// The platform that the config states, for a container image.
    #[must_use]
    pub fn platform(&self) -> Option<&Platform> {
        self.content.platform.as_ref()
    }

    /// The manifests below an index, children before parents; none for an image.
    #[must_use]
    pub fn manifests(&self) -> &[Manifest] {
        &self.content.manifests
    }

    /// The blobs that were given as bytes, each once.
    pub fn blobs(&self) -> impl Iterator<Item = (&Descriptor, &Bytes)> {
        self.content
            .blobs
            .iter()
            .map(|(descriptor, bytes)| (descriptor, bytes))
    }
}

#[async_trait]
impl Source for BuiltImage {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        Ok(self.manifest_of(target)?.descriptor().clone())
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        self.manifest_of(target).cloned()
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let digest = descriptor.digest();
        let found = self.blobs().find(|(known, _)| known.digest() == digest);
        let (_, bytes) = found.ok_or_else(|| {
            let message =
                format!("{digest} was given to the builder without its bytes; push it to the sink first");
            Error::new(ErrorKind::NotFound, message)
        })?;
        Blob::from_bytes(descriptor.clone(), bytes.clone())
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

impl BuiltImage {
    fn manifest_of(&self, target: &Target) -> Result<&Manifest, Error> {
        let Content { root, manifests, .. } = &*self.content;
        let mut all = std::iter::once(root).chain(manifests);
        all.find(|manifest| Target::from(manifest.digest()) == *target)
            .ok_or_else(|| {
                let digest = root.digest();
                let message = format!("there is no {target} in the built image; it is found as {digest}");
                Error::new(ErrorKind::NotFound, message)
            })
    }
}

impl fmt::Debug for BuiltImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltImage")
            .field("root", self.root())
            .field("platform", &self.platform())
            .finish_non_exhaustive()
    }
}

/// Adds a blob unless there is one of the same digest.
fn add_blob(blobs: &mut Vec<(Descriptor, Bytes)>, descriptor: &Descriptor, bytes: &Bytes) {
    if !blobs
        .iter()
        .any(|(known, _)| known.digest() == descriptor.digest())
    {
        blobs.push((descriptor.clone(), bytes.clone()));
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
