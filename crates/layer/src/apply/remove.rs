//! Removal of entries, with all that is in them.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    mem,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{self, AtFlags, FileType},
    io::{Errno, Result},
};

use super::{
    entries::Entries,
    handle::{self, Identity},
};

/// Removes what lower layers have as `leaf`. What the layer under way has made stays, with the directories that
/// lead there. With no `entries`, everything goes.
///
/// The depth of the tree is not bounded by descriptors: two are open at a time.
pub(super) fn remove(directory: impl AsFd, leaf: &[u8], entries: Option<&Entries>) -> Result<()> {
    let at = Identity::of(&fs::fstat(&directory)?);
    let kept = |leaf: &[u8]| entries.is_some_and(|entries| entries.has(at, leaf));
    let Some(stat) = handle::entry(&directory, leaf)? else {
        return Ok(());
    };
    if handle::file_type(&stat) != FileType::Directory {
        return if kept(leaf) {
            Ok(())
        } else {
            unlink(&directory, leaf)
        };
    }
    clear(&directory, leaf, entries)?;
    if kept(leaf) {
        return Ok(());
    }
    rmdir(&directory, leaf)
}

/// Removes all that lower layers have in the directory `leaf`.
pub(super) fn clear(directory: impl AsFd, leaf: &[u8], entries: Option<&Entries>) -> Result<()> {
    let is_kept = |at, leaf: &[u8]| entries.is_some_and(|entries| entries.has(at, leaf));
    let mut open = open(&directory, leaf)?;
    let mut level = Level::of(&open)?;
    let mut above: Vec<(Level, Vec<u8>)> = Vec::new();
    loop {
        let Some(name) = level.next(&open)? else {
            let Some((parent, entered)) = above.pop() else {
                return Ok(());
            };
            open = handle::still(handle::listed(&open, b"..")?, parent.identity)?;
            level = parent;
            if !is_kept(level.identity, &entered) {
                rmdir(&open, &entered)?;
            }
            continue;
        };
        let Some(stat) = handle::entry(&open, &name)? else {
            continue;
        };
        if handle::file_type(&stat) == FileType::Directory {
            open = self::open(&open, &name)?;
            above.push((mem::replace(&mut level, Level::of(&open)?), name));
        } else if !is_kept(level.identity, &name) {
            unlink(&open, &name)?;
        }
    }
}

/// The most names of a directory that are in memory. A larger one is read several times, and eight bytes are kept of each
/// of its names.
const MAX_BATCH: usize = 16_384;

/// A directory that is being cleared, or one above it.
struct Level {
    identity: Identity,
    /// Names that were read, and are to be removed.
    pending: Vec<Vec<u8>>,
    /// True if there were no more.
    complete: bool,
    /// The names that were read, if there were more. Those that are kept are there when it is read again.
    read: HashSet<u64>,
    state: RandomState,
}

impl Level {
    fn of(directory: impl AsFd) -> Result<Self> {
        Ok(Self {
            identity: Identity::of(&fs::fstat(directory)?),
            pending: Vec::new(),
            complete: false,
            read: HashSet::new(),
            state: RandomState::new(),
        })
    }

    /// A name that was not returned before.
    fn next(&mut self, directory: impl AsFd) -> Result<Option<Vec<u8>>> {
        if self.pending.is_empty() && !self.complete {
            self.complete = self.read_batch(directory)?;
        }
        Ok(self.pending.pop())
    }

    /// Reads names. True if there are no more than these.
    fn read_batch(&mut self, directory: impl AsFd) -> Result<bool> {
        for name in handle::names(directory)? {
            let name = name?;
            if !self.read.is_empty() && self.read.contains(&self.state.hash_one(&name)) {
                continue;
            }
            if self.pending.len() == MAX_BATCH {
                let read = self.pending.iter().map(|name| self.state.hash_one(name));
                self.read.extend(read);
                return Ok(false);
            }
            self.pending.push(name);
        }
        Ok(true)
    }
}

/// Opens a directory to clear it. Fails with [`Errno::XDEV`] for a mount point: what is mounted is not of the root.
fn open(above: impl AsFd, leaf: &[u8]) -> Result<OwnedFd> {
    let directory = match handle::listed(&above, leaf) {
        // A directory of the process's own that it may not read, as not root.
        Err(Errno::ACCESS) => {
            let named = handle::path_of(&above, leaf)?;
            handle::same_mount(&above, &named)?;
            handle::Handle::Path(named).set_mode(0o700)?;
            handle::listed(&above, leaf)?
        }
        listed => listed?,
    };
    handle::same_mount(&above, &directory)?;
    handle::make_writable(&directory, &fs::fstat(&directory)?)?;
    Ok(directory)
}

fn unlink(directory: impl AsFd, leaf: &[u8]) -> Result<()> {
    match fs::unlinkat(&directory, leaf, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// Removes a directory, unless something in it was kept.
fn rmdir(directory: impl AsFd, leaf: &[u8]) -> Result<()> {
    match fs::unlinkat(&directory, leaf, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        other => other,
    }
}
