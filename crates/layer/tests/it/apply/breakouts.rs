//! Layers that try to write outside the root, each in both ways of resolving names. [`Stage::apply`] asserts that
//! nothing outside has changed.

use std::fs;

use wharf_layer::{ApplyOptions, ErrorKind, tar::Member};

use super::{Stage, WAYS, directory, file, hard_link, layer, options, symlink};
use crate::raw::{Raw, archive};

type Members = Vec<(Member, &'static [u8])>;

/// The name of the case, its members, and the tree that is left, or the kind of the error.
type Case = (&'static str, Members, Result<Vec<&'static str>, ErrorKind>);

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    vec![
        (
            "symlink absolute",
            vec![symlink("x", "/etc"), file("x/passwd", "1")],
            Ok(vec!["etc/", "etc/passwd = 1", "x -> /etc"]),
        ),
        (
            "symlink up and out",
            vec![symlink("x", "../outside"), file("x/canary", "1")],
            Ok(vec!["outside/", "outside/canary = 1", "x -> ../outside"]),
        ),
        (
            "symlink up and out, from below",
            vec![
                directory("a"),
                symlink("a/x", "../../outside"),
                file("a/x/canary", "1"),
            ],
            Ok(vec![
                "a/",
                "a/x -> ../../outside",
                "outside/",
                "outside/canary = 1",
            ]),
        ),
        (
            "several symlinks absolute",
            vec![
                symlink("a", "/b"),
                symlink("b", "/../outside"),
                file("a/canary", "1"),
            ],
            Ok(vec![
                "a -> /b",
                "b -> /../outside",
                "outside/",
                "outside/canary = 1",
            ]),
        ),
        (
            "symlink to nothing",
            vec![symlink("x", ""), file("x/a", "1")],
            Err(ErrorKind::Corrupt),
        ),
        (
            "symlink to the root, and a file in it",
            vec![symlink("x", "/"), file("x/a", "1")],
            Ok(vec!["a = 1", "x -> /"]),
        ),
        (
            "symlink to itself",
            vec![symlink("x", "x"), file("x/a", "1")],
            Err(ErrorKind::Corrupt),
        ),
        (
            "symlink overridden by a file",
            vec![symlink("x", "../outside/canary"), file("x", "1")],
            Ok(vec!["x = 1"]),
        ),
        (
            "symlink overridden by a directory",
            vec![symlink("x", "../outside"), directory("x"), file("x/canary", "1")],
            Ok(vec!["x/", "x/canary = 1"]),
        ),
        (
            "directory overridden by a symlink",
            vec![
                directory("x"),
                file("x/a", "1"),
                symlink("x", "../outside"),
                file("x/canary", "2"),
            ],
            Ok(vec!["outside/", "outside/canary = 2", "x -> ../outside"]),
        ),
        (
            "hard link to a symlink",
            vec![
                symlink("x", "../outside/canary"),
                hard_link("y", "x"),
                file("y", "1"),
            ],
            Ok(vec!["x -> ../outside/canary", "y = 1"]),
        ),
        (
            "hard link to a symlink, and through it",
            vec![
                symlink("x", "../outside"),
                hard_link("y", "x"),
                file("y/canary", "1"),
            ],
            Ok(vec![
                "outside/",
                "outside/canary = 1",
                "x -> ../outside",
                "y -> ../outside",
            ]),
        ),
        (
            "hard link through a symlink",
            vec![symlink("x", "../outside"), hard_link("y", "x/canary")],
            Err(ErrorKind::Corrupt),
        ),
        (
            "hard link through an absolute symlink",
            vec![symlink("x", "/proc/self/root/etc"), hard_link("y", "x/passwd")],
            Err(ErrorKind::Corrupt),
        ),
        (
            "hard link to a symlink that is made later",
            vec![hard_link("y", "x"), symlink("x", "../outside/canary")],
            Err(ErrorKind::Corrupt),
        ),
        (
            "hard link absolute",
            vec![hard_link("y", "/etc/passwd")],
            Err(ErrorKind::Corrupt),
        ),
        (
            "symlink as a parent",
            vec![symlink("a", "../outside"), directory("a/b"), file("a/b/c", "1")],
            Ok(vec![
                "a -> ../outside",
                "outside/",
                "outside/b/",
                "outside/b/c = 1",
            ]),
        ),
        (
            "slash at the end of a symlink",
            vec![symlink("x/", "../outside"), file("x/canary", "1")],
            Ok(vec!["outside/", "outside/canary = 1", "x -> ../outside"]),
        ),
        (
            "whiteout through a symlink",
            vec![symlink("x", "../outside"), file("x/.wh.canary", "")],
            Ok(vec!["x -> ../outside"]),
        ),
        (
            "whiteout of a symlink",
            vec![symlink("x", "../outside"), file(".wh.x", "")],
            Ok(vec!["x -> ../outside"]),
        ),
        (
            "opaque through a symlink",
            vec![symlink("x", "../outside"), file("x/.wh..wh..opq", "")],
            Ok(vec!["x -> ../outside"]),
        ),
        (
            "opaque through an absolute symlink",
            vec![symlink("x", "/"), file("x/.wh..wh..opq", "")],
            Ok(vec!["x -> /"]),
        ),
        (
            "whiteout of the root",
            vec![file(".wh..", "")],
            Err(ErrorKind::Invalid),
        ),
        (
            "whiteout of the directory above",
            vec![file(".wh...", "")],
            Err(ErrorKind::Invalid),
        ),
        (
            "whiteout with a parent that is not there",
            vec![file("a/b/.wh.c", "")],
            Ok(vec![]),
        ),
        (
            "the root of the process",
            vec![symlink("x", "/proc/self/root"), file("x/etc/canary", "1")],
            Ok(vec![
                "proc/",
                "proc/self/",
                "proc/self/root/",
                "proc/self/root/etc/",
                "proc/self/root/etc/canary = 1",
                "x -> /proc/self/root",
            ]),
        ),
        (
            "a descriptor of the process",
            vec![symlink("x", "/proc/self/fd/3"), file("x/a", "1")],
            Ok(vec![
                "proc/",
                "proc/self/",
                "proc/self/fd/",
                "proc/self/fd/3/",
                "proc/self/fd/3/a = 1",
                "x -> /proc/self/fd/3",
            ]),
        ),
        (
            "a dot at the end",
            vec![symlink("x", "../outside"), file("x/.", "1")],
            Ok(vec!["x = 1"]),
        ),
        (
            "a directory with a dot at the end",
            vec![
                symlink("x", "../outside"),
                directory("x/."),
                file("x/canary", "1"),
            ],
            Ok(vec!["x/", "x/canary = 1"]),
        ),
        (
            "file, directory, file",
            vec![file("x", "1"), directory("x"), file("x/y", "2"), file("x", "3")],
            Ok(vec!["x = 3"]),
        ),
    ]
}

