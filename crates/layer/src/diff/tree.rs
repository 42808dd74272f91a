use std::ops::Range;

use rustix::fs::{FileType, Stat};

use crate::{
    apply::handle::Identity,
    compare::{self, ROOT},
    tar::Time,
};

/// The names below a root with their attributes, as they were read.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// Sockets, which no layer can have.
    pub(super) sockets: u64,
}

/// A name with the attributes of its file.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) parent: u32,
    pub(super) leaf: Box<[u8]>,
    pub(super) facts: Facts,
    /// The first name of the file.
    pub(super) inode: u32,
    /// The entries in it, if it is a directory.
    pub(super) children: Range<u32>,
    /// `None` for most, which have nothing of it.
    pub(super) extra: Option<Box<Extra>>,
    /// The sha256 hash of the content of a regular file in a snapshot.
    pub(super) hash: Option<Box<[u8; 32]>>,
    /// True if a change right after it was read need not show in its times.
    pub(super) fresh: bool,
}

/// Attributes that few files have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extra {
    /// Where it leads, if it is a symbolic link.
    pub(super) target: Box<[u8]>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Extra {
    /// The attributes, if there are any.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl File {
    pub(super) fn target(&self) -> &[u8] {
        self.extra.as_ref().map_or(&[], |extra| &extra.target)
    }

    pub(super) fn xattrs(&self) -> &[(Vec<u8>, Vec<u8>)] {
        self.extra.as_ref().map_or(&[], |extra| &extra.xattrs)
    }
}

/// The attributes that the system keeps of a file. Equal ones are those of a file that nobody has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) identity: Identity,
    /// Kind and permissions.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) device: u64,
    pub(super) has_links: bool,
    pub(super) modified: Time,
    pub(super) changed: Time,
}

impl Facts {
    pub(super) fn of(stat: &Stat) -> Self {
        let time = |seconds, nanoseconds| Time::new(seconds, u32::try_from(nanoseconds).unwrap_or_default());
        Self {
            identity: Identity::of(stat),
            mode: stat.st_mode,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            device: stat.st_rdev,
            has_links: stat.st_nlink > 1,
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    /// True if a file that has these facts now may have been written since it had the others.
    pub(super) fn content_differs(&self, other: &Self) -> bool {
        (self.identity, self.size, self.modified) != (other.identity, other.size, other.modified)
    }
}

impl Tree {
    pub(super) fn get(&self, node: u32) -> Option<&File> {
        self.files.get(usize::try_from(node).ok()?)
    }

    /// The path from the root, which is empty for the root itself.
    pub(super) fn path(&self, mut node: u32) -> Vec<u8> {
        let mut leaves = Vec::new();
        while node != ROOT
            && let Some(file) = self.get(node)
        {
            leaves.push(&*file.leaf);
            node = file.parent;
        }
        leaves.reverse();
        leaves.join(&b'/')
    }
}

impl compare::Tree for Tree {
    fn is_directory(&self, node: u32) -> bool {
        self.get(node)
            .is_some_and(|file| file.facts.kind() == FileType::Directory)
    }

    fn children(&self, node: u32) -> Vec<(&[u8], u32)> {
        let range = self.get(node).map(|file| file.children.clone());
        let children = range.into_iter().flatten();
        children
            .filter_map(|child| Some((&*self.get(child)?.leaf, child)))
            .collect()
    }

    fn inode(&self, node: u32) -> u32 {
        self.get(node).map_or(node, |file| file.inode)
    }

    fn has_links(&self, node: u32) -> bool {
        self.get(node).is_some_and(|file| file.facts.has_links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two trees of 100,000 names, with the allocations for leaves and hashes, are then less than 40 MiB.
    #[test]
    fn a_name_takes_little_memory() {
        assert!(size_of::<File>() <= 136, "{}", size_of::<File>());
    }
}
