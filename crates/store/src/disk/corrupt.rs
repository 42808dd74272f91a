//! Corrupt blobs: they are moved aside for inspection (threat S6 in docs/threats.md).

use wharf_content::{Error, ErrorKind};
use wharf_fs::{Directory, FileKind, Stamp};
use wharf_reference::Digest;

use super::{Disk, temporary_name};
use crate::error::At as _;

/// A corrupt blob to move aside.
#[derive(Debug, Clone)]
pub(crate) struct Corrupt {
    pub(crate) digest: Digest,
    /// The state of the file that was read. A file with another state is not moved.
    pub(crate) stamp: Stamp,
    pub(crate) why: &'static str,
}

impl Corrupt {
    pub(crate) fn new(digest: &Digest, stamp: Stamp, why: &'static str) -> Self {
        Self {
            digest: digest.clone(),
            stamp,
            why,
        }
    }
}

impl Disk {
    /// Moves a corrupt blob aside and returns the error to report. In a layout that cannot be written to,
    /// and in a layout that this crate has only read, the blob stays.
    pub(crate) fn quarantine(&self, corrupt: &Corrupt) -> Error {
        let path = self.blob_path(&corrupt.digest);
        let is_ours = matches!(self.is_ours(), Ok(true));
        let set_aside = is_ours.then(|| self.set_aside(corrupt).ok()).flatten();
        let fate = match set_aside {
            Some(true) => "it was moved to .wharf/corrupt, pull the image again",
            Some(false) => "it has been replaced meanwhile, try again",
            None => "it is not used, pull the image again",
        };
        let message = format!("{} is corrupt: {}; {fate}", path.display(), corrupt.why);
        Error::new(ErrorKind::Corrupt, message)
    }

    /// The error for a blob whose file has another size than its descriptor states. The file stays, because
    /// the descriptor may be wrong; if the file is, the next pull replaces it.
    pub(crate) fn wrong_size(&self, digest: &Digest, stated: u64, size: u64, verified: bool) -> Error {
        if verified {
            let message = format!("{digest} has {size} bytes, but its descriptor states {stated}");
            return Error::new(ErrorKind::Mismatch, message);
        }
        let path = self.blob_path(digest);
        let message = format!(
            "{} is corrupt: it has {size} bytes instead of {stated}; it is not used, pull the image again",
            path.display()
        );
        Error::new(ErrorKind::Corrupt, message)
    }

    /// Moves a corrupt blob aside; `false` if the file has changed since it was read.
    pub(crate) fn set_aside(&self, corrupt: &Corrupt) -> Result<bool, Error> {
        let digest = &corrupt.digest;
        let aside = self.pool_private("corrupt")?;
        let path = self.blob_path(digest);
        let dir = self.algorithm_dir(digest).at("open", &path)?;
        let removal = self.removal_lock(true)?;
        let now = dir.stat(digest.encoded()).at("stat", &path)?;
        if now != Some((FileKind::File, corrupt.stamp)) {
            return Ok(false);
        }
        let name = format!(
            "{}-{}-{}",
            digest.algorithm_name(),
            digest.encoded(),
            temporary_name()
        );
        let moved = dir.rename(digest.encoded(), &aside, &name);
        moved.at("set aside", &path)?;
        drop(removal);
        Ok(true)
    }

    /// The directory of corrupt blobs.
    pub(crate) fn corrupt_dir(&self) -> Result<Directory, Error> {
        self.pool_private("corrupt")
    }
}
