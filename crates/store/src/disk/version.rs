//! Checks the version of a layout, and describes a directory that is no layout.

use std::{io, path::Path};

use wharf_content::{Error, ErrorKind};
use wharf_fs::FileKind;

use super::{Disk, PRIVATE, index_file, read_bounded};
use crate::{
    error::{At as _, bounded, storage},
    index::decode,
};

/// The file that states the version of a layout (image-spec, *oci-layout file*).
pub(super) const FILE: &str = "oci-layout";

/// The text that this crate writes to the file `oci-layout`.
pub(super) const TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The largest file `oci-layout` that is read, in bytes.
const MAX_SIZE: u64 = 4096;

impl Disk {
    /// Refuses a directory that is no layout of version 1.0.0. As for Skopeo, `oci-layout` may be missing
    /// if the other two parts of a layout are there.
    pub(super) fn check_version(&self) -> Result<(), Error> {
        let path = self.at(FILE);
        let file = match self.root.open_file(FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let is_layout = self.has_index()? && self.has_blobs();
                return if is_layout {
                    Ok(())
                } else {
                    Err(self.is_no_layout())
                };
            }
            other => other.at("open", &path)?,
        };
        let text = decode(read_bounded(&file, MAX_SIZE, &path)?);
        let found = text.and_then(|text| version(&text)).map_err(|why| {
            let message = format!(
                "{} states no version of the layout: {why}; its content should be {TEXT}",
                path.display()
            );
            Error::new(ErrorKind::Corrupt, message)
        })?;
        if found == "1.0.0" {
            return Ok(());
        }
        let message = format!(
            "{} states version \"{}\", but only 1.0.0 is supported; write the images again in that version",
            path.display(),
            bounded(&found)
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// Refuses a directory that has other files.
    pub(super) fn refuse_foreign_files(&self) -> Result<(), Error> {
        let names = self.root.names().at("list", self.path())?;
        let foreign = names
            .iter()
            .find(|name| ![PRIVATE, "blobs", index_file::INDEX, FILE].contains(&name.as_str()));
        if let Some(foreign) = foreign {
            let message = format!(
                "{} is not an OCI image layout and not empty (it has {foreign:?}){}",
                self.path().display(),
                self.description()
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Ok(())
    }

    fn is_no_layout(&self) -> Error {
        let message = format!(
            "{} is not an OCI image layout: it has no file oci-layout{}",
            self.path().display(),
            self.description()
        );
        Error::new(ErrorKind::NotFound, message)
    }

    /// A phrase for an error message about a directory that is no layout: what the directory is, and what to
    /// do about it. Empty if neither can be told.
    fn description(&self) -> String {
        let has = |name: &str| matches!(self.root.stat(name), Ok(Some(_)));
        let known = if self.is_skopeo_directory() {
            "it is a directory of Skopeo's transport dir; convert it with skopeo copy dir:DIRECTORY oci:NEW"
        } else if has("manifest.json") {
            "it looks like an unpacked archive of docker save; convert the archive with skopeo copy \
             docker-archive:FILE oci:NEW"
        } else if self.is_registry() {
            "it is the storage of a registry; pull from the registry instead"
        } else if has("overlay-images") || has("vfs-images") {
            "it is the storage of Podman; write the image with podman push IMAGE oci:NEW"
        } else if has("config.json") && has("rootfs") {
            "it is an unpacked image, which cannot be pushed as it is"
        } else if has("blobs") {
            "it has blobs but no index.json, so its images are not known"
        } else if let Some(below) = self.layout_below() {
            return format!("; its directory {below:?} is one; use that directory if it is meant");
        } else {
            return String::new();
        };
        format!("; {known}")
    }

    fn has_blobs(&self) -> bool {
        matches!(self.root.stat("blobs"), Ok(Some((FileKind::Directory, _))))
    }

    fn is_registry(&self) -> bool {
        let docker = self.root.directory("docker");
        docker.is_ok_and(|docker| docker.directory("registry").is_ok())
    }

    fn is_skopeo_directory(&self) -> bool {
        let Ok(file) = self.root.open_file("version") else {
            return false;
        };
        let text = read_bounded(&file, MAX_SIZE, self.path());
        text.is_ok_and(|text| text.starts_with(b"Directory Transport Version"))
    }

    /// A directory in this one that is a layout.
    fn layout_below(&self) -> Option<String> {
        /// The most entries of a directory that are searched for a layout, to name it in an error.
        const MOST: usize = 100;
        let names = self.root.names().ok()?;
        names.into_iter().take(MOST).find(|name| {
            let below = self.root.directory(name);
            matches!(below.and_then(|below| below.stat(FILE)), Ok(Some(_)))
        })
    }
}

/// Parses the version of a file `oci-layout`; the error is the reason why it has none.
fn version(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| bounded(&error.to_string()))?;
    let version = value
        .get("imageLayoutVersion")
        .and_then(serde_json::Value::as_str);
    version
        .map(str::to_owned)
        .ok_or_else(|| "it has no text imageLayoutVersion".to_owned())
}

/// The failure to open the directory of a layout.
pub(super) fn unopened(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotADirectory {
        let message = format!(
            "{} is not a directory, which an OCI image layout is; unpack it first if it is an archive of a layout",
            path.display()
        );
        return Error::new(ErrorKind::Storage, message);
    }
    storage("open the layout", path, error)
}
