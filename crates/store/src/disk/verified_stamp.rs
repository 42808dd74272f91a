//! A stamp in a blob's modification time: this crate wrote the blob, and its bytes were verified.
//!
//! When this crate makes a file a blob, it sets the nanoseconds of the file's modification time to a number
//! derived from the digest. A later write changes the time and so removes the stamp. Thus one `stat` tells a
//! blob that some process has verified and synced from one that another tool wrote or changed; the latter is
//! hashed before it is relied on. Corruption below the file system does not remove the stamp, so reads hash
//! in any case.
//!
//! On a file system with times coarser than 100 nanoseconds no stamp is ever found, and every blob is hashed.

use std::{
    fs::{File, FileTimes},
    io,
    time::{Duration, SystemTime},
};

use wharf_content::Hasher;
use wharf_fs::Stamp;
use wharf_reference::Digest;

/// The stamp of a verified blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerifiedStamp {
    /// Verified and synced to the disk.
    Durable,
    /// Verified when it was written, but not synced.
    Fast,
}

impl VerifiedStamp {
    /// The stamp in a file's modification time; `None` if there is none.
    pub(crate) fn of(digest: &Digest, state: &Stamp) -> Option<Self> {
        let nanoseconds = state.modified.rem_euclid(1_000_000_000);
        [Self::Durable, Self::Fast]
            .into_iter()
            .find(|stamp| i128::from(stamp.nanoseconds(digest)) == nanoseconds)
    }

    /// Sets the modification time of a file to this second, with the stamp as its nanoseconds.
    pub(super) fn write_to(self, file: &File, digest: &Digest) -> io::Result<()> {
        let seconds = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, self.nanoseconds(digest));
        file.set_times(FileTimes::new().set_modified(time))
    }

    /// The stamp: nanoseconds, a multiple of 100 because some file systems store no finer times.
    pub(crate) fn nanoseconds(self, digest: &Digest) -> u32 {
        let text = format!("wharf {self:?} {digest}");
        let hash = Hasher::digest(wharf_reference::Algorithm::Sha256, text.as_bytes());
        let number = hash.ok().and_then(|hash| {
            let head = hash.encoded().get(..8)?;
            u32::from_str_radix(head, 16).ok()
        });
        number.unwrap_or_default() % 10_000_000 * 100
    }
}
