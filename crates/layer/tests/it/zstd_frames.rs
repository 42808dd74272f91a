//! zstd as others write it: several frames, frames to skip, zstd:chunked.

use wharf_layer::{Codec, Decoder, ErrorKind, Limits};

use crate::coded::{compress, decode, decode_with, text};

fn skippable(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x50 | number, 0x2a, 0x4d, 0x18];
    bytes.extend_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn frames_to_skip_are_skipped_wherever_they_stand() {
    let (one, two) = (text(50_000), text(10));
    let frame = |content: &[u8]| compress(Codec::Zstd, content);
    let table = skippable(0, &[7; 3000]);
    let orders: [Vec<Vec<u8>>; 6] = [
        vec![frame(&one), frame(&two)],
        vec![table.clone(), frame(&one), frame(&two)],
        vec![frame(&one), table.clone(), frame(&two)],
        vec![frame(&one), frame(&two), table.clone()],
        vec![
            skippable(15, b""),
            frame(&one),
            skippable(1, b"\0\0"),
            frame(&two),
            table.clone(),
            table,
        ],
        // As zstd:chunked has it: a frame for each file, then a table, tar-split and a footer.
        vec![
            frame(&one[..100]),
            frame(&one[100..]),
            frame(&two),
            skippable(0, &frame(b"{\"version\":1}")),
            skippable(0, &frame(b"tar-split")),
            skippable(0, &[&[0; 56], b"GNUlInUx".as_slice()].concat()),
        ],
    ];
    for order in orders {
        let bytes = order.concat();
        for piece in [1, 3, 8, 100_000] {
            let decoder = Decoder::new(Codec::Zstd, Limits::default());
            let (out, decoded) = decode_with(decoder, &bytes, piece, 1000).unwrap();
            assert_eq!(out, [one.as_slice(), &two].concat());
            assert_eq!(decoded.trailing, 0);
        }
    }
    let only = decode(Codec::Zstd, &skippable(3, b"nothing else")).unwrap();
    assert_eq!(only.1.size, 0);
    for cut in 1..skippable(0, b"abc").len() {
        let bytes = [frame(&two), skippable(0, b"abc")[..cut].to_vec()].concat();
        assert_eq!(
            decode(Codec::Zstd, &bytes).unwrap_err().kind(),
            ErrorKind::Corrupt
        );
    }
}

/// The bytes after a magic number can be those of another one. A library that is given them apart takes them for a
/// frame to skip, and the frame that they belong to for nothing.
#[test]
fn the_header_of_a_frame_is_no_frame() {
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    // Block: the last one, of one byte that is repeated no times.
    for inner in [
        skippable(0, b"\xff\x61\0"),
        compress(Codec::Zstd, b"another frame"),
    ] {
        let bytes = [magic.as_slice(), &inner].concat();
        for piece in [1, 2, 3, 4, 5, 6, 8, 100] {
            let decoder = Decoder::new(Codec::Zstd, Limits::default());
            let error = decode_with(decoder, &bytes, piece, 100_000).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{piece}: {error}");
        }
    }
    // Headers of every length, with a block of nothing and one of a byte.
    for descriptor in [0x00, 0x01, 0x02, 0x03, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xc0, 0xe0] {
        let single = descriptor & 0x20 != 0;
        let mut header = vec![descriptor];
        header.extend(vec![7 << 3; usize::from(!single)]);
        header.extend(vec![0; [0, 1, 2, 4][usize::from(descriptor & 3)]]);
        let size = match descriptor >> 6 {
            0 => usize::from(single),
            1 => 2,
            2 => 4,
            _ => 8,
        };
        // A size of two bytes counts from 256.
        let length = if size == 2 { 256_u32 } else { 1 };
        let stated = u64::from(size != 2);
        header.extend_from_slice(&stated.to_le_bytes()[..size]);
        let block = length << 3 | 1 << 1 | 1;
        let bytes = [magic.as_slice(), &header, &block.to_le_bytes()[..3], b"x"].concat();
        for piece in [1, 4, 5, 100] {
            let decoder = Decoder::new(Codec::Zstd, Limits::default());
            let (out, _) = decode_with(decoder, &bytes, piece, 1000).unwrap();
            assert_eq!(out, vec![b'x'; length as usize], "{descriptor:x}");
        }
    }
}

#[test]
fn frames_are_checked() {
    let bytes = compress(Codec::Zstd, &text(1000));
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let error = decode(Codec::Zstd, &damaged).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("checksum"), "{error}");
    // A dictionary that nobody has.
    let dictionary = [0x28, 0xb5, 0x2f, 0xfd, 0x01, 7 << 3, 99, 1, 0, 0];
    let error = decode(Codec::Zstd, &dictionary).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().to_lowercase().contains("dictionary"), "{error}");
}
