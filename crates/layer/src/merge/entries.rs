use std::{
    cmp::Ordering,
    collections::{HashMap, btree_map},
    iter::{FusedIterator, Peekable},
};

use wharf_reference::Digest;

use super::{
    node::{Child, Content, Node},
    nodes::Nodes,
};
use crate::{
    Error,
    compare::{ROOT, below},
    tar::Member,
};

/// One name in a [`Merged`](crate::Merged).
#[derive(Debug, Clone)]
pub struct MergedEntry<'a> {
    name: Vec<u8>,
    node: &'a Node,
    linked_to: Option<Vec<u8>>,
}

impl<'a> MergedEntry<'a> {
    pub(super) const fn new(name: Vec<u8>, node: &'a Node) -> Self {
        Self {
            name,
            node,
            linked_to: None,
        }
    }

    /// The name, as [`Member::name`] is: relative to the root, and `.` for the root itself.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Kind, size, owner, permissions, time and extended attributes, as a layer states them. It is not
    /// [`Kind::HardLink`](crate::tar::Kind::HardLink) for a further name of a file either.
    ///
    /// # Errors
    ///
    /// None for a tree that layers with the default [`tar::Limits`](crate::tar::Limits) have made.
    pub fn member(&self) -> Result<Member, Error> {
        self.node.member(&self.name)
    }

    /// The first name of the file, if this is a further one.
    #[must_use]
    pub fn linked_to(&self) -> Option<&[u8]> {
        self.linked_to.as_deref()
    }

    /// Bytes of content: those of a regular file, 0 for all else.
    #[must_use]
    pub const fn size(&self) -> u64 {
        match self.node.content {
            Content::File { size, .. } => size,
            _ => 0,
        }
    }

    /// The number of the layer that states the file or directory. `None` for a root that no layer states.
    #[must_use]
    pub fn layer(&self) -> Option<usize> {
        let origin = self.node.origin?;
        usize::try_from(origin.layer).ok()
    }

    /// The sha256 digest of the content of a regular file, if [`Merged::with_digests`](crate::Merged::with_digests)
    /// asked for it.
    #[must_use]
    pub fn digest(&self) -> Option<&'a Digest> {
        match &self.node.content {
            Content::File { digest, .. } => digest.as_deref(),
            _ => None,
        }
    }

    /// True if nothing but the name, the layer and further names may differ.
    fn is_alike(&self, other: &MergedEntry<'_>) -> bool {
        let content = match (&self.node.content, &other.node.content) {
            (Content::Directory(_), Content::Directory(_)) | (Content::Fifo, Content::Fifo) => true,
            (
                Content::File { size, digest },
                Content::File {
                    size: other_size,
                    digest: other_digest,
                },
            ) => {
                let digests = digest.as_ref().zip(other_digest.as_ref());
                size == other_size && digests.is_none_or(|(one, other)| one == other)
            }
            (Content::Symlink(one), Content::Symlink(other)) => one == other,
            (Content::CharacterDevice(major, minor), Content::CharacterDevice(other_major, other_minor))
            | (Content::BlockDevice(major, minor), Content::BlockDevice(other_major, other_minor)) => {
                (major, minor) == (other_major, other_minor)
            }
            _ => false,
        };
        content && self.node.attributes == other.node.attributes
    }
}

/// The names of a tree: a directory before what is in it, siblings by the bytes of their names.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    nodes: &'a Nodes,
    root: bool,
    levels: Vec<Level<'a>>,
    first: HashMap<u32, Vec<u8>>,
}

/// A directory on the way: its path, and the entries that come next.
#[derive(Debug)]
struct Level<'a> {
    path: Vec<u8>,
    children: btree_map::Iter<'a, Box<[u8]>, Child>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(nodes: &'a Nodes) -> Self {
        Self {
            nodes,
            root: true,
            levels: Vec::new(),
            first: HashMap::new(),
        }
    }

    fn enter(&mut self, path: Vec<u8>, node: &'a Node) {
        if let Some(directory) = node.directory() {
            let children = directory.children.iter();
            self.levels.push(Level { path, children });
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = MergedEntry<'a>;

    fn next(&mut self) -> Option<MergedEntry<'a>> {
        if std::mem::take(&mut self.root) {
            let node = self.nodes.get(ROOT);
            self.enter(Vec::new(), node);
            return Some(MergedEntry::new(b".".to_vec(), node));
        }
        loop {
            let level = self.levels.last_mut()?;
            let Some((leaf, child)) = level.children.next() else {
                self.levels.pop();
                continue;
            };
            let name = below(&level.path, leaf);
            let node = self.nodes.get(child.node);
            self.enter(name.clone(), node);
            let mut entry = MergedEntry::new(name, node);
            if node.links > 1 {
                entry.linked_to = self.first.get(&child.node).cloned();
                if entry.linked_to.is_none() {
                    self.first.insert(child.node, entry.name.clone());
                }
            }
            return Some(entry);
        }
    }
}

impl FusedIterator for Entries<'_> {}

/// A name in which two trees differ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The name, as [`MergedEntry::name`].
    pub name: Vec<u8>,
    /// The difference.
    pub kind: DifferenceKind,
}

/// The kinds of [`Difference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// The name is new.
    Added,
    /// The name had another kind, content, owner, time or other attributes.
    Changed,
    /// The name is gone.
    Deleted,
}

/// The names in which two trees differ, in the order of [`Entries`].
pub(super) fn differences<'a>(from: Entries<'a>, to: Entries<'a>) -> impl Iterator<Item = Difference> {
    let (mut from, mut to) = (from.peekable(), to.peekable());
    std::iter::from_fn(move || {
        loop {
            let order = order(&mut from, &mut to)?;
            let (before, after) = (
                from.next_if(|_| order != Ordering::Greater),
                to.next_if(|_| order != Ordering::Less),
            );
            return Some(match (before, after) {
                (Some(before), Some(after)) if before.is_alike(&after) => continue,
                (Some(_), Some(MergedEntry { name, .. })) => Difference {
                    name,
                    kind: DifferenceKind::Changed,
                },
                (None, Some(MergedEntry { name, .. })) => Difference {
                    name,
                    kind: DifferenceKind::Added,
                },
                (Some(MergedEntry { name, .. }), None) => Difference {
                    name,
                    kind: DifferenceKind::Deleted,
                },
                (None, None) => return None,
            });
        }
    })
}

/// The order of the next entries in a walk. `None` at the end of both.
fn order(from: &mut Peekable<Entries<'_>>, to: &mut Peekable<Entries<'_>>) -> Option<Ordering> {
    /// The components of a name. The root has none.
    fn components(name: &[u8]) -> impl Iterator<Item = &[u8]> {
        name.split(|byte| *byte == b'/')
            .filter(|component| *component != b".")
    }
    Some(match (from.peek(), to.peek()) {
        (Some(from), Some(to)) => components(&from.name).cmp(components(&to.name)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => return None,
    })
}
