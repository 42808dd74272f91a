//! Systems without directory handles: paths, with a check that no symbolic link is followed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::Exchanged;

/// A directory.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
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

    pub(crate) fn read(&self, name: &str) -> io::Result<Option<File>> {
        let path = self.path.join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => File::open(path).map(Some),
            Ok(_) => Err(io::Error::other(super::NOT_A_FILE)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(self.path.join(name))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the interface is that of other systems"
    )]
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
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
    pub(crate) fn take_mode(&self, _: &Self) -> io::Result<()> {
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
}

#[expect(clippy::unnecessary_wraps, reason = "the interface is that of other systems")]
pub(crate) fn is_mount_point(_: &Directory, _: &Directory) -> io::Result<bool> {
    Ok(false)
}

#[expect(clippy::unnecessary_wraps, reason = "the interface is that of other systems")]
pub(crate) fn exchange(_: &Path, _: &Path) -> io::Result<Exchanged> {
    Ok(Exchanged::Unsupported)
}

pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(super::not_seekable())
    }
}

pub(crate) fn open_regular_itself(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Err(super::not_seekable());
    }
    open_regular(path)
}

pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(_) if fs::symlink_metadata(to).is_ok() => Ok(false),
        Err(_) => fs::rename(from, to).map(|()| true),
    }
}
