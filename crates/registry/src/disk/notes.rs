//! The notes of uploads: one small file for each upload.

use std::{
    collections::HashSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::task::{JoinHandle, spawn_blocking};
use wharf_content::Error;

use super::{
    blocking,
    files::{self, At as _},
};
use crate::sync::LockExt as _;

pub(super) struct Notes {
    directory: PathBuf,
    /// The uploads that have a note, so that none is looked for elsewhere.
    ids: Arc<Mutex<HashSet<String>>>,
}

/// The name of the directory of notes.
const NAME: &str = "notes";

impl Notes {
    /// Whether notes have been opened in this directory before.
    pub(super) fn are_in(registry: &Path) -> bool {
        registry.join(NAME).is_dir()
    }

    pub(super) fn open(registry: &Path) -> Result<Self, Error> {
        let directory = registry.join(NAME);
        files::make_dir(&directory)?;
        let mut ids = HashSet::new();
        for entry in fs::read_dir(&directory).at("read", &directory)? {
            let name = entry.at("read", &directory)?.file_name();
            ids.extend(name.into_string());
        }
        Ok(Self {
            directory,
            ids: Arc::new(Mutex::new(ids)),
        })
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<String>> {
        self.ids.locked()
    }

    /// Begins to write the note of an upload. The id is the name of the file; an empty note has none.
    pub(super) fn write(&self, upload: &str, note: &str) -> Option<JoinHandle<Result<(), Error>>> {
        if note.is_empty() {
            return None;
        }
        self.ids().insert(upload.to_owned());
        let (path, note) = (self.directory.join(upload), note.to_owned());
        Some(spawn_blocking(move || {
            let mut file = files::options()
                .create_new(true)
                .open(&path)
                .at("create", &path)?;
            file.write_all(note.as_bytes()).at("write", &path)
        }))
    }

    /// Removes the note of an upload that has ended, without waiting for it. A note that stays is removed
    /// when the registry opens.
    pub(super) fn remove(&self, upload: &str) {
        if self.ids().remove(upload) {
            let path = self.directory.join(upload);
            drop(spawn_blocking(move || fs::remove_file(path)));
        }
    }

    /// Reads the notes of these uploads, and removes those of all others.
    pub(super) async fn of(&self, uploads: Vec<String>) -> Result<Vec<(String, String)>, Error> {
        let (directory, orphans) = (self.directory.clone(), {
            let mut ids = self.ids();
            let known = uploads.iter().cloned().collect();
            let orphans = ids.difference(&known).cloned().collect::<Vec<_>>();
            ids.retain(|id| known.contains(id));
            orphans
        });
        blocking(move || {
            for orphan in orphans {
                let path = directory.join(orphan);
                files::existing(fs::remove_file(&path).at("remove", &path))?;
            }
            let note = |id: String| {
                let path = directory.join(&id);
                let note = files::existing(fs::read_to_string(&path).at("read", &path))?;
                Ok((id, note.unwrap_or_default()))
            };
            uploads.into_iter().map(note).collect()
        })
        .await
    }
}
