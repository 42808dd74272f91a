//! Unix: files are opened, renamed and removed by name in an open directory, never through a symbolic link.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags},
    io::Errno,
};

use super::Exchanged;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory by a path, following symbolic links.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_as(path, OFlags::empty())
    }

    /// Opens a directory by a path whose last component must not be a symbolic link.
    pub(crate) fn open_itself(path: &Path) -> io::Result<Self> {
        Self::open_as(path, OFlags::NOFOLLOW)
    }

    fn open_as(path: &Path, flags: OFlags) -> io::Result<Self> {
        let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    /// The path by which it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file for reading; `None` if there is none of this name.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::MLINK) => return Err(io::Error::other(super::NOT_A_FILE)),
            Err(error) => return Err(error.into()),
        };
        if FileType::from_raw_mode(fs::fstat(&fd)?.st_mode) == FileType::RegularFile {
            Ok(Some(File::from(fd)))
        } else {
            Err(io::Error::other(super::NOT_A_FILE))
        }
    }

    /// Creates a file of mode 0644 for reading and writing; an error if the name exists.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        Ok(File::from(fs::openat(&self.fd, name, flags, mode)?))
    }

    /// Renames a file, replacing another.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Removes a file, if there is one.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(error) if error != Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The names in the directory, in no order. Those that are not UTF-8 are converted lossily, so that they
    /// match no file.
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

    /// Syncs the directory.
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

    /// Takes an exclusive lock, which ends with this handle or the process. `false` if another handle has it.
    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        let lock = || fs::flock(&self.fd, FlockOperation::NonBlockingLockExclusive);
        match rustix::io::retry_on_intr(lock) {
            Err(Errno::WOULDBLOCK) => Ok(false),
            // Network file systems cannot lock a directory: two writers are not kept apart there.
            Err(Errno::BADF | Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => Ok(true),
            other => other.map(|()| true).map_err(Into::into),
        }
    }

    /// Ends the lock before the handle is dropped.
    pub(crate) fn unlock(&self) {
        let _ = fs::flock(&self.fd, FlockOperation::Unlock);
    }

    /// Copies the mode of another directory.
    pub(crate) fn take_mode(&self, from: &Self) -> io::Result<()> {
        let mode = Mode::from_raw_mode(fs::fstat(&from.fd)?.st_mode);
        Ok(fs::fchmod(&self.fd, mode)?)
    }

    /// True if both are the same directory.
    pub(crate) fn is_same(&self, other: &Self) -> io::Result<bool> {
        let (one, other) = (fs::fstat(&self.fd)?, fs::fstat(&other.fd)?);
        Ok(one.st_dev == other.st_dev && one.st_ino == other.st_ino)
    }

    /// True if another user can write to files that this one creates here: the directory is owned by neither
    /// this user nor root.
    pub(crate) fn is_foreign(&self) -> io::Result<bool> {
        let owner = fs::fstat(&self.fd)?.st_uid;
        Ok(owner != rustix::process::geteuid().as_raw() && owner != 0)
    }
}

/// True if a file system is mounted at this directory, which can therefore not be renamed.
pub(crate) fn is_mount_point(directory: &Directory, parent: &Directory) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{StatxAttributes, StatxFlags};
        if let Ok(stat) = fs::statx(&directory.fd, "", AtFlags::EMPTY_PATH, StatxFlags::empty())
            && stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
        {
            return Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
        }
    }
    Ok(fs::fstat(&directory.fd)?.st_dev != fs::fstat(&parent.fd)?.st_dev)
}

/// Exchanges two directories in one step.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<Exchanged> {
    match fs::renameat_with(fs::CWD, one, fs::CWD, other, fs::RenameFlags::EXCHANGE) {
        Ok(()) => Ok(Exchanged::Yes),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(Exchanged::Unsupported),
        Err(error) => Err(error.into()),
    }
}

/// Exchanges two directories in one step.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn exchange(_: &Path, _: &Path) -> io::Result<Exchanged> {
    Ok(Exchanged::Unsupported)
}

/// Opens a regular file for reading by a path, following symbolic links.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    open_file(path, OFlags::empty())
}

/// Opens a regular file for reading by a path that is no symbolic link.
pub(crate) fn open_regular_itself(path: &Path) -> io::Result<File> {
    open_file(path, OFlags::NOFOLLOW)
}

fn open_file(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = fs::open(path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fs::fstat(&fd)?.st_mode) == FileType::RegularFile {
        Ok(File::from(fd))
    } else {
        Err(super::not_seekable())
    }
}

/// Renames a file to a name that must not exist. `false` if it exists.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    match fs::renameat_with(fs::CWD, from, fs::CWD, to, fs::RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(true),
        Err(Errno::EXIST) => return Ok(false),
        // File systems without the flag fall through to a link, which never replaces either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        Err(error) => return Err(error.into()),
    }
    match fs::link(from, to) {
        Ok(()) => {
            fs::unlink(from)?;
            Ok(true)
        }
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
