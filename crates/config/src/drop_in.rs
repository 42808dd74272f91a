//! Directories of files that are merged by name.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crate::ConfigError;

/// The configuration that the files belong to. As upstream reads them, a directory with the name of a file is skipped
/// in registries.conf.d, and an error in registries.d.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    RegistriesConf,
    #[cfg(feature = "registries-d")]
    RegistriesD,
}

impl Kind {
    /// The end of the name of every file.
    const fn extension(self) -> &'static str {
        match self {
            Self::RegistriesConf => ".conf",
            #[cfg(feature = "registries-d")]
            Self::RegistriesD => ".yaml",
        }
    }
}

/// The drop-ins of these directories, most important first, sorted by name; of files of the same name only
/// the most important.
pub(crate) fn masked(dirs: &[PathBuf], kind: Kind) -> Result<Vec<PathBuf>, ConfigError> {
    let mut by_name = BTreeMap::new();
    for dir in dirs {
        for (name, path) in files(dir, kind)? {
            by_name.entry(name).or_insert(path);
        }
    }
    Ok(by_name.into_values().collect())
}

/// The drop-ins in a directory by name; none if it does not exist.
pub(crate) fn files(dir: &Path, kind: Kind) -> Result<BTreeMap<OsString, PathBuf>, ConfigError> {
    let unreadable = |error| ConfigError::reading(dir, error);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().ends_with(kind.extension().as_bytes()) {
            continue;
        }
        // Not following links: one that leads to a directory is an entry like any other, and an error.
        if kind == Kind::RegistriesConf && entry.file_type().map_err(unreadable)?.is_dir() {
            continue;
        }
        files.insert(name, entry.path());
    }
    Ok(files)
}
