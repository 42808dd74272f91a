//! The text of a location, as Skopeo writes it.

use std::str::FromStr;

use wharf_content::{Error, ErrorKind, Name};

use super::{ArchiveForm, ImageLocation, transports::not_supported};
use crate::{StoreImage, arguments::written, store_image::digest};

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
