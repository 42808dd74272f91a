//! What is written, read by Python's tarfile and GNU tar; and the other way round.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    process::{Command, Stdio},
};

use wharf_layer::tar::{Kind, Member, Time, Writer};
use wharf_testkit::require_peers;

use crate::{
    python::{Listed, python},
    raw::read,
    tar_writer::write,
};

/// Every member in a header of its own kind and at every edge of a field.
fn edges() -> Vec<Member> {
    let file = |name: &str| Member::file(name, 0).unwrap();
    let mut members: Vec<Member> = [100, 101, 155, 156, 255]
        .map(|length| file(&"n".repeat(length)))
        .into();
    for (prefix, name) in [
        (154, 100),
        (155, 100),
        (156, 100),
        (155, 101),
        (100, 1),
        (55, 100),
        (56, 100),
    ] {
        members.push(file(&format!("{}/{}", "p".repeat(prefix), "n".repeat(name))));
    }
    for length in [256, 257, 1000, 4095] {
        let name = "component/".repeat(length / 10 + 1);
        members.push(file(&name[..length - 1].replace("//", "/x")));
        members.push(Member::directory(&name[..length]).unwrap_or_else(|_| Member::directory("d").unwrap()));
    }
    let bytes = |bytes: &[u8]| Member::file(bytes, 0).unwrap();
    members.push(bytes(b"not-utf8-\xff\xfe"));
    members.push(bytes(&[b"long-not-utf8-\xff/".as_slice(), &[b'n'; 200]].concat()));
    members.push(file("ümläut/名前"));
    members.push(file(&"名".repeat(80)));
    for length in [99, 100, 101, 1000] {
        let target = "../target".repeat(length / 9 + 1)[..length].to_owned();
        members.push(Member::symlink(format!("symlink{length}"), target).unwrap());
        let target = "t/".repeat(length / 2) + "f";
        members.push(Member::hard_link(format!("link{length}"), target).unwrap());
    }
    for (number, owner) in [2_097_151, 2_097_152, 4_294_967_295, 1 << 40]
        .into_iter()
        .enumerate()
    {
        members.push(file(&format!("owner{number}")).with_owner(owner, owner / 2));
    }
    let times = [
        -1,
        -86_400 * 365 * 30,
        0,
        1_700_000_000,
        8_589_934_591,
        8_589_934_592,
        10_000_000_000,
    ];
    for (number, time) in times.into_iter().enumerate() {
        members.push(file(&format!("time{number}")).with_modified(Time::new(time, 0)));
        members.push(file(&format!("fraction{number}")).with_modified(Time::new(time, 250_000_000)));
    }
    for (number, mode) in [0, 0o7777, 0o4755].into_iter().enumerate() {
        members.push(file(&format!("mode{number}")).with_mode(mode));
    }
    for size in [1, 511, 512, 513, 10_000] {
        members.push(Member::file(format!("size{size}"), size).unwrap());
    }
    members.push(file("owners").with_owner_names("user", "group"));
    members.push(file("long-owners").with_owner_names("u".repeat(32), "g".repeat(300)));
    members.push(file("attributes").with_xattr("security.capability", b"\x01\0\0\x02\xff".as_slice()));
    members.push(Member::new("char", Kind::CharacterDevice { major: 1, minor: 3 }).unwrap());
    members.push(
        Member::new(
            "block",
            Kind::BlockDevice {
                major: 2_097_151,
                minor: 2_097_151,
            },
        )
        .unwrap(),
    );
    members.push(Member::new("fifo", Kind::Fifo).unwrap());
    members.push(Member::directory(".").unwrap());
    let mut names = std::collections::HashSet::new();
    members.retain(|member| names.insert(member.name().to_vec()));
    members
}

