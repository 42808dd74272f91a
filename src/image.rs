use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use wharf_content::{Error, ErrorKind};

use crate::{StoreImage, store_image::digest};

/// Where an image is, as Skopeo writes it: `docker://REFERENCE` or `oci:DIRECTORY[:NAME]`
/// (containers-transports(5)). To read from, a store's image may also be written `oci:DIRECTORY:@N`, by its number from
/// zero, and `oci:DIRECTORY@DIGEST`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Image {
    /// In a registry: what the user typed after `docker://`. A short name is Docker Hub's, as for Skopeo; the
    /// host's aliases and search registries are for [`Client::pull`](crate::Client::pull) alone.
    Registry(String),
    /// In a local store.
    Store {
        /// The directory of the store.
        directory: PathBuf,
        /// The image in it.
        image: StoreImage,
    },
}

impl FromStr for Image {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(reference) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(reference.to_owned()));
        }
        let Some(place) = text.strip_prefix("oci:") else {
            let hint = match text.split_once(':') {
                Some((scheme, _)) if !scheme.is_empty() => "this transport is not supported",
                _ => "a transport is missing",
            };
            let message = format!("{text:?}: {hint}; write docker://REFERENCE or oci:DIRECTORY:NAME");
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let (directory, image) = split_directory(place);
        let (directory, image) = match (directory.rsplit_once('@'), image) {
            // The first colon is the digest's.
            (Some((directory, algorithm)), Some(encoded))
                if digest(&format!("{algorithm}:{encoded}")).is_some() =>
            {
                let from = directory.len() + 1;
                (directory, place.get(from..))
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

/// Splits at the first colon, after the letter of a drive where paths have those.
fn split_directory(place: &str) -> (&str, Option<&str>) {
    let drive = cfg!(windows) && place.as_bytes().get(1) == Some(&b':');
    let search_from = if drive { 2 } else { 0 };
    match place.get(search_from..).and_then(|rest| rest.find(':')) {
        Some(colon) => {
            let colon = search_from + colon;
            (place.get(..colon).unwrap_or_default(), place.get(colon + 1..))
        }
        None => (place, None),
    }
}

impl Image {
    /// The directory of the store it is in, if it is in one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Registry(_) => None,
            Self::Store { directory, .. } => Some(directory),
        }
    }
}

impl fmt::Display for Image {
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
            "docker://alpine",
            "docker://localhost:5000/app@sha256:0",
            "oci:dir",
            "oci:/srv/store:docker.io/library/alpine:3.20",
            "oci:dir:a:b",
            "oci:dir:a@sha256:b",
            "oci:dir:@0",
            "oci:dir@home:@12",
            "oci:dir@sha256:app",
            "oci:dir@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert_eq!(text.parse::<Image>().unwrap().to_string(), text);
        }
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let name = |text| StoreImage::Name(wharf_content::Name::parse(text).unwrap());
        let by_digest = StoreImage::Digest(Digest::parse(digest).unwrap());
        for (place, directory, image) in [
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
            let parsed: Image = format!("oci:{place}").parse().unwrap();
            let directory = directory.into();
            assert_eq!(parsed, Image::Store { directory, image }, "{place}");
        }
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, part) in [
            ("alpine", "a transport is missing"),
            ("dir:/tmp/x", "not supported"),
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
            let error = text.parse::<Image>().unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
