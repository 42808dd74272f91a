use std::{
    fs::File,
    io::Write as _,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags},
    io::Errno,
};

use super::{
    applied::{Applied, DroppedPart},
    attributes::Attributes,
    directories::Directories,
    entries::Entries,
    handle::{self, Handle, Identity},
    options::{ApplyOptions, Devices, Owner},
    problem, remove,
    resolve::{OnMissing, Resolver},
    root::Root,
    whiteout::{self, Name},
};
use crate::{
    Error, ErrorKind,
    tar::{self, Kind, Member},
};

/// The most bytes of one extended attribute of a member that is unpacked.
const XATTR_BYTES: usize = 64 << 10;
/// The most extended attributes of one member that is unpacked.
const XATTRS: usize = 64;

/// Applies the members of one layer, one after the other.
pub(super) struct Applier<'a> {
    root: &'a Root,
    options: &'a ApplyOptions,
    resolver: Resolver,
    entries: Entries,
    directories: Directories,
    applied: Applied,
    /// The directory that the last member was written to. Valid until something is removed.
    parent: Option<Parent>,
    /// True if something was removed for the member under way.
    removed: bool,
    /// The file whose content comes next.
    open: Option<(File, Member, Owner)>,
}

/// A directory that a member is written to.
struct Parent {
    name: Vec<u8>,
    directory: OwnedFd,
    identity: Identity,
}

/// Directories that no layer has, and that a member needs.
struct Missing<'a> {
    directories: &'a mut Directories,
    entries: &'a mut Entries,
    attributes: Attributes,
}

impl OnMissing for Missing<'_> {
    fn before(&mut self, above: &OwnedFd, above_name: &[u8], leaf: &[u8]) -> rustix::io::Result<()> {
        let stat = fs::fstat(above)?;
        self.entries.add(Identity::of(&stat), leaf);
        self.directories.touch(above, &stat, above_name)
    }

    fn made(&mut self, directory: &OwnedFd, name: &[u8]) -> rustix::io::Result<()> {
        let identity = Identity::of(&fs::fstat(directory)?);
        self.directories
            .set(identity, name, self.attributes.clone(), false);
        Ok(())
    }
}

