//! The members of an archive file, from one pass over its headers.

use std::{fs::File, path::Path, sync::Arc};

use bytes::Bytes;
use wharf_content::{Error, ErrorKind};
use wharf_layer::tar::{Event, Limits, Reader};

use super::names::Names;
use crate::{
    error::{At as _, error, in_archive, shown},
    input::Part,
};

/// The most members of an archive.
pub(crate) const MAX_MEMBERS: u64 = 100_000;

/// The bytes of one read of headers: small members are passed over in memory.
const WINDOW: usize = 64 * 1024;

/// The most bytes after the end of an archive that are searched for a second archive.
pub(crate) const MAX_TRAILING: u64 = 1 << 20;

/// The limits of members and names in archives.
pub(crate) fn limits() -> Limits {
    Limits::default().with_members(MAX_MEMBERS)
}

/// An archive file with the index of its members.
#[derive(Debug)]
pub(crate) struct Members {
    file: Arc<File>,
    path: Arc<Path>,
    names: Names<(u64, u64)>,
}

impl Members {
    /// Reads the headers of a file.
    pub(crate) fn index(file: File, path: &Path) -> Result<Self, Error> {
        let path: Arc<Path> = path.into();
        let size = file.metadata().at("read", &path)?.len();
        let names = headers(&file, size, &path).map_err(|error| in_archive(&path, &error))?;
        Ok(Self {
            file: Arc::new(file),
            path,
            names,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn names(&self) -> &Names<(u64, u64)> {
        &self.names
    }

    /// The bytes of a member.
    pub(crate) fn part(&self, (offset, size): (u64, u64)) -> Part {
        Part {
            file: Arc::clone(&self.file),
            path: Arc::clone(&self.path),
            range: offset..offset.saturating_add(size),
        }
    }

    /// The first bytes of a member.
    pub(crate) fn start(&self, (offset, size): (u64, u64), length: usize) -> Result<Vec<u8>, Error> {
        let mut buffer = vec![0; usize::try_from(size).unwrap_or(length).min(length)];
        let read = wharf_fs::fill_at(&self.file, &mut buffer, offset).at("read", &self.path)?;
        buffer.truncate(read);
        Ok(buffer)
    }

    /// Reads a whole member of at most `limit` bytes.
    pub(crate) fn whole(&self, name: &str, limit: u64) -> Result<Bytes, Error> {
        let at = *self.names.file(name)?;
        self.whole_at(at, name, limit)
    }

    /// As [`Members::whole`], of a member whose place is known.
    pub(crate) fn whole_at(
        &self,
        (offset, size): (u64, u64),
        name: &str,
        limit: u64,
    ) -> Result<Bytes, Error> {
        if size > limit {
            return Err(too_large(name, size, limit));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let read = wharf_fs::fill_at(&self.file, &mut bytes, offset).at("read", &self.path)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }
}

/// The error of a document that is too large to be read.
pub(crate) fn too_large(name: &str, size: u64, limit: u64) -> Error {
    error(
        ErrorKind::TooLarge,
        format_args!(
            "the member {} has {size} bytes, more than the limit of {limit}",
            shown(name.as_bytes())
        ),
    )
}

fn headers(file: &File, size: u64, path: &Path) -> Result<Names<(u64, u64)>, Error> {
    let mut reader = Reader::new(limits());
    let mut names = Names::default();
    let mut window = vec![0; WINDOW];
    loop {
        let position = reader.position();
        let length = wharf_fs::fill_at(file, &mut window, position).at("read", path)?;
        let Some(mut input) = window.get(..length).filter(|input| !input.is_empty()) else {
            break;
        };
        let mut is_ended = false;
        while let Some(event) = reader.next_event(&mut input)? {
            match event {
                Event::Member {
                    member,
                    content_offset,
                    ..
                } => {
                    names.add(&member, |size| (content_offset, size))?;
                    let skipped = usize::try_from(reader.skip_content()).unwrap_or(usize::MAX);
                    input = input.get(skipped..).unwrap_or_default();
                }
                Event::End => {
                    is_ended = true;
                    break;
                }
                _ => {}
            }
        }
        if is_ended {
            refuse_second_archive(file, reader.position(), path)?;
            break;
        }
    }
    reader.finish_at(size)?;
    Ok(names)
}

/// Refuses bytes other than zeros after the end, which some readers take for another archive.
fn refuse_second_archive(file: &File, end: u64, path: &Path) -> Result<(), Error> {
    let mut offset = end;
    let mut buffer = vec![0; WINDOW];
    while offset < end.saturating_add(MAX_TRAILING) {
        let length = wharf_fs::fill_at(file, &mut buffer, offset).at("read", path)?;
        let read = buffer.get(..length).unwrap_or_default();
        if read.iter().any(|byte| *byte != 0) {
            return Err(second_archive(end));
        }
        if length < buffer.len() {
            break;
        }
        offset += length as u64;
    }
    Ok(())
}

/// The error of bytes after the end of an archive.
pub(crate) fn second_archive(end: u64) -> Error {
    error(
        ErrorKind::Ambiguous,
        format_args!(
            "more bytes follow the end of the archive at byte {end}, which some programs read as another archive"
        ),
    )
}
