//! Files of a lookaside store in a directory.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;

/// The reason why a file was not read.
#[derive(Debug)]
pub(super) enum Unread {
    TooLarge,
    /// A directory, a device, a pipe or a symbolic link.
    NoFile,
    Io(io::Error),
}

/// Reads a file of at most `limit` bytes on a thread for blocking calls; `None` if it does not exist.
pub(super) async fn read(path: PathBuf, limit: u64) -> Result<Option<Bytes>, Unread> {
    let read = tokio::task::spawn_blocking(move || read_blocking(&path, limit));
    read.await
        .unwrap_or_else(|_| Err(Unread::Io(io::ErrorKind::Interrupted.into())))
}

fn read_blocking(path: &Path, limit: u64) -> Result<Option<Bytes>, Unread> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if is_link(path) => return Err(Unread::NoFile),
        opened => opened.map_err(Unread::Io)?,
    };
    if !file.metadata().map_err(Unread::Io)?.is_file() {
        return Err(Unread::NoFile);
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Unread::Io)?;
    if bytes.len() as u64 > limit {
        return Err(Unread::TooLarge);
    }
    Ok(Some(bytes.into()))
}

pub(super) fn is_link(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_symlink())
}

/// Opens a file without waiting for the other end of a pipe, and follows no symbolic link in its place.
#[cfg(unix)]
pub(super) fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
pub(super) fn open(path: &Path) -> io::Result<File> {
    if is_link(path) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    File::open(path)
}
