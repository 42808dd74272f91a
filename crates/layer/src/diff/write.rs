use std::{
    collections::{HashMap, hash_map::Entry},
    io::Write,
    os::fd::OwnedFd,
};

use rustix::fs::{self, FileType};

use super::{
    Diffed, content,
    options::DiffOptions,
    problem, scan,
    tree::{File, Tree},
};
use crate::{
    Error, ErrorKind,
    apply::{Root, attributes, resolve::Resolver},
    compare::{Plan, Step},
    members,
    output::Output,
    tar::{Kind, Member, Writer},
};

/// A layer that is written, member by member.
pub(super) struct Layer<'a, W> {
    root: &'a Root,
    tree: &'a Tree,
    plan: &'a Plan<'a>,
    options: &'a DiffOptions,
    resolver: Resolver,
    output: Output<W>,
    /// The first member of each file with several names.
    first: HashMap<u32, u32>,
    /// The directory that the last file was read from.
    directory: Option<(u32, OwnedFd)>,
    diffed: Diffed,
}

impl<'a, W: Write> Layer<'a, W> {
    pub(super) fn new(
        root: &'a Root,
        tree: &'a Tree,
        plan: &'a Plan<'a>,
        options: &'a DiffOptions,
        out: W,
    ) -> Result<Self, Error> {
        let writer = match options.latest {
            Some(latest) => Writer::new().with_latest_time(latest),
            None => Writer::new(),
        };
        Ok(Self {
            root,
            tree,
            plan,
            options,
            resolver: root.resolver()?,
            output: Output::new(out, writer),
            first: HashMap::new(),
            directory: None,
            diffed: Diffed {
                sockets: tree.sockets,
                ..Diffed::default()
            },
        })
    }

    pub(super) fn step(&mut self, index: u32, step: Step<'_>) -> Result<(), Error> {
        let name = self.plan.name(index);
        self.diffed.members += 1;
        let Some(file) = step.node.and_then(|node| self.tree.get(node)) else {
            self.diffed.whiteouts += 1;
            return self.output.without_content(&Member::file(&name, 0)?);
        };
        if file.facts.has_links && file.facts.kind() != FileType::Directory {
            match self.first.entry(file.inode) {
                Entry::Vacant(vacant) => {
                    vacant.insert(index);
                }
                Entry::Occupied(first) => {
                    let target = self.plan.name(*first.get());
                    let link = self.described(Member::hard_link(&name, target)?, file)?;
                    return self.output.without_content(&link);
                }
            }
        }
        let member = self.member(&name, file)?;
        if file.facts.kind() == FileType::RegularFile {
            self.content(&name, file, &member)
        } else {
            self.output.without_content(&member)
        }
    }

    pub(super) fn finish(self) -> Result<Diffed, Error> {
        let size = self.output.finish()?;
        Ok(Diffed { size, ..self.diffed })
    }

    fn content(&mut self, name: &[u8], file: &File, member: &Member) -> Result<(), Error> {
        let directory = match self.directory.take() {
            Some((parent, directory)) if parent == file.parent => directory,
            _ => self.open(name, file.parent)?,
        };
        self.output.begin(member)?;
        content::read(
            self.root.path(),
            name,
            &directory,
            &file.leaf,
            &file.facts,
            |bytes| {
                self.diffed.bytes += bytes.len() as u64;
                self.output.content(bytes)
            },
        )?;
        self.directory = Some((file.parent, directory));
        self.output.end()
    }

    fn open(&mut self, name: &[u8], parent: u32) -> Result<OwnedFd, Error> {
        let Some(directory) = self.tree.get(parent) else {
            return Err(problem::changed(self.root.path(), name));
        };
        scan::open(&mut self.resolver, &self.tree.path(parent), &directory.facts)
            .map_err(|errno| problem::of_file(self.root.path(), name, "cannot open its directory", errno))
    }

    /// A member with the permissions, owner and time of a file. A hard link has them, too: Docker and Podman set them on the
    /// file that it names.
    fn described(&self, member: Member, file: &File) -> Result<Member, Error> {
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
            .map_err(|why| problem::refused(self.root.path(), member.name(), ErrorKind::Invalid, &why))?;
        Ok(member
            .with_mode(facts.mode)
            .with_owner(owner.0.into(), owner.1.into())
            .with_modified(self.options.written(facts.modified)))
    }

    fn member(&self, name: &[u8], file: &File) -> Result<Member, Error> {
        let member = self.described(Member::new(name, self.kind(name, file)?)?, file)?;
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
                return Err(problem::refused(
                    self.root.path(),
                    name,
                    ErrorKind::Unsupported,
                    why,
                ));
            }
        })
    }
}
