//! Permissions to read directories, for as long as a tree is read.

use std::os::fd::OwnedFd;

use rustix::{fs::Mode, io::Result};

use super::{scan, tree::Facts};
use crate::{
    Error,
    apply::{Root, handle::Handle, resolve::Resolver},
};

/// The permissions that the process gave itself for directories of its own that it may not read, as not root. They are as
/// before when it is dropped.
pub(super) struct Access {
    resolver: Resolver,
    /// The directories that were changed, each behind those above it.
    changed: Vec<(Vec<u8>, Facts)>,
}

impl Access {
    pub(super) fn new(root: &Root) -> std::result::Result<Self, Error> {
        let (resolver, changed) = (root.resolver()?, Vec::new());
        Ok(Self { resolver, changed })
    }

    /// Lets the process list a directory, and look up its entries.
    pub(super) fn give(&mut self, directory: &OwnedFd, path: &[u8], facts: &Facts) -> Result<()> {
        let needed = (Mode::RUSR | Mode::XUSR).as_raw_mode();
        let user = rustix::process::geteuid();
        if facts.mode & needed == needed || user.is_root() || facts.uid != user.as_raw() {
            return Ok(());
        }
        let named = Handle::Path(rustix::io::fcntl_dupfd_cloexec(directory, 0)?);
        named.set_mode(facts.mode & 0o7777 | needed)?;
        self.changed.push((path.to_vec(), *facts));
        Ok(())
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        while let Some((path, facts)) = self.changed.pop() {
            if let Ok(directory) = scan::open(&mut self.resolver, &path, &facts) {
                let _ = Handle::Path(directory).set_mode(facts.mode & 0o7777);
            }
        }
    }
}
