//! A directory by its descriptor.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, AtFlags, FlockOperation, Mode, OFlags},
    io::Errno,
};

use super::{file::regular, kind, raw, stamp};
use crate::{FileKind, Stamp, WrongKind, directory::Access};

/// The flags that open a directory.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

#[derive(Debug)]
pub(crate) struct Handle {
    fd: OwnedFd,
    path: PathBuf,
}

impl Handle {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_as(path, DIRECTORY)
    }

    pub(crate) fn open_itself(path: &Path) -> io::Result<Self> {
        Self::open_as(path, DIRECTORY | OFlags::NOFOLLOW)
    }

    fn open_as(path: &Path, flags: OFlags) -> io::Result<Self> {
        let fd = fs::open(path, flags, Mode::empty())?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn directory(&self, name: &OsStr) -> io::Result<Self> {
        let fd = fs::openat(&self.fd, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|error| self.refused(name, error))?;
        Ok(Self {
            fd,
            path: self.path.join(name),
        })
    }

    pub(crate) fn create_directory(&self, name: &OsStr, mode: u16) -> io::Result<()> {
        Ok(fs::mkdirat(&self.fd, name, raw(mode))?)
    }

    pub(crate) fn file(&self, name: &OsStr, access: Access, mode: u16) -> io::Result<File> {
        let flags = match access {
            Access::Read => OFlags::RDONLY | OFlags::NONBLOCK,
            Access::ReadWrite => OFlags::RDWR | OFlags::NONBLOCK,
            Access::ReadWriteOrCreate => OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK,
            Access::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, raw(mode)).map_err(|error| self.refused(name, error))?;
        regular(fd, || self.path.join(name))
    }

    /// The error of opening a name. For a symbolic link, the error number differs between systems and calls.
    fn refused(&self, name: &OsStr, error: Errno) -> io::Error {
        let perhaps = matches!(error, Errno::LOOP | Errno::MLINK | Errno::NOTDIR);
        if perhaps && matches!(self.stat(name), Ok(Some((FileKind::Symlink, _)))) {
            return WrongKind::error(self.path.join(name), FileKind::Symlink);
        }
        if error == Errno::NXIO {
            return WrongKind::error(self.path.join(name), FileKind::Other); // a socket
        }
        error.into()
    }

    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Option<(FileKind, Stamp)>> {
        match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some((kind(&stat), stamp(&stat)))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if !matches!(&*name, "." | "..") {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    pub(crate) fn rename(&self, from: &OsStr, to: &Self, name: &OsStr) -> io::Result<()> {
        Ok(fs::renameat(&self.fd, from, &to.fd, name)?)
    }

    pub(crate) fn rename_new(&self, from: &OsStr, to: &Self, name: &OsStr) -> io::Result<bool> {
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        match fs::renameat_with(&self.fd, from, &to.fd, name, fs::RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(true),
            Err(Errno::EXIST) => return Ok(false),
            // File systems without the flag fall through to a link, which never replaces either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
        match fs::linkat(&self.fd, from, &to.fd, name, AtFlags::empty()) {
            Ok(()) => match self.remove(from) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(true),
            },
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    pub(crate) fn exchange(&self, one: &OsStr, other: &OsStr) -> io::Result<bool> {
        match fs::renameat_with(&self.fd, one, &self.fd, other, fs::RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the interface is that of other systems"
    )]
    pub(crate) fn exchange(&self, _: &OsStr, _: &OsStr) -> io::Result<bool> {
        Ok(false)
    }

    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        #[cfg(target_vendor = "apple")]
        let synced = fs::fcntl_fullfsync(&self.fd).or_else(|_| fs::fsync(&self.fd));
        #[cfg(not(target_vendor = "apple"))]
        let synced = fs::fsync(&self.fd);
        match synced {
            // Some file systems cannot sync a directory, and keep its order by themselves.
            Err(Errno::INVAL | Errno::BADF) => Ok(()),
            other => Ok(other?),
        }
    }

    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        let lock = || fs::flock(&self.fd, FlockOperation::NonBlockingLockExclusive);
        match rustix::io::retry_on_intr(lock) {
            Err(Errno::WOULDBLOCK) => Ok(false),
            // Network file systems cannot lock a directory.
            Err(Errno::BADF | Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => Ok(true),
            other => other.map(|()| true).map_err(Into::into),
        }
    }

    pub(crate) fn unlock(&self) {
        let _ = fs::flock(&self.fd, FlockOperation::Unlock); // it ends with the handle at the latest
    }

    pub(crate) fn copy_mode_from(&self, other: &Self) -> io::Result<()> {
        let mode = Mode::from_raw_mode(fs::fstat(&other.fd)?.st_mode);
        Ok(fs::fchmod(&self.fd, mode)?)
    }

    pub(crate) fn is_same(&self, other: &Self) -> io::Result<bool> {
        let (one, other) = (fs::fstat(&self.fd)?, fs::fstat(&other.fd)?);
        Ok(stamp(&one).same_file(&stamp(&other)))
    }

    pub(crate) fn is_foreign(&self) -> io::Result<bool> {
        let owner = fs::fstat(&self.fd)?.st_uid;
        Ok(owner != rustix::process::geteuid().as_raw() && owner != 0)
    }

    pub(crate) fn is_mount_point(&self, parent: &Self) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{StatxAttributes, StatxFlags};
            if let Ok(stat) = fs::statx(&self.fd, "", AtFlags::EMPTY_PATH, StatxFlags::empty())
                && stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
            {
                return Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
            }
        }
        Ok(fs::fstat(&self.fd)?.st_dev != fs::fstat(&parent.fd)?.st_dev)
    }
}
