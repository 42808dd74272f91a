use std::{
    fmt,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, Mode, OFlags},
    io::Errno,
};

use super::{
    handle::{self, Handle},
    problem,
    resolve::{Resolver, Way},
};
use crate::{Error, ErrorKind};

/// The permissions of a root that no layer states.
const NEW_MODE: u32 = 0o755;

/// A directory that layers are unpacked into: the root of an image.
///
/// The directory is held open. Nothing outside it is read, made, changed or removed, whatever the layers say, whatever is
/// mounted in the tree, and whatever other processes do to the tree meanwhile; but a tree that others may write to can be changed by them, so
/// keep it below a directory of the permissions 0700.
pub struct Root {
    path: PathBuf,
    directory: OwnedFd,
    way: Way,
}

impl Root {
    /// A directory for the first layer of an image: it is made, unless it is there and empty. The directory above must
    /// exist. A new one has the user and group of the process and the permissions 0755, whatever the process's umask and
    /// the directory above are, until a layer states others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if it is there and not empty; [`ErrorKind::Invalid`] if it is a symbolic link or not a
    /// directory; [`ErrorKind::Storage`] and [`ErrorKind::NoSpace`] from the file system.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::create_at(fs::CWD, path, path)
    }

    /// As [`Root::create`], at a path below a directory; `shown` stands in errors.
    pub(super) fn create_at(directory: impl AsFd, path: &Path, shown: &Path) -> Result<Self, Error> {
        let is_new = match fs::mkdirat(&directory, path, Mode::from_raw_mode(NEW_MODE)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(problem::of_root(shown, "cannot make the directory", error)),
        };
        let root = Self::open_at(directory, path, shown)?;
        if is_new {
            let set = root.make_plain();
            set.map_err(|error| problem::of_root(shown, "cannot set its permissions", error))?;
        }
        let failed = |error| problem::of_root(shown, "cannot read the directory", error);
        match handle::names(&root.directory).map_err(failed)?.next() {
            None => Ok(root),
            Some(name) => Err(name.map_or_else(failed, |_| Self::not_empty(shown))),
        }
    }

    /// Takes from a new root what the umask of the process and the directory above have given it.
    fn make_plain(&self) -> rustix::io::Result<()> {
        let root = Handle::Open(self.directory.as_fd());
        let group = rustix::process::getegid();
        if root.stat()?.st_gid != group.as_raw() {
            fs::fchown(&self.directory, None, Some(group))?;
        }
        root.clear_access_lists()?;
        root.set_mode(NEW_MODE)
    }

    /// A directory that lower layers of the image were unpacked into.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not there; [`ErrorKind::Invalid`] if it is a symbolic link or not a directory;
    /// [`ErrorKind::Storage`] from the file system.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::open_at(fs::CWD, path, path)
    }

    fn open_at(directory: impl AsFd, path: &Path, shown: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(directory, path, flags, Mode::empty()) {
            Ok(directory) => Ok(Self {
                path: shown.to_owned(),
                directory,
                way: Way::default(),
            }),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(Self::not_a_directory(shown)),
            Err(error) => Err(problem::of_root(shown, "cannot open the directory", error)),
        }
    }

    /// Resolves names by component, as where the kernel has no openat2(2); for tests of that way.
    #[doc(hidden)]
    #[must_use]
    pub fn without_openat2(mut self) -> Self {
        self.way = Way::Walk;
        self
    }

    /// The path that the directory was opened with.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The error for a directory that an image is unpacked into and that has something in it.
    pub(super) fn not_empty(path: &Path) -> Error {
        let message = format!(
            "{}: the directory is not empty; unpack an image into a new one",
            path.display()
        );
        Error::new(ErrorKind::Conflict, message)
    }

    /// The error for a path at which is something else than a directory.
    pub(super) fn not_a_directory(path: &Path) -> Error {
        let message = format!(
            "{}: the root must be a directory, and not a symbolic link to one",
            path.display()
        );
        Error::new(ErrorKind::Invalid, message)
    }

    pub(super) const fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Resolves names of directories of the root.
    pub(crate) fn resolver(&self) -> Result<Resolver, Error> {
        let directory = self.directory.try_clone().map_err(|error| {
            let message = format!("{}: {error}", self.path.display());
            Error::new(ErrorKind::Storage, message)
        })?;
        Ok(Resolver::new(directory, self.way))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
