use wharf_content::{Manifest, MediaType};
use wharf_layer::Codec;

/// The family of media types of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// OCI's: image-spec, *Media Types*.
    Oci,
    /// Docker's: *Image Manifest Version 2, Schema 2*.
    Docker,
}

/// The compression of a layer, by its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::Gzip => Self::Gzip,
            Codec::Zstd => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// A kind of content that both formats have a media type for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Manifest,
    Index,
    Config,
    Layer(Compression),
    /// A layer that registries need not have (image-spec, *Non-Distributable Layers*).
    Foreign(Compression),
}

/// Every kind, with its type in OCI's format and in Docker's. A type that is in no row has no counterpart.
const TYPES: [(Kind, &str, &str); 8] = [
    (
        Kind::Manifest,
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ),
    (
        Kind::Index,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ),
    (
        Kind::Config,
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    ),
    (
        Kind::Layer(Compression::None),
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
    (
        Kind::Layer(Compression::Gzip),
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
    (
        Kind::Layer(Compression::Zstd),
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ),
    (
        Kind::Foreign(Compression::None),
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ),
    (
        Kind::Foreign(Compression::Gzip),
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ),
];

/// A layer that OCI has a type for, and Docker none.
const FOREIGN_ZSTD: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";

impl Format {
    /// The media type of this format for the same kind of content; the type itself if it is one of this format.
    /// `None` for a type that has no counterpart: encrypted layers, content of artifacts, schema 1,
    /// non-distributable layers that are compressed with zstd in Docker's format.
    ///
    /// ```
    /// use wharf_content::{Manifest, MediaType};
    /// use wharf_image::Format;
    ///
    /// assert_eq!(Format::Docker.convert(&MediaType::OCI_LAYER_GZIP), Some(MediaType::DOCKER_LAYER_GZIP));
    /// assert_eq!(Format::Oci.convert(&MediaType::DOCKER_LAYER_GZIP), Some(MediaType::OCI_LAYER_GZIP));
    /// assert_eq!(Format::Oci.convert(&MediaType::OCTET_STREAM), None);
    /// ```
    #[must_use]
    pub fn convert(self, media_type: &MediaType) -> Option<MediaType> {
        if Self::of(media_type) == Some(self) {
            return Some(media_type.clone());
        }
        kind(media_type).and_then(|kind| self.media_type(kind))
    }

    /// The format that a media type belongs to; `None` if it is in neither.
    #[must_use]
    pub fn of(media_type: &MediaType) -> Option<Self> {
        let text = media_type.as_str();
        if text == FOREIGN_ZSTD || TYPES.iter().any(|(_, oci, _)| *oci == text) {
            Some(Self::Oci)
        } else if TYPES.iter().any(|(_, _, docker)| *docker == text) {
            Some(Self::Docker)
        } else {
            None
        }
    }

    pub(crate) fn media_type(self, wanted: Kind) -> Option<MediaType> {
        let (_, oci, docker) = TYPES.iter().find(|(kind, ..)| *kind == wanted)?;
        Some(MediaType::from_document(match self {
            Self::Oci => *oci,
            Self::Docker => *docker,
        }))
    }
}

/// True if the manifest is of a container image, by the type of its config. Docker 1.10 gave configs no type of their own:
/// in a manifest of Docker's with layers of Docker's types, bytes of any type are a config.
pub(crate) fn has_image_config(manifest: &Manifest) -> bool {
    let Some(config) = manifest.config() else {
        return false;
    };
    if *config.media_type() != MediaType::OCTET_STREAM {
        return kind(config.media_type()) == Some(Kind::Config);
    }
    let mut layers = manifest.layers().iter();
    let is_layer = |kind: Kind| matches!(kind, Kind::Layer(_) | Kind::Foreign(_));
    *manifest.media_type() == MediaType::DOCKER_MANIFEST
        && !manifest.layers().is_empty()
        && layers.all(|layer| kind(layer.media_type()).is_some_and(is_layer))
}

/// The kind of content of a media type; `None` if it is in neither format.
pub(crate) fn kind(media_type: &MediaType) -> Option<Kind> {
    let text = media_type.as_str();
    if text == FOREIGN_ZSTD {
        return Some(Kind::Foreign(Compression::Zstd));
    }
    let row = TYPES
        .iter()
        .find(|(_, oci, docker)| *oci == text || *docker == text);
    row.map(|(kind, ..)| *kind)
}
