use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use wharf_content::{Error, ErrorKind, Name};
use wharf_reference::Reference;

use crate::{DaemonImage, StoreImage, arguments::written, store_image::digest};

/// The transports of containers-transports(5) that are not supported.
const UNSUPPORTED: [&str; 5] = ["atomic", "containers-storage", "ostree", "sif", "tarball"];

/// The transports of containers-transports(5) that are supported.
const SUPPORTED: [&str; 6] = [
    "docker",
    "oci",
    "dir",
    "oci-archive",
    "docker-archive",
    "docker-daemon",
];

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

impl FromStr for ImageLocation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(reference) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(written(reference)?.normalise()));
        }
        if let Some(directory) = text.strip_prefix("dir:") {
            if directory.is_empty() {
                return Err(missing(text, "directory", "dir:DIRECTORY"));
            }
            return Ok(Self::Directory(directory.into()));
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            let (path, image) = split(rest);
            if path.is_empty() {
                return Err(missing(text, "file", "oci-archive:FILE:NAME"));
            }
            return Ok(Self::Archive {
                path: path.into(),
                form: ArchiveForm::Oci,
                image: image.map_or(Ok(StoreImage::Only), str::parse)?,
            });
        }
        if let Some(rest) = text.strip_prefix("docker-archive:") {
            let (path, image) = split(rest);
            if path.is_empty() {
                return Err(missing(text, "file", "docker-archive:FILE:REFERENCE"));
            }
            return Ok(Self::Archive {
                path: path.into(),
                form: ArchiveForm::Docker,
                image: image.map_or(Ok(StoreImage::Only), docker_image)?,
            });
        }
        if let Some(image) = text.strip_prefix("docker-daemon:") {
            if image.is_empty() {
                return Err(missing(text, "image", "docker-daemon:NAME:TAG"));
            }
            return image.parse().map(Self::Daemon);
        }
        let Some(rest) = text.strip_prefix("oci:") else {
            return Err(not_supported(text));
        };
        let (directory, image) = split(rest);
        if directory.is_empty() {
            return Err(missing(text, "directory", "oci:DIRECTORY:NAME"));
        }
        Ok(Self::Store {
            directory: directory.into(),
            image: image.map_or(Ok(StoreImage::Only), str::parse)?,
        })
    }
}

fn missing(text: &str, what: &str, form: &str) -> Error {
    let message = format!("{text:?}: the {what} is missing; write {form}");
    Error::new(ErrorKind::Invalid, message)
}

/// Splits a path from the image in it, at the first colon or before a digest.
fn split(text: &str) -> (&str, Option<&str>) {
    let (path, image) = split_directory(text);
    match (path.rsplit_once('@'), image) {
        // The first colon is the digest's.
        (Some((path, algorithm)), Some(encoded)) if digest(&format!("{algorithm}:{encoded}")).is_some() => {
            (path, text.get(path.len() + 1..))
        }
        _ => (path, image),
    }
}

