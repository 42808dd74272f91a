use std::collections::BTreeMap;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use wharf_reference::Digest;

use crate::{Error, ErrorKind, Hasher, MediaType, Platform};

/// The most content a descriptor may embed in `data`, in bytes.
const MAX_EMBEDDED: usize = 64 * 1024;

/// What a piece of content is: its type, digest and size, and what an index or manifest says of it
/// (image-spec, *Content Descriptors*). Valid by construction: the size fits in an `i64`, embedded `data` has
/// the digest and size.
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
    /// A descriptor of content of this type, digest and size in bytes.
    ///
    /// Fails with [`ErrorKind::Invalid`] for a size beyond `i64::MAX`.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Result<Self, Error> {
        if i64::try_from(size).is_err() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("invalid size {size} in a descriptor"),
            ));
        }
        Ok(Self {
            media_type,
            digest,
            size,
            annotations: BTreeMap::new(),
            platform: None,
            urls: Vec::new(),
            artifact_type: None,
            data: None,
        })
    }

    /// The same with a platform.
    #[must_use]
    pub fn with_platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// The same with these annotations.
    #[must_use]
    pub fn with_annotations(mut self, annotations: BTreeMap<String, String>) -> Self {
        self.annotations = annotations;
        self
    }

    /// The same with one annotation added or replaced.
    #[must_use]
    pub fn with_annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// The same with an artifact type.
    #[must_use]
    pub fn with_artifact_type(mut self, artifact_type: MediaType) -> Self {
        self.artifact_type = Some(artifact_type);
        self
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

    /// Other places the content may be had from; not trusted and not used by default.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Whether registries and stores do without this: a layer that may not be distributed, and says from where
    /// else it is to be had (image-spec, *Non-Distributable Layers*; Docker's foreign layers).
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.media_type.is_nondistributable() && !self.urls.is_empty()
    }

    /// The artifact type.
    #[must_use]
    pub const fn artifact_type(&self) -> Option<&MediaType> {
        self.artifact_type.as_ref()
    }

    /// The content itself, if the descriptor embeds it; it has been checked against digest and size.
    #[must_use]
    pub fn data(&self) -> Option<Vec<u8>> {
        self.data.as_deref().and_then(decode)
    }
}

fn decode(data: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(data).ok()
}

/// A descriptor as it stands in JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    media_type: MediaType,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    urls: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<MediaType>,
}

impl TryFrom<Raw> for Descriptor {
    type Error = Error;

    fn try_from(raw: Raw) -> Result<Self, Error> {
        let mut descriptor = Self::new(raw.media_type, raw.digest, raw.size)?;
        if let Some(data) = &raw.data {
            let embedded = (data.len() <= MAX_EMBEDDED.saturating_mul(2))
                .then(|| decode(data))
                .flatten();
            let embedded = embedded
                .filter(|bytes| bytes.len() <= MAX_EMBEDDED)
                .ok_or_else(|| {
                    Error::new(
                        ErrorKind::Invalid,
                        "a descriptor's data is not base64 or too long",
                    )
                })?;
            let digest = Hasher::digest(descriptor.digest.algorithm(), &embedded)?;
            if embedded.len() as u64 != descriptor.size || digest != descriptor.digest {
                return Err(Error::new(
                    ErrorKind::Mismatch,
                    "a descriptor's data does not have its digest and size",
                ));
            }
        }
        descriptor.urls = raw.urls.unwrap_or_default();
        descriptor.annotations = raw.annotations.unwrap_or_default();
        descriptor.data = raw.data;
        descriptor.platform = raw.platform;
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
            urls: (!descriptor.urls.is_empty()).then_some(descriptor.urls),
            annotations: (!descriptor.annotations.is_empty()).then_some(descriptor.annotations),
            data: descriptor.data,
            platform: descriptor.platform,
            artifact_type: descriptor.artifact_type,
        }
    }
}
