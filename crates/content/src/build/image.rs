use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_reference::Digest;

use super::{
    BuiltImage, add_blob,
    container::is_tar,
    document::{Common, Members},
    invalid,
};
use crate::{Descriptor, Error, ImageConfig, ImageConfigBuilder, MediaType};

/// A builder of an image or artifact, with OCI's media types or, on request, Docker's.
///
/// ```
/// use wharf_content::{ImageBuilder, Platform};
///
/// let image = ImageBuilder::for_platform(Platform::new("linux", "amd64"))
///     .with_tar(b"a tar of files".as_slice())
///     .with_cmd(["/bin/app"])
///     .with_annotation("org.opencontainers.image.version", "1.0")
///     .build()?;
/// assert_eq!(image.blobs().count(), 2);
/// # Ok::<(), wharf_content::Error>(())
/// ```
///
/// A config that was read or built before is given as a whole ([`ImageBuilder::with_config`]).
///
/// An artifact states a type of its own, and needs no config (image-spec, *Guidelines for Artifact Usage*).
/// A subject makes it a referrer of another manifest:
///
/// ```
/// use wharf_content::{ImageBuilder, MediaType};
///
/// # fn example(image: &wharf_content::Manifest) -> Result<(), wharf_content::Error> {
/// let sbom = ImageBuilder::new()
///     .with_artifact_type(MediaType::parse("application/spdx+json")?)
///     .with_layer_bytes(MediaType::parse("application/spdx+json")?, r#"{"spdxVersion":"SPDX-2.3"}"#)
///     .with_subject(image.descriptor().clone())
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct ImageBuilder {
    pub(super) config: Option<Config>,
    /// A config that is built with the image, from its members.
    pub(super) members: Option<ImageConfigBuilder>,
    pub(super) layers: Vec<Descriptor>,
    /// The digests of the tars of compressed layers, by the digest of the layer.
    pub(super) diff_ids: BTreeMap<Digest, Digest>,
    blobs: Vec<(Descriptor, Bytes)>,
    common: Common,
}

#[derive(Debug, Clone)]
pub(super) enum Config {
    Image(ImageConfig),
    Other(MediaType, Bytes),
}

impl ImageBuilder {
    /// Makes a builder of an image without layers. Members of the config that are set without
    /// [`for_platform`](Self::for_platform) make it an image for the host's platform.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the config of a container image.
    pub fn with_config(mut self, config: ImageConfig) -> Self {
        self.config = Some(Config::Image(config));
        self
    }

    /// Sets a config of another type, as some artifacts have.
    pub fn with_config_bytes(mut self, media_type: MediaType, bytes: impl Into<Bytes>) -> Self {
        self.config = Some(Config::Other(media_type, bytes.into()));
        self
    }

    /// Adds a layer of these bytes on top of those added before.
    pub fn with_layer_bytes(mut self, media_type: MediaType, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let descriptor = Descriptor::of(media_type, &bytes);
        add_blob(&mut self.blobs, &descriptor, &bytes);
        self.with_layer(descriptor)
    }

    /// Adds a layer that the sink has already, by the descriptor that
    /// [`SinkExt::push_bytes`](crate::SinkExt::push_bytes) or [`Sink::ingest`](crate::Sink::ingest)
    /// returned, on top of those added before.
    pub fn with_layer(mut self, layer: Descriptor) -> Self {
        self.layers.push(layer);
        self
    }

