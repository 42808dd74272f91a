use wharf_layer::{
    ErrorKind,
    tar::{Event, Kind, Limits, Reader, Time},
};

use crate::raw::{Raw, archive, assert_refused, names, only, pax, read, read_with, record};

#[test]
fn kinds_are_told_apart() {
    let device = |raw: Raw| raw.field(329, b"0000010\0").field(337, b"0000003\0");
    let (major, minor) = (8, 3);
    let cases = [
        (Raw::new(b'0'), Kind::File { size: 0 }),
        (Raw::new(0), Kind::File { size: 0 }),
        (Raw::new(b'7'), Kind::File { size: 0 }),
        (Raw::new(b'0').name(b"a/"), Kind::File { size: 0 }),
        (Raw::new(0).name(b"a/"), Kind::Directory),
        (Raw::new(0).old().name(b"a/"), Kind::Directory),
        (
            Raw::new(b'1').link(b"b"),
            Kind::HardLink {
                target: b"b".to_vec(),
            },
        ),
        (
            Raw::new(b'2').link(b"b/"),
            Kind::Symlink {
                target: b"b/".to_vec(),
            },
        ),
        (device(Raw::new(b'3')), Kind::CharacterDevice { major, minor }),
        (device(Raw::new(b'4')), Kind::BlockDevice { major, minor }),
        (device(Raw::new(b'0')), Kind::File { size: 0 }),
        (Raw::new(b'5'), Kind::Directory),
        (Raw::new(b'6'), Kind::Fifo),
    ];
    for (raw, kind) in cases {
        assert_eq!(*only(&archive(&[raw.header()])).kind(), kind);
    }
    for flag in *b"8DIMNVXAZz \xff\x01" {
        let bytes = archive(&[
            Raw::file(b"before").header(),
            Raw::new(flag).name(b"odd").header(),
        ]);
        assert_refused(&bytes, ErrorKind::Unsupported, "\"odd\"");
        let (_, message) = names(&bytes).unwrap_err();
        assert!(message.contains(&format!("{:?}", char::from(flag))), "{message}");
        assert!(message.contains("byte 512"), "{message}");
    }
    assert_refused(
        &archive(&[device(Raw::new(b'3').old()).header()]),
        ErrorKind::Ambiguous,
        "device",
    );
}

/// Some readers take so many bytes for content, and others for headers.
#[test]
fn only_files_have_a_size() {
    for flag in *b"123456" {
        let bytes = archive(&[Raw::new(flag).link(b"x").with(&Raw::file(b"hidden").header())]);
        assert_refused(&bytes, ErrorKind::Ambiguous, "512 bytes");
        let by_record = archive(&[pax(&record("size", "512")), Raw::new(flag).link(b"x").header()]);
        assert_refused(&by_record, ErrorKind::Ambiguous, "512 bytes");
    }
    let old_directory = archive(&[Raw::new(0).name(b"d/").with(&[b'x'; 512])]);
    assert_refused(&old_directory, ErrorKind::Ambiguous, "512 bytes");
}

#[test]
fn fields_have_one_reading() {
    let member = only(&archive(&[Raw::file(b"a")
        .field(100, b"0104755\0")
        .field(108, b"\x80\0\0\0\0\x20\0\0")
        .field(116, b"  1750 \0")
        .field(136, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe")
        .field(265, b"user\0garbage")
        .header()]));
    assert_eq!(member.mode(), 0o4755);
    assert_eq!((member.uid(), member.gid()), (0x20_0000, 0o1750));
    assert_eq!(member.modified(), Time::new(-2, 0));
    assert_eq!(
        (member.user(), member.group()),
        (b"user".as_slice(), b"".as_slice())
    );
    let old = only(&archive(&[Raw::file(b"a").old().field(265, b"user").header()]));
    assert_eq!(old.user(), b"");

    let cases: &[(usize, &[u8], &str)] = &[
        (100, b"rw-r--r-", "mode"),
        (108, b"00000-1\0", "uid"),
        (108, b"\xff\xff\xff\xff\xff\xff\xff\xff", "uid"),
        (116, b"\x81\0\0\0\0\0\0\0", "gid"),
        (124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "size"),
        (124, b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "size"),
        (124, b"0000000000x\0", "size"),
        (124, b"-0000000001\0", "size"),
        (136, b"1 1        \0", "mtime"),
        (329, b"x", "devmajor"),
        (337, b"0000 1\0", "devminor"),
    ];
    for (at, field, name) in cases {
        let bytes = archive(&[Raw::file(b"member").field(*at, field).header()]);
        assert_refused(&bytes, ErrorKind::Corrupt, &format!("`{name}`"));
        let (_, message) = names(&bytes).unwrap_err();
        assert!(message.contains("\"member\""), "{message}");
    }
}

#[test]
fn a_header_has_its_checksum() {
    let mut signed = Raw::file(b"a\x80\xff").header();
    let sum: i32 = signed
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                i32::from(byte.cast_signed())
            }
        })
        .sum();
    signed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(names(&archive(&[signed])).is_ok());

    for at in [0, 50, 124, 156, 300, 511] {
        let mut damaged = Raw::file(b"a").header();
        damaged[at] ^= 1;
        assert_refused(&archive(&[damaged]), ErrorKind::Corrupt, "checksum");
    }
    assert_refused(&archive(&[vec![b'x'; 512]]), ErrorKind::Corrupt, "checksum");
    assert_refused(&archive(&[vec![b' '; 512]]), ErrorKind::Corrupt, "checksum");
}

