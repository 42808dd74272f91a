use std::collections::BTreeMap;

use wharf_reference::Digest;

use crate::{
    Error,
    tar::{Kind, Member, Time},
};

/// A file, directory, link, device or FIFO, by whatever names.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) attributes: Attributes,
    /// The member that states it. `None`: the root, of which no layer speaks.
    pub(super) origin: Option<Origin>,
    /// The number of its names.
    pub(super) links: u32,
}

/// A member of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) layer: u32,
    /// The number of the member in the layer, from 1.
    pub(super) member: u64,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// No node any more.
    Vacant,
    Directory(Directory),
    File {
        size: u64,
        digest: Option<Box<Digest>>,
    },
    Symlink(Box<[u8]>),
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    pub(super) parent: u32,
    /// Bytes of the path from the root.
    pub(super) path_size: usize,
    pub(super) children: BTreeMap<Box<[u8]>, Child>,
}

/// An entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Child {
    pub(super) node: u32,
    /// The last layer that made the entry, or stated it.
    pub(super) layer: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes {
    mode: u32,
    uid: u64,
    gid: u64,
    modified: Time,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Attributes {
    pub(super) fn of(member: &Member) -> Self {
        Self {
            mode: member.mode(),
            uid: member.uid(),
            gid: member.gid(),
            modified: member.modified(),
            xattrs: member
                .xattrs()
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect(),
        }
    }

    /// Those of a directory that no layer states.
    pub(super) const fn of_missing() -> Self {
        Self {
            mode: 0o755,
            uid: 0,
            gid: 0,
            modified: Time::EPOCH,
            xattrs: Vec::new(),
        }
    }

    /// Bytes of the extended attributes.
    pub(super) fn size(&self) -> u64 {
        let sizes = self.xattrs.iter().map(|(name, value)| name.len() + value.len());
        sizes.sum::<usize>() as u64
    }

    /// A member with these permissions, owner and time.
    fn describe(&self, member: Member) -> Member {
        member
            .with_mode(self.mode)
            .with_owner(self.uid, self.gid)
            .with_modified(self.modified)
    }

    fn give(&self, member: Member) -> Member {
        let member = self.describe(member);
        self.xattrs.iter().fold(member, |member, (name, value)| {
            member.with_xattr(name.clone(), value.clone())
        })
    }
}

impl Node {
    pub(super) const fn directory(&self) -> Option<&Directory> {
        match &self.content {
            Content::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// The member that makes this name one of a file with another name. It has the attributes of the file, for Docker and
    /// Podman set those of a hard link on the file that it names.
    pub(super) fn link(&self, name: &[u8], target: Vec<u8>) -> Result<Member, Error> {
        Ok(self.attributes.describe(Member::hard_link(name, target)?))
    }

    /// The member that states the node under this name.
    pub(super) fn member(&self, name: &[u8]) -> Result<Member, Error> {
        let kind = match &self.content {
            Content::Vacant | Content::Directory(_) => Kind::Directory,
            Content::File { size, .. } => Kind::File { size: *size },
            Content::Symlink(target) => Kind::Symlink {
                target: target.to_vec(),
            },
            Content::CharacterDevice(major, minor) => Kind::CharacterDevice {
                major: *major,
                minor: *minor,
            },
            Content::BlockDevice(major, minor) => Kind::BlockDevice {
                major: *major,
                minor: *minor,
            },
            Content::Fifo => Kind::Fifo,
        };
        Ok(self.attributes.give(Member::new(name, kind)?))
    }
}
