use wharf_layer::{
    ErrorKind,
    tar::{Kind, Limits, Reader, Time},
};

use crate::raw::{Raw, archive, assert_refused, names, only, pax, read, read_with, record};

fn with_records(records: &[u8]) -> Vec<u8> {
    archive(&[pax(records), Raw::file(b"a").header()])
}

#[test]
fn records_count_before_the_fields_of_the_header() {
    let records = [
        record("path", "p/\u{1f600}"),
        record("uid", "3000000000"),
        record("gid", "9223372036854775807"),
        record("uname", "user"),
        record("gname", "group"),
        record("mtime", "-1.5"),
        record("atime", "1"),
        record("comment", "of no interest\n"),
        record("SCHILY.xattr.security.capability", b"\x01\0\0\x02"),
        record("SCHILY.xattr.user.empty", ""),
        record("LIBARCHIVE.xattr.user.b", "YQ"),
    ]
    .concat();
    let member = only(&archive(&[
        pax(&records),
        Raw::file(b"a")
            .field(265, b"nobody")
            .field(108, b"0000007\0")
            .header(),
    ]));
    assert_eq!(member.name(), "p/\u{1f600}".as_bytes());
    assert_eq!((member.uid(), member.gid()), (3_000_000_000, (1 << 63) - 1));
    assert_eq!(
        (member.user(), member.group()),
        (b"user".as_slice(), b"group".as_slice())
    );
    assert_eq!(member.modified(), Time::new(-2, 500_000_000));
    let xattrs: Vec<_> = member.xattrs().collect();
    assert_eq!(
        xattrs,
        [
            (b"security.capability".as_slice(), b"\x01\0\0\x02".as_slice()),
            (b"user.empty", b"")
        ]
    );
    let link = only(&archive(&[
        pax(&record("linkpath", "t".repeat(200))),
        Raw::new(b'2').name(b"l").link(b"short").header(),
    ]));
    assert_eq!(
        *link.kind(),
        Kind::Symlink {
            target: vec![b't'; 200]
        }
    );
    // An empty name of a user gives way to the header, as POSIX has it; the last of two records counts.
    let records = [record("uname", ""), record("path", "x"), record("path", "y")].concat();
    let member = only(&archive(&[
        pax(&records),
        Raw::file(b"a").field(265, b"nobody").header(),
    ]));
    assert_eq!(
        (member.name(), member.user()),
        (b"y".as_slice(), b"nobody".as_slice())
    );
}

/// Readers that take the size of the header for that of the content see members within the content
/// (CVE-2025-62518).
#[test]
fn a_size_by_record_is_the_size() {
    let hidden = archive(&[Raw::file(b"hidden").with(b"")]);
    let bytes = archive(&[
        pax(&record("size", hidden.len().to_string())),
        Raw::file(b"outer").header(),
        hidden.clone(),
        Raw::file(b"after").with(b""),
    ]);
    let (found, _) = read(&bytes).unwrap();
    assert_eq!(names(&bytes).unwrap(), ["outer", "after"]);
    assert_eq!(found[0].content, hidden);
    let shorter = archive(&[
        pax(&record("size", "000000000000000000000003")),
        Raw::file(b"outer").size(2000).header(),
        crate::raw::blocks(b"abc"),
        Raw::file(b"after").with(b""),
    ]);
    let (found, _) = read(&shorter).unwrap();
    assert_eq!(found[0].content, b"abc");
    assert_eq!(found.len(), 2);
}

