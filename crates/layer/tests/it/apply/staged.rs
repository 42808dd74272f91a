//! Roots that appear when they are whole.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use wharf_layer::{ErrorKind, StagedRoot, apply, tar::Member};

use super::{file, layer, options};

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A layer whose directories nobody may write to, the root among them.
fn closed() -> Vec<u8> {
    let directory = |name, mode| (Member::directory(name).unwrap().with_mode(mode), &b""[..]);
    layer(&[
        directory(".", 0o555),
        directory("etc", 0o555),
        file("etc/hello", "world"),
        directory("closed", 0o000),
        file("closed/file", "1"),
    ])
}

#[test]
fn a_root_appears_at_its_path_when_it_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rootfs");
    let staged = StagedRoot::create(&path).unwrap();
    let hidden = names(directory.path());
    let [hidden] = hidden.as_slice() else {
        panic!("one hidden directory: {hidden:?}")
    };
    assert!(hidden.starts_with(".wharf-unpack-"), "{hidden}");
    assert_eq!(
        fs::metadata(directory.path().join(hidden)).unwrap().mode() & 0o777,
        0o700
    );
    apply(staged.root(), closed().as_slice(), &options()).unwrap();
    assert!(!path.exists());
    staged.finish().unwrap();
    assert_eq!(names(directory.path()), ["rootfs"]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o555);
    assert_eq!(fs::read(path.join("etc/hello")).unwrap(), b"world");
    for closed in ["", "etc", "closed"] {
        fs::set_permissions(path.join(closed), fs::Permissions::from_mode(0o755)).unwrap(); // to be removed
    }
}

#[test]
fn a_root_that_is_not_finished_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let staged = StagedRoot::create(directory.path().join("rootfs")).unwrap();
    apply(staged.root(), closed().as_slice(), &options()).unwrap();
    drop(staged);
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn an_empty_directory_is_replaced_and_everything_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("empty")).unwrap();
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/file"), "").unwrap();
    fs::write(at("file"), "").unwrap();
    symlink("empty", at("link")).unwrap();
    symlink("nothing", at("dangling")).unwrap();
    let before = names(directory.path());
    for (path, kind) in [
        (at("full"), ErrorKind::Conflict),
        (at("file"), ErrorKind::Invalid),
        (at("link"), ErrorKind::Invalid),
        (at("dangling"), ErrorKind::Invalid),
        (at("missing/rootfs"), ErrorKind::NotFound),
        (at("file/rootfs"), ErrorKind::Storage),
        (at("empty/.."), ErrorKind::Invalid),
        (Path::new("/").to_owned(), ErrorKind::Invalid),
    ] {
        let error = StagedRoot::create(&path).unwrap_err();
        assert_eq!(error.kind(), kind, "{}: {error}", path.display());
        assert_eq!(names(directory.path()), before, "{}", path.display());
    }
    StagedRoot::create(at("empty")).unwrap().finish().unwrap();
    assert_eq!(names(directory.path()), before);
}

#[test]
fn a_path_that_was_taken_meanwhile_is_a_conflict() {
    for make in [
        (|path| fs::write(path, "").unwrap()) as fn(&Path),
        |path| symlink("elsewhere", path).unwrap(),
        |path| {
            fs::create_dir(path).unwrap();
            fs::write(path.join("theirs"), "").unwrap();
        },
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rootfs");
        let staged = StagedRoot::create(&path).unwrap();
        make(&path);
        let error = staged.finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(
            names(directory.path()),
            ["rootfs"],
            "what was unpacked is gone, theirs is not"
        );
    }
}
