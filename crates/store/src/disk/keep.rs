//! Which program keeps the layout: a directory says that one does, the lock in it that it runs.

use std::{fs::File, io};

use wharf_content::{Error, ErrorKind};
use wharf_reference::Algorithm;

use super::{Disk, Pool};
use crate::{
    error::{At as _, storage},
    os::Dir,
};

const KEEPER: &str = "keeper";
const LOCK: &str = "lock";
const UPLOADS: &str = "uploads";

impl Disk {
    /// Takes the layout, for good: the directory of uploads, and what is locked until it is closed.
    pub(crate) fn keep(&self) -> Result<(Dir, File), Error> {
        if matches!(self.pool, Pool::Shared(_)) {
            let message = "a store with shared blobs cannot be kept: nobody knows what its other users need";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let collect = self.lock_collect()?; // a collector either sees the directory or has ended
        let private = self.private()?;
        let directory = private.make_dir(KEEPER, 0o700);
        let directory = directory.at("create", &private.path().join(KEEPER))?;
        let path = directory.path().join(LOCK);
        let lock = directory.read_write(LOCK, 0o600).at("open", &path)?;
        if !self.try_lock(&lock, &path)? {
            let message = format!("another process keeps {}", self.path().display());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        drop(collect);
        let uploads = directory.make_dir(UPLOADS, 0o700);
        let uploads = uploads.at("create", &directory.path().join(UPLOADS))?;
        self.make_algorithms()?;
        for directory in [&directory, &private, &self.root] {
            directory.sync().at("sync", directory.path())?;
        }
        self.sync_blobs()?;
        Ok((uploads, lock))
    }

    /// Whether some program keeps the layout, running or not.
    pub(crate) fn is_kept(&self) -> Result<bool, Error> {
        let path = self.at(super::PRIVATE);
        let keeper = match self.root.dir(super::PRIVATE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            private => private.and_then(|private| private.stat(KEEPER)),
        };
        keeper
            .map(|keeper| keeper.is_some())
            .map_err(|error| storage("look into", &path, error))
    }

    /// Makes the directories for blobs, so that later only names in them need be made durable.
    fn make_algorithms(&self) -> Result<(), Error> {
        let path = self.blobs_path();
        let blobs = self.root.make_dir("blobs", 0o755).at("create", &path)?;
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let name = algorithm.to_string();
            blobs.make_dir(&name, 0o755).at("create", &path.join(&name))?;
        }
        Ok(())
    }
}
