use super::{
    limits::MergeLimits,
    node::{Attributes, Child, Content, Directory, Node, Origin},
};
use crate::compare::Tree;

/// The nodes of a tree, by number. The root is [`ROOT`](crate::compare::ROOT).
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    list: Vec<Node>,
    free: Vec<u32>,
    /// In place of a node that is not there.
    vacant: Node,
    pub(super) limits: MergeLimits,
    names: u64,
    bytes: u64,
}

/// The tree would exceed a limit: what it has too many of, the limit's name, and the limit.
#[derive(Debug)]
pub(super) struct Full(&'static str, &'static str, u64);

impl Full {
    pub(super) fn message(&self) -> String {
        let Self(what, limit, most) = self;
        format!("{what}; the limit `{limit}` is {most}")
    }
}

/// The most bytes of a path, as [`tar::Limits::path`](crate::tar::Limits::path) is by default.
const PATH: usize = 4096;
/// The most bytes of one component of a path.
const COMPONENT: usize = 255;

impl Nodes {
    pub(super) fn new(limits: MergeLimits) -> Self {
        let node = |content| Node {
            content,
            attributes: Attributes::of_missing(),
            origin: None,
            links: 1,
        };
        Self {
            list: vec![node(Content::Directory(Directory::default()))],
            free: Vec::new(),
            vacant: node(Content::Vacant),
            limits,
            names: 0,
            bytes: 0,
        }
    }

    pub(super) fn get(&self, node: u32) -> &Node {
        let found = usize::try_from(node).ok().and_then(|index| self.list.get(index));
        found.unwrap_or(&self.vacant)
    }

    fn get_mut(&mut self, node: u32) -> &mut Node {
        let found = usize::try_from(node)
            .ok()
            .and_then(|index| self.list.get_mut(index));
        found.unwrap_or(&mut self.vacant)
    }

