mod parse;
#[cfg(test)]
mod tests;
mod transports;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use wharf_content::{Error, ErrorKind, Name};
use wharf_reference::Reference;

use self::transports::has_transport;
use crate::{DaemonImage, StoreImage, arguments::written};

/// The location of an image, written as Skopeo writes it (containers-transports(5)):
///
/// | text | location |
/// |---|---|
/// | `docker://REFERENCE` | a registry |
/// | `oci:DIRECTORY[:NAME]` | a store, an OCI image layout |
/// | `dir:DIRECTORY` | a directory with one image |
/// | `oci-archive:FILE[:NAME]` | an OCI image layout in a tar archive |
/// | `docker-archive:FILE[:REFERENCE]` | an archive as `docker save` writes it |
/// | `docker-daemon:NAME:TAG` | a Docker daemon or Podman's service |
///
/// An image that is read from a store or an archive may also be written `oci:DIRECTORY:@N`, by its number from
/// zero, and `oci:DIRECTORY@DIGEST`; of a docker-archive, the digest is that of the config, the image's ID. An image
/// that is read from a daemon may also be written `docker-daemon:ID`. Directories of one image and archives are read and
/// written with the feature `archive`, images of a daemon with the feature `daemon`.
///
/// Text with another transport of containers-transports(5) is [`ErrorKind::Unsupported`], any other text
/// [`ErrorKind::Invalid`].
///
/// ```
/// use wharf::{ImageLocation, Reference, StoreImage};
///
/// let location: ImageLocation = "docker://alpine:3.20".parse()?;
/// assert_eq!(location, ImageLocation::Registry(Reference::parse("docker.io/library/alpine:3.20")?));
///
/// let location: ImageLocation = "oci:images:@0".parse()?;
/// assert_eq!(location, ImageLocation::Store { directory: "images".into(), image: StoreImage::Position(0) });
///
/// assert!("docker://alpine@sha256:0".parse::<ImageLocation>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageLocation {
    /// In a registry. Of text, a short name is Docker Hub's, as for Skopeo; the host's aliases and search
    /// registries count in [`Client::pull`](crate::Client::pull) alone.
    Registry(Reference),
    /// In a local store, an OCI image layout.
    Store {
        /// The directory of the store.
        directory: PathBuf,
        /// The image in it.
        image: StoreImage,
    },
    /// The image of a directory, as Skopeo's `dir:` keeps it.
    Directory(PathBuf),
    /// In an archive file.
    Archive {
        /// The file.
        path: PathBuf,
        /// The form in which it is read or written.
        form: ArchiveForm,
        /// The image in it. A name in a docker-archive is a full one, with registry and tag.
        image: StoreImage,
    },
    /// In a Docker daemon or Podman's service, which is the client's.
    Daemon(DaemonImage),
}

/// The form of an archive file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArchiveForm {
    /// An OCI image layout, `oci-archive:`.
    Oci,
    /// The images of `manifest.json`, `docker-archive:`. What is written is an OCI image layout at the same time.
    Docker,
}

impl ArchiveForm {
    pub(crate) const fn transport(self) -> &'static str {
        match self {
            Self::Oci => "oci-archive",
            Self::Docker => "docker-archive",
        }
    }
}

impl ImageLocation {
    /// Parses the location of an image that is read: text without a transport, and that is no path, is a name
    /// in a registry.
    pub(crate) fn of_image(text: &str) -> Result<Self, Error> {
        if has_transport(text) || text.is_empty() || text.starts_with(['/', '.', '~']) {
            return text.parse();
        }
        Ok(Self::Registry(written(text)?.normalise()))
    }

