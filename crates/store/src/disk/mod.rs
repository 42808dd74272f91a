//! The layout on disk: where things are, and how a directory becomes one. Everything here blocks.
//!
//! Beside what the image-spec defines there is one directory, `.wharf`, which other tools ignore. It holds
//! `lock`, which guards index.json; `ingest`, what is being received; `leases`, what running operations rely
//! on; `gate`, which keeps a collector and those operations apart; `collect`, which keeps collectors apart;
//! `corrupt`, damaged blobs for inspection; `keeper`, where one program keeps the layout, its `lock` and what
//! it receives in `uploads`. With a shared directory of blobs, all but `lock` are there.
//!
//! Locks are taken in this order: the file of one ingest, `collect`, `lock`, `gate`.

mod blobs;
mod corrupt;
mod index_file;
mod keep;
mod lease;
mod mark;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use wharf_content::{Error, ErrorKind};

use crate::{
    Options,
    error::{At as _, storage},
    index,
    os::{self, Dir},
};

pub(crate) use blobs::{Entry, Found, verifiable};
pub(crate) use corrupt::Corrupt;
pub(crate) use lease::{Lease, live_pins};
pub(crate) use mark::Mark;

const LAYOUT_FILE: &str = "oci-layout";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const PRIVATE: &str = ".wharf";

/// An open layout.
#[derive(Debug)]
pub(crate) struct Disk {
    root: Dir,
    /// Where blobs are: a directory for each algorithm, and the private directory for receiving them.
    pool: Pool,
    options: Options,
    cached: Mutex<Option<index_file::Cached>>,
}

