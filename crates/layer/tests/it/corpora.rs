//! Archives of other projects: read as their own tests expect it, or refused, by name.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use wharf_layer::{
    ErrorKind,
    tar::{Kind, Member},
};

use crate::raw::{Found, read};

/// A member as a line: kind, name, mode, owner, its names, time, and what else its kind has.
pub(crate) fn line(member: &Member) -> String {
    let shown = String::from_utf8_lossy;
    let (kind, rest) = match member.kind() {
        Kind::File { size } => ("file", size.to_string()),
        Kind::Directory => ("dir", String::new()),
        Kind::Symlink { target } => ("symlink", shown(target).into_owned()),
        Kind::HardLink { target } => ("link", shown(target).into_owned()),
        Kind::CharacterDevice { major, minor } => ("char", format!("{major},{minor}")),
        Kind::BlockDevice { major, minor } => ("block", format!("{major},{minor}")),
        _ => ("fifo", String::new()),
    };
    let time = member.modified();
    let fraction = match time.nanoseconds() {
        0 => String::new(),
        nanoseconds => format!(".{nanoseconds:09}"),
    };
    let xattrs: String = member
        .xattrs()
        .map(|(name, value)| format!(" {}={:?}", shown(name), shown(value)))
        .collect();
    format!(
        "{kind} {} {:o} {}:{} {}:{} {}{fraction} {rest}{xattrs}",
        shown(member.name()),
        member.mode(),
        member.uid(),
        member.gid(),
        shown(member.user()),
        shown(member.group()),
        time.seconds(),
    )
    .trim_end()
    .to_owned()
}

enum Go {
    /// These members, in which Go's reader and this one agree.
    Read(&'static [&'static str]),
    Refused(ErrorKind, &'static str),
}

const LONG: &str = "a/123456789101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899100";

