mod body;

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
#[cfg(feature = "oci-spec")]
use oci_spec::image::{ImageIndex, ImageManifest};
#[cfg(feature = "oci-spec")]
use serde::Deserialize;
use wharf_reference::{Algorithm, Digest};

use self::body::Body;
use crate::{Descriptor, Error, ErrorKind, Hasher, MediaType, Verified, strict_json};

/// The largest manifest that is read by default, in bytes: what registries must accept at least
/// (distribution-spec, *Pushing Manifests*).
pub const MAX_MANIFEST_SIZE: u64 = 4 * 1024 * 1024;

/// A manifest or an index: the exact bytes, and views of their members.
///
/// The bytes are never changed, so the digest is not either. A document that two readers could understand
/// differently is refused: one that is an image and an index, one with a type other than its
/// `Content-Type`, one with duplicate keys. Members on which a copy does not depend are not checked: types
/// of configs and layers may be any text, members may be null, unknown members are ignored.
#[derive(Clone)]
pub struct Manifest {
    bytes: Bytes,
    descriptor: Descriptor,
    body: Arc<Body>,
}

impl Manifest {
    /// Parses a manifest. `declared` is its `Content-Type`, or the type of its descriptor, if there is one.
    /// Its digest is computed with sha256.
    ///
    /// If `declared` is missing or generic (anything but `application/vnd.…`, such as `application/json`,
    /// `text/plain` or `binary/octet-stream`), the type is that of the document.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is no manifest, [`ErrorKind::Ambiguous`] if it can be read in two ways,
    /// [`ErrorKind::Unsupported`] for Docker's schema 1, [`ErrorKind::TooLarge`] with more than 100,000
    /// keys, because these need far more memory than their bytes.
    pub fn parse(bytes: Bytes, declared: Option<&MediaType>) -> Result<Self, Error> {
        let digest = Hasher::digest(Algorithm::Sha256, &bytes)?;
        Self::with_known_digest(bytes, declared, digest)
    }

    /// Parses a manifest that must have this digest. It is hashed with the digest's algorithm, so that a
    /// sha512 digest is never satisfied by a sha256 match.
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
        let (body, media_type) = Body::read(&bytes, declared)?;
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

    /// Checks that this manifest has the type, digest and size of a descriptor that lists it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if it does not.
    pub fn described_as(self, descriptor: &Descriptor) -> Result<Self, Error> {
        let actual = self.descriptor();
        if actual.digest() == descriptor.digest()
            && actual.size() == descriptor.size()
            && actual.media_type() == descriptor.media_type()
        {
            return Ok(self);
        }
        let message = format!(
            "{} is described as {} of {} bytes, but it is {} of {} bytes",
            descriptor.digest(),
            descriptor.media_type(),
            descriptor.size(),
            actual.media_type(),
            actual.size(),
        );
        Err(Error::new(ErrorKind::Mismatch, message))
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

    /// The proof that the bytes have the digest: they were hashed when they were parsed.
    #[must_use]
    pub fn verified(&self) -> Verified {
        Verified::known(self.digest().clone(), self.bytes.len() as u64)
    }

    /// The type: of an image manifest or an index, OCI's or Docker's, or of OCI's artifact manifest.
    #[must_use]
    pub const fn media_type(&self) -> &MediaType {
        self.descriptor.media_type()
    }

    /// True for an index or Docker's manifest list.
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
        self.body.manifests.as_slice()
    }

    /// The blobs that this manifest lists: config and layers, or the blobs of an artifact manifest.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let image = self.config().into_iter().chain(self.layers());
        image.chain(&self.body.blobs)
    }

    /// The blob of this digest, if this manifest [lists it](Self::blobs).
    #[must_use]
    pub fn blob_of(&self, digest: &Digest) -> Option<&Descriptor> {
        self.blobs().find(|blob| blob.digest() == digest)
    }

    /// The subject, if this manifest is a referrer.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        self.body.subject.as_ref()
    }

    /// The artifact type, if the manifest states one.
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
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if this is an index or oci-spec is stricter than this crate.
    pub fn to_image(&self) -> Result<ImageManifest, Error> {
        self.view()
    }

    /// The whole document in oci-spec's type, for an index.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if this is an image or oci-spec is stricter than this crate.
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
