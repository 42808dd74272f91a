//! Exclusive layouts: a directory marks the layout as one, the lock in it belongs to the process that has it.

use std::{fs::File, io};

use wharf_content::{Error, ErrorKind};
use wharf_fs::Directory;
use wharf_reference::Algorithm;

use super::{Disk, Pool};
use crate::error::{At as _, storage};

/// The name on the disk, which never changes: programs that do not know it would collect the layout.
const DIRECTORY: &str = "keeper";
const LOCK: &str = "lock";
const UPLOADS: &str = "uploads";

impl Disk {
    /// Makes the layout exclusive, which cannot be undone. Returns the directory of uploads, and the file
    /// whose lock belongs to this process until it is closed.
    pub(crate) fn make_exclusive(&self) -> Result<(Directory, File), Error> {
        if matches!(self.pool, Pool::Shared(_)) {
            let message = "a layout with shared blobs cannot be exclusive: its other users are not known";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let collect = self.lock_collect()?; // a collector either sees the directory or has ended
        let private = self.private()?;
        let directory = private.make_directory(DIRECTORY, 0o700);
        let directory = directory.at("create", &private.path().join(DIRECTORY))?;
        let path = directory.path().join(LOCK);
        let lock = directory.open_or_create(LOCK, 0o600).at("open", &path)?;
        if !self.try_lock(&lock, &path)? {
            let message = format!("another process has exclusive use of {}", self.path().display());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        drop(collect);
        let uploads = directory.make_directory(UPLOADS, 0o700);
        let uploads = uploads.at("create", &directory.path().join(UPLOADS))?;
        self.make_algorithms()?;
        for directory in [&directory, &private, &self.root] {
            directory.sync().at("sync", directory.path())?;
        }
        self.sync_blobs()?;
        Ok((uploads, lock))
    }

    /// True if the layout was made exclusive, whether or not a process has it now.
    pub(crate) fn is_exclusive(&self) -> Result<bool, Error> {
        let path = self.at(super::PRIVATE);
        let directory = match self.root.directory(super::PRIVATE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            private => private.and_then(|private| private.stat(DIRECTORY)),
        };
        directory
            .map(|directory| directory.is_some())
            .map_err(|error| storage("look into", &path, error))
    }

    /// Makes the directories for blobs, so that later only names in them need be made durable.
    fn make_algorithms(&self) -> Result<(), Error> {
        let path = self.blobs_path();
        let blobs = self.root.make_directory("blobs", 0o755).at("create", &path)?;
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let name = algorithm.to_string();
            blobs
                .make_directory(&name, 0o755)
                .at("create", &path.join(&name))?;
        }
        Ok(())
    }
}
