//! The path of an image directory that is written, and the exchange of the old image for the new one.
//!
//! | the path | the new directory |
//! |---|---|
//! | absent, or an empty directory | is renamed to it |
//! | an image directory | is exchanged with it, and the old one is removed |
//! | an image directory, on a file system that cannot exchange | takes its path after the old one was renamed |
//!
//! Each row but the last is one step: at no moment is there anything but the old image or the new one. In the
//! last row, the path is absent for a moment; if the process ends then, the old image is in the directory that
//! [`Target::displaced`] names.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use wharf_content::{Error, ErrorKind};
use wharf_fs::Directory;

use super::{files::Files, version};
use crate::{
    error::{At as _, error, storage},
    sibling::sibling,
};

/// The path, resolved.
#[derive(Debug)]
pub(super) struct Target {
    /// The directory in which it is.
    parent: PathBuf,
    name: OsString,
}

/// The state of the path.
enum State {
    Absent,
    Empty(Directory),
    Image(Directory),
}

impl Target {
    /// Resolves symbolic links.
    pub(super) fn resolve(path: &Path) -> Result<Self, Error> {
        let whole = match fs::symlink_metadata(path) {
            Ok(_) => fs::canonicalize(path).at("resolve", path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => absent(path)?,
            Err(error) => return Err(error).at("open", path),
        };
        match (whole.parent(), whole.file_name()) {
            (Some(parent), Some(name)) => Ok(Self {
                parent: parent.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(irreplaceable(path, "is the root directory")),
        }
    }

    /// The path, without symbolic links if the directory exists.
    pub(super) fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// The directory beside the path in which the new image is written.
    pub(super) fn new_path(&self) -> PathBuf {
        self.parent.join(self.new_name())
    }

    fn new_name(&self) -> OsString {
        sibling(&self.name, "new")
    }

    /// The directory beside the path that has the old image if it could not be exchanged in one step.
    fn displaced(&self) -> PathBuf {
        self.parent.join(sibling(&self.name, "old"))
    }

    /// Checks that an image can be written to the path.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if something else is there, [`ErrorKind::Unsupported`] if it cannot be replaced.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.state().map(drop)
    }

    fn state(&self) -> Result<State, Error> {
        let path = self.path();
        let directory = match Directory::open_itself(&path) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Absent),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(occupied(&path, "is not a directory"));
            }
            Err(error) => return Err(error).at("open", &path),
        };
        let parent = self.open_parent()?;
        if directory.is_mount_point(&parent).at("open", &path)? {
            return Err(irreplaceable(&path, "is a mount point"));
        }
        let current = Directory::open(Path::new("."));
        if current.is_ok_and(|current| current.is_same(&directory).unwrap_or(false)) {
            return Err(irreplaceable(&path, "is the current directory"));
        }
        if directory.names().at("list", &path)?.is_empty() {
            return Ok(State::Empty(directory));
        }
        let files = Files(directory);
        let text = match files.whole(version::FILE, version::MAX_VERSION_SIZE) {
            Err(failure) if is_of_system(&failure) => return Err(failure),
            other => other,
        };
        match text.and_then(|text| version::check(&text.unwrap_or_default())) {
            Ok(()) => Ok(State::Image(files.0)),
            Err(why) => Err(occupied(&path, "is not empty and no image directory").with_source(why)),
        }
    }

    /// Opens and empties the directory for the new image, or creates it. It is locked until its handle is
    /// dropped.
    pub(super) fn begin(&self) -> Result<Directory, Error> {
        fs::create_dir_all(&self.parent).at("create", &self.parent)?;
        let path = self.new_path();
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).at("create", &path);
            }
            _ => {}
        }
        let directory = match Directory::open_itself(&path) {
            // Another process has written it meanwhile, and renamed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.busy()),
            opened => opened.at("open", &path)?,
        };
        if directory.is_foreign().at("open", &path)? {
            return Err(occupied(&path, "belongs to another user"));
        }
        self.lock(&directory)?;
        let named = Directory::open_itself(&path);
        if !named.is_ok_and(|named| named.is_same(&directory).unwrap_or(false)) {
            return Err(self.busy());
        }
        if !directory.names().at("list", &path)?.is_empty() {
            // It can be the image that is at the path until the exchange of a killed process is on the disk.
            self.sync()?;
            clear(&path).at("clear", &path)?;
        }
        Ok(directory)
    }

    fn lock(&self, directory: &Directory) -> Result<(), Error> {
        if directory.try_lock().at("lock", directory.path())? {
            return Ok(());
        }
        Err(self.busy())
    }

    fn busy(&self) -> Error {
        let path = self.path();
        error(
            ErrorKind::Conflict,
            format_args!("another process writes an image to {}", path.display()),
        )
    }

    /// Puts the new directory at the path. The old one is then beside it, and in the result, which the caller
    /// keeps until [`Target::clean`]: it has the path of a new one, which another process would use.
    pub(super) fn replace(&self, new: &Directory) -> Result<Option<Directory>, Error> {
        let (path, new_path) = (self.path(), self.new_path());
        let old = match self.state()? {
            State::Absent => None,
            State::Empty(old) => {
                new.copy_mode_from(&old).at("set the mode of", &new_path)?;
                None
            }
            State::Image(old) => {
                new.copy_mode_from(&old).at("set the mode of", &new_path)?;
                self.lock(&old)?;
                Some(old)
            }
        };
        if old.is_none() {
            rename(&new_path, &path)?;
            return Ok(None);
        }
        match self.open_parent()?.exchange(self.new_name(), &self.name) {
            Ok(true) => Ok(old),
            Ok(false) => self.displace(&path, &new_path).map(|()| None),
            Err(error) => Err(not_replaced(&path, error)),
        }
    }

    /// Syncs the replacement, and removes what was replaced.
    pub(super) fn clean(&self, old: Option<&Directory>) -> Result<(), Error> {
        let is_there = |what: &str, cause: Error| {
            let (kind, path) = (cause.kind(), self.path());
            error(
                kind,
                format_args!("{} has the new image, but {what}", path.display()),
            )
            .with_source(cause)
        };
        self.sync()
            .map_err(|cause| is_there("it may not outlive a power failure", cause))?;
        let exchanged = old.is_some().then(|| self.new_path());
        for replaced in exchanged.into_iter().chain([self.displaced()]) {
            remove(&replaced).map_err(|cause| is_there("what it replaced is left", cause))?;
        }
        Ok(())
    }

    /// Renames the old directory and then the new one.
    fn displace(&self, path: &Path, new_path: &Path) -> Result<(), Error> {
        let displaced = self.displaced();
        if displaced.exists() {
            self.sync()?; // as above
            remove(&displaced)?;
        }
        rename(path, &displaced)?;
        let Err(failure) = rename(new_path, path) else {
            return Ok(());
        };
        match fs::rename(&displaced, path) {
            Ok(()) => Err(failure),
            Err(_) => Err(error(
                failure.kind(),
                format_args!(
                    "cannot replace {}; the old image is in {}, which can be renamed back",
                    path.display(),
                    displaced.display()
                ),
            )
            .with_source(failure)),
        }
    }

    fn sync(&self) -> Result<(), Error> {
        self.open_parent()?.sync().at("sync", &self.parent)
    }

    fn open_parent(&self) -> Result<Directory, Error> {
        Directory::open(&self.parent).at("open", &self.parent)
    }

    /// Removes the directory of a new image that is given up.
    pub(super) fn give_up(&self) {
        let _ = fs::remove_dir_all(self.new_path());
    }
}