/// Go's own expectations (`reader_test.go`, and `writer_test.go` for those that its writer makes), where they are read.
const GO: &[(&str, Go)] = &[
    (
        "file-and-dir.tar",
        Go::Read(&["file small.txt 0 0:0 : 0 5", "dir dir 0 0:0 : 0"]),
    ),
    ("gnu-incremental.tar", Go::Refused(ErrorKind::Ambiguous, "prefix")),
    ("gnu-long-nul.tar", Go::Refused(ErrorKind::Corrupt, "NUL")),
    (
        "gnu-multi-hdrs.tar",
        Go::Refused(ErrorKind::Ambiguous, "GNU long name"),
    ),
    (
        "gnu-nil-sparse-data.tar",
        Go::Refused(ErrorKind::Unsupported, "sparse"),
    ),
    (
        "gnu-nil-sparse-hole.tar",
        Go::Refused(ErrorKind::Unsupported, "sparse"),
    ),
    (
        "gnu-not-utf8.tar",
        Go::Read(&["file hi\u{fffd}\u{fffd}\u{fffd}\u{fffd}bye 644 1000:1000 rawr:dsnet 0 0"]),
    ),
    (
        "gnu-sparse-big.tar",
        Go::Refused(ErrorKind::Unsupported, "sparse"),
    ),
    (
        "gnu-utf8.tar",
        Go::Read(&["file ☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹☺☻☹ 644 1000:1000 ☺:⚹ 0 0"]),
    ),
    (
        "gnu.tar",
        Go::Read(&[
            "file small.txt 640 73025:5000 dsymonds:eng 1244428340 5",
            "file small2.txt 640 73025:5000 dsymonds:eng 1244436044 11",
        ]),
    ),
    (
        "hardlink.tar",
        Go::Read(&[
            "file file.txt 644 1000:100 vbatts:users 1425484303 15",
            "link hard.txt 644 1000:100 vbatts:users 1425484303 file.txt",
        ]),
    ),
    ("hdr-only.tar", Go::Refused(ErrorKind::Ambiguous, "5 bytes")),
    ("invalid-go17.tar", Go::Refused(ErrorKind::Ambiguous, "prefix")),
    ("issue10968.tar", Go::Refused(ErrorKind::Corrupt, "mode")),
    ("issue11169.tar", Go::Refused(ErrorKind::Corrupt, "checksum")),
    ("issue12435.tar", Go::Refused(ErrorKind::Corrupt, "size")),
    ("neg-size.tar", Go::Refused(ErrorKind::Corrupt, "mode")),
    (
        "nil-uid.tar",
        Go::Read(&["file P1050238.JPG.log 664 0:0 eyefi:eyefi 1365454838 14"]),
    ),
    (
        "pax-bad-hdr-file.tar",
        Go::Refused(ErrorKind::Corrupt, "PAX record"),
    ),
    ("pax-bad-mtime-file.tar", Go::Refused(ErrorKind::Corrupt, "mtime")),
    (
        "pax-global-records.tar",
        Go::Refused(ErrorKind::Ambiguous, "global"),
    ),
    (
        "pax-multi-hdrs.tar",
        Go::Refused(ErrorKind::Ambiguous, "PAX header"),
    ),
    (
        "pax-nil-sparse-data.tar",
        Go::Refused(ErrorKind::Unsupported, "sparse"),
    ),
    (
        "pax-nil-sparse-hole.tar",
        Go::Refused(ErrorKind::Unsupported, "sparse"),
    ),
    ("pax-nul-path.tar", Go::Refused(ErrorKind::Corrupt, "NUL")),
    ("pax-nul-xattrs.tar", Go::Refused(ErrorKind::Corrupt, "NUL")),
    (
        "pax-path-hdr.tar",
        Go::Refused(ErrorKind::Corrupt, "without its member"),
    ),
    (
        "pax-pos-size-file.tar",
        Go::Read(&["file foo 640 319973:5000 joetsai:eng 1442282516 999"]),
    ),
    (
        "pax-records.tar",
        Go::Read(&["file file 0 0:0 longlonglonglonglonglonglonglonglonglong: 0 0"]),
    ),
    (
        "pax-sparse-big.tar",
        Go::Refused(ErrorKind::Unsupported, "sparse"),
    ),
    (
        "pax.tar",
        Go::Read(&[
            "file LONG 664 1000:1000 shane:shane 1350244992.023960108 7",
            "symlink a/b 777 1000:1000 shane:shane 1350266320.910238425 LINK",
        ]),
    ),
    (
        "sparse-formats.tar",
        Go::Refused(ErrorKind::Unsupported, "sparse"),
    ),
    (
        "star.tar",
        Go::Read(&[
            "file small.txt 640 73025:5000 dsymonds:eng 1244592783 5",
            "file small2.txt 640 73025:5000 dsymonds:eng 1244592783 11",
        ]),
    ),
    ("trailing-slash.tar", Go::Read(&["dir SLASHES 0 0:0 : 0"])),
    ("ustar-file-devs.tar", Go::Read(&["file file 644 0:0 : 0 0"])),
    (
        "ustar-file-reg.tar",
        Go::Read(&["file foo 640 319973:5000 joetsai:eng 1442282516 684"]),
    ),
    (
        "ustar.tar",
        Go::Read(&["file LONGNAME/file.txt 644 501:20 shane:staff 1360135598 6"]),
    ),
    (
        "v7.tar",
        Go::Read(&[
            "file small.txt 444 73025:5000 : 1244593104 5",
            "file small2.txt 444 73025:5000 : 1244593104 11",
        ]),
    ),
    // Of these two, Go's repository has the headers alone.
    (
        "writer-big-long.tar",
        Go::Refused(ErrorKind::Corrupt, "ends within"),
    ),
    ("writer-big.tar", Go::Refused(ErrorKind::Corrupt, "ends within")),
    (
        "writer.tar",
        Go::Read(&[
            "file small.txt 640 73025:5000 dsymonds:eng 1246508266 5",
            "file small2.txt 640 73025:5000 dsymonds:eng 1245217492 11",
            "symlink link.txt 777 1000:1000 strings:strings 1314603082 small.txt",
        ]),
    ),
    (
        "xattrs.tar",
        Go::Read(&[
            "file small.txt 644 1000:10 alex:wheel 1386065770.448252320 5 \
         security.selinux=\"unconfined_u:object_r:default_t:s0\\0\" user.key=\"value\" user.key2=\"value2\"",
            "file small2.txt 644 1000:10 alex:wheel 1386065770.449252304 11 \
         security.selinux=\"unconfined_u:object_r:default_t:s0\\0\"",
        ]),
    ),
];

