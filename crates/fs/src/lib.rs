//! File systems as the crates of wharf use them: directories by handle, durable writes, locks.
//!
//! ```
//! use std::io::Write as _;
//! use wharf_fs::{Directory, FileKind, WrongKind};
//!
//! # let scratch = tempfile::tempdir()?;
//! # let path = scratch.path().join("state");
//! Directory::create_all(&path, 0o700)?;
//! let directory = Directory::open(&path)?;
//!
//! // Readers, and whoever looks after a power failure, see no file or a whole one.
//! let mut file = directory.create_new("tmp-1", 0o644)?;
//! file.write_all(b"content")?;
//! file.sync_all()?;
//! assert!(directory.rename_new("tmp-1", &directory, "document")?);
//! directory.sync()?;
//!
//! # #[cfg(unix)] {
//! // A link that somebody else has made is not followed.
//! std::os::unix::fs::symlink("/etc/passwd", path.join("link"))?;
//! let refused = directory.open_file("link").unwrap_err();
//! assert_eq!(WrongKind::of(&refused).map(WrongKind::kind), Some(FileKind::Symlink));
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A [`Directory`] is an open handle. Each of its calls names one file in it, and a name is one component: no
//! separator, no `..`. So nothing that others do to the path meanwhile leads out of the directory, and no
//! symbolic link is followed below it. Files that are opened are regular files; the error for any other kind is
//! a [`WrongKind`].
//!
//! All calls block. Errors are those of the system, without the path: the caller knows it, and what it was
//! doing. The crate does not walk or remove trees, and sets no owners or extended attributes.
//!
//! # Systems
//!
//! | | Unix | other systems, and any with `--cfg wharf_portable_fs` |
//! |---|---|---|
//! | directories | by handle | by path, with a check before each call; another process that may write to the directory can win the race against it |
//! | modes, owners, mount points | as documented | not set and not known |
//! | [`Directory::sync`] | also of the drive's cache, on Apple's systems | nothing where directories cannot be synced |
//! | [`Directory::try_lock`] | a lock of the kernel's | always succeeds |
//! | [`Directory::exchange`] | on Linux, Android and Apple's systems | not supported |
//! | [`LOCKS_FORBID_READING`] | false | true |
//!
//! The crate has no features.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod at;
mod directory;
mod error;
mod file;
mod lock;
#[cfg(any(not(unix), wharf_portable_fs))]
mod portable;
mod stamp;
#[cfg(all(unix, not(wharf_portable_fs)))]
mod unix;

#[cfg(any(not(unix), wharf_portable_fs))]
use portable as system;
#[cfg(all(unix, not(wharf_portable_fs)))]
use unix as system;

pub use at::{fill_at, write_all_at};
pub use directory::Directory;
pub use error::WrongKind;
pub use file::{has_other_names, open_regular, open_regular_itself, reflink, set_read_only};
pub use lock::{LOCKS_FORBID_READING, lock, lock_shared, try_lock};
pub use stamp::{FileKind, Stamp};
