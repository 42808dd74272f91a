//! Blobs as files: look-up, creation, removal.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use wharf_content::{Descriptor, Error, ErrorKind};
use wharf_fs::{Directory, FileKind, Stamp};
use wharf_reference::{Algorithm, Digest};

use super::{Disk, Pool, VerifiedStamp, temporary_name};
use crate::{
    Durability,
    error::{At as _, storage, symbolic_link},
};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// The file that has a blob's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    File(Stamp),
    Symlink,
    /// A directory, a pipe.
    Other,
}

/// An entry of the directories of blobs.
#[derive(Debug)]
pub(crate) enum Entry {
    Blob(Digest, Stamp),
    /// A file that is no blob and was not written by this crate.
    Foreign(PathBuf),
}

impl Disk {
    /// The directory that has one directory of blobs for each algorithm.
    fn blobs(&self) -> io::Result<Directory> {
        match &self.pool {
            Pool::Own => self.root.directory("blobs"),
            Pool::Shared(pool) => Directory::open(pool.path()),
        }
    }

    pub(crate) fn blobs_path(&self) -> PathBuf {
        match &self.pool {
            Pool::Own => self.at("blobs"),
            Pool::Shared(pool) => pool.path().to_owned(),
        }
    }

    pub(super) fn algorithm_dir(&self, digest: &Digest) -> io::Result<Directory> {
        self.blobs()?.directory(digest.algorithm_name())
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs_path()
            .join(digest.algorithm_name())
            .join(digest.encoded())
    }

    /// Opens the file of a blob, if there is one.
    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<Option<(File, Stamp)>, Error> {
        verifiable(digest)?;
        let path = self.blob_path(digest);
        let opened = self
            .algorithm_dir(digest)
            .and_then(|dir| dir.open_file(digest.encoded()));
        match opened {
            Ok(file) => {
                let stamp = Stamp::of(&file).at("stat", &path)?;
                Ok(Some((file, stamp)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage("open", &path, error)),
        }
    }

    /// Finds the file that has the name of a blob.
    pub(crate) fn find_blob(&self, digest: &Digest) -> Result<Found, Error> {
        verifiable(digest)?;
        let stat = self
            .algorithm_dir(digest)
            .and_then(|dir| dir.stat(digest.encoded()));
        match stat {
            Ok(Some((FileKind::File, stamp))) => Ok(Found::File(stamp)),
            Ok(Some((FileKind::Symlink, _))) => Ok(Found::Symlink),
            Ok(Some((FileKind::Directory | FileKind::Other, _))) => Ok(Found::Other),
            Ok(None) => Ok(Found::Nothing),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) => Err(storage("stat", &self.blob_path(digest), error)),
        }
    }

    /// True if there is a file of the blob with its size.
    pub(crate) fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        Ok(matches!(
            self.find_blob(descriptor.digest())?,
            Found::File(stamp) if stamp.size == descriptor.size()
        ))
    }

    pub(crate) fn no_blob(&self, digest: &Digest) -> Error {
        let message = format!("there is no {digest} in {}", self.path().display());
        Error::new(ErrorKind::NotFound, message)
    }

    /// The error for a manifest that is not there.
    pub(crate) fn no_manifest(&self, digest: &Digest) -> Error {
        let message = format!(
            "there is no manifest {digest} in {}; an index may list images that were left out when it was stored",
            self.path().display()
        );
        Error::new(ErrorKind::NotFound, message)
    }

    /// The error for a blob that an image needs and that cannot be read; `found` is the file in its stead.
    pub(crate) fn lacks_blob(&self, descriptor: &Descriptor, found: Found) -> Error {
        let path = self.blob_path(descriptor.digest());
        match found {
            Found::Symlink => symbolic_link(&path),
            Found::Other => {
                let message = format!("{} is not a regular file, so it cannot be a blob", path.display());
                Error::new(ErrorKind::Unsupported, message)
            }
            Found::Nothing | Found::File(_) => {
                let message = format!(
                    "{} lacks {}, which an image in it needs ({}): the layout is incomplete, copy the image again from \
                     a complete source",
                    self.path().display(),
                    descriptor.digest(),
                    descriptor.media_type()
                );
                Error::new(ErrorKind::NotFound, message)
            }
        }
    }

