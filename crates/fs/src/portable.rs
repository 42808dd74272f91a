//! Systems without directory handles: paths, with a check that no symbolic link is followed. Another process that
//! may write to a directory can win a race against the check; keep it where only its owner can write.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use crate::{FileKind, Stamp, WrongKind, directory::Access, stamp::since_epoch};

#[derive(Debug)]
pub(crate) struct Handle {
    path: PathBuf,
}

impl Handle {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if fs::metadata(path)?.is_dir() {
            Ok(Self {
                path: path.to_owned(),
            })
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    pub(crate) fn open_itself(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path)?.is_dir() {
            Self::open(path)
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn directory(&self, name: &OsStr) -> io::Result<Self> {
        let path = self.path.join(name);
        match kind(&fs::symlink_metadata(&path)?) {
            FileKind::Directory => Ok(Self { path }),
            FileKind::Symlink => Err(WrongKind::error(path, FileKind::Symlink)),
            FileKind::File | FileKind::Other => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(crate) fn create_directory(&self, name: &OsStr, _mode: u16) -> io::Result<()> {
        fs::create_dir(self.path.join(name))
    }

    pub(crate) fn file(&self, name: &OsStr, access: Access, _mode: u16) -> io::Result<File> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(!matches!(access, Access::Read));
        match access {
            Access::Read | Access::ReadWrite => open_itself(&path, &options),
            Access::CreateNew => options.create_new(true).open(path),
            Access::ReadWriteOrCreate => {
                match open_itself(&path, &options) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => return other,
                }
                match options.clone().create_new(true).open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        open_itself(&path, &options)
                    }
                    other => other,
                }
            }
        }
    }

    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Option<(FileKind, Stamp)>> {
        match fs::symlink_metadata(self.path.join(name)) {
            Ok(metadata) => Ok(Some((kind(&metadata), stamp(&metadata)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    pub(crate) fn rename(&self, from: &OsStr, to: &Self, name: &OsStr) -> io::Result<()> {
        let (from, path) = (self.path.join(from), to.path.join(name));
        match fs::rename(&from, &path) {
            // Some systems do not replace a read-only file.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.is_file() => {
                to.remove(name)?;
                fs::rename(from, path)
            }
            other => other,
        }
    }

    /// There is no call that renames without replacing: a link does not replace, and where there are no links
    /// the caller holds the lock that makes the check enough.
    pub(crate) fn rename_new(&self, from: &OsStr, to: &Self, name: &OsStr) -> io::Result<bool> {
        match fs::hard_link(self.path.join(from), to.path.join(name)) {
            Ok(()) => {
                return match self.remove(from) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(true),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(_) => {}
        }
        if to.stat(name)?.is_some() {
            return Ok(false);
        }
        self.rename(from, to, name).map(|()| true)
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the interface is that of other systems"
    )]
    pub(crate) fn exchange(&self, _: &OsStr, _: &OsStr) -> io::Result<bool> {
        Ok(false)
    }

    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            // Some systems do not remove a read-only file.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.is_file() => {
                set_writable(&self.file(name, Access::Read, 0)?, 0)?;
                fs::remove_file(path)
            }
            other => other,
        }
    }

    /// Directories cannot be synced everywhere; where they can, they are.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if cfg!(unix) {
            File::open(&self.path)?.sync_all()
        } else {
            Ok(())
        }
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the interface is that of other systems"
    )]
    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    #[expect(clippy::unused_self, reason = "the interface is that of other systems")]
    pub(crate) fn unlock(&self) {}

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the interface is that of other systems"
    )]
    pub(crate) fn copy_mode_from(&self, _: &Self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn is_same(&self, other: &Self) -> io::Result<bool> {
        Ok(fs::canonicalize(&self.path)? == fs::canonicalize(&other.path)?)
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the interface is that of other systems"
    )]
    pub(crate) fn is_foreign(&self) -> io::Result<bool> {
        Ok(false)
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the interface is that of other systems"
    )]
    pub(crate) fn is_mount_point(&self, _: &Self) -> io::Result<bool> {
        Ok(false)
    }
}

/// Creates a directory. Something that exists is no error: what it is shows when it is opened.
pub(crate) fn create_directory(path: &Path, _mode: u16) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    open(path, &fs::metadata(path)?, OpenOptions::new().read(true))
}

pub(crate) fn open_regular_itself(path: &Path) -> io::Result<File> {
    open_itself(path, OpenOptions::new().read(true))
}

fn open_itself(path: &Path, options: &OpenOptions) -> io::Result<File> {
    open(path, &fs::symlink_metadata(path)?, options)
}

fn open(path: &Path, metadata: &fs::Metadata, options: &OpenOptions) -> io::Result<File> {
    match kind(metadata) {
        FileKind::File => options.open(path),
        other => Err(WrongKind::error(path.to_owned(), other)),
    }
}

pub(crate) fn stamp_of(file: &File) -> io::Result<Stamp> {
    Ok(stamp(&file.metadata()?))
}

pub(crate) fn set_read_only(file: &File) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)
}

#[expect(
    clippy::permissions_set_readonly_false,
    reason = "the directory keeps others away"
)]
pub(crate) fn set_writable(file: &File, _mode: u16) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(false);
    file.set_permissions(permissions)
}

#[cfg(unix)]
pub(crate) fn has_other_names(file: &File) -> io::Result<bool> {
    Ok(std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) > 1)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the interface is that of other systems")]
pub(crate) fn has_other_names(_: &File) -> io::Result<bool> {
    Ok(false)
}

pub(crate) fn reflink(_: &File, _: &File) -> bool {
    false
}

fn kind(metadata: &fs::Metadata) -> FileKind {
    let file_type = metadata.file_type();
    if file_type.is_file() {
        FileKind::File
    } else if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_symlink() {
        FileKind::Symlink
    } else {
        FileKind::Other
    }
}

/// The time of creation stands for the inode, which these systems do not tell: a file that took another's
/// place was created later.
fn stamp(metadata: &fs::Metadata) -> Stamp {
    let created = metadata.created().map_or(0, since_epoch);
    Stamp {
        device: 0,
        inode: u64::try_from(created).unwrap_or(0),
        size: metadata.len(),
        modified: metadata.modified().map_or(0, since_epoch),
        changed: created,
    }
}
