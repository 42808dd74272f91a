//! One layer, added to a tree: the rules of applying layers, without a file system.

use wharf_content::Hasher;
use wharf_reference::Algorithm;

use super::{
    node::{Attributes, Content, Directory, Origin},
    nodes::{Full, Nodes},
    resolve::{self, Unresolved},
};
use crate::{
    Error, ErrorKind,
    compare::ROOT,
    members,
    tar::{Event, Kind, Member},
    whiteout::{self, Name},
};

/// A layer that is being added.
pub(super) struct Addition<'a> {
    nodes: &'a mut Nodes,
    /// The member under way.
    origin: Origin,
    digests: bool,
    /// The file whose content comes next.
    hashed: Option<(u32, Hasher)>,
}

impl<'a> Addition<'a> {
    pub(super) const fn new(nodes: &'a mut Nodes, layer: u32, digests: bool) -> Self {
        Self {
            nodes,
            origin: Origin { layer, member: 0 },
            digests,
            hashed: None,
        }
    }

    pub(super) fn event(&mut self, event: Event<'_>) -> Result<(), Error> {
        match event {
            Event::Member { member, .. } => {
                self.origin.member += 1;
                self.member(&member)
            }
            Event::Content(bytes) => {
                if let Some((_, hasher)) = &mut self.hashed {
                    hasher.update(bytes);
                }
                Ok(())
            }
            Event::MemberEnd => match self.hashed.take() {
                Some((node, hasher)) => {
                    self.nodes.set_digest(node, hasher.finish()?);
                    Ok(())
                }
                None => Ok(()),
            },
            Event::End => Ok(()),
        }
    }

    fn member(&mut self, member: &Member) -> Result<(), Error> {
        let name = member.name();
        match Name::of(name).map_err(|why| members::refused(ErrorKind::Invalid, name, why))? {
            Name::Reserved => Ok(()),
            Name::Whiteout { parent, leaf } => self.whiteout(name, parent, Some(leaf)),
            Name::Opaque { parent } => self.whiteout(name, parent, None),
            Name::Root => {
                members::check_xattrs(member)?;
                let set = self.nodes.set(ROOT, Attributes::of(member), self.origin);
                set.map_err(|full| too_large(name, &full))
            }
            Name::Entry { parent, leaf } => {
                members::check_xattrs(member)?;
                let made = resolve::directory(self.nodes, parent, Some(self.origin));
                let directory = made.map_err(|problem| unresolved(name, &problem))?;
                self.entry(member, directory, leaf)
            }
        }
    }

    fn whiteout(&mut self, name: &[u8], parent: &[u8], leaf: Option<&[u8]>) -> Result<(), Error> {
        let directory = match resolve::directory(self.nodes, parent, None) {
            Ok(directory) => directory,
            Err(Unresolved::Missing | Unresolved::NotDirectory) => return Ok(()), // there is nothing to hide
            Err(problem) => return Err(unresolved(name, &problem)),
        };
        match leaf {
            Some(leaf) => self.nodes.hide(directory, leaf, self.origin.layer),
            None => self.nodes.hide_below(directory, self.origin.layer),
        }
        Ok(())
    }

    fn entry(&mut self, member: &Member, directory: u32, leaf: &[u8]) -> Result<(), Error> {
        let refused = |kind, why| Err(members::refused(kind, member.name(), why));
        let content = match member.kind() {
            Kind::File { size } => Content::File {
                size: *size,
                digest: None,
            },
            Kind::Directory => return self.directory(member, directory, leaf),
            Kind::HardLink { target } => return self.hard_link(member.name(), directory, leaf, target),
            Kind::Symlink { target } if target.is_empty() => {
                return refused(ErrorKind::Corrupt, "it is a symbolic link to nothing");
            }
            Kind::Symlink { target } => Content::Symlink(target.as_slice().into()),
            Kind::CharacterDevice { major, minor } => {
                members::check_device(member.name(), *major, *minor)?;
                Content::CharacterDevice(*major, *minor)
            }
            Kind::BlockDevice { major, minor } => Content::BlockDevice(*major, *minor),
            Kind::Fifo => Content::Fifo,
        };
        let is_file = matches!(content, Content::File { .. });
        let node = self.replace(member, directory, leaf, content)?;
        if self.digests && is_file {
            self.hashed = Some((node, Hasher::new(Algorithm::Sha256)?));
        }
        Ok(())
    }

    fn directory(&mut self, member: &Member, above: u32, leaf: &[u8]) -> Result<(), Error> {
        let found = self.nodes.child(above, leaf).map(|child| child.node);
        let is_there = found.filter(|node| self.nodes.get(*node).directory().is_some());
        let Some(node) = is_there else {
            let content = Content::Directory(Directory::default());
            return self.replace(member, above, leaf, content).map(|_| ());
        };
        self.nodes.touch(above, leaf, self.origin.layer);
        let set = self.nodes.set(node, Attributes::of(member), self.origin);
        set.map_err(|full| too_large(member.name(), &full))
    }

    fn hard_link(&mut self, name: &[u8], directory: u32, leaf: &[u8], target: &[u8]) -> Result<(), Error> {
        let refused = |why| Err(members::refused(ErrorKind::Corrupt, name, why));
        let missing = "it is a hard link to a file that neither this layer nor a lower one has";
        if target == b"." {
            return refused("it is a hard link to a directory");
        }
        let (above, target_leaf) = whiteout::split(target);
        let above = match resolve::directory(self.nodes, above, None) {
            Ok(above) => above,
            Err(Unresolved::Missing | Unresolved::NotDirectory) => return refused(missing),
            Err(problem) => return Err(unresolved(name, &problem)),
        };
        let Some(found) = self.nodes.child(above, target_leaf) else {
            return refused(missing);
        };
        if self.nodes.get(found.node).directory().is_some() {
            return refused("it is a hard link to a directory");
        }
        if (above, target_leaf) == (directory, leaf) {
            return refused("it is a hard link to itself");
        }
        self.nodes.unlink(directory, leaf);
        // What was there may have had the target in it.
        if self.nodes.child(above, target_leaf).is_none() {
            return refused(missing);
        }
        let linked = self.nodes.link(directory, leaf, found.node, self.origin.layer);
        linked.map_err(|full| too_large(name, &full))
    }

    fn replace(
        &mut self,
        member: &Member,
        directory: u32,
        leaf: &[u8],
        content: Content,
    ) -> Result<u32, Error> {
        self.nodes.unlink(directory, leaf);
        let attributes = Attributes::of(member);
        let made = self
            .nodes
            .insert(directory, leaf, content, attributes, self.origin);
        made.map_err(|full| too_large(member.name(), &full))
    }
}

fn too_large(member: &[u8], full: &Full) -> Error {
    members::refused(ErrorKind::TooLarge, member, &full.message())
}

fn unresolved(member: &[u8], problem: &Unresolved) -> Error {
    let why = match problem {
        Unresolved::Full(full) => return too_large(member, full),
        Unresolved::Loop => "its name leads through more than 40 symbolic links",
        Unresolved::Missing => "its directory is not there",
        Unresolved::NotDirectory => "a part of its name is in the tree, and is not a directory",
    };
    members::refused(ErrorKind::Corrupt, member, why)
}
