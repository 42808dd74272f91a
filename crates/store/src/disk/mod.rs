//! The layout on the disk: its files, and how a directory becomes a layout. All calls block.
//!
//! Beside the files of the image-spec there is one directory, `.wharf`, which other tools ignore. It has
//! `lock`, the lock of index.json; `ingest`, blobs that are being received; `leases`, the digests that
//! running operations rely on; `gate`, the removal lock between a collector and those operations; `collect`,
//! the lock between collectors; `corrupt`, corrupt blobs for inspection; `keeper`, for an exclusive layout,
//! with its `lock` and its `uploads`. If blobs are in a shared directory, all but `lock` are there.
//!
//! Locks are taken in this order: the file of one ingest, `collect`, `lock`, the removal lock.

mod blobs;
mod corrupt;
mod exclusive;
mod index_file;
mod lease;
mod verified_stamp;
mod version;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use wharf_content::{Error, ErrorKind};
use wharf_fs::{Directory, FileKind, Stamp};

use crate::{
    Options,
    error::{At as _, storage},
    index,
};

pub(crate) use blobs::{Entry, Found, Temporary, verifiable};
pub(crate) use corrupt::Corrupt;
pub(crate) use lease::{Lease, live_pins};
pub(crate) use verified_stamp::VerifiedStamp;

const PRIVATE: &str = ".wharf";

/// An open layout.
#[derive(Debug)]
pub(crate) struct Disk {
    root: Directory,
    /// The directory that has one directory of blobs for each algorithm, and the private directory to
    /// receive them in.
    pool: Pool,
    options: Options,
    cached: Mutex<Option<index_file::Cached>>,
}

#[derive(Debug)]
enum Pool {
    /// `blobs` in the root, and the private directory beside it.
    Own,
    Shared(Directory),
}

impl Disk {
    /// Opens a layout that exists.
    pub(crate) fn open(path: &Path, options: Options) -> Result<Self, Error> {
        let disk = Self::open_root(path, options)?;
        disk.check_version()?;
        disk.index()?;
        Ok(disk)
    }

    /// Opens a layout, or makes one where there is nothing or an empty directory.
    pub(crate) fn create(path: &Path, options: Options) -> Result<Self, Error> {
        let mode = if options.readable_by_all { 0o755 } else { 0o700 };
        Directory::create_all(path, mode).at("create the layout", path)?;
        if let Some(shared) = &options.shared_blobs {
            Directory::create_all(shared, mode).at("create the directory of blobs", shared)?;
        }
        let disk = Self::open_root(path, options)?;
        if disk.root.stat(version::FILE).at("look into", path)?.is_some() {
            disk.check_version()?;
            if !disk.has_index()? {
                disk.initialise()?;
            }
        } else {
            disk.refuse_foreign_files()?;
            disk.initialise()?;
        }
        disk.index()?;
        Ok(disk)
    }

    /// Opens a layout for its blobs alone, whatever its index.json says.
    pub(crate) fn open_blobs(path: &Path) -> Result<Self, Error> {
        let disk = Self::open_root(path, Options::default())?;
        disk.check_version()?;
        Ok(disk)
    }

    fn open_root(path: &Path, options: Options) -> Result<Self, Error> {
        let path = std::path::absolute(path).at("find", path)?;
        let pool = match &options.shared_blobs {
            Some(shared) => {
                let shared = std::path::absolute(shared).at("find", shared)?;
                Pool::Shared(Directory::open(&shared).at("open the directory of blobs", &shared)?)
            }
            None => Pool::Own,
        };
        Ok(Self {
            root: Directory::open(&path).map_err(|error| version::unopened(&path, error))?,
            pool,
            options,
            cached: Mutex::new(None),
        })
    }

    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Creates the missing files of a layout, `oci-layout` last, so that a layout whose creation was
    /// interrupted can be created again. The directories in `blobs` are synced when an image gets its name.
    fn initialise(&self) -> Result<(), Error> {
        let blobs = self.root.make_directory("blobs", 0o755);
        blobs
            .and_then(|blobs| blobs.make_directory("sha256", 0o755))
            .at("create", &self.at("blobs"))?;
        let lock = self.lock_index()?;
        if !self.has_index()? {
            self.put(index_file::INDEX, &[index::EMPTY])?;
        }
        let version = self.root.stat(version::FILE);
        if version.at("stat", &self.at(version::FILE))?.is_none() {
            // After a power failure, a directory with `oci-layout` has the other parts as well.
            self.root.sync().at("sync", self.path())?;
            self.put(version::FILE, &[version::TEXT])?;
        }
        self.root.sync().at("sync", self.path())?;
        drop(lock);
        Ok(())
    }

