//! Attributes of directories, which are set when nothing more is written into them.

use std::{
    collections::HashMap,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    fs::{self, Stat},
    io::{Errno, Result},
};

use super::{
    applied::DroppedPart,
    attributes::{self, Attributes},
    handle::{self, Handle, Identity},
    resolve::Resolver,
};
use crate::{Error, tar::Time};

/// The most bytes of names and extended attributes of the directories of one layer, which are kept until its end. A
/// million directories of an ordinary image have a third of it.
const MAX_PENDING: usize = 256 << 20;

/// The directories that the layer states, makes, or writes into.
#[derive(Debug, Default)]
pub(super) struct Directories {
    pending: HashMap<Identity, Pending>,
    /// The bytes of names and extended attributes that were kept.
    kept: usize,
}

#[derive(Debug)]
struct Pending {
    name: Vec<u8>,
    change: Change,
}

#[derive(Debug)]
enum Change {
    /// These attributes. With `true`, the directory is of a lower layer, whose extended attributes go.
    Set(Attributes, bool),
    /// Those of before: a layer that does not state a directory does not change it.
    Restore { modified: Time, mode: Option<u32> },
}

impl Directories {
    /// A directory gets attributes. Fails with [`Errno::TOOBIG`] where more would be kept than is allowed.
    pub(super) fn set(
        &mut self,
        directory: Identity,
        name: &[u8],
        attributes: Attributes,
        existed: bool,
    ) -> Result<()> {
        self.keep(name.len() + attributes.xattr_bytes())?;
        let change = Change::Set(attributes, existed);
        let name = name.to_vec();
        self.pending.insert(directory, Pending { name, change });
        Ok(())
    }

    fn keep(&mut self, bytes: usize) -> Result<()> {
        self.kept += bytes;
        if self.kept > MAX_PENDING {
            return Err(Errno::TOOBIG);
        }
        Ok(())
    }

    /// The layer writes into a directory, which must be writable until [`Directories::finish`].
    pub(super) fn touch(&mut self, directory: &OwnedFd, stat: &Stat, name: &[u8]) -> Result<()> {
        let mode = handle::make_writable(directory, stat)?;
        self.restore_with(stat, name, mode)
    }

    /// The layer has removed entries of a directory that stays, and that had these attributes before.
    pub(super) fn restore(&mut self, before: &Stat, name: &[u8]) -> Result<()> {
        self.restore_with(before, name, Some(before.st_mode & 0o7777))
    }

    fn restore_with(&mut self, before: &Stat, name: &[u8], mode: Option<u32>) -> Result<()> {
        let identity = Identity::of(before);
        if self.pending.contains_key(&identity) {
            return Ok(());
        }
        self.keep(name.len())?;
        let modified = Time::new(before.st_mtime, u32::try_from(before.st_mtime_nsec).unwrap_or(0));
        let change = Change::Restore { modified, mode };
        let name = name.to_vec();
        self.pending.insert(identity, Pending { name, change });
        Ok(())
    }

    /// Sets all, the deepest directory first. `on_set` is told the name of each, and what was left out or went wrong.
    pub(super) fn finish(
        self,
        resolver: &mut Resolver,
        mut on_set: impl FnMut(&[u8], Result<Vec<DroppedPart>>) -> std::result::Result<(), Error>,
    ) -> std::result::Result<(), Error> {
        let mut pending: Vec<_> = self.pending.into_iter().collect();
        let depth = |name: &[u8]| name.split(|byte| *byte == b'/').count();
        pending.sort_by(|(_, a), (_, b)| {
            depth(&b.name)
                .cmp(&depth(&a.name))
                .then_with(|| b.name.cmp(&a.name))
        });
        for (identity, Pending { name, change }) in pending {
            let set = finish(resolver, identity, &name, &change);
            on_set(if name.is_empty() { b"." } else { &name }, set)?;
        }
        Ok(())
    }
}

fn finish(
    resolver: &mut Resolver,
    identity: Identity,
    name: &[u8],
    change: &Change,
) -> Result<Vec<DroppedPart>> {
    let directory = match resolver.directory(name) {
        Ok(directory) => directory,
        // The layer has replaced it or something above it.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if Identity::of(&fs::fstat(&directory)?) != identity {
        return Ok(Vec::new());
    }
    let open = handle::listed(&directory, b".");
    let handle = match &open {
        Ok(open) => Handle::Open(open.as_fd()),
        Err(_) => Handle::Path(directory),
    };
    match change {
        Change::Set(attributes, existed) => attributes.set(&handle, *existed),
        Change::Restore { modified, mode } => {
            if let Some(mode) = mode {
                handle.set_mode(*mode)?;
            }
            let mut dropped = Vec::new();
            attributes::set_modified(&handle, *modified, &mut dropped)?;
            Ok(Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_directories_is_bounded() {
        let mut directories = Directories::default();
        assert_eq!(directories.keep(MAX_PENDING - 1), Ok(()));
        assert_eq!(directories.keep(1), Ok(()));
        assert_eq!(directories.keep(1), Err(Errno::TOOBIG));
    }
}
