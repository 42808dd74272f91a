use std::{borrow::Cow, fmt};

use crate::{Error, ErrorKind};

/// The longest media type that is parsed, in bytes.
const MAX_LENGTH: usize = 255;

/// A media type: `type/subtype` without parameters (RFC 6838), at most 255 bytes, if it was made by
/// [`MediaType::parse`].
///
/// Documents state other texts too (`sbom`, or nothing), which must be copied: [`MediaType::from_document`]
/// and serde accept any text and do not change it. `Display` escapes control characters and ends after 255
/// characters; [`MediaType::as_str`] is the exact text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Cow<'static, str>);

macro_rules! media_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl MediaType {
            $($(#[$doc])* pub const $name: Self = Self(Cow::Borrowed($text));)*
        }
    };
}

media_types! {
    /// OCI image manifest.
    OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image index.
    OCI_INDEX = "application/vnd.oci.image.index.v1+json";
    /// OCI image config.
    OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
    /// OCI layer, tar compressed with gzip.
    OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// OCI layer, plain tar.
    OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
    /// OCI layer, tar compressed with zstd.
    OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// The empty JSON object `{}`.
    OCI_EMPTY = "application/vnd.oci.empty.v1+json";
    /// Docker image manifest, version 2, schema 2.
    DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker manifest list.
    DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker image config.
    DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
    /// Artifact manifest of the release candidates of image-spec 1.1: a list of `blobs` without a config.
    /// It was withdrawn before the release, but artifacts of this type exist.
    OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json";
    /// Docker layer, tar compressed with gzip.
    DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// Docker layer, plain tar.
    DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";
    /// Any bytes.
    OCTET_STREAM = "application/octet-stream";
}

impl MediaType {
    /// Parses `type/subtype`; parameters after `;` are dropped. The manifest types are recognised in any
    /// case, as media types are compared without regard to it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(known) = Self::manifest_type(text) {
            return Ok(known);
        }
        let bare = without_parameters(text);
        let valid_part = |part: &str| {
            part.bytes()
                .next()
                .is_some_and(|first| first.is_ascii_alphanumeric())
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
        };
        match bare.split_once('/') {
            Some((main, sub)) if bare.len() <= MAX_LENGTH && valid_part(main) && valid_part(sub) => {
                Ok(Self(Cow::Owned(bare.to_owned())))
            }
            _ => Err(Error::new(
                ErrorKind::Invalid,
                format!("invalid media type {:?}", crate::bounded(text)),
            )),
        }
    }

    /// Takes the text that a document states. Manifest types are recognised as in [`MediaType::parse`], any
    /// other text is not changed. An empty text is a type that is not set.
    #[must_use]
    pub fn from_document(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::manifest_type(&text).unwrap_or(Self(Cow::Owned(text)))
    }

    fn manifest_type(text: &str) -> Option<Self> {
        let bare = without_parameters(text);
        let mut known = MANIFEST_TYPES.iter();
        known.find(|known| known.0.eq_ignore_ascii_case(bare)).cloned()
    }

    pub(crate) const fn unset() -> Self {
        Self(Cow::Borrowed(""))
    }

    pub(crate) fn is_unset(&self) -> bool {
        self.0.is_empty()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if content of this type is pushed and pulled as a manifest: an image manifest or an index,
    /// OCI's or Docker's, or OCI's artifact manifest.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        self.is_image() || self.is_index()
    }

    /// True for a layer that should not be uploaded, but downloaded from the URLs of its descriptor
    /// (image-spec, *Non-Distributable Layers*; Docker's foreign layers).
    #[must_use]
    pub fn is_nondistributable(&self) -> bool {
        self.0
            .starts_with("application/vnd.oci.image.layer.nondistributable.")
            || self.0.starts_with("application/vnd.docker.image.rootfs.foreign.")
    }

    /// True for a manifest that lists blobs: an image manifest, or OCI's artifact manifest.
    #[must_use]
    pub fn is_image(&self) -> bool {
        [Self::OCI_MANIFEST, Self::DOCKER_MANIFEST, Self::OCI_ARTIFACT].contains(self)
    }

    /// True for an index or Docker's manifest list.
    #[must_use]
    pub fn is_index(&self) -> bool {
        [Self::OCI_INDEX, Self::DOCKER_INDEX].contains(self)
    }
}

const MANIFEST_TYPES: [MediaType; 5] = [
    MediaType::OCI_MANIFEST,
    MediaType::OCI_INDEX,
    MediaType::DOCKER_MANIFEST,
    MediaType::DOCKER_INDEX,
    MediaType::OCI_ARTIFACT,
];

fn without_parameters(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

impl AsRef<str> for MediaType {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.as_str();
        if text.len() <= MAX_LENGTH && !text.contains(char::is_control) {
            return f.pad(text);
        }
        let start = text
            .char_indices()
            .nth(MAX_LENGTH)
            .map_or(text, |(end, _)| text.get(..end).unwrap_or(text));
        f.pad(&start.escape_debug().to_string())
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl serde::Serialize for MediaType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for MediaType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from_document)
    }
}