    /// Adds or replaces an annotation of the manifest.
    pub fn with_annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.common.annotations.insert(key.into(), value.into());
        self
    }

    /// Sets the manifest that this one refers to.
    pub fn with_subject(mut self, subject: Descriptor) -> Self {
        self.common.subject = Some(subject);
        self
    }

    /// Makes this an artifact of this type.
    pub fn with_artifact_type(mut self, artifact_type: MediaType) -> Self {
        self.common.artifact_type = Some(artifact_type);
        self
    }

    /// Sets whether the manifest has Docker's types (*Image Manifest Version 2, Schema 2*) instead of
    /// OCI's. The types of the layers are not changed. Default: `false`.
    pub fn with_docker_types(mut self, docker: bool) -> Self {
        self.common.docker = docker;
        self
    }

    /// Builds the image.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if there is neither a config nor an artifact type, or a
    /// config and members of another, for members that [`ImageConfigBuilder::build`] refuses, if the config lists other layers than there are, if a layer has no type or a manifest's, if the
    /// subject is no manifest, for an annotation without a key, and for what Docker's types cannot state;
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) if the manifest is larger than registries must
    /// accept.
    pub fn build(mut self) -> Result<BuiltImage, Error> {
        self.common.check()?;
        self.check_layers()?;
        if let Some(config) = self.config_of_members()? {
            self.config = Some(Config::Image(config));
        }
        let (config, bytes) = self.config_blob()?;
        let mut blobs = vec![(config.clone(), bytes)];
        let is_artifact = self.common.artifact_type.is_some();
        if is_artifact && self.layers.is_empty() {
            // An artifact without content has the empty object instead.
            let empty = Bytes::from_static(EMPTY);
            let descriptor = Descriptor::embedding(MediaType::OCI_EMPTY, EMPTY);
            add_blob(&mut blobs, &descriptor, &empty);
            self.layers.push(descriptor);
        }
        for (descriptor, bytes) in &self.blobs {
            add_blob(&mut blobs, descriptor, bytes);
        }
        let manifest = self.common.manifest(Members::Image {
            config: &config,
            layers: &self.layers,
        })?;
        let platform = match &self.config {
            Some(Config::Image(config)) => config.platform().cloned(),
            Some(Config::Other(..)) | None => None,
        };
        Ok(BuiltImage::new(manifest, Vec::new(), blobs, platform))
    }

    fn config_blob(&self) -> Result<(Descriptor, Bytes), Error> {
        let empty = || Bytes::from_static(EMPTY);
        let is_artifact = self.common.artifact_type.is_some();
        match &self.config {
            Some(Config::Image(config)) => {
                self.check_diff_ids(config)?;
                let media_type = if self.common.docker {
                    MediaType::DOCKER_CONFIG
                } else {
                    MediaType::OCI_CONFIG
                };
                let bytes = config.bytes().clone();
                Ok((Descriptor::of(media_type, &bytes), bytes))
            }
            Some(Config::Other(media_type, _)) if media_type.is_unset() => {
                Err(invalid("the config has no type"))
            }
            Some(Config::Other(media_type, bytes)) if is_artifact || *media_type != MediaType::OCI_EMPTY => {
                Ok((Descriptor::of(media_type.clone(), bytes), bytes.clone()))
            }
            None if is_artifact => Ok((Descriptor::embedding(MediaType::OCI_EMPTY, EMPTY), empty())),
            Some(Config::Other(..)) | None => Err(invalid("an image needs a config, or an artifact type")),
        }
    }

    fn check_layers(&self) -> Result<(), Error> {
        for (number, layer) in self.layers.iter().enumerate() {
            let (media_type, number) = (layer.media_type(), number + 1);
            if media_type.is_unset() {
                return Err(invalid(format!("layer {number} has no type")));
            }
            if media_type.is_manifest() {
                let message = format!("layer {number} is of type {media_type}, which is a manifest's");
                return Err(invalid(message));
            }
            if self.common.docker && media_type.as_str().starts_with("application/vnd.oci.") {
                let message = format!("layer {number} is of OCI's type {media_type} in a Docker manifest");
                return Err(invalid(message));
            }
        }
        Ok(())
    }

    /// Checks the layers against the config, which lists each layer by the digest of its tar; that is the
    /// layer's own digest if it is not compressed.
    fn check_diff_ids(&self, config: &ImageConfig) -> Result<(), Error> {
        let diff_ids = config.diff_ids()?;
        let (listed, layers) = (diff_ids.len(), self.layers.len());
        if listed != layers {
            let message = format!("the config lists {listed} layers (diff_ids), but the image has {layers}");
            return Err(invalid(message));
        }
        let is_plain = |layer: &Descriptor, diff_id: &Digest| {
            is_tar(layer) && layer.digest().algorithm() == diff_id.algorithm()
        };
        for (number, (layer, diff_id)) in self.layers.iter().zip(&diff_ids).enumerate() {
            if is_plain(layer, diff_id) && layer.digest() != diff_id {
                let (number, digest) = (number + 1, layer.digest());
                let message = format!(
                    "layer {number} is {digest}, not compressed, but the config lists {diff_id} for it"
                );
                return Err(invalid(message));
            }
        }
        Ok(())
    }
}

/// The content of a config or layer that holds no data. Its descriptor embeds it (image-spec, *Guidance for an Empty
/// Descriptor*).
const EMPTY: &[u8] = b"{}";
