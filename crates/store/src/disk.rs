//! The layout on disk: where things are and how a file becomes part of it. Everything here blocks.
//!
//! Beside what the image-spec defines there is one directory, `.wharf`, which other tools ignore: `ingest`
//! holds what is being received, `lock` guards index.json.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use wharf_content::{Descriptor, Error, ErrorKind};
use wharf_reference::Digest;

use crate::{
    error::{At as _, storage},
    index::{Index, MAX_INDEX_SIZE},
    os::{self, Dir, Kind, Stamp},
};

const LAYOUT_FILE: &str = "oci-layout";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";
const NEW_INDEX: &str = "index.json.new";
const PRIVATE: &str = ".wharf";
const INGEST: &str = "ingest";

/// An open layout.
#[derive(Debug)]
pub(crate) struct Disk {
    root: Dir,
    index: Mutex<Option<(Stamp, Arc<Index>)>>,
}

impl Disk {
    /// Opens a layout that exists.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let disk = Self::open_root(path)?;
        disk.check_version()?;
        disk.index()?;
        Ok(disk)
    }

    /// Opens a layout, or makes one where there is nothing or an empty directory.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        Dir::create(path, 0o700).at("create the store", path)?;
        let disk = Self::open_root(path)?;
        if disk.root.stat(LAYOUT_FILE).at("look into", path)?.is_some() {
            disk.check_version()?;
        } else {
            disk.initialise()?;
        }
        disk.index()?;
        Ok(disk)
    }

    fn open_root(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).at("find", path)?;
        Ok(Self {
            root: Dir::open(&path).at("open the store", &path)?,
            index: Mutex::new(None),
        })
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
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let message = format!(
                    "{} is not an image store: it has no file oci-layout",
                    self.path().display()
                );
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            other => other.at("open", &path)?,
        };
        let bytes = read_bounded(file, 4096, &path)?;
        let version: Version = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(
                ErrorKind::Corrupt,
                format!("{} does not say which version the layout has", path.display()),
            )
            .with_source(error)
        })?;
        if version.image_layout_version == "1.0.0" {
            Ok(())
        } else {
            let found: String = version.image_layout_version.chars().take(40).collect();
            let message = format!("{} says version {found:?}; only 1.0.0 is known", path.display());
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }

    /// Makes a layout here; `oci-layout` comes last, so that a cut leaves something that can be made again.
    fn initialise(&self) -> Result<(), Error> {
        let names = self.root.names().at("list", self.path())?;
        let foreign = names
            .iter()
            .find(|name| ![PRIVATE, "blobs", INDEX].contains(&name.as_str()));
        if let Some(foreign) = foreign {
            let message = format!(
                "{} is not an image store and not empty (it has {foreign:?}); name another directory",
                self.path().display()
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        self.root
            .make_dir("blobs", 0o755)
            .and_then(|blobs| blobs.make_dir("sha256", 0o755))
            .at("create", &self.at("blobs"))?;
        let lock = self.lock()?;
        if self.root.stat(INDEX).at("look at", &self.at(INDEX))?.is_none() {
            self.replace_index(&Index::empty())?;
        }
        if self
            .root
            .stat(LAYOUT_FILE)
            .at("look at", &self.at(LAYOUT_FILE))?
            .is_none()
        {
            let private = self.private()?;
            self.replace(&private, "oci-layout.new", LAYOUT_FILE, LAYOUT)?;
        }
        drop(lock);
        Ok(())
    }

    fn private(&self) -> Result<Dir, Error> {
        self.root.make_dir(PRIVATE, 0o700).at("create", &self.at(PRIVATE))
    }

    /// Where content is received.
    pub(crate) fn ingest(&self) -> Result<Dir, Error> {
        let private = self.private()?;
        private
            .make_dir(INGEST, 0o700)
            .at("create", &private.path().join(INGEST))
    }

    // ---- index.json

    /// What index.json says now.
    pub(crate) fn index(&self) -> Result<Arc<Index>, Error> {
        let path = self.at(INDEX);
        let file = self.root.read(INDEX).at("open", &path)?;
        let stamp = os::stamp_of(&file).at("look at", &path)?;
        let mut cached = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, index)) = &*cached
            && *known == stamp
        {
            return Ok(Arc::clone(index));
        }
        let bytes = read_bounded(file, MAX_INDEX_SIZE, &path)?;
        let index = Index::parse(&bytes).map_err(|why| {
            let message = format!(
                "{} is damaged: {why}; restore it, or remove it to start without names",
                path.display()
            );
            Error::new(ErrorKind::Corrupt, message)
        })?;
        let index = Arc::new(index);
        *cached = (!stamp.is_racy()).then(|| (stamp, Arc::clone(&index)));
        Ok(index)
    }

    /// Reads index.json, changes it and replaces it, with no other process in between.
    pub(crate) fn update_index<T>(
        &self,
        change: impl FnOnce(&mut Index) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let lock = self.lock()?;
        let mut index = Index::clone(&*self.index()?);
        let answer = change(&mut index)?;
        self.replace_index(&index)?;
        drop(lock);
        Ok(answer)
    }

    fn lock(&self) -> Result<File, Error> {
        let private = self.private()?;
        let path = private.path().join("lock");
        let file = private.read_write("lock", 0o600).at("open", &path)?;
        file.lock().at("lock", &path)?;
        Ok(file)
    }

    fn replace_index(&self, index: &Index) -> Result<(), Error> {
        let private = self.private()?;
        self.replace(&private, NEW_INDEX, INDEX, &index.to_bytes()?)
    }

    /// Writes a file of the root beside it and moves it there, durably. Under the lock only.
    fn replace(&self, private: &Dir, temporary: &str, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = private.path().join(temporary);
        private.remove(temporary).at("remove", &path)?;
        let mut file = private.create_new(temporary, 0o644).at("create", &path)?;
        file.write_all(bytes).at("write", &path)?;
        file.sync_all().at("sync", &path)?;
        drop(file);
        private
            .rename(temporary, &self.root, name)
            .at("replace", &self.at(name))?;
        self.root.sync().at("sync", self.path())
    }

    // ---- blobs

    fn blobs(&self, digest: &Digest) -> std::io::Result<Dir> {
        self.root.dir("blobs")?.dir(digest.algorithm_name())
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.at("blobs")
            .join(digest.algorithm_name())
            .join(digest.encoded())
    }

    /// The file of a blob, if there is one.
    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<Option<(File, Stamp)>, Error> {
        supported(digest)?;
        let path = self.blob_path(digest);
        let opened = self.blobs(digest).and_then(|dir| dir.read(digest.encoded()));
        match opened {
            Ok(file) => {
                let stamp = os::stamp_of(&file).at("look at", &path)?;
                Ok(Some((file, stamp)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage("open", &path, error)),
        }
    }

    /// The state of a blob's file, if it is one.
    pub(crate) fn stat_blob(&self, digest: &Digest) -> Result<Option<Stamp>, Error> {
        supported(digest)?;
        let stat = self.blobs(digest).and_then(|dir| dir.stat(digest.encoded()));
        match stat {
            Ok(Some((Kind::File, stamp))) => Ok(Some(stamp)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage("look at", &self.blob_path(digest), error)),
        }
    }

    /// Whether the blob is there with its size.
    pub(crate) fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let stamp = self.stat_blob(descriptor.digest())?;
        Ok(stamp.is_some_and(|stamp| stamp.size == descriptor.size()))
    }

    pub(crate) fn no_blob(&self, digest: &Digest) -> Error {
        let message = format!("there is no {digest} in {}", self.path().display());
        Error::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn damaged(&self, digest: &Digest, why: &str) -> Error {
        damaged(&self.blob_path(digest), why)
    }

    /// Makes small and verified content a blob.
    pub(crate) fn commit_bytes(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        let ingest = self.ingest()?;
        let name = temporary_name();
        let path = ingest.path().join(&name);
        let mut file = ingest.create_new(&name, 0o600).at("create", &path)?;
        let written = os::try_lock(&file)
            .and_then(|_| file.write_all(bytes))
            .at("write", &path)
            .and_then(|()| self.commit(&ingest, &name, &file, digest));
        if written.is_err() {
            let _ = ingest.remove(&name);
        }
        written
    }

    /// Makes a whole and verified file of the ingest directory a blob: durable first, visible then.
    ///
    /// A file that has the name already is replaced: whatever it holds, this one is right.
    pub(crate) fn commit(&self, ingest: &Dir, name: &str, file: &File, digest: &Digest) -> Result<(), Error> {
        let path = self.blob_path(digest);
        let temporary = ingest.path().join(name);
        os::set_read_only(file).at("change the mode of", &temporary)?;
        file.sync_all().at("sync", &temporary)?;
        let dir = self
            .root
            .dir("blobs")
            .and_then(|blobs| blobs.make_dir(digest.algorithm_name(), 0o755))
            .at("create", path.parent().unwrap_or(&path))?;
        if !ingest
            .rename_new(name, &dir, digest.encoded())
            .at("create", &path)?
        {
            ingest.rename(name, &dir, digest.encoded()).at("replace", &path)?;
        }
        Ok(())
    }

    /// Makes the names of all blobs durable.
    pub(crate) fn sync_blobs(&self) -> Result<(), Error> {
        let path = self.at("blobs");
        let blobs = self.root.dir("blobs").at("open", &path)?;
        for algorithm in ["sha256", "sha512"] {
            match blobs.dir(algorithm).and_then(|dir| dir.sync()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(storage("sync", &path.join(algorithm), error));
                }
                _ => {}
            }
        }
        blobs.sync().at("sync", &path)
    }
}

/// Only what can be verified has a place here.
fn supported(digest: &Digest) -> Result<(), Error> {
    if digest.algorithm().is_supported() {
        return Ok(());
    }
    let message = format!("cannot keep {digest}: only sha256 and sha512 can be verified");
    Err(Error::new(ErrorKind::Unsupported, message))
}

pub(crate) fn damaged(path: &Path, why: &str) -> Error {
    let message = format!(
        "{} is damaged: {why}; it is not used, pull the image again",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, message)
}

/// A name nobody else in this directory uses; `create_new` makes sure of it.
fn temporary_name() -> String {
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

/// A small file whole.
pub(crate) fn read_bounded(file: File, limit: u64, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .at("read", path)?;
    if bytes.len() as u64 > limit {
        let message = format!("{} has more than {limit} bytes", path.display());
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(bytes)
}
