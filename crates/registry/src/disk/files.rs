//! Calls on files, with errors that name the operation and the path.

use std::{fs, fs::File, io, path::Path};

use wharf_content::{Error, ErrorKind};

/// Classifies an error of the file system, and adds the operation and the path.
pub(super) trait At<T> {
    fn at(self, doing: &str, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &str, path: &Path) -> Result<T, Error> {
        self.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
                _ => ErrorKind::Storage,
            };
            Error::new(kind, format!("cannot {doing} {}", path.display())).with_source(error)
        })
    }
}

/// Makes [`ErrorKind::NotFound`] a `None`.
pub(super) fn existing<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Options to open a file for reading and writing, accessible to its owner only.
pub(super) fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

pub(super) fn make_dir(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).at("create", path)
}

/// Syncs a directory, so that the names in it survive a crash.
pub(super) fn sync_dir(path: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .at("sync", path)?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
