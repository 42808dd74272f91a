use proptest::prelude::*;
use wharf_content::Hasher;
use wharf_layer::{
    Codec, Encoder, ErrorKind, Level, Profile,
    tar::{Member, Writer},
};

use wharf_testkit::Random;

use crate::coded::{compress, decode, encode, noise, text};

fn codecs() -> Vec<Codec> {
    let all = [
        (Codec::Plain, true),
        (Codec::Gzip, cfg!(feature = "gzip")),
        (Codec::Zstd, cfg!(feature = "zstd")),
    ];
    all.into_iter()
        .filter_map(|(codec, present)| present.then_some(codec))
        .collect()
}

fn level(codec: Codec, number: u8) -> Level {
    Level::new(codec, number).unwrap()
}

#[test]
fn levels_are_those_of_the_codec() {
    for (codec, least, most) in [(Codec::Plain, 0, 0), (Codec::Gzip, 1, 9), (Codec::Zstd, 1, 20)] {
        for number in 0..=255 {
            let made = Level::new(codec, number);
            assert_eq!(made.is_ok(), (least..=most).contains(&number), "{codec} {number}");
            match made {
                Ok(level) => assert_eq!((level.codec(), level.number()), (codec, number)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Invalid);
                    assert!(
                        error.to_string().contains(&format!("{least} to {most}")),
                        "{error}"
                    );
                }
            }
        }
    }
    assert_eq!(Level::default_of(Codec::Gzip).to_string(), "gzip-6");
    assert_eq!(Profile::V1.id(Level::default_of(Codec::Plain)), "v1/plain");
    #[cfg(feature = "zstd")]
    assert_eq!(
        Profile::V1.id(level(Codec::Zstd, 9)),
        format!("v1/zstd-9/{}", zstd::zstd_safe::version_string())
    );
}

#[test]
fn digests_are_computed_on_request() {
    let content = text(3 << 20);
    for codec in codecs() {
        let mut encoder = Encoder::new(Profile::V1, Level::default_of(codec), 2)
            .with_digest(true)
            .with_diff_id(true);
        let mut out = Vec::new();
        let mut all = Vec::new();
        for piece in content.chunks(100_000) {
            encoder.encode(piece, &mut out).unwrap();
            all.append(&mut out);
        }
        let encoded = encoder.finish(&mut out).unwrap();
        all.append(&mut out);
        assert_eq!(encoded.digest, Some(Hasher::sha256(&all)));
        assert_eq!(encoded.diff_id, Some(Hasher::sha256(&content)));
        assert_eq!(
            (encoded.size, encoded.uncompressed_size),
            (all.len() as u64, 3 << 20)
        );
        assert_eq!(decode(codec, &all).unwrap().0, content);
        let mut plain = Encoder::new(Profile::V1, Level::default_of(codec), 1);
        plain.encode(b"a", &mut Vec::new()).unwrap();
        let encoded = plain.finish(&mut Vec::new()).unwrap();
        assert_eq!((encoded.digest, encoded.diff_id), (None, None));
    }
}

#[test]
fn threads_and_pieces_do_not_change_the_bytes() {
    for length in [
        0,
        1,
        (1 << 20) - 1,
        1 << 20,
        (1 << 20) + 1,
        2 << 20,
        (5 << 20) + 12_345,
    ] {
        let content = text(length);
        for codec in codecs() {
            let expected = compress(codec, &content);
            assert_eq!(decode(codec, &expected).unwrap().0, content);
            let ways = [
                (0, 1000),
                (1, 65_536),
                (2, 1000),
                (2, 1 << 30),
                (3, 70_000),
                (16, (1 << 20) + 1),
            ];
            for (threads, piece) in ways {
                let bytes = encode(Level::default_of(codec), threads, &content, piece);
                assert!(
                    bytes == expected,
                    "{codec}, {length} bytes, {threads} threads, pieces of {piece}"
                );
            }
        }
    }
}

#[cfg(feature = "gzip")]
#[test]
fn gzip_has_no_time_no_name_and_no_system() {
    for (number, effort) in [(1, 4), (2, 0), (6, 0), (9, 2)] {
        let bytes = encode(level(Codec::Gzip, number), 1, &text(2 << 20), 4096);
        assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 255]);
        // One member: its length is that of all.
        assert_eq!(bytes[bytes.len() - 4..], (2_u32 << 20).to_le_bytes());
    }
}

