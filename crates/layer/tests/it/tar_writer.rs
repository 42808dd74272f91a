use wharf_layer::{
    ErrorKind,
    tar::{Kind, Member, Time, Writer},
};

use crate::raw::read;

/// An archive of members with contents of zeros.
pub(crate) fn write(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new();
    for member in members {
        out.extend_from_slice(&writer.member(member).unwrap());
        let size = usize::try_from(member.size()).unwrap();
        writer.content(size).unwrap();
        out.resize(out.len() + size, 0);
        out.extend_from_slice(writer.end_member().unwrap());
        assert_eq!(writer.position(), out.len() as u64);
    }
    out.extend_from_slice(writer.finish().unwrap());
    out
}

#[test]
fn a_small_archive_is_written_byte_for_byte() {
    let member = Member::file("etc/hosts", 3)
        .unwrap()
        .with_mode(0o600)
        .with_owner(1000, 100)
        .with_modified(Time::new(1_700_000_000, 0));
    let archive = write(&[member]);
    let mut expected = vec![0; 512];
    let fields: &[(usize, &[u8])] = &[
        (0, b"etc/hosts"),
        (100, b"0000600\0"),
        (108, b"0001750\0"),
        (116, b"0000144\0"),
        (124, b"00000000003\0"),
        (136, b"14524770400\0"),
        (156, b"0"),
        (257, b"ustar\x0000"),
        (329, b"0000000\0"), // as Go, GNU tar and Python have them, also where there is no device
        (337, b"0000000\0"),
    ];
    for (at, bytes) in fields {
        expected[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    let sum = expected.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    expected[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(archive[..512], expected);
    assert_eq!(archive.len(), 512 + 512 + 1024);
    assert!(archive[512..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_pax_header_is_written_only_where_it_is_needed() {
    let file = |name: &str| Member::file(name, 0).unwrap();
    let path = |prefix: usize, name: usize| format!("{}/{}", "p".repeat(prefix), "n".repeat(name));
    let cases = [
        (file(&"n".repeat(100)), None),
        (file(&"n".repeat(101)), Some("111 path=nnnn")),
        (file(&path(54, 100)), None),
        (file(&path(54, 101)), Some("166 path=pppp")),
        (file(&path(155, 99)), None),
        (file(&path(155, 100)), None),
        (file(&path(156, 99)), Some("266 path=pppp")),
        (file(&format!("{}f", "d/".repeat(127))), None),
        (file("\u{e9}"), None),
        (Member::directory("d".repeat(99)).unwrap(), None),
        (Member::directory("d".repeat(100)).unwrap(), Some("111 path=dddd")),
        (Member::directory(path(155, 99)).unwrap(), None),
        (Member::directory(path(155, 100)).unwrap(), Some("267 path=pppp")),
        (Member::symlink("l", "t".repeat(100)).unwrap(), None),
        (
            Member::symlink("l", "t".repeat(101)).unwrap(),
            Some("115 linkpath=tttt"),
        ),
        (
            Member::hard_link("l", "t".repeat(101)).unwrap(),
            Some("115 linkpath=tttt"),
        ),
        (file("a").with_owner(2_097_151, 2_097_151), None),
        (file("a").with_owner(2_097_152, 0), Some("15 uid=2097152\n")),
        (
            file("a").with_owner(0, 4_294_967_294),
            Some("18 gid=4294967294\n"),
        ),
        (file("a").with_owner_names("u".repeat(31), ""), None),
        (
            file("a").with_owner_names("u".repeat(32), ""),
            Some("42 uname=uuuu"),
        ),
        (
            file("a").with_owner_names("", "g".repeat(40)),
            Some("50 gname=gggg"),
        ),
        (file("a").with_modified(Time::new(8_589_934_591, 0)), None),
        (
            file("a").with_modified(Time::new(8_589_934_592, 0)),
            Some("20 mtime=8589934592\n"),
        ),
        (file("a").with_modified(Time::new(-1, 0)), Some("12 mtime=-1\n")),
        (
            file("a").with_modified(Time::new(1, 5)),
            Some("21 mtime=1.000000005\n"),
        ),
        (
            file("a").with_xattr("user.a", "b"),
            Some("25 SCHILY.xattr.user.a=b\n"),
        ),
    ];
    for (member, expected) in cases {
        let mut writer = Writer::new();
        let headers = writer.member(&member).unwrap();
        match expected {
            None => assert_eq!(headers.len(), 512, "{member:?}"),
            Some(record) => {
                assert_eq!(headers[156], b'x', "{member:?}");
                let text = String::from_utf8_lossy(&headers[512..512 + record.len()]).into_owned();
                assert_eq!(text, record);
            }
        }
        let mut archive = headers;
        archive.extend_from_slice(writer.end_member().unwrap());
        archive.extend_from_slice(writer.finish().unwrap());
        assert_eq!(read(&archive).unwrap().0[0].member, member);
    }
    // 8 GiB and more: the size is in the record, the content need not be here to see it.
    for (size, length) in [(8_589_934_591_u64, 512), (8_589_934_592, 1536)] {
        let mut writer = Writer::new();
        let headers = writer.member(&Member::file("large", size).unwrap()).unwrap();
        assert_eq!(headers.len(), length);
    }
}

#[test]
fn records_are_sorted_and_equal_members_give_equal_bytes() {
    let member = |order: [&str; 2]| {
        let member = Member::file("n".repeat(101), 0)
            .unwrap()
            .with_owner(1 << 40, 1 << 40)
            .with_modified(Time::new(-5, 1));
        order
            .into_iter()
            .fold(member, |member, name| member.with_xattr(name, name))
    };
    let one = write(&[member(["user.b", "user.a"])]);
    assert_eq!(one, write(&[member(["user.a", "user.b"])]));
    let text = String::from_utf8_lossy(&one).into_owned();
    let at = |key: &str| text.find(key).unwrap_or_else(|| panic!("no {key}"));
    let order = [
        "xattr.user.a",
        "xattr.user.b",
        " gid=",
        " mtime=",
        " path=",
        " uid=",
    ]
    .map(at);
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let device = |major, minor| Member::new("d", Kind::BlockDevice { major, minor }).unwrap();
    let file = || Member::file("a", 0).unwrap();
    let cases = [
        (device(1 << 21, 0), ErrorKind::Unsupported),
        (device(0, 1 << 21), ErrorKind::Unsupported),
        (file().with_owner(1 << 63, 0), ErrorKind::Unsupported),
        (Member::file("a", 1 << 63).unwrap(), ErrorKind::Unsupported),
        (file().with_xattr("", "v"), ErrorKind::Invalid),
        (file().with_xattr("user.a=b", "v"), ErrorKind::Invalid),
        (file().with_xattr("user.\0", "v"), ErrorKind::Invalid),
        (file().with_owner_names("a\0", ""), ErrorKind::Invalid),
    ];
    for (member, kind) in cases {
        let mut writer = Writer::new();
        assert_eq!(writer.member(&member).unwrap_err().kind(), kind, "{member:?}");
        // Nothing was begun.
        assert_eq!(writer.position(), 0);
        assert!(writer.member(&file()).is_ok());
    }
    for name in ["..", "a/../b", "../a"] {
        assert_eq!(Member::file(name, 0).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(Member::file("/", 0).unwrap_err().kind(), ErrorKind::Invalid);
    assert!(Member::hard_link("a", "").is_err());
}

#[test]
fn a_name_is_written_once() {
    let mut writer = Writer::new();
    writer.member(&Member::directory("a").unwrap()).unwrap();
    writer.end_member().unwrap();
    for again in ["a", "./a", "/a", "a/"] {
        let error = writer.member(&Member::file(again, 0).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("\"a\""), "{error}");
    }
    writer.member(&Member::file("b", 1).unwrap()).unwrap();
    writer.drop_member();
    assert!(
        writer.member(&Member::file("b", 2).unwrap()).is_ok(),
        "it was dropped"
    );
}

#[test]
fn content_is_exactly_as_long_as_the_header_says() {
    let mut writer = Writer::new();
    assert_eq!(writer.content(1).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(writer.end_member().unwrap_err().kind(), ErrorKind::Conflict);
    writer.member(&Member::file("a", 600).unwrap()).unwrap();
    writer.content(500).unwrap();
    assert_eq!(writer.end_member().unwrap_err().kind(), ErrorKind::Mismatch);
    assert_eq!(writer.content(101).unwrap_err().kind(), ErrorKind::Mismatch);
    assert_eq!(
        writer.member(&Member::file("b", 0).unwrap()).unwrap_err().kind(),
        ErrorKind::Conflict
    );
    writer.content(100).unwrap();
    assert_eq!(writer.end_member().unwrap().len(), 424);
    writer.member(&Member::file("b", 1).unwrap()).unwrap();
    assert_eq!(writer.finish().unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn a_header_can_be_written_last() {
    let mut writer = Writer::new();
    let mut file = writer.member(&Member::directory("blobs").unwrap()).unwrap();
    file.extend_from_slice(writer.end_member().unwrap());
    file.extend_from_slice(writer.reserve_member().unwrap());
    assert!(writer.reserve_member().is_err());
    assert!(writer.end_member().is_err());
    writer.content(5).unwrap();
    file.extend_from_slice(b"bytes");
    let named = |size| Member::file("blobs/digest", size).unwrap();
    assert_eq!(
        writer.complete_member(&named(4)).unwrap_err().kind(),
        ErrorKind::Mismatch
    );
    assert_eq!(
        writer
            .complete_member(&named(5).with_xattr("user.a", "b"))
            .unwrap_err()
            .kind(),
        ErrorKind::Unsupported
    );
    let taken = Member::file("blobs", 5).unwrap();
    assert_eq!(
        writer.complete_member(&taken).unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let completed = writer.complete_member(&named(5)).unwrap();
    assert_eq!(completed.header_offset, 512);
    file[512..1024].copy_from_slice(&completed.header);
    file.extend_from_slice(completed.padding);

    // One that was there already is cut off again.
    let before = file.len();
    file.extend_from_slice(writer.reserve_member().unwrap());
    writer.content(9).unwrap();
    file.extend_from_slice(b"the other");
    assert!(
        writer
            .complete_member(&Member::file("blobs/digest", 9).unwrap())
            .is_err()
    );
    assert_eq!(writer.drop_member(), before as u64);
    file.truncate(before);
    assert_eq!(writer.drop_member(), before as u64);
    file.extend_from_slice(writer.finish().unwrap());

    let (found, summary) = read(&file).unwrap();
    assert_eq!(found[1].member, named(5));
    assert_eq!(found[1].content, b"bytes");
    assert!(summary.ended);
}

#[test]
fn a_size_above_8_gib_fits_in_a_header_that_is_written_last() {
    for size in [8_589_934_591_u64, 8_589_934_592, 1 << 40] {
        let mut writer = Writer::new();
        let mut archive = writer.reserve_member().unwrap().to_vec();
        let mut rest = size;
        while rest > 0 {
            let part = rest.min(1 << 30);
            writer.content(usize::try_from(part).unwrap()).unwrap();
            rest -= part;
        }
        let member = Member::file("large", size).unwrap();
        let completed = writer.complete_member(&member).unwrap();
        archive.copy_from_slice(&completed.header);
        let mut reader = wharf_layer::tar::Reader::new(wharf_layer::tar::Limits::default());
        let event = reader.next_event(&mut archive.as_slice()).unwrap();
        assert!(matches!(
            event,
            Some(wharf_layer::tar::Event::Member { member: found, .. }) if found == member
        ));
    }
}

#[test]
fn later_times_are_lowered_on_request() {
    let epoch = Time::new(1_000, 0);
    let mut writer = Writer::new().with_latest_time(epoch);
    let mut archive = Vec::new();
    for (name, time) in [("older", Time::new(5, 5)), ("newer", Time::new(2_000, 7))] {
        let member = Member::file(name, 0).unwrap().with_modified(time);
        archive.extend_from_slice(&writer.member(&member).unwrap());
        archive.extend_from_slice(writer.end_member().unwrap());
    }
    archive.extend_from_slice(writer.finish().unwrap());
    let times: Vec<Time> = read(&archive)
        .unwrap()
        .0
        .iter()
        .map(|found| found.member.modified())
        .collect();
    assert_eq!(times, [Time::new(5, 5), epoch]);
}

#[test]
fn members_are_cut_off_from_an_offset_on() {
    let mut writer = Writer::new();
    let mut starts = Vec::new();
    for name in ["a", "b", "c"] {
        starts.push(writer.position());
        writer.member(&Member::directory(name).unwrap()).unwrap();
        writer.end_member().unwrap();
    }
    writer.member(&Member::file("d", 7).unwrap()).unwrap();
    // At the start of the second: it and all behind it can be written again, the first cannot.
    writer.truncate(starts[1]);
    assert_eq!(writer.position(), starts[1]);
    for (name, is_free) in [("a", false), ("b", true), ("c", true), ("d", true)] {
        let begun = writer.member(&Member::directory(name).unwrap());
        assert_eq!(begun.is_ok(), is_free, "{name}");
        if is_free {
            writer.end_member().unwrap();
        }
    }
    // At the end, or beyond it, nothing is cut off.
    for end in [writer.position(), u64::MAX] {
        let before = writer.position();
        writer.truncate(end);
        assert_eq!(writer.position(), before);
    }
    assert_eq!(writer.finish().unwrap().len(), 1024);
}
