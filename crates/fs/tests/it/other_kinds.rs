//! Symbolic links, pipes, sockets, devices and directories where a file is wanted.

use std::{
    error::Error as _,
    fs, io,
    os::unix::{fs::symlink, net::UnixListener},
    process::Command,
};

use tempfile::TempDir;
use wharf_fs::{Directory, FileKind, WrongKind};

fn scratch() -> (TempDir, Directory) {
    let scratch = tempfile::tempdir().unwrap();
    let directory = Directory::open(scratch.path()).unwrap();
    (scratch, directory)
}

/// The kind that an error is about.
fn wrong(error: &io::Error) -> Option<FileKind> {
    WrongKind::of(error).map(WrongKind::kind)
}

/// Links to a file, to a directory, to nothing, out of the directory, in a circle, to a link.
#[test]
fn no_link_is_followed() {
    let (scratch, directory) = scratch();
    fs::write(scratch.path().join("file"), "text").unwrap();
    fs::create_dir(scratch.path().join("directory")).unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), "outside").unwrap();
    for target in [
        "file".into(),
        "directory".into(),
        "nothing".into(),
        "link".into(),
        "../nothing".into(),
        "/dev/zero".into(),
        outside.path().join("file"),
        outside.path().join("nothing"),
        outside.path().to_owned(),
    ] {
        let path = scratch.path().join("link");
        symlink(&target, &path).unwrap();
        for error in [
            directory.open_file("link").unwrap_err(),
            directory.open_existing("link", 0o644).unwrap_err(),
            directory.open_or_create("link", 0o644).unwrap_err(),
            directory.directory("link").unwrap_err(),
            directory.make_directory("link", 0o755).unwrap_err(),
            wharf_fs::open_regular_itself(&path).unwrap_err(),
        ] {
            assert_eq!(wrong(&error), Some(FileKind::Symlink), "{target:?}: {error}");
            assert_eq!(WrongKind::of(&error).unwrap().path(), path);
            assert!(error.to_string().contains("symbolic link"), "{error}");
            assert!(error.source().is_none());
        }
        assert_eq!(
            Directory::open_itself(&path).unwrap_err().kind(),
            io::ErrorKind::NotADirectory
        );
        let created = directory.create_new("link", 0o644).unwrap_err();
        assert_eq!(created.kind(), io::ErrorKind::AlreadyExists);
        fs::write(scratch.path().join("new"), "").unwrap();
        assert!(!directory.rename_new("new", &directory, "link").unwrap());
        let (kind, _) = directory.stat("link").unwrap().unwrap();
        assert_eq!(kind, FileKind::Symlink);
        directory.rename("new", &directory, "link").unwrap(); // replaces the link itself
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        directory.remove("link").unwrap();
    }
    assert_eq!(fs::read(outside.path().join("file")).unwrap(), b"outside");
    assert!(!outside.path().join("nothing").exists());
    assert_eq!(fs::read(scratch.path().join("file")).unwrap(), b"text");
}

#[test]
fn a_link_is_followed_by_a_path_of_the_user() {
    let (scratch, directory) = scratch();
    fs::write(scratch.path().join("file"), "text").unwrap();
    symlink("file", scratch.path().join("link")).unwrap();
    symlink(".", scratch.path().join("here")).unwrap();
    wharf_fs::open_regular(scratch.path().join("link")).unwrap();
    let here = Directory::open(scratch.path().join("here")).unwrap();
    assert!(here.is_same(&directory).unwrap());
    // Of a path, the last component alone is looked at.
    wharf_fs::open_regular_itself(scratch.path().join("here/file")).unwrap();
    symlink("circle", scratch.path().join("circle")).unwrap();
    for error in [
        wharf_fs::open_regular(scratch.path().join("circle")).unwrap_err(),
        wharf_fs::open_regular_itself(scratch.path().join("circle/file")).unwrap_err(),
    ] {
        assert_eq!(wrong(&error), None, "{error}");
    }
}

/// A pipe has no other end that would be waited for.
#[test]
fn whatever_is_no_regular_file_is_refused_at_once() {
    let (scratch, directory) = scratch();
    fs::create_dir(scratch.path().join("directory")).unwrap();
    let made = Command::new("mkfifo").arg(scratch.path().join("pipe")).status();
    assert!(made.unwrap().success());
    let _socket = UnixListener::bind(scratch.path().join("socket")).unwrap();
    for (name, kind) in [
        ("directory", FileKind::Directory),
        ("pipe", FileKind::Other),
        ("socket", FileKind::Other),
    ] {
        for error in [
            directory.open_file(name).unwrap_err(),
            wharf_fs::open_regular(scratch.path().join(name)).unwrap_err(),
            wharf_fs::open_regular_itself(scratch.path().join(name)).unwrap_err(),
        ] {
            assert_eq!(wrong(&error), Some(kind), "{name}: {error}");
            assert_eq!(error.to_string(), "it is not a regular file", "{name}");
        }
    }
    for name in ["directory", "pipe", "socket"] {
        assert!(directory.open_existing(name, 0o644).is_err(), "{name}");
        assert!(directory.open_or_create(name, 0o644).is_err(), "{name}");
        assert!(directory.open_file(name).is_err(), "{name}");
        assert!(directory.create_new(name, 0o644).is_err(), "{name}");
    }
    let device = wharf_fs::open_regular("/dev/zero").unwrap_err();
    assert_eq!(wrong(&device), Some(FileKind::Other));
}

#[test]
fn no_directory_is_created_below_a_link_to_nothing() {
    let (scratch, _) = scratch();
    symlink("nothing", scratch.path().join("link")).unwrap();
    let below = scratch.path().join("link/one/two");
    assert!(Directory::create_all(below, 0o755).is_err());
    assert!(!scratch.path().join("nothing").exists());
}
