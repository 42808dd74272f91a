//! Files by path, and what is done to open ones.

use std::{fs::File, io, path::Path};

use crate::system;

/// Opens a regular file for reading by a path, following symbolic links. It does not wait for the other end of a
/// pipe.
///
/// # Errors
///
/// A [`WrongKind`](crate::WrongKind) for any other kind of file, and as `open`.
pub fn open_regular(path: impl AsRef<Path>) -> io::Result<File> {
    system::open_regular(path.as_ref())
}

/// Opens a regular file for reading by a path whose last component is not a symbolic link. It does not wait for
/// the other end of a pipe.
///
/// # Errors
///
/// A [`WrongKind`](crate::WrongKind) for any other kind of file, and as `open`.
pub fn open_regular_itself(path: impl AsRef<Path>) -> io::Result<File> {
    system::open_regular_itself(path.as_ref())
}

/// Lets nobody write to the file by its name: mode 0444. Handles that are open for writing stay so.
///
/// # Errors
///
/// As `fchmod`.
pub fn set_read_only(file: &File) -> io::Result<()> {
    system::set_read_only(file)
}

/// True if the file has further names, so that a change of its mode or times affects another user of it. False on
/// systems that do not report that.
///
/// # Errors
///
/// As `fstat`.
pub fn has_other_names(file: &File) -> io::Result<bool> {
    system::has_other_names(file)
}

/// Makes `to` share the blocks of `from`, as a copy that takes no space. Returns false where that is not possible.
#[must_use]
pub fn reflink(from: &File, to: &File) -> bool {
    system::reflink(from, to)
}
