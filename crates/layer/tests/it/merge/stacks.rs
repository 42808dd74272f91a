use wharf_layer::{
    DifferenceKind, Merged,
    tar::{Kind, Member, Time},
};

use super::{Case, Part, directory, file, flat, hard_link, layer, lines, merged, symlink};

#[test]
fn a_hard_link_keeps_its_file_when_another_name_is_replaced_later() {
    // go-containerregistry#2002: t3 had the content of the new t1.
    let stack = [
        vec![file("t2", "123")],
        vec![hard_link("t1", "t2"), hard_link("t3", "t2")],
        vec![file("t1", "456")],
    ];
    assert_eq!(lines(&stack), ["t2 = 123", "t3 == t2", "t1 = 456"]);
}

#[test]
fn a_directory_that_was_removed_and_made_again_has_only_its_new_files() {
    // go-containerregistry#2029: test/hello.txt was there again.
    let stack = [
        vec![directory("test"), file("test/hello.txt", "1")],
        vec![file(".wh.test", "")],
        vec![directory("test")],
        vec![file("test/hello2.txt", "2")],
    ];
    assert_eq!(lines(&stack), ["test/", "test/hello2.txt = 2"]);
}

#[test]
fn absolute_symbolic_links_stay() {
    // go-containerregistry#2238: they were dropped.
    let stack = [
        vec![
            directory("usr/lib64"),
            symlink("lib64", "/usr/lib64"),
            symlink("up", "../../x"),
        ],
        vec![file("lib64/ld.so", "1")],
    ];
    let expected = [
        "lib64 -> /usr/lib64",
        "up -> ../../x",
        "usr/",
        "usr/lib64/",
        "usr/lib64/ld.so = 1",
    ];
    assert_eq!(lines(&stack), expected);
}

#[test]
fn a_member_for_the_root_is_the_root() {
    // go-containerregistry#2399: "unsafe tar path".
    let root = Member::directory("./").unwrap().with_mode(0o700);
    let stack = [layer(&[(root.clone(), ""), file("./a", "1")]), layer(&[])];
    let flat = flat(&stack);
    assert_eq!(super::members(&flat), ["./", "a = 1"]);
    let again = merged(&[flat]);
    assert_eq!(again.entries().next().unwrap().member().unwrap(), root);
}

#[test]
fn whiteouts_of_a_single_layer_are_not_written() {
    // go-containerregistry#1623: an image of one layer was copied as it was.
    let stack = [vec![
        directory("root"),
        file("root/.wh..wh..opq", ""),
        file(".wh.nothing", ""),
        file(".wh..wh.plnk", ""),
        file("root/a", "1"),
    ]];
    assert_eq!(lines(&stack), ["root/", "root/a = 1"]);
}

