use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, FileType, Mode, OFlags},
    io::Errno,
};

use super::{
    handle::{self, Handle},
    problem, remove,
    root::Root,
};
use crate::{Error, ErrorKind};

/// The prefix of the directory that a root is staged in.
const PREFIX: &str = ".wharf-unpack-";
/// The name of the root in it.
const ROOT: &str = "root";

/// A root that is unpacked in a hidden directory beside its path, and appears at its path when it is whole.
///
/// Dropped before [`StagedRoot::finish`], it is removed. A process that is killed leaves a directory
/// `.wharf-unpack-…`, which nothing reads and anyone may remove.
///
/// ```
/// use wharf_layer::tar::Writer;
/// use wharf_layer::{ApplyOptions, StagedRoot, apply};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("rootfs");
/// let staged = StagedRoot::create(&path)?;
/// let layer = Writer::new().finish()?.to_vec();
/// apply(staged.root(), layer.as_slice(), &ApplyOptions::default())?;
/// assert!(!path.exists());
/// staged.finish()?;
/// assert!(path.is_dir());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StagedRoot {
    path: PathBuf,
    /// The directory of `path`.
    above: OwnedFd,
    /// The name of the hidden directory in it.
    hidden: String,
    root: Root,
}

impl StagedRoot {
    /// A root for this path, at which is nothing or an empty directory. The directory above must exist. The hidden
    /// directory has the permissions 0700.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if a directory is there and not empty; [`ErrorKind::Invalid`] if a file or symbolic link
    /// is there, and for a path without a last component, as `/` and `..`; [`ErrorKind::NotFound`] if there is no
    /// directory above; [`ErrorKind::Storage`] and [`ErrorKind::NoSpace`] from the file system.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let Some(name) = path.file_name() else {
            let message = format!("{}: it is not the name of a new directory", path.display());
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let above_path = match path.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = fs::open(above_path, flags, Mode::empty())
            .map_err(|errno| problem::of_root(above_path, "cannot open the directory", errno))?;
        let failed = |errno| problem::of_root(path, "cannot read the directory", errno);
        if let Some(stat) = handle::entry(&above, name.as_bytes()).map_err(failed)? {
            if handle::file_type(&stat) != FileType::Directory {
                return Err(Root::not_a_directory(path));
            }
            let there = handle::listed(&above, name.as_bytes()).map_err(failed)?;
            if handle::names(there).map_err(failed)?.next().is_some() {
                return Err(Root::not_empty(path));
            }
        }
        let hidden = make_hidden(&above)
            .map_err(|errno| problem::of_root(above_path, "cannot make a directory in it", errno))?;
        match Root::create(above_path.join(&hidden).join(ROOT)) {
            Ok(root) => Ok(Self {
                path: path.to_owned(),
                above,
                hidden,
                root,
            }),
            Err(error) => {
                let _ = remove::remove(&above, hidden.as_bytes(), None);
                Err(error)
            }
        }
    }

    /// The root, to which layers are applied.
    #[must_use]
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// Moves the root to its path. It is not synced to the disk.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if something else is there now; [`ErrorKind::Storage`] from the file system, also if a
    /// file system is mounted there. What was unpacked is removed.
    pub fn finish(self) -> Result<(), Error> {
        self.rename().map_err(|errno| {
            let (kind, why) = match errno {
                Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR => (
                    ErrorKind::Conflict,
                    "something else was put there meanwhile".to_owned(),
                ),
                Errno::BUSY => {
                    let why = "a file system is mounted there; unpack to a directory below it".to_owned();
                    (ErrorKind::Storage, why)
                }
                other => (problem::kind(other), std::io::Error::from(other).to_string()),
            };
            let message = format!(
                "{}: the unpacked image cannot be moved there: {why}",
                self.path.display()
            );
            Error::new(kind, message)
        })
    }

    fn rename(&self) -> rustix::io::Result<()> {
        let name = self.path.file_name().ok_or(Errno::INVAL)?;
        let hidden = handle::path_of(&self.above, self.hidden.as_bytes())?;
        // A directory is moved by those who may write to it.
        let root = Handle::Open(self.root.directory().as_fd());
        let mode = root.stat()?.st_mode & 0o7777;
        let closed = mode & 0o200 == 0;
        if closed {
            root.set_mode(mode | 0o200)?;
        }
        fs::renameat(&hidden, ROOT, &self.above, name)?;
        if closed {
            root.set_mode(mode)?;
        }
        Ok(())
    }
}

impl Drop for StagedRoot {
    fn drop(&mut self) {
        let _ = remove::remove(&self.above, self.hidden.as_bytes(), None);
    }
}

impl fmt::Debug for StagedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StagedRoot")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Makes a directory with a new name.
fn make_hidden(above: &OwnedFd) -> rustix::io::Result<String> {
    /// Names that are tried.
    const ATTEMPTS: u32 = 16;
    for attempt in 0..ATTEMPTS {
        let random = RandomState::new().hash_one((std::process::id(), attempt));
        let name = format!("{PREFIX}{random:016x}");
        match fs::mkdirat(above, &name, Mode::RWXU) {
            Ok(()) => return Ok(name),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}