#[test]
fn an_archive_ends_after_a_member() {
    let member = Raw::file(b"a").with(b"content");
    let whole = archive(std::slice::from_ref(&member));
    for end in 1..whole.len() {
        let cut = &whole[..end];
        match end {
            // Between blocks that are whole: readers accept an archive without its end.
            1024 | 1536 => {
                let (found, summary) = read(cut).unwrap();
                assert_eq!((found.len(), summary.ended), (1, false));
            }
            _ => assert_refused(cut, ErrorKind::Corrupt, "ends within"),
        }
    }
    let (_, summary) = read(&whole).unwrap();
    assert!(summary.ended);
    assert_eq!(summary.trailing, 0);
    assert_eq!(read(b"").unwrap().1.members, 0);

    // Then whatever follows is counted, and is no member.
    let mut longer = whole.clone();
    longer.extend(vec![0; 10_000]);
    assert_eq!(read(&longer).unwrap().1.trailing, 0);
    longer.extend(Raw::file(b"b").header());
    let (found, summary) = read(&longer).unwrap();
    assert_eq!(found.len(), 1);
    assert!(summary.trailing > 50);
    let lone = [member.clone(), vec![0; 512], member].concat();
    assert_refused(&lone, ErrorKind::Ambiguous, "one block of zeros");
}

