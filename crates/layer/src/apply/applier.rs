use std::{fs::File, io::Write as _, os::fd::AsFd as _};

use rustix::{fs, io::Errno};

use super::{
    applied::{Applied, DroppedPart},
    attributes::Attributes,
    directories::Directories,
    entries::Entries,
    handle::{Handle, Identity},
    new_entry::NewEntry,
    options::{ApplyOptions, Owner},
    parent::Parent,
    problem,
    remove::{self, Kept},
    resolve::Resolver,
    root::Root,
    spelling::Spelling,
};
use crate::{
    Error, ErrorKind, members,
    tar::Member,
    whiteout::{self, Name},
};

/// Applies the members of one layer, one after the other.
pub(super) struct Applier<'a> {
    pub(super) root: &'a Root,
    pub(super) options: &'a ApplyOptions,
    pub(super) resolver: Resolver,
    pub(super) entries: Entries,
    /// The devices that were left out.
    pub(super) left_out: Entries,
    pub(super) directories: Directories,
    pub(super) spelling: Spelling,
    pub(super) applied: Applied,
    /// The directory that the last member was written to. Valid until something is removed.
    pub(super) parent: Option<Parent>,
    /// True if something was removed for the member under way.
    pub(super) removed: bool,
    /// The file whose content comes next.
    open: Option<OpenFile>,
}

/// A file that was made and whose content is being written.
struct OpenFile {
    file: File,
    member: Member,
    owner: Owner,
}

impl<'a> Applier<'a> {
    pub(super) fn new(root: &'a Root, options: &'a ApplyOptions) -> Result<Self, Error> {
        Ok(Self {
            root,
            options,
            resolver: root.resolver()?,
            entries: Entries::default(),
            left_out: Entries::default(),
            directories: Directories::default(),
            spelling: Spelling::default(),
            applied: Applied::default(),
            parent: None,
            removed: false,
            open: None,
        })
    }

    pub(super) fn member(&mut self, member: Member, duplicate: bool) -> Result<(), Error> {
        self.applied.members += 1;
        self.applied.duplicates += u64::from(duplicate);
        let name = member.name();
        let meaning = if self.options.plain {
            Ok(Name::of_plain(name))
        } else {
            Name::of(name)
        };
        match meaning.map_err(|why| members::refused(ErrorKind::Invalid, name, why))? {
            Name::Root => self.root_directory(&member),
            Name::Reserved => self
                .applied
                .drop_part(name, DroppedPart::Reserved, self.options.strict),
            Name::Whiteout { parent, leaf } => self.whiteout(&member, parent, Some(leaf)),
            Name::Opaque { parent } => self.whiteout(&member, parent, None),
            Name::Entry { .. } => self.entry(member),
        }
    }

    pub(super) fn content(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(OpenFile { file, member, .. }) = &mut self.open else {
            return Ok(()); // of a whiteout
        };
        self.applied.bytes += bytes.len() as u64;
        file.write_all(bytes).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            problem::of_member(self.root.path(), member.name(), "cannot write its content", errno)
        })
    }

    pub(super) fn end_member(&mut self) -> Result<(), Error> {
        match self.open.take() {
            Some(OpenFile { file, member, owner }) => {
                self.set_attributes(&member, owner, &Handle::Open(file.as_fd()))
            }
            None => Ok(()),
        }
    }

    pub(super) fn finish(mut self) -> Result<Applied, Error> {
        let (applied, strict) = (&mut self.applied, self.options.strict);
        self.directories.finish(&mut self.resolver, |name, set| {
            let dropped =
                set.map_err(|errno| problem::of_member(self.root.path(), name, problem::OWNER, errno))?;
            dropped
                .into_iter()
                .try_for_each(|part| applied.drop_part(name, part, strict))
        })?;
        Ok(self.applied)
    }

    fn root_directory(&mut self, member: &Member) -> Result<(), Error> {
        let owner = self.owner(member)?;
        let stat = fs::fstat(self.resolver.root());
        let stat = stat.map_err(|errno| self.failed(member, "cannot read the root", errno))?;
        let attributes = Attributes::of(member, owner);
        let set = self.directories.set(Identity::of(&stat), b"", attributes, true);
        set.map_err(|errno| self.failed(member, "cannot take its attributes", errno))
    }

    /// Hides `leaf`, or all, of what lower layers have in a directory.
    fn whiteout(&mut self, member: &Member, parent: &[u8], leaf: Option<&[u8]>) -> Result<(), Error> {
        self.applied.whiteouts += 1;
        let hidden = self.hide(parent, leaf);
        hidden.map_err(|errno| self.failed(member, "cannot remove what it hides", errno))
    }

    fn hide(&mut self, parent: &[u8], leaf: Option<&[u8]>) -> rustix::io::Result<()> {
        let directory = match self.resolver.directory(parent) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()), // there is nothing to hide
            Err(error) => return Err(error),
        };
        self.directories
            .touch(&directory, &fs::fstat(&directory)?, parent)?;
        self.parent = None;
        let kept = Some(Kept {
            entries: &self.entries,
            directories: &mut self.directories,
            name: parent.to_vec(),
        });
        match leaf {
            Some(leaf) => remove::remove(&directory, leaf, kept),
            None => remove::clear(&directory, b".", kept),
        }
    }

    fn entry(&mut self, member: Member) -> Result<(), Error> {
        members::check_xattrs(&member)?;
        let owner = self.owner(&member)?;
        let (parent_name, leaf) = whiteout::split(member.name());
        let parent = self.parent(&member, parent_name)?;
        self.removed = false;
        let file = self.make(&NewEntry {
            parent: &parent,
            leaf,
            member: &member,
            owner,
        })?;
        self.entries.add(parent.identity, leaf);
        if !self.removed {
            self.parent = Some(parent);
        }
        self.open = file.map(|file| OpenFile { file, member, owner });
        Ok(())
    }

    pub(super) fn set_attributes(
        &mut self,
        member: &Member,
        owner: Owner,
        file: &Handle<'_>,
    ) -> Result<(), Error> {
        let dropped = Attributes::of(member, owner).set(file, false);
        let dropped = dropped.map_err(|errno| self.failed(member, problem::OWNER, errno))?;
        let mut dropped = dropped.into_iter();
        dropped.try_for_each(|part| self.applied.drop_part(member.name(), part, self.options.strict))
    }

    fn owner(&self, member: &Member) -> Result<Owner, Error> {
        let owner = self.options.ownership.owner(member.uid(), member.gid());
        owner.map_err(|why| members::refused(ErrorKind::Invalid, member.name(), &why))
    }

    pub(super) fn failed(&self, member: &Member, what: &str, errno: Errno) -> Error {
        problem::of_member(self.root.path(), member.name(), what, errno)
    }
}
