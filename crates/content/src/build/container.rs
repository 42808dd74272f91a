//! Container images whose config is made with them.

use bytes::Bytes;
use wharf_reference::Digest;

use super::{ImageBuilder, invalid};
use crate::{Descriptor, Error, ImageConfig, ImageConfigBuilder, MediaType, Platform};

impl ImageBuilder {
    /// Makes a builder of a container image for this platform, whose config is built with it: the config lists
    /// the layers that are added, and states what the setters of its members set.
    ///
    /// ```
    /// use wharf_content::{ImageBuilder, Platform};
    ///
    /// let image = ImageBuilder::for_platform(Platform::new("linux", "amd64"))
    ///     .with_tar(b"a tar of files".as_slice())
    ///     .with_entrypoint(["/bin/app"])
    ///     .with_env("LANG", "C.UTF-8")
    ///     .build()?;
    /// assert_eq!(image.root().layers().len(), 1);
    /// # Ok::<(), wharf_content::Error>(())
    /// ```
    pub fn for_platform(platform: Platform) -> Self {
        let mut builder = Self::new();
        builder.members = Some(ImageConfig::builder(platform));
        builder
    }

    /// Adds a layer of the files in this tar, which is not compressed, on top of those added before. Its type is
    /// [`MediaType::OCI_LAYER`]. The bytes are not checked to be a tar.
    pub fn with_tar(self, tar: impl Into<Bytes>) -> Self {
        self.with_layer_bytes(MediaType::OCI_LAYER, tar)
    }

    /// Adds a layer of the files in this tar, which gzip has compressed, on top of those added before; `diff_id`
    /// is the digest of the tar before it was compressed. Its type is [`MediaType::OCI_LAYER_GZIP`].
    pub fn with_tar_gzip(mut self, compressed: impl Into<Bytes>, diff_id: &Digest) -> Self {
        let compressed = compressed.into();
        let layer = Descriptor::of(MediaType::OCI_LAYER_GZIP, &compressed);
        self.diff_ids.insert(layer.digest().clone(), diff_id.clone());
        self.with_layer_bytes(MediaType::OCI_LAYER_GZIP, compressed)
    }

    /// Sets the command line to which the arguments are appended, as all members of the config: of an image for
    /// the host's platform, unless it is [for another](Self::for_platform).
    pub fn with_entrypoint(self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with_member(|config| config.with_entrypoint(arguments))
    }

    /// Sets the arguments of the entrypoint, or the whole command line where there is none.
    pub fn with_cmd(self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with_member(|config| config.with_cmd(arguments))
    }

    /// Sets an environment variable. A variable of the same name is replaced at its position.
    pub fn with_env(self, name: &str, value: &str) -> Self {
        self.with_member(|config| config.with_env(name, value))
    }

    /// Sets the user that the process runs as, and after a colon the group: names or numbers.
    pub fn with_user(self, user: impl Into<String>) -> Self {
        self.with_member(|config| config.with_user(user))
    }

    /// Sets the directory in which the process starts.
    pub fn with_working_dir(self, path: impl Into<String>) -> Self {
        self.with_member(|config| config.with_working_dir(path))
    }

    /// Adds or replaces a label of the config; an annotation of the manifest is
    /// [another thing](Self::with_annotation).
    pub fn with_label(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.with_member(|config| config.with_label(key, value))
    }

    /// Adds a port that the process listens on: `8080`, `8080/tcp` or `53/udp`.
    pub fn with_exposed_port(self, port: impl Into<String>) -> Self {
        self.with_member(|config| config.with_exposed_port(port))
    }

    fn with_member(mut self, set: impl FnOnce(ImageConfigBuilder) -> ImageConfigBuilder) -> Self {
        let members = self.members.take();
        let members = members.unwrap_or_else(|| ImageConfig::builder(Platform::host()));
        self.members = Some(set(members));
        self
    }

    /// Builds the config from its members; `None` if none is set.
    pub(super) fn config_of_members(&mut self) -> Result<Option<ImageConfig>, Error> {
        let Some(mut members) = self.members.take() else {
            return Ok(None);
        };
        if self.config.is_some() {
            return Err(invalid(
                "the image has a config, and members of another are set; set them in the config",
            ));
        }
        for (number, layer) in self.layers.iter().enumerate() {
            let diff_id = if is_tar(layer) {
                Some(layer.digest())
            } else {
                self.diff_ids.get(layer.digest())
            };
            members = members.with_diff_id(diff_id.ok_or_else(|| {
                let (number, media_type) = (number + 1, layer.media_type());
                invalid(format!(
                    "layer {number} is of type {media_type}, and the digest of its tar, which the config lists \
                     (diff_ids), is not stated"
                ))
            })?);
        }
        members.build().map(Some)
    }
}

/// True if a layer is a tar that is not compressed, so that its digest is that of the tar.
pub(super) fn is_tar(layer: &Descriptor) -> bool {
    [MediaType::OCI_LAYER, MediaType::DOCKER_LAYER].contains(layer.media_type())
}