#[derive(Debug)]
enum Pool {
    /// `blobs` in the root, and the private directory beside it.
    Own,
    Shared(Dir),
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
        Dir::create(path, mode).at("create the store", path)?;
        if let Some(shared) = &options.shared_blobs {
            Dir::create(shared, mode).at("create the directory of blobs", shared)?;
        }
        let disk = Self::open_root(path, options)?;
        if disk.root.stat(LAYOUT_FILE).at("look into", path)?.is_some() {
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

    fn open_root(path: &Path, options: Options) -> Result<Self, Error> {
        let path = std::path::absolute(path).at("find", path)?;
        let pool = match &options.shared_blobs {
            Some(shared) => {
                let shared = std::path::absolute(shared).at("find", shared)?;
                Pool::Shared(Dir::open(&shared).at("open the directory of blobs", &shared)?)
            }
            None => Pool::Own,
        };
        Ok(Self {
            root: Dir::open(&path).at("open the store", &path)?,
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

    fn check_version(&self) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            image_layout_version: String,
        }
        let path = self.at(LAYOUT_FILE);
        let file = match self.root.read(LAYOUT_FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!(
                    "{} is not an image store: it has no file oci-layout",
                    self.path().display()
                );
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            other => other.at("open", &path)?,
        };
        let bytes = read_bounded(&file, 4096, &path)?;
        let version: Version = serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{} does not say which version the layout has", path.display());
            Error::new(ErrorKind::Corrupt, message).with_source(error)
        })?;
        if version.image_layout_version == "1.0.0" {
            return Ok(());
        }
        let found: String = version.image_layout_version.chars().take(40).collect();
        let message = format!("{} says version {found:?}; only 1.0.0 is known", path.display());
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// Refuses a directory that has something else in it.
    fn refuse_foreign_files(&self) -> Result<(), Error> {
        let names = self.root.names().at("list", self.path())?;
        let foreign = names
            .iter()
            .find(|name| ![PRIVATE, "blobs", index_file::INDEX, LAYOUT_FILE].contains(&name.as_str()));
        if let Some(foreign) = foreign {
            let message = format!(
                "{} is not an image store and not empty (it has {foreign:?})",
                self.path().display()
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Ok(())
    }

    /// Makes what is missing of a layout; `oci-layout` comes last, so that a cut leaves something that can be made
    /// again. The directories in `blobs` are synced when an image gets its name.
    fn initialise(&self) -> Result<(), Error> {
        let blobs = self.root.make_dir("blobs", 0o755);
        blobs
            .and_then(|blobs| blobs.make_dir("sha256", 0o755))
            .at("create", &self.at("blobs"))?;
        let lock = self.lock_index()?;
        if !self.has_index()? {
            self.put(index_file::INDEX, index::EMPTY.as_bytes())?;
        }
        let version = self.root.stat(LAYOUT_FILE);
        if version.at("look at", &self.at(LAYOUT_FILE))?.is_none() {
            self.put(LAYOUT_FILE, LAYOUT)?;
        }
        self.root.sync().at("sync", self.path())?;
        drop(lock);
        Ok(())
    }

    /// The private directory of the layout, for its index.
    fn private(&self) -> Result<Dir, Error> {
        self.root.make_dir(PRIVATE, 0o700).at("create", &self.at(PRIVATE))
    }

    /// A directory in the private directory of the blobs.
    fn pool_private(&self, name: &str) -> Result<Dir, Error> {
        let private = self.pool_root()?;
        private
            .make_dir(name, 0o700)
            .at("create", &private.path().join(name))
    }

    /// The private directory of the blobs.
    fn pool_root(&self) -> Result<Dir, Error> {
        match &self.pool {
            Pool::Own => self.private(),
            Pool::Shared(pool) => pool
                .make_dir(PRIVATE, 0o700)
                .at("create", &pool.path().join(PRIVATE)),
        }
    }

    /// Where content is received.
    pub(crate) fn ingest(&self) -> Result<Dir, Error> {
        self.pool_private("ingest")
    }

    /// Locks a file of the private directory of the blobs; waits for it.
    fn lock_pool(&self, name: &str, exclusive: bool) -> Result<File, Error> {
        let private = self.pool_root()?;
        self.lock_in(&private, name, exclusive)
    }

    fn lock_in(&self, directory: &Dir, name: &str, exclusive: bool) -> Result<File, Error> {
        let path = directory.path().join(name);
        let file = directory.read_write(name, 0o600).at("open", &path)?;
        if self.options.without_locks {
            return Ok(file);
        }
        os::lock(&file, exclusive).map_err(|error| unlockable(&path, error))?;
        Ok(file)
    }

    /// Takes an exclusive lock on an open file if nobody has one.
    pub(crate) fn try_lock(&self, file: &File, path: &Path) -> Result<bool, Error> {
        if self.options.without_locks {
            return Ok(true);
        }
        os::try_lock(file).map_err(|error| unlockable(path, error))
    }

    /// Keeps other collectors away.
    pub(crate) fn lock_collect(&self) -> Result<File, Error> {
        self.lock_pool("collect", true)
    }

    /// Passed by whoever relies on a blob or makes one, closed by whoever removes some.
    pub(crate) fn gate(&self, close: bool) -> Result<File, Error> {
        self.lock_pool("gate", close)
    }
}

fn unlockable(path: &Path, error: io::Error) -> Error {
    if matches!(error.kind(), io::ErrorKind::Unsupported) || error.raw_os_error() == Some(ENOLCK) {
        let message = format!(
            "cannot lock {}: the file system has no locks; keep the store on a local one",
            path.display()
        );
        return Error::new(ErrorKind::Unsupported, message).with_source(error);
    }
    storage("lock", path, error)
}

/// No locks available, as network file systems say; the standard library has no word for it.
const ENOLCK: i32 = if cfg!(target_vendor = "apple") { 77 } else { 37 };

/// A small file whole.
pub(crate) fn read_bounded(file: &File, limit: u64, path: &Path) -> Result<Vec<u8>, Error> {
    let size = os::stamp_of(file).at("look at", path)?.size.min(limit);
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

/// A name nobody else in a directory uses; `create_new` makes sure of it.
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
