//! The report about an archive that was written.

use std::fmt;

use wharf_content::Descriptor;

/// The content of an archive that was written, returned by [`Writer::finish`](crate::Writer::finish).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenArchive {
    /// The size of the archive in bytes.
    pub size: u64,
    /// Of a hybrid, the images that are in its OCI layout alone, so that `docker load` does not see them.
    pub oci_only: Vec<OciOnly>,
    /// True if layers are compressed with zstd, which old Docker cannot load.
    pub has_zstd: bool,
}

/// An image that `docker load` does not see.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OciOnly {
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// Why Docker does not see it.
    pub reason: OciOnlyReason,
}

/// Why `docker load` does not see an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OciOnlyReason {
    /// It is an artifact.
    NoContainerImage,
    /// It is an index without an image for the platform that Docker sees.
    NoPlatform,
    /// A layer is not in the archive, such as one that may not be distributed.
    LayerMissing,
}

impl fmt::Display for OciOnlyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoContainerImage => "it is no container image",
            Self::NoPlatform => "it is an index without an image for the platform",
            Self::LayerMissing => "a layer is not in the archive",
        })
    }
}
