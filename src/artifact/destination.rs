//! The directory that an artifact is pulled to.

use std::{
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io, mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::mpsc;
use wharf_content::{Blob, Descriptor, Error, ErrorKind};
use wharf_fs::{Directory, FileKind, WrongKind, write_all_at};

use super::{
    directory::{is_directory, unpack},
    title::Title,
};
use crate::concurrency::blocking;

/// Is held while something is written to a destination.
pub(super) type Writer = mpsc::Sender<()>;

/// The prefix of the names of files that are not whole.
const PREFIX: &str = ".wharf-artifact-";
/// The bytes that are gathered before they are written.
const GATHERED: usize = 1024 * 1024;

/// A directory that files are written to. Its handle is held: no symbolic link is followed below it.
pub(super) struct Destination {
    path: PathBuf,
    directory: Directory,
    replace: bool,
    unpack: bool,
}

impl Destination {
    /// Opens the directory, or creates it with those above it. Blocks.
    pub(super) fn open(path: PathBuf, replace: bool, unpack: bool) -> Result<Self, Error> {
        let opened = Directory::create_all(&path, 0o777).and_then(|()| Directory::open(&path));
        match opened {
            Ok(directory) => Ok(Self {
                path,
                directory,
                replace,
                unpack,
            }),
            Err(error) => Err(failed(&path, "open the directory", error)),
        }
    }

    /// The path of a file.
    pub(super) fn path_of(&self, title: &Title) -> PathBuf {
        self.path.join(title.to_string())
    }

    /// Checks that a file can be written, and returns whether one is replaced. Nothing is created. Blocks.
    pub(super) fn check(&self, title: &Title) -> Result<bool, Error> {
        let found = self
            .existing(title)
            .map_err(|error| self.failed(title, "write", error))?;
        match found {
            None => Ok(false),
            Some(FileKind::File | FileKind::Symlink) if self.replace => Ok(true),
            Some(FileKind::Directory) => Err(self.conflict(title, "a directory is there")),
            Some(_) => Err(self.conflict(title, "it exists")),
        }
    }

    /// The kind of the file that has the name.
    fn existing(&self, title: &Title) -> io::Result<Option<FileKind>> {
        let Some((directories, name)) = title.split() else {
            return Ok(None);
        };
        let mut below: Option<Directory> = None;
        for directory in directories {
            let opened = below.as_ref().unwrap_or(&self.directory).directory(directory);
            match opened {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => below = Some(other?),
            }
        }
        let stat = below.as_ref().unwrap_or(&self.directory).stat(name)?;
        Ok(stat.map(|(kind, _)| kind))
    }

    /// Creates a file under a temporary name, and the directories of the title. Blocks.
    fn create(self: Arc<Self>, title: &Title, replace: bool, writer: Writer) -> Result<Incomplete, Error> {
        let failed = |error| self.failed(title, "create", error);
        let (directories, name) = title
            .split()
            .ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let mut below: Option<Directory> = None;
        for directory in directories {
            let above = below.as_ref().unwrap_or(&self.directory);
            below = Some(above.make_directory(directory, 0o777).map_err(failed)?);
        }
        let (temporary, file) =
            create_temporary(below.as_ref().unwrap_or(&self.directory)).map_err(failed)?;
        let name = name.to_owned();
        Ok(Incomplete {
            title: title.clone(),
            destination: self,
            below,
            name,
            temporary: Some(temporary),
            file,
            replace,
            _writer: writer,
        })
    }

    /// Writes a file, which has its name when it is whole and verified. `writer` is dropped when nothing more is written or
    /// removed, also if the future was dropped before.
    pub(super) async fn write(
        self: Arc<Self>,
        title: Title,
        replace: bool,
        mut blob: Blob,
        writer: Writer,
    ) -> Result<PathBuf, Error> {
        let path = self.path_of(&title);
        let content = blob.descriptor().clone();
        let packed = self.unpack && is_directory(&content);
        let mut incomplete = blocking(move || self.create(&title, replace, writer)).await??;
        let (mut gathered, mut size, mut offset) = (Vec::new(), 0, 0);
        while let Some(chunk) = blob.next().await {
            let chunk = chunk?;
            size += chunk.len();
            gathered.push(chunk);
            if size >= GATHERED {
                let pieces = mem::take(&mut gathered);
                incomplete = blocking(move || incomplete.write(&pieces, offset)).await??;
                offset += size as u64;
                size = 0;
            }
        }
        let finish = move || {
            let written = incomplete.write(&gathered, offset)?;
            if packed {
                written.unpack(&content)
            } else {
                written.finish()
            }
        };
        blocking(finish).await??;
        Ok(path)
    }

    fn failed(&self, title: &Title, what: &str, error: io::Error) -> Error {
        failed(&self.path_of(title), what, error)
    }

    fn conflict(&self, title: &Title, why: &str) -> Error {
        let path = self.path_of(title);
        let message = format!("cannot write {}: {why}", path.display());
        Error::new(ErrorKind::Conflict, message)
    }
}

/// A file that is not whole. It is removed when it is dropped.
struct Incomplete {
    title: Title,
    destination: Arc<Destination>,
    /// The directory of the file, if it is not the destination itself.
    below: Option<Directory>,
    name: String,
    /// `None` once the file has its name.
    temporary: Option<String>,
    file: File,
    replace: bool,
    _writer: Writer,
}

impl Incomplete {
    fn directory(&self) -> &Directory {
        self.below.as_ref().unwrap_or(&self.destination.directory)
    }

    fn write(self, pieces: &[Bytes], mut offset: u64) -> Result<Self, Error> {
        for piece in pieces {
            write_all_at(&self.file, piece, offset)
                .map_err(|error| self.destination.failed(&self.title, "write", error))?;
            offset = offset.saturating_add(piece.len() as u64);
        }
        Ok(self)
    }

    /// Unpacks the file to a directory of its name.
    fn unpack(self, content: &Descriptor) -> Result<(), Error> {
        let failed = |error| self.destination.failed(&self.title, "unpack", error);
        let Some((directories, name)) = self.title.split() else {
            return Ok(());
        };
        let scratch = Scratch::create(&self.destination).map_err(failed)?;
        unpack(&self.file, content, &scratch.path, directories, name)?;
        let mut from = self
            .destination
            .directory
            .directory(&scratch.name)
            .map_err(failed)?;
        for directory in directories {
            from = from.directory(directory).map_err(failed)?;
        }
        match from.rename_new(name, self.directory(), name) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.destination.conflict(&self.title, "it exists")),
            Err(error) => Err(failed(error)),
        }
    }

    /// Gives the file its name.
    fn finish(mut self) -> Result<(), Error> {
        let Some(temporary) = &self.temporary else {
            return Ok(());
        };
        let directory = self.directory();
        let renamed = if self.replace {
            directory.rename(temporary, directory, &self.name).map(|()| true)
        } else {
            directory.rename_new(temporary, directory, &self.name)
        };
        match renamed {
            Ok(true) => {
                self.temporary = None;
                Ok(())
            }
            Ok(false) => Err(self.destination.conflict(&self.title, "it exists")),
            Err(error) => Err(self.destination.failed(&self.title, "write", error)),
        }
    }
}