#[test]
fn nothing_outside_the_root_changes() {
    for way in WAYS {
        for (name, members, expected) in cases() {
            let stage = Stage::new(way);
            let applied = stage.apply(&layer(&members));
            match expected {
                Ok(tree) => {
                    applied.unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert_eq!(stage.tree(), tree, "{name}, {way:?}");
                }
                Err(kind) => assert_eq!(
                    applied.map_err(|error| error.kind()),
                    Err(kind),
                    "{name}, {way:?}"
                ),
            }
        }
    }
}

#[test]
fn the_same_members_as_layers_of_their_own_change_nothing_outside_either() {
    for way in WAYS {
        for (_, members, _) in cases() {
            let stage = Stage::new(way);
            for member in members {
                if stage.apply(&layer(&[member])).is_err() {
                    break;
                }
            }
        }
    }
}

#[test]
fn names_that_lead_out_are_refused_or_brought_back() {
    let names: [&[u8]; 6] = [
        b"../outside/canary",
        b"a/../../outside/canary",
        b"/../outside/canary",
        b"..",
        b"a/..",
        b"./../x",
    ];
    for way in WAYS {
        for name in names {
            let stage = Stage::new(way);
            let tar = archive(&[Raw::file(name).with(b"1")]);
            let refused = stage.apply(&tar).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
            assert_eq!(stage.tree(), Vec::<String>::new());
        }
        let stage = Stage::new(way);
        let lenient: ApplyOptions = options().with_lenient_names(true);
        let tar = archive(&[Raw::file(b"a/../../outside/canary").with(b"1")]);
        stage.apply_with(&tar, &lenient).unwrap();
        assert_eq!(stage.tree(), ["outside/", "outside/canary = 1"]);
        let stage = Stage::new(way);
        stage
            .apply(&archive(&[
                Raw::file(b"/a").with(b"1"),
                Raw::file(b"//./b//c").with(b"2"),
            ]))
            .unwrap();
        assert_eq!(stage.tree(), ["a = 1", "b/", "b/c = 2"]);
        let long = [b"x".repeat(90), b"/".to_vec(), b"y".repeat(9)].concat();
        stage.apply(&archive(&[Raw::file(&long).with(b"3")])).unwrap();
        assert!(fs::read_dir(stage.root()).unwrap().count() == 3);
    }
}
