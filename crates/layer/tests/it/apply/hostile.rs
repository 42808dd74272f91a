use std::{
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink as link},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use wharf_layer::{ErrorKind, tar::Limits};
use wharf_testkit::campaign;

use super::{Stage, WAYS, assert_fails, file, layer, options};

#[test]
fn a_thread_that_swaps_directories_for_links_changes_nothing_outside() {
    let rounds = campaign::number("WHARF_SWAPS").unwrap_or(100);
    let members: Vec<_> = (0..20)
        .map(|n| file(Box::leak(format!("a/b/f{n}").into_boxed_str()), "1"))
        .collect();
    let mut tar = vec![
        file("a/.wh.canary", ""),
        file("a/b/canary", "2"),
        file("a/.wh..wh..opq", ""),
    ];
    tar.extend(members);
    let tar = layer(&tar);
    for way in WAYS {
        let stage = Stage::new(way);
        let (root, outside, stop) = (stage.root(), stage.outside(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Each may fail: the other side removes and makes the same names.
                    let _ = fs::rename(root.join("a"), root.join("kept"));
                    let _ = link(&outside, root.join("a"));
                    let _ = fs::remove_file(root.join("a"));
                    let _ = fs::rename(root.join("kept"), root.join("a"));
                    let _ = fs::rename(root.join("a/b"), root.join("b"));
                    let _ = link("../../outside", root.join("a/b"));
                    let _ = fs::remove_file(root.join("a/b"));
                    let _ = fs::remove_dir_all(root.join("b"));
                }
            });
            let mut applied = 0;
            for _ in 0..rounds {
                applied += u64::from(stage.apply(&tar).is_ok());
            }
            stop.store(true, Ordering::Relaxed);
            println!("{way:?}: {applied} of {rounds} layers were applied to the end");
        });
    }
}

#[test]
fn a_root_that_is_removed_meanwhile_is_an_error() {
    let stage = Stage::new(super::Way::Kernel);
    let root = stage.opened();
    fs::remove_dir(stage.root()).unwrap();
    let applied = wharf_layer::apply(&root, layer(&[file("a/b", "1")]).as_slice(), &options());
    assert_fails(applied, ErrorKind::NotFound, "\"a/b\"");
    fs::create_dir(stage.root()).unwrap();
    assert_eq!(
        stage.tree(),
        Vec::<String>::new(),
        "the new one of the name is another root"
    );
}

#[test]
fn names_need_not_be_text() {
    let stage = Stage::new(super::Way::Walk);
    let name = b"\xff\xfe/\x01\n\"".as_slice();
    let member = wharf_layer::tar::Member::file(name, 1).unwrap();
    stage.apply(&layer(&[(member, b"1")])).unwrap();
    let path = stage.root().join(std::ffi::OsStr::from_bytes(name));
    assert_eq!(fs::read(path).unwrap(), b"1");
}

#[test]
fn limits_of_the_tar_are_limits_here() {
    let tar = layer(&[file("a", "1"), file("b", "2")]);
    let few = options().with_limits(Limits::default().with_members(1));
    assert_fails(
        Stage::new(super::Way::Kernel).apply_with(&tar, &few),
        ErrorKind::TooLarge,
        "`members`",
    );
}
