use std::{fmt, str::FromStr};

use wharf_content::{Error, ErrorKind, Name};
use wharf_reference::{Digest, Reference};

use crate::{arguments::written, store_image::digest};

/// An image of a daemon, as Skopeo's `docker-daemon:` writes it.
///
/// ```
/// use wharf::DaemonImage;
///
/// assert_eq!("busybox:1".parse::<DaemonImage>()?.to_string(), "docker.io/library/busybox:1");
/// assert!("busybox".parse::<DaemonImage>().is_err()); // a daemon's image has a tag
/// # Ok::<(), wharf::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DaemonImage {
    /// The image of this name, with a tag, or with a digest of a registry. As text a short name is Docker Hub's.
    Reference(Reference),
    /// The image of this ID. It can only be read.
    Id(Digest),
}

impl DaemonImage {
    /// The name with a tag by which an image is written.
    pub(crate) fn name(&self) -> Option<Name> {
        match self {
            Self::Reference(reference) if !reference.has_digest() => Some(Name::from(reference)),
            Self::Reference(_) | Self::Id(_) => None,
        }
    }
}

impl FromStr for DaemonImage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(id) = digest(text) {
            return Ok(Self::Id(id));
        }
        let reference = written(text)?.normalise();
        let refuse = |why: &str| {
            let message =
                format!("{text:?}: {why}; write NAME:TAG, or sha256: with the 64 digits of an image ID");
            Err(Error::new(ErrorKind::Invalid, message))
        };
        let repository = reference.repository();
        if repository.registry().is_docker_hub() && repository.path() == "library/sha256" {
            return refuse("an image ID is not shortened");
        }
        match (reference.tag().is_some(), reference.has_digest()) {
            (true, true) => refuse("a daemon's image has a tag or a digest, and not both"),
            (false, false) => refuse("the tag is missing"),
            _ => Ok(Self::Reference(reference)),
        }
    }
}

impl fmt::Display for DaemonImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(reference) => fmt::Display::fmt(reference, f),
            Self::Id(id) => fmt::Display::fmt(id, f),
        }
    }
}
