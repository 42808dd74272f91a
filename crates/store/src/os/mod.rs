//! Everything that differs between operating systems: directories by handle, renames, locks. No other
//! module opens, names or links files.

#[cfg(any(not(unix), wharf_portable_fs))]
mod portable;
#[cfg(all(unix, not(wharf_portable_fs)))]
mod unix;

#[cfg(any(not(unix), wharf_portable_fs))]
use portable::set_writable;
#[cfg(any(not(unix), wharf_portable_fs))]
pub(crate) use portable::{Dir, has_other_names, reflink, set_read_only, stamp_of};
#[cfg(all(unix, not(wharf_portable_fs)))]
use unix::set_writable;
#[cfg(all(unix, not(wharf_portable_fs)))]
pub(crate) use unix::{Dir, has_other_names, reflink, set_read_only, stamp_of};

use std::{
    error, fmt,
    fs::{File, FileTimes, TryLockError},
    io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// True if a locked file cannot be read, so that a file that is read while it is locked needs a second file
/// for the lock.
pub(crate) const LOCKS_FORBID_READING: bool = cfg!(any(windows, wharf_portable_fs));

/// A symbolic link where the layout has a file or a directory.
#[derive(Debug)]
pub(crate) struct SymbolicLink(PathBuf);

impl SymbolicLink {
    /// The error for a symbolic link at this path.
    pub(crate) fn error(path: PathBuf) -> io::Error {
        io::Error::other(Self(path))
    }

    /// True if an error was made by [`SymbolicLink::error`].
    pub(crate) fn is(error: &io::Error) -> bool {
        error
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<Self>())
            .is_some()
    }
}

impl fmt::Display for SymbolicLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is a symbolic link, and links in a layout are not followed; copy the directory with its links resolved, as \
             cp -RL does",
            self.0.display()
        )
    }
}

impl error::Error for SymbolicLink {}

const NOT_A_FILE: &str = "it is not a regular file";

/// The state of a file. It differs after a write, and for another file of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    /// 0 on systems that do not report it.
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// Nanoseconds since the epoch.
    pub(crate) modified: i128,
    /// The time of the last change of content or metadata, in nanoseconds since the epoch.
    pub(crate) changed: i128,
}

impl Stamp {
    /// True if both stamps are of the same file, in any state.
    pub(crate) const fn same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }

    /// True if the file was written so recently that a further write might not change the stamp, because
    /// file systems count time in ticks.
    pub(crate) fn is_racy(&self) -> bool {
        const TICK: i128 = 100_000_000;
        self.changed.max(self.modified).saturating_add(TICK) > now()
    }

    /// The time since the file was written; zero for a time in the future.
    pub(crate) fn age(&self) -> Duration {
        let nanos = now().saturating_sub(self.modified).max(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn now() -> i128 {
    since_epoch(SystemTime::now())
}

fn since_epoch(time: SystemTime) -> i128 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
}

/// Sets the time of the last write to this second and these nanoseconds.
pub(crate) fn set_modified(file: &File, nanoseconds: u32) -> io::Result<()> {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    file.set_times(FileTimes::new().set_modified(time))
}

/// Reads at an offset, without moving the position of the file.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Writes at a place.
#[cfg(unix)]
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Reads at a place.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Writes at a place.
#[cfg(windows)]
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

impl Dir {
    /// Opens a regular file for reading and writing, or creates it.
    ///
    /// One that is read-only, as a writer leaves it that was stopped just before the end, is made writable.
    /// Fails with [`io::ErrorKind::WouldBlock`] if that writer is still at work.
    pub(crate) fn read_write(&self, name: &str, mode: u16) -> io::Result<File> {
        /// The most attempts to open a file that other processes move and make anew meanwhile.
        const MAX_ATTEMPTS: u32 = 100;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.open_read_write(name, mode) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && attempt < MAX_ATTEMPTS => {}
                other => return other,
            }
            let file = match self.read(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            if matches!(try_lock(&file), Ok(false)) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            // Only the holder of the lock moves the file: under this name it is not in use, and no blob
            // yet.
            let ours = stamp_of(&file)?;
            if self.stat(name)?.is_some_and(|(_, named)| named.same_file(&ours)) {
                set_writable(&file, mode)?;
            }
        }
    }
}

impl Dir {
    /// Opens an existing regular file for reading and writing, in a directory to which no other process
    /// writes. A read-only file, as a writer leaves that was stopped just before the end, is made writable.
    pub(crate) fn existing(&self, name: &str, mode: u16) -> io::Result<File> {
        match self.open_existing(name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                set_writable(&self.read(name)?, mode)?;
                self.open_existing(name)
            }
            other => other,
        }
    }
}

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    Other,
}

/// Takes an exclusive lock if no other process has one. The kernel releases it when its owner ends.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    again(|| match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    })
}

/// Waits for a lock, exclusive or shared.
pub(crate) fn lock(file: &File, exclusive: bool) -> io::Result<()> {
    again(|| {
        if exclusive {
            file.lock()
        } else {
            file.lock_shared()
        }
    })
}

/// Repeats a call that a signal has interrupted.
fn again<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
