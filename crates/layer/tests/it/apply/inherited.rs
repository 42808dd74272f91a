//! Attributes that a process and its directories give to new files, and no layer states.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::fs::XattrFlags;
use wharf_layer::{
    ApplyOptions, Devices, Ownership, Root, StagedRoot, apply,
    tar::{Kind, Member},
};

use super::{Stage, WAYS, directory, fifo, file, is_root, layer, options};

const LISTS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];

/// An access list that gives a user of another number all rights.
fn access_list() -> Vec<u8> {
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in [
        (1_u16, 7_u16, u32::MAX),
        (2, 7, 1234),
        (4, 5, u32::MAX),
        (16, 7, u32::MAX),
        (32, 5, u32::MAX),
    ] {
        list.extend(tag.to_le_bytes());
        list.extend(rights.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

/// Gives a directory a default list. False if the file system has none.
fn give_default(path: &Path) -> bool {
    let set = rustix::fs::setxattr(path, LISTS[1], &access_list(), XattrFlags::empty());
    if let Err(error) = set {
        eprintln!("left out: {}: access lists: {error}", path.display());
    }
    set.is_ok()
}

/// The lists that a file has.
fn lists(path: &Path) -> Vec<&'static str> {
    let has = |name: &&str| rustix::fs::lgetxattr(path, *name, &mut [0; 1000]).is_ok();
    LISTS.into_iter().filter(has).collect()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Members of all kinds in a directory.
fn members() -> Vec<(Member, &'static [u8])> {
    let device = Kind::CharacterDevice { major: 1, minor: 3 };
    vec![
        (Member::directory("d/dir").unwrap().with_mode(0o750), b""),
        file("d/dir/file", "1"),
        (Member::file("d/file", 1).unwrap().with_mode(0o604), b"1"),
        (Member::new("d/fifo", Kind::Fifo).unwrap().with_mode(0o604), b""),
        file("d/missing/more/file", "1"),
        (Member::new("d/device", device).unwrap().with_mode(0o604), b""),
    ]
}

const NAMES: [&str; 8] = [
    "dir",
    "dir/file",
    "file",
    "fifo",
    "missing",
    "missing/more",
    "missing/more/file",
    "device",
];

#[test]
fn files_inherit_no_access_list_from_directories_of_lower_layers() {
    for way in WAYS {
        let stage = Stage::new(way);
        stage.apply(&layer(&[directory("d")])).unwrap();
        if !give_default(&stage.root().join("d")) {
            return;
        }
        let options = options().with_devices(Devices::Placeholder);
        stage.apply_with(&layer(&members()), &options).unwrap();
        for name in NAMES {
            let path = stage.root().join("d").join(name);
            assert_eq!(lists(&path), [""; 0], "{way:?}: {name}");
        }
        for (name, expected) in [
            ("dir", 0o750),
            ("file", 0o604),
            ("fifo", 0o604),
            ("missing", 0o755),
        ] {
            assert_eq!(
                mode(&stage.root().join("d").join(name)),
                expected,
                "{way:?}: {name}"
            );
        }
        assert_eq!(lists(&stage.root().join("d")), [LISTS[1]], "its own stays");
    }
}

#[test]
fn a_root_inherits_nothing_from_the_directory_above() {
    let above = tempfile::tempdir().unwrap();
    let group = fs::metadata("/proc/self").unwrap().gid();
    if is_root() {
        std::os::unix::fs::chown(above.path(), None, Some(1234)).unwrap();
    }
    let handed_down = fs::Permissions::from_mode(0o2755);
    fs::set_permissions(above.path(), handed_down).unwrap();
    if !give_default(above.path()) {
        return;
    }
    let tar = layer(&[file("f", "1"), directory("d"), file("d/f", "1"), fifo("p")]);
    let options = ApplyOptions::default().with_ownership(Ownership::Current);
    let new = Root::create(above.path().join("new")).unwrap();
    apply(&new, tar.as_slice(), &options).unwrap();
    let staged = StagedRoot::create(above.path().join("staged")).unwrap();
    apply(staged.root(), tar.as_slice(), &options).unwrap();
    staged.finish().unwrap();
    for root in ["new", "staged"] {
        let root = above.path().join(root);
        assert_eq!(mode(&root), 0o755, "{}", root.display());
        for name in ["", "f", "d", "d/f", "p"] {
            let path = root.join(name);
            assert_eq!(lists(&path), [""; 0], "{name}");
            assert_eq!(fs::symlink_metadata(&path).unwrap().gid(), group, "{name}");
        }
    }
}

#[test]
fn access_lists_that_a_layer_states_are_set_and_not_handed_down() {
    if !is_root() {
        eprintln!("left out: without root, no access lists are taken from layers");
        return;
    }
    let with_lists = |member: Member| {
        let [access, default] = LISTS;
        let member = member.with_xattr(access, access_list());
        if member.name().ends_with(b"f") {
            return member;
        }
        member.with_xattr(default, access_list())
    };
    let stage = Stage::new(super::Way::Kernel);
    if !give_default(&stage.root()) {
        return;
    }
    let tar = layer(&[
        (with_lists(Member::directory("d").unwrap()), b""),
        (with_lists(Member::file("d/f", 1).unwrap()), b"1"),
        file("d/plain", "1"),
    ]);
    stage.apply_with(&tar, &ApplyOptions::default()).unwrap();
    assert_eq!(lists(&stage.root().join("d")), LISTS);
    assert_eq!(lists(&stage.root().join("d/f")), [LISTS[0]]);
    assert_eq!(lists(&stage.root().join("d/plain")), [""; 0]);
}
