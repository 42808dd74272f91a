use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use wharf_content::{Error, ErrorKind, Name};

/// Where an image is, as Skopeo writes it: `docker://REFERENCE` or `oci:DIRECTORY[:NAME]`
/// (containers-transports(5)).
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
        /// The image's name in it; `None` for the only one.
        name: Option<Name>,
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
        let (directory, name) = split_directory(place);
        if directory.is_empty() {
            let message = format!("{text:?}: the directory is missing; write oci:DIRECTORY:NAME");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let name = name.map(Name::parse).transpose()?;
        Ok(Self::Store {
            directory: directory.into(),
            name,
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
            Self::Store {
                directory,
                name: None,
            } => write!(f, "oci:{}", directory.display()),
            Self::Store {
                directory,
                name: Some(name),
            } => write!(f, "oci:{}:{name}", directory.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_as_skopeo_reads_them() {
        for text in [
            "docker://alpine",
            "docker://localhost:5000/app@sha256:0",
            "oci:dir",
            "oci:/srv/store:docker.io/library/alpine:3.20",
            "oci:dir:a:b",
        ] {
            assert_eq!(text.parse::<Image>().unwrap().to_string(), text);
        }
        let Image::Store { directory, name } = "oci:dir:a:b".parse().unwrap() else {
            panic!("a store")
        };
        assert_eq!((directory.to_str(), name.unwrap().as_str()), (Some("dir"), "a:b"));
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
        ] {
            let error = text.parse::<Image>().unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
