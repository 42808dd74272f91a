//! The hash states of downloads that were given up in this process, so that a resume reads nothing again.

use std::{collections::HashMap, fs::File, io, sync::Mutex};

use wharf_content::Hasher;
use wharf_reference::Digest;

use crate::{os, sync::LockExt as _};

/// The most hashers of unfinished blobs that are kept; each also keeps a file open.
const MAX_KEPT: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Partials(Mutex<HashMap<Digest, Kept>>);

#[derive(Debug)]
struct Kept {
    /// Open, so that no other file can get its inode: a partial file is only ever appended to or replaced,
    /// and the same inode with the same size has the same bytes.
    file: File,
    hasher: Hasher,
}

impl Partials {
    pub(crate) fn keep(&self, digest: &Digest, file: File, hasher: Hasher) {
        let mut kept = self.0.locked();
        if kept.len() < MAX_KEPT {
            kept.insert(digest.clone(), Kept { file, hasher });
        }
    }

    /// The state that fits this file, if there is one.
    pub(crate) fn take(&self, digest: &Digest, file: &File) -> io::Result<Option<Hasher>> {
        let kept = self.0.locked().remove(digest);
        let Some(kept) = kept else {
            return Ok(None);
        };
        let (then, now) = (os::stamp_of(&kept.file)?, os::stamp_of(file)?);
        let fits = then.same_file(&now) && now.size == kept.hasher.count();
        Ok(fits.then_some(kept.hasher))
    }
}
