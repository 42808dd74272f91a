//! Removal of entries, with all that is in them.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    mem,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{self, AtFlags, FileType, Stat},
    io::{Errno, Result},
};

use super::{
    directories::Directories,
    entries::Entries,
    handle::{self, Identity},
};

/// The files and directories that are not removed: the entries that the layer under way has made, and the directories that lead there.
pub(super) struct Kept<'a> {
    pub(super) entries: &'a Entries,
    /// Is told of the directories, which keep their permissions and times.
    pub(super) directories: &'a mut Directories,
    /// The name of the directory that is cleared, from the root.
    pub(super) name: Vec<u8>,
}

impl Kept<'_> {
    fn down(&mut self, leaf: &[u8]) {
        if !self.name.is_empty() {
            self.name.push(b'/');
        }
        self.name.extend_from_slice(leaf);
    }

    fn up(&mut self) {
        let end = self.name.iter().rposition(|byte| *byte == b'/');
        self.name.truncate(end.unwrap_or(0));
    }
}

/// Removes what lower layers have as `leaf` of a directory. With no `kept`, everything goes.
///
/// The depth of the tree is not bounded by descriptors: two are open at a time.
pub(super) fn remove(directory: impl AsFd, leaf: &[u8], mut kept: Option<Kept<'_>>) -> Result<()> {
    let at = Identity::of(&fs::fstat(&directory)?);
    let Some(stat) = handle::entry(&directory, leaf)? else {
        return Ok(());
    };
    if handle::file_type(&stat) != FileType::Directory {
        return if is_kept(kept.as_ref(), at, leaf) {
            Ok(())
        } else {
            unlink(&directory, leaf)
        };
    }
    if let Some(kept) = &mut kept {
        kept.down(leaf);
    }
    let level = clear_directory(&directory, leaf, &mut kept)?;
    leave(&directory, at, leaf, &level, &mut kept)
}

/// Removes all that lower layers have in a directory.
pub(super) fn clear(directory: impl AsFd, leaf: &[u8], mut kept: Option<Kept<'_>>) -> Result<()> {
    clear_directory(directory, leaf, &mut kept).map(drop)
}

fn clear_directory(directory: impl AsFd, leaf: &[u8], kept: &mut Option<Kept<'_>>) -> Result<Level> {
    let (mut open, mut level) = enter(&directory, leaf)?;
    let mut above: Vec<(Level, Vec<u8>)> = Vec::new();
    loop {
        let Some(name) = level.next(&open)? else {
            let Some((parent, entered)) = above.pop() else {
                return Ok(level);
            };
            open = handle::still(handle::listed(&open, b"..")?, parent.identity)?;
            leave(&open, parent.identity, &entered, &level, kept)?;
            level = parent;
            continue;
        };
        let Some(stat) = handle::entry(&open, &name)? else {
            continue;
        };
        if handle::file_type(&stat) == FileType::Directory {
            let (below, entered) = enter(&open, &name)?;
            if let Some(kept) = kept {
                kept.down(&name);
            }
            open = below;
            above.push((mem::replace(&mut level, entered), name));
        } else if !is_kept(kept.as_ref(), level.identity, &name) {
            unlink(&open, &name)?;
        }
    }
}

/// True if the layer under way has made an entry of the directory `at`.
fn is_kept(kept: Option<&Kept<'_>>, at: Identity, leaf: &[u8]) -> bool {
    kept.is_some_and(|kept| kept.entries.has(at, leaf))
}

/// Removes a directory that is cleared, unless it stays.
fn leave(
    above: impl AsFd,
    at: Identity,
    leaf: &[u8],
    level: &Level,
    kept: &mut Option<Kept<'_>>,
) -> Result<()> {
    let stays = is_kept(kept.as_ref(), at, leaf) || !rmdir(above, leaf)?;
    if let Some(kept) = kept {
        if stays {
            kept.directories.restore(&level.before, &kept.name)?;
        }
        kept.up();
    }
    Ok(())
}

/// The most names of a directory that are in memory. A larger one is read several times, and eight bytes are kept of each
/// of its names.
const MAX_BATCH: usize = 16_384;

/// A directory that is being cleared, or one above it.
struct Level {
    identity: Identity,
    /// Its attributes when it was entered.
    before: Stat,
    /// Names that were read, and are to be removed.
    pending: Vec<Vec<u8>>,
    /// True if there were no more.
    complete: bool,
    /// The names that were read, if there were more. Those that are kept are there when it is read again.
    read: HashSet<u64>,
    state: RandomState,
}

impl Level {
    fn new(before: Stat) -> Self {
        Self {
            identity: Identity::of(&before),
            before,
            pending: Vec::new(),
            complete: false,
            read: HashSet::new(),
            state: RandomState::new(),
        }
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

/// Opens a directory to clear it. One of the process's own gets the permissions for that, as not root.
///
/// Fails with [`Errno::XDEV`] for a mount point: what is mounted is not of the root.
fn enter(above: impl AsFd, leaf: &[u8]) -> Result<(OwnedFd, Level)> {
    let (directory, before) = match handle::listed(&above, leaf) {
        Err(Errno::ACCESS) => {
            let named = handle::path_of(&above, leaf)?;
            handle::same_mount(&above, &named)?;
            let before = fs::fstat(&named)?;
            if handle::make_writable(&named, &before)?.is_none() {
                return Err(Errno::ACCESS);
            }
            (handle::listed(&above, leaf)?, before)
        }
        listed => {
            let directory = listed?;
            handle::same_mount(&above, &directory)?;
            let before = fs::fstat(&directory)?;
            handle::make_writable(&directory, &before)?;
            (directory, before)
        }
    };
    Ok((directory, Level::new(before)))
}

fn unlink(directory: impl AsFd, leaf: &[u8]) -> Result<()> {
    match fs::unlinkat(&directory, leaf, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// Removes a directory. False if something in it was kept.
fn rmdir(directory: impl AsFd, leaf: &[u8]) -> Result<bool> {
    match fs::unlinkat(&directory, leaf, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error),
    }
}
