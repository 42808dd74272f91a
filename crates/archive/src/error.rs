//! Errors of the file system, with the path.

use std::{fmt, io, path::Path};

use wharf_content::{Error, ErrorKind};

/// Adds a verb and a path to an [`io::Result`].
pub(crate) trait At<T> {
    fn at(self, doing: &str, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &str, path: &Path) -> Result<T, Error> {
        self.map_err(|error| storage(doing, path, error))
    }
}

/// An error of a call to the file system; `doing` is the verb and `path` the object of its message.
pub(crate) fn storage(doing: &str, path: &Path, error: io::Error) -> Error {
    storage_with(format!("cannot {doing} {}", path.display()), error)
}

/// An error of a call to the file system, with this message.
pub(crate) fn storage_with(message: String, error: io::Error) -> Error {
    Error::new(kind_of(&error), message).with_source(error)
}

fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        _ => ErrorKind::Storage,
    }
}

/// Makes an error.
pub(crate) fn error(kind: ErrorKind, message: impl fmt::Display) -> Error {
    Error::new(kind, message.to_string())
}

/// Adds the path of the archive to an error about its content.
pub(crate) fn in_archive(path: &Path, cause: &Error) -> Error {
    error(cause.kind(), format_args!("{}: {cause}", path.display()))
}

/// A foreign name for a message: at most 120 characters, control characters escaped.
pub(crate) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let short: String = text.chars().take(120).collect();
    let end = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{end}")
}
