use bytes::Bytes;

use super::{
    BuiltImage, add_blob,
    document::{Common, Members},
    invalid,
};
use crate::{Descriptor, Error, Manifest, MediaType};

/// A builder of an index, which lists images for several platforms, with OCI's media type or, on request,
/// Docker's.
///
/// ```
/// use wharf_content::{ImageBuilder, ImageConfig, IndexBuilder, Platform};
///
/// let mut index = IndexBuilder::new();
/// for architecture in ["amd64", "arm64"] {
///     let config = ImageConfig::builder(Platform::new("linux", architecture)).build()?;
///     index = index.with_image(&ImageBuilder::new().with_config(config).build()?);
/// }
/// let index = index.build()?;
/// let arm = Platform::new("linux", "arm64");
/// assert_eq!(arm.choose(index.root().manifests()).unwrap().platform(), Some(&arm));
/// # Ok::<(), wharf_content::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct IndexBuilder {
    entries: Vec<Descriptor>,
    manifests: Vec<Manifest>,
    blobs: Vec<(Descriptor, Bytes)>,
    common: Common,
}

impl IndexBuilder {
    /// Makes a builder of an index without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an image, with the platform that its config states, or another index.
    pub fn with_image(mut self, image: &BuiltImage) -> Self {
        for (descriptor, bytes) in image.blobs() {
            add_blob(&mut self.blobs, descriptor, bytes);
        }
        for manifest in image.manifests().iter().chain([image.root()]) {
            if !self.manifests.contains(manifest) {
                self.manifests.push(manifest.clone());
            }
        }
        let descriptor = image.root().descriptor().clone();
        self.with_manifest(match image.platform() {
            Some(platform) => descriptor.with_platform(platform.clone()),
            None => descriptor,
        })
    }

    /// Adds an image or index that the sink has already, with the platform and annotations of the
    /// descriptor.
    pub fn with_manifest(mut self, descriptor: Descriptor) -> Self {
        self.entries.push(descriptor);
        self
    }

    /// Adds or replaces an annotation of the index.
    pub fn with_annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.common.annotations.insert(key.into(), value.into());
        self
    }

    /// Sets the manifest that this index refers to.
    pub fn with_subject(mut self, subject: Descriptor) -> Self {
        self.common.subject = Some(subject);
        self
    }

    /// Makes this an artifact of this type.
    pub fn with_artifact_type(mut self, artifact_type: MediaType) -> Self {
        self.common.artifact_type = Some(artifact_type);
        self
    }

    /// Sets whether this is Docker's manifest list instead of OCI's index. The types of the images are
    /// those they were built with. Default: `false`.
    pub fn with_docker_types(mut self, docker: bool) -> Self {
        self.common.docker = docker;
        self
    }

    /// Builds the index. Its entries are in the order in which they were added.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if an entry is no manifest, if two have the same
    /// digest and platform, if one has no platform in Docker's list, if the subject is no manifest, for an
    /// annotation without a key, and for what Docker's type cannot state;
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) if the index is larger than registries must
    /// accept.
    pub fn build(self) -> Result<BuiltImage, Error> {
        self.common.check()?;
        self.check_entries()?;
        let index = self.common.manifest(Members::Index {
            manifests: &self.entries,
        })?;
        Ok(BuiltImage::new(index, self.manifests, self.blobs, None))
    }

    fn check_entries(&self) -> Result<(), Error> {
        for (number, entry) in self.entries.iter().enumerate() {
            let (media_type, digest) = (entry.media_type(), entry.digest());
            if !media_type.is_manifest() {
                let message = format!("entry {digest} is of type {media_type}, which is no manifest");
                return Err(invalid(message));
            }
            if self.common.docker && entry.platform().is_none() {
                let message = format!("entry {digest} has no platform, which Docker's manifest list needs");
                return Err(invalid(message));
            }
            let is_same =
                |other: &Descriptor| other.digest() == digest && other.platform() == entry.platform();
            if self.entries.iter().take(number).any(is_same) {
                let message = format!("entry {digest} is listed twice for the same platform");
                return Err(invalid(message));
            }
        }
        Ok(())
    }
}
