//! A whole tree as a layer, in one walk: each file is read when it is found, small ones ahead of the others.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    io::Write,
    num::NonZeroUsize,
    os::fd::OwnedFd,
    thread,
};

use rustix::fs::{self, FileType};

use super::{
    Diffed,
    batch::{Batch, Entry, Step},
    content,
    described::Described,
    options::DiffOptions,
    problem,
    tree::{Facts, File},
    walk::Walk,
};
use crate::{
    Error,
    apply::{Root, handle::Identity},
    output::Output,
    pool::Pool,
    tar::Member,
};

/// The most threads that read small files of a tree.
const MAX_READERS: usize = 8;

/// Writes all that is in a tree, but for the attributes of the root.
pub(super) fn pack(root: &Root, options: &DiffOptions, out: impl Write) -> Result<Diffed, Error> {
    // It gives back the permissions of directories when all files are read.
    let mut walk = Walk::new(root)?;
    let mut pack = Pack {
        described: Described::new(root, options),
        output: Output::new(out, options.writer()),
        first: HashMap::new(),
        diffed: Diffed::default(),
        batch: Batch::default(),
        readers: Readers::NotStarted,
        spare: Vec::new(),
    };
    for step in &mut walk {
        pack.step(step)?;
    }
    pack.finish(walk.sockets)
}

struct Pack<W> {
    described: Described,
    output: Output<W>,
    /// The first member of each file with several names.
    first: HashMap<Identity, Vec<u8>>,
    diffed: Diffed,
    /// The batch that is being filled. If it is the only one, its files are read one by one when they are written.
    batch: Batch,
    readers: Readers,
    /// Batches that are not in use.
    spare: Vec<Batch>,
}

/// The threads that read batches.
enum Readers {
    /// There was one batch at most.
    NotStarted,
    Started(Pool<Batch, Batch>),
    /// There is one core alone, or the system refuses threads.
    None,
}

impl Readers {
    fn start(described: Described) -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let read = move |mut batch: Batch| {
            batch.read(&described);
            batch
        };
        match threads.min(MAX_READERS) {
            1 => Self::None,
            threads => Pool::start("wharf-read", threads, read).map_or(Self::None, Self::Started),
        }
    }
}

impl<W: Write> Pack<W> {
    fn step(&mut self, step: Step) -> Result<(), Error> {
        if self.batch.is_full() {
            let next = self.spare.pop().unwrap_or_default();
            let full = std::mem::replace(&mut self.batch, next);
            self.batch(full)?;
        }
        self.batch.push(step);
        Ok(())
    }

    /// Has a batch read, and writes the one that is ready.
    fn batch(&mut self, full: Batch) -> Result<(), Error> {
        if matches!(self.readers, Readers::NotStarted) {
            self.readers = Readers::start(self.described.clone());
        }
        let ready = match &mut self.readers {
            Readers::Started(pool) => pool.push(full)?,
            _ => Some(full),
        };
        match ready {
            Some(batch) => self.write(batch),
            None => Ok(()),
        }
    }

    fn finish(mut self, sockets: u64) -> Result<Diffed, Error> {
        while let Readers::Started(pool) = &mut self.readers
            && let Some(batch) = pool.next()?
        {
            self.write(batch)?;
        }
        let last = std::mem::take(&mut self.batch);
        self.write(last)?;
        let size = self.output.finish()?;
        Ok(Diffed {
            size,
            sockets,
            ..self.diffed
        })
    }

    fn write(&mut self, mut batch: Batch) -> Result<(), Error> {
        batch.drain(|step, bytes| match step {
            Step::File(entry) => self.regular(&entry),
            Step::Read { name, headers, size } => {
                self.diffed.members += 1;
                self.diffed.bytes += size;
                self.output.encoded(&name, headers, size, bytes)
            }
            Step::Other { name, file } => self.without_content(&name, &file),
            Step::End {
                directory,
                path,
                facts,
            } => self.check_unchanged(&directory, &path, &facts),
            Step::Failed(error) => Err(error),
        })?;
        self.spare.push(batch);
        Ok(())
    }

    /// Fails if entries were added to a directory, or removed, since it was listed.
    fn check_unchanged(&self, directory: &OwnedFd, path: &[u8], facts: &Facts) -> Result<(), Error> {
        let root = self.described.root();
        let stat = fs::fstat(directory)
            .map_err(|errno| problem::of_file(root, path, "cannot read the directory", errno))?;
        if Facts::of(&stat).content_differs(facts) {
            return Err(problem::changed(root, path));
        }
        Ok(())
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

    fn regular(&mut self, entry: &Entry) -> Result<(), Error> {
        let name = &entry.name;
        let (opened, file) = entry.open(&self.described)?;
        if let Some(link) = self.link(name, &file)? {
            self.diffed.members += 1;
            return self.output.without_content(&link);
        }
        self.diffed.members += 1;
        self.output.begin(&self.described.member(name, &file)?)?;
        content::read_opened(self.described.root(), name, opened, &file.facts, |bytes| {
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
            Slot::Vacant(vacant) => {
                vacant.insert(name.to_vec());
                Ok(None)
            }
            Slot::Occupied(first) => {
                let link = Member::hard_link(name, first.get().clone())?;
                self.described.complete(link, file).map(Some)
            }
        }
    }
}
