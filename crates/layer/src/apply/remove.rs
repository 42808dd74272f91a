//! Removal of entries, with all that is in them.

use std::os::fd::{AsFd, OwnedFd};

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
    let mut level = Level::open(&directory, leaf)?;
    let mut above: Vec<Above> = Vec::new();
    loop {
        let Some(name) = level.pending.pop() else {
            let Some(parent) = above.pop() else { return Ok(()) };
            let directory = up(&level.directory, parent.identity)?;
            if !entries.is_some_and(|entries| entries.has(parent.identity, &parent.entered)) {
                rmdir(&directory, &parent.entered)?;
            }
            level = Level {
                directory,
                identity: parent.identity,
                pending: parent.pending,
            };
            continue;
        };
        let Some(stat) = handle::entry(&level.directory, &name)? else {
            continue;
        };
        if handle::file_type(&stat) == FileType::Directory {
            let below = Level::open(&level.directory, &name)?;
            above.push(Above {
                identity: level.identity,
                pending: level.pending,
                entered: name,
            });
            level = below;
        } else if !entries.is_some_and(|entries| entries.has(level.identity, &name)) {
            unlink(&level.directory, &name)?;
        }
    }
}

/// A directory that is being cleared.
struct Level {
    directory: OwnedFd,
    identity: Identity,
    pending: Vec<Vec<u8>>,
}

/// A directory above that one.
struct Above {
    identity: Identity,
    pending: Vec<Vec<u8>>,
    /// The name of the directory below it that is being cleared.
    entered: Vec<u8>,
}

impl Level {
    /// Fails with [`Errno::XDEV`] for a mount point: what is mounted is not of the root.
    fn open(directory: impl AsFd, leaf: &[u8]) -> Result<Self> {
        let above = directory;
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
        let pending = handle::names(&directory)?.collect::<Result<_>>()?;
        let stat = fs::fstat(&directory)?;
        handle::make_writable(&directory, &stat)?;
        Ok(Self {
            identity: Identity::of(&stat),
            pending,
            directory,
        })
    }
}

/// The directory above, if it is still the one that the walk came from.
fn up(directory: impl AsFd, expected: Identity) -> Result<OwnedFd> {
    let parent = handle::listed(directory, b"..")?;
    if Identity::of(&fs::fstat(&parent)?) != expected {
        return Err(Errno::STALE); // another process has moved the directory
    }
    Ok(parent)
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
