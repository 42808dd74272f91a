//! Directories of files that are merged by name.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crate::ConfigError;

/// The drop-ins of these directories, most important first, sorted by name; of files of the same name only
/// the most important.
pub(crate) fn masked(dirs: &[PathBuf], extension: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let mut by_name = BTreeMap::new();
    for dir in dirs {
        for (name, path) in files(dir, extension)? {
            by_name.entry(name).or_insert(path);
        }
    }
    Ok(by_name.into_values().collect())
}

/// The drop-ins in a directory by name; none if it does not exist.
pub(crate) fn files(dir: &Path, extension: &str) -> Result<BTreeMap<OsString, PathBuf>, ConfigError> {
    let unreadable = |error| ConfigError::reading(dir, error);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().ends_with(extension.as_bytes()) {
            continue;
        }
        // Not following links: one that leads to a directory is an entry like any other, and an error.
        if !entry.file_type().map_err(unreadable)?.is_dir() {
            files.insert(name, entry.path());
        }
    }
    Ok(files)
}