    /// Makes a verified file read-only, gives it its [`VerifiedStamp`], and syncs it if the layout is
    /// durable.
    pub(crate) fn seal(&self, file: &File, digest: &Digest, path: &Path) -> Result<(), Error> {
        wharf_fs::set_read_only(file).at("change the mode of", path)?;
        let durable = self.options.durability == Durability::Durable;
        let stamp = if durable {
            VerifiedStamp::Durable
        } else {
            VerifiedStamp::Fast
        };
        stamp.write_to(file, digest).at("set the time of", path)?;
        if durable {
            file.sync_all().at("sync", path)?;
        }
        Ok(())
    }

    /// Moves a sealed file from the ingest directory to the name of its blob and returns its state there.
    ///
    /// An existing file of that name is replaced, because only the new one is known to be good.
    pub(crate) fn publish(
        &self,
        ingest: &Directory,
        name: &str,
        file: &File,
        digest: &Digest,
    ) -> Result<Stamp, Error> {
        verifiable(digest)?;
        let path = self.blob_path(digest);
        let dir = self
            .blobs()
            .and_then(|blobs| blobs.make_directory(digest.algorithm_name(), 0o755))
            .at("create", path.parent().unwrap_or(&path))?;
        let removal = self.removal_lock(false)?;
        let fresh = ingest.rename_new(name, &dir, digest.encoded());
        if !fresh.at("create", &path)? {
            let replaced = ingest.rename(name, &dir, digest.encoded());
            replaced.at("replace", &path)?;
            // If both are names of one file, which a move by link that was cut leaves, the other name is
            // still there.
            ingest.remove(name).at("remove", &ingest.path().join(name))?;
        }
        drop(removal);
        Stamp::of(file).at("stat", &path)
    }

    /// Moves a directory that has the name of a blob aside, because a file cannot replace it.
    pub(crate) fn clear_name(&self, digest: &Digest) -> Result<(), Error> {
        if self.find_blob(digest)? != Found::Other {
            return Ok(());
        }
        let path = self.blob_path(digest);
        let dir = self.algorithm_dir(digest).at("open", &path)?;
        if matches!(
            dir.stat(digest.encoded()).at("stat", &path)?,
            Some((FileKind::Directory, _))
        ) {
            let aside = self.pool_private("corrupt")?;
            let moved = dir.rename(digest.encoded(), &aside, temporary_name());
            moved.at("move", &path)?;
        }
        Ok(())
    }

