//! A tree, read by descriptors: nothing that others do to it meanwhile leads out of the root.

use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{self, FileType},
    io::Errno,
};
use wharf_content::Hasher;
use wharf_reference::Algorithm;

use super::{
    access::Access,
    content, problem,
    tree::{Extra, Facts, File, Tree},
    xattrs,
};
use crate::{
    Error, ErrorKind,
    apply::{
        Root,
        handle::{self, Identity},
        resolve::Resolver,
    },
    compare::{ROOT, below},
    tar::{self, Time},
};

/// The names below a root, read directory by directory.
pub(super) struct Scan<'a> {
    root: &'a Root,
    resolver: Resolver,
    access: &'a mut Access,
    /// True if the contents of files are hashed.
    hashes: bool,
    tree: Tree,
    /// The first name of each file that may have several.
    first: HashMap<Identity, u32>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(root: &'a Root, access: &'a mut Access, hashes: bool) -> Result<Self, Error> {
        Ok(Self {
            root,
            resolver: root.resolver()?,
            access,
            hashes,
            tree: Tree::default(),
            first: HashMap::new(),
        })
    }

    pub(super) fn tree(mut self) -> Result<Tree, Error> {
        let root = handle::in_proc(self.resolver.root()).and_then(|directory| {
            let facts = Facts::of(&fs::fstat(self.resolver.root())?);
            Ok((facts, xattrs::of_entry(&directory, b".")?))
        });
        let (facts, xattrs) =
            root.map_err(|errno| problem::of_file(self.root.path(), b".", "cannot read it", errno))?;
        let extra = Extra {
            xattrs,
            ..Extra::default()
        };
        self.tree.files.push(File {
            extra: extra.boxed(),
            ..new_file(ROOT, Box::default(), facts)
        });
        let mut pending = vec![ROOT];
        while let Some(node) = pending.pop() {
            self.directory(node, facts, &mut pending)?;
        }
        self.tree.files.shrink_to_fit();
        Ok(self.tree)
    }

    fn directory(&mut self, node: u32, root: Facts, pending: &mut Vec<u32>) -> Result<(), Error> {
        let path = self.tree.path(node);
        let of_directory =
            |errno| problem::of_file(self.root.path(), &path, "cannot read the directory", errno);
        let Some(facts) = self.tree.get(node).map(|file| file.facts) else {
            return Ok(());
        };
        let directory = open(&mut self.resolver, &path, &facts).map_err(of_directory)?;
        self.access
            .give(&directory, &path, &facts)
            .map_err(of_directory)?;
        let in_proc = handle::in_proc(&directory).map_err(of_directory)?;
        let now = Time::from(SystemTime::now() - TICK);
        let listed = handle::listed(&directory, b".").and_then(handle::names);
        let names: Result<Vec<_>, _> = listed.map_err(of_directory)?.collect();
        let mut names = names.map_err(of_directory)?;
        names.sort_unstable();
        let start = self.len()?;
        for leaf in names {
            let name = below(&path, &leaf);
            let failed = |errno| problem::of_file(self.root.path(), &name, "cannot read it", errno);
            check_size(self.root, &name)?;
            let Some(stat) = handle::entry(&directory, &leaf).map_err(failed)? else {
                continue; // it was removed meanwhile
            };
            let facts = Facts::of(&stat);
            let mut file = new_file(node, leaf.into_boxed_slice(), facts);
            let mut extra = Extra::default();
            match facts.kind() {
                FileType::Socket => {
                    self.tree.sockets += 1;
                    continue;
                }
                FileType::Symlink => {
                    let target = fs::readlinkat(&directory, &*file.leaf, Vec::new()).map_err(failed)?;
                    extra.target = target.into_bytes().into_boxed_slice();
                }
                FileType::Directory if facts.identity.device() != root.identity.device() => {
                    return Err(problem::mounted(self.root.path(), &name));
                }
                _ => extra.xattrs = xattrs::of_entry(&in_proc, &file.leaf).map_err(failed)?,
            }
            file.extra = extra.boxed();
            file.fresh = is_fresh(facts.changed, now);
            let index = self.len()?;
            file.inode = index;
            if facts.has_links && facts.kind() != FileType::Directory {
                file.inode = *self.first.entry(facts.identity).or_insert(index);
            }
            if self.hashes && facts.kind() == FileType::RegularFile {
                file.hash = match self.tree.get(file.inode) {
                    Some(first) => first.hash.clone(),
                    None => Some(hash(self.root, &name, &directory, &file)?),
                };
            }
            self.tree.files.push(file);
        }
        let end = self.len()?;
        if let Some(file) = usize::try_from(node)
            .ok()
            .and_then(|node| self.tree.files.get_mut(node))
        {
            file.children = start..end;
        }
        let is_directory = |node: &u32| {
            let found = self.tree.get(*node);
            found.is_some_and(|file| file.facts.kind() == FileType::Directory)
        };
        pending.extend((start..end).rev().filter(is_directory));
        Ok(())
    }

    fn len(&self) -> Result<u32, Error> {
        u32::try_from(self.tree.files.len()).map_err(|_| {
            let why = "the tree has 2^32 names or more";
            problem::refused(self.root.path(), b".", ErrorKind::TooLarge, why)
        })
    }
}

