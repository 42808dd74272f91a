//! Hash states of partial downloads of this process, so that a resumed download need not hash its bytes
//! again.

use std::{collections::HashMap, fs::File, io, sync::Mutex};

use wharf_content::Hasher;
use wharf_fs::Stamp;
use wharf_reference::Digest;

use crate::sync::LockExt as _;

/// The most partial downloads whose state is stored. Each also has an open file.
const MAX_PARTIALS: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Partials(Mutex<HashMap<Digest, Partial>>);

#[derive(Debug)]
struct Partial {
    /// Open, so that no other file can get its inode: a partial file is only ever appended to or replaced,
    /// so the same inode with the same size has the same bytes.
    file: File,
    hasher: Hasher,
}

impl Partials {
    pub(crate) fn insert(&self, digest: &Digest, file: File, hasher: Hasher) {
        let mut partials = self.0.locked();
        if partials.len() < MAX_PARTIALS {
            partials.insert(digest.clone(), Partial { file, hasher });
        }
    }

    /// Removes the hash state of this digest and returns it if it belongs to `file` as that is now.
    pub(crate) fn take(&self, digest: &Digest, file: &File) -> io::Result<Option<Hasher>> {
        let Some(partial) = self.0.locked().remove(digest) else {
            return Ok(None);
        };
        let (then, now) = (Stamp::of(&partial.file)?, Stamp::of(file)?);
        let fits = then.same_file(&now) && now.size == partial.hasher.count();
        Ok(fits.then_some(partial.hasher))
    }
}