#[track_caller]
fn assert_merged(cases: &[Case<'_>]) {
    for (name, stack, expected) in cases {
        let stack: Vec<Vec<Part>> = stack.iter().map(|layer| layer.to_vec()).collect();
        assert_eq!(lines(&stack), *expected, "{name}");
    }
}

#[test]
fn stacks_are_merged_as_they_are_applied() {
    assert_merged(&[
        ("nothing", &[], &[]),
        ("an empty layer", &[&[]], &[]),
        (
            "a file over a directory",
            &[&[file("d/a/b", "1")], &[file("d", "2")]],
            &["d = 2"],
        ),
        (
            "a directory over a file",
            &[&[file("d", "1")], &[directory("d"), file("d/a", "2")]],
            &["d/", "d/a = 2"],
        ),
        (
            "a directory over a symbolic link",
            &[
                &[directory("usr"), file("usr/a", "1"), symlink("d", "usr")],
                &[directory("d"), file("d/b", "2")],
            ],
            &["d/", "usr/", "usr/a = 1", "d/b = 2"],
        ),
        (
            "a file and then its whiteout, in one layer",
            &[
                &[file("a", "1"), file("b", "2")],
                &[file("a", "3"), file(".wh.a", "")],
            ],
            &["b = 2", "a = 3"],
        ),
        (
            "opaque after a file of the layer",
            &[
                &[file("d/a", "1"), file("d/e/b", "2")],
                &[file("d/c", "3"), file("d/.wh..wh..opq", "")],
            ],
            &["d/", "d/c = 3"],
        ),
        (
            "an opaque root",
            &[
                &[file("d/a", "1"), file("b", "2")],
                &[file(".wh..wh..opq", ""), file("c", "3")],
            ],
            &["c = 3"],
        ),
        (
            "a whiteout of a directory that the layer has written into",
            &[&[file("d/a", "1")], &[file("d/b", "2"), file(".wh.d", "")]],
            &["d/", "d/b = 2"],
        ),
        (
            "whiteouts through symbolic links",
            &[
                &[
                    file("usr/lib/a", "1"),
                    file("usr/lib/b", "2"),
                    symlink("lib", "usr/lib"),
                ],
                &[file("lib/.wh.a", "")],
            ],
            &["lib -> usr/lib", "usr/", "usr/lib/", "usr/lib/b = 2"],
        ),
    ]);
}

#[test]
fn links_and_names_are_merged_as_they_are_applied() {
    assert_merged(&[
        (
            "whiteouts of nothing",
            &[
                &[file("a", "1")],
                &[file(".wh.b", ""), file("a/.wh.c", ""), file("x/.wh..wh..opq", "")],
            ],
            &["a = 1"],
        ),
        (
            "a member twice",
            &[&[file("a", "1"), hard_link("b", "a"), file("a", "2")]],
            &["b = 1", "a = 2"],
        ),
        (
            "a link whose first name is removed",
            &[
                &[file("a", "1"), hard_link("b", "a"), hard_link("c", "a")],
                &[file(".wh.a", "")],
            ],
            &["b = 1", "c == b"],
        ),
        (
            "a link to a file of a lower layer, replaced there",
            &[&[file("a", "1")], &[hard_link("d/b", "/a")], &[file("a", "2")]],
            &["d/", "d/b = 1", "a = 2"],
        ),
        (
            "links to links",
            &[&[symlink("s", "nowhere"), hard_link("t", "s"), file("z", "")]],
            &["s -> nowhere", "t == s", "z = "],
        ),
        (
            "missing directories, also where a symbolic link leads",
            &[&[symlink("l", "/x/../y/z")], &[file("l/a", "1")]],
            &["l -> /x/../y/z", "x/", "y/", "y/z/", "y/z/a = 1"],
        ),
        (
            "names by their bytes, not by their text",
            &[&[
                file("a.b", "1"),
                file("a/b", "2"),
                file("A", "3"),
                file("a-b", "4"),
            ]],
            &["a/", "a.b = 1", "a/b = 2", "A = 3", "a-b = 4"],
        ),
    ]);
}

#[test]
fn attributes_are_kept_as_the_layers_have_them() {
    let rich = |member: Member| {
        member
            .with_mode(0o6755)
            .with_owner(1 << 40, 7)
            .with_modified(Time::new(-5, 123))
            .with_xattr("user.a", "1")
            .with_xattr("security.selinux", "label")
    };
    let device = |name, kind| rich(Member::new(name, kind).unwrap());
    let members = [
        rich(Member::directory("d").unwrap()),
        rich(Member::file("d/f", 0).unwrap()),
        device("d/c", Kind::CharacterDevice { major: 1, minor: 3 }),
        device("d/b", Kind::BlockDevice { major: 8, minor: 0 }),
        device("d/p", Kind::Fifo),
        rich(Member::symlink("d/s", "t").unwrap()),
    ];
    let named = members
        .clone()
        .map(|member| (member.with_owner_names("root", "wheel"), ""));
    let merged = merged(&[flat(&[layer(&named)])]);
    for member in &members {
        let entry = merged.entry(member.name()).unwrap();
        assert_eq!(entry.member().unwrap(), *member);
        assert_eq!(entry.layer(), Some(0));
    }
    let plain = Member::directory("d").unwrap();
    let layers = [layer(&named), layer(&[(plain.clone(), "")])];
    let restated = super::merged(&layers);
    assert_eq!(restated.entry(b"d").unwrap().member().unwrap(), plain);
    assert_eq!(restated.entry(b"d").unwrap().layer(), Some(1));
    assert_eq!(restated.entry(b"d/f").unwrap().layer(), Some(0));
    assert!(restated.entry(b"d/x").is_none() && restated.entry(b"x/d").is_none());
    assert!(restated.entry(b".").is_some());
}

#[test]
fn the_same_layers_give_the_same_bytes() {
    let layers = [
        layer(&[
            file("z", "1"),
            file("b/c", "2"),
            hard_link("a", "z"),
            directory("e"),
        ]),
        layer(&[file(".wh.e", ""), file("b/d", "3"), symlink("y", "z")]),
    ];
    let first = flat(&layers);
    assert!((0..5).all(|_| flat(&layers) == first));
    let again = flat(std::slice::from_ref(&first));
    assert!(again == first, "a tree of one layer, written so, stays as it is");
    assert_eq!(
        super::members(&first),
        ["b/", "y -> z", "a = 1", "z == a", "b/c = 2", "b/d = 3"]
    );
}

#[test]
fn layers_without_contents_are_not_opened_again() {
    let layers = [
        layer(&[file("a", "1")]),
        layer(&[directory("d"), symlink("l", "d")]),
        layer(&[file("b", "2")]),
        layer(&[file(".wh.a", "")]),
    ];
    let mut opened = Vec::new();
    let written = merged(&layers).write(Vec::new(), |layer| {
        opened.push(layer);
        Ok(layers[layer].as_slice())
    });
    written.unwrap();
    assert_eq!(opened, [2]);
}

#[test]
fn trees_are_compared_name_by_name() {
    let before = [
        layer(&[
            directory("d"),
            file("d/a", "1"),
            file("d/b", "2"),
            file("same", "3"),
            file("e/f", "4"),
        ]),
        layer(&[symlink("l", "a"), file("content", "1")]),
    ];
    let after = [
        layer(&[
            directory("d"),
            file("d/a", "12"),
            file("d/c", "5"),
            file("same", "3"),
            file("d.e", "6"),
            symlink("l", "b"),
        ]),
        layer(&[file("content", "2"), directory("e")]),
    ];
    let differences = |digests: bool| {
        let read = |layers: &[Vec<u8>]| {
            let mut merged = Merged::new().with_digests(digests);
            for layer in layers {
                merged.add(layer.as_slice()).unwrap();
            }
            merged
        };
        let (before, after) = (read(&before), read(&after));
        assert_eq!(before.entry(b"same").unwrap().digest().is_some(), digests);
        let line = |difference: wharf_layer::Difference| {
            let kind = match difference.kind {
                DifferenceKind::Added => "A",
                DifferenceKind::Changed => "C",
                _ => "D",
            };
            format!("{kind} {}", String::from_utf8(difference.name).unwrap())
        };
        after.differences_from(&before).map(line).collect::<Vec<_>>()
    };
    let seen = ["C d/a", "D d/b", "A d/c", "A d.e", "D e/f", "C l"];
    assert_eq!(differences(false), seen);
    assert_eq!(
        differences(true),
        [&["C content"], seen.as_slice()].concat(),
        "of the same size"
    );
}

#[test]
fn entries_tell_of_links_and_sizes() {
    let merged = merged(&[layer(&[
        file("b", "123"),
        hard_link("c", "b"),
        hard_link("a", "c"),
    ])]);
    let entries: Vec<_> = merged.entries().skip(1).collect();
    let links: Vec<_> = entries.iter().map(wharf_layer::MergedEntry::linked_to).collect();
    assert_eq!(links, [None, Some(&b"a"[..]), Some(b"a")]);
    assert!(entries.iter().all(|entry| entry.size() == 3));
}