/// The directory of this path, which must be the one that was seen there.
pub(super) fn open(resolver: &mut Resolver, path: &[u8], facts: &Facts) -> rustix::io::Result<OwnedFd> {
    let directory = resolver.directory(path)?;
    if Identity::of(&fs::fstat(&directory)?) != facts.identity {
        return Err(Errno::STALE);
    }
    Ok(directory)
}

pub(super) fn new_file(parent: u32, leaf: Box<[u8]>, facts: Facts) -> File {
    File {
        parent,
        leaf,
        facts,
        inode: ROOT,
        children: 0..0,
        extra: None,
        hash: None,
        fresh: false,
    }
}

pub(super) fn check_size(root: &Root, name: &[u8]) -> Result<(), Error> {
    let most = tar::Limits::default().path;
    if name.len() < most {
        return Ok(());
    }
    let why = format!(
        "its name has {} bytes, and {most} or more are too many",
        name.len()
    );
    Err(problem::refused(root.path(), name, ErrorKind::TooLarge, &why))
}

/// The sha256 hash of a file's content.
pub(super) fn hash(
    root: &Root,
    name: &[u8],
    directory: &OwnedFd,
    file: &File,
) -> Result<Box<[u8; 32]>, Error> {
    let mut hasher = Hasher::new(Algorithm::Sha256)?;
    content::read(root.path(), name, directory, &file.leaf, &file.facts, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    let digest = hasher.finish()?;
    // A third of the memory of the text, whose digits are valid by construction.
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(digest.encoded().as_bytes().chunks_exact(2)) {
        let digits = str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
    }
    Ok(Box::new(hash))
}

/// More than the clock of file times is behind at most, on file systems that keep parts of seconds.
const TICK: Duration = Duration::from_millis(20);

/// True if a file that was changed at `changed` could be changed after `now` without another time of change.
fn is_fresh(changed: Time, now: Time) -> bool {
    // File systems without parts of seconds have whole ones, or two.
    changed >= now || (changed.nanoseconds() == 0 && changed.seconds().saturating_add(2) >= now.seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_changed_in_the_last_tick_are_fresh() {
        let now = Time::new(100, 500);
        for (seconds, nanoseconds, expected) in [
            (100, 501, true),
            (100, 500, true),
            (100, 499, false),
            (99, 999_999_999, false),
            (98, 0, true),
            (97, 0, false),
            (200, 0, true),
        ] {
            assert_eq!(
                is_fresh(Time::new(seconds, nanoseconds), now),
                expected,
                "{seconds}.{nanoseconds}"
            );
        }
    }
}
