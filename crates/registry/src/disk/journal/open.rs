//! Opening a journal: changes are read up to the end of the last whole group, and the journal is rewritten if
//! most of them are outdated.

use std::{fs::File, path::Path};

use wharf_content::Error;

use super::{
    Sync, Tail, legacy,
    live::{Applied, Live, Prints},
    rewrite::Rewriting,
    scan::Scan,
};
use crate::disk::files::{self, At as _};

/// The value of [`SLACK`](super::SLACK), in bytes, for a journal that is being opened: smaller, since the
/// journal has been read anyway.
pub(super) const SLACK_AT_START: u64 = 4096;

/// A journal that has been read.
pub(super) struct Opened {
    pub(super) tail: Tail,
    pub(super) live: Live,
    /// The bytes of the file when it was opened, up to the end of the last whole group.
    pub(super) whole: u64,
}

/// Reads a journal to the end of its last whole group.
pub(super) fn read(
    path: &Path,
    file: File,
    length: u64,
    prints: &Prints,
    sync: &Sync,
) -> Result<Opened, Error> {
    let mut live = Live::default();
    let mut scan = Scan::new(path, File::open(path).at("open", path)?, length)?;
    scan.all(|change| {
        live.apply(&Applied {
            print: prints.of(&change.key),
            bytes: change.pair.len() + 1,
            removes: change.value.is_none(),
        });
    })?;
    let tail = Tail {
        file,
        id: scan.id().clone(),
        length: scan.offset(),
        retry: 0,
    };
    if length > tail.length {
        tail.file.set_len(tail.length).at("truncate", path)?;
    }
    sync(&tail.file).at("sync", path)?;
    let whole = tail.length;
    shorten(path, (tail, live), whole, prints, sync)
}

/// Rewrites a journal without a header: one of the old format, an empty one, or none.
pub(super) fn migrate(path: &Path, length: u64, prints: &Prints, sync: &Sync) -> Result<Opened, Error> {
    let mut rewriting = Rewriting::begin(path, Live::default(), prints)?;
    let mut whole = 0;
    if length > 0 {
        whole = legacy::read(path, |batch| {
            let mut changes = batch.iter();
            changes.try_for_each(|(key, value)| rewriting.add(key, value.as_deref()))
        })?;
    }
    let rewritten = rewriting.replace(path, sync)?;
    sync_directory(path)?;
    shorten(path, rewritten, whole, prints, sync)
}

/// Rewrites a journal that has been read, if most of its changes are outdated.
fn shorten(
    path: &Path,
    (tail, live): (Tail, Live),
    whole: u64,
    prints: &Prints,
    sync: &Sync,
) -> Result<Opened, Error> {
    let is_long = tail.length > live.bytes().saturating_mul(2).saturating_add(SLACK_AT_START);
    let (tail, live) = if is_long {
        rewrite(path, tail.length, &live, prints, sync)?
    } else {
        (tail, live)
    };
    Ok(Opened { tail, live, whole })
}

/// Rewrites the acknowledged part of a journal that nobody else uses.
pub(super) fn rewrite(
    path: &Path,
    length: u64,
    live: &Live,
    prints: &Prints,
    sync: &Sync,
) -> Result<(Tail, Live), Error> {
    let mut rewriting = Rewriting::begin(path, live.rewritten(), prints)?;
    let mut scan = Scan::new(path, File::open(path).at("open", path)?, length)?;
    rewriting.copy(&mut scan, length, |change| {
        live.counts(prints.of(&change.key), change.number)
    })?;
    let rewritten = rewriting.replace(path, sync)?;
    sync_directory(path)?;
    Ok(rewritten)
}

pub(super) fn sync_directory(path: &Path) -> Result<(), Error> {
    path.parent().map_or(Ok(()), files::sync_dir)
}
