use std::{
    fs::File,
    path::{Path, PathBuf},
};

use wharf_content::Error;

use super::{
    Each,
    changes::Unpacking,
    corrupt,
    format::{FileId, Form, Next, Reader},
    legacy,
};
use crate::disk::files::At as _;

/// Reads the changes of a journal in order.
pub(super) struct Scan {
    path: PathBuf,
    reader: Reader,
    /// The offset of the first group.
    first: u64,
    /// The last key of the sorted part.
    last: Option<Vec<u8>>,
}

impl Scan {
    /// Begins to read a file with a header.
    pub(super) fn new(path: &Path, file: File, length: u64) -> Result<Self, Error> {
        let reader = Reader::new(file, length).at("read", path)?;
        let reader = reader.ok_or_else(|| corrupt(path, 0))?;
        Ok(Self {
            path: path.to_owned(),
            first: reader.offset,
            reader,
            last: None,
        })
    }

    pub(super) const fn id(&self) -> &FileId {
        &self.reader.id
    }

    /// The offset of the next group.
    pub(super) const fn offset(&self) -> u64 {
        self.reader.offset
    }

    /// The offset at which the sorted part ends; of an old form, that of the first group.
    pub(super) const fn sorted(&self) -> u64 {
        match self.reader.form {
            Form::Packed(sorted) => sorted,
            Form::Json => self.first,
        }
    }

    /// Goes back to the first group.
    pub(super) fn rewind(&mut self) -> Result<(), Error> {
        self.last = None;
        self.seek(self.first)
    }

    /// Goes on at the beginning of another group, not of one in the middle of the sorted part.
    pub(super) fn seek(&mut self, offset: u64) -> Result<(), Error> {
        self.reader.seek(offset).at("read", &self.path)
    }

    /// Passes the changes before `end` to `each`, from where the scan is.
    pub(super) fn each(&mut self, end: u64, each: &mut Each<'_>) -> Result<(), Error> {
        self.reader.end = end;
        if self.run(each)? {
            return Err(corrupt(&self.path, self.reader.offset));
        }
        Ok(())
    }

    /// Passes all changes to `each`, up to the end of the file or to its last group, if that is a corrupt one that was
    /// appended.
    pub(super) fn all(&mut self, each: &mut Each<'_>) -> Result<(), Error> {
        let torn = self.run(each)?;
        if torn && (self.reader.is_sorted() || self.reader.has_later().at("read", &self.path)?) {
            return Err(corrupt(&self.path, self.reader.offset));
        }
        Ok(())
    }

    /// Reads groups. Whether it has found a corrupt one.
    fn run(&mut self, each: &mut Each<'_>) -> Result<bool, Error> {
        loop {
            let (start, sorted) = (self.reader.offset, self.reader.is_sorted());
            let changes = match self.reader.next().at("read", &self.path)? {
                Next::Group(changes) => changes,
                Next::End => return Ok(false),
                Next::Corrupt => return Ok(true),
            };
            let whole = match self.reader.form {
                Form::Json => legacy::group(&changes, each)?,
                Form::Packed(_) if sorted => self.sorted_group(&changes, each)?,
                Form::Packed(_) => group(&changes, each)?,
            };
            if !whole {
                return Err(corrupt(&self.path, start));
            }
        }
    }

    /// Passes the changes of a group to `each`. False if they are not records in the order of their keys.
    fn sorted_group(&mut self, changes: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
        let mut unpacking = Unpacking::new(changes);
        while !unpacking.is_empty() {
            let Some((key, Some(value))) = unpacking.next() else {
                return Ok(false);
            };
            if self.last.as_deref().is_some_and(|last| last >= key) {
                return Ok(false);
            }
            each(key, Some(value))?;
            let last = self.last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
        }
        Ok(true)
    }
}

/// Passes the changes of a group to `each`. False if they are no changes.
fn group(changes: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
    let mut unpacking = Unpacking::new(changes);
    while !unpacking.is_empty() {
        let Some((key, value)) = unpacking.next() else {
            return Ok(false);
        };
        each(key, value)?;
    }
    Ok(true)
}
