//! The blobs that this process has hashed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use wharf_fs::Stamp;
use wharf_reference::Digest;

use crate::{single_flight::SingleFlight, sync::LockExt as _};

/// The blobs that this process has hashed and found good, with the state of their files at that time.
#[derive(Debug, Default)]
pub(crate) struct HashedFiles {
    stamps: Mutex<HashMap<Digest, Stamp>>,
    hashing: SingleFlight<Mutex<()>>,
}

impl HashedFiles {
    /// The most hashed files that are remembered; beyond that all are forgotten.
    const MAX: usize = 100_000;

    /// True if the blob was hashed when its file had this state.
    pub(crate) fn contains(&self, digest: &Digest, stamp: &Stamp) -> bool {
        self.stamps.locked().get(digest) == Some(stamp)
    }

    /// Records that a file was hashed and found good. The caller has checked that the file did not change
    /// meanwhile, and that a later change would give it another stamp.
    pub(crate) fn insert(&self, digest: &Digest, stamp: Stamp) {
        let mut stamps = self.stamps.locked();
        if stamps.len() >= Self::MAX {
            stamps.clear();
        }
        stamps.insert(digest.clone(), stamp);
    }

    /// The lock that is held while this blob is hashed for all its readers.
    pub(crate) fn hashing(&self, digest: &Digest) -> Arc<Mutex<()>> {
        self.hashing.lock_for(digest)
    }
}