#[test]
fn python_reads_what_is_written() {
    require_peers!("python3");
    let bytes = write(&edges());
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0"), &bytes).unwrap();
    let (found, _) = read(&bytes).unwrap();
    let expected: Vec<Listed> = found.iter().map(Listed::of).collect();
    assert!(expected.len() > 50);
    let python = python(folder.path(), 1, true).remove(0).unwrap();
    for (python, expected) in python.iter().zip(&expected) {
        assert_eq!(python, expected);
    }
    assert_eq!(python.len(), expected.len());
}

/// A line of GNU tar, made of the member itself.
fn gnu_line(member: &Member) -> String {
    let (letter, rest) = match member.kind() {
        Kind::File { .. } => ('-', String::new()),
        Kind::Directory => ('d', "/".to_owned()),
        Kind::Symlink { target } => ('l', format!(" -> {}", String::from_utf8_lossy(target))),
        Kind::HardLink { target } => ('h', format!(" link to {}", String::from_utf8_lossy(target))),
        Kind::CharacterDevice { .. } => ('c', String::new()),
        Kind::BlockDevice { .. } => ('b', String::new()),
        _ => ('p', String::new()),
    };
    let size = match member.kind() {
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            format!("{major},{minor}")
        }
        _ => member.size().to_string(),
    };
    let name = String::from_utf8_lossy(member.name()).into_owned();
    format!(
        "{letter} {}/{} {size} {} {name}{rest}",
        member.uid(),
        member.gid(),
        member.modified().seconds()
    )
}

#[test]
fn gnu_tar_reads_what_is_written() {
    require_peers!("tar");
    let mut members = edges();
    // Larger numbers of owners than Linux has are refused by GNU tar.
    members.retain(|member| u32::try_from(member.uid()).is_ok());
    // Of a time before 1970 with a fraction, its version 1.34 adds the fraction instead of taking it off.
    members.retain(|member| member.modified().seconds() >= 0 || member.modified().nanoseconds() == 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    fs::write(&path, write(&members)).unwrap();
    let output = Command::new("tar")
        .args([
            "--list",
            "--verbose",
            "--numeric-owner",
            "--full-time",
            "--quoting-style=literal",
            "--file",
        ])
        .arg(&path)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = listing.lines().collect();
    assert_eq!(lines.len(), members.len());
    for (line, member) in lines.iter().zip(&members) {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let mode = words.next().unwrap();
        let (owner, size) = (words.next().unwrap(), words.next().unwrap());
        let (date, time) = (words.next().unwrap(), words.next().unwrap());
        let seconds = seconds(date, time);
        let (_, name) = line.split_once(&format!("{date} {time}")).unwrap();
        let name = name.trim_start();
        let said = format!("{} {owner} {size} {seconds} {name}", &mode[..1]);
        let expected = gnu_line(member);
        assert_eq!(said, expected, "{line}");
    }
}

/// Seconds since 1970 of `1969-12-31 23:59:59.5`, rounded down.
fn seconds(date: &str, time: &str) -> i64 {
    let (sign, date) = date.strip_prefix('-').map_or((1, date), |rest| (-1, rest));
    let numbers: Vec<i64> = date
        .split('-')
        .chain(time.split(['.']).next().unwrap().split(':'))
        .map(|part| part.parse().unwrap())
        .collect();
    let [year, month, day, hour, minute, second] = numbers[..] else {
        panic!("{date} {time}");
    };
    // Days since 1970, by the civil calendar.
    let year = sign * year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    days * 86_400 + hour * 3600 + minute * 60 + second
}

/// More than fits in the octal digits of a header, by a record or by GNU's form. The file has a hole for content.
#[test]
fn sizes_above_8_gib_are_read_by_others() {
    require_peers!("python3", "tar");
    let size = (8_u64 << 30) + 3;
    for reserved in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0");
        let mut file = fs::File::create(&path).unwrap();
        let large = Member::file("large", size).unwrap();
        let mut writer = Writer::new();
        let header = if reserved {
            let mut early = Writer::new();
            early.reserve_member().unwrap();
            for _ in 0..8 {
                early.content(1 << 30).unwrap();
            }
            early.content(3).unwrap();
            early.complete_member(&large).unwrap().header.to_vec()
        } else {
            writer.member(&large).unwrap()
        };
        file.write_all(&header).unwrap();
        let end = file
            .seek(SeekFrom::Current(
                i64::try_from(size.next_multiple_of(512)).unwrap(),
            ))
            .unwrap();
        let mut after = Writer::new();
        file.write_all(&after.member(&Member::file("after", 0).unwrap()).unwrap())
            .unwrap();
        file.set_len(end + 512 + 1024).unwrap();
        let members = python(folder.path(), 1, false).remove(0).unwrap();
        let kinds: Vec<&Kind> = members.iter().map(|member| &member.kind).collect();
        assert_eq!(kinds, [&Kind::File { size }, &Kind::File { size: 0 }]);
        let output = Command::new("tar").arg("-tvf").arg(&path).output().unwrap();
        let listing = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            listing.contains(&size.to_string()) && listing.contains("after"),
            "{listing}"
        );
    }
}