    /// Creates a file in the ingest directory, for content without a name yet.
    pub(crate) fn temporary(&self) -> Result<Temporary<'_>, Error> {
        let (directory, name) = (self.ingest()?, temporary_name());
        let path = directory.path().join(&name);
        let removal = self.removal_lock(false)?; // no collector sees it before it is locked
        let temporary = Temporary {
            file: directory.create_new(&name, 0o600).at("create", &path)?,
            disk: self,
            directory,
            name,
            is_blob: false,
        };
        self.try_lock(&temporary.file, &path)?;
        drop(removal);
        Ok(temporary)
    }

    /// Writes small and verified content as a blob.
    pub(crate) fn commit_bytes(&self, digest: &Digest, bytes: &[u8]) -> Result<Stamp, Error> {
        let mut temporary = self.temporary()?;
        temporary.file.write_all(bytes).at("write", &temporary.path())?;
        temporary.commit(digest)
    }

    /// Syncs the directory of a blob.
    pub(crate) fn sync_name(&self, digest: &Digest) -> Result<(), Error> {
        if self.options.durability != Durability::Durable {
            return Ok(());
        }
        let synced = self.algorithm_dir(digest).and_then(|dir| dir.sync());
        synced.at("sync", &self.blob_path(digest))
    }

    /// Syncs the directories of all blobs.
    pub(crate) fn sync_blobs(&self) -> Result<(), Error> {
        if self.options.durability != Durability::Durable {
            return Ok(());
        }
        let path = self.blobs_path();
        let blobs = self.blobs().at("open", &path)?;
        for algorithm in ALGORITHMS.iter().filter_map(|algorithm| algorithm.name()) {
            match blobs.directory(algorithm).and_then(|dir| dir.sync()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(storage("sync", &path.join(algorithm), error));
                }
                _ => {}
            }
        }
        blobs.sync().at("sync", &path)
    }

    /// Removes a blob. The caller holds the removal lock.
    pub(crate) fn remove_blob(&self, digest: &Digest) -> Result<(), Error> {
        let removed = self
            .algorithm_dir(digest)
            .and_then(|dir| dir.remove(digest.encoded()));
        removed.at("remove", &self.blob_path(digest))
    }

    /// Lists all entries of the directories of blobs.
    pub(crate) fn list_blobs(&self) -> Result<Vec<Entry>, Error> {
        self.list_blobs_while(&|| true)
    }

    /// Lists all entries of the directories of blobs; an error once `wanted` returns false.
    pub(crate) fn list_blobs_while(&self, wanted: &dyn Fn() -> bool) -> Result<Vec<Entry>, Error> {
        let path = self.blobs_path();
        let blobs = self.blobs().at("open", &path)?;
        let mut entries = Vec::new();
        for name in blobs.names().at("list", &path)? {
            if matches!(self.pool, Pool::Shared(_)) && name == super::PRIVATE {
                continue;
            }
            let known = ALGORITHMS.iter().any(|algorithm| algorithm.name() == Some(&name));
            let stat = blobs.stat(&name).at("stat", &path.join(&name))?;
            if !known || !matches!(stat, Some((FileKind::Directory, _))) {
                entries.push(Entry::Foreign(path.join(name)));
                continue;
            }
            let dir = blobs.directory(&name).at("open", &path.join(&name))?;
            for encoded in dir.names().at("list", dir.path())? {
                if !wanted() {
                    return Err(Error::new(
                        ErrorKind::Cancelled,
                        "the list of blobs was cancelled",
                    ));
                }
                let path = dir.path().join(&encoded);
                let digest = Digest::parse(&format!("{name}:{encoded}")).ok();
                match (digest, dir.stat(&encoded).at("stat", &path)?) {
                    (_, None) => {} // gone meanwhile
                    (Some(digest), Some((FileKind::File, stamp))) => entries.push(Entry::Blob(digest, stamp)),
                    _ => entries.push(Entry::Foreign(path)),
                }
            }
        }
        Ok(entries)
    }
}

/// A locked file of the ingest directory. It is removed when dropped, unless it has become a blob.
pub(crate) struct Temporary<'a> {
    pub(crate) file: File,
    disk: &'a Disk,
    directory: Directory,
    name: String,
    is_blob: bool,
}

impl Temporary<'_> {
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    /// Seals the file and moves it to the name of its blob. The caller has verified it.
    pub(crate) fn commit(mut self, digest: &Digest) -> Result<Stamp, Error> {
        self.disk.seal(&self.file, digest, &self.path())?;
        let stamp = self
            .disk
            .publish(&self.directory, &self.name, &self.file, digest)?;
        self.is_blob = true;
        Ok(stamp)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.is_blob {
            let _ = self.directory.remove(&self.name); // if not, a collector will
        }
    }
}

/// Refuses digests of algorithms that cannot be verified.
pub(crate) fn verifiable(digest: &Digest) -> Result<(), Error> {
    if digest.algorithm().is_supported() {
        return Ok(());
    }
    let message = format!("cannot store {digest}: only sha256 and sha512 can be verified");
    Err(Error::new(ErrorKind::Unsupported, message))
}
