//! The file of a new archive: written beside its path under another name, and renamed when it is whole.

use std::{
    fs::{self, File},
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use wharf_content::{Error, ErrorKind};
use wharf_fs::Directory;

use crate::{
    error::{At as _, error, storage_with},
    sibling::sibling,
};

/// The kind of file at a path that is written.
pub(super) enum Opened {
    /// Nothing, or a file that may be replaced.
    File(NewFile),
    /// A pipe or device, which takes bytes in order.
    Stream(File),
}

/// A file without its final name. It is removed when it is dropped, unless it is committed.
#[derive(Debug)]
pub(super) struct NewFile {
    pub(super) file: Arc<File>,
    path: PathBuf,
    temporary: PathBuf,
    replace: bool,
    /// Whether it has its final name.
    is_named: AtomicBool,
    /// Whether the system has failed to bring its bytes to the disk. A second attempt would succeed without them.
    is_lost: AtomicBool,
}

impl NewFile {
    /// Creates a file for a path, or opens the pipe or device that is there.
    pub(super) fn create(path: &Path, replace: bool) -> Result<Opened, Error> {
        let path = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path).at("resolve", path)?,
            _ => path.to_owned(),
        };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                if metadata.len() > 0 && !replace {
                    clear(&path);
                    return Err(exists(&path));
                }
            }
            Ok(metadata) if metadata.is_dir() => {
                return Err(error(
                    ErrorKind::Conflict,
                    format_args!("cannot write an archive to {}: it is a directory", path.display()),
                ));
            }
            Ok(_) => return stream(&path).map(Opened::Stream),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at("open", &path),
        }
        let name = path.file_name().ok_or_else(|| {
            error(
                ErrorKind::Invalid,
                format_args!("{} is no name of a file", path.display()),
            )
        })?;
        let temporary = path.with_file_name(sibling(name, "new"));
        let file = create_locked(&temporary, &path)?;
        let new = Self {
            file: Arc::new(file),
            path,
            temporary,
            replace,
            is_named: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
        };
        Ok(Opened::File(new))
    }

    /// Cuts the file off at its size, syncs it and gives it its name.
    pub(super) fn commit(&self, size: u64) -> Result<(), Error> {
        let path = &self.path;
        self.file.set_len(size).at("write", path)?;
        if let Ok(old) = fs::metadata(path) {
            let kept = self.file.set_permissions(old.permissions());
            kept.at("set the mode of", &self.temporary)?;
        }
        let synced = self.file.sync_all().at("sync", path);
        self.is_lost.store(synced.is_err(), Ordering::Relaxed);
        synced?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let parent = Directory::open(parent).at("open", parent)?;
        let temporary = self.temporary.file_name().unwrap_or_default();
        let name = path.file_name().unwrap_or_default();
        let is_empty = || fs::metadata(path).is_ok_and(|old| old.is_file() && old.len() == 0);
        if self.replace || is_empty() {
            parent.rename(temporary, &parent, name).at("replace", path)?;
        } else if !parent.rename_new(temporary, &parent, name).at("create", path)? {
            return Err(exists(path));
        }
        self.is_named.store(true, Ordering::Relaxed);
        parent.sync().map_err(|failure| {
            let (path, parent) = (path.display(), parent.path().display());
            let message =
                format!("{path} is whole, but it may not outlive a power failure: cannot sync {parent}");
            storage_with(message, failure)
        })
    }

    /// Whether the file has its final name.
    pub(super) fn is_named(&self) -> bool {
        self.is_named.load(Ordering::Relaxed)
    }

    /// Whether the bytes that were written may be lost, so that they cannot be added to.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Removes the file, unless it has its final name.
    pub(super) fn discard(&self) {
        if !self.is_named() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Removes the second name of an archive whose writer was killed between giving it its name and taking the other away,
/// as it does on file systems that cannot do both at once.
fn clear(path: &Path) {
    let Some(name) = path.file_name() else { return };
    let temporary = path.with_file_name(sibling(name, "new"));
    if wharf_fs::open_regular_itself(&temporary).is_ok_and(|left| !is_locked(&left)) {
        let _ = fs::remove_file(temporary);
    }
}

/// Creates a file that this process has locked. One that a killed process has left is removed.
fn create_locked(temporary: &Path, path: &Path) -> Result<File, Error> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    let file = match options.open(temporary) {
        Err(failure) if failure.kind() == io::ErrorKind::AlreadyExists => {
            if wharf_fs::open_regular_itself(temporary).is_ok_and(|left| is_locked(&left)) {
                return Err(busy(path));
            }
            fs::remove_file(temporary).at("remove", temporary)?;
            options.open(temporary)
        }
        other => other,
    };
    let file = file.at("create", temporary)?;
    if is_locked(&file) {
        return Err(busy(path));
    }
    Ok(file)
}

/// Locks a file; `true` if another process has it locked. File systems without locks keep nobody apart.
fn is_locked(file: &File) -> bool {
    matches!(wharf_fs::try_lock(file), Ok(false))
}

fn stream(path: &Path) -> Result<File, Error> {
    let file = File::options().write(true).open(path).at("open", path)?;
    if file.is_terminal() {
        return Err(error(
            ErrorKind::Invalid,
            format_args!(
                "{} is a terminal, and an archive is not text; write it to a file or a pipe",
                path.display()
            ),
        ));
    }
    Ok(file)
}

fn exists(path: &Path) -> Error {
    error(
        ErrorKind::Conflict,
        format_args!(
            "{} exists, and an archive is not added to; remove it, or ask for it to be replaced",
            path.display()
        ),
    )
}

fn busy(path: &Path) -> Error {
    error(
        ErrorKind::Conflict,
        format_args!("another process writes an archive to {}", path.display()),
    )
}