#[test]
fn archives_of_go_are_read_as_go_reads_them_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/go");
    let mut known = 0;
    for (file, expected) in GO {
        known += 1;
        let result = read(&fs::read(folder.join(file)).unwrap());
        match (expected, result) {
            (Go::Read(lines), Ok((found, _))) => {
                let found: Vec<String> = found.iter().map(|found| line(&found.member)).collect();
                let expected: Vec<String> = lines.iter().map(|line| long_names(line)).collect();
                assert_eq!(found, expected, "{file}");
            }
            (Go::Refused(kind, words), Err(error)) => {
                assert_eq!(error.kind(), *kind, "{file}: {error}");
                assert!(error.to_string().contains(words), "{file}: {error}");
            }
            (_, result) => panic!("{file}: {result:?}"),
        }
    }
    let files = fs::read_dir(&folder).unwrap().count() - 1;
    assert_eq!(known, files, "archives without a row");
}

fn long_names(line: &str) -> String {
    line.replace("LONGNAME", &["longname"; 15].join("/"))
        .replace("LONG", LONG)
        .replace("LINK", &LONG[2..])
        .replace("SLASHES", &["123456789"; 30].join("/"))
}

/// The folder of Python's own test data, where this machine has it.
fn python_tests() -> Option<PathBuf> {
    let script = "import os, test; print(os.path.dirname(test.__file__))";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    [folder.join("archivetestdata"), folder]
        .into_iter()
        .find(|folder| folder.join("testtar.tar").is_file())
}

/// Every member of Python's archive alone, so that one that is refused hides no other.
#[test]
fn the_archive_of_python_is_read_as_python_reads_it_or_refused() {
    let Some(folder) = python_tests() else {
        eprintln!("skipped: Python's testtar.tar is not on this machine");
        return;
    };
    let archive = fs::read(folder.join("testtar.tar")).unwrap();
    let (mut at, mut found, mut refused) = (0, Vec::new(), Vec::new());
    let script = "import sys, tarfile\n\
        for member in tarfile.open(sys.argv[1], encoding='iso8859-1'): print(member.offset, member.name, member.size)";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(folder.join("testtar.tar"))
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    let offsets: Vec<usize> = listing
        .lines()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    for end in offsets.iter().skip(1).copied().chain([archive.len()]) {
        match read(&archive[at..end]) {
            Ok((members, _)) => found.extend(members.iter().map(|found| {
                let member = &found.member;
                (String::from_utf8_lossy(member.name()).into_owned(), member.size())
            })),
            Err(error) => refused.push((
                listing
                    .lines()
                    .nth(offsets.iter().position(|offset| *offset == at).unwrap())
                    .unwrap(),
                error,
            )),
        }
        at = end;
    }
    // 7011 bytes of content, or none; or those of `ustar/sparse`, which is not.
    assert!(found.len() > 20, "{found:?}");
    assert!(
        found.iter().all(|(_, size)| matches!(size, 0 | 7011 | 86_016)),
        "{found:?}"
    );
    for (python, error) in &refused {
        let reason = error.to_string();
        let known = [
            ("sparse", "sparse"),
            ("dirtype-with-size", "255 bytes"),
            ("suntar", "'X'"),
        ];
        assert!(
            known
                .iter()
                .any(|(name, words)| python.contains(name) && reason.contains(words)),
            "{python}: {reason}"
        );
    }
    let recursion = read(&fs::read(folder.join("recursion.tar")).unwrap());
    assert_eq!(recursion.unwrap_err().kind(), ErrorKind::Corrupt);
}

fn archives(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "tar") {
                found.push(path);
            }
        }
    }
    found
}

fn find<'a>(found: &'a [Found], name: &str) -> &'a Found {
    found
        .iter()
        .find(|found| found.member.name() == name.as_bytes())
        .unwrap_or_else(|| panic!("no {name}"))
}

