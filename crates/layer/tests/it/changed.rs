//! Archives with changes at random, read here and by Python.

use std::{fs, path::Path};

use wharf_layer::tar::{Limits, Reader};
use wharf_testkit::{Random, require_peers};

use crate::{
    python::{Listed, python},
    raw::{Raw, archive, pax, read_with, record},
};

/// A base for changes: a few members of several kinds in each dialect.
fn base(random: &mut Random) -> Vec<Vec<u8>> {
    let content = vec![b'c'; usize::try_from(random.below(1200)).unwrap()];
    let inner = archive(&[Raw::file(b"inner").with(b"hidden")]);
    let mut parts = vec![
        Raw::file(b"first").with(&content),
        Raw::new(b'5').name(b"dir/").header(),
        pax(&[
            record("path", "by/record"),
            record("mtime", "12.5"),
            record("uid", "77"),
        ]
        .concat()),
        Raw::new(b'0').with(&inner),
        Raw::new(b'L')
            .gnu()
            .name(b"././@LongLink")
            .with(&[&[b'l'; 130], b"\0".as_slice()].concat()),
        Raw::new(b'0').gnu().with(b"after a long name"),
        Raw::new(b'2').name(b"symlink").link(b"target").header(),
        Raw::new(b'1').name(b"link").link(b"first").header(),
        Raw::new(0).old().name(b"old").with(b"old"),
        Raw::new(b'3')
            .name(b"device")
            .field(329, b"0000001\0")
            .field(337, b"0000003\0")
            .header(),
    ];
    let (one, other) = (random.index(parts.len()), random.index(parts.len()));
    if random.coin() {
        parts.swap(one, other);
    }
    if random.coin() {
        parts.remove(random.index(parts.len()));
    }
    parts
}

/// Changes one header, so that its checksum is right again.
fn change(random: &mut Random, part: &mut [u8]) {
    let fields: [(usize, usize); 12] = [
        (0, 100),
        (100, 8),
        (108, 8),
        (116, 8),
        (124, 12),
        (136, 12),
        (156, 1),
        (157, 100),
        (257, 8),
        (329, 8),
        (345, 155),
        (482, 30),
    ];
    let values: [&[u8]; 26] = [
        b"",
        b"\0",
        b" ",
        b"0",
        b"/",
        b"a/",
        b"../a",
        b"a\0b",
        b"00000000003\0",
        b"0000010\0",
        b"   12 \0",
        b"12\0 13",
        b"\x80\0\0\0\0\0\0\x02",
        b"\x80\0\0\0\0\0\0\0\0\0\x02\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xfe",
        b"-1",
        b"x",
        b"5",
        b"7",
        b"g",
        b"L",
        b"x",
        b"ustar\x0000",
        b"ustar  \0",
        b"tar\0",
        b"S",
    ];
    let (at, length) = random.pick(&fields);
    let value = random.pick(&values);
    let value = &value[..value.len().min(length)];
    if random.coin() {
        part[at..at + length].fill(0);
    }
    part[at..at + value.len()].copy_from_slice(value);
    part[148..156].copy_from_slice(b"        ");
    let sum: u32 = part[..512].iter().map(|byte| u32::from(*byte)).sum();
    part[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Changes the records or the content after a header, at one byte.
fn change_content(random: &mut Random, part: &mut [u8]) {
    if part.len() > 512 {
        let at = 512 + random.index((part.len() - 512).min(60));
        part[at] = random.pick(b"0123456789 =\n\0apu-.\xff");
    }
}

/// Archives that are changed and compared.
const COUNT: usize = 600;

/// Whatever is accepted here is what Python reads in the same bytes: kinds, names, targets, numbers and contents.
#[test]
fn what_is_accepted_is_what_python_reads() {
    require_peers!("python3");
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(17);
    let mut archives = Vec::new();
    for number in 0..COUNT {
        let mut parts = base(&mut random);
        for _ in 0..=random.below(2) {
            let part = random.index(parts.len());
            if random.once_in(3) {
                change_content(&mut random, &mut parts[part]);
            } else {
                change(&mut random, &mut parts[part]);
            }
        }
        let mut bytes = archive(&parts);
        if random.once_in(8) {
            bytes.truncate(random.index(bytes.len()));
        }
        fs::write(folder.path().join(number.to_string()), &bytes).unwrap();
        archives.push(bytes);
    }
    let mut accepted = 0;
    for (number, (bytes, python)) in archives
        .iter()
        .zip(python(folder.path(), COUNT, true))
        .enumerate()
    {
        let Ok((found, _)) = read_with(Reader::new(Limits::default()), bytes, 4096) else {
            continue;
        };
        accepted += 1;
        let found: Vec<Listed> = found.iter().map(Listed::of).collect();
        // A global header with nothing after it changes nothing; Python wants a member.
        let ends_with_global = python
            .as_ref()
            .is_err_and(|error| error.contains("end of file header"));
        if Ok(&found) != python.as_ref() && !ends_with_global {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differs.tar");
            fs::write(&kept, bytes).unwrap();
            panic!("{} ({number}):\n{found:#?}\nPython: {python:#?}", kept.display());
        }
    }
    assert!(accepted > COUNT / 8, "{accepted} were accepted");
}
