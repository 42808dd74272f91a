//! Archives whose members are edited as they stream.

use proptest::prelude::*;
use wharf_layer::{
    Error, ErrorKind,
    tar::{DroppedNames, Edited, Editor, Kind, Limits, Member, MemberEdit, Time, of_files},
};

use crate::{
    raw::{Raw, archive, blocks, pax, read, record},
    tar_round_trip::member,
    tar_writer::write,
};

fn edit(
    bytes: &[u8],
    piece: usize,
    decide: impl FnMut(&Member) -> MemberEdit,
) -> Result<(Vec<u8>, Edited), Error> {
    let (mut editor, mut out) = (Editor::new(Limits::default(), decide), Vec::new());
    for piece in bytes.chunks(piece) {
        editor.edit(piece, &mut out)?;
    }
    let totals = editor.finish(&mut out)?;
    Ok((out, totals))
}

fn drop_named(names: &'static [&'static str]) -> impl FnMut(&Member) -> MemberEdit {
    move |member| {
        let is_named = names.iter().any(|name| name.as_bytes() == member.name());
        if is_named {
            MemberEdit::Drop
        } else {
            MemberEdit::Keep
        }
    }
}

/// Archives with what a member does not state.
fn odd_archives() -> Vec<(&'static str, Vec<u8>)> {
    let times = [
        record("atime", "1.5"),
        record("path", "a"),
        record("comment", "x"),
    ]
    .concat();
    let global = Raw::new(b'g')
        .name(b"pax_global_header")
        .with(&record("comment", "a commit"));
    let file = |name: &[u8]| Raw::file(name).with(b"content");
    let long = [
        Raw::new(b'L').gnu().name(b"././@LongLink").with(b"a long name\0"),
        Raw::file(b"a lo").gnu().with(b"1"),
    ];
    vec![
        (
            "records that are ignored",
            archive(&[pax(&times), file(b"a"), file(b"b")]),
        ),
        (
            "global headers",
            archive(&[global.clone(), file(b"a"), global.clone(), file(b"b"), global]),
        ),
        ("GNU's long names", archive(&[long.concat(), file(b"b")])),
        (
            "names that are cleaned",
            archive(&[file(b"./a"), file(b"/b"), Raw::new(b'5').name(b"c/").header()]),
        ),
        (
            "one name twice",
            archive(&[file(b"a"), Raw::file(b"a").with(b"later"), file(b"b")]),
        ),
        (
            "the oldest form",
            archive(&[Raw::file(b"a").old().with(b"x"), file(b"b")]),
        ),
        ("no end", [file(b"a"), file(b"b")].concat()),
        ("half an end", [file(b"a"), file(b"b"), vec![0; 512]].concat()),
        (
            "bytes behind the end",
            [archive(&[file(b"a")]), b"behind".to_vec(), vec![0; 9000]].concat(),
        ),
        (
            "padding that is not zero",
            [
                Raw::file(b"a").size(7).header(),
                [&b"content"[..], &[9; 505]].concat(),
                file(b"b"),
                vec![0; 1024],
            ]
            .concat(),
        ),
        ("nothing", archive(&[])),
        ("not a byte", Vec::new()),
    ]
}

#[test]
fn an_archive_of_which_all_is_kept_stays_the_same() {
    for (name, bytes) in odd_archives() {
        for piece in [1, 7, 511, 512, 513, 100_000] {
            let (kept, totals) = edit(&bytes, piece, |_| MemberEdit::Keep).unwrap();
            assert!(kept == bytes, "{name}, {piece} bytes at a time");
            assert!(!totals.is_changed(), "{name}");
            let (same, totals) = edit(&bytes, piece, |member| member.clone().into()).unwrap();
            assert!(same == bytes, "{name}: an edit that edits nothing");
            assert!(!totals.is_changed(), "{name}");
        }
    }
}

