use wharf_layer::{
    ErrorKind,
    tar::{Kind, Limits, Member, Reader},
};

use crate::raw::{Raw, archive, assert_refused, names, only, pax, read, read_with, record};

#[test]
fn one_name_has_many_spellings() {
    let cases: &[(&[u8], &str)] = &[
        (b"a", "a"),
        (b"./a", "a"),
        (b"/a", "a"),
        (b"a/", "a"),
        (b"//a", "a"),
        (b"././/./a", "a"),
        (b"a/b", "a/b"),
        (b"a//b", "a/b"),
        (b"a/./b", "a/b"),
        (b"/a/b/.", "a/b"),
        (b"...", "..."),
        (b"..a/b..", "..a/b.."),
        (b"a\\..\\b", "a\\..\\b"),
        (b"C:\\a", "C:\\a"),
        (b" ", " "),
        (b"a\nb", "a\nb"),
    ];
    for (raw, expected) in cases {
        let member = only(&archive(&[Raw::file(raw).header()]));
        assert_eq!(String::from_utf8_lossy(member.name()), *expected);
        let directory = only(&archive(&[Raw::new(b'5').name(raw).header()]));
        assert_eq!(directory.name(), member.name());
        let link = only(&archive(&[Raw::new(b'1').name(b"l").link(raw).header()]));
        assert!(matches!(link.kind(), Kind::HardLink { target } if target == member.name()));
    }
    let not_utf8 = only(&archive(&[Raw::file(b"hi\x80\xffbye").header()]));
    assert_eq!(not_utf8.name(), b"hi\x80\xffbye");
}

#[test]
fn the_root_is_a_directory() {
    for root in [b".".as_slice(), b"./", b"/", b"//", b"/./."] {
        let member = only(&archive(&[Raw::new(b'5').name(root).header()]));
        assert!(member.is_root());
        assert_eq!(member.name(), b".");
        for flag in [b'0', b'1', b'2', b'6'] {
            let bytes = archive(&[Raw::new(flag).name(root).link(b"x").header()]);
            assert_refused(&bytes, ErrorKind::Invalid, "the root");
        }
    }
}

#[test]
fn names_that_lead_out_are_refused_or_resolved_within_the_root() {
    let cases: &[(&[u8], &str)] = &[
        (b"../a", "a"),
        (b"..", "."),
        (b"a/..", "."),
        (b"a/../b", "b"),
        (b"/../../etc/passwd", "etc/passwd"),
        (b"a/b/../../../c", "c"),
        (b"./../a", "a"),
    ];
    for (raw, expected) in cases {
        let bytes = archive(&[Raw::new(b'5').name(raw).header()]);
        assert_refused(&bytes, ErrorKind::Invalid, "`..`");
        let lenient = Reader::new(Limits::default()).with_lenient_names(true);
        let (found, _) = read_with(lenient, &bytes, 7).unwrap();
        assert_eq!(String::from_utf8_lossy(found[0].member.name()), *expected);

        let by_record = archive(&[pax(&record("path", raw)), Raw::new(b'5').header()]);
        assert_refused(&by_record, ErrorKind::Invalid, "`..`");
        let by_gnu = archive(&[Raw::new(b'L').with(raw), Raw::new(b'5').header()]);
        assert_refused(&by_gnu, ErrorKind::Invalid, "`..`");

        let link = archive(&[Raw::new(b'1').name(b"link").link(raw).header()]);
        assert_refused(&link, ErrorKind::Invalid, "\"link\"");
        let (_, message) = names(&link).unwrap_err();
        assert!(message.contains("target"), "{message}");
    }
    // Where a symbolic link leads is decided by whoever resolves it.
    for target in [b"../../x".as_slice(), b"/etc/passwd", b""] {
        let link = only(&archive(&[Raw::new(b'2').name(b"l").link(target).header()]));
        assert!(matches!(link.kind(), Kind::Symlink { target: found } if found == target));
    }
}