#[test]
fn pieces_of_any_size_give_the_same() {
    let bytes = archive(&[
        Raw::new(b'5').name(b"d").header(),
        pax(&[record("path", "d/long"), record("SCHILY.xattr.user.a", "b")].concat()),
        Raw::file(b"x").with(&[7; 1500]),
        Raw::new(b'L').with(&[b'l'; 200]),
        Raw::new(b'2').link(b"target").header(),
        Raw::file(b"empty").with(b""),
        Raw::file(b"full").with(&[1; 1024]),
    ]);
    let expected = read(&bytes).unwrap();
    assert_eq!(expected.0.len(), 5);
    for piece in [1, 2, 7, 511, 512, 513, 1024, 4096] {
        assert_eq!(
            read_with(Reader::new(Limits::default()), &bytes, piece).unwrap(),
            expected
        );
    }
    // And an error is the same one.
    let mut damaged = bytes.clone();
    let last = damaged.len() - 1024 - 1536;
    damaged[last] ^= 1;
    let expected = read(&damaged).unwrap_err().to_string();
    for piece in [1, 7, 513] {
        let error = read_with(Reader::new(Limits::default()), &damaged, piece).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn offsets_lead_to_headers_and_contents() {
    let bytes = archive(&[
        Raw::file(b"first").with(b"one"),
        pax(&record("path", "second")),
        Raw::file(b"x").with(&[b'2'; 700]),
        Raw::file(b"third").with(b"three"),
    ]);
    let (found, _) = read(&bytes).unwrap();
    let offsets: Vec<(u64, u64)> = found
        .iter()
        .map(|found| (found.header_offset, found.content_offset))
        .collect();
    assert_eq!(offsets, [(0, 512), (1024, 2560), (3584, 4096)]);
    for found in &found {
        let at = usize::try_from(found.content_offset).unwrap();
        assert_eq!(bytes[at..at + found.content.len()], found.content);
    }

    // An index is made without the contents.
    let mut reader = Reader::new(Limits::default());
    let mut given = 0;
    let mut index = Vec::new();
    while let Some(block) = bytes
        .get(usize::try_from(reader.position()).unwrap()..)
        .filter(|rest| !rest.is_empty())
    {
        let mut input = &block[..512];
        given += 512;
        while let Some(event) = reader.next_event(&mut input).unwrap() {
            if let Event::Member { content_offset, .. } = event {
                index.push(content_offset);
                let before = reader.position();
                assert_eq!(reader.skip_content(), reader.position() - before);
                assert_eq!(reader.skip_content(), 0);
            }
        }
    }
    assert_eq!(index, [512, 2560, 4096]);
    assert_eq!(given, 512 * 7);
    assert!(reader.finish_at(bytes.len() as u64).unwrap().ended);
}

#[test]
fn content_that_is_skipped_must_be_there() {
    let terabyte = Raw::file(b"sparse")
        .size(0)
        .field(124, b"\x80\0\0\0\0\0\x01\0\0\0\0\0");
    for (raw, size) in [(Raw::file(b"short").size(1000), 1000_u64), (terabyte, 1 << 40)] {
        let bytes = raw.header();
        let mut reader = Reader::new(Limits::default());
        let event = reader.next_event(&mut bytes.as_slice()).unwrap();
        assert!(matches!(event, Some(Event::Member { member, .. }) if member.size() == size));
        assert_eq!(reader.skip_content(), size.next_multiple_of(512));
        let error = reader.finish_at(1024).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("the archive at byte 1024"), "{error}");
    }
    // Half of it was read before the rest is skipped.
    let bytes = archive(&[Raw::file(b"a").with(&[1; 700]), Raw::file(b"b").with(b"")]);
    let mut reader = Reader::new(Limits::default());
    let mut input = &bytes[..812];
    assert!(matches!(
        reader.next_event(&mut input),
        Ok(Some(Event::Member { .. }))
    ));
    assert!(
        matches!(reader.next_event(&mut input), Ok(Some(Event::Content(content))) if content.len() == 300)
    );
    assert_eq!(reader.skip_content(), 724);
    let mut rest = &bytes[usize::try_from(reader.position()).unwrap()..];
    assert!(matches!(reader.next_event(&mut rest), Ok(Some(Event::MemberEnd))));
    assert!(matches!(
        reader.next_event(&mut rest),
        Ok(Some(Event::Member { member, .. })) if member.name() == b"b"
    ));
    // Sizes cannot add up to more than there are offsets.
    let huge = || {
        Raw::file(b"h")
            .field(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")
            .header()
    };
    let mut reader = Reader::new(Limits::default());
    for last in [false, true] {
        let header = huge();
        let event = reader.next_event(&mut header.as_slice());
        assert_eq!(event.is_err(), last);
        reader.skip_content();
        if !last {
            assert!(matches!(
                reader.next_event(&mut [].as_slice()),
                Ok(Some(Event::MemberEnd))
            ));
        }
    }
}

#[test]
fn members_are_bounded() {
    let member = |number: usize| Raw::file(number.to_string().as_bytes()).header();
    let bytes = archive(&(0..101).map(member).collect::<Vec<_>>());
    let most = |members| Reader::new(Limits::default().with_members(members));
    assert_eq!(read_with(most(101), &bytes, 512).unwrap().1.members, 101);
    let error = read_with(most(100), &bytes, 512).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("`members` is 100"), "{error}");
    let global = Raw::new(b'g').with(b"");
    let globals = archive(&[global.clone(), member(1), global, member(2)]);
    assert_eq!(read_with(most(4), &globals, 512).unwrap().1.members, 2);
    assert!(read_with(most(3), &globals, 512).is_err());
}

#[test]
fn after_an_error_nothing_is_read() {
    let mut reader = Reader::new(Limits::default());
    let bytes = [vec![b'x'; 512], Raw::file(b"a").header()].concat();
    let mut input = bytes.as_slice();
    assert!(reader.next_event(&mut input).is_err());
    assert!(reader.next_event(&mut input).is_err());
    assert_eq!(reader.skip_content(), 0);
    assert!(reader.finish().is_err());
}

#[test]
fn errors_name_member_and_offset_and_escape_both() {
    let odd = Raw::new(b'Q').name(b"a\x1b[31m\"\n").header();
    let (_, message) = names(&archive(&[Raw::file(b"a").with(b"1"), odd])).unwrap_err();
    assert_eq!(
        message,
        r#"tar member "a\u{1b}[31m\"\n" at byte 1024: the type flag 'Q' is not known"#
    );
    let long = archive(&[Raw::new(b'L').with(&[b'n'; 4000]), Raw::new(b'Q').header()]);
    let (_, message) = names(&long).unwrap_err();
    assert!(message.len() < 300, "{message}");
}
