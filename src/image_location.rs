use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use wharf_content::{Error, ErrorKind};
use wharf_reference::Reference;

use crate::{StoreImage, arguments::written, store_image::digest};

/// The transports of containers-transports(5) that are not supported.
const UNSUPPORTED: [&str; 9] = [
    "atomic",
    "containers-storage",
    "dir",
    "docker-archive",
    "docker-daemon",
    "oci-archive",
    "ostree",
    "sif",
    "tarball",
];

/// The location of an image, written as Skopeo writes it: `docker://REFERENCE` or `oci:DIRECTORY[:NAME]`
/// (containers-transports(5)). An image that is read from a store may also be written `oci:DIRECTORY:@N`, by
/// its number from zero, and `oci:DIRECTORY@DIGEST`.
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
}

impl FromStr for ImageLocation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(reference) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(written(reference)?.normalise()));
        }
        let Some(path) = text.strip_prefix("oci:") else {
            return Err(Error::new(ErrorKind::Invalid, not_supported(text)));
        };
        let (directory, image) = split_directory(path);
        let (directory, image) = match (directory.rsplit_once('@'), image) {
            // The first colon is the digest's.
            (Some((directory, algorithm)), Some(encoded))
                if digest(&format!("{algorithm}:{encoded}")).is_some() =>
            {
                let from = directory.len() + 1;
                (directory, path.get(from..))
            }
            _ => (directory, image),
        };
        if directory.is_empty() {
            let message = format!("{text:?}: the directory is missing; write oci:DIRECTORY:NAME");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(Self::Store {
            directory: directory.into(),
            image: image.map_or(Ok(StoreImage::Only), str::parse)?,
        })
    }
}

/// True if text begins with a transport that Skopeo knows, or with `docker:`, so that it is no name of an
/// image.
fn has_transport(text: &str) -> bool {
    let transport = text.split_once(':').map_or("", |(transport, _)| transport);
    ["docker", "oci"].contains(&transport) || UNSUPPORTED.contains(&transport)
}

/// The reason why text that begins with no supported transport is refused, and what to write instead.
fn not_supported(text: &str) -> String {
    let transport = text.split_once(':').map_or("", |(transport, _)| transport);
    if UNSUPPORTED.contains(&transport) {
        return format!(
            "{text:?}: the transport {transport} is not supported; write docker://REFERENCE or oci:DIRECTORY:NAME"
        );
    }
    let reference = text.strip_prefix("docker:").unwrap_or(text);
    if Reference::parse(reference).is_ok() {
        return format!(
            "{text:?}: a transport is missing; write docker://{reference}, or oci:DIRECTORY:NAME for a store"
        );
    }
    format!("{text:?}: no known transport; write docker://REFERENCE or oci:DIRECTORY:NAME")
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
            Self::Store { .. } => None,
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
            Self::Registry(_) => None,
            Self::Store { directory, .. } => Some(directory),
        }
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
                let colon = match image {
                    StoreImage::Only | StoreImage::Digest(_) => "",
                    StoreImage::Name(_) | StoreImage::Position(_) => ":",
                };
                write!(f, "oci:{}{colon}{image}", directory.display())
            }
        }
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
        ] {
            assert_eq!(text.parse::<ImageLocation>().unwrap().to_string(), text);
        }
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let name = |text| StoreImage::Name(wharf_content::Name::parse(text).unwrap());
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
            ("app@sha256:0", "no known transport"),
            ("", "no known transport"),
            ("/tmp/x", "no known transport"),
            ("dir:/tmp/x", "the transport dir is not supported"),
            (
                "oci-archive:x.tar:app",
                "the transport oci-archive is not supported",
            ),
            (
                "docker-archive:x.tar",
                "the transport docker-archive is not supported",
            ),
            (
                "docker-daemon:app:1",
                "the transport docker-daemon is not supported",
            ),
            (
                "containers-storage:app",
                "the transport containers-storage is not supported",
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
            ("dir:app", "the transport dir is not supported"),
            (
                "docker-archive:x.tar",
                "the transport docker-archive is not supported",
            ),
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
