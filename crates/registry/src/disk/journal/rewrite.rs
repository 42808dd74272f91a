//! Writing a new journal that has only the current changes.

use std::{
    ffi::OsStr,
    fs,
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use wharf_content::Error;

use super::{
    Sync, Tail,
    format::{FileId, pair},
    live::{Applied, Live, Prints},
    scan::{Scan, Scanned},
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
    live: Live,
    prints: Prints,
    /// Changes of the next group.
    group: Vec<u8>,
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
    pub(super) fn begin(path: &Path, live: Live, prints: &Prints) -> Result<Self, Error> {
        let id = FileId::new()?;
        let new = Scratch(path.with_extension(format!("{}{SUFFIX}", id.short())));
        let file = files::options().create_new(true).open(&new.0);
        let header = id.header()?;
        let mut file = BufWriter::new(file.at("create", &new.0)?);
        file.write_all(&header).at("write", &new.0)?;
        Ok(Self {
            new,
            file,
            id,
            length: header.len() as u64,
            live,
            prints: prints.clone(),
            group: Vec::new(),
        })
    }

    /// Adds a change.
    pub(super) fn add(&mut self, key: &str, value: Option<&str>) -> Result<(), Error> {
        let pair = pair(key, value)?;
        self.push(key, value.is_none(), &pair)
    }

    /// Copies the wanted changes of the old journal, from the position of `scan` to an offset.
    pub(super) fn copy(
        &mut self,
        scan: &mut Scan,
        end: u64,
        wanted: impl Fn(&Scanned<'_>) -> bool,
    ) -> Result<(), Error> {
        scan.each(end, |change| {
            if wanted(&change) {
                self.push(&change.key, change.value.is_none(), change.pair.as_bytes())?;
            }
            Ok(true)
        })
    }

    fn push(&mut self, key: &str, removes: bool, pair: &[u8]) -> Result<(), Error> {
        if !self.group.is_empty() {
            self.group.push(b',');
        }
        self.group.extend_from_slice(pair);
        self.live.apply(&Applied {
            print: self.prints.of(key),
            bytes: pair.len() + 1,
            removes,
        });
        if self.group.len() >= GROUP {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), Error> {
        if self.group.is_empty() {
            return Ok(());
        }
        let group = self.id.group(self.length, &self.group)?;
        self.file.write_all(&group).at("write", &self.new.0)?;
        self.length += group.len() as u64;
        self.group.clear();
        Ok(())
    }

    /// Syncs what has been written, so that little is left to do at the end.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        self.write_group()?;
        self.file.flush().at("write", &self.new.0)?;
        self.file.get_ref().sync_data().at("sync", &self.new.0)
    }

    /// Replaces the old journal. The caller syncs the directory.
    pub(super) fn replace(mut self, path: &Path, sync: &Sync) -> Result<(Tail, Live), Error> {
        self.write_group()?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error);
        let file = file.at("write", &self.new.0)?;
        sync(&file).at("sync", &self.new.0)?;
        fs::rename(&self.new.0, path).at("rename", &self.new.0)?;
        let tail = Tail {
            file,
            id: self.id,
            length: self.length,
            retry: 0,
        };
        Ok((tail, self.live))
    }
}