#[test]
fn names_that_are_empty_or_have_a_nul_are_corrupt() {
    let header = || Raw::file(b"a").header();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an empty name", archive(&[Raw::file(b"").header()])),
        ("a NUL in the name", archive(&[Raw::file(b"a\0b").header()])),
        ("a NUL before the name", archive(&[Raw::file(b"\0b").header()])),
        (
            "a NUL in the prefix",
            archive(&[Raw::file(b"a").field(345, b"p\0q").header()]),
        ),
        (
            "a NUL in a record",
            archive(&[pax(&record("path", "a\0b")), header()]),
        ),
        ("an empty record", archive(&[pax(&record("path", "")), header()])),
        (
            "a NUL in a long name",
            archive(&[Raw::new(b'L').with(b"a\0b\0"), header()]),
        ),
        (
            "an empty long name",
            archive(&[Raw::new(b'L').with(b""), header()]),
        ),
        (
            "a long name of NULs",
            archive(&[Raw::new(b'L').with(b"\0\0"), header()]),
        ),
        ("an empty target", archive(&[Raw::new(b'1').name(b"l").header()])),
        (
            "a NUL in a target",
            archive(&[Raw::new(b'2').name(b"l").link(b"a\0b").header()]),
        ),
        (
            "a NUL in a target's record",
            archive(&[
                pax(&record("linkpath", "a\0b")),
                Raw::new(b'2').name(b"l").header(),
            ]),
        ),
    ];
    for (what, bytes) in cases {
        let (kind, message) = names(&bytes).expect_err(what);
        assert_eq!(kind, ErrorKind::Corrupt, "{what}: {message}");
    }
    for name in ["", "a\0b"] {
        assert_eq!(Member::file(name, 0).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn names_are_as_long_as_linux_allows() {
    let path = |length: usize| {
        let mut name = "d/".repeat(length / 2);
        name.push_str(if length % 2 == 1 { "f" } else { "" });
        name
    };
    let cases = [
        (path(4095), Ok(())),
        (path(4096), Ok(())),
        (path(4097), Err("`path` is 4096")),
        (path(5000), Err("`path` is 4096")),
        ("c".repeat(255), Ok(())),
        ("c".repeat(256), Err("`component` is 255")),
        // A whiteout is that of a file of so many bytes.
        (format!(".wh.{}", "c".repeat(255)), Ok(())),
        (format!("d/.wh.{}", "c".repeat(256)), Err("`component` is 255")),
        (format!("{}.wh.f", path(4094)), Ok(())),
        (format!("{}.wh.f", path(4096)), Err("`path` is 4096")),
        (format!("d/{}/f", "c".repeat(256)), Err("`component` is 255")),
    ];
    for (name, expected) in cases {
        let ways = [
            archive(&[pax(&record("path", &name)), Raw::file(b"a").header()]),
            archive(&[Raw::new(b'L').with(name.as_bytes()), Raw::file(b"a").header()]),
            archive(&[
                pax(&record("linkpath", &name)),
                Raw::new(b'1').name(b"l").header(),
            ]),
        ];
        for bytes in ways {
            match expected {
                Ok(()) => assert_eq!(names(&bytes).unwrap().len(), 1),
                Err(words) => assert_refused(&bytes, ErrorKind::TooLarge, words),
            }
        }
        assert_eq!(Member::file(&name, 0).is_ok(), expected.is_ok());
    }
    // The target of a symbolic link is not made of names that must exist.
    let target = "c".repeat(300);
    let bytes = archive(&[
        pax(&record("linkpath", &target)),
        Raw::new(b'2').name(b"l").header(),
    ]);
    assert_eq!(names(&bytes).unwrap(), ["l"]);
    let limits = Limits::default().with_path(10).with_component(3);
    let bytes = archive(&[Raw::file(b"abcd").header()]);
    let error = read_with(Reader::new(limits), &bytes, 512).unwrap_err();
    assert!(error.to_string().contains("`component` is 3"), "{error}");
}

#[test]
fn a_member_that_is_there_twice_is_reported() {
    let bytes = archive(&[
        Raw::file(b"a").with(b"first"),
        Raw::file(b"b").with(b""),
        Raw::file(b"./a").with(b"second"),
        Raw::new(b'5').name(b"/a/").header(),
        Raw::file(b"c").with(b""),
    ]);
    let (found, summary) = read(&bytes).unwrap();
    let duplicates: Vec<bool> = found.iter().map(|found| found.duplicate).collect();
    assert_eq!(duplicates, [false, false, true, true, false]);
    assert_eq!(found[2].content, b"second");
    assert_eq!(summary.members, 5);
}

#[test]
fn a_prefix_stands_before_the_name() {
    let file = Raw::file(b"name").field(345, b"the/prefix");
    assert_eq!(names(&archive(&[file.header()])).unwrap(), ["the/prefix/name"]);
    let whole = Raw::file(&[b'n'; 100]).field(345, &[b'p'; 155]);
    let name = format!("{}/{}", "p".repeat(155), "n".repeat(100));
    assert_eq!(names(&archive(&[whole.header()])).unwrap(), [name]);
    // star has times at the end of the prefix.
    let star = Raw::file(b"name")
        .field(345, b"p")
        .field(476, b"12345670123 ")
        .field(508, b"tar\0");
    assert_eq!(names(&archive(&[star.header()])).unwrap(), ["p/name"]);
    let full = star.field(345, &[b'p'; 131]);
    assert_refused(&archive(&[full.header()]), ErrorKind::Ambiguous, "star");
    // Where there is no prefix, some readers take one all the same.
    for raw in [
        file.clone().gnu(),
        file.clone().old(),
        file.field(257, b"ustar__\0"),
    ] {
        assert_refused(&archive(&[raw.header()]), ErrorKind::Ambiguous, "prefix");
    }
}
