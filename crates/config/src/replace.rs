//! Changing a file that others read and change at the same time: locked, then replaced as a whole.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{ConfigError, ConfigErrorKind, file};

/// The most symbolic links that are followed to a credential file; the kernel's own limit.
const MAX_LINKS: usize = 40;

/// A file that no other process changes by this means while this value lives.
///
/// The lock is a file `.NAME.lock` beside the target that is never removed: locking the target itself would
/// lock an inode that the next replacement throws away. A reader needs no lock, for the name always
/// leads to a whole file. The content may be secret, so it has no `Debug` (docs/threats.md, N19).
pub(crate) struct LockedFile {
    target: PathBuf,
    contents: Option<Zeroizing<Vec<u8>>>,
    _lock: File,
}

impl LockedFile {
    /// Waits for the lock, then reads the file. A symbolic link stands for its target, which need not exist;
    /// missing directories are made, open to their owner only.
    pub(crate) fn open(path: &Path) -> Result<Self, ConfigError> {
        let target = follow_links(path)?;
        let parent = parent(&target);
        create_private_dirs(parent).map_err(|error| ConfigError::writing(parent, error))?;
        match fs::metadata(&target) {
            Ok(metadata) if !metadata.is_file() => {
                let message = "cannot be written: it is not a regular file";
                return Err(ConfigError::new(ConfigErrorKind::Unwritable, message).with_file(&target));
            }
            _ => {} // missing is fine, and other failures are reported when it is read
        }
        let lock_path = sibling(&target, "lock");
        let lock = private()
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .and_then(|lock| lock_exclusive(&lock).map(|()| lock))
            .map_err(|error| ConfigError::writing(&lock_path, error))?;
        let contents = file::read_optional(&target)?.map(Zeroizing::new);
        Ok(Self {
            target,
            contents,
            _lock: lock,
        })
    }

    /// The content of the file; `None` if it does not exist.
    pub(crate) fn contents(&self) -> Option<&[u8]> {
        self.contents.as_ref().map(|contents| contents.as_slice())
    }

    /// The file itself, after symbolic links.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Replaces the file: its readers, and a crash at any moment, see the old or the new contents. The new
    /// file is readable by its owner only and belongs to the owner of the old one where that is permitted.
    pub(crate) fn replace(self, contents: &[u8]) -> Result<(), ConfigError> {
        // The lock makes a fixed name safe, and the next writer clears what a killed one left.
        let temporary = sibling(&self.target, "new");
        self.write(&temporary, contents).map_err(|error| {
            let _ = fs::remove_file(&temporary);
            ConfigError::writing(&self.target, error)
        })
    }

    fn write(&self, temporary: &Path, contents: &[u8]) -> io::Result<()> {
        match fs::remove_file(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private().create_new(true).open(temporary)?;
        keep_owner(&self.target, &file);
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(temporary, &self.target)?;
        sync_dir(parent(&self.target))
    }
}

/// Options for a file that only its owner may read or write.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn create_private_dirs(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn lock_exclusive(lock: &File) -> io::Result<()> {
    loop {
        match lock.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A superuser who logs in for a user must not take the file away from them. Anyone else may not give files
/// away, so failing is normal.
#[cfg(unix)]
fn keep_owner(old: &Path, new: &File) {
    use std::os::unix::fs::{MetadataExt, fchown};
    if let (Ok(old), Ok(made)) = (fs::metadata(old), new.metadata())
        && (old.uid(), old.gid()) != (made.uid(), made.gid())
    {
        let _ = fchown(new, Some(old.uid()), Some(old.gid()));
    }
}

#[cfg(not(unix))]
const fn keep_owner(_: &Path, _: &File) {}

/// A rename is durable when its directory is.
#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
const fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

fn follow_links(path: &Path) -> Result<PathBuf, ConfigError> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = parent(&target).join(next),
            Err(_) => return Ok(target), // not a link, or not there
        }
    }
    Err(ConfigError::new(ConfigErrorKind::Unwritable, "too many symbolic links").with_file(path))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// `.NAME.SUFFIX` beside a file.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}