/// Parses the image of a docker-archive: a reference, which is normalised, a number or the ID of an image.
fn docker_image(text: &str) -> Result<StoreImage, Error> {
    if text.starts_with('@') || digest(text).is_some() {
        return text.parse();
    }
    let reference = written(text)?.normalise().or_latest();
    if reference.has_digest() {
        let message = format!(
            "{text:?}: an archive has no image by the digest of its manifest; write a name with a tag"
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(StoreImage::Name(Name::from(&reference)))
}

/// True if text begins with a transport that Skopeo knows, or with `docker:`, so that it is no name of an
/// image.
fn has_transport(text: &str) -> bool {
    let transport = text.split_once(':').map_or("", |(transport, _)| transport);
    SUPPORTED.contains(&transport) || UNSUPPORTED.contains(&transport)
}

/// Why text that begins with no supported transport is refused, and what to write instead.
fn not_supported(text: &str) -> Error {
    let transport = text.split_once(':').map_or("", |(transport, _)| transport);
    let unsupported = |instead: &str| {
        let message = format!("{text:?}: the transport {transport} is not supported; {instead}");
        Error::new(ErrorKind::Unsupported, message)
    };
    if transport == "containers-storage" {
        return unsupported(
            "the images of Podman are reached with `podman push IMAGE oci:DIRECTORY` and `podman pull oci:DIRECTORY`, with \
             `podman save` and `podman load`, or as docker-daemon:NAME:TAG through Podman's socket",
        );
    }
    if UNSUPPORTED.contains(&transport) {
        return unsupported("write docker://REFERENCE or oci:DIRECTORY:NAME");
    }
    if let Some(meant) = meant(transport) {
        let message = format!("{text:?}: no transport is called {transport:?}; {meant} is");
        return Error::new(ErrorKind::Invalid, message);
    }
    let reference = text.strip_prefix("docker:").unwrap_or(text);
    let message = if Reference::parse(reference).is_ok() {
        format!(
            "{text:?}: a transport is missing; write docker://{reference}, or oci:DIRECTORY:NAME for a store"
        )
    } else {
        format!("{text:?}: no known transport; write docker://REFERENCE or oci:DIRECTORY:NAME")
    };
    Error::new(ErrorKind::Invalid, message)
}

/// The transport that a word with a typo may mean: one letter or two neighbours differ, or a hyphen is missing.
fn meant(word: &str) -> Option<&'static str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    let word = plain(word);
    let mut known = SUPPORTED.into_iter().filter(|known| *known != "docker");
    known.find(|known| {
        let known = plain(known);
        known.len() > 3 && is_near(word.as_bytes(), known.as_bytes())
    })
}

/// True if two words are equal but for one letter that is other, missing or superfluous, or two that are exchanged.
fn is_near(one: &[u8], other: &[u8]) -> bool {
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let rests = (
        one.get(same..).unwrap_or_default(),
        other.get(same..).unwrap_or_default(),
    );
    match rests {
        ([], []) => true,
        ([a, b, one @ ..], [c, d, other @ ..]) if a == d && b == c => one == other,
        ([_, one @ ..], [_, other @ ..]) if one == other => true,
        ([_, one @ ..], other) if one == other => true,
        (one, [_, other @ ..]) => one == other,
        _ => false,
    }
}

/// Splits at the first colon, after the letter of a drive where paths have those.
fn split_directory(path: &str) -> (&str, Option<&str>) {
    let drive = cfg!(windows) && path.as_bytes().get(1) == Some(&b':');
    let search_from = if drive { 2 } else { 0 };
    match path.get(search_from..).and_then(|rest| rest.find(':')) {
        Some(colon) => {
            let colon = search_from + colon;
            (path.get(..colon).unwrap_or_default(), path.get(colon + 1..))
        }
        None => (path, None),
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

#[cfg(test)]
mod tests {
    use wharf_reference::Digest;

    use super::*;

    #[test]
    fn images_are_read_as_skopeo_reads_them() {
        for text in [
            "docker://docker.io/library/alpine",
            "docker://localhost:5000/app:1",
            "docker://localhost:5000/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "oci:dir",
            "oci:/srv/store:docker.io/library/alpine:3.20",
            "oci:dir:a:b",
            "oci:dir:a@sha256:b",
            "oci:dir:@0",
            "oci:dir@home:@12",
            "oci:dir@sha256:app",
            "oci:dir@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "dir:/srv/image",
            "dir:a:b:c",
            "dir:a@sha256:b",
            "oci-archive:a.tar",
            "oci-archive:a.tar:b/c:d",
            "oci-archive:a.tar:@3",
            "oci-archive:a.tar@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "docker-archive:a.tar",
            "docker-archive:a.tar:docker.io/library/busybox:1",
            "docker-archive:a.tar:@0",
            "docker-archive:a.tar@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "docker-daemon:docker.io/library/busybox:1",
            "docker-daemon:localhost/app:latest",
            "docker-daemon:registry.example:5000/team/app:v1",
            "docker-daemon:quay.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "docker-daemon:sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert_eq!(text.parse::<ImageLocation>().unwrap().to_string(), text);
        }
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let name = |text| StoreImage::Name(Name::parse(text).unwrap());
        let by_digest = StoreImage::Digest(Digest::parse(digest).unwrap());
        for (path, directory, image) in [
            ("dir".to_owned(), "dir", StoreImage::Only),
            ("dir:a:b".to_owned(), "dir", name("a:b")),
            ("dir:@7".to_owned(), "dir", StoreImage::Position(7)),
            (format!("dir@{digest}"), "dir", by_digest.clone()),
            ("dir:app:1".to_owned(), "dir", name("app:1")),
            (format!("d@r@{digest}"), "d@r", by_digest.clone()),
            (format!("dir:@{digest}"), "dir", by_digest.clone()),
            (format!("dir:{digest}"), "dir", by_digest),
            (format!("dir:a@{digest}"), "dir", name(&format!("a@{digest}"))),
            ("dir@sha256:abc".to_owned(), "dir@sha256", name("abc")),
        ] {
            let parsed: ImageLocation = format!("oci:{path}").parse().unwrap();
            let directory = directory.into();
            assert_eq!(parsed, ImageLocation::Store { directory, image }, "{path}");
        }
    }

    #[test]
    fn the_name_in_a_docker_archive_is_a_reference() {
        for (text, expected) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1", "docker.io/library/busybox:1"),
            ("quay.io/a/b", "quay.io/a/b:latest"),
            ("localhost:5000/b:2", "localhost:5000/b:2"),
        ] {
            let parsed: ImageLocation = format!("docker-archive:a.tar:{text}").parse().unwrap();
            assert_eq!(parsed.to_string(), format!("docker-archive:a.tar:{expected}"));
        }
        let verbatim: ImageLocation = "oci-archive:a.tar:busybox".parse().unwrap();
        assert_eq!(verbatim.to_string(), "oci-archive:a.tar:busybox");
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, part) in [
            ("alpine", "a transport is missing; write docker://alpine"),
            (
                "docker:alpine:3",
                "a transport is missing; write docker://alpine:3",
            ),
            (
                "localhost:5000/app",
                "a transport is missing; write docker://localhost:5000/app",
            ),
            ("oci-archve:x.tar", "oci-archive is"),
            ("ociarchive:x.tar", "oci-archive is"),
            ("docker_archive:x.tar", "docker-archive is"),
            ("docker-archvie:x.tar", "docker-archive is"),
            ("Docker-Archive:x.tar", "docker-archive is"),
            ("app@sha256:0", "no known transport"),
            ("", "no known transport"),
            ("/tmp/x", "no known transport"),
            ("dir:", "the directory is missing"),
            ("oci-archive:", "the file is missing"),
            ("oci-archive::app", "the file is missing"),
            ("oci-archive:x.tar:", "invalid image name"),
            ("docker-archive:", "the file is missing"),
            ("docker-archive:x.tar:", "invalid reference"),
            ("docker-archive:x.tar:App", "invalid reference"),
            (
                "docker-archive:x.tar:x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "has no image by the digest of its manifest",
            ),
            ("docker-archive:x.tar:@x", "expected after @"),
            ("docker-daemon:", "the image is missing"),
            ("docker-daemon:app", "the tag is missing; write NAME:TAG"),
            ("docker-daemon:App:1", "invalid reference"),
            ("docker-daemon:app:1:2", "invalid reference"),
            ("docker-daemon:sha256:abc", "an image ID is not shortened"),
            (
                "docker-daemon:app:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "a tag or a digest, and not both",
            ),
            ("docker://", "invalid reference \"\""),
            ("docker://app@sha256:0", "invalid reference \"app@sha256:0\""),
            ("docker://App", "invalid reference \"App\""),
            ("docker://app:", "invalid reference \"app:\""),
            ("docker://app:a b", "invalid reference \"app:a b\""),
            ("oci:", "the directory is missing"),
            ("oci::name", "the directory is missing"),
            ("oci:dir:na me", "invalid image name"),
            ("oci:dir:", "invalid image name"),
            ("oci:dir:@", "expected after @"),
            ("oci:dir:@-1", "expected after @"),
            ("oci:dir:@x", "expected after @"),
            (
                "oci:@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "directory is missing",
            ),
        ] {
            let error = text.parse::<ImageLocation>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn an_unsupported_transport_is_named_with_what_to_do_instead() {
        for (text, part) in [
            ("containers-storage:app", "podman push IMAGE oci:DIRECTORY"),
            ("containers-storage:app", "podman pull oci:DIRECTORY"),
            (
                "containers-storage:[vfs@/x]app",
                "`podman save` and `podman load`",
            ),
            (
                "containers-storage:",
                "docker-daemon:NAME:TAG through Podman's socket",
            ),
            ("atomic:host/a/b", "the transport atomic is not supported"),
            ("ostree:app@/repo", "the transport ostree is not supported"),
            ("sif:app.sif", "the transport sif is not supported"),
            ("tarball:a.tar", "the transport tarball is not supported"),
        ] {
            for error in [
                text.parse::<ImageLocation>().unwrap_err(),
                ImageLocation::of_image(text).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert!(error.to_string().contains(part), "{text}: {error}");
            }
        }
    }

    #[test]
    fn an_image_to_read_needs_no_transport_unless_it_begins_as_one() {
        for (text, expected) in [
            (
                "quay.io/fedora/fedora:latest",
                "docker://quay.io/fedora/fedora:latest",
            ),
            ("localhost:5000/app", "docker://localhost:5000/app"),
            ("alpine:3.20", "docker://docker.io/library/alpine:3.20"),
            ("oci", "docker://docker.io/library/oci"),
            ("dir/app:1", "docker://docker.io/dir/app:1"),
            ("docker/app:1", "docker://docker.io/docker/app:1"),
            ("docker://alpine", "docker://docker.io/library/alpine"),
            ("oci:latest", "oci:latest"),
            ("oci:images:app", "oci:images:app"),
        ] {
            assert_eq!(
                ImageLocation::of_image(text).unwrap().to_string(),
                expected,
                "{text}"
            );
        }
        for (text, part) in [
            ("docker:24", "a transport is missing; write docker://24"),
            ("docker-daemon:app", "the tag is missing"),
            ("docker-archive:", "the file is missing"),
            ("/tmp/x", "no known transport"),
            ("./images", "no known transport"),
            ("~/images", "no known transport"),
            ("", "no known transport"),
            ("quay.io/App", "invalid reference \"quay.io/App\""),
            ("https://quay.io/app", "invalid reference \"https://quay.io/app\""),
            ("oci:", "the directory is missing"),
        ] {
            let error = ImageLocation::of_image(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
