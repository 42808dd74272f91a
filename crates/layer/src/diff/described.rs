use std::{path::Path, sync::Arc};

use rustix::fs::{self, FileType};

use super::{options::DiffOptions, problem, tree::File};
use crate::{
    Error, ErrorKind,
    apply::{Root, attributes},
    members,
    tar::{Kind, Member},
};

/// The members that files become.
#[derive(Clone)]
pub(super) struct Described {
    root: Arc<Path>,
    pub(super) options: DiffOptions,
}

impl Described {
    pub(super) fn new(root: &Root, options: &DiffOptions) -> Self {
        Self {
            root: root.path().into(),
            options: options.clone(),
        }
    }

    /// The path of the root, for messages.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A member with the permissions, owner and time of a file. A hard link has them, too: Docker and Podman set them on the
    /// file that it names.
    pub(super) fn complete(&self, member: Member, file: &File) -> Result<Member, Error> {
        let facts = &file.facts;
        let recorded = file
            .xattrs()
            .iter()
            .find(|(name, _)| name == attributes::RECORD)
            .map(|(_, record)| record.as_slice());
        let owner = self
            .options
            .ownership
            .stated(facts.uid, facts.gid, recorded)
            .map_err(|why| problem::refused(&self.root, member.name(), ErrorKind::Invalid, &why))?;
        Ok(member
            .with_mode(facts.mode)
            .with_owner(owner.0.into(), owner.1.into())
            .with_modified(self.options.written(facts.modified)))
    }

    pub(super) fn member(&self, name: &[u8], file: &File) -> Result<Member, Error> {
        let member = self.complete(Member::new(name, self.kind(name, file)?)?, file)?;
        let keeps_owner = self.options.ownership.keeps_owner();
        let xattrs = file.xattrs().iter();
        let taken = xattrs.filter(|(name, _)| attributes::takes(name, keeps_owner));
        let member = taken.fold(member, |member, (name, value)| {
            member.with_xattr(name.clone(), value.clone())
        });
        members::check_xattrs(&member)?;
        Ok(member)
    }

    fn kind(&self, name: &[u8], file: &File) -> Result<Kind, Error> {
        let (major, minor) = (fs::major(file.facts.device), fs::minor(file.facts.device));
        Ok(match file.facts.kind() {
            FileType::RegularFile => Kind::File {
                size: file.facts.size,
            },
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink {
                target: file.target().to_vec(),
            },
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => {
                members::check_device(name, major, minor)?;
                Kind::CharacterDevice { major, minor }
            }
            FileType::BlockDevice => Kind::BlockDevice { major, minor },
            _ => {
                let why = "it is of a kind that no layer can have";
                return Err(problem::refused(&self.root, name, ErrorKind::Unsupported, why));
            }
        })
    }
}
