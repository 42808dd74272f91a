//! A whole tree as a layer, in one walk: each file is read when it is found.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::Write,
    os::fd::{AsFd, OwnedFd},
    vec,
};

use rustix::{
    fs::{self, FileType, Stat},
    io::Errno,
};

use super::{
    Diffed,
    access::Access,
    content,
    described::Described,
    options::DiffOptions,
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
    output::Output,
    tar::Member,
};

/// Directories that are kept open: a deeper tree has those above them opened again.
const MAX_OPEN: usize = 64;

/// Writes all that is in a tree, but for the attributes of the root.
pub(super) fn pack(root: &Root, options: &DiffOptions, out: impl Write) -> Result<Diffed, Error> {
    let resolver = root.resolver()?;
    let stat = fs::fstat(resolver.root());
    let stat = stat.map_err(|errno| problem::of_file(root.path(), b".", "cannot read it", errno))?;
    let facts = Facts::of(&stat);
    let mut pack = Pack {
        root,
        described: Described { root, options },
        resolver,
        access: Access::new(root)?,
        output: Output::new(out, options.writer()),
        first: HashMap::new(),
        diffed: Diffed::default(),
        device: facts.identity.device(),
    };
    pack.walk(facts)?;
    let size = pack.output.finish()?;
    Ok(Diffed { size, ..pack.diffed })
}

struct Pack<'a, W> {
    root: &'a Root,
    described: Described<'a>,
    resolver: Resolver,
    access: Access,
    output: Output<W>,
    /// The first member of each file with several names.
    first: HashMap<Identity, Vec<u8>>,
    diffed: Diffed,
    /// The file system of the root.
    device: u64,
}

/// A directory of the walk.
struct Level {
    path: Vec<u8>,
    facts: Facts,
    /// `None` while many below it are open.
    directory: Option<OwnedFd>,
    names: vec::IntoIter<(Vec<u8>, FileType)>,
}

