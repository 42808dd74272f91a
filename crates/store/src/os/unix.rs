//! Unix: every name is looked up in an open directory, one component at a time, and never through a symlink
//! (threat F1 in docs/threats.md).

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

use super::{Kind, Stamp, SymbolicLink};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    /// Opens a directory by a path of the user, following symlinks.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let fd = fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    /// Creates a directory and its parents, and syncs them. New parents have mode 0755.
    pub(crate) fn create(path: &Path, mode: u16) -> io::Result<()> {
        match Self::create_one(path, mode) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Some(parent) = parent(path) else {
                    return Err(error);
                };
                Self::create(parent, 0o755)?;
                // Only once more: below a dangling symlink, or in /proc, no directory can ever be created.
                Self::create_one(path, mode)
            }
            other => other,
        }
    }

    fn create_one(path: &Path, mode: u16) -> io::Result<()> {
        match fs::mkdir(path, raw(mode)) {
            Ok(()) => Self::open(parent(path).unwrap_or(Path::new(".")))?.sync(),
            Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory in this one, but not through a symlink.
    pub(crate) fn dir(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            fs::openat(&self.fd, name, flags, Mode::empty()).map_err(|error| self.refused(name, error))?;
        Ok(Self {
            fd,
            path: self.path.join(name),
        })
    }

    /// Opens or creates a directory in this one.
    pub(crate) fn make_dir(&self, name: &str, mode: u16) -> io::Result<Self> {
        match self.dir(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match fs::mkdirat(&self.fd, name, raw(mode)) {
            Err(error) if error != Errno::EXIST => return Err(error.into()),
            _ => {}
        }
        self.dir(name)
    }

    /// Opens a regular file for reading. Any other kind of file is an error, also a pipe without a writer.
    pub(crate) fn read(&self, name: &str) -> io::Result<File> {
        self.regular(name, OFlags::RDONLY | OFlags::NONBLOCK, 0)
    }

    /// Opens or creates a regular file for reading and writing.
    pub(super) fn open_read_write(&self, name: &str, mode: u16) -> io::Result<File> {
        self.regular(name, OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK, mode)
    }

    /// Opens an existing regular file for reading and writing.
    pub(super) fn open_existing(&self, name: &str) -> io::Result<File> {
        self.regular(name, OFlags::RDWR | OFlags::NONBLOCK, 0)
    }

    /// Creates a file; an error if the name exists.
    pub(crate) fn create_new(&self, name: &str, mode: u16) -> io::Result<File> {
        self.regular(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)
    }

    fn regular(&self, name: &str, flags: OFlags, mode: u16) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, raw(mode)).map_err(|error| self.refused(name, error))?;
        if FileType::from_raw_mode(fs::fstat(&fd)?.st_mode) == FileType::RegularFile {
            Ok(File::from(fd))
        } else {
            Err(io::Error::other(super::NOT_A_FILE))
        }
    }

    /// The error of opening a name. For a symlink, the error number differs between systems and calls.
    fn refused(&self, name: &str, error: Errno) -> io::Error {
        let perhaps = matches!(error, Errno::LOOP | Errno::MLINK | Errno::NOTDIR);
        if perhaps && matches!(self.stat(name), Ok(Some((Kind::Symlink, _)))) {
            return SymbolicLink::error(self.path.join(name));
        }
        error.into()
    }

    /// The kind and the state of the file with this name; `None` if there is none. A symlink is not followed:
    /// its own kind and state are returned.
    pub(crate) fn stat(&self, name: &str) -> io::Result<Option<(Kind, Stamp)>> {
        match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some((kind(FileType::from_raw_mode(stat.st_mode)), stamp(&stat)))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a file to a name that must not exist. `false` if it exists.
    pub(crate) fn rename_new(&self, from: &str, to: &Self, name: &str) -> io::Result<bool> {
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        match fs::renameat_with(&self.fd, from, &to.fd, name, fs::RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(true),
            Err(Errno::EXIST) => return Ok(false),
            // File systems without the flag fall through to a link, which never replaces either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
        match fs::linkat(&self.fd, from, &to.fd, name, AtFlags::empty()) {
            Ok(()) => {
                self.remove(from)?;
                Ok(true)
            }
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a file and replaces an existing one.
    pub(crate) fn rename(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.fd, from, &to.fd, name)?)
    }

    /// Removes a file, if there is one.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(error) if error != Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The names in this directory, in no order. Names that are not UTF-8 are converted lossily, so that
    /// they match no file.
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

    /// Syncs this directory.
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
}

/// The parent directory of a path, if the path states one.
fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

/// The state of an open file.
pub(crate) fn stamp_of(file: &File) -> io::Result<Stamp> {
    Ok(stamp(&fs::fstat(file)?))
}

pub(super) fn set_writable(file: &File, mode: u16) -> io::Result<()> {
    Ok(fs::fchmod(file, raw(mode))?)
}

/// Sets mode 0444, because blobs never change.
pub(crate) fn set_read_only(file: &File) -> io::Result<()> {
    Ok(fs::fchmod(file, raw(0o444))?)
}

/// True if the file has further names, so that a change of its mode or time would affect another user of
/// it.
#[expect(
    clippy::allow_attributes,
    reason = "the type of the count differs between platforms"
)]
#[allow(clippy::unnecessary_cast)]
pub(crate) fn has_other_names(file: &File) -> io::Result<bool> {
    Ok(fs::fstat(file)?.st_nlink as u64 > 1)
}

/// Makes `to` share the blocks of `from`. `false` where that is not possible.
#[cfg(target_os = "linux")]
pub(crate) fn reflink(from: &File, to: &File) -> bool {
    fs::ioctl_ficlone(to, from).is_ok()
}

/// Makes `to` share the blocks of `from`. `false` where that is not possible.
#[cfg(not(target_os = "linux"))]
pub(crate) fn reflink(_: &File, _: &File) -> bool {
    false
}

#[expect(
    clippy::allow_attributes,
    reason = "the type of modes differs between platforms"
)]
#[allow(clippy::useless_conversion)]
fn raw(mode: u16) -> Mode {
    Mode::from_raw_mode(mode.into())
}

const fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    }
}

#[expect(
    clippy::allow_attributes,
    reason = "the types of these fields differ between platforms"
)]
#[allow(clippy::useless_conversion, clippy::unnecessary_cast, clippy::cast_sign_loss)]
fn stamp(stat: &fs::Stat) -> Stamp {
    let time = |seconds: i64, nanos: u64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Stamp {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        size: stat.st_size as u64,
        modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        changed: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
    }
}
