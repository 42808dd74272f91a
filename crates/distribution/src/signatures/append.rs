//! Adds signatures to a lookaside store in a directory.
//!
//! The files of a manifest are numbered from 1 without a gap, and none of them is changed or removed here. A signature is
//! written to a staging file, synced, and moved to the first free number in one step that replaces nothing. So several
//! programs may write at once, and one that is stopped leaves whole signatures only.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use wharf_content::{ErrorKind, MAX_SIGNATURE_SIZE, MAX_SIGNATURES_SIZE};

use super::{
    file,
    staging::{self, Staged, Unwritten, failed},
};

/// Adds the blobs that are not there, on a thread for blocking calls, and returns their number. `file` gives the path of
/// a number. Readers of the store accept at most `limit` signatures: none is written that they would not read.
pub(super) async fn append(
    file: impl Fn(usize) -> Option<PathBuf> + Send + 'static,
    limit: usize,
    blobs: Vec<Bytes>,
) -> Result<usize, Unwritten> {
    let write = tokio::task::spawn_blocking(move || append_blocking(&file, limit, &blobs));
    write.await.unwrap_or_else(|_| {
        let stopped = io::Error::from(io::ErrorKind::Interrupted);
        Err(failed(Path::new(""), "the file cannot be written", stopped))
    })
}

fn append_blocking(
    file: &dyn Fn(usize) -> Option<PathBuf>,
    limit: usize,
    blobs: &[Bytes],
) -> Result<usize, Unwritten> {
    let mut missing: Vec<Bytes> = Vec::with_capacity(blobs.len());
    for blob in blobs {
        if !missing.contains(blob) {
            missing.push(blob.clone());
        }
    }
    let mut numbers = Numbers {
        file,
        limit,
        count: 0,
        size: 0,
    };
    let first = numbers.next();
    let directory = first.parent().unwrap_or(Path::new("/"));
    staging::remove_leftovers(directory);
    numbers.advance(&mut missing)?;
    numbers.check_room(&missing)?;
    let mut added = 0;
    while let Some(blob) = missing.first().cloned() {
        let mut staged = Staged::write(directory, &blob)?;
        while missing.first() == Some(&blob) {
            if staged.move_to(&numbers.next())? {
                missing.remove(0);
                numbers.count += 1;
                numbers.size += blob.len() as u64;
                added += 1;
                continue;
            }
            // Another program has taken the number.
            let before = numbers.count;
            numbers.advance(&mut missing)?;
            if numbers.count == before {
                return Err(vanished(&numbers.next()));
            }
            numbers.check_room(&missing)?;
        }
    }
    // Also if all were there: whoever wrote them may have been stopped before this.
    file::sync(directory).map_err(|error| failed(directory, "the directory cannot be synced", error))?;
    Ok(added)
}

/// The numbers that are known to be taken. Their files are never changed, so that they are read once.
struct Numbers<'a> {
    file: &'a dyn Fn(usize) -> Option<PathBuf>,
    limit: usize,
    count: usize,
    /// The bytes of their files.
    size: u64,
}

impl Numbers<'_> {
    /// The path of the first number that is not known to be taken.
    fn next(&self) -> PathBuf {
        (self.file)(self.count + 1).unwrap_or_default()
    }

    /// Goes on to the first free number, and removes from `missing` what is in the files before it.
    fn advance(&mut self, missing: &mut Vec<Bytes>) -> Result<(), Unwritten> {
        while !missing.is_empty() && self.count < self.limit {
            let Some(size) = find(&self.next(), missing)? else {
                break;
            };
            self.count += 1;
            self.size += size;
        }
        Ok(())
    }

    /// Checks that everything that is missing can be added and read again.
    fn check_room(&self, missing: &[Bytes]) -> Result<(), Unwritten> {
        let size = |blob: &Bytes| blob.len() as u64;
        let reason = if missing.iter().any(|blob| size(blob) > MAX_SIGNATURE_SIZE) {
            let limit = MAX_SIGNATURE_SIZE >> 20;
            format!("a signature has more than {limit} MiB, and would not be read")
        } else if !missing.is_empty() && self.count + missing.len() > self.limit {
            let limit = self.limit;
            format!(
                "the store would have more than {limit} signatures of it, and no more are read; remove those that nobody needs"
            )
        } else if self.size + missing.iter().map(size).sum::<u64>() > MAX_SIGNATURES_SIZE {
            let limit = MAX_SIGNATURES_SIZE >> 20;
            format!(
                "its signatures would have more than {limit} MiB, and no more are read; remove those that nobody needs"
            )
        } else {
            return Ok(());
        };
        Err(Unwritten {
            path: self.next(),
            kind: ErrorKind::TooLarge,
            reason,
            source: None,
        })
    }
}

/// The size of the file at a path, `None` if there is none. If one of the blobs is in it, that is removed from `missing`.
fn find(path: &Path, missing: &mut Vec<Bytes>) -> Result<Option<u64>, Unwritten> {
    let unread = |error| failed(path, "the file cannot be read", error);
    let held = match file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if file::is_link(path) => return Err(irregular(path)),
        Err(error) => return Err(unread(error)),
        Ok(held) => held,
    };
    let metadata = held.metadata().map_err(unread)?;
    if !metadata.is_file() {
        return Err(irregular(path));
    }
    let size = metadata.len();
    if size > MAX_SIGNATURE_SIZE {
        return Err(Unwritten {
            path: path.to_owned(),
            kind: ErrorKind::TooLarge,
            reason: format!(
                "the file has more than {} MiB, so that no signature is read; remove it",
                MAX_SIGNATURE_SIZE >> 20
            ),
            source: None,
        });
    }
    if missing.iter().any(|blob| blob.len() as u64 == size) {
        let mut bytes = Vec::new();
        held.take(size + 1).read_to_end(&mut bytes).map_err(unread)?;
        missing.retain(|blob| *blob != bytes);
    }
    Ok(Some(size))
}

/// A directory, a device, a pipe or a symbolic link.
fn irregular(path: &Path) -> Unwritten {
    Unwritten {
        path: path.to_owned(),
        kind: ErrorKind::Invalid,
        reason: "it is no regular file, and is where a signature belongs; remove it".to_owned(),
        source: None,
    }
}

/// The error of a file that was there when its number was wanted, and is not there any more.
fn vanished(path: &Path) -> Unwritten {
    Unwritten {
        path: path.to_owned(),
        kind: ErrorKind::Conflict,
        reason: "another program removes signatures at this moment; repeat this when it has ended".to_owned(),
        source: None,
    }
}
