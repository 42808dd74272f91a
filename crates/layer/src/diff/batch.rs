//! Steps of a walk, whose small files are read together, on any thread.

use std::{os::fd::OwnedFd, sync::Arc};

use rustix::{
    fs::{self, FileType},
    io::Errno,
};

use super::{
    content,
    described::Described,
    problem, scan,
    tree::{Extra, Facts, File},
    xattrs,
};
use crate::{
    Error,
    compare::ROOT,
    tar::{Writer, padding},
};

/// Steps of one batch.
const STEPS: usize = 256;
/// Directories that the steps of one batch keep open.
const DIRECTORIES: usize = 16;
/// Bytes of the members in one batch.
const BYTES: usize = 512 << 10;
/// Bytes of a file that is read with others. Larger ones are read alone, in pieces.
const SMALL: u64 = 64 << 10;

/// A step of a walk.
pub(super) enum Step {
    /// A regular file, which is still to be read.
    File(Entry),
    /// A regular file that was read: headers, content and padding are the next bytes of the batch.
    Read {
        name: Vec<u8>,
        headers: usize,
        size: u64,
    },
    /// An entry of another kind.
    Other { name: Vec<u8>, file: File },
    /// The end of a directory, after all that is in it.
    End {
        directory: Arc<OwnedFd>,
        path: Vec<u8>,
        facts: Facts,
    },
    /// The walk, or the reading of a file, failed here.
    Failed(Error),
}

/// An entry of a directory.
pub(super) struct Entry {
    pub(super) directory: Arc<OwnedFd>,
    pub(super) name: Vec<u8>,
    /// Where its last component begins.
    pub(super) leaf: usize,
}

impl Entry {
    pub(super) fn leaf(&self) -> &[u8] {
        self.name.get(self.leaf..).unwrap_or_default()
    }

    /// Opens it. It must be a regular file.
    pub(super) fn open(&self, described: &Described) -> Result<(OwnedFd, File), Error> {
        self.regular(described, content::open(&self.directory, self.leaf()))
    }

    fn regular(
        &self,
        described: &Described,
        opened: rustix::io::Result<OwnedFd>,
    ) -> Result<(OwnedFd, File), Error> {
        let root = described.root();
        let failed = |errno| problem::of_file(root, &self.name, "cannot read it", errno);
        let opened = opened.map_err(failed)?;
        let facts = Facts::of(&fs::fstat(&opened).map_err(failed)?);
        if facts.kind() != FileType::RegularFile {
            return Err(problem::changed(root, &self.name));
        }
        let extra = Extra {
            xattrs: xattrs::of_open(&opened).map_err(failed)?,
            ..Extra::default()
        };
        let file = File {
            extra: extra.boxed(),
            ..scan::new_file(ROOT, Box::default(), facts)
        };
        Ok((opened, file))
    }
}

/// Some steps in a row. The memory of a batch serves for many, one after the other.
#[derive(Default)]
pub(super) struct Batch {
    steps: Vec<Step>,
    directories: usize,
    bytes: Vec<u8>,
}

impl Batch {
    /// Appends a step.
    pub(super) fn push(&mut self, step: Step) {
        if let Some(next) = directory(&step) {
            let last = self.steps.iter().rev().find_map(directory);
            self.directories += usize::from(!last.is_some_and(|last| Arc::ptr_eq(last, next)));
        }
        self.steps.push(step);
    }

    pub(super) fn is_full(&self) -> bool {
        self.steps.len() >= STEPS || self.directories >= DIRECTORIES
    }

    /// Reads the small files, up to the first that cannot be read.
    pub(super) fn read(&mut self, described: &Described) {
        let writer = described.options.writer();
        self.bytes.reserve_exact(BYTES);
        for step in &mut self.steps {
            let Step::File(entry) = step else {
                continue;
            };
            match read(entry, described, &writer, &mut self.bytes) {
                Ok(None) => {}
                Ok(Some(read)) => *step = read,
                Err(error) => {
                    *step = Step::Failed(error);
                    return;
                }
            }
        }
    }

    /// Gives the steps to `take` with the bytes of those that were read. The batch is empty then.
    pub(super) fn drain(
        &mut self,
        mut take: impl FnMut(Step, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rest = self.bytes.as_slice();
        for step in self.steps.drain(..) {
            let size = match &step {
                Step::Read { headers, size, .. } => length(*headers, *size),
                _ => 0,
            };
            let (bytes, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
            rest = after;
            take(step, bytes)?;
        }
        self.bytes.clear();
        self.directories = 0;
        Ok(())
    }
}

/// The directory that a step keeps open.
fn directory(step: &Step) -> Option<&Arc<OwnedFd>> {
    match step {
        Step::File(Entry { directory, .. }) | Step::End { directory, .. } => Some(directory),
        Step::Read { .. } | Step::Other { .. } | Step::Failed(_) => None,
    }
}

/// Appends the member of a file to `bytes`. `None`: it is to be read alone, as it is large or has several names, as there is
/// no room, or as it gets a permission for that: no other thread may see a file that has several names with it.
fn read(
    entry: &mut Entry,
    described: &Described,
    writer: &Writer,
    bytes: &mut Vec<u8>,
) -> Result<Option<Step>, Error> {
    let opened = content::open_as_is(&entry.directory, entry.leaf());
    if matches!(opened, Err(Errno::ACCESS)) {
        return Ok(None);
    }
    let (opened, file) = entry.regular(described, opened)?;
    let size = file.facts.size;
    if file.facts.has_links || size > SMALL {
        return Ok(None);
    }
    let headers = writer.headers(&described.member(&entry.name, &file)?)?;
    let end = bytes.len().saturating_add(length(headers.len(), size));
    // A byte more tells a file that grows.
    if end >= bytes.capacity() {
        return Ok(None);
    }
    bytes.extend_from_slice(&headers);
    content::read_whole(described.root(), &entry.name, &opened, &file.facts, bytes)?;
    bytes.resize(end, 0);
    Ok(Some(Step::Read {
        name: std::mem::take(&mut entry.name),
        headers: headers.len(),
        size,
    }))
}

/// The bytes of a member.
fn length(headers: usize, size: u64) -> usize {
    let content = usize::try_from(size.saturating_add(padding(size))).unwrap_or(usize::MAX);
    headers.saturating_add(content)
}
