use std::os::fd::OwnedFd;

use rustix::fs;

use super::{
    applier::Applier,
    attributes::Attributes,
    directories::Directories,
    entries::Entries,
    handle::{self, Handle, Identity},
    resolve::OnMissing,
};
use crate::{Error, ErrorKind, members, tar::Member};

/// A directory that a member is written to.
pub(super) struct Parent {
    name: Vec<u8>,
    pub(super) directory: OwnedFd,
    pub(super) identity: Identity,
    /// True if what is made in it gets an access list from it, which no layer states.
    pub(super) gives_access_list: bool,
}

/// Directories that no layer has, and that a member needs.
struct Missing<'a> {
    directories: &'a mut Directories,
    entries: &'a mut Entries,
    attributes: Attributes,
    /// True if the directory above gives an access list to the one that is made.
    gives_access_list: bool,
}

impl OnMissing for Missing<'_> {
    fn before(&mut self, above: &OwnedFd, above_name: &[u8], leaf: &[u8]) -> rustix::io::Result<()> {
        let stat = fs::fstat(above)?;
        self.entries.add(Identity::of(&stat), leaf);
        self.gives_access_list = handle::has_default_access_list(above)?;
        self.directories.touch(above, &stat, above_name)
    }

    fn made(&mut self, directory: &OwnedFd, name: &[u8]) -> rustix::io::Result<()> {
        if self.gives_access_list {
            let directory = rustix::io::fcntl_dupfd_cloexec(directory, 0)?;
            Handle::Path(directory).clear_access_lists()?;
        }
        let identity = Identity::of(&fs::fstat(directory)?);
        self.directories
            .set(identity, name, self.attributes.clone(), false)
    }
}

impl Applier<'_> {
    /// The directory that a member is written to. It is made where it is missing.
    pub(super) fn parent(&mut self, member: &Member, name: &[u8]) -> Result<Parent, Error> {
        if let Some(parent) = self.parent.take()
            && parent.name == name
        {
            return Ok(parent);
        }
        let of_root = self.options.ownership.owner(0, 0);
        let of_root = of_root.map_err(|why| members::refused(ErrorKind::Invalid, member.name(), &why))?;
        let directory = self.resolver.make_directory(
            name,
            &mut Missing {
                directories: &mut self.directories,
                entries: &mut self.entries,
                attributes: Attributes::of_missing(of_root),
                gives_access_list: false,
            },
        );
        let opened = directory.and_then(|directory| {
            let stat = fs::fstat(&directory)?;
            self.directories.touch(&directory, &stat, name)?;
            Ok(Parent {
                name: name.to_vec(),
                identity: Identity::of(&stat),
                gives_access_list: handle::has_default_access_list(&directory)?,
                directory,
            })
        });
        opened.map_err(|errno| self.failed(member, "cannot open its directory", errno))
    }
}