#[test]
fn what_is_beside_a_dropped_member_keeps_its_bytes() {
    for (name, bytes) in odd_archives() {
        let (before, _) = read(&bytes).unwrap();
        for piece in [1, 512, 100_000] {
            let (after, totals) = edit(&bytes, piece, drop_named(&["a", "a long name"])).unwrap();
            let (found, _) = read(&after).unwrap();
            let expected = before
                .iter()
                .filter(|found| !found.member.name().starts_with(b"a"));
            assert!(
                found
                    .iter()
                    .map(|found| (&found.member, &found.content))
                    .eq(expected.map(|found| (&found.member, &found.content))),
                "{name}: {found:?}"
            );
            assert_eq!(totals.kept, found.len() as u64, "{name}");
            assert_eq!(totals.kept + totals.dropped, before.len() as u64, "{name}");
            for found in &before {
                let until = usize::try_from(found.content_offset).unwrap() + blocks(&found.content).len();
                let raw = &bytes[usize::try_from(found.header_offset).unwrap()..until];
                let is_there = after.windows(raw.len()).any(|window| window == raw);
                assert_eq!(
                    is_there,
                    !found.member.name().starts_with(b"a"),
                    "{name}: {found:?}"
                );
            }
        }
    }
    let global = Raw::new(b'g').with(&record("comment", "a commit"));
    let bytes = archive(&[global.clone(), Raw::file(b"a").with(b"1")]);
    let (after, _) = edit(&bytes, 100, drop_named(&["a"])).unwrap();
    assert_eq!(
        after,
        archive(&[global]),
        "a global header is of the archive, and of no member"
    );
}

#[test]
fn an_edit_changes_the_metadata_of_a_member_and_nothing_else() {
    let file = |name| Member::file(name, 700).unwrap();
    let link = |target: &str| Member::symlink("l", target).unwrap();
    let device = |minor| Member::new("d", Kind::CharacterDevice { major: 1, minor }).unwrap();
    let cases: [(Member, Member); 8] = [
        (file("m"), file("m").with_mode(0o4755)),
        (file("m"), file("m").with_owner(1000, 3_000_000)),
        (file("m"), file("m").with_owner_names("user", "group")),
        (file("m"), file("m").with_modified(Time::new(-5, 250))),
        (
            file("m").with_xattr("user.a", "1").with_xattr("user.b", "2"),
            file("m")
                .with_xattr("user.a", "1")
                .without_xattr("user.a")
                .with_xattr("user.b", "3"),
        ),
        (link("old"), link("new")),
        (device(1), device(3)),
        (
            Member::hard_link("h", "z").unwrap(),
            Member::hard_link("h", "b").unwrap(),
        ),
    ];
    for (before, after) in cases {
        let around = [file("b"), file("z")];
        let all = |member: &Member| write(&[around[0].clone(), member.clone(), around[1].clone()]);
        let decide = |member: &Member| {
            if *member == before {
                after.clone().into()
            } else {
                MemberEdit::Keep
            }
        };
        for piece in [1, 1000] {
            let (edited, totals) = edit(&all(&before), piece, decide).unwrap();
            assert!(edited == all(&after), "{before:?}");
            assert_eq!((totals.kept, totals.dropped, totals.edited), (2, 0, 1));
        }
    }
}

#[test]
fn an_edit_of_name_kind_or_size_is_refused() {
    let bytes = of_files([("a", "12"), ("b", "34")]).unwrap();
    for (edited, what) in [
        (Member::file("c", 2).unwrap(), "name"),
        (Member::file("b", 2).unwrap(), "name"),
        (Member::directory("a").unwrap(), "kind"),
        (Member::symlink("a", "b").unwrap(), "kind"),
        (Member::file("a", 3).unwrap(), "size"),
        (Member::file("a", 0).unwrap(), "size"),
    ] {
        let error = edit(&bytes, 100, |member| match member.name() {
            b"a" => edited.clone().into(),
            _ => MemberEdit::Keep,
        })
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("tar member \"a\" at byte 0") && text.contains(what),
            "{text}"
        );
    }
}

/// Edits the layers of an image, lowest first.
fn edit_stack(layers: &[Vec<Member>], names: &'static [&'static str]) -> Result<u64, Error> {
    let (mut dropped, mut count) = (DroppedNames::default(), 0);
    for layer in layers {
        let mut out = Vec::new();
        let mut editor = Editor::new(Limits::default(), drop_named(names)).with_dropped(dropped);
        editor.edit(&write(layer), &mut out)?;
        let (totals, names) = editor.finish_layer(&mut out)?;
        (dropped, count) = (names, count + totals.dropped);
    }
    Ok(count)
}

/// The layers, what is dropped, and how many members that are; none if it is refused.
type Case = (Vec<Vec<Member>>, &'static [&'static str], Option<u64>);