/// Image archives of go-containerregistry, with the layers in them.
#[test]
fn archives_of_go_containerregistry_are_read_with_their_layers() {
    let Some(folder) = wharf_testkit::corpora::folder("tarballs") else {
        return;
    };
    let (mut count, mut layers) = (0, 0);
    for path in archives(&folder) {
        let (found, summary) =
            read(&fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        count += 1;
        assert!(summary.ended && summary.trailing == 0, "{}", path.display());
        assert!(found.iter().all(|found| !found.duplicate), "{}", path.display());
        for found in &found {
            let name = String::from_utf8_lossy(found.member.name());
            if name.ends_with("/layer.tar") && found.member.size() > 0 {
                layers += 1;
                read(&found.content).unwrap_or_else(|error| panic!("{}: {name}: {error}", path.display()));
            }
        }
    }
    assert!(count >= 13 && layers >= 15, "{count} archives, {layers} layers");
    let (found, _) = read(&fs::read(folder.join("tarball/content.tar")).unwrap()).unwrap();
    assert!(found[0].member.is_root());
    assert_eq!(find(&found, "bat").content, b"bat\n");
    let (found, _) = read(&fs::read(folder.join("mutate/whiteout_dir.tar")).unwrap()).unwrap();
    assert!(
        found
            .iter()
            .any(|found| found.member.name().starts_with(b"sha256:")),
        "a colon is no drive"
    );
    let (found, _) = read(&fs::read(folder.join("tarball/test_link.tar")).unwrap()).unwrap();
    assert!(
        found.iter().any(
            |found| matches!(found.member.kind(), Kind::Symlink { target } if target.starts_with(b"../"))
        )
    );
}

/// The names of the layers of each image in the `manifest.json` of an archive.
#[cfg(all(feature = "apply", feature = "gzip", target_os = "linux"))]
fn layers_of_images(manifest: &[u8]) -> Vec<Vec<String>> {
    let text = String::from_utf8_lossy(manifest).replace(char::is_whitespace, "");
    let lists = text.split("\"Layers\":[").skip(1);
    let names = |list: &str| {
        let list = list.split(']').next().unwrap_or_default();
        list.split('"')
            .skip(1)
            .step_by(2)
            .map(ToOwned::to_owned)
            .collect()
    };
    lists.map(names).collect()
}

/// The tar of a layer of an archive, in which one layer may be a link to another.
#[cfg(all(feature = "apply", feature = "gzip", target_os = "linux"))]
fn tar_of(found: &[Found], name: &str) -> Vec<u8> {
    use std::io::Read as _;

    let mut layer = find(found, name);
    if let Kind::Symlink { target } = layer.member.kind() {
        let target = String::from_utf8_lossy(target).replace("../", "");
        layer = find(found, &target);
    }
    let mut tar = Vec::new();
    let decoder = wharf_layer::Decoder::by_magic(wharf_layer::Limits::default());
    decoder
        .reader(layer.content.as_slice())
        .read_to_end(&mut tar)
        .unwrap();
    tar
}

#[cfg(all(feature = "apply", feature = "gzip", target_os = "linux"))]
#[test]
fn images_of_go_containerregistry_are_merged_as_they_are_applied() {
    use wharf_layer::{Merged, Snapshot};

    use crate::{
        apply::{Stage, Way},
        diff, merge,
    };

    let Some(folder) = wharf_testkit::corpora::folder("tarballs") else {
        return;
    };
    let mut count = 0;
    for path in archives(&folder) {
        let (found, _) = read(&fs::read(&path).unwrap()).unwrap();
        let manifest = found.iter().find(|found| found.member.name() == b"manifest.json");
        let images = manifest
            .map(|found| layers_of_images(&found.content))
            .unwrap_or_default();
        for names in images {
            count += 1;
            let layers: Vec<Vec<u8>> = names.iter().map(|name| tar_of(&found, name)).collect();
            let (stage, mut merged, mut flat) = (Stage::new(Way::Kernel), Merged::new(), Vec::new());
            for layer in &layers {
                stage.apply(layer).unwrap();
                merged.add(layer.as_slice()).unwrap();
            }
            merged
                .write(&mut flat, |layer| Ok(layers[layer].as_slice()))
                .unwrap();
            let mut trees = [
                merge::members(&flat),
                merge::members(&diff::layer(&Snapshot::empty(), &stage.root())),
            ];
            for lines in &mut trees {
                lines.retain(|line| line != "./");
                lines.sort();
            }
            assert_eq!(trees[0], trees[1], "{}: {names:?}", path.display());
            assert!(
                layers.is_empty() || !trees[0].is_empty(),
                "{}: {names:?}",
                path.display()
            );
        }
    }
    assert!(count >= 10, "{count} images");
}
