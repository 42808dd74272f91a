//! Roots that are only read, and those on file systems that are full or read-only.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use wharf_layer::{
    ApplyOptions, DiffOptions, Error, ErrorKind, IdRange, Ownership, Root, Snapshot, StagedRoot, apply, diff,
    tar::Member,
};

use super::{assert_fails, directory, file, layer, mounts::Mounted, options};

#[test]
fn a_root_that_is_read_does_not_change() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("root");
    fs::create_dir(&path).unwrap();
    fs::File::open(&path)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    let times = || {
        let metadata = fs::metadata(&path).unwrap();
        (metadata.mtime(), metadata.ctime(), metadata.ctime_nsec())
    };
    let before = times();
    let root = Root::open(&path).unwrap();
    let snapshot = Snapshot::of(&root).unwrap();
    let options = DiffOptions::default().with_ownership(Ownership::Current);
    let diffed = diff(&snapshot, &root, &options, Vec::new()).unwrap();
    assert_eq!(diffed.members, 0);
    Root::create(&path).unwrap();
    assert_eq!(times(), before);
}

/// A small file system, and the path of a root in it. `None`, with a reason, if this process may not mount.
fn small(options: &str) -> Option<(tempfile::TempDir, Mounted, PathBuf)> {
    let temporary = tempfile::tempdir().unwrap();
    let at = temporary.path().join("small");
    let Some(mounted) = Mounted::new(&["-t", "tmpfs", "-o", options, "none"], at.clone()) else {
        eprintln!("left out: this process may not mount");
        return None;
    };
    Some((temporary, mounted, at.join("root")))
}

fn staged(path: &Path, tar: &[u8]) -> Result<(), Error> {
    let staged = StagedRoot::create(path)?;
    apply(staged.root(), tar, &options())?;
    staged.finish()
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_full_file_system_is_told_and_what_fits_can_be_unpacked_afterwards() {
    const LARGE: usize = 1 << 20;
    let content = vec![1; LARGE];
    let large = layer(&[
        directory("d"),
        (Member::file("d/large", LARGE as u64).unwrap(), content.as_slice()),
    ]);
    let many: Vec<String> = (0..100).map(|number| format!("d/f{number}")).collect();
    let many: Vec<_> = many
        .iter()
        .map(|name| (Member::file(name.as_str(), 0).unwrap(), &b""[..]))
        .collect();
    let many = layer(&many);
    let little = layer(&[file("d/little", "1")]);
    for (options, too_much, member) in [
        ("size=256k", &large, "\"d/large\""),
        ("nr_inodes=40", &many, "\"d/f"),
    ] {
        let Some((_temporary, _mounted, path)) = small(options) else {
            return;
        };
        let above = path.parent().unwrap();
        assert_fails(staged(&path, too_much), ErrorKind::NoSpace, member);
        assert_eq!(count(above), 0, "{options}: nothing is left");
        staged(&path, &little).unwrap();
        fs::remove_dir_all(&path).unwrap();

        let root = Root::create(&path).unwrap();
        let error = apply(&root, too_much.as_slice(), &super::options());
        assert_fails(error, ErrorKind::NoSpace, member);
        fs::remove_dir_all(&path).unwrap();
        apply(
            &Root::create(&path).unwrap(),
            little.as_slice(),
            &super::options(),
        )
        .unwrap();
    }
}

#[test]
fn a_read_only_file_system_is_an_error_and_not_changed() {
    let Some((_temporary, _mounted, path)) = small("size=256k") else {
        return;
    };
    let above = path.parent().unwrap();
    for empty in ["empty", "root-of-lower-layers"] {
        fs::create_dir(above.join(empty)).unwrap();
    }
    let remounted = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(above)
        .status();
    assert!(remounted.unwrap().success());
    let tar = layer(&[file("f", "1")]);
    for path in [path.clone(), above.join("empty")] {
        assert_fails(staged(&path, &tar), ErrorKind::Storage, "Read-only file system");
    }
    assert_fails(Root::create(&path), ErrorKind::Storage, "Read-only file system");
    let lower = Root::open(above.join("root-of-lower-layers")).unwrap();
    let error = apply(&lower, tar.as_slice(), &options());
    assert_fails(error, ErrorKind::Storage, "\"f\"");
    assert_eq!(count(above), 2);
}

#[test]
fn ids_that_do_not_map_are_named_and_leave_no_root() {
    let temporary = tempfile::tempdir().unwrap();
    let range = |inside, count| IdRange::new(inside, 100_000, count).unwrap();
    let map = |users, groups| Ownership::Map { users, groups };
    let member = |uid, gid| layer(&[(Member::file("f", 0).unwrap().with_owner(uid, gid), b"")]);
    for (ownership, tar, words) in [
        (
            map(vec![range(0, 10)], vec![range(0, 10)]),
            member(10, 0),
            "user 10 ",
        ),
        (
            map(vec![range(0, 10)], vec![range(0, 10)]),
            member(9, 11),
            "group 11 ",
        ),
        (
            map(vec![range(5, 10)], vec![range(0, 10)]),
            member(4, 0),
            "user 4 ",
        ),
        (map(vec![], vec![]), member(0, 0), "user 0 "),
        (
            map(vec![range(1, 10)], vec![range(0, 10)]),
            layer(&[(Member::file("missing/f", 0).unwrap().with_owner(1, 1), b"")]),
            "user 0 ",
        ),
        (Ownership::Keep, member(u64::from(u32::MAX), 0), "user 4294967295"),
        (Ownership::Keep, member(0, (1 << 32) + 1), "group 4294967297"),
        (Ownership::Record, member(1 << 40, 0), "user 1099511627776"),
    ] {
        let staged = StagedRoot::create(temporary.path().join("root")).unwrap();
        let options = ApplyOptions::default().with_ownership(ownership);
        let error = apply(staged.root(), tar.as_slice(), &options);
        assert_fails(error, ErrorKind::Invalid, words);
        drop(staged);
        assert_eq!(count(temporary.path()), 0, "{words}");
    }
}