#[test]
fn a_hard_link_to_a_dropped_member_does_not_stay() {
    let file = |name| Member::file(name, 3).unwrap();
    let link = |name, target: &str| Member::hard_link(name, target).unwrap();
    let directory = |name| Member::directory(name).unwrap();
    let cases: [Case; 10] = [
        (vec![vec![file("a"), link("b", "a")]], &["a"], None),
        (vec![vec![file("a"), link("b", "a")]], &["a", "b"], Some(2)),
        (vec![vec![file("a"), link("b", "a")]], &["b"], Some(1)),
        (
            vec![vec![file("a"), link("b", "a"), link("c", "b")]],
            &["b"],
            None,
        ),
        (vec![vec![file("a")], vec![link("b", "a")]], &["a"], None),
        (
            vec![vec![file("a")], vec![file("x")], vec![link("b", "./a")]],
            &["a"],
            None,
        ),
        (vec![vec![file("a")], vec![link("b", "a")]], &["a", "b"], Some(2)),
        (
            vec![vec![file("a")], vec![directory("a"), link("b", "a/c")]],
            &["a"],
            Some(2),
        ),
        (vec![vec![link("b", "a"), file("a")]], &["a"], Some(1)), // to what a layer below has
        (
            vec![vec![Member::symlink("a", "x").unwrap(), link("b", "a")]],
            &["a"],
            None,
        ),
    ];
    for (layers, dropped, expected) in cases {
        let found = edit_stack(&layers, dropped);
        if let Some(count) = expected {
            assert_eq!(found.unwrap(), count, "{layers:?} {dropped:?}");
        } else {
            let error = found.unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Conflict,
                "{layers:?} {dropped:?}: {error}"
            );
        }
    }
    // What stands there again can be linked to.
    let mut first = true;
    let twice = archive(&[
        Raw::file(b"a").with(b"1"),
        Raw::file(b"a").with(b"2"),
        Raw::new(b'1').name(b"b").link(b"a").header(),
    ]);
    let (_, totals) = edit(&twice, 100, |_| {
        if std::mem::take(&mut first) {
            MemberEdit::Drop
        } else {
            MemberEdit::Keep
        }
    })
    .unwrap();
    assert_eq!((totals.dropped, totals.kept), (1, 2));
}

#[test]
fn a_broken_archive_is_refused_whatever_is_decided() {
    let good = of_files([("a", "12"), ("b", "34")]).unwrap();
    for (bytes, kind) in [
        (good[..512].to_vec(), ErrorKind::Corrupt),
        (good[..513].to_vec(), ErrorKind::Corrupt),
        (good[..600].to_vec(), ErrorKind::Corrupt),
        (archive(&[Raw::new(b'S').header()]), ErrorKind::Unsupported),
        (archive(&[Raw::file(b"../a").header()]), ErrorKind::Invalid),
        (
            archive(&[Raw::file(b"a").field(100, b"xxxxxxx\0").header()]),
            ErrorKind::Corrupt,
        ),
    ] {
        for decision in [MemberEdit::Keep, MemberEdit::Drop] {
            let error = edit(&bytes, 100, |_| decision.clone()).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// An edited archive is the archive of the members that are left, edited.
    #[test]
    fn editing_is_filtering(members in prop::collection::vec((member(), 0_u8..3), 0..8), piece in 1_usize..2000) {
        let mut unique: Vec<(Member, u8)> = Vec::new();
        for (member, decision) in members {
            let is_link = matches!(member.kind(), Kind::HardLink { .. });
            if !is_link && unique.iter().all(|(known, _)| known.name() != member.name()) {
                unique.push((member, decision));
            }
        }
        let before: Vec<Member> = unique.iter().map(|(member, _)| member.clone()).collect();
        let decided = |member: &Member| match unique.iter().find(|(known, _)| known.name() == member.name()) {
            Some((_, 0)) => None,
            Some((_, 1)) => Some(member.clone().with_mode(0o777).with_modified(Time::new(7, 0))),
            _ => Some(member.clone()),
        };
        let after: Vec<Member> = before.iter().filter_map(decided).collect();
        let (edited, _) = edit(&write(&before), piece, |member| {
            decided(member).map_or(MemberEdit::Drop, MemberEdit::from)
        }).unwrap();
        prop_assert!(edited == write(&after));
    }
}