impl<'a> Applier<'a> {
    pub(super) fn new(root: &'a Root, options: &'a ApplyOptions) -> Result<Self, Error> {
        let directory = root.directory().try_clone();
        let directory = directory.map_err(|error| {
            let message = format!("{}: {error}", root.path().display());
            Error::new(ErrorKind::Storage, message)
        })?;
        Ok(Self {
            root,
            options,
            resolver: Resolver::new(directory, root.way()),
            entries: Entries::default(),
            directories: Directories::default(),
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
        match Name::of(name).map_err(|why| problem::refused(ErrorKind::Invalid, name, why))? {
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
        let Some((file, member, _)) = &mut self.open else {
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
            Some((file, member, owner)) => self.set_attributes(&member, owner, &Handle::Open(file.as_fd())),
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
        self.directories
            .set(Identity::of(&stat), b"", Attributes::of(member, owner), true);
        Ok(())
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
        match leaf {
            Some(leaf) => remove::remove(&directory, leaf, Some(&self.entries)),
            None => remove::clear(&directory, b".", Some(&self.entries)),
        }
    }

    fn entry(&mut self, member: Member) -> Result<(), Error> {
        check_xattrs(&member)?;
        let owner = self.owner(&member)?;
        let (parent_name, leaf) = whiteout::split(member.name());
        let (parent_name, leaf) = (parent_name.to_vec(), leaf.to_vec());
        let parent = self.parent(&member, &parent_name)?;
        self.removed = false;
        let made = self.make(&parent, &leaf, member, owner);
        made?;
        self.entries.add(parent.identity, &leaf);
        if !self.removed {
            self.parent = Some(parent);
        }
        Ok(())
    }

    /// The directory that a member is written to. It is made where it is missing.
    fn parent(&mut self, member: &Member, name: &[u8]) -> Result<Parent, Error> {
        if let Some(parent) = self.parent.take()
            && parent.name == name
        {
            return Ok(parent);
        }
        let of_root = self.options.ownership.owner(0, 0);
        let of_root = of_root.map_err(|why| problem::refused(ErrorKind::Invalid, member.name(), &why))?;
        let directory = self.resolver.make_directory(
            name,
            &mut Missing {
                directories: &mut self.directories,
                entries: &mut self.entries,
                attributes: Attributes::of_missing(of_root),
            },
        );
        let opened = directory.and_then(|directory| {
            let stat = fs::fstat(&directory)?;
            self.directories.touch(&directory, &stat, name)?;
            Ok(Parent {
                name: name.to_vec(),
                identity: Identity::of(&stat),
                directory,
            })
        });
        opened.map_err(|errno| self.failed(member, "cannot open its directory", errno))
    }

    fn make(&mut self, parent: &Parent, leaf: &[u8], member: Member, owner: Owner) -> Result<(), Error> {
        match member.kind() {
            Kind::File { .. } => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = self.place(parent, leaf, &member, |at| {
                    fs::openat(at, leaf, flags, Mode::RUSR | Mode::WUSR)
                })?;
                self.open = Some((file.into(), member, owner));
                Ok(())
            }
            Kind::Directory => self.directory(parent, leaf, &member, owner),
            Kind::HardLink { target } => self.hard_link(parent, leaf, &member, target),
            Kind::Symlink { target } if target.is_empty() => Err(problem::refused(
                ErrorKind::Corrupt,
                member.name(),
                "it is a symbolic link to nothing",
            )),
            Kind::Symlink { target } => {
                self.place(parent, leaf, &member, |at| {
                    fs::symlinkat(target.as_slice(), at, leaf)
                })?;
                self.set_by_path(parent, leaf, &member, owner)
            }
            Kind::Fifo => self.node(parent, leaf, &member, owner, (FileType::Fifo, 0, 0)),
            Kind::CharacterDevice { major: 0, minor: 0 } => Err(problem::refused(
                ErrorKind::Invalid,
                member.name(),
                "the character device 0:0 hides files in overlay file systems, and is not for layers",
            )),
            Kind::CharacterDevice { major, minor } => self.device(
                parent,
                leaf,
                &member,
                owner,
                (FileType::CharacterDevice, *major, *minor),
            ),
            Kind::BlockDevice { major, minor } => self.device(
                parent,
                leaf,
                &member,
                owner,
                (FileType::BlockDevice, *major, *minor),
            ),
        }
    }

    fn directory(
        &mut self,
        parent: &Parent,
        leaf: &[u8],
        member: &Member,
        owner: Owner,
    ) -> Result<(), Error> {
        let attributes = Attributes::of(member, owner);
        let found = handle::entry(&parent.directory, leaf)
            .map_err(|errno| self.failed(member, "cannot read what is there", errno))?;
        let merges = match found.as_ref().map(handle::file_type) {
            Some(FileType::Directory) => found.map(|stat| Identity::of(&stat)),
            Some(FileType::Symlink) if self.options.keep_directory_links => {
                let target = self.resolver.directory(member.name());
                target.and_then(fs::fstat).ok().map(|stat| Identity::of(&stat))
            }
            _ => None,
        };
        if let Some(identity) = merges {
            self.check_spelling(parent, leaf, member)?;
            self.directories.set(identity, member.name(), attributes, true);
            return Ok(());
        }
        self.place(parent, leaf, member, |at| fs::mkdirat(at, leaf, Mode::RWXU))?;
        let made = handle::path_of(&parent.directory, leaf).and_then(fs::fstat);
        let made = made.map_err(|errno| self.failed(member, "cannot open it", errno))?;
        self.directories
            .set(Identity::of(&made), member.name(), attributes, false);
        Ok(())
    }

    fn hard_link(
        &mut self,
        parent: &Parent,
        leaf: &[u8],
        member: &Member,
        target: &[u8],
    ) -> Result<(), Error> {
        let refused = |why: &str| Err(problem::refused(ErrorKind::Corrupt, member.name(), why));
        let (above, target_leaf) = whiteout::split(target);
        let found = self.resolver.directory(above).and_then(|directory| {
            let identity = Identity::of(&fs::fstat(&directory)?);
            let stat = handle::entry(&directory, target_leaf)?;
            Ok((directory, identity, stat))
        });
        let missing = "it is a hard link to a file that neither this layer nor a lower one has";
        let (directory, identity, stat) = match found {
            Ok((directory, identity, Some(stat))) => (directory, identity, stat),
            Ok((_, _, None)) | Err(Errno::NOENT | Errno::NOTDIR) => return refused(missing),
            Err(errno) => return Err(self.failed(member, "cannot open what it links to", errno)),
        };
        if handle::file_type(&stat) == FileType::Directory {
            return refused("it is a hard link to a directory");
        }
        if (identity, target_leaf) == (parent.identity, leaf) {
            return refused("it is a hard link to itself");
        }
        let linked = self.place(parent, leaf, member, |at| {
            match fs::linkat(&directory, target_leaf, at, leaf, AtFlags::empty()) {
                // What was there had the target in it.
                Err(Errno::NOENT) => Ok(false),
                other => other.map(|()| true),
            }
        })?;
        if linked { Ok(()) } else { refused(missing) }
    }

    fn device(
        &mut self,
        parent: &Parent,
        leaf: &[u8],
        member: &Member,
        owner: Owner,
        device: (FileType, u32, u32),
    ) -> Result<(), Error> {
        if self.options.devices == Devices::Create {
            return self.node(parent, leaf, member, owner, device);
        }
        self.applied
            .drop_part(member.name(), DroppedPart::Device, self.options.strict)?;
        if self.options.devices == Devices::Placeholder {
            return self.node(parent, leaf, member, owner, (FileType::RegularFile, 0, 0));
        }
        self.place(parent, leaf, member, |at| match handle::entry(at, leaf)? {
            Some(_) => Err(Errno::EXIST), // the device would hide it
            None => Ok(()),
        })
    }

    fn node(
        &mut self,
        parent: &Parent,
        leaf: &[u8],
        member: &Member,
        owner: Owner,
        (kind, major, minor): (FileType, u32, u32),
    ) -> Result<(), Error> {
        let device = fs::makedev(major, minor);
        self.place(parent, leaf, member, |at| {
            fs::mknodat(at, leaf, kind, Mode::RUSR | Mode::WUSR, device)
        })?;
        self.set_by_path(parent, leaf, member, owner)
    }

    /// Makes an entry, after what is there is removed.
    fn place<T>(
        &mut self,
        parent: &Parent,
        leaf: &[u8],
        member: &Member,
        make: impl Fn(&OwnedFd) -> rustix::io::Result<T>,
    ) -> Result<T, Error> {
        let made = match make(&parent.directory) {
            Err(Errno::EXIST) => {
                self.check_spelling(parent, leaf, member)?;
                self.removed = true;
                remove::remove(&parent.directory, leaf, None)
                    .map_err(|errno| self.failed(member, "cannot remove what is there", errno))?;
                make(&parent.directory)
            }
            made => made,
        };
        made.map_err(|errno| self.failed(member, "cannot make it", errno))
    }

    /// Where the file system does not tell `A` from `a`: what is there must have the name as it is written.
    fn check_spelling(&self, parent: &Parent, leaf: &[u8], member: &Member) -> Result<(), Error> {
        if !self.root.folds() {
            return Ok(());
        }
        let same = handle::listed(&parent.directory, b".")
            .and_then(handle::names)
            .and_then(Iterator::collect::<rustix::io::Result<Vec<_>>>);
        let same = same.map_err(|errno| self.failed(member, "cannot read its directory", errno))?;
        if same.iter().any(|name| name == leaf) {
            return Ok(());
        }
        let why =
            "the file system does not tell it from another name of the image; unpack it to one that does";
        Err(problem::refused(ErrorKind::Conflict, member.name(), why))
    }

    fn set_by_path(
        &mut self,
        parent: &Parent,
        leaf: &[u8],
        member: &Member,
        owner: Owner,
    ) -> Result<(), Error> {
        let made = handle::path_of(&parent.directory, leaf);
        let made = made.map_err(|errno| self.failed(member, "cannot open it", errno))?;
        self.set_attributes(member, owner, &Handle::Path(made))
    }

    fn set_attributes(&mut self, member: &Member, owner: Owner, file: &Handle<'_>) -> Result<(), Error> {
        let dropped = Attributes::of(member, owner).set(file, false);
        let dropped = dropped.map_err(|errno| self.failed(member, problem::OWNER, errno))?;
        let mut dropped = dropped.into_iter();
        dropped.try_for_each(|part| self.applied.drop_part(member.name(), part, self.options.strict))
    }

    fn owner(&self, member: &Member) -> Result<Owner, Error> {
        let owner = self.options.ownership.owner(member.uid(), member.gid());
        owner.map_err(|why| problem::refused(ErrorKind::Invalid, member.name(), &why))
    }

    fn failed(&self, member: &Member, what: &str, errno: Errno) -> Error {
        problem::of_member(self.root.path(), member.name(), what, errno)
    }
}

fn check_xattrs(member: &Member) -> Result<(), Error> {
    let too_large = |why: String| Err(problem::refused(ErrorKind::TooLarge, member.name(), &why));
    if member.xattrs().count() > XATTRS {
        return too_large(format!("it has more than {XATTRS} extended attributes"));
    }
    match member.xattrs().find(|(_, value)| value.len() > XATTR_BYTES) {
        Some((name, value)) => too_large(format!(
            "its extended attribute {} has {} bytes; at most {XATTR_BYTES} are taken",
            tar::shown(name),
            value.len()
        )),
        None => Ok(()),
    }
}