/// Blocks that are compressed each for itself cost at most a hundredth.
#[cfg(feature = "gzip")]
#[test]
fn blocks_compress_nearly_as_well_as_one_stream() {
    let content = text(8 << 20);
    // The levels, and those of the library that they are.
    for (number, effort) in [(1, 1), (6, 5), (9, 9)] {
        let mut deflate = zlib_rs::Deflate::new(effort, false, 15);
        let mut serial = vec![0; content.len()];
        deflate
            .compress(&content, &mut serial, zlib_rs::DeflateFlush::Finish)
            .unwrap();
        let serial = usize::try_from(deflate.total_out()).unwrap() + 18;
        let blocks = encode(level(Codec::Gzip, number), 1, &content, 1 << 20).len();
        assert!(
            blocks * 100 <= serial * 101,
            "level {number}: {blocks} for {serial}"
        );
    }
}

#[test]
fn an_encoder_can_be_dropped_at_any_time() {
    let content = text(4 << 20);
    for codec in codecs() {
        for pieces in 0..5 {
            let mut encoder = Encoder::new(Profile::V1, Level::default_of(codec), 3);
            for piece in content.chunks(1 << 20).take(pieces) {
                encoder.encode(piece, &mut Vec::new()).unwrap();
            }
        }
    }
}

/// Four inputs: zeros, text, noise, and a tar of many small files.
fn inputs() -> [Vec<u8>; 4] {
    let mut random = Random::new(1);
    let mut writer = Writer::new();
    let mut tar = Vec::new();
    for number in 0..500_usize {
        let content = text(number * 7 % 4000);
        let member = Member::file(format!("usr/lib/module-{number}/file"), content.len() as u64)
            .unwrap()
            .with_owner(random.number() % 1000, 0);
        tar.extend_from_slice(&writer.member(&member).unwrap());
        writer.content(content.len()).unwrap();
        tar.extend_from_slice(&content);
        tar.extend_from_slice(writer.end_member().unwrap());
    }
    tar.extend_from_slice(writer.finish().unwrap());
    [
        vec![0; (3 << 20) + 17],
        text((2 << 20) + 1),
        noise(&mut random, (1 << 20) + 77),
        tar,
    ]
}

/// The digests that profile 1 promises. If a new version of a library changes one, it comes with a new profile, or
/// not at all.
#[test]
fn profile_1_writes_these_bytes() {
    let mut table = String::new();
    for codec in codecs() {
        #[cfg(feature = "zstd")]
        if codec == Codec::Zstd && zstd::zstd_safe::version_string() != "1.5.7" {
            eprintln!("skipped: the digests of zstd are those of version 1.5.7");
            continue;
        }
        let numbers: &[u8] = match codec {
            Codec::Plain => &[0],
            Codec::Gzip => &[1, 2, 3, 4, 5, 6, 7, 8, 9],
            _ => &[1, 3, 9],
        };
        for (input, content) in ["zeros", "text", "noise", "tar"].iter().zip(inputs()) {
            for number in numbers {
                let level = level(codec, *number);
                let bytes = encode(level, 2, &content, 100_000);
                let digest = Hasher::sha256(&bytes);
                let line = format!("{} {input} {} {digest}\n", Profile::V1.id(level), bytes.len());
                table.push_str(&line);
            }
        }
    }
    let golden = include_str!("golden/profile1.txt");
    if std::env::var_os("WHARF_UPDATE_GOLDEN").is_some() {
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/profile1.txt"),
            &table,
        )
        .unwrap();
        return;
    }
    for line in table.lines() {
        assert!(
            golden.lines().any(|known| known == line),
            "not in golden/profile1.txt: {line}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Whatever is encoded is decoded to the same bytes, by any level, number of threads and size of pieces.
    #[test]
    fn content_comes_back(
        seed in any::<u64>(),
        parts in prop::collection::vec((any::<bool>(), 0_usize..300_000), 0..5),
        number in 1_u8..10,
        threads in 0_usize..4,
        piece in 1_usize..1_500_000,
    ) {
        let mut random = Random::new(seed);
        let content: Vec<u8> = parts
            .into_iter()
            .flat_map(|(random_bytes, length)| if random_bytes { noise(&mut random, length) } else { text(length) })
            .collect();
        for codec in codecs() {
            let level = if codec == Codec::Plain { Level::default_of(codec) } else { level(codec, number) };
            let bytes = encode(level, threads, &content, piece);
            prop_assert!(decode(codec, &bytes).unwrap().0 == content);
        }
    }
}