    /// The private directory of the layout, for its index.
    fn private(&self) -> Result<Directory, Error> {
        self.root
            .make_directory(PRIVATE, 0o700)
            .at("create", &self.at(PRIVATE))
    }

    /// A directory in the private directory of the blobs.
    fn pool_private(&self, name: &str) -> Result<Directory, Error> {
        let private = self.pool_root()?;
        private
            .make_directory(name, 0o700)
            .at("create", &private.path().join(name))
    }

    /// The private directory of the blobs.
    fn pool_root(&self) -> Result<Directory, Error> {
        match &self.pool {
            Pool::Own => self.private(),
            Pool::Shared(pool) => pool
                .make_directory(PRIVATE, 0o700)
                .at("create", &pool.path().join(PRIVATE)),
        }
    }

    /// True if this crate has written here before. Reading alone does not change a layout of another tool.
    pub(crate) fn is_ours(&self) -> Result<bool, Error> {
        let directory = match &self.pool {
            Pool::Own => &self.root,
            Pool::Shared(pool) => pool,
        };
        let private = directory.stat(PRIVATE);
        let private = private.at("stat", &directory.path().join(PRIVATE))?;
        Ok(matches!(private, Some((FileKind::Directory, _))))
    }

    /// The directory in which content is received.
    pub(crate) fn ingest(&self) -> Result<Directory, Error> {
        self.pool_private("ingest")
    }

    /// Waits for the lock of a file of the private directory of the blobs.
    fn lock_pool(&self, name: &str, exclusive: bool) -> Result<File, Error> {
        let private = self.pool_root()?;
        self.lock_in(&private, name, exclusive)
    }

    fn lock_in(&self, directory: &Directory, name: &str, exclusive: bool) -> Result<File, Error> {
        let path = directory.path().join(name);
        let file = directory.open_or_create(name, 0o600).at("open", &path)?;
        if self.options.without_locks {
            return Ok(file);
        }
        let locked = if exclusive {
            wharf_fs::lock(&file)
        } else {
            wharf_fs::lock_shared(&file)
        };
        locked.map_err(|error| unlockable(&path, error))?;
        Ok(file)
    }

    /// Takes an exclusive lock on an open file, if no other process has one.
    pub(crate) fn try_lock(&self, file: &File, path: &Path) -> Result<bool, Error> {
        if self.options.without_locks {
            return Ok(true);
        }
        wharf_fs::try_lock(file).map_err(|error| unlockable(path, error))
    }

    /// Locks out other collectors.
    pub(crate) fn lock_collect(&self) -> Result<File, Error> {
        self.lock_pool("collect", true)
    }

    /// Takes the removal lock: shared for users and writers of blobs, exclusive for whoever removes blobs.
    pub(crate) fn removal_lock(&self, exclusive: bool) -> Result<File, Error> {
        self.lock_pool("gate", exclusive)
    }
}

fn unlockable(path: &Path, error: io::Error) -> Error {
    if matches!(error.kind(), io::ErrorKind::Unsupported) || error.raw_os_error() == Some(ENOLCK) {
        let message = format!(
            "cannot lock {}: the file system has no locks; keep the layout on a local one",
            path.display()
        );
        return Error::new(ErrorKind::Unsupported, message).with_source(error);
    }
    storage("lock", path, error)
}

/// "No locks available", as network file systems report; the standard library has no kind for it.
const ENOLCK: i32 = if cfg!(target_vendor = "apple") { 77 } else { 37 };

/// Reads a small file, of at most `limit` bytes.
pub(crate) fn read_bounded(file: &File, limit: u64, path: &Path) -> Result<Vec<u8>, Error> {
    let size = Stamp::of(file).at("stat", path)?.size.min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .at("read", path)?;
    if bytes.len() as u64 > limit {
        let message = format!("{} has more than {limit} bytes", path.display());
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(bytes)
}

/// A name that no other process uses in a directory; `create_new` makes sure of it.
pub(crate) fn temporary_name() -> String {
    use std::{
        hash::{BuildHasher as _, RandomState},
        sync::atomic::{AtomicU64, Ordering},
    };
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(
        "tmp-{:016x}",
        RandomState::new().hash_one((std::process::id(), count))
    )
}
