//! Opening a journal: changes are read up to the end of the last whole group, and the journal is rewritten if many
//! have been appended.

use std::{collections::BTreeMap, fs::File, path::Path};

use wharf_content::Error;

use super::{Each, Sync, Tail, format::Reader, legacy, rewrite::Rewriting, scan::Scan};
use crate::disk::files::{self, At as _};

/// The value of [`SLACK`](super::SLACK), in bytes, for a journal that is being opened: smaller, since the
/// journal has been read anyway.
pub(super) const SLACK_AT_START: u64 = 4096;

/// A journal that has been read.
pub(super) struct Opened {
    pub(super) tail: Tail,
    /// The bytes of the file when it was opened, up to the end of the last whole group.
    pub(super) whole: u64,
}

/// Reads a journal to the end of its last whole group, passes its changes to `each`, and rewrites it if that is due.
pub(super) fn read(
    path: &Path,
    file: File,
    length: u64,
    sync: &Sync,
    each: &mut Each<'_>,
) -> Result<Opened, Error> {
    let mut scan = Scan::new(path, File::open(path).at("open", path)?, length)?;
    scan.all(each)?;
    let mut tail = Tail {
        file,
        id: scan.id().clone(),
        sorted: scan.sorted(),
        length: scan.offset(),
        retry: 0,
    };
    if length > tail.length {
        tail.file.set_len(tail.length).at("truncate", path)?;
    }
    sync(&tail.file).at("sync", path)?;
    let whole = tail.length;
    if whole > tail.due(SLACK_AT_START) {
        tail = rewrite(path, whole, sync)?;
    }
    Ok(Opened { tail, whole })
}

/// Rewrites a journal of an old form, an empty one, or one that is missing. Returns the bytes that it had up to the end of its
/// last whole group.
pub(super) fn migrate(path: &Path, length: u64, sync: &Sync) -> Result<u64, Error> {
    let mut current = BTreeMap::<Vec<u8>, Vec<u8>>::new();
    let mut apply = |key: &[u8], value: Option<&[u8]>| {
        match value {
            Some(value) => drop(current.insert(key.to_vec(), value.to_vec())),
            None => drop(current.remove(key)),
        }
        Ok(())
    };
    let whole = if length == 0 {
        0
    } else if Reader::new(File::open(path).at("open", path)?, length)
        .at("read", path)?
        .is_some()
    {
        let mut scan = Scan::new(path, File::open(path).at("open", path)?, length)?;
        scan.all(&mut apply)?;
        scan.offset()
    } else {
        legacy::read(path, &mut apply)?
    };
    let mut rewriting = Rewriting::begin(path)?;
    for (key, value) in &current {
        rewriting.push(key, Some(value))?;
    }
    rewriting.end_sorted()?;
    rewriting.replace(path, sync)?;
    sync_directory(path)?;
    Ok(whole)
}

/// Rewrites the acknowledged part of a journal that nobody else uses.
pub(super) fn rewrite(path: &Path, length: u64, sync: &Sync) -> Result<Tail, Error> {
    let mut scan = Scan::new(path, File::open(path).at("open", path)?, length)?;
    let mut rewriting = Rewriting::begin(path)?;
    rewriting.sort(&mut scan, length)?;
    let tail = rewriting.replace(path, sync)?;
    sync_directory(path)?;
    Ok(tail)
}

pub(super) fn sync_directory(path: &Path) -> Result<(), Error> {
    path.parent().map_or(Ok(()), files::sync_dir)
}
