//! Images and indexes made in memory.

mod container;
mod image;
mod index;

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_reference::Digest;

pub use self::{image::ImageBuilder, index::IndexBuilder};
use crate::{
    Blob, Descriptor, Error, ErrorKind, Location, MAX_MANIFEST_SIZE, Manifest, MediaType, Platform, Source,
    Target,
};

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

/// The members that images and indexes have in common.
#[derive(Debug, Clone, Default)]
struct Common {
    docker: bool,
    artifact_type: Option<MediaType>,
    subject: Option<Descriptor>,
    annotations: BTreeMap<String, String>,
}

impl Common {
    fn check(&self) -> Result<(), Error> {
        if self.docker
            && (self.artifact_type.is_some() || self.subject.is_some() || !self.annotations.is_empty())
        {
            return Err(invalid(
                "Docker's manifests have no artifact type, subject or annotations; use OCI's types",
            ));
        }
        if self.artifact_type.as_ref().is_some_and(MediaType::is_unset) {
            return Err(invalid("the artifact type is empty"));
        }
        if self.annotations.contains_key("") {
            return Err(invalid("an annotation has no key"));
        }
        match &self.subject {
            Some(subject) if !subject.media_type().is_manifest() => {
                let media_type = subject.media_type();
                Err(invalid(format!(
                    "the subject is of type {media_type}, which is no manifest"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Parses the manifest that a builder has written.
fn manifest_of(document: &impl serde::Serialize, media_type: &MediaType) -> Result<Manifest, Error> {
    let bytes = serde_json::to_vec(document).map_err(|error| Error::wrap(ErrorKind::Other, error))?;
    if bytes.len() as u64 > MAX_MANIFEST_SIZE {
        let message = format!(
            "the manifest has {} bytes, and registries need not accept more than {MAX_MANIFEST_SIZE}",
            bytes.len()
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Manifest::parse(bytes.into(), Some(media_type))
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
