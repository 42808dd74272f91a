use std::{
    collections::{HashMap, hash_map::Entry},
    io::Write,
    os::fd::OwnedFd,
};

use rustix::fs::FileType;

use super::{
    Diffed, content,
    described::Described,
    options::DiffOptions,
    problem, scan,
    tree::{File, Tree},
};
use crate::{
    Error,
    apply::{Root, resolve::Resolver},
    compare::{Plan, Step},
    output::Output,
    tar::Member,
};

/// A layer that is written, member by member.
pub(super) struct Layer<'a, W> {
    root: &'a Root,
    tree: &'a Tree,
    plan: &'a Plan<'a>,
    described: Described,
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
        options: &DiffOptions,
        out: W,
    ) -> Result<Self, Error> {
        Ok(Self {
            root,
            tree,
            plan,
            described: Described::new(root, options),
            resolver: root.resolver()?,
            output: Output::new(out, options.writer()),
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
                    let link = self.described.complete(Member::hard_link(&name, target)?, file)?;
                    return self.output.without_content(&link);
                }
            }
        }
        let member = self.described.member(&name, file)?;
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
}