/// Archives that Python and GNU tar write are read, each member as they tell it.
#[test]
fn archives_of_others_are_read() {
    require_peers!("python3", "tar");
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import os, sys, tarfile, io
names = ["a", "dir/", "n" * 100, "n" * 101, "p" * 100 + "/" + "n" * 90, "c/" * 200 + "f", "\u00fcml\u00e4ut", "x\udcff" * 60]
for number, format in enumerate([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]):
    with tarfile.open(os.path.join(sys.argv[1], str(number)), "w", format=format, encoding="utf-8", errors="surrogateescape") as archive:
        for name in names:
            for kind, link in [(tarfile.REGTYPE, ""), (tarfile.SYMTYPE, "t" * 150), (tarfile.LNKTYPE, "a"), (tarfile.FIFOTYPE, "")]:
                member = tarfile.TarInfo(name.rstrip("/") + kind.decode())
                member.type, member.linkname = kind, link
                if name.endswith("/"):
                    member = tarfile.TarInfo(name)
                    member.type = tarfile.DIRTYPE
                member.uid, member.gid, member.mtime = 3000000 if number else 1000, 7, 1e9 + 0.25
                member.uname = "user"
                content = b"content" if member.isreg() else b""
                member.size = len(content)
                try:
                    archive.addfile(member, io.BytesIO(content))
                except ValueError:
                    pass # does not fit in this format
"#;
    let mut child = Command::new("python3")
        .arg("-")
        .arg(folder.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());

    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("d".repeat(120))).unwrap();
    fs::write(tree.join("file"), vec![7; 2000]).unwrap();
    fs::hard_link(tree.join("file"), tree.join("linked")).unwrap();
    fs::write(tree.join("n".repeat(150)), b"long").unwrap();
    let formats = ["v7", "oldgnu", "gnu", "ustar", "posix"];
    for (number, format) in formats.iter().enumerate() {
        let status = Command::new("tar")
            .arg(format!("--format={format}"))
            .args(["--ignore-failed-read", "--create", "--directory"])
            .arg(&tree)
            .arg("--file")
            .arg(folder.path().join((3 + number).to_string()))
            .arg(".")
            .stderr(Stdio::null())
            .status();
        status.unwrap();
    }
    let count = 3 + formats.len();
    for (number, expected) in python(folder.path(), count, true).into_iter().enumerate() {
        let bytes = fs::read(folder.path().join(number.to_string())).unwrap();
        let (found, summary) = read(&bytes).unwrap_or_else(|error| panic!("{number}: {error}"));
        assert!(summary.ended);
        let expected = expected.unwrap();
        assert!(expected.len() >= 2, "{number}");
        assert_eq!(
            found.iter().map(Listed::of).collect::<Vec<_>>(),
            expected,
            "{number}"
        );
    }
}