impl<W: Write> Pack<'_, W> {
    fn walk(&mut self, root: Facts) -> Result<(), Error> {
        let mut levels = vec![self.enter(None, Vec::new(), root)?];
        while let Some(level) = levels.last_mut() {
            let next = level.names.next();
            let directory = match level.directory.take() {
                Some(directory) => directory,
                None => self.open(&level.path, &level.facts)?,
            };
            let Some((leaf, kind)) = next else {
                self.check_unchanged(&directory, level)?;
                levels.pop();
                continue;
            };
            let name = below(&level.path, &leaf);
            scan::check_size(self.root, &name)?;
            check_leaf(&leaf, || name.clone())?;
            let below = self.entry(&directory, &leaf, kind, name)?;
            level.directory = Some(directory);
            if let Some(below) = below {
                levels.push(below);
                if let Some(above) = levels.len().checked_sub(MAX_OPEN + 1)
                    && let Some(level) = levels.get_mut(above)
                {
                    level.directory = None;
                }
            }
        }
        Ok(())
    }

    /// Lists a directory. Without a descriptor it is opened by its path.
    fn enter(&mut self, directory: Option<OwnedFd>, path: Vec<u8>, facts: Facts) -> Result<Level, Error> {
        let directory = match directory {
            Some(directory) => directory,
            None => self.open(&path, &facts)?,
        };
        let failed = |errno| problem::of_file(self.root.path(), &path, "cannot read the directory", errno);
        self.access.give(&directory, &path, &facts).map_err(failed)?;
        let mut names = listed(&directory).map_err(failed)?;
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Level {
            path,
            facts,
            directory: Some(directory),
            names: names.into_iter(),
        })
    }

    fn open(&mut self, path: &[u8], facts: &Facts) -> Result<OwnedFd, Error> {
        let opened = scan::open(&mut self.resolver, path, facts);
        opened.map_err(|errno| problem::of_file(self.root.path(), path, "cannot read the directory", errno))
    }

    /// Fails if entries were added to a directory, or removed, since it was listed.
    fn check_unchanged(&self, directory: &OwnedFd, level: &Level) -> Result<(), Error> {
        let root = self.root.path();
        let stat = fs::fstat(directory);
        let stat =
            stat.map_err(|errno| problem::of_file(root, &level.path, "cannot read the directory", errno))?;
        if Facts::of(&stat).content_differs(&level.facts) {
            return Err(problem::changed(root, &level.path));
        }
        Ok(())
    }

    /// Writes the member of an entry. Returns the directory that it is.
    fn entry(
        &mut self,
        directory: &OwnedFd,
        leaf: &[u8],
        kind: FileType,
        name: Vec<u8>,
    ) -> Result<Option<Level>, Error> {
        if kind == FileType::RegularFile {
            self.regular(directory, leaf, &name)?;
            return Ok(None);
        }
        let root = self.root.path();
        let failed = |errno| problem::of_file(root, &name, "cannot read it", errno);
        let stat = handle::entry(directory, leaf).map_err(failed)?;
        let stat = stat.ok_or_else(|| problem::changed(root, &name))?;
        let facts = Facts::of(&stat);
        match facts.kind() {
            FileType::RegularFile => {
                self.regular(directory, leaf, &name)?;
                return Ok(None);
            }
            FileType::Socket => {
                self.diffed.sockets += 1;
                return Ok(None);
            }
            FileType::Directory if facts.identity.device() != self.device => {
                return Err(problem::mounted(root, &name));
            }
            _ => {}
        }
        let extra = extra(directory, leaf, &stat).map_err(failed)?;
        self.without_content(&name, &file(facts, extra))?;
        if facts.kind() != FileType::Directory {
            return Ok(None);
        }
        let opened = handle::path_of(directory, leaf).and_then(|opened| Ok((fs::fstat(&opened)?, opened)));
        let (stat, opened) = opened.map_err(failed)?;
        if Identity::of(&stat) != facts.identity {
            return Err(problem::changed(root, &name));
        }
        self.enter(Some(opened), name, facts).map(Some)
    }

    /// Writes a member without content, or a hard link to the member that the file has.
    fn without_content(&mut self, name: &[u8], file: &File) -> Result<(), Error> {
        let member = match self.link(name, file)? {
            Some(link) => link,
            None => self.described.member(name, file)?,
        };
        self.diffed.members += 1;
        self.output.without_content(&member)
    }

    fn regular(&mut self, directory: &OwnedFd, leaf: &[u8], name: &[u8]) -> Result<(), Error> {
        let root = self.root.path();
        let failed = |errno| problem::of_file(root, name, "cannot read it", errno);
        let opened = content::open(directory, leaf).map_err(failed)?;
        let facts = Facts::of(&fs::fstat(&opened).map_err(failed)?);
        if facts.kind() != FileType::RegularFile {
            return Err(problem::changed(root, name));
        }
        let xattrs = xattrs::of_open(&opened).map_err(failed)?;
        let file = file(
            facts,
            Extra {
                xattrs,
                ..Extra::default()
            },
        );
        if let Some(link) = self.link(name, &file)? {
            self.diffed.members += 1;
            return self.output.without_content(&link);
        }
        self.diffed.members += 1;
        self.output.begin(&self.described.member(name, &file)?)?;
        content::read_opened(root, name, opened, &facts, |bytes| {
            self.diffed.bytes += bytes.len() as u64;
            self.output.content(bytes)
        })?;
        self.output.end()
    }

    /// The hard link that a file with several names is, unless this is the first of them.
    fn link(&mut self, name: &[u8], file: &File) -> Result<Option<Member>, Error> {
        if !file.facts.has_links || file.facts.kind() == FileType::Directory {
            return Ok(None);
        }
        match self.first.entry(file.facts.identity) {
            Entry::Vacant(vacant) => {
                vacant.insert(name.to_vec());
                Ok(None)
            }
            Entry::Occupied(first) => {
                let link = Member::hard_link(name, first.get().clone())?;
                self.described.complete(link, file).map(Some)
            }
        }
    }
}

fn file(facts: Facts, extra: Extra) -> File {
    File {
        extra: extra.boxed(),
        ..scan::new_file(ROOT, Box::default(), facts)
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