#[test]
fn records_that_break_their_grammar_are_corrupt() {
    let cases: &[&[u8]] = &[
        b"path=a\n",
        b"10 path=ab",
        b"10 path=ab\n",
        b"12 path=ab\n",
        b"11 path=ab\0",
        b"11 path ab\n",
        b"-1 path=ab\n",
        b"11\tpath=ab\n",
        b"11 path=ab\n\0",
        b"4 =\n\n",
        b"99999999999999999999999 path=a\n",
        b"8 a\0b=c\n",
    ];
    for records in cases {
        assert_refused(&with_records(records), ErrorKind::Corrupt, "PAX record");
    }
    let values: &[(&str, &str)] = &[
        ("size", "-1"),
        ("size", ""),
        ("size", " 1"),
        ("size", "+1"),
        ("size", "0x1"),
        ("size", "1_0"),
        ("size", "1.0"),
        ("size", "9223372036854775808"),
        ("size", "18446744073709551616"),
        ("uid", "-1"),
        ("gid", "a"),
        ("uid", ""),
        ("mtime", ""),
        ("mtime", "yesterday"),
        ("mtime", "99999999999999999999"),
        ("uname", "a\0b"),
        ("gname", "\0"),
        ("linkpath", ""),
    ];
    for (key, value) in values {
        assert_refused(&with_records(&record(key, value)), ErrorKind::Corrupt, key);
    }
    assert_refused(
        &with_records(&record("SCHILY.xattr.", "a")),
        ErrorKind::Corrupt,
        "attribute",
    );
}

#[test]
fn long_names_of_gnu_are_read() {
    let long = "n".repeat(150);
    for end in ["", "\0", "\0\0\0"] {
        let bytes = archive(&[
            Raw::new(b'K')
                .gnu()
                .name(b"././@LongLink")
                .with(format!("t/{long}{end}").as_bytes()),
            Raw::new(b'L')
                .gnu()
                .name(b"././@LongLink")
                .with(format!("d/{long}{end}").as_bytes()),
            Raw::new(b'1').gnu().header(),
        ]);
        let member = only(&bytes);
        assert_eq!(member.name(), format!("d/{long}").as_bytes());
        let target = format!("t/{long}").into_bytes();
        assert_eq!(*member.kind(), Kind::HardLink { target });
    }
}

/// Go and Python differ about each: one takes the first, the other the last.
#[test]
fn two_sources_of_one_name_are_ambiguous() {
    let file = || Raw::file(b"a").header();
    let path = || pax(&record("path", "p"));
    let long = || Raw::new(b'L').with(b"l");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("x x", archive(&[path(), pax(b""), file()])),
        ("L L", archive(&[long(), long(), file()])),
        (
            "K K",
            archive(&[Raw::new(b'K').with(b"k"), Raw::new(b'K').with(b"k"), file()]),
        ),
        ("x L", archive(&[path(), long(), file()])),
        ("L x", archive(&[long(), path(), file()])),
        (
            "x K",
            archive(&[
                pax(&record("linkpath", "p")),
                Raw::new(b'K').with(b"k"),
                Raw::new(b'2').header(),
            ]),
        ),
        ("x g", archive(&[path(), Raw::new(b'g').with(b""), file()])),
        ("L g", archive(&[long(), Raw::new(b'g').with(b""), file()])),
    ];
    for (what, bytes) in cases {
        let (kind, message) = names(&bytes).expect_err(what);
        assert_eq!(kind, ErrorKind::Ambiguous, "{what}: {message}");
    }
    let mtime = archive(&[long(), pax(&record("mtime", "5")), file()]);
    assert_eq!(names(&mtime).unwrap(), ["l"]);
}

#[test]
fn global_records_are_ignored_unless_they_move_content() {
    let global = |records: &[u8]| archive(&[Raw::new(b'g').with(records), Raw::file(b"a").with(b"content")]);
    let ignored = [
        record("comment", "a commit"),
        record("uid", "7"),
        record("mtime", "7"),
        record("uname", "7"),
        record("SCHILY.xattr.user.a", "7"),
    ];
    for records in ignored {
        let (found, summary) = read(&global(&records)).unwrap();
        assert_eq!((found.len(), summary.members), (1, 1));
        assert_eq!(found[0].member.uid(), 0);
        assert_eq!(found[0].member.modified(), Time::EPOCH);
        assert_eq!(found[0].member.xattrs().count(), 0);
    }
    for key in ["path", "linkpath", "size"] {
        for value in ["", "7", "-1"] {
            assert_refused(&global(&record(key, value)), ErrorKind::Ambiguous, key);
        }
    }
    assert_refused(&global(b"7 a=b\n"), ErrorKind::Corrupt, "PAX record");
    assert_refused(
        &global(&record("GNU.sparse.major", "1")),
        ErrorKind::Unsupported,
        "sparse",
    );
    let last = archive(&[
        Raw::file(b"a").header(),
        Raw::new(b'g').with(&record("comment", "b")),
    ]);
    assert_eq!(names(&last).unwrap(), ["a"]);
}

