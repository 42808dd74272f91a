//! Errors of reading a tree.

use std::{io, path::Path};

use rustix::io::Errno;

use crate::{Error, ErrorKind, tar};

/// The error of a file of the tree.
pub(super) fn of_file(root: &Path, name: &[u8], what: &str, errno: Errno) -> Error {
    match errno {
        // What was seen is another kind of file now, or none.
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE | Errno::ISDIR | Errno::NXIO => {
            changed(root, name)
        }
        _ => {
            let kind = match errno {
                Errno::NOSPC | Errno::DQUOT => ErrorKind::NoSpace,
                _ => ErrorKind::Storage,
            };
            refused(root, name, kind, &format!("{what}: {}", io::Error::from(errno)))
        }
    }
}

/// The tree is not what it was when it was read first.
pub(super) fn changed(root: &Path, name: &[u8]) -> Error {
    let why = "it changed while the tree was read; stop what writes to the tree, and begin again";
    refused(root, name, ErrorKind::Conflict, why)
}

/// Another file system is mounted at a directory.
pub(super) fn mounted(root: &Path, name: &[u8]) -> Error {
    let why = "another file system is mounted there, which is no part of the tree; unmount it";
    refused(root, name, ErrorKind::Unsupported, why)
}

pub(super) fn refused(root: &Path, name: &[u8], kind: ErrorKind, why: &str) -> Error {
    Error::new(
        kind,
        format!("{} below {}: {why}", tar::shown(name), root.display()),
    )
}
