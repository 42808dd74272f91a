//! Systems without directory handles: paths, with a check that no symlink is followed. Another process that
//! may write into the layout can win a race against the check; keep the layout where only its owner can
//! write.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::{Kind, Stamp, SymbolicLink, since_epoch};

/// A directory.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
}

impl Dir {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if fs::metadata(path)?.is_dir() {
            Ok(Self {
                path: path.to_owned(),
            })
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    pub(crate) fn create(path: &Path, mode: u16) -> io::Result<()> {
        match create_one(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let Some(parent) = parent else {
                    return Err(error);
                };
                Self::create(parent, mode)?;
                // Once more and no further: below a dangling symlink nothing can ever be made.
                create_one(path)
            }
            other => other,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn dir(&self, name: &str) -> io::Result<Self> {
        let path = self.path.join(name);
        match kind(&fs::symlink_metadata(&path)?) {
            Kind::Directory => Ok(Self { path }),
            Kind::Symlink => Err(SymbolicLink::error(path)),
            Kind::File | Kind::Other => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(crate) fn make_dir(&self, name: &str, _mode: u16) -> io::Result<Self> {
        match fs::create_dir(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.dir(name),
        }
    }

    pub(crate) fn read(&self, name: &str) -> io::Result<File> {
        self.regular(name, OpenOptions::new().read(true))
    }

    pub(super) fn open_read_write(&self, name: &str, _mode: u16) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match self.regular(name, &options) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match options.create_new(true).open(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.regular(name, OpenOptions::new().read(true).write(true))
            }
            other => other,
        }
    }

    pub(super) fn open_existing(&self, name: &str) -> io::Result<File> {
        self.regular(name, OpenOptions::new().read(true).write(true))
    }

    pub(crate) fn create_new(&self, name: &str, _mode: u16) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(self.path.join(name))
    }

    fn regular(&self, name: &str, options: &OpenOptions) -> io::Result<File> {
        let path = self.path.join(name);
        match kind(&fs::symlink_metadata(&path)?) {
            Kind::File => options.open(path),
            Kind::Symlink => Err(SymbolicLink::error(path)),
            Kind::Directory | Kind::Other => Err(io::Error::other(super::NOT_A_FILE)),
        }
    }

    pub(crate) fn stat(&self, name: &str) -> io::Result<Option<(Kind, Stamp)>> {
        match fs::symlink_metadata(self.path.join(name)) {
            Ok(metadata) => Ok(Some((kind(&metadata), stamp(&metadata)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// There is no call that renames without replacing: a link does not replace, and where there are no links
    /// the caller holds the lock that makes the check enough.
    pub(crate) fn rename_new(&self, from: &str, to: &Self, name: &str) -> io::Result<bool> {
        match fs::hard_link(self.path.join(from), to.path.join(name)) {
            Ok(()) => {
                self.remove(from)?;
                return Ok(true);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(_) => {}
        }
        if to.stat(name)?.is_some() {
            return Ok(false);
        }
        self.rename(from, to, name).map(|()| true)
    }

    pub(crate) fn rename(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
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

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // Some systems do not remove a read-only file.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.is_file() => {
                set_writable(&self.read(name)?, 0)?;
                fs::remove_file(path)
            }
            other => other,
        }
    }

    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// Directories cannot be synced everywhere; where they can, they are.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if cfg!(unix) {
            File::open(&self.path)?.sync_all()
        } else {
            Ok(())
        }
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
    reason = "the private directory keeps others away"
)]
pub(super) fn set_writable(file: &File, _mode: u16) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(false);
    file.set_permissions(permissions)
}

/// Makes one directory; that something has the name already is found out when it is opened.
fn create_one(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// True if the file has other names, where the system reports that.
#[cfg(unix)]
pub(crate) fn has_other_names(file: &File) -> io::Result<bool> {
    Ok(std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) > 1)
}

/// True if the file has other names, where the system reports that.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the interface is that of other systems")]
pub(crate) fn has_other_names(_: &File) -> io::Result<bool> {
    Ok(false)
}

pub(crate) fn reflink(_: &File, _: &File) -> bool {
    false
}

fn kind(metadata: &fs::Metadata) -> Kind {
    let file_type = metadata.file_type();
    if file_type.is_file() {
        Kind::File
    } else if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_symlink() {
        Kind::Symlink
    } else {
        Kind::Other
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
