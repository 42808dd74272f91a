//! index.json as a file: cached, and replaced as a whole under a lock (rule S8).

use std::{
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io::{self, Write as _},
    path::Path,
    sync::{Arc, PoisonError},
};

use wharf_content::{Error, ErrorKind};

use super::{Disk, read_bounded};
use crate::{
    error::At as _,
    index::{Index, MAX_INDEX_SIZE},
    os::{self, Stamp},
};

pub(super) const INDEX: &str = "index.json";

/// What index.json said when it was last read.
#[derive(Debug)]
pub(super) struct Cached {
    stamp: Stamp,
    /// Whether the file could have been written again without another stamp.
    racy: bool,
    /// Of the bytes, to save parsing them again.
    fingerprint: u64,
    hasher: RandomState,
    index: Arc<Index>,
}

impl Cached {
    fn new(stamp: Stamp, racy: bool, bytes: &[u8], index: Arc<Index>) -> Self {
        let hasher = RandomState::new();
        Self {
            stamp,
            racy,
            fingerprint: hasher.hash_one(bytes),
            hasher,
            index,
        }
    }
}

impl Disk {
    /// What index.json says now.
    pub(crate) fn index(&self) -> Result<Arc<Index>, Error> {
        let path = self.at(INDEX);
        let file = match self.root.read(INDEX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_index(&path)),
            other => other.at("open", &path)?,
        };
        let stamp = os::stamp_of(&file).at("look at", &path)?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*cached
            && known.stamp == stamp
            && !known.racy
        {
            return Ok(Arc::clone(&known.index));
        }
        let racy = stamp.is_racy();
        let bytes = read_bounded(file, MAX_INDEX_SIZE, &path)?;
        if let Some(known) = &mut *cached
            && known.hasher.hash_one(bytes.as_slice()) == known.fingerprint
        {
            (known.stamp, known.racy) = (stamp, racy);
            return Ok(Arc::clone(&known.index));
        }
        let index = Index::parse(&bytes).map_err(|why| {
            let message = format!(
                "{} is damaged: {why}; restore it, or remove it and pull again to start without names",
                path.display()
            );
            Error::new(ErrorKind::Corrupt, message)
        })?;
        let index = Arc::new(index);
        *cached = Some(Cached::new(stamp, racy, &bytes, Arc::clone(&index)));
        Ok(index)
    }

    /// Remembers what was just written; the next look confirms it by the bytes, which is quicker than parsing.
    fn remember(&self, bytes: &[u8], index: Index) {
        if let Ok(Some((_, stamp))) = self.root.stat(INDEX) {
            let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            *cached = Some(Cached::new(stamp, true, bytes, Arc::new(index)));
        }
    }

    /// Reads index.json, changes it and replaces it, with no other process in between.
    pub(crate) fn update_index<T>(
        &self,
        change: impl FnOnce(&mut Index) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let lock = self.lock_index()?;
        let before = self.index()?;
        let mut index = Index::clone(&before);
        let answer = change(&mut index)?;
        if !index.same_as(&before) {
            self.replace_index(index)?;
        }
        drop(lock);
        Ok(answer)
    }

    pub(super) fn lock_index(&self) -> Result<File, Error> {
        let private = self.private()?;
        self.lock_in(&private, "lock", true)
    }

    pub(super) fn has_index(&self) -> Result<bool, Error> {
        let stat = self.root.stat(INDEX).at("look at", &self.at(INDEX))?;
        Ok(stat.is_some())
    }

    fn replace_index(&self, index: Index) -> Result<(), Error> {
        let bytes = index.to_bytes()?;
        if bytes.len() as u64 > MAX_INDEX_SIZE {
            let message = format!(
                "{} would have more than {MAX_INDEX_SIZE} bytes; remove some names",
                self.at(INDEX).display()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        self.put(INDEX, &bytes)?;
        self.root.sync().at("sync", self.path())?;
        self.remember(&bytes, index);
        Ok(())
    }

    /// Writes a file of the root beside it and moves it there, which lasts once the root is synced. Under the lock only.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let private = self.private()?;
        let temporary = format!("{name}.new"); // one that a cut has left is in nobody's use
        let path = private.path().join(&temporary);
        private.remove(&temporary).at("remove", &path)?;
        let written = private
            .create_new(&temporary, 0o644)
            .at("create", &path)
            .and_then(|mut file| {
                file.write_all(bytes).at("write", &path)?;
                file.sync_all().at("sync", &path)
            })
            .and_then(|()| {
                private
                    .rename(&temporary, &self.root, name)
                    .at("replace", &self.at(name))
            });
        if written.is_err() {
            let _ = private.remove(&temporary);
        }
        written
    }
}

fn no_index(path: &Path) -> Error {
    let message = format!(
        "{} is missing, so the store says nothing of its images; restore it, or pull into the store to start without names",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, message)
}
