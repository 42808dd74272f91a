//! The entries of directories that a layer has made, which its own whiteouts do not hide.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use super::handle::Identity;

/// The entries that the layer under way has made, by the directory and the name. Eight bytes are kept of each.
///
/// A directory is known by its inode and not by its path, because several paths, through symbolic links, lead to one
/// directory. An inode that the system uses again, after its directory was removed, is that of a directory which
/// this layer made.
#[derive(Debug, Default)]
pub(super) struct Entries {
    hashes: HashSet<u64>,
    state: RandomState,
}

impl Entries {
    /// Adds an entry.
    pub(super) fn add(&mut self, directory: Identity, leaf: &[u8]) {
        self.hashes.insert(self.state.hash_one((directory, leaf)));
    }

    /// True if the layer has made the entry.
    pub(super) fn has(&self, directory: Identity, leaf: &[u8]) -> bool {
        self.hashes.contains(&self.state.hash_one((directory, leaf)))
    }
}
