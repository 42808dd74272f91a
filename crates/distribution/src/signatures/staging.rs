//! Staging files of a lookaside store in a directory: they have the bytes of a signature and not yet its number.
//!
//! A staging file is locked by its writer. One that is not locked was left by a writer that was stopped, and the next
//! writer removes it.

use std::{
    ffi::OsStr,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use wharf_content::ErrorKind;

use super::file;

/// The most staging files that one directory has at the same time.
const MAX_STAGED: usize = 1_000;
/// The most staging files of stopped writers that are removed before one write.
const MAX_REMOVED: usize = 100;
/// The most names of a directory that are looked at for staging files of stopped writers.
const MAX_EXAMINED: usize = 10_000;

/// A signature that was not written, with the path that failed.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) path: PathBuf,
    pub(super) kind: ErrorKind,
    pub(super) reason: String,
    pub(super) source: Option<io::Error>,
}

pub(super) fn failed(path: &Path, reason: &str, error: io::Error) -> Unwritten {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        io::ErrorKind::InvalidInput => ErrorKind::Invalid,
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Storage,
    };
    Unwritten {
        path: path.to_owned(),
        kind,
        reason: reason.to_owned(),
        source: Some(error),
    }
}

/// A file that this process has locked. It is removed when it is dropped, unless it was moved.
pub(super) struct Staged {
    path: PathBuf,
    file: File,
    is_moved: bool,
}

impl Staged {
    /// Writes a file, in a directory that is made if it is missing, and syncs it.
    pub(super) fn write(directory: &Path, blob: &[u8]) -> Result<Self, Unwritten> {
        create_directory(directory)
            .map_err(|error| failed(directory, "the directory cannot be made", error))?;
        let mut staged = Self::create(directory)?;
        let written = staged.file.write_all(blob).and_then(|()| staged.file.sync_all());
        match written {
            Ok(()) => Ok(staged),
            Err(error) => Err(failed(&staged.path, "the file cannot be written", error)),
        }
    }

    /// Creates a file under the first name that no other writer has.
    fn create(directory: &Path) -> Result<Self, Unwritten> {
        for number in 1..=MAX_STAGED {
            let path = directory.join(format!(".signature-{number}.new"));
            let uncreated = |error| failed(&path, "the file cannot be written", error);
            let created = match create_new(&path) {
                // More files were left than are removed before one write, and this is one of them.
                Err(error) if is_taken(&error) && remove_leftover(&path) => create_new(&path),
                created => created,
            };
            let file = match created {
                Err(error) if is_taken(&error) => continue,
                created => created.map_err(uncreated)?,
            };
            // Before it was locked, another writer may have taken it for that of a stopped one.
            if !is_locked(&file) && file::is_at(&file, &path).map_err(uncreated)? {
                return Ok(Self {
                    path,
                    file,
                    is_moved: false,
                });
            }
        }
        Err(Unwritten {
            path: directory.to_owned(),
            kind: ErrorKind::Conflict,
            reason: format!(
                "{MAX_STAGED} other programs write to it, or have left files; if none writes, remove those named .signature-*.new"
            ),
            source: None,
        })
    }

    /// Moves the file to a path where nothing is; false if there is something.
    pub(super) fn move_to(&mut self, path: &Path) -> Result<bool, Unwritten> {
        self.is_moved = file::rename_new(&self.path, path).map_err(|error| match error.kind() {
            io::ErrorKind::Unsupported => failed(
                path,
                "its file system can neither rename a file without replacing another nor make a hard link, so that \
                 signatures of programs that write at the same time could be lost; keep the store on another file system",
                error,
            ),
            _ => failed(path, "the file cannot be made", error),
        })?;
        Ok(self.is_moved)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_moved {
            let _ = fs::remove_file(&self.path); // one that stays is removed by the next writer
        }
    }
}

/// Removes the files of stopped writers, where that is possible: they are in nobody's way.
pub(super) fn remove_leftovers(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let staged = entries
        .take(MAX_EXAMINED)
        .flatten()
        .filter(|entry| is_staged(&entry.file_name()));
    let removed = staged.filter(|entry| remove_leftover(&entry.path()));
    let _ = removed.take(MAX_REMOVED).count();
}

fn is_staged(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".signature-") && name.ends_with(b".new")
}

/// Removes a file unless it is locked, or cannot be; true if it was removed.
fn remove_leftover(path: &Path) -> bool {
    let Ok(left) = file::open_to_lock(path) else {
        return false;
    };
    left.metadata().is_ok_and(|metadata| metadata.is_file())
        && left.try_lock().is_ok()
        // The former holder of the lock may have moved it, and another may be there now.
        && file::is_at(&left, path).is_ok_and(|is_at| is_at)
        && fs::remove_file(path).is_ok()
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
}

/// Locks a file; true if another process has it locked. File systems without locks keep nobody apart, and nobody removes
/// files there that others have left.
fn is_locked(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    options.open(path)
}

/// Makes a directory and those above it that are missing, and syncs the directories that have a new entry.
fn create_directory(directory: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut above = Some(directory);
    while let Some(path) = above.filter(|path| !path.is_dir()) {
        missing.push(path);
        above = path.parent();
    }
    for path in missing.into_iter().rev() {
        #[cfg_attr(not(unix), expect(unused_mut, reason = "a mode is set on Unix"))]
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
        match builder.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            created => created?,
        }
        if let Some(parent) = path.parent() {
            file::sync(parent)?;
        }
    }
    Ok(())
}
