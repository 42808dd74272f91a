//! index.json as a file: cached, and replaced as a whole under a lock (threat S8 in docs/threats.md).

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use wharf_content::{Error, ErrorKind};
use wharf_fs::Stamp;

use super::{Disk, read_bounded};
use crate::{
    error::At as _,
    index::{Changes, Index, MAX_INDEX_SIZE},
    sync::LockExt as _,
};

pub(super) const INDEX: &str = "index.json";

/// The most attempts to read a file that another tool may be writing.
const MAX_ATTEMPTS: u32 = 30;
/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(10);

/// The content of index.json when it was last read.
#[derive(Debug)]
pub(super) struct Cached {
    stamp: Stamp,
    /// True if the file could have been written again without a new stamp.
    racy: bool,
    index: Arc<Index>,
}

/// An index.json that cannot be read.
struct Unreadable {
    why: String,
    /// True if another tool may be writing it now.
    fresh: bool,
}

impl Disk {
    /// Reads index.json, or the cached content if the file has not changed.
    ///
    /// Other tools write the file in place, so that it may be empty or truncated for a moment. A file that
    /// cannot be read and was just written is read again.
    pub(crate) fn index(&self) -> Result<Arc<Index>, Error> {
        let mut attempt = 1;
        loop {
            match self.read_index()? {
                Ok(index) => return Ok(index),
                Err(unreadable) if unreadable.fresh && attempt < MAX_ATTEMPTS => {
                    attempt += 1;
                    thread::sleep(PAUSE);
                }
                Err(unreadable) => {
                    let message = format!(
                        "{} is corrupt: {}; restore it, or remove it and pull again to start without names",
                        self.at(INDEX).display(),
                        unreadable.why
                    );
                    return Err(Error::new(ErrorKind::Corrupt, message));
                }
            }
        }
    }

    fn read_index(&self) -> Result<Result<Arc<Index>, Unreadable>, Error> {
        let path = self.at(INDEX);
        let file = match self.root.open_file(INDEX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_index(&path)),
            other => other.at("open", &path)?,
        };
        let stamp = Stamp::of(&file).at("stat", &path)?;
        let mut cached = self.cached.locked();
        if let Some(known) = &*cached
            && known.stamp == stamp
            && !known.racy
        {
            return Ok(Ok(Arc::clone(&known.index)));
        }
        if stamp.size > MAX_INDEX_SIZE {
            return Err(too_large(&path, "has"));
        }
        let racy = stamp.is_racy();
        let bytes = read_bounded(&file, MAX_INDEX_SIZE, &path)?;
        if let Some(known) = &mut *cached
            && known.index.text().as_bytes() == bytes
        {
            (known.stamp, known.racy) = (stamp, racy);
            return Ok(Ok(Arc::clone(&known.index)));
        }
        match Index::parse(bytes) {
            Ok(index) => {
                let index = Arc::new(index);
                *cached = Some(Cached {
                    stamp,
                    racy,
                    index: Arc::clone(&index),
                });
                Ok(Ok(index))
            }
            Err(why) => Ok(Err(Unreadable {
                why,
                fresh: racy || Stamp::of(&file).at("stat", &path)? != stamp,
            })),
        }
    }

    /// Reads index.json, changes it and replaces it, under the lock of the file.
    pub(crate) fn update_index<T>(
        &self,
        change: impl FnOnce(&Index) -> Result<(Changes, T), Error>,
    ) -> Result<T, Error> {
        let lock = self.lock_index()?;
        let index = self.index()?;
        let (changes, answer) = change(&index)?;
        if !changes.is_empty() {
            self.replace_index(&index.with(&changes))?;
        }
        drop(lock);
        Ok(answer)
    }

    pub(super) fn lock_index(&self) -> Result<File, Error> {
        let private = self.private()?;
        self.lock_in(&private, "lock", true)
    }

    pub(super) fn has_index(&self) -> Result<bool, Error> {
        let stat = self.root.stat(INDEX).at("stat", &self.at(INDEX))?;
        Ok(stat.is_some())
    }

    fn replace_index(&self, parts: &[&str]) -> Result<(), Error> {
        let size: usize = parts.iter().map(|part| part.len()).sum();
        if size as u64 > MAX_INDEX_SIZE {
            return Err(too_large(&self.at(INDEX), "would have"));
        }
        self.put(INDEX, parts)?;
        self.root.sync().at("sync", self.path())
    }

    /// Writes a file of the root under another name and moves it there, which is durable once the root is
    /// synced. The caller has the lock.
    pub(super) fn put(&self, name: &str, parts: &[&str]) -> Result<(), Error> {
        let private = self.private()?;
        let temporary = format!("{name}.new"); // one that a cut has left is in nobody's use
        let path = private.path().join(&temporary);
        private.remove(&temporary).at("remove", &path)?;
        let written = private
            .create_new(&temporary, 0o644)
            .at("create", &path)
            .and_then(|file| {
                let mut writer = BufWriter::new(&file); // large parts pass it by
                let mut write = |part: &&str| writer.write_all(part.as_bytes());
                parts.iter().try_for_each(&mut write).at("write", &path)?;
                writer.flush().at("write", &path)?;
                drop(writer);
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

fn too_large(path: &Path, has: &str) -> Error {
    let message = format!(
        "{} {has} more than {} MiB, the limit for the names of one layout; remove names that are no longer needed, or \
         keep the images in several layouts",
        path.display(),
        MAX_INDEX_SIZE >> 20
    );
    Error::new(ErrorKind::TooLarge, message)
}

fn no_index(path: &Path) -> Error {
    let message = format!(
        "{} is missing, so the images of the layout are not known; restore it, or pull into the layout to start without names",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, message)
}
