//! Errors of unpacking.

use std::{io, path::Path};

use rustix::io::Errno;

use crate::{Error, ErrorKind, tar};

/// The error of the root itself.
pub(super) fn of_root(path: &Path, what: &str, errno: Errno) -> Error {
    let message = format!("{}: {what}: {}", path.display(), io::Error::from(errno));
    Error::new(kind(errno), message)
}

/// The error of a member.
pub(super) fn of_member(root: &Path, member: &[u8], what: &str, errno: Errno) -> Error {
    let cause = match errno {
        Errno::LOOP => "its name leads through more than 40 symbolic links".to_owned(),
        Errno::NOTDIR => "a part of its name is in the root, and is not a directory".to_owned(),
        Errno::XDEV => "it is in another file system, which is mounted in the root; unmount it".to_owned(),
        Errno::TOOBIG => {
            "the directories of the layer have too many names and extended attributes".to_owned()
        }
        // The system says so of ids alone that are none of the user namespace.
        Errno::INVAL if what == OWNER => "its user or group is none that this user namespace has".to_owned(),
        Errno::STALE => "another process has moved a directory meanwhile".to_owned(),
        _ => io::Error::from(errno).to_string(),
    };
    let advice = match errno {
        Errno::INVAL if what == OWNER => "; map it to one, or unpack for the current user",
        Errno::PERM if what == OWNER => {
            "; to keep the owners of the layer takes root, or a user namespace as of podman unshare; otherwise unpack \
             for the current user"
        }
        _ => "",
    };
    let member = tar::shown(member);
    let message = format!(
        "tar member {member}: {what} below {}: {cause}{advice}",
        root.display()
    );
    let kind = match errno {
        Errno::LOOP | Errno::NOTDIR => ErrorKind::Corrupt,
        Errno::INVAL if what == OWNER => ErrorKind::Invalid,
        _ => kind(errno),
    };
    Error::new(kind, message)
}

/// The step in which owners are set.
pub(super) const OWNER: &str = "cannot set its owner and attributes";

pub(super) fn kind(errno: Errno) -> ErrorKind {
    match errno {
        Errno::NOENT => ErrorKind::NotFound,
        Errno::NOSPC | Errno::DQUOT => ErrorKind::NoSpace,
        Errno::STALE | Errno::XDEV => ErrorKind::Conflict,
        Errno::NAMETOOLONG | Errno::TOOBIG => ErrorKind::TooLarge,
        _ => ErrorKind::Storage,
    }
}
