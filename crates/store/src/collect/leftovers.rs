//! Files beside the blobs: partial blobs, temporary files, corrupt blobs.

use wharf_content::Error;
use wharf_fs::{Directory, FileKind, Stamp};
use wharf_reference::Digest;

use super::{Collect, Collected};
use crate::{
    disk::{Disk, Found},
    error::At as _,
};

/// Removes files that no process writes to and that will not be resumed.
pub(super) fn remove(disk: &Disk, options: &Collect, collected: &mut Collected) -> Result<(), Error> {
    // Temporary files are made and locked under the shared removal lock.
    let removal = disk.removal_lock(true)?;
    let ingest = disk.ingest()?;
    for (name, stamp) in files(&ingest)? {
        let useless = match digest_of(&name) {
            Some(digest) => {
                stamp.age() >= options.partial_age || matches!(disk.find_blob(&digest), Ok(Found::File(_)))
            }
            None => name.starts_with("tmp-"),
        };
        if !useless {
            continue;
        }
        let path = ingest.path().join(&name);
        let Ok(file) = ingest.open_or_create(&name, 0o600) else {
            continue;
        };
        if disk.options().without_locks || !disk.try_lock(&file, &path)? {
            continue; // somebody may be writing to it
        }
        if !options.dry_run {
            ingest.remove(&name).at("remove", &path)?;
        }
        collected.leftovers += 1;
        collected.leftover_bytes += stamp.size;
    }
    drop(removal);
    let corrupt = disk.corrupt_dir()?;
    for (name, stamp) in files(&corrupt)? {
        if stamp.age() < options.partial_age {
            continue;
        }
        if !options.dry_run {
            corrupt.remove(&name).at("remove", &corrupt.path().join(&name))?;
        }
        collected.leftovers += 1;
        collected.leftover_bytes += stamp.size;
    }
    Ok(())
}

fn files(directory: &Directory) -> Result<Vec<(String, Stamp)>, Error> {
    let mut files = Vec::new();
    for name in directory.names().at("list", directory.path())? {
        let stat = directory.stat(&name).at("stat", &directory.path().join(&name))?;
        if let Some((FileKind::File, stamp)) = stat {
            files.push((name, stamp));
        }
    }
    Ok(files)
}

/// The digest that a partial blob is named after.
fn digest_of(name: &str) -> Option<Digest> {
    let (algorithm, encoded) = name.split_once('-')?;
    Digest::parse(&format!("{algorithm}:{encoded}"))
        .ok()
        .filter(|digest| digest.algorithm().is_supported())
}
