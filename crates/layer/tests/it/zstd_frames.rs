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
