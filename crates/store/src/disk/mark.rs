//! A blob's time of last write says who wrote it, and whether the bytes are known to be good.
//!
//! When this crate makes a file a blob, it sets the nanoseconds of that time to a number derived from the
//! digest. Whoever writes to the file later changes the time and thereby removes the mark. Thus a process can
//! tell, with one look at the file, a blob that some process has verified and synced from one that another
//! tool put there or that has been changed since; the latter is hashed before it is relied on. Damage below
//! the file system leaves the mark, which is why reads hash in any case.
//!
//! Where times are coarser than 100 nanoseconds no mark is ever found, and everything is hashed.

use wharf_content::Hasher;
use wharf_reference::Digest;

use crate::os::Stamp;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Verified, and on the disk.
    Durable,
    /// Verified when it was written; it may not have reached the disk.
    Fast,
}

impl Mark {
    /// What the file's time says, if anything.
    pub(crate) fn of(digest: &Digest, stamp: &Stamp) -> Option<Self> {
        let nanoseconds = stamp.modified.rem_euclid(1_000_000_000);
        [Self::Durable, Self::Fast]
            .into_iter()
            .find(|mark| i128::from(mark.nanoseconds(digest)) == nanoseconds)
    }

    /// The nanoseconds that are the mark: a multiple of 100, since some file systems keep no more.
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