impl Drop for Incomplete {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = self.directory().remove(temporary);
        }
    }
}

/// A directory below the destination, which is removed with all that is in it when it is dropped.
struct Scratch {
    name: String,
    path: PathBuf,
}

impl Scratch {
    fn create(destination: &Destination) -> io::Result<Self> {
        let random = RandomState::new().hash_one(std::process::id());
        let name = format!("{PREFIX}{random:016x}.d");
        destination.directory.make_directory(&name, 0o700)?;
        let path = destination.path.join(&name);
        Ok(Self { name, path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Creates a file of a new name.
fn create_temporary(directory: &Directory) -> io::Result<(String, File)> {
    /// Names that are tried.
    const ATTEMPTS: u32 = 16;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let random = RandomState::new().hash_one((std::process::id(), attempt));
        let name = format!("{PREFIX}{random:016x}");
        match directory.create_new(&name, 0o666) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS => {}
            created => return Ok((name, created?)),
        }
    }
}

/// The error for a file or directory that cannot be made.
fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    let kind = match (WrongKind::of(&error), error.kind()) {
        // Another program's link on the path of a title.
        (Some(wrong), _) if wrong.kind() == FileKind::Symlink => ErrorKind::Invalid,
        (Some(_), _) | (None, io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists) => {
            ErrorKind::Conflict
        }
        (None, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => ErrorKind::NoSpace,
        (None, io::ErrorKind::NotFound) => ErrorKind::NotFound,
        (None, io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename) => ErrorKind::Invalid,
        (None, _) => ErrorKind::Storage,
    };
    Error::new(kind, format!("cannot {what} {}", path.display())).with_source(error)
}
