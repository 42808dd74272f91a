//! The walk through a tree, directory by directory.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    vec,
};

use rustix::{
    fs::{self, FileType, Stat},
    io::Errno,
};

use super::{
    access::Access,
    batch::{Entry, Step},
    problem, scan,
    tree::{Extra, Facts, File},
    xattrs,
};
use crate::{
    Error,
    apply::{
        Root,
        handle::{self, Identity},
        resolve::Resolver,
    },
    compare::{ROOT, below, check_leaf},
};

/// Directories that are kept open: a deeper tree has those above them opened again.
const MAX_OPEN: usize = 64;

/// A walk through all that is below a root, in the order of a layer. It ends with the first error.
pub(super) struct Walk<'a> {
    root: &'a Root,
    resolver: Resolver,
    access: Access,
    /// The file system of the root.
    device: u64,
    /// The directories from the root to where the walk is.
    levels: Vec<Level>,
    /// Sockets that were left out.
    pub(super) sockets: u64,
}

/// A directory of the walk.
struct Level {
    path: Vec<u8>,
    facts: Facts,
    /// `None` while many below it are open.
    directory: Option<Arc<OwnedFd>>,
    names: vec::IntoIter<(Vec<u8>, FileType)>,
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        self.advance().unwrap_or_else(|error| {
            self.levels.clear();
            Some(Step::Failed(error))
        })
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(root: &'a Root) -> Result<Self, Error> {
        let resolver = root.resolver()?;
        let stat = fs::fstat(resolver.root());
        let stat = stat.map_err(|errno| problem::of_file(root.path(), b".", "cannot read it", errno))?;
        let facts = Facts::of(&stat);
        let mut walk = Self {
            root,
            resolver,
            access: Access::new(root)?,
            device: facts.identity.device(),
            levels: Vec::new(),
            sockets: 0,
        };
        let directory = walk.open(&[], &facts)?;
        walk.enter(directory, Vec::new(), facts)?;
        Ok(walk)
    }

    fn advance(&mut self) -> Result<Option<Step>, Error> {
        while let Some(mut level) = self.levels.pop() {
            let next = level.names.next();
            let directory = match level.directory.take() {
                Some(directory) => directory,
                None => Arc::new(self.open(&level.path, &level.facts)?),
            };
            let Some((leaf, kind)) = next else {
                let Level { path, facts, .. } = level;
                return Ok(Some(Step::End {
                    directory,
                    path,
                    facts,
                }));
            };
            let name = below(&level.path, &leaf);
            level.directory = Some(Arc::clone(&directory));
            self.levels.push(level);
            scan::check_size(self.root, &name)?;
            check_leaf(&leaf, || name.clone())?;
            if let Some(step) = self.entry(directory, &leaf, kind, name)? {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// Lists a directory, which is the next one.
    fn enter(&mut self, directory: OwnedFd, path: Vec<u8>, facts: Facts) -> Result<(), Error> {
        let failed = |errno| problem::of_file(self.root.path(), &path, "cannot read the directory", errno);
        self.access.give(&directory, &path, &facts).map_err(failed)?;
        let mut names = listed(&directory).map_err(failed)?;
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        self.levels.push(Level {
            path,
            facts,
            directory: Some(Arc::new(directory)),
            names: names.into_iter(),
        });
        if let Some(above) = self.levels.len().checked_sub(MAX_OPEN + 1)
            && let Some(level) = self.levels.get_mut(above)
        {
            level.directory = None;
        }
        Ok(())
    }

    fn open(&mut self, path: &[u8], facts: &Facts) -> Result<OwnedFd, Error> {
        let opened = scan::open(&mut self.resolver, path, facts);
        opened.map_err(|errno| problem::of_file(self.root.path(), path, "cannot read the directory", errno))
    }

    /// The step for an entry, unless it is a socket. Enters the directory that it is.
    fn entry(
        &mut self,
        directory: Arc<OwnedFd>,
        leaf: &[u8],
        kind: FileType,
        name: Vec<u8>,
    ) -> Result<Option<Step>, Error> {
        let regular = |directory, name: Vec<u8>| {
            let leaf = name.len() - leaf.len();
            Ok(Some(Step::File(Entry {
                directory,
                name,
                leaf,
            })))
        };
        if kind == FileType::RegularFile {
            return regular(directory, name);
        }
        let root = self.root.path();
        let failed = |errno| problem::of_file(root, &name, "cannot read it", errno);
        let stat = handle::entry(&directory, leaf).map_err(failed)?;
        let stat = stat.ok_or_else(|| problem::changed(root, &name))?;
        let facts = Facts::of(&stat);
        match facts.kind() {
            FileType::RegularFile => return regular(directory, name),
            FileType::Socket => {
                self.sockets += 1;
                return Ok(None);
            }
            FileType::Directory if facts.identity.device() != self.device => {
                return Err(problem::mounted(root, &name));
            }
            _ => {}
        }
        let extra = extra(&directory, leaf, &stat).map_err(failed)?;
        let file = File {
            extra: extra.boxed(),
            ..scan::new_file(ROOT, Box::default(), facts)
        };
        if facts.kind() == FileType::Directory {
            let opened =
                handle::path_of(&directory, leaf).and_then(|opened| Ok((fs::fstat(&opened)?, opened)));
            let (stat, opened) = opened.map_err(failed)?;
            if Identity::of(&stat) != facts.identity {
                return Err(problem::changed(root, &name));
            }
            self.enter(opened, name.clone(), facts)?;
        }
        Ok(Some(Step::Other { name, file }))
    }
}

/// The names in a directory with the kinds that the file system tells.
fn listed(directory: impl AsFd) -> Result<Vec<(Vec<u8>, FileType)>, Errno> {
    let mut names = Vec::new();
    for entry in fs::Dir::new(handle::listed(directory, b".")?)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push((name.to_vec(), entry.file_type()));
        }
    }
    Ok(names)
}

/// The attributes that few files have, of an entry that is no regular file.
fn extra(directory: &OwnedFd, leaf: &[u8], stat: &Stat) -> Result<Extra, Errno> {
    let mut extra = Extra::default();
    if handle::file_type(stat) == FileType::Symlink {
        let target = fs::readlinkat(directory, leaf, Vec::new())?;
        extra.target = target.into_bytes().into_boxed_slice();
    } else {
        extra.xattrs = xattrs::of_entry(&handle::in_proc(directory)?, leaf)?;
    }
    Ok(extra)
}
