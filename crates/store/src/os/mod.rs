//! What differs between operating systems: directories by handle, renames, locks. Nothing else in the crate
//! touches the file system.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use unix::{Dir, set_read_only, stamp_of};

use std::{fs::File, io, time::SystemTime};

/// What identifies the state of a file: another write, another file under the name, and it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    /// Nanoseconds since the epoch.
    pub(crate) modified: i128,
    pub(crate) changed: i128,
}

impl Stamp {
    /// Whether the file was written so recently that a further write might leave the same stamp, since file
    /// systems count time in ticks.
    pub(crate) fn is_racy(&self) -> bool {
        const TICK: i128 = 100_000_000;
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX));
        self.changed.max(self.modified).saturating_add(TICK) > now
    }
}

/// What a name in a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Other,
}

/// Takes an exclusive lock if nobody holds one; the kernel drops it with its owner.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}
