use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use wharf_layer::{ErrorKind, tar::Member};

use super::{Stage, WAYS, assert_fails, directory, file, hard_link, layer, symlink};

fn lower() -> Vec<u8> {
    layer(&[
        directory("d"),
        file("d/a", "1"),
        file("d/e/b", "2"),
        file("d/e/f/c", "3"),
        file("other", "4"),
        symlink("link", "d"),
    ])
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn whiteouts_hide_what_lower_layers_have_wherever_they_stand() {
    type Members = Vec<(Member, &'static [u8])>;
    let all = [
        "d/",
        "d/a = 1",
        "d/e/",
        "d/e/b = 2",
        "d/e/f/",
        "d/e/f/c = 3",
        "link -> d",
        "other = 4",
    ];
    let cases: Vec<(&str, Members, Vec<&str>)> = vec![
        (
            "a file",
            vec![file("d/.wh.a", "")],
            [&all[..1], &all[2..]].concat(),
        ),
        (
            "a directory",
            vec![file(".wh.d", "")],
            vec!["link -> d", "other = 4"],
        ),
        (
            "nothing",
            vec![
                file("d/.wh.missing", ""),
                file("missing/.wh.x", ""),
                file("other/.wh.x", ""),
            ],
            all.to_vec(),
        ),
        (
            "a symbolic link",
            vec![file(".wh.link", "")],
            [&all[..6], &all[7..]].concat(),
        ),
        (
            "through a symbolic link",
            vec![file("link/.wh.a", "")],
            [&all[..1], &all[2..]].concat(),
        ),
        (
            "before the file",
            vec![file("d/.wh.a", ""), file("d/a", "new")],
            [&["d/", "d/a = new"], &all[2..]].concat(),
        ),
        (
            "after the file",
            vec![file("d/a", "new"), file("d/.wh.a", "")],
            [&["d/", "d/a = new"], &all[2..]].concat(),
        ),
        (
            "a directory that the layer writes into",
            vec![file("d/e/new", "5"), file(".wh.d", "")],
            vec!["d/", "d/e/", "d/e/new = 5", "link -> d", "other = 4"],
        ),
        (
            "a directory that the layer states",
            vec![directory("d/e"), file("d/.wh.e", "")],
            vec!["d/", "d/a = 1", "d/e/", "link -> d", "other = 4"],
        ),
        (
            "opaque",
            vec![file("d/.wh..wh..opq", "")],
            vec!["d/", "link -> d", "other = 4"],
        ),
        (
            "opaque after a file",
            vec![file("d/e/new", "5"), file("d/.wh..wh..opq", "")],
            vec!["d/", "d/e/", "d/e/new = 5", "link -> d", "other = 4"],
        ),
        (
            "opaque after a file, through a symbolic link",
            vec![file("link/new", "5"), file("d/.wh..wh..opq", "")],
            vec!["d/", "d/new = 5", "link -> d", "other = 4"],
        ),
        (
            "opaque before a file",
            vec![file("d/e/.wh..wh..opq", ""), file("d/e/f/new", "5")],
            vec![
                "d/",
                "d/a = 1",
                "d/e/",
                "d/e/f/",
                "d/e/f/new = 5",
                "link -> d",
                "other = 4",
            ],
        ),
        (
            "the root is opaque",
            vec![file("new", "5"), file(".wh..wh..opq", "")],
            vec!["new = 5"],
        ),
        (
            "opaque of what is not there",
            vec![file("x/.wh..wh..opq", "")],
            all.to_vec(),
        ),
        (
            "opaque in a directory that the layer makes",
            vec![directory("n"), file("n/a", "5"), file("n/.wh..wh..opq", "")],
            [&all[..7], &["n/", "n/a = 5", "other = 4"]].concat(),
        ),
        (
            "a lower file that the layer links to",
            vec![hard_link("d/new", "d/a"), file("d/.wh..wh..opq", "")],
            vec!["d/", "d/new = 1", "link -> d", "other = 4"],
        ),
        (
            "of a directory as the type of the whiteout",
            vec![directory("d/.wh.a")],
            [&all[..1], &all[2..]].concat(),
        ),
        (
            "with content",
            vec![file("d/.wh.a", "ignored")],
            [&all[..1], &all[2..]].concat(),
        ),
        (
            "reserved names",
            vec![file(".wh..wh.orph/x", ""), directory(".wh..wh.plnk")],
            all.to_vec(),
        ),
    ];
    for way in WAYS {
        for (case, members, expected) in &cases {
            let stage = Stage::new(way);
            stage.apply(&lower()).unwrap();
            stage
                .apply(&layer(members))
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(stage.tree(), *expected, "{case}, {way:?}");
        }
    }
}

#[test]
fn whiteouts_of_nothing_and_of_directories_above_are_errors() {
    for way in WAYS {
        for name in [".wh.", "d/.wh.", ".wh..", ".wh...", "d/.wh..", "d/.wh..."] {
            let stage = Stage::new(way);
            stage.apply(&lower()).unwrap();
            let before = stage.tree();
            assert_fails(
                stage.apply(&layer(&[file(name, "")])),
                ErrorKind::Invalid,
                "must name a file",
            );
            assert_eq!(stage.tree(), before, "{name}");
        }
        let stage = Stage::new(way);
        assert_fails(
            stage.apply(&layer(&[file(".wh.d/a", "")])),
            ErrorKind::Invalid,
            "only a whiteout may",
        );
    }
}

#[test]
fn whiteouts_and_reserved_names_are_counted() {
    let stage = Stage::new(super::Way::Kernel);
    let members = [
        file(".wh.x", ""),
        file("a/.wh..wh..opq", ""),
        file(".wh..wh.aufs", ""),
        file("b", "1"),
    ];
    let applied = stage.apply(&layer(&members)).unwrap();
    assert_eq!((applied.members, applied.whiteouts, applied.bytes), (4, 2, 1));
    assert_eq!(applied.dropped.len(), 1);
    assert_eq!(
        applied.dropped[0].to_string(),
        "\".wh..wh.aufs\": names with .wh..wh. are reserved"
    );
}

#[test]
fn a_directory_deeper_than_descriptors_and_names_is_removed() {
    let stage = Stage::new(super::Way::Kernel);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory = open(stage.root(), flags, Mode::empty()).unwrap();
    for _ in 0..4000 {
        mkdirat(&directory, "x", Mode::RWXU).unwrap();
        directory = openat(&directory, "x", flags, Mode::empty()).unwrap();
    }
    stage.apply(&layer(&[file(".wh.x", "")])).unwrap();
    assert_eq!(stage.tree(), Vec::<String>::new());
}

#[test]
fn in_a_tar_that_is_no_layer_whiteouts_are_files() {
    for way in WAYS {
        let stage = Stage::new(way);
        stage.apply(&layer(&[file("d/a", "1")])).unwrap();
        let members = [
            file("d/.wh.a", "2"),
            file("d/.wh..wh..opq", "3"),
            file(".wh..wh.plnk", "4"),
            file("d/.wh./b", "5"),
            file(".wh.", "6"),
        ];
        let applied = stage
            .apply_with(&layer(&members), &super::options().with_plain_tar(true))
            .unwrap();
        assert_eq!((applied.whiteouts, applied.dropped_total), (0, 0));
        let expected = [
            ".wh. = 6",
            ".wh..wh.plnk = 4",
            "d/",
            "d/.wh./",
            "d/.wh./b = 5",
            "d/.wh..wh..opq = 3",
            "d/.wh.a = 2",
            "d/a = 1",
        ];
        assert_eq!(stage.tree(), expected);
    }
}
