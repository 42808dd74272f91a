//! Writing a new journal that has only the current records, sorted.

use std::{
    ffi::OsStr,
    fs,
    fs::File,
    io::{self, BufWriter, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use wharf_content::Error;

use super::{
    Sync, Tail,
    changes::Packing,
    format::{FileId, Form},
    merge,
    scan::Scan,
};
use crate::disk::files::{self, At as _};

/// The suffix of the name of a new journal until it replaces the old one.
const SUFFIX: &str = ".new";

/// Bytes of a group in a new journal.
const GROUP: usize = 64 * 1024;

/// A new journal that is written beside the old one.
pub(super) struct Rewriting {
    new: Scratch,
    file: BufWriter<File>,
    id: FileId,
    length: u64,
    /// The offset at which the sorted part ends.
    sorted: u64,
    /// Changes of the next group.
    group: Packing,
}

/// A file that is removed when this is dropped, unless it has been renamed.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // what stays goes when the journal is opened
    }
}

/// Removes the new journals of processes that were killed.
pub(super) fn tidy(path: &Path) -> Result<(), Error> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else {
        return Ok(());
    };
    for entry in fs::read_dir(directory).at("read", directory)? {
        let entry = entry.at("read", directory)?.file_name();
        let left = entry.to_str().and_then(|entry| entry.strip_prefix(name));
        if left.is_some_and(|left| left.starts_with('.') && left.ends_with(SUFFIX)) {
            let path = directory.join(&entry);
            fs::remove_file(&path).at("remove", &path)?;
        }
    }
    Ok(())
}

impl Rewriting {
    /// Begins a file without records.
    pub(super) fn begin(path: &Path) -> Result<Self, Error> {
        let id = FileId::new()?;
        let new = Scratch(path.with_extension(format!("{}{SUFFIX}", id.short())));
        let file = files::options().create_new(true).open(&new.0);
        let mut rewriting = Self {
            file: BufWriter::new(file.at("create", &new.0)?),
            new,
            length: 0,
            sorted: 0,
            group: Packing::default(),
            id,
        };
        rewriting.write_header()?; // which takes its place
        rewriting.length = rewriting.file.stream_position().at("write", &rewriting.new.0)?;
        Ok(rewriting)
    }

    /// Writes the sorted part: the current records of the old journal at an acknowledged length, where the scan is then.
    pub(super) fn sort(&mut self, scan: &mut Scan, length: u64) -> Result<(), Error> {
        merge::current(scan, length, |key, value| self.push(key, Some(value)))?;
        self.end_sorted()
    }

    /// Ends the sorted part, to which [`Self::push`] has added records in the order of their keys.
    pub(super) fn end_sorted(&mut self) -> Result<(), Error> {
        self.write_group()?;
        self.sorted = self.length;
        self.write_header()?;
        self.file.seek(SeekFrom::End(0)).at("write", &self.new.0)?;
        Ok(())
    }

    fn write_header(&mut self) -> Result<(), Error> {
        let header = self.id.header(Form::Packed(self.sorted))?;
        self.file.rewind().at("write", &self.new.0)?;
        self.file.write_all(&header).at("write", &self.new.0)
    }

    /// Copies all changes of the old journal from the position of `scan` to an offset.
    pub(super) fn copy(&mut self, scan: &mut Scan, end: u64) -> Result<(), Error> {
        scan.each(end, &mut |key, value| self.push(key, value))
    }

    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        self.group.push(key, value);
        if self.group.bytes.len() >= GROUP {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), Error> {
        if self.group.bytes.is_empty() {
            return Ok(());
        }
        let group = self.id.group(self.length, &self.group.take())?;
        self.file.write_all(&group).at("write", &self.new.0)?;
        self.length += group.len() as u64;
        Ok(())
    }

    /// Syncs what has been written, so that little is left to do at the end.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        self.write_group()?;
        self.file.flush().at("write", &self.new.0)?;
        self.file.get_ref().sync_data().at("sync", &self.new.0)
    }

    /// Replaces the old journal. The caller syncs the directory.
    pub(super) fn replace(mut self, path: &Path, sync: &Sync) -> Result<Tail, Error> {
        self.write_group()?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error);
        let file = file.at("write", &self.new.0)?;
        sync(&file).at("sync", &self.new.0)?;
        fs::rename(&self.new.0, path).at("rename", &self.new.0)?;
        Ok(Tail {
            file,
            id: self.id,
            sorted: self.sorted,
            length: self.length,
            retry: 0,
        })
    }
}
