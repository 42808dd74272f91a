use std::{
    fs::File,
    path::{Path, PathBuf},
};

use wharf_content::Error;

use super::{
    damaged,
    format::{FileId, Next, Reader, pairs, unpair},
};
use crate::disk::files::At as _;

/// Goes through the changes of a journal, once, in order.
pub(super) struct Scan {
    path: PathBuf,
    reader: Reader,
    /// Changes that have been seen.
    changes: u64,
}

/// A change in the file.
pub(super) struct Scanned<'a> {
    /// How many come before it.
    pub(super) number: u64,
    pub(super) key: String,
    pub(super) value: Option<String>,
    /// Both, as the file has them.
    pub(super) pair: &'a str,
}

impl Scan {
    /// Goes through a file that has a header.
    pub(super) fn new(path: &Path, file: File, length: u64) -> Result<Self, Error> {
        let reader = Reader::new(file, length).at("read", path)?;
        Ok(Self {
            path: path.to_owned(),
            reader: reader.ok_or_else(|| damaged(path, 0))?,
            changes: 0,
        })
    }

    pub(super) const fn id(&self) -> &FileId {
        &self.reader.id
    }

    /// Where it is.
    pub(super) const fn offset(&self) -> u64 {
        self.reader.offset
    }

    /// Hands on what is before `end`, unless it has been seen, until `each` wants no more.
    pub(super) fn each(
        &mut self,
        end: u64,
        each: impl FnMut(Scanned<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.reader.end = end;
        if self.run(each)? {
            return Err(damaged(&self.path, self.reader.offset));
        }
        Ok(())
    }

    /// Hands on everything up to the end of the file, or up to the damage of its last group.
    pub(super) fn all(&mut self, mut each: impl FnMut(Scanned<'_>)) -> Result<(), Error> {
        let each = |change: Scanned<'_>| {
            each(change);
            Ok(true)
        };
        if self.run(each)? && self.reader.has_later().at("read", &self.path)? {
            return Err(damaged(&self.path, self.reader.offset));
        }
        Ok(())
    }

    /// Whether it has come upon damage.
    fn run(&mut self, mut each: impl FnMut(Scanned<'_>) -> Result<bool, Error>) -> Result<bool, Error> {
        loop {
            let start = self.reader.offset;
            let json = match self.reader.next().at("read", &self.path)? {
                Next::Group(json) => json,
                Next::End => return Ok(false),
                Next::Damage => return Ok(true),
            };
            for pair in pairs(&json).ok_or_else(|| damaged(&self.path, start))? {
                let (key, value) = unpair(pair).ok_or_else(|| damaged(&self.path, start))?;
                let change = Scanned {
                    number: self.changes,
                    key,
                    value,
                    pair: pair.get(),
                };
                self.changes += 1;
                if !each(change)? {
                    return Ok(false);
                }
            }
        }
    }
}
