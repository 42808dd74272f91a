//! gzip as others write it: header fields, several members, eStargz.

use wharf_layer::{Codec, Decoder, ErrorKind, Limits};

use crate::coded::{compress, decode, decode_with, text};

/// A member with these flags and these bytes after the ten fixed ones.
fn member(flags: u8, fields: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = compress(Codec::Gzip, content);
    bytes[3] = flags;
    bytes.splice(10..10, fields.iter().copied());
    bytes
}

fn with_checksum(mut header: Vec<u8>) -> Vec<u8> {
    let length = header.len();
    let sum = zlib_rs::crc32::crc32(0, &header) & 0xffff;
    header.extend_from_slice(&sum.to_le_bytes()[..2]);
    header.split_off(length)
}

#[test]
fn headers_have_any_fields() {
    let cases: &[(u8, &[u8])] = &[
        (0, b""),
        (1, b""),
        (4, b"\0\0"),
        (4, b"\x03\0abc"),
        (8, b"layer.tar\0"),
        (8, b"\0"),
        (16, b"a comment\0"),
        (4 | 8 | 16, b"\x01\0xname\0comment\0"),
        (8 | 16, b"name\0\0"),
    ];
    let content = text(500);
    for (flags, fields) in cases {
        let plain = member(*flags, fields, &content);
        let mut header = plain[..10 + fields.len()].to_vec();
        header[3] |= 2;
        let sum = with_checksum(header);
        let summed = member(flags | 2, &[*fields, &sum].concat(), &content);
        for bytes in [plain, summed.clone()] {
            for piece in [1, 2, 1000] {
                let decoder = Decoder::new(Codec::Gzip, Limits::default());
                assert_eq!(decode_with(decoder, &bytes, piece, 99).unwrap().0, content);
            }
        }
        let mut wrong = summed;
        wrong[10 + fields.len()] ^= 1;
        assert_eq!(
            decode(Codec::Gzip, &wrong).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }
    for flags in [32, 64, 128] {
        assert_eq!(
            decode(Codec::Gzip, &member(flags, b"", &content))
                .unwrap_err()
                .kind(),
            ErrorKind::Corrupt
        );
    }
    let mut method = compress(Codec::Gzip, &content);
    method[2] = 9;
    assert_eq!(
        decode(Codec::Gzip, &method).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

#[test]
fn all_members_are_read_and_each_is_checked() {
    let parts = [text(100), Vec::new(), text(70_000), b"x".to_vec()];
    let bytes: Vec<u8> = parts
        .iter()
        .flat_map(|part| compress(Codec::Gzip, part))
        .collect();
    assert_eq!(decode(Codec::Gzip, &bytes).unwrap().0, parts.concat());

    let first = compress(Codec::Gzip, &parts[0]);
    // The checksum and the length of the first member.
    for at in first.len() - 8..first.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let error = decode(Codec::Gzip, &damaged).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let words = if at < first.len() - 4 {
            "checksum"
        } else {
            "length"
        };
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// A member that another program wrote, here miniz.
#[test]
fn members_of_others_are_read() {
    use std::io::Write as _;
    let content = text(200_000);
    for level in 0..=9 {
        let mut encoder = flate2::GzBuilder::new()
            .filename("layer.tar")
            .mtime(1_700_000_000)
            .write(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(&content).unwrap();
        let bytes = encoder.finish().unwrap();
        assert_eq!(decode(Codec::Gzip, &bytes).unwrap().0, content);
    }
}
