//! Locks of files. The kernel releases them when the last handle is closed, also when a process is killed.

use std::{
    fs::{File, TryLockError},
    io,
};

/// True if a locked file cannot be read, so that a file that is read while it is locked needs a second file for
/// the lock.
pub const LOCKS_FORBID_READING: bool = cfg!(any(windows, wharf_portable_fs));

/// Waits for an exclusive lock.
///
/// # Errors
///
/// As [`File::lock`]. A call that a signal has interrupted is repeated.
pub fn lock(file: &File) -> io::Result<()> {
    again(|| file.lock())
}

/// Waits for a lock that others share.
///
/// # Errors
///
/// As [`File::lock_shared`]. A call that a signal has interrupted is repeated.
pub fn lock_shared(file: &File) -> io::Result<()> {
    again(|| file.lock_shared())
}

/// Takes an exclusive lock if no other handle has one. Returns false if another has.
///
/// # Errors
///
/// As [`File::try_lock`]. A call that a signal has interrupted is repeated.
pub fn try_lock(file: &File) -> io::Result<bool> {
    again(|| match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    })
}

/// Repeats a call that a signal has interrupted.
fn again<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
