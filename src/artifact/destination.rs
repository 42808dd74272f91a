//! The directory that an artifact is pulled to.

use std::{
    collections::BTreeSet,
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io, mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::sync::mpsc;
use wharf_content::{Blob, Descriptor, Error, ErrorKind, Event, Progress};
use wharf_fs::{Directory, FileKind, WrongKind, write_all_at};

use super::{
    ArtifactPullOptions,
    directory::{is_directory, unpack},
    title::Title,
};
use crate::concurrency::{LockExt as _, blocking};

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
    sync: bool,
    /// The paths below this directory of those in which files got their names.
    changed: Mutex<BTreeSet<Vec<String>>>,
}

impl Destination {
    /// Opens the directory, or creates it with those above it. Blocks.
    pub(super) fn open(path: PathBuf, options: &ArtifactPullOptions) -> Result<Self, Error> {
        let opened = Directory::create_all(&path, 0o777).and_then(|()| Directory::open(&path));
        match opened {
            Ok(directory) => Ok(Self {
                path,
                directory,
                replace: options.replace,
                unpack: options.unpack,
                sync: options.sync,
                changed: Mutex::default(),
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
        progress: &dyn Progress,
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
            progress.event(Event::Advanced {
                descriptor: &content,
                bytes: chunk.len() as u64,
            });
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

    /// Syncs the directories in which files got their names, and those above them down from this one. Blocks.
    pub(super) fn sync(&self) -> Result<(), Error> {
        if !self.sync {
            return Ok(());
        }
        let changed = mem::take(&mut *self.changed.locked());
        let above = changed
            .iter()
            .flat_map(|path| (1..=path.len()).filter_map(|count| path.get(..count)));
        let all: BTreeSet<&[String]> = above.collect();
        for path in all.into_iter().rev().chain([&[][..]]) {
            let mut below: Option<Directory> = None;
            let opened = path.iter().try_for_each(|name| {
                below = Some(below.as_ref().unwrap_or(&self.directory).directory(name)?);
                Ok(())
            });
            let synced = opened.and_then(|()| below.as_ref().unwrap_or(&self.directory).sync());
            synced.map_err(|error| {
                let path = path.iter().fold(self.path.clone(), |all, name| all.join(name));
                failed(&path, "sync the directory", error)
            })?;
        }
        Ok(())
    }

    /// Notes that a file or directory of the title got its name.
    fn changes(&self, title: &Title) {
        if let Some((directories, _)) = title.split() {
            self.changed.locked().insert(directories.to_vec());
        }
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
            Ok(true) => {
                self.destination.changes(&self.title);
                Ok(())
            }
            Ok(false) => Err(self.destination.conflict(&self.title, "it exists")),
            Err(error) => Err(failed(error)),
        }
    }

    /// Gives the file its name.
    fn finish(mut self) -> Result<(), Error> {
        let Some(temporary) = &self.temporary else {
            return Ok(());
        };
        if self.destination.sync {
            let synced = self.file.sync_all();
            synced.map_err(|error| self.destination.failed(&self.title, "sync", error))?;
        }
        let directory = self.directory();
        let renamed = if self.replace {
            directory.rename(temporary, directory, &self.name).map(|()| true)
        } else {
            directory.rename_new(temporary, directory, &self.name)
        };
        match renamed {
            Ok(true) => {
                self.temporary = None;
                self.destination.changes(&self.title);
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
