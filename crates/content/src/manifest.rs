use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
#[cfg(feature = "oci-spec")]
use oci_spec::image::{ImageIndex, ImageManifest};
use serde::Deserialize;
use wharf_reference::{Algorithm, Digest};

use crate::{Descriptor, Error, ErrorKind, Hasher, MediaType, strict_json};

/// The largest manifest that is read by default, in bytes: what registries must accept at least
/// (distribution-spec, *Pushing Manifests*).
pub const MAX_MANIFEST_SIZE: u64 = 4 * 1024 * 1024;

/// A manifest or an index: the exact bytes, and what they say.
///
/// The bytes are kept as they came and written as they came, so the digest never changes. A document that two
/// readers could understand differently is refused: as an image and as an index, with a type that its
/// `Content-Type` contradicts, with duplicate keys.
#[derive(Clone)]
pub struct Manifest {
    bytes: Bytes,
    descriptor: Descriptor,
    body: Arc<Body>,
}

impl Manifest {
    /// Reads a manifest, with the type it was declared to have if there is one; its digest is sha256.
    ///
    /// A missing or generic declaration (`application/json`, `application/octet-stream`, `text/plain`) is
    /// settled by what the document says.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is no manifest, [`ErrorKind::Ambiguous`] if it can be read in two ways,
    /// [`ErrorKind::Unsupported`] for Docker's schema 1, [`ErrorKind::TooLarge`] with more than 100,000 keys,
    /// which would cost far more memory than their bytes.
    pub fn parse(bytes: Bytes, declared: Option<&MediaType>) -> Result<Self, Error> {
        let digest = Hasher::digest(Algorithm::Sha256, &bytes)?;
        Self::with_known_digest(bytes, declared, digest)
    }

    /// Reads a manifest that must have this digest; with the same algorithm, so that a sha512 pin is never
    /// satisfied by a sha256 match.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if the digest differs, and as [`Manifest::parse`].
    pub fn parse_pinned(
        bytes: Bytes,
        declared: Option<&MediaType>,
        expected: &Digest,
    ) -> Result<Self, Error> {
        let digest = Hasher::digest(expected.algorithm(), &bytes)?;
        if digest != *expected {
            let message = format!("the manifest has the digest {digest} instead of {expected}");
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        Self::with_known_digest(bytes, declared, digest)
    }

    fn with_known_digest(bytes: Bytes, declared: Option<&MediaType>, digest: Digest) -> Result<Self, Error> {
        strict_json::check(&bytes)?;
        let body: Body = serde_json::from_slice(&bytes).map_err(|error| {
            let why = crate::why_unreadable(&error);
            Error::new(
                ErrorKind::Invalid,
                format!("not an image manifest or index: {why}"),
            )
        })?;
        let media_type = body.settle_type(declared)?;
        let mut descriptor = Descriptor::new(media_type, digest, bytes.len() as u64)?;
        if let Some(artifact_type) = &body.artifact_type {
            descriptor = descriptor.with_artifact_type(artifact_type.clone());
        }
        Ok(Self {
            bytes,
            descriptor,
            body: Arc::new(body),
        })
    }

    /// The exact bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The digest of the bytes.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        self.descriptor.digest()
    }

    /// The type: of an image manifest or an index, OCI's or Docker's.
    #[must_use]
    pub const fn media_type(&self) -> &MediaType {
        self.descriptor.media_type()
    }

    /// Whether this is a list of manifests.
    #[must_use]
    pub fn is_index(&self) -> bool {
        self.media_type().is_index()
    }

    /// The descriptor of the manifest itself: type, digest, size, artifact type.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The config, for an image.
    #[must_use]
    pub fn config(&self) -> Option<&Descriptor> {
        self.body.config.as_ref()
    }

    /// The layers of an image, lowest first; empty for an index.
    #[must_use]
    pub fn layers(&self) -> &[Descriptor] {
        self.body.layers.as_deref().unwrap_or_default()
    }

