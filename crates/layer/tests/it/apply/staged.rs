//! Roots that appear when they are whole.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use wharf_layer::{ErrorKind, StagedRoot, apply, tar::Member};

use super::{file, is_root, layer, options};

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

/// The path of the hidden directory of a root.
fn hidden(directory: &Path, root: &str) -> PathBuf {
    let _staged = StagedRoot::create(directory.join(root)).unwrap();
    let names = names(directory);
    let mut hidden = names.iter().filter(|name| name.starts_with(".wharf-unpack-"));
    let found = directory.join(hidden.next().unwrap());
    assert_eq!(hidden.next(), None);
    found
}

#[test]
fn what_a_killed_process_has_left_is_removed_by_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rootfs");
    let hidden = hidden(directory.path(), "rootfs");
    let moved = PathBuf::from(format!("{}-root", hidden.display()));
    for half in [hidden.join("root"), moved] {
        fs::create_dir_all(half.join("etc/closed")).unwrap();
        fs::write(half.join("etc/closed/file"), "half").unwrap();
        for closed in ["etc/closed", "etc", ""] {
            fs::set_permissions(half.join(closed), fs::Permissions::from_mode(0o000)).unwrap();
        }
    }
    let other = directory.path().join(".wharf-unpack-of-another");
    fs::create_dir(&other).unwrap();
    let staged = StagedRoot::create(&path).unwrap();
    assert!(names(&hidden.join("root")).is_empty());
    apply(staged.root(), layer(&[file("new", "1")]).as_slice(), &options()).unwrap();
    staged.finish().unwrap();
    assert_eq!(names(directory.path()), [".wharf-unpack-of-another", "rootfs"]);
    assert_eq!(names(&path), ["new"]);
}

#[test]
fn one_process_at_a_time_unpacks_to_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rootfs");
    let first = StagedRoot::create(&path).unwrap();
    apply(first.root(), layer(&[file("first", "1")]).as_slice(), &options()).unwrap();
    let error = StagedRoot::create(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("another process"), "{error}");
    StagedRoot::create(directory.path().join("other"))
        .unwrap()
        .finish()
        .unwrap();
    first.finish().unwrap();
    assert_eq!(names(directory.path()), ["other", "rootfs"]);
    assert_eq!(names(&path), ["first"]);
}

#[test]
fn a_hidden_name_that_is_no_directory_of_this_user_is_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rootfs");
    let hidden = hidden(directory.path(), "rootfs");
    let target = directory.path().join("target");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("file"), "1").unwrap();
    let mut makes: Vec<fn(&Path)> = vec![|hidden| fs::write(hidden, "").unwrap(), |hidden| {
        symlink("target", hidden).unwrap();
    }];
    if is_root() {
        makes.push(|hidden| {
            fs::create_dir(hidden).unwrap();
            std::os::unix::fs::chown(hidden, Some(1234), None).unwrap();
        });
    }
    for make in makes {
        make(&hidden);
        let before = names(directory.path());
        let error = StagedRoot::create(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.to_string().contains("remove it"), "{error}");
        assert_eq!(names(directory.path()), before);
        assert_eq!(names(&target), ["file"]);
        let _ = fs::remove_file(&hidden).or_else(|_| fs::remove_dir(&hidden));
    }
}

#[test]
fn the_longest_name_of_a_root_is_staged() {
    let directory = tempfile::tempdir().unwrap();
    let name = "n".repeat(255);
    StagedRoot::create(directory.path().join(&name))
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(names(directory.path()), [name]);
}
