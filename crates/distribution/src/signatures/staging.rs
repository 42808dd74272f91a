//! Writes the files of a lookaside store in a directory.
//!
//! A signature is written to a file of another name, synced, and linked to the first number that is free. A link never
//! replaces a file, so several programs may write at once, and one that is stopped leaves the numbers without a gap.

use std::{
    fs::{self, File},
    hash::{BuildHasher as _, RandomState},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use wharf_content::ErrorKind;

use super::file;

/// The most files that a store has of one manifest.
const MAX_FILES: usize = 1_000;

/// A signature that was not written, with the path that failed.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) path: PathBuf,
    pub(super) kind: ErrorKind,
    pub(super) reason: String,
    pub(super) source: Option<io::Error>,
}

/// Adds the blobs that are not there, on a thread for blocking calls, and returns their number. `file` gives the path of
/// a number.
pub(super) async fn append(
    file: impl Fn(usize) -> Option<PathBuf> + Send + 'static,
    blobs: Vec<Bytes>,
) -> Result<usize, Unwritten> {
    let write = tokio::task::spawn_blocking(move || append_blocking(&file, &blobs));
    write.await.unwrap_or_else(|_| {
        let stopped = io::Error::from(io::ErrorKind::Interrupted);
        Err(failed(Path::new(""), "the file cannot be written", stopped))
    })
}

fn append_blocking(file: &dyn Fn(usize) -> Option<PathBuf>, blobs: &[Bytes]) -> Result<usize, Unwritten> {
    let mut added = 0;
    for blob in blobs {
        added += usize::from(append_one(file, blob)?);
    }
    Ok(added)
}

/// Adds a blob; false if it is there already.
fn append_one(file: &dyn Fn(usize) -> Option<PathBuf>, blob: &Bytes) -> Result<bool, Unwritten> {
    let mut number = 1;
    let mut temporary = None;
    while number <= MAX_FILES {
        let Some(path) = file(number) else { break };
        match compare(&path, blob)? {
            Held::Same => return Ok(false),
            Held::Other => number += 1,
            Held::Nothing => {
                let directory = path.parent().unwrap_or(Path::new("/"));
                let written = match &temporary {
                    Some(written) => written,
                    None => temporary.insert(Temporary::write(directory, blob)?),
                };
                match fs::hard_link(&written.0, &path) {
                    Ok(()) => {
                        sync(directory)
                            .map_err(|error| failed(directory, "the directory cannot be synced", error))?;
                        return Ok(true);
                    }
                    // Another program has taken the number.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(failed(&path, "the file cannot be made", error)),
                }
            }
        }
    }
    Err(Unwritten {
        path: file(number).unwrap_or_default(),
        kind: ErrorKind::TooLarge,
        reason: format!(
            "the store has more than {MAX_FILES} signatures of it; remove those that nobody needs"
        ),
        source: None,
    })
}

enum Held {
    Nothing,
    Same,
    Other,
}

/// Compares a file with a blob. The file is read only if it has the size of the blob.
fn compare(path: &Path, blob: &Bytes) -> Result<Held, Unwritten> {
    let unread = |error| failed(path, "the file cannot be read", error);
    let held = match file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Held::Nothing),
        Err(_) if file::is_link(path) => return Err(irregular(path)),
        Err(error) => return Err(unread(error)),
        Ok(held) => held,
    };
    let metadata = held.metadata().map_err(unread)?;
    if !metadata.is_file() {
        return Err(irregular(path));
    }
    if metadata.len() != blob.len() as u64 {
        return Ok(Held::Other);
    }
    let mut bytes = Vec::with_capacity(blob.len());
    held.take(metadata.len() + 1)
        .read_to_end(&mut bytes)
        .map_err(unread)?;
    Ok(if bytes == *blob { Held::Same } else { Held::Other })
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

/// A file that has the bytes of a signature and not yet its number. It is removed when it is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn write(directory: &Path, blob: &Bytes) -> Result<Self, Unwritten> {
        create(directory).map_err(|error| failed(directory, "the directory cannot be made", error))?;
        let random = RandomState::new().hash_one(std::process::id());
        let path = directory.join(format!(".signature-{random:016x}.new"));
        let unwritten = |error| failed(&path, "the file cannot be written", error);
        let mut file = create_new(&path).map_err(unwritten)?;
        let written = Self(path.clone());
        file.write_all(blob).map_err(unwritten)?;
        file.sync_all().map_err(unwritten)?;
        Ok(written)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // one that stays is no signature
    }
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    options.open(path)
}

/// Makes a directory and those above it that are missing, and syncs the directories that have a new entry.
fn create(directory: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut above = Some(directory);
    while let Some(path) = above.filter(|path| !path.is_dir()) {
        missing.push(path);
        above = path.parent();
    }
    for path in missing.into_iter().rev() {
        #[cfg_attr(not(unix), expect(unused_mut, reason = "a mode is set on Unix"))]
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
        match builder.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            created => created?,
        }
        if let Some(parent) = path.parent() {
            sync(parent)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Other systems cannot sync a directory.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
const fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

fn failed(path: &Path, reason: &str, error: io::Error) -> Unwritten {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        io::ErrorKind::InvalidInput => ErrorKind::Invalid,
        _ => ErrorKind::Storage,
    };
    Unwritten {
        path: path.to_owned(),
        kind,
        reason: reason.to_owned(),
        source: Some(error),
    }
}
