//! The error for a file of the wrong kind.

use std::{
    error, fmt, io,
    path::{Path, PathBuf},
};

use crate::FileKind;

/// The error for a file of another kind than the one that was to be opened. It is the inner error of an
/// [`io::Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongKind {
    path: PathBuf,
    kind: FileKind,
}

impl WrongKind {
    pub(crate) fn error(path: PathBuf, kind: FileKind) -> io::Error {
        io::Error::other(Self { path, kind })
    }

    /// Returns the inner error, if it is one of this type.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The path of the file, which begins with the path by which its directory was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kind that was found.
    #[must_use]
    pub const fn kind(&self) -> FileKind {
        self.kind
    }
}

impl fmt::Display for WrongKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FileKind::Symlink => "it is a symbolic link, and symbolic links are not followed",
            FileKind::File | FileKind::Directory | FileKind::Other => "it is not a regular file",
        })
    }
}

impl error::Error for WrongKind {}