    /// The manifests of an index; empty for an image.
    #[must_use]
    pub fn manifests(&self) -> &[Descriptor] {
        self.body.manifests.as_deref().unwrap_or_default()
    }

    /// The blobs this manifest needs: config and layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config().into_iter().chain(self.layers())
    }

    /// What this manifest refers to, if it is a referrer.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        self.body.subject.as_ref()
    }

    /// The artifact type the manifest states.
    #[must_use]
    pub fn artifact_type(&self) -> Option<&MediaType> {
        self.body.artifact_type.as_ref()
    }

    /// The annotations.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.body.annotations
    }
}

#[cfg(feature = "oci-spec")]
impl Manifest {
    /// The whole document in oci-spec's type, for an image.
    ///
    /// Fails with [`ErrorKind::Invalid`] if this is an index or oci-spec is stricter than this crate.
    pub fn to_image(&self) -> Result<ImageManifest, Error> {
        self.view()
    }

    /// The whole document in oci-spec's type, for an index.
    ///
    /// Fails with [`ErrorKind::Invalid`] if this is an image or oci-spec is stricter than this crate.
    pub fn to_index(&self) -> Result<ImageIndex, Error> {
        self.view()
    }

    fn view<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| Error::new(ErrorKind::Invalid, crate::why_unreadable(&error)))
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("media_type", self.media_type())
            .field("digest", self.digest())
            .field("size", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.media_type() == other.media_type() && self.bytes == other.bytes
    }
}

impl Eq for Manifest {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema_version: u64,
    media_type: Option<MediaType>,
    artifact_type: Option<MediaType>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "null_is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    fs_layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    history: Option<serde::de::IgnoredAny>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Body {
    fn settle_type(&self, declared: Option<&MediaType>) -> Result<MediaType, Error> {
        let invalid = |message: &str| Err(Error::new(ErrorKind::Invalid, message));
        let ambiguous = |message: String| Err(Error::new(ErrorKind::Ambiguous, message));
        if self.schema_version == 1 {
            let message =
                "Docker's image manifest schema 1 is not supported; push the image again with a current tool";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if self.schema_version != 2 {
            return invalid("not an image manifest or index: schemaVersion is not 2");
        }
        let declared = declared.filter(|media_type| !is_generic(media_type));
        let media_type = match (declared, &self.media_type) {
            (Some(declared), Some(own)) if declared != own => {
                return ambiguous(format!(
                    "the manifest says it is {own}, but was served as {declared}"
                ));
            }
            (Some(media_type), _) | (None, Some(media_type)) => media_type.clone(),
            (None, None) => self.sniff(),
        };
        if !media_type.is_manifest() {
            let message = format!("{media_type} is not a manifest type that is supported");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if self.fs_layers.is_some() || self.history.is_some() {
            return ambiguous(format!(
                "the document is {media_type} and a schema 1 manifest at once"
            ));
        }
        let foreign = if media_type.is_index() {
            self.config.is_some() || self.layers.is_some()
        } else {
            self.manifests.is_some()
        };
        if foreign {
            return ambiguous("the document is an image manifest and an index at once".to_owned());
        }
        match (media_type.is_index(), &self.manifests, &self.config, &self.layers) {
            (true, None, _, _) => invalid("an index without manifests"),
            (false, _, None, _) => invalid("an image manifest without config"),
            (false, _, _, None) => invalid("an image manifest without layers"),
            _ => Ok(media_type),
        }
    }

    fn sniff(&self) -> MediaType {
        let docker = |descriptor: &Descriptor| *descriptor.media_type() == MediaType::DOCKER_CONFIG;
        if self.manifests.is_some() && self.config.is_none() {
            MediaType::OCI_INDEX
        } else if self.config.as_ref().is_some_and(docker) {
            MediaType::DOCKER_MANIFEST
        } else {
            MediaType::OCI_MANIFEST
        }
    }
}

fn is_generic(media_type: &MediaType) -> bool {
    matches!(
        media_type.as_str(),
        "application/json" | "application/octet-stream" | "text/plain"
    )
}
