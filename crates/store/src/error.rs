//! Errors of the file system, with the path.

use std::{io, path::Path};

use wharf_content::{Error, ErrorKind};
use wharf_fs::{FileKind, WrongKind};

/// An error of a file system call; `doing` is the verb and `path` the object of its message.
pub(crate) fn storage(doing: &str, path: &Path, error: io::Error) -> Error {
    if let Some(wrong) = WrongKind::of(&error).filter(|wrong| wrong.kind() == FileKind::Symlink) {
        return symbolic_link(wrong.path());
    }
    let (kind, hint) = classify(&error);
    let message = format!("cannot {doing} {}{hint}", path.display());
    Error::new(kind, message).with_source(error)
}

/// The error for a symbolic link where the layout has a file or a directory.
pub(crate) fn symbolic_link(path: &Path) -> Error {
    let message = format!(
        "{} is a symbolic link, and links in a layout are not followed; copy the directory with its links resolved, as \
         cp -RL does",
        path.display()
    );
    Error::new(ErrorKind::Unsupported, message)
}

fn classify(error: &io::Error) -> (ErrorKind, &'static str) {
    match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, ""),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (
            ErrorKind::NoSpace,
            ": no space is left; received bytes are kept, free some space and try again",
        ),
        io::ErrorKind::ReadOnlyFilesystem => (ErrorKind::Storage, ": the file system is read-only"),
        io::ErrorKind::PermissionDenied => (ErrorKind::Storage, ": check its owner and mode"),
        io::ErrorKind::NotADirectory => (ErrorKind::Storage, ": expected a directory"),
        io::ErrorKind::Unsupported => (
            ErrorKind::Unsupported,
            ": the file system lacks an operation that a layout needs, keep the layout on a local one",
        ),
        _ => (ErrorKind::Storage, ""),
    }
}

/// Adds a verb and a path to an [`io::Result`].
pub(crate) trait At<T> {
    fn at(self, doing: &str, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &str, path: &Path) -> Result<T, Error> {
        self.map_err(|error| storage(doing, path, error))
    }
}

/// Bounds foreign text for a message and escapes its control characters.
pub(crate) fn bounded(text: &str) -> String {
    /// The most characters of foreign text in a message.
    const MAX: usize = 160;
    let shown = text.chars().take(MAX).flat_map(char::escape_debug);
    let end = if text.chars().nth(MAX).is_some() {
        "..."
    } else {
        ""
    };
    shown.chain(end.chars()).collect()
}
