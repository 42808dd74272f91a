use std::{
    fmt,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, FileType, Mode, OFlags},
    io::Errno,
};

use super::{handle, hidden::Hidden, problem, root::Root};
use crate::{Error, ErrorKind};

/// A root that is unpacked in a hidden directory beside its path, and appears at its path when it is whole.
///
/// Dropped before [`StagedRoot::finish`], it is removed, as far as the file system allows it. A process that is killed
/// leaves a directory `.wharf-unpack-…`, and one more whose name ends in `-root` if it was killed in
/// [`StagedRoot::finish`]. Nothing reads them. The next one for the same path removes them, and anyone may.
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
    root: Root,
    hidden: Hidden,
}

impl StagedRoot {
    /// A root for this path, at which is nothing or an empty directory. The directory above must exist. The hidden
    /// directory has the permissions 0700.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if a directory is there and not empty, if another process unpacks to the same path, and if
    /// the name of the hidden directory is another user's; [`ErrorKind::Invalid`] if a file or symbolic link
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
        let hidden = Hidden::make(above, above_path, name)?;
        Ok(Self {
            path: path.to_owned(),
            root: hidden.root(above_path)?,
            hidden,
        })
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
        let name = self.path.file_name().unwrap_or_default();
        self.hidden.rename(&self.root, name).map_err(|errno| {
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
}

impl fmt::Debug for StagedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StagedRoot")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
