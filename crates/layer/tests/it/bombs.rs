//! Content that is small, and large when it is decoded (docs/threats.md, I11).

use wharf_layer::{Codec, Decoder, ErrorKind, Limits};

use crate::coded::{compress, drain};

#[track_caller]
fn assert_too_large(limits: Limits, codec: Codec, bytes: &[u8], field: &str) {
    let error = drain(Decoder::new(codec, limits), bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(
        error.to_string().contains(&format!("the limit `{field}` is ")),
        "{error}"
    );
}

/// One mebibyte of zeros at a time, as deflate has it, and nothing at the end: what is asked for is that it is
/// never reached.
#[cfg(feature = "gzip")]
fn gzip_of_zeros(mebibytes: usize) -> Vec<u8> {
    let mut deflate = zlib_rs::Deflate::new(9, false, 15);
    let mut block = vec![0; 1 << 16];
    deflate
        .compress(&vec![0; 1 << 20], &mut block, zlib_rs::DeflateFlush::FullFlush)
        .unwrap();
    block.truncate(usize::try_from(deflate.total_out()).unwrap());
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for _ in 0..mebibytes {
        bytes.extend_from_slice(&block);
    }
    bytes
}

#[cfg(feature = "gzip")]
#[test]
fn i11_ten_gibibytes_of_zeros_are_stopped() {
    let bomb = gzip_of_zeros(10 * 1024);
    assert!(bomb.len() < 12 << 20);
    assert_too_large(Limits::default(), Codec::Gzip, &bomb, "ratio");
    let patient = Limits::default().with_ratio(2000);
    assert_too_large(
        patient.clone().with_output(100 << 20),
        Codec::Gzip,
        &bomb,
        "output",
    );
    // Whoever knows the content reads it: what was cut is told, not refused for its ratio.
    let error = drain(Decoder::new(Codec::Gzip, patient), &gzip_of_zeros(20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[cfg(feature = "zstd")]
#[test]
fn i11_a_frame_of_unknown_size_is_stopped() {
    // A frame without its size, of blocks that repeat one byte 128 Ki times in 4 bytes.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3];
    let block = (128_u32 * 1024) << 3 | 1 << 1;
    for _ in 0..80 * 1024 {
        bomb.extend_from_slice(&block.to_le_bytes()[..3]);
        bomb.push(0);
    }
    assert_too_large(Limits::default(), Codec::Zstd, &bomb, "ratio");
    let patient = Limits::default().with_ratio(u64::MAX).with_output(100 << 20);
    assert_too_large(patient, Codec::Zstd, &bomb, "output");
}

#[cfg(feature = "zstd")]
#[test]
fn i11_a_window_that_is_too_large_is_refused() {
    let frame = |descriptor: u8, rest: &[u8]| {
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, descriptor];
        bytes.extend_from_slice(rest);
        bytes.extend_from_slice(&[1, 0, 0]);
        bytes
    };
    for exponent in 0..=31_u8 {
        let bytes = frame(0, &[exponent << 3]);
        let decoder = Decoder::new(Codec::Zstd, Limits::default());
        match drain(decoder, &bytes) {
            Ok(_) => assert!(exponent <= 17, "{exponent}"),
            Err(error) => {
                assert!(exponent > 17, "{error}");
                assert!(
                    error.to_string().contains("the limit `window_log` is 27"),
                    "{error}"
                );
            }
        }
    }
    // A frame that is one segment has a window as large as its content.
    let single = frame(0xe0, &(1_u64 << 40).to_le_bytes());
    assert_too_large(Limits::default(), Codec::Zstd, &single, "window_log");
    let smaller = Limits::default().with_window_log(20);
    assert_too_large(smaller, Codec::Zstd, &frame(0, &[11 << 3]), "window_log");
    let unknown = drain(
        Decoder::new(Codec::Zstd, Limits::default().with_window_log(99)),
        &compress(Codec::Zstd, b"a"),
    );
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn i11_a_million_tiny_members_are_refused() {
    for (codec, present) in [
        (Codec::Gzip, cfg!(feature = "gzip")),
        (Codec::Zstd, cfg!(feature = "zstd")),
    ] {
        if !present {
            continue;
        }
        let member = compress(codec, b"");
        assert_too_large(Limits::default(), codec, &member.repeat(1_000_000), "members");
        let three = Limits::default().with_members(3);
        assert!(drain(Decoder::new(codec, three.clone()), &member.repeat(3)).is_ok());
        assert_too_large(three, codec, &member.repeat(4), "members");
    }
    if cfg!(feature = "zstd") {
        let skippable = b"\x50\x2a\x4d\x18\0\0\0\0".repeat(500_001);
        assert_too_large(Limits::default(), Codec::Zstd, &skippable, "members");
    }
}

/// A name without end is not kept (CVE-2026-48702).
#[cfg(feature = "gzip")]
#[test]
fn i11_a_header_without_end_is_refused() {
    for flag in [8, 16] {
        let mut bytes = vec![0x1f, 0x8b, 8, flag, 0, 0, 0, 0, 0, 255];
        bytes.resize(2 << 20, b'n');
        assert_too_large(Limits::default(), Codec::Gzip, &bytes, "header");
        assert_too_large(
            Limits::default().with_header(20),
            Codec::Gzip,
            &bytes[..100],
            "header",
        );
    }
}

#[test]
fn i11_plain_content_is_bounded_too() {
    let content = vec![1; 3 << 20];
    assert_too_large(
        Limits::default().with_output(2 << 20),
        Codec::Plain,
        &content,
        "output",
    );
    let exactly = Limits::default().with_output(3 << 20);
    assert!(drain(Decoder::new(Codec::Plain, exactly), &content).is_ok());
}

/// Memory is that of the window, whatever the content.
#[cfg(feature = "gzip")]
#[test]
fn i11_decoding_needs_little_memory() {
    let bytes = compress(Codec::Gzip, &crate::coded::text(8 << 20));
    let mut buffer = vec![0; 64 * 1024];
    let used = allocation_counter::measure(|| {
        let mut decoder = Decoder::new(Codec::Gzip, Limits::default());
        let mut input = bytes.as_slice();
        while decoder.decode(&mut input, &mut buffer).unwrap() > 0 {}
        decoder.finish().unwrap();
    });
    assert!(used.bytes_max < 200 * 1024, "{used:?}");
}
