//! An open directory.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    path::{Component, Path},
};

use crate::{FileKind, Stamp, system, try_lock};

/// A way to open a regular file. A file that is created gets the mode that is passed with it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access {
    Read,
    ReadWrite,
    /// Created if it does not exist.
    ReadWriteOrCreate,
    /// Created; an error if it exists.
    CreateNew,
}

/// An open directory.
///
/// A name of a file in it is one component of a path; calls with any other fail with
/// [`io::ErrorKind::InvalidInput`]. A mode has permission bits, of which the umask of the process takes some away.
/// Errors are those of the system calls, if nothing else is said.
#[derive(Debug)]
pub struct Directory(system::Handle);

/// Directories by path.
impl Directory {
    /// Opens a directory by a path, following symbolic links.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotADirectory`] for any other kind of file, and as `open`.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        system::Handle::open(path.as_ref()).map(Self)
    }

    /// Opens a directory by a path whose last component is not a symbolic link.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotADirectory`] for any other kind of file, a symbolic link among them, and as `open`.
    pub fn open_itself(path: impl AsRef<Path>) -> io::Result<Self> {
        system::Handle::open_itself(path.as_ref()).map(Self)
    }

    /// Creates a directory and its parents, and syncs the directories that have a new entry. New parents have mode
    /// 0755. If something exists at the path, it is left as it is, whatever its kind.
    ///
    /// # Errors
    ///
    /// As `mkdir`, `open` and `fsync`.
    pub fn create_all(path: impl AsRef<Path>, mode: u16) -> io::Result<()> {
        let path = path.as_ref();
        match system::create_directory(path, mode) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let Some(parent) = parent else {
                    return Err(error);
                };
                Self::create_all(parent, 0o755)?;
                // Only once more: below a dangling symbolic link, or in /proc, no directory can ever be created.
                system::create_directory(path, mode)
            }
            other => other,
        }
    }

    /// The path by which it was opened, for messages. The directory may have another meanwhile.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// The entries of the directory.
impl Directory {
    /// Opens a directory in this one, but not through a symbolic link.
    ///
    /// # Errors
    ///
    /// A [`WrongKind`](crate::WrongKind) for a symbolic link, [`io::ErrorKind::NotADirectory`] for a file.
    pub fn directory(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        self.0.directory(component(name.as_ref())?).map(Self)
    }

    /// Opens a directory in this one, or creates it with this mode.
    ///
    /// # Errors
    ///
    /// As [`Directory::directory`].
    pub fn make_directory(&self, name: impl AsRef<OsStr>, mode: u16) -> io::Result<Self> {
        let name = component(name.as_ref())?;
        match self.0.directory(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other.map(Self),
        }
        match self.0.create_directory(name, mode) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.0.directory(name).map(Self)
    }

