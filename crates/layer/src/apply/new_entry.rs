//! Entries that are made for members of a layer, one kind after the other.

use std::{
    fs::File,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

use super::{
    applied::DroppedPart,
    applier::Applier,
    attributes::Attributes,
    handle::{self, Handle, Identity},
    options::{Devices, Owner},
    parent::Parent,
    remove,
};
use crate::{
    Error, ErrorKind, members,
    tar::{Kind, Member},
    whiteout,
};

/// An entry that a member asks for.
pub(super) struct NewEntry<'a> {
    pub(super) parent: &'a Parent,
    /// The name in that directory.
    pub(super) leaf: &'a [u8],
    pub(super) member: &'a Member,
    pub(super) owner: Owner,
}

impl NewEntry<'_> {
    fn refused(&self, kind: ErrorKind, why: &str) -> Error {
        members::refused(kind, self.member.name(), why)
    }
}

impl Applier<'_> {
    /// Makes the entry and sets its attributes. A file is returned open; its attributes are set after its content,
    /// those of a directory at the end of the layer.
    pub(super) fn make(&mut self, new: &NewEntry<'_>) -> Result<Option<File>, Error> {
        match new.member.kind() {
            Kind::File { .. } => return self.file(new).map(Some),
            Kind::Directory => self.directory(new)?,
            Kind::HardLink { target } => self.hard_link(new, target)?,
            Kind::Symlink { target } => self.symlink(new, target)?,
            Kind::Fifo => self.node(new, FileType::Fifo, (0, 0))?,
            Kind::CharacterDevice { major, minor } => {
                members::check_device(new.member.name(), *major, *minor)?;
                self.device(new, FileType::CharacterDevice, (*major, *minor))?;
            }
            Kind::BlockDevice { major, minor } => {
                self.device(new, FileType::BlockDevice, (*major, *minor))?;
            }
        }
        Ok(None)
    }

    fn file(&mut self, new: &NewEntry<'_>) -> Result<File, Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self.place(new, |at, leaf| {
            fs::openat(at, leaf, flags, Mode::RUSR | Mode::WUSR)
        })?;
        self.clear_given(new, &Handle::Open(file.as_fd()))?;
        Ok(file.into())
    }

    fn directory(&mut self, new: &NewEntry<'_>) -> Result<(), Error> {
        let attributes = Attributes::of(new.member, new.owner);
        let (name, at) = (new.member.name(), &new.parent.directory);
        let found = handle::entry(at, new.leaf)
            .map_err(|errno| self.failed(new.member, "cannot read what is there", errno))?;
        let merges = match found.as_ref().map(handle::file_type) {
            Some(FileType::Directory) => found.map(|stat| Identity::of(&stat)),
            Some(FileType::Symlink) if self.options.keep_directory_links => {
                match self.resolver.directory(name).and_then(fs::fstat) {
                    Ok(stat) => Some(Identity::of(&stat)),
                    // It leads to no directory of the root.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => None,
                    Err(errno) => return Err(self.failed(new.member, "cannot open what is there", errno)),
                }
            }
            _ => None,
        };
        if let Some(identity) = merges {
            self.check_spelling(new)?;
            let set = self.directories.set(identity, name, attributes, true);
            return set.map_err(|errno| self.failed(new.member, "cannot take its attributes", errno));
        }
        self.place(new, |at, leaf| fs::mkdirat(at, leaf, Mode::RWXU))?;
        let failed = |errno| self.failed(new.member, "cannot open it", errno);
        let made = handle::path_of(at, new.leaf).map_err(failed)?;
        let identity = Identity::of(&fs::fstat(&made).map_err(failed)?);
        self.clear_given(new, &Handle::Path(made))?;
        let set = self.directories.set(identity, name, attributes, false);
        set.map_err(|errno| self.failed(new.member, "cannot take its attributes", errno))
    }

    fn symlink(&mut self, new: &NewEntry<'_>, target: &[u8]) -> Result<(), Error> {
        if target.is_empty() {
            return Err(new.refused(ErrorKind::Corrupt, "it is a symbolic link to nothing"));
        }
        self.place(new, |at, leaf| fs::symlinkat(target, at, leaf))?;
        let made = self.made(new)?;
        self.set_attributes(new.member, new.owner, &made)
    }

    fn hard_link(&mut self, new: &NewEntry<'_>, target: &[u8]) -> Result<(), Error> {
        let refused = |why: &str| Err(new.refused(ErrorKind::Corrupt, why));
        let (above, target_leaf) = whiteout::split(target);
        let found = self.resolver.directory(above).and_then(|directory| {
            let identity = Identity::of(&fs::fstat(&directory)?);
            let stat = handle::entry(&directory, target_leaf)?;
            Ok((directory, identity, stat))
        });
        let missing = "it is a hard link to a file that neither this layer nor a lower one has";
        let (directory, identity, stat) = match found {
            Ok((directory, identity, Some(stat))) => (directory, identity, stat),
            // A further name of a device is left out as the device is.
            Ok((_, identity, None)) if self.left_out.has(identity, target_leaf) => {
                return self.leave_out(new);
            }
            Ok((_, _, None)) | Err(Errno::NOENT | Errno::NOTDIR) => return refused(missing),
            Err(errno) => return Err(self.failed(new.member, "cannot open what it links to", errno)),
        };
        if handle::file_type(&stat) == FileType::Directory {
            return refused("it is a hard link to a directory");
        }
        if (identity, target_leaf) == (new.parent.identity, new.leaf) {
            return refused("it is a hard link to itself");
        }
        let linked = self.place(new, |at, leaf| {
            match fs::linkat(&directory, target_leaf, at, leaf, AtFlags::empty()) {
                // The entry that was removed for the link had the target in it.
                Err(Errno::NOENT) => Ok(false),
                other => other.map(|()| true),
            }
        })?;
        if linked { Ok(()) } else { refused(missing) }
    }

    fn device(&mut self, new: &NewEntry<'_>, kind: FileType, number: (u32, u32)) -> Result<(), Error> {
        if self.options.devices == Devices::Create {
            return self.node(new, kind, number);
        }
        if self.options.devices == Devices::Placeholder {
            self.drop_device(new)?;
            return self.node(new, FileType::RegularFile, (0, 0));
        }
        self.leave_out(new)
    }

    /// Leaves out a device. What is there is removed, for the device would have replaced it.
    fn leave_out(&mut self, new: &NewEntry<'_>) -> Result<(), Error> {
        self.drop_device(new)?;
        self.left_out.add(new.parent.identity, new.leaf);
        self.place(new, |at, leaf| match handle::entry(at, leaf)? {
            Some(_) => Err(Errno::EXIST),
            None => Ok(()),
        })
    }

    fn drop_device(&mut self, new: &NewEntry<'_>) -> Result<(), Error> {
        self.applied
            .drop_part(new.member.name(), DroppedPart::Device, self.options.strict)
    }

    fn node(&mut self, new: &NewEntry<'_>, kind: FileType, number: (u32, u32)) -> Result<(), Error> {
        let device = fs::makedev(number.0, number.1);
        self.place(new, |at, leaf| {
            fs::mknodat(at, leaf, kind, Mode::RUSR | Mode::WUSR, device)
        })?;
        let made = self.made(new)?;
        self.clear_given(new, &made)?;
        self.set_attributes(new.member, new.owner, &made)
    }

    /// Makes an entry, after what is there is removed.
    fn place<T>(
        &mut self,
        new: &NewEntry<'_>,
        make: impl Fn(&OwnedFd, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<T, Error> {
        let directory = &new.parent.directory;
        let made = match make(directory, new.leaf) {
            Err(Errno::EXIST) => {
                self.check_spelling(new)?;
                self.removed = true;
                remove::remove(directory, new.leaf, None)
                    .map_err(|errno| self.failed(new.member, "cannot remove what is there", errno))?;
                make(directory, new.leaf)
            }
            made => made,
        };
        made.map_err(|errno| self.failed(new.member, "cannot make it", errno))
    }

    /// Where the file system does not tell `A` from `a`: what is there must have the name as it is written.
    fn check_spelling(&mut self, new: &NewEntry<'_>) -> Result<(), Error> {
        let parent = new.parent;
        let is_other = self
            .spelling
            .is_other(&parent.directory, parent.identity, new.leaf);
        if !is_other.map_err(|errno| self.failed(new.member, "cannot read its directory", errno))? {
            return Ok(());
        }
        let why =
            "the file system does not tell it from another name of the image; unpack it to one that does";
        Err(new.refused(ErrorKind::Conflict, why))
    }

    /// Removes the access list that a new entry has from its directory: it has those alone that its layer states.
    fn clear_given(&self, new: &NewEntry<'_>, made: &Handle<'_>) -> Result<(), Error> {
        if !new.parent.gives_access_list {
            return Ok(());
        }
        let cleared = made.clear_access_lists();
        cleared.map_err(|errno| {
            self.failed(
                new.member,
                "cannot remove the access list of its directory",
                errno,
            )
        })
    }

    /// A node or a link that was made.
    fn made(&self, new: &NewEntry<'_>) -> Result<Handle<'static>, Error> {
        let made = handle::path_of(&new.parent.directory, new.leaf);
        let made = made.map_err(|errno| self.failed(new.member, "cannot open it", errno))?;
        Ok(Handle::Path(made))
    }
}
