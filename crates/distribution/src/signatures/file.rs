//! Files of a lookaside store in a directory.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
#[cfg(unix)]
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

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
    open_as(path, OFlags::RDONLY)
}

#[cfg(not(unix))]
pub(super) fn open(path: &Path) -> io::Result<File> {
    if is_link(path) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    File::open(path)
}

/// Opens a file as [`open`] does, so that it can be locked: for writing if that is allowed, as some network file systems
/// lock no other.
#[cfg(unix)]
pub(super) fn open_to_lock(path: &Path) -> io::Result<File> {
    open_as(path, OFlags::RDWR).or_else(|_| open(path))
}

#[cfg(not(unix))]
pub(super) fn open_to_lock(path: &Path) -> io::Result<File> {
    open(path)
}

#[cfg(unix)]
fn open_as(path: &Path, access: OFlags) -> io::Result<File> {
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// True if an open file is still the one at a path.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let ours = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Other systems have no number of a file.
#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// Renames a file to a path where nothing is; false if there is something. [`io::ErrorKind::Unsupported`] if the file system
/// has no way to do it that never replaces a file.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags};
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(true),
            Err(Errno::EXIST) => return Ok(false),
            // File systems without the flag, such as NFS, have links, which never replace a file either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match fs::hard_link(from, to) {
        Ok(()) => {
            let _ = fs::remove_file(from); // a second name that stays is removed by the next writer
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) if has_no_links(&error) => Err(io::Error::new(io::ErrorKind::Unsupported, error)),
        Err(error) => Err(error),
    }
}

/// True for the errors of file systems without hard links, which differ.
#[cfg(unix)]
fn has_no_links(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| matches!(errno, Errno::PERM | Errno::NOSYS | Errno::NOTSUP | Errno::MLINK))
}

#[cfg(not(unix))]
fn has_no_links(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// Syncs a directory. Some file systems cannot, and keep its order by themselves.
#[cfg(unix)]
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    let synced = File::open(directory)?.sync_all();
    synced.or_else(|error| match Errno::from_io_error(&error) {
        Some(Errno::INVAL | Errno::BADF | Errno::NOTSUP) => Ok(()),
        _ => Err(error),
    })
}

/// Other systems cannot sync a directory.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(super) const fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
