//! Locks of files and directories, between handles of one process, which are as apart as processes are.

use std::fs::File;

use tempfile::TempDir;
use wharf_fs::Directory;

/// Two handles of one file.
fn handles() -> (TempDir, File, File) {
    let scratch = tempfile::tempdir().unwrap();
    let directory = Directory::open(scratch.path()).unwrap();
    let open = || directory.open_or_create("lock", 0o600).unwrap();
    let (one, other) = (open(), open());
    (scratch, one, other)
}

#[test]
fn an_exclusive_lock_keeps_others_out_until_its_handle_is_closed() {
    let (_scratch, one, other) = handles();
    wharf_fs::lock(&one).unwrap();
    assert!(!wharf_fs::try_lock(&other).unwrap());
    drop(one);
    assert!(wharf_fs::try_lock(&other).unwrap());
}

#[test]
fn a_shared_lock_is_shared_and_keeps_an_exclusive_one_out() {
    let (_scratch, one, other) = handles();
    wharf_fs::lock_shared(&one).unwrap();
    wharf_fs::lock_shared(&other).unwrap();
    assert!(!wharf_fs::try_lock(&one).unwrap());
    drop(other);
    assert!(wharf_fs::try_lock(&one).unwrap());
}

#[cfg(all(unix, not(wharf_portable_fs)))]
#[test]
fn a_directory_is_locked_by_one_handle() {
    let scratch = tempfile::tempdir().unwrap();
    let open = || Directory::open(scratch.path()).unwrap();
    let (one, other) = (open(), open());
    assert!(one.try_lock().unwrap());
    assert!(!other.try_lock().unwrap());
    one.unlock();
    assert!(other.try_lock().unwrap());
    assert!(!one.try_lock().unwrap());
    drop(other);
    assert!(one.try_lock().unwrap());
}