    /// Opens a regular file for reading. It does not wait for the other end of a pipe.
    ///
    /// # Errors
    ///
    /// A [`WrongKind`](crate::WrongKind) for any other kind of file.
    pub fn open_file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.0.file(component(name.as_ref())?, Access::Read, 0)
    }

    /// Opens a regular file for reading and writing, or creates it with this mode.
    ///
    /// One that is read-only, as a writer leaves it that was stopped after [`set_read_only`](crate::set_read_only),
    /// is made writable.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if another handle has the read-only file locked, so that its writer is still at
    /// work; a [`WrongKind`](crate::WrongKind) for any other kind of file.
    pub fn open_or_create(&self, name: impl AsRef<OsStr>, mode: u16) -> io::Result<File> {
        /// The most attempts to open a file that other processes move and make anew meanwhile.
        const MAX_ATTEMPTS: u32 = 100;
        let name = component(name.as_ref())?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.0.file(name, Access::ReadWriteOrCreate, mode) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && attempt < MAX_ATTEMPTS => {}
                other => return other,
            }
            let file = match self.0.file(name, Access::Read, 0) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            if matches!(try_lock(&file), Ok(false)) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            // Only the holder of the lock moves the file: under this name it is not in use, and not finished yet.
            let ours = Stamp::of(&file)?;
            if self
                .0
                .stat(name)?
                .is_some_and(|(_, named)| named.same_file(&ours))
            {
                system::set_writable(&file, mode)?;
            }
        }
    }

    /// Opens a regular file that exists for reading and writing, in a directory to which no other process writes. A
    /// read-only file is made writable and gets this mode.
    ///
    /// # Errors
    ///
    /// A [`WrongKind`](crate::WrongKind) for any other kind of file.
    pub fn open_existing(&self, name: impl AsRef<OsStr>, mode: u16) -> io::Result<File> {
        let name = component(name.as_ref())?;
        match self.0.file(name, Access::ReadWrite, 0) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                system::set_writable(&self.0.file(name, Access::Read, 0)?, mode)?;
                self.0.file(name, Access::ReadWrite, 0)
            }
            other => other,
        }
    }

    /// Creates a file with this mode, open for reading and writing.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if the name exists.
    pub fn create_new(&self, name: impl AsRef<OsStr>, mode: u16) -> io::Result<File> {
        self.0.file(component(name.as_ref())?, Access::CreateNew, mode)
    }

    /// The kind and the state of the file with this name, a symbolic link itself; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As `fstatat`.
    pub fn stat(&self, name: impl AsRef<OsStr>) -> io::Result<Option<(FileKind, Stamp)>> {
        self.0.stat(component(name.as_ref())?)
    }

    /// The names in the directory, in no order. Those that are not UTF-8 are converted lossily, so that they match
    /// no file.
    ///
    /// # Errors
    ///
    /// As `readdir`.
    pub fn names(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }

    /// Renames a file and replaces another. `to` is the directory of the new name.
    ///
    /// # Errors
    ///
    /// As `renameat`.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: &Self, name: impl AsRef<OsStr>) -> io::Result<()> {
        self.0
            .rename(component(from.as_ref())?, &to.0, component(name.as_ref())?)
    }

    /// Renames a file to a name that must not exist; false if it exists. `to` is the directory of the new name.
    ///
    /// Where the file system cannot do that in one step, the file is linked to the new name and the old one is
    /// removed: a process that is killed between the two leaves both names. Where it has no links either, on other
    /// systems than Unix, the name is checked before.
    ///
    /// # Errors
    ///
    /// As `renameat2`, `linkat` and `unlinkat`.
    pub fn rename_new(
        &self,
        from: impl AsRef<OsStr>,
        to: &Self,
        name: impl AsRef<OsStr>,
    ) -> io::Result<bool> {
        self.0
            .rename_new(component(from.as_ref())?, &to.0, component(name.as_ref())?)
    }

    /// Exchanges two files or directories in one step; false if the system or the file system cannot.
    ///
    /// # Errors
    ///
    /// As `renameat2`.
    pub fn exchange(&self, one: impl AsRef<OsStr>, other: impl AsRef<OsStr>) -> io::Result<bool> {
        self.0
            .exchange(component(one.as_ref())?, component(other.as_ref())?)
    }

    /// Removes a file, if there is one.
    ///
    /// # Errors
    ///
    /// As `unlinkat`.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        match self.0.remove(component(name.as_ref())?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The directory itself.
impl Directory {
    /// Syncs the names in the directory, so that they outlive a power failure. File systems that cannot sync a
    /// directory keep its order by themselves, which is no error.
    ///
    /// # Errors
    ///
    /// As `fsync`.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    /// Takes an exclusive lock, which ends with this handle or the process; false if another handle has it. On
    /// network file systems that cannot lock a directory it succeeds, and keeps nobody apart.
    ///
    /// # Errors
    ///
    /// As `flock`.
    pub fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }

    /// Ends the lock before the handle is dropped.
    pub fn unlock(&self) {
        self.0.unlock();
    }

    /// Sets the mode of this directory to that of another.
    ///
    /// # Errors
    ///
    /// As `fstat` and `fchmod`.
    pub fn copy_mode_from(&self, other: &Self) -> io::Result<()> {
        self.0.copy_mode_from(&other.0)
    }

    /// True if both are the same directory.
    ///
    /// # Errors
    ///
    /// As `fstat`.
    pub fn is_same(&self, other: &Self) -> io::Result<bool> {
        self.0.is_same(&other.0)
    }

    /// True if another user can replace what is in the directory: it is owned by neither this user nor root.
    ///
    /// # Errors
    ///
    /// As `fstat`.
    pub fn is_foreign(&self) -> io::Result<bool> {
        self.0.is_foreign()
    }

    /// True if a file system is mounted at this directory, which can therefore not be renamed. `parent` is the
    /// directory in which it is.
    ///
    /// # Errors
    ///
    /// As `fstat`.
    pub fn is_mount_point(&self, parent: &Self) -> io::Result<bool> {
        self.0.is_mount_point(&parent.0)
    }
}

/// Refuses a name that is not one component.
fn component(name: &OsStr) -> io::Result<&OsStr> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name => Ok(name),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not the name of a file in a directory",
        )),
    }
}