/// Removes a directory that has no image that is needed, if it is there.
fn remove(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(failure) if failure.kind() != io::ErrorKind::NotFound => Err(failure).at("remove", directory),
        _ => Ok(()),
    }
}

/// Removes all that is in a directory.
fn clear(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a call to the system failed, so that nothing is known about the content.
fn is_of_system(failure: &Error) -> bool {
    let cause = failure
        .inner()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.raw_os_error().is_some())
}

/// The absolute path of a directory that does not exist. Its parents may not exist either.
fn absent(path: &Path) -> Result<PathBuf, Error> {
    let named = path.file_name().is_some() && path.components().all(|part| part.as_os_str() != "..");
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        _ if !named => {
            let message = format!("{} does not exist", path.display());
            Err(Error::new(ErrorKind::NotFound, message))
        }
        Some(parent) if parent.exists() => {
            let parent = fs::canonicalize(parent).at("resolve", parent)?;
            Ok(parent.join(path.file_name().unwrap_or_default()))
        }
        _ => std::path::absolute(path).at("resolve", path),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|failure| not_replaced(to, failure))
}

fn not_replaced(path: &Path, failure: io::Error) -> Error {
    match failure.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            occupied(path, "was changed by another process").with_source(failure)
        }
        io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices => {
            irreplaceable(path, "is a mount point").with_source(failure)
        }
        _ => storage("replace", path, failure),
    }
}

fn occupied(path: &Path, what: &str) -> Error {
    error(
        ErrorKind::Conflict,
        format_args!(
            "cannot write an image to {}: it {what}; nothing was changed",
            path.display()
        ),
    )
}

fn irreplaceable(path: &Path, what: &str) -> Error {
    error(
        ErrorKind::Unsupported,
        format_args!(
            "cannot write an image to {}: it {what} and cannot be replaced by another directory; write to a \
             directory in it or beside it",
            path.display()
        ),
    )
}

/// Adds to the error of opening a directory where its old image is, if its replacement was cut off.
pub(super) fn point_at_displaced(path: &Path, failure: Error) -> Error {
    let displaced = Target::resolve(path).map(|target| target.displaced());
    match displaced {
        Ok(displaced) if failure.kind() == ErrorKind::NotFound && displaced.is_dir() => error(
            ErrorKind::NotFound,
            format_args!(
                "there is no {}: the replacement of its image was interrupted; the old image is in {}, which can be \
                 renamed back",
                path.display(),
                displaced.display()
            ),
        )
        .with_source(failure),
        _ => failure,
    }
}
