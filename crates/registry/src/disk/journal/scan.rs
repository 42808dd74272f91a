use std::{
    fs::File,
    path::{Path, PathBuf},
};

use wharf_content::Error;

use super::{
    corrupt,
    format::{FileId, Next, Reader, pairs, unpair},
};
use crate::disk::files::At as _;

/// Reads the changes of a journal, once, in order.
pub(super) struct Scan {
    path: PathBuf,
    reader: Reader,
    /// The number of changes that have been read.
    changes: u64,
}

/// A change in the file.
pub(super) struct Scanned<'a> {
    /// The number of changes before it.
    pub(super) number: u64,
    pub(super) key: String,
    pub(super) value: Option<String>,
    /// Key and value in the format of the file.
    pub(super) pair: &'a str,
}

impl Scan {
    /// Begins to read a file with a header.
    pub(super) fn new(path: &Path, file: File, length: u64) -> Result<Self, Error> {
        let reader = Reader::new(file, length).at("read", path)?;
        Ok(Self {
            path: path.to_owned(),
            reader: reader.ok_or_else(|| corrupt(path, 0))?,
            changes: 0,
        })
    }

    pub(super) const fn id(&self) -> &FileId {
        &self.reader.id
    }

    /// The offset of the next group.
    pub(super) const fn offset(&self) -> u64 {
        self.reader.offset
    }

    /// Passes the changes before `end` to `each`, from where the scan is, until `each` returns `false`.
    pub(super) fn each(
        &mut self,
        end: u64,
        each: impl FnMut(Scanned<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        self.reader.end = end;
        if self.run(each)? {
            return Err(corrupt(&self.path, self.reader.offset));
        }
        Ok(())
    }

    /// Passes all changes to `each`, up to the end of the file or to its last group, if that is corrupt.
    pub(super) fn all(&mut self, mut each: impl FnMut(Scanned<'_>)) -> Result<(), Error> {
        let each = |change: Scanned<'_>| {
            each(change);
            Ok(true)
        };
        if self.run(each)? && self.reader.has_later().at("read", &self.path)? {
            return Err(corrupt(&self.path, self.reader.offset));
        }
        Ok(())
    }

    /// Reads groups. Whether it has found a corrupt one.
    fn run(&mut self, mut each: impl FnMut(Scanned<'_>) -> Result<bool, Error>) -> Result<bool, Error> {
        loop {
            let start = self.reader.offset;
            let json = match self.reader.next().at("read", &self.path)? {
                Next::Group(json) => json,
                Next::End => return Ok(false),
                Next::Corrupt => return Ok(true),
            };
            for pair in pairs(&json).ok_or_else(|| corrupt(&self.path, start))? {
                let (key, value) = unpair(pair).ok_or_else(|| corrupt(&self.path, start))?;
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
