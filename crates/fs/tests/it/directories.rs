//! Directories by path and what is named in them.

use std::{
    fs,
    io::{self, Read as _, Write as _},
};

use tempfile::TempDir;
use wharf_fs::{Directory, FileKind};

fn scratch() -> (TempDir, Directory) {
    let scratch = tempfile::tempdir().unwrap();
    let directory = Directory::open(scratch.path()).unwrap();
    (scratch, directory)
}

fn write(directory: &Directory, name: &str, text: &str) {
    let mut file = directory.create_new(name, 0o644).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn read(directory: &Directory, name: &str) -> String {
    let mut text = String::new();
    let mut file = directory.open_file(name).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_name_is_one_component_in_every_call() {
    let (scratch, outer) = scratch();
    write(&outer, "outside", "outside");
    let inner = outer.make_directory("inner", 0o755).unwrap();
    write(&inner, "file", "inside");
    inner.make_directory("below", 0o755).unwrap();
    let absolute = scratch.path().join("outside");
    for name in [
        "",
        ".",
        "..",
        "/",
        "../outside",
        "./file",
        "file/",
        "below/",
        "below/file",
        "below/..",
        absolute.to_str().unwrap(),
    ] {
        let refused = [
            inner.directory(name).err(),
            inner.make_directory(name, 0o755).err(),
            inner.open_file(name).err(),
            inner.open_or_create(name, 0o644).err(),
            inner.open_existing(name, 0o644).err(),
            inner.create_new(name, 0o644).err(),
            inner.stat(name).err(),
            inner.rename(name, &outer, "new").err(),
            inner.rename("file", &outer, name).err(),
            inner.rename_new(name, &outer, "new").err(),
            inner.rename_new("file", &outer, name).err(),
            inner.exchange(name, "file").err(),
            inner.exchange("file", name).err(),
            inner.remove(name).err(),
        ];
        for (call, error) in refused.into_iter().enumerate() {
            let kind = error.map(|error| error.kind());
            assert_eq!(kind, Some(io::ErrorKind::InvalidInput), "{name:?}, call {call}");
        }
    }
    assert_eq!(read(&outer, "outside"), "outside");
    assert_eq!(read(&inner, "file"), "inside");
    let mut names = inner.names().unwrap();
    names.sort();
    assert_eq!(names, ["below", "file"]);
}

#[test]
fn a_file_that_is_not_there_is_told_apart_from_an_error() {
    let (_scratch, directory) = scratch();
    for refused in [
        directory.directory("x").err(),
        directory.open_file("x").err(),
        directory.open_existing("x", 0o644).err(),
        directory.rename("x", &directory, "y").err(),
        Directory::open(directory.path().join("x")).err(),
        Directory::open_itself(directory.path().join("x")).err(),
        wharf_fs::open_regular(directory.path().join("x")).err(),
        wharf_fs::open_regular_itself(directory.path().join("x")).err(),
    ] {
        assert_eq!(refused.map(|error| error.kind()), Some(io::ErrorKind::NotFound));
    }
    assert_eq!(directory.stat("x").unwrap(), None);
    directory.remove("x").unwrap();
    assert!(directory.names().unwrap().is_empty());
}

#[test]
fn a_directory_is_created_with_its_parents_and_again() {
    let (scratch, _) = scratch();
    let path = scratch.path().join("one/two/three");
    for _ in 0..2 {
        Directory::create_all(&path, 0o700).unwrap();
        assert!(path.is_dir());
    }
    fs::write(scratch.path().join("file"), "").unwrap();
    assert!(Directory::create_all(scratch.path().join("file/below"), 0o700).is_err());
    assert!(Directory::create_all("", 0o700).is_err());
    // What is there is left; what it is shows when it is opened.
    Directory::create_all(scratch.path().join("file"), 0o700).unwrap();
    for opened in [
        Directory::open(scratch.path().join("file")),
        Directory::open_itself(scratch.path().join("file")),
    ] {
        assert_eq!(opened.unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }
}

#[test]
fn a_file_is_created_once_and_opened_or_created_any_time() {
    let (_scratch, directory) = scratch();
    write(&directory, "file", "text");
    let again = directory.create_new("file", 0o644).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    let mut text = String::new();
    let mut file = directory.open_or_create("file", 0o644).unwrap();
    file.read_to_string(&mut text).unwrap();
    file.write_all(b" and more").unwrap();
    assert_eq!(text, "text");
    assert_eq!(read(&directory, "file"), "text and more");
    drop(directory.open_or_create("new", 0o644).unwrap());
    assert_eq!(read(&directory, "new"), "");
    let mut file = directory.open_existing("new", 0o644).unwrap();
    file.write_all(b"written").unwrap();
    assert_eq!(read(&directory, "new"), "written");
}

#[test]
fn a_read_only_file_is_opened_for_writing_again() {
    let (_scratch, directory) = scratch();
    for name in ["one", "other"] {
        let file = directory.create_new(name, 0o644).unwrap();
        wharf_fs::set_read_only(&file).unwrap();
        assert!(file.metadata().unwrap().permissions().readonly());
    }
    let mut one = directory.open_or_create("one", 0o600).unwrap();
    one.write_all(b"1").unwrap();
    let mut other = directory.open_existing("other", 0o600).unwrap();
    other.write_all(b"2").unwrap();
    assert_eq!(read(&directory, "one"), "1");
    assert_eq!(read(&directory, "other"), "2");
}

#[test]
fn a_rename_replaces_and_a_rename_to_a_new_name_never_does() {
    let (_scratch, directory) = scratch();
    let below = directory.make_directory("below", 0o755).unwrap();
    write(&directory, "one", "1");
    write(&directory, "two", "2");
    assert!(!directory.rename_new("one", &directory, "two").unwrap());
    assert!(!directory.rename_new("one", &directory, "below").unwrap());
    assert_eq!(read(&directory, "one"), "1");
    assert_eq!(read(&directory, "two"), "2");
    assert!(directory.rename_new("one", &below, "new").unwrap());
    assert_eq!(read(&below, "new"), "1");
    assert_eq!(directory.stat("one").unwrap(), None);
    below.rename("new", &directory, "two").unwrap();
    assert_eq!(read(&directory, "two"), "1");
    assert!(below.names().unwrap().is_empty());
    directory.remove("two").unwrap();
    assert_eq!(directory.stat("two").unwrap(), None);
}

#[test]
fn two_directories_are_exchanged_or_left_as_they_are() {
    let (_scratch, directory) = scratch();
    for name in ["one", "two"] {
        write(&directory.make_directory(name, 0o755).unwrap(), "name", name);
    }
    let exchanged = directory.exchange("one", "two").unwrap();
    let one = read(&directory.directory("one").unwrap(), "name");
    assert_eq!(one, if exchanged { "two" } else { "one" });
    assert!(directory.directory("two").is_ok());
}

#[test]
fn kinds_and_names_are_those_of_the_directory() {
    let (scratch, directory) = scratch();
    write(&directory, "file", "text");
    directory.make_directory("directory", 0o755).unwrap();
    directory.make_directory("directory", 0o755).unwrap();
    let kind = |name: &str| directory.stat(name).unwrap().map(|(kind, _)| kind);
    assert_eq!(kind("file"), Some(FileKind::File));
    assert_eq!(kind("directory"), Some(FileKind::Directory));
    let file = directory.directory("file").unwrap_err();
    assert_eq!(file.kind(), io::ErrorKind::NotADirectory);
    assert!(directory.make_directory("file", 0o755).is_err());
    let mut names = directory.names().unwrap();
    names.sort();
    assert_eq!(names, ["directory", "file"]);
    assert_eq!(directory.path(), scratch.path());
    assert_eq!(
        directory.directory("directory").unwrap().path(),
        scratch.path().join("directory")
    );
    directory.sync().unwrap();
}

#[test]
fn a_directory_is_the_same_by_any_path() {
    let (scratch, directory) = scratch();
    let below = directory.make_directory("below", 0o755).unwrap();
    let roundabout = Directory::open(scratch.path().join("below/..")).unwrap();
    assert!(directory.is_same(&roundabout).unwrap());
    assert!(!directory.is_same(&below).unwrap());
    assert!(!directory.is_foreign().unwrap());
    assert!(!below.is_mount_point(&directory).unwrap());
}

#[cfg(all(target_os = "linux", not(wharf_portable_fs)))]
#[test]
fn a_mount_point_is_found() {
    let root = Directory::open("/").unwrap();
    let mounted = root.directory("proc").unwrap();
    assert!(mounted.is_mount_point(&root).unwrap());
}

#[cfg(all(unix, not(wharf_portable_fs)))]
#[test]
fn modes_are_those_that_were_asked_for() {
    use std::os::unix::fs::PermissionsExt as _;

    let (scratch, directory) = scratch();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    // Without bits that a umask takes away.
    Directory::create_all(scratch.path().join("one/two"), 0o700).unwrap();
    let below = directory.make_directory("below", 0o500).unwrap();
    let file = directory.create_new("file", 0o400).unwrap();
    drop(directory.open_or_create("other", 0o600).unwrap());
    for (name, expected) in [
        ("one/two", 0o700),
        ("below", 0o500),
        ("file", 0o400),
        ("other", 0o600),
    ] {
        assert_eq!(mode(&scratch.path().join(name)), expected, "{name}");
    }
    assert_eq!(mode(&scratch.path().join("one")) & 0o700, 0o700);
    wharf_fs::set_read_only(&file).unwrap();
    assert_eq!(mode(&scratch.path().join("file")), 0o444);
    let two = directory.directory("one").unwrap().directory("two").unwrap();
    two.copy_mode_from(&below).unwrap();
    assert_eq!(mode(&scratch.path().join("one/two")), 0o500);
}

/// A handle stays with its directory, whatever takes its path.
#[cfg(all(unix, not(wharf_portable_fs)))]
#[test]
fn a_directory_that_is_swapped_for_a_link_leads_nowhere() {
    let (scratch, outer) = scratch();
    let inner = outer.make_directory("inner", 0o755).unwrap();
    let outside = outer.make_directory("outside", 0o755).unwrap();
    outer.rename("inner", &outer, "moved").unwrap();
    std::os::unix::fs::symlink("outside", scratch.path().join("inner")).unwrap();
    write(&inner, "file", "text");
    inner.make_directory("below", 0o755).unwrap();
    assert!(outside.names().unwrap().is_empty());
    assert_eq!(read(&outer.directory("moved").unwrap(), "file"), "text");
    assert!(!inner.is_same(&outside).unwrap());
}
