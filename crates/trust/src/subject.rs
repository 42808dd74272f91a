use std::path::{Path, PathBuf};

use wharf_config::FileTransport;
use wharf_content::Manifest;
use wharf_reference::{Digest, Reference};

/// The name of an image: it selects the rule of a policy, and a signature must be for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageName {
    /// An image of a registry, by the name that the user gave, not a mirror's. Without tag and digest, the
    /// tag `latest` is meant; with both, the digest decides.
    Reference(Reference),
    /// An image of an OCI layout. It has no name that a signature could be for, so that `exactReference` and
    /// `exactRepository` alone can be met. The directory is an absolute path without symbolic links.
    Layout(PathBuf),
    /// An image in a file or a directory that is no OCI layout. It has no name that a signature could be for either. The
    /// path is absolute and without symbolic links.
    File {
        /// The transport, which selects the rules.
        transport: FileTransport,
        /// The file or directory.
        path: PathBuf,
    },
    /// An image of a daemon, by the name with which it is read, or `None` for its ID. The rules for the transport
    /// `docker-daemon` are for it. A daemon keeps no signatures.
    Daemon(Option<Reference>),
    /// An image that no rule but the default of the policy is for, such as one in memory. It has no name that
    /// a signature could be for either.
    Unnamed,
}

impl From<&Reference> for ImageName {
    fn from(reference: &Reference) -> Self {
        Self::Reference(reference.clone())
    }
}

impl From<&Path> for ImageName {
    fn from(directory: &Path) -> Self {
        Self::Layout(directory.to_owned())
    }
}

/// An image to be judged: a manifest under a name.
///
/// Of an index, the manifest of the instance that is used is judged, and never the index.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) name: ImageName,
    pub(crate) index: Option<Digest>,
}

impl<'a> Subject<'a> {
    /// A manifest under the name by which it was asked for.
    pub fn new(manifest: &'a Manifest, name: impl Into<ImageName>) -> Self {
        Self {
            manifest,
            name: name.into(),
            index: None,
        }
    }

    /// Sets the index that the manifest is an instance of. It changes no judgement: a refusal can say that the
    /// index is signed and the instance is not.
    #[must_use]
    pub fn with_index(mut self, index: &Digest) -> Self {
        self.index = Some(index.clone());
        self
    }
}
