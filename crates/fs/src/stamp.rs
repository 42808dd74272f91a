//! The kind and the state of a file.

use std::{
    fs::File,
    io,
    time::{Duration, SystemTime},
};

use crate::system;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, which was not followed.
    Symlink,
    /// A pipe, a socket or a device.
    Other,
}

/// The state of a file. It differs after a write, and for another file of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// The number of the file system; 0 on systems that do not report it.
    pub device: u64,
    /// The number of the file; its time of creation on systems that do not report it, 0 if they do not know that
    /// either.
    pub inode: u64,
    /// The length, in bytes.
    pub size: u64,
    /// The time of the last write, in nanoseconds since the Unix epoch.
    pub modified: i128,
    /// The time of the last change of content or metadata, in nanoseconds since the Unix epoch; the time of
    /// creation on systems that do not report it.
    pub changed: i128,
}

impl Stamp {
    /// Reads the state of an open file.
    ///
    /// # Errors
    ///
    /// As `fstat`.
    pub fn of(file: &File) -> io::Result<Self> {
        system::stamp_of(file)
    }

    /// True if both stamps are of the same file, in any state.
    #[must_use]
    pub const fn same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }

    /// True if the file was written so recently, less than 100 ms ago, that a further write might not change the
    /// stamp, because file systems count time in ticks.
    #[must_use]
    pub fn is_racy(&self) -> bool {
        const TICK: i128 = 100_000_000;
        self.changed.max(self.modified).saturating_add(TICK) > now()
    }

    /// The time since the file was written; zero for a time in the future.
    #[must_use]
    pub fn age(&self) -> Duration {
        let nanos = now().saturating_sub(self.modified).max(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn now() -> i128 {
    since_epoch(SystemTime::now())
}

pub(crate) fn since_epoch(time: SystemTime) -> i128 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
}
