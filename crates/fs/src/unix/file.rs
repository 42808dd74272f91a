//! Files by path, and what is done to open ones.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{self, Mode, OFlags},
    io::Errno,
};

use super::{kind, raw, stamp};
use crate::{FileKind, Stamp, WrongKind};

pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    open(path, OFlags::empty())
}

pub(crate) fn open_regular_itself(path: &Path) -> io::Result<File> {
    open(path, OFlags::NOFOLLOW)
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match fs::open(path, flags, Mode::empty()) {
        Ok(fd) => regular(fd, || path.to_owned()),
        Err(Errno::LOOP | Errno::MLINK) if path.is_symlink() && flags.contains(OFlags::NOFOLLOW) => {
            Err(WrongKind::error(path.to_owned(), FileKind::Symlink))
        }
        Err(Errno::NXIO) => Err(WrongKind::error(path.to_owned(), FileKind::Other)), // a socket
        Err(error) => Err(error.into()),
    }
}

/// Refuses any kind of file but a regular one.
pub(super) fn regular(fd: OwnedFd, path: impl FnOnce() -> PathBuf) -> io::Result<File> {
    match kind(&fs::fstat(&fd)?) {
        FileKind::File => Ok(File::from(fd)),
        other => Err(WrongKind::error(path(), other)),
    }
}

pub(crate) fn stamp_of(file: &File) -> io::Result<Stamp> {
    Ok(stamp(&fs::fstat(file)?))
}

pub(crate) fn set_writable(file: &File, mode: u16) -> io::Result<()> {
    Ok(fs::fchmod(file, raw(mode))?)
}

pub(crate) fn set_read_only(file: &File) -> io::Result<()> {
    Ok(fs::fchmod(file, raw(0o444))?)
}

#[expect(
    clippy::allow_attributes,
    reason = "the type of the count differs between platforms"
)]
#[allow(clippy::unnecessary_cast)]
pub(crate) fn has_other_names(file: &File) -> io::Result<bool> {
    Ok(fs::fstat(file)?.st_nlink as u64 > 1)
}

#[cfg(target_os = "linux")]
pub(crate) fn reflink(from: &File, to: &File) -> bool {
    fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn reflink(_: &File, _: &File) -> bool {
    false
}
