//! The hidden directory beside its path in which a root is staged.

use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use rustix::{
    fs::{self, FlockOperation, Mode},
    io::{Errno, Result},
};
use wharf_content::Hasher;

use super::{
    handle::{self, Handle, Identity},
    problem, remove,
    root::Root,
};
use crate::{Error, ErrorKind};

const PREFIX: &str = ".wharf-unpack-";
/// The name of the root in the hidden directory.
const ROOT: &str = "root";

/// A directory of the permissions 0700 with a name that follows from the name of the root's path. It is locked, which
/// tells it from one that a killed process has left: the next process takes that over, and removes what is in it.
#[derive(Debug)]
pub(super) struct Hidden {
    /// The directory of the root's path.
    above: OwnedFd,
    name: String,
    directory: OwnedFd,
}

impl Hidden {
    /// Makes the directory for the root of this name in `above`, or takes one over.
    pub(super) fn make(above: OwnedFd, above_path: &Path, root: &OsStr) -> std::result::Result<Self, Error> {
        /// Attempts, as other processes may remove the directory before it is locked.
        const ATTEMPTS: u32 = 16;
        let digest = Hasher::sha256(root.as_bytes());
        let name = format!("{PREFIX}{}", digest.encoded().get(..16).unwrap_or_default());
        let path = above_path.join(&name);
        for _ in 0..ATTEMPTS {
            let taken = Self::take(&above, &name);
            let taken = taken
                .map_err(|errno| problem::of_root(&path, "cannot make the directory to unpack in", errno))?;
            let why = match taken {
                Taken::Locked(directory) => {
                    let hidden = Self {
                        above,
                        name,
                        directory,
                    };
                    let what = "cannot remove what a process that was killed has left";
                    hidden
                        .clear()
                        .map_err(|errno| problem::of_root(&path, what, errno))?;
                    return Ok(hidden);
                }
                Taken::Gone => continue,
                Taken::Busy => "another process unpacks an image to the same path; wait until it has ended",
                Taken::Foreign => {
                    "a name that is needed belongs to another user, or is no directory; remove it"
                }
            };
            let message = format!("{}: {why}", path.display());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Err(problem::of_root(&path, "cannot lock the directory", Errno::AGAIN))
    }

    fn take(above: &OwnedFd, name: &str) -> Result<Taken> {
        let is_new = match fs::mkdirat(above, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error),
        };
        let directory = match handle::listed(above, name.as_bytes()) {
            Err(Errno::NOENT) => return Ok(Taken::Gone),
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Taken::Foreign),
            opened => opened?,
        };
        let stat = fs::fstat(&directory)?;
        if !is_new && stat.st_uid != rustix::process::geteuid().as_raw() {
            return Ok(Taken::Foreign);
        }
        loop {
            match fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Ok(Taken::Busy),
                Err(error) => return Err(error),
            }
        }
        // The process that had locked it before has removed it.
        let named = handle::entry(above, name.as_bytes())?;
        if named.is_none_or(|named| Identity::of(&named) != Identity::of(&stat)) {
            return Ok(Taken::Gone);
        }
        Ok(Taken::Locked(directory))
    }

    /// Makes an empty root in it.
    pub(super) fn root(&self, above_path: &Path) -> std::result::Result<Root, Error> {
        let path = above_path.join(&self.name).join(ROOT);
        Root::create_at(&self.directory, Path::new(ROOT), &path)
    }

    /// Moves the root to its name. At no moment is anything there but what was there before, or the whole root.
    pub(super) fn rename(&self, root: &Root, name: &OsStr) -> Result<()> {
        let root = Handle::Open(root.directory().as_fd());
        let mode = root.stat()?.st_mode & 0o7777;
        if mode & 0o200 != 0 {
            return fs::renameat(&self.directory, ROOT, &self.above, name);
        }
        // A directory goes to another one only if its owner may write to it. It gets its permissions back before it
        // gets its name.
        root.set_mode(mode | 0o200)?;
        fs::renameat(&self.directory, ROOT, &self.above, self.moved())?;
        root.set_mode(mode)?;
        fs::renameat(&self.above, self.moved(), &self.above, name)
    }

    /// The name beside the hidden directory that a root has for a moment.
    fn moved(&self) -> String {
        format!("{}-{ROOT}", self.name)
    }

    /// Removes what is in it, and what was moved out of it.
    fn clear(&self) -> Result<()> {
        remove::clear(&self.above, self.name.as_bytes(), None)?;
        remove::remove(&self.above, self.moved().as_bytes(), None)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = remove::remove(&self.above, self.moved().as_bytes(), None);
        let _ = remove::remove(&self.above, self.name.as_bytes(), None);
    }
}

/// The state of the directory.
enum Taken {
    /// It is this process's alone.
    Locked(OwnedFd),
    /// Another process has removed it.
    Gone,
    /// Another process has locked it.
    Busy,
    /// It is no directory of this user.
    Foreign,
}