    fn directory_mut(&mut self, node: u32) -> Option<&mut Directory> {
        match &mut self.get_mut(node).content {
            Content::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(super) fn child(&self, directory: u32, leaf: &[u8]) -> Option<Child> {
        self.get(directory).directory()?.children.get(leaf).copied()
    }

    /// Makes a node as an entry of a directory, which has none of that name.
    pub(super) fn insert(
        &mut self,
        directory: u32,
        leaf: &[u8],
        content: Content,
        attributes: Attributes,
        origin: Origin,
    ) -> Result<u32, Full> {
        let size = attributes.size() + size_of(&content);
        self.take_bytes(size)?;
        let node = Node {
            content,
            attributes,
            origin: Some(origin),
            links: 0,
        };
        let index = if let Some(index) = self.free.pop() {
            *self.get_mut(index) = node;
            index
        } else {
            let index = u32::try_from(self.list.len())
                .map_err(|_| Full("the tree has too many files", "names", self.limits.names))?;
            self.list.push(node);
            index
        };
        self.link(directory, leaf, index, origin.layer)?;
        Ok(index)
    }

    /// Makes a node an entry of a directory, which has none of that name.
    pub(super) fn link(&mut self, directory: u32, leaf: &[u8], node: u32, layer: u32) -> Result<(), Full> {
        if self.names >= self.limits.names {
            return Err(Full("the tree has too many names", "names", self.limits.names));
        }
        if leaf.len() > COMPONENT {
            return Err(Full("a component of a name is too long", "component", 255));
        }
        let above = self.get(directory).directory().map_or(0, |above| above.path_size);
        let path_size = above + usize::from(above > 0) + leaf.len();
        if path_size > PATH {
            return Err(Full(
                "with the symbolic links that its name leads through, its path is too long",
                "path",
                4096,
            ));
        }
        self.take_bytes(leaf.len() as u64)?;
        self.names += 1;
        let linked = self.get_mut(node);
        linked.links += 1;
        if let Content::Directory(below) = &mut linked.content {
            below.parent = directory;
            below.path_size = path_size;
        }
        if let Some(directory) = self.directory_mut(directory) {
            directory.children.insert(leaf.into(), Child { node, layer });
        }
        Ok(())
    }

    /// Marks an entry as one that the layer states.
    pub(super) fn touch(&mut self, directory: u32, leaf: &[u8], layer: u32) {
        let child = self
            .directory_mut(directory)
            .and_then(|directory| directory.children.get_mut(leaf));
        if let Some(child) = child {
            child.layer = layer;
        }
    }

    /// Sets the attributes of a directory.
    pub(super) fn set(&mut self, node: u32, attributes: Attributes, origin: Origin) -> Result<(), Full> {
        self.take_bytes(attributes.size())?;
        let node = self.get_mut(node);
        let before = node.attributes.size();
        node.attributes = attributes;
        node.origin = Some(origin);
        self.bytes = self.bytes.saturating_sub(before);
        Ok(())
    }

    pub(super) fn set_digest(&mut self, node: u32, of_content: wharf_reference::Digest) {
        if let Content::File { digest, .. } = &mut self.get_mut(node).content {
            *digest = Some(Box::new(of_content));
        }
    }

    /// Removes an entry, a directory with all that is in it.
    pub(super) fn unlink(&mut self, directory: u32, leaf: &[u8]) {
        let mut pending = vec![self.take_child(directory, leaf)];
        while let Some(node) = pending.pop() {
            let Some(node) = node else { continue };
            let removed = self.get_mut(node);
            removed.links = removed.links.saturating_sub(1);
            if removed.links > 0 {
                continue;
            }
            let content = std::mem::replace(&mut removed.content, Content::Vacant);
            let attributes = std::mem::replace(&mut removed.attributes, Attributes::of_missing());
            let size = attributes.size() + size_of(&content);
            self.bytes = self.bytes.saturating_sub(size);
            self.free.push(node);
            if let Content::Directory(directory) = content {
                for (leaf, child) in directory.children {
                    self.forget_name(&leaf);
                    pending.push(Some(child.node));
                }
            }
        }
    }

    /// Removes what lower layers have as an entry. What the layer has made stays, with the directories that lead there.
    pub(super) fn hide(&mut self, directory: u32, leaf: &[u8], layer: u32) {
        let Some(child) = self.child(directory, leaf) else {
            return;
        };
        self.hide_below(child.node, layer);
        if child.layer != layer && self.is_empty(child.node) {
            self.unlink(directory, leaf);
        }
    }

    /// Removes what lower layers have in a directory.
    pub(super) fn hide_below(&mut self, node: u32, layer: u32) {
        let mut directories = vec![node];
        let mut next = 0;
        while let Some(node) = directories.get(next) {
            let children = self.get(*node).directory().map(|found| &found.children);
            let children = children.into_iter().flat_map(|children| children.values());
            let below: Vec<u32> = children
                .map(|child| child.node)
                .filter(|node| self.is_directory(*node))
                .collect();
            directories.extend(below);
            next += 1;
        }
        for node in directories.into_iter().rev() {
            let children = self.get(node).directory().map(|found| &found.children);
            let children = children.into_iter().flatten();
            let hidden: Vec<Box<[u8]>> = children
                .filter(|(_, child)| child.layer != layer && self.is_empty(child.node))
                .map(|(leaf, _)| leaf.clone())
                .collect();
            for leaf in hidden {
                self.unlink(node, &leaf);
            }
        }
    }

    /// True of all but a directory with entries.
    fn is_empty(&self, node: u32) -> bool {
        let directory = self.get(node).directory();
        directory.is_none_or(|directory| directory.children.is_empty())
    }

    fn take_child(&mut self, directory: u32, leaf: &[u8]) -> Option<u32> {
        let child = self.directory_mut(directory)?.children.remove(leaf)?;
        self.forget_name(leaf);
        Some(child.node)
    }

    fn forget_name(&mut self, leaf: &[u8]) {
        self.names = self.names.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(leaf.len() as u64);
    }

    fn take_bytes(&mut self, count: u64) -> Result<(), Full> {
        self.bytes = self.bytes.saturating_add(count);
        if self.bytes > self.limits.bytes {
            return Err(Full(
                "the names, targets of links and extended attributes of the tree are too large",
                "bytes",
                self.limits.bytes,
            ));
        }
        Ok(())
    }
}

impl Tree for Nodes {
    fn is_directory(&self, node: u32) -> bool {
        self.get(node).directory().is_some()
    }

    fn children(&self, node: u32) -> Vec<(&[u8], u32)> {
        let children = self.get(node).directory().map(|found| &found.children);
        let children = children.into_iter().flatten();
        children.map(|(leaf, child)| (&**leaf, child.node)).collect()
    }

    fn inode(&self, node: u32) -> u32 {
        node
    }

    fn has_links(&self, node: u32) -> bool {
        self.get(node).links > 1
    }
}

fn size_of(content: &Content) -> u64 {
    match content {
        Content::Symlink(target) => target.len() as u64,
        _ => 0,
    }
}
