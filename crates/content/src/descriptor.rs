use std::collections::BTreeMap;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use wharf_reference::Digest;

use crate::{Error, ErrorKind, Hasher, MediaType, Platform, unset};

/// The description of a blob or manifest: type, digest and size, and what an index or manifest states about
/// it (image-spec, *Content Descriptors*). Valid by construction: the size fits in an `i64`, embedded
/// `data` has the digest and size. Everything else is as the document states it; as for Go, null, an empty
/// text and an absent member are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Descriptor {
    media_type: MediaType,
    digest: Digest,
    size: u64,
    annotations: BTreeMap<String, String>,
    platform: Option<Platform>,
    urls: Vec<String>,
    artifact_type: Option<MediaType>,
    data: Option<String>,
}

impl Descriptor {
    /// Describes bytes by their sha256 digest and their number.
    ///
    /// ```
    /// use wharf_content::{Descriptor, MediaType};
    ///
    /// let empty = Descriptor::of(MediaType::OCI_EMPTY, b"{}");
    /// assert_eq!(empty.size(), 2);
    /// assert!(empty.digest().as_str().starts_with("sha256:44136fa3"));
    /// ```
    #[must_use]
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::plain(media_type, Hasher::sha256(bytes), bytes.len() as u64)
    }

    /// Describes bytes as [`Descriptor::of`] does, and embeds them.
    pub(crate) fn embedding(media_type: MediaType, bytes: &[u8]) -> Self {
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        Self {
            data: Some(data),
            ..Self::of(media_type, bytes)
        }
    }

    /// Makes a descriptor of content of this type, digest and size in bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a size beyond `i64::MAX`.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Result<Self, Error> {
        if i64::try_from(size).is_err() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("invalid size {size} in a descriptor"),
            ));
        }
        Ok(Self::plain(media_type, digest, size))
    }

    const fn plain(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            annotations: BTreeMap::new(),
            platform: None,
            urls: Vec::new(),
            artifact_type: None,
            data: None,
        }
    }

    /// Sets the platform.
    #[must_use]
    pub fn with_platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Replaces all annotations.
    #[must_use]
    pub fn with_annotations(mut self, annotations: BTreeMap<String, String>) -> Self {
        self.annotations = annotations;
        self
    }

    /// Adds or replaces one annotation.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Sets the artifact type.
    #[must_use]
    pub fn with_artifact_type(mut self, artifact_type: MediaType) -> Self {
        self.artifact_type = Some(artifact_type);
        self
    }

    /// This descriptor for content that is listed as a config, layer or other blob. The position in the
    /// document decides that it is a blob, so a manifest's media type becomes [`MediaType::OCTET_STREAM`].
    #[must_use]
    pub fn as_blob(&self) -> Self {
        let mut descriptor = self.clone();
        if descriptor.media_type.is_manifest() {
            descriptor.media_type = MediaType::OCTET_STREAM;
        }
        descriptor
    }

    /// Sets the media type of an entry of an index that states none: an image manifest of the same kind as
    /// the index, OCI's or Docker's.
    pub(crate) fn set_manifest_type(&mut self, index: &MediaType) {
        if self.media_type.is_unset() {
            self.media_type = if *index == MediaType::DOCKER_INDEX {
                MediaType::DOCKER_MANIFEST
            } else {
                MediaType::OCI_MANIFEST
            };
        }
    }

    /// The type of the content.
    #[must_use]
    pub const fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// The digest of the content.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The size of the content in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The annotations.
    #[must_use]
    pub const fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// The platform, for a manifest in an index.
    #[must_use]
    pub const fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// URLs from which the content may be downloaded. They are not trusted and not used by default.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// True for a layer that may not be distributed and whose URLs say where to get it (image-spec,
    /// *Non-Distributable Layers*; Docker's foreign layers). Registries and stores need not have it.
    #[must_use]
    pub fn is_nondistributable(&self) -> bool {
        self.media_type.is_nondistributable() && !self.urls.is_empty()
    }

    /// The artifact type.
    #[must_use]
    pub const fn artifact_type(&self) -> Option<&MediaType> {
        self.artifact_type.as_ref()
    }

    /// The content, if the descriptor embeds it. It was checked against digest and size.
    #[must_use]
    pub fn data(&self) -> Option<Vec<u8>> {
        self.data.as_deref().and_then(decode)
    }
}

/// Decodes base64 as Go does: line breaks are skipped.
fn decode(data: &str) -> Option<Vec<u8>> {
    let data: Vec<u8> = data
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    base64::engine::general_purpose::STANDARD.decode(data).ok()
}

/// The JSON form of a descriptor.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default = "MediaType::unset", deserialize_with = "unset::media_type")]
    media_type: MediaType,
    digest: Digest,
    size: u64,
    #[serde(
        default,
        deserialize_with = "unset::list",
        skip_serializing_if = "Vec::is_empty"
    )]
    urls: Vec<String>,
    #[serde(
        default,
        deserialize_with = "unset::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    annotations: BTreeMap<String, String>,
    #[serde(
        default,
        deserialize_with = "unset::text",
        skip_serializing_if = "Option::is_none"
    )]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(
        default,
        deserialize_with = "unset::optional_media_type",
        skip_serializing_if = "Option::is_none"
    )]
    artifact_type: Option<MediaType>,
}

impl TryFrom<Raw> for Descriptor {
    type Error = Error;

    fn try_from(raw: Raw) -> Result<Self, Error> {
        let mut descriptor = Self::new(raw.media_type, raw.digest, raw.size)?;
        if let Some(data) = &raw.data {
            let embedded = decode(data)
                .ok_or_else(|| Error::new(ErrorKind::Invalid, "a descriptor's data is not base64"))?;
            let digest = Hasher::digest(descriptor.digest.algorithm(), &embedded)?;
            if embedded.len() as u64 != descriptor.size || digest != descriptor.digest {
                return Err(Error::new(
                    ErrorKind::Mismatch,
                    "a descriptor's data does not have its digest and size",
                ));
            }
        }
        descriptor.urls = raw.urls;
        descriptor.annotations = raw.annotations;
        descriptor.data = raw.data;
        descriptor.platform = raw.platform.filter(|platform| !platform.is_unset());
        descriptor.artifact_type = raw.artifact_type;
        Ok(descriptor)
    }
}

impl From<Descriptor> for Raw {
    fn from(descriptor: Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type,
            digest: descriptor.digest,
            size: descriptor.size,
            urls: descriptor.urls,
            annotations: descriptor.annotations,
            data: descriptor.data,
            platform: descriptor.platform,
            artifact_type: descriptor.artifact_type,
        }
    }
}