    /// The reference of the image, if it is in a registry.
    ///
    /// ```
    /// let location: wharf::ImageLocation = "docker://quay.io/fedora/fedora:latest".parse()?;
    /// assert_eq!(location.reference().map(|reference| reference.registry().to_string()), Some("quay.io".to_owned()));
    /// # Ok::<(), wharf::Error>(())
    /// ```
    #[must_use]
    pub const fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Registry(reference) => Some(reference),
            Self::Store { .. } | Self::Directory(_) | Self::Archive { .. } | Self::Daemon(_) => None,
        }
    }

    /// The directory of the store that holds the image, if it is in one.
    ///
    /// ```
    /// let location: wharf::ImageLocation = "oci:/srv/images:app".parse()?;
    /// assert_eq!(location.directory(), Some("/srv/images".as_ref()));
    /// # Ok::<(), wharf::Error>(())
    /// ```
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Store { directory, .. } => Some(directory),
            Self::Registry(_) | Self::Directory(_) | Self::Archive { .. } | Self::Daemon(_) => None,
        }
    }
}

impl ImageLocation {
    /// The name that an image gets when it is copied here from another location: the name in this one; in a store or an
    /// archive for which none is written, the full name in the registry that it comes from, or its name in another store or archive.
    /// `None` if it gets none there, and for a registry or a directory.
    ///
    /// ```
    /// use wharf::ImageLocation;
    ///
    /// let from: ImageLocation = "docker://quay.io/fedora/fedora".parse()?;
    /// let to: ImageLocation = "oci:images".parse()?;
    /// assert_eq!(to.name_of_copy(&from)?.unwrap().as_str(), "quay.io/fedora/fedora:latest");
    /// # Ok::<(), wharf::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if this location names an image by position or digest, which only say what to read.
    pub fn name_of_copy(&self, from: &Self) -> Result<Option<Name>, Error> {
        let own = self.name_of_new()?;
        if own.is_some() || matches!(self, Self::Registry(_) | Self::Directory(_)) {
            return Ok(own);
        }
        Ok(match from {
            Self::Registry(reference) => Some(Name::from(&reference.clone().or_latest())),
            Self::Store { image, .. } | Self::Archive { image, .. } => match image {
                StoreImage::Name(name) => Some(name.clone()),
                _ => None,
            },
            Self::Directory(_) => None,
            Self::Daemon(image) => image.name(),
        })
    }

    /// The name that an image gets here which comes from no location.
    pub(crate) fn name_of_new(&self) -> Result<Option<Name>, Error> {
        match self {
            Self::Store { image, .. } | Self::Archive { image, .. } => match image {
                StoreImage::Name(name) => Ok(Some(name.clone())),
                StoreImage::Only => Ok(None),
                StoreImage::Position(_) | StoreImage::Digest(_) => Err(self.is_only_read()),
            },
            Self::Daemon(image) => image.name().map(Some).ok_or_else(|| self.is_only_read()),
            Self::Registry(_) | Self::Directory(_) => Ok(None),
        }
    }

    fn is_only_read(&self) -> Error {
        let message = format!(
            "cannot copy to {self}: a number or digest says which image is read; write a name instead"
        );
        Error::new(ErrorKind::Invalid, message)
    }
}

impl From<Reference> for ImageLocation {
    fn from(reference: Reference) -> Self {
        Self::Registry(reference)
    }
}

impl fmt::Display for ImageLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => write!(f, "docker://{reference}"),
            Self::Store { directory, image } => {
                write!(f, "oci:{}{}", directory.display(), Chosen(image))
            }
            Self::Directory(directory) => write!(f, "dir:{}", directory.display()),
            Self::Archive { path, form, image } => {
                write!(f, "{}:{}{}", form.transport(), path.display(), Chosen(image))
            }
            Self::Daemon(image) => write!(f, "docker-daemon:{image}"),
        }
    }
}

/// An image as it stands after a path.
struct Chosen<'a>(&'a StoreImage);

impl fmt::Display for Chosen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = match self.0 {
            StoreImage::Only | StoreImage::Digest(_) => "",
            StoreImage::Name(_) | StoreImage::Position(_) => ":",
        };
        write!(f, "{colon}{}", self.0)
    }
}