#[test]
fn extension_headers_are_bounded() {
    let most = 1 << 20;
    let value = |length: usize| record("comment", vec![b'c'; length]);
    let largest = value(most - record("comment", "").len() - 6);
    assert!((most - 1..=most).contains(&largest.len()), "{}", largest.len());
    assert_eq!(names(&with_records(&largest)).unwrap(), ["a"]);
    assert_refused(
        &with_records(&value(most)),
        ErrorKind::TooLarge,
        "`extension` is 1048576",
    );
    // The size alone is enough to be refused: nothing is waited for, and no memory is taken.
    for flag in *b"xgLK" {
        for size in [most as u64 + 1, 1 << 32] {
            let mut header = Raw::new(flag).size(size);
            if size > 1 << 32 {
                header = header.field(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
            }
            let mut reader = Reader::new(Limits::default());
            let error = reader.next_event(&mut header.header().as_slice()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
        }
    }
    let global = || Raw::new(b'g').with(&record("comment", "c"));
    let three = archive(&[global(), global(), global(), Raw::file(b"a").header()]);
    assert_eq!(names(&three).unwrap(), ["a"]);
    let four = archive(&[global(), global(), global(), pax(b""), Raw::file(b"a").header()]);
    assert_refused(&four, ErrorKind::TooLarge, "`extensions` is 3");
    let fewer = Reader::new(Limits::default().with_extensions(0).with_extension(10));
    let error = read_with(fewer, &with_records(b""), 512).unwrap_err();
    assert!(error.to_string().contains("`extensions` is 0"), "{error}");
}

#[test]
fn sparse_files_are_refused_in_every_form() {
    let old = Raw::new(b'S')
        .gnu()
        .name(b"sparse")
        .field(386, b"00000000000\x0000000001000\0");
    assert_refused(&archive(&[old.with(b"x")]), ErrorKind::Unsupported, "sparse");
    let forms: &[&[(&str, &str)]] = &[
        // 0.0
        &[
            ("GNU.sparse.size", "10"),
            ("GNU.sparse.numblocks", "1"),
            ("GNU.sparse.offset", "0"),
        ],
        // 0.1
        &[("GNU.sparse.map", "0,1"), ("GNU.sparse.name", "sparse")],
        // 1.0
        &[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.realsize", "10"),
        ],
        &[("GNU.sparse.name", "sparse")],
        &[("SCHILY.realsize", "10")],
    ];
    for records in forms {
        let records: Vec<u8> = records
            .iter()
            .flat_map(|(key, value)| record(key, value))
            .collect();
        assert_refused(&with_records(&records), ErrorKind::Unsupported, "sparse");
    }
}

/// Python reads a header's last block to its end, whatever the size.
#[test]
fn bytes_after_the_content_of_an_extension_header_are_refused() {
    for (flag, content) in [
        (b'x', record("mtime", "1")),
        (b'g', record("comment", "c")),
        (b'L', b"long".to_vec()),
        (b'K', b"long".to_vec()),
    ] {
        for after in [record("path", "smuggled"), b"er".to_vec(), b"\0\0x".to_vec()] {
            let size = content.len() as u64;
            let mut header = Raw::new(flag).with(&[content.as_slice(), &after].concat());
            header.splice(..512, Raw::new(flag).size(size).header());
            let bytes = archive(&[header, Raw::new(b'2').link(b"t").header()]);
            assert_refused(&bytes, ErrorKind::Ambiguous, "after the content");
        }
    }
}

#[test]
fn an_extension_header_needs_its_member() {
    for extension in [
        pax(&record("mtime", "1")),
        Raw::new(b'L').with(b"l"),
        Raw::new(b'K').with(b"k"),
    ] {
        assert_refused(
            &archive(std::slice::from_ref(&extension)),
            ErrorKind::Corrupt,
            "without a member",
        );
        assert_refused(&extension, ErrorKind::Corrupt, "without its member");
        assert_refused(&extension[..600], ErrorKind::Corrupt, "within");
        assert_refused(&extension[..512], ErrorKind::Corrupt, "within");
    }
}
