use std::{
    fmt,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, Mode, OFlags},
    io::Errno,
};

use super::{
    handle, problem,
    resolve::{Resolver, Way},
};
use crate::{Error, ErrorKind};

/// A directory that layers are unpacked into: the root of an image.
///
/// The directory is held open. Nothing outside it is read, made, changed or removed, whatever the layers say, whatever is
/// mounted in the tree, and whatever other processes do to the tree meanwhile; but a tree that others may write to can be changed by them, so
/// keep it below a directory of the permissions 0700.
pub struct Root {
    path: PathBuf,
    directory: OwnedFd,
    folds: bool,
    way: Way,
}

impl Root {
    /// A directory for the first layer of an image: it is made, unless it is there and empty. The directory above must
    /// exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if it is there and not empty; [`ErrorKind::Invalid`] if it is a symbolic link or not a
    /// directory; [`ErrorKind::Storage`] and [`ErrorKind::NoSpace`] from the file system.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        match fs::mkdir(path, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(problem::of_root(path, "cannot make the directory", error)),
        }
        let root = Self::open(path)?;
        let failed = |error| problem::of_root(path, "cannot read the directory", error);
        if handle::names(&root.directory).map_err(failed)?.next().is_some() {
            return Err(Self::not_empty(path));
        }
        Ok(root)
    }

    /// A directory that lower layers of the image were unpacked into.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is not there; [`ErrorKind::Invalid`] if it is a symbolic link or not a directory;
    /// [`ErrorKind::Storage`] from the file system.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match fs::open(path, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(Self::not_a_directory(path)),
            Err(error) => return Err(problem::of_root(path, "cannot open the directory", error)),
        };
        let folds =
            folds(&directory).map_err(|error| problem::of_root(path, "cannot read the directory", error))?;
        Ok(Self {
            path: path.to_owned(),
            directory,
            folds,
            way: Way::default(),
        })
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

    /// True if the file system takes `A` for `a`.
    pub(super) const fn folds(&self) -> bool {
        self.folds
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A directory that is made and removed at once in an empty root.
const PROBE: &str = ".wharf-probe";

/// True if names in the directory are looked up without regard to case.
fn folds(directory: &OwnedFd) -> rustix::io::Result<bool> {
    let swapped = |name: &[u8]| -> Vec<u8> {
        let swap = |byte: &u8| {
            if byte.is_ascii_lowercase() {
                byte.to_ascii_uppercase()
            } else {
                byte.to_ascii_lowercase()
            }
        };
        name.iter().map(swap).collect()
    };
    let names: Vec<_> = handle::names(directory)?.collect::<rustix::io::Result<_>>()?;
    if let Some(name) = names.iter().find(|name| name.iter().any(u8::is_ascii_alphabetic)) {
        let other = swapped(name);
        return Ok(!names.contains(&other) && handle::entry(directory, &other)?.is_some());
    }
    // Nothing is in it to tell from: a new name does.
    match fs::mkdirat(directory, PROBE, Mode::RWXU) {
        Ok(()) => {}
        Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => return Ok(false), // nothing will be unpacked there
        Err(error) => return Err(error),
    }
    let folds = handle::entry(directory, &swapped(PROBE.as_bytes()));
    fs::unlinkat(directory, PROBE, fs::AtFlags::REMOVEDIR)?;
    Ok(folds?.is_some())
}
