use wharf_content::Hasher;
use wharf_layer::{Codec, Decoder, ErrorKind, Limits, MAGIC_SIZE};
use wharf_reference::Algorithm;

use crate::coded::{compress, decode, decode_with, drain, text};

/// Those of this build.
fn codecs() -> Vec<Codec> {
    let mut codecs = vec![Codec::Plain];
    if cfg!(feature = "gzip") {
        codecs.push(Codec::Gzip);
    }
    if cfg!(feature = "zstd") {
        codecs.push(Codec::Zstd);
    }
    codecs
}

#[test]
fn the_type_and_the_first_bytes_agree_or_the_content_is_corrupt() {
    let content = text(5000);
    for stated in codecs() {
        for found in codecs() {
            let bytes = compress(found, &content);
            assert_eq!(Codec::of_magic(&bytes[..MAGIC_SIZE]).unwrap(), found);
            for piece in [1, 3, 4096] {
                let decoder = Decoder::new(stated, Limits::default());
                let result = decode_with(decoder, &bytes, piece, 100);
                if stated == found {
                    let (out, decoded) = result.unwrap();
                    assert_eq!((out, decoded.codec), (content.clone(), found));
                } else {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    let words = format!("the content is {found}, but its type says {stated}");
                    assert!(error.to_string().contains(&words), "{error}");
                }
                let decoder = Decoder::by_magic(Limits::default());
                let (out, decoded) = decode_with(decoder, &bytes, piece, 100).unwrap();
                assert_eq!((out, decoded.codec), (content.clone(), found));
            }
        }
    }
}

#[test]
fn codecs_that_no_layer_has_are_refused_by_name() {
    let cases: &[(&[u8], &str)] = &[
        (b"BZh91AY&SY\x12\x34", "bzip2"),
        (b"\xfd7zXZ\0\0\x04", "xz"),
        (b"\x04\x22\x4d\x18\x64\x40\xa7", "lz4"),
    ];
    for (bytes, name) in cases {
        assert_eq!(Codec::of_magic(bytes).unwrap_err().kind(), ErrorKind::Unsupported);
        let decoders = codecs()
            .into_iter()
            .map(|codec| Decoder::new(codec, Limits::default()));
        for decoder in decoders.chain([Decoder::by_magic(Limits::default())]) {
            let error = decode_with(decoder, bytes, 3, 10).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn a_codec_that_was_left_out_is_unsupported() {
    for codec in [Codec::Gzip, Codec::Zstd] {
        if codecs().contains(&codec) {
            continue;
        }
        let magic: &[u8] = if codec == Codec::Gzip {
            b"\x1f\x8b"
        } else {
            b"\x28\xb5\x2f\xfd"
        };
        let error = decode(codec, magic).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(&codec.to_string()), "{error}");
        let mut encoder =
            wharf_layer::Encoder::new(wharf_layer::Profile::V1, wharf_layer::Level::default_of(codec), 1);
        let error = encoder.encode(b"a", &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn both_digests_are_verified_in_one_pass() {
    let content = text(300_000);
    for codec in codecs() {
        let bytes = compress(codec, &content);
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = |bytes: &[u8]| Hasher::digest(algorithm, bytes).unwrap();
            let decoder = |of: &[u8], diff_of: &[u8]| {
                Decoder::new(codec, Limits::default())
                    .with_digest(digest(of))
                    .unwrap()
                    .with_diff_id(digest(diff_of))
                    .unwrap()
            };
            let decoded = drain(decoder(&bytes, &content), &bytes).unwrap();
            assert_eq!(decoded.diff_id, digest(&content));
            assert_eq!(decoded.compressed_size, bytes.len() as u64);

            let error = drain(decoder(b"other", &content), &bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Mismatch);
            assert!(error.to_string().contains(digest(&bytes).as_str()), "{error}");
            assert!(error.to_string().contains(" compressed"), "{error}");
            let error = drain(decoder(&bytes, b"other"), &bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Mismatch);
            assert!(error.to_string().contains("uncompressed"), "{error}");
        }
    }
}

#[test]
fn pieces_of_any_size_decode_alike() {
    let content = text(20_000);
    for codec in codecs() {
        let mut bytes = compress(codec, &content);
        if codec != Codec::Plain {
            let second = bytes.clone();
            bytes.extend(second);
        }
        let expected = decode(codec, &bytes).unwrap();
        for piece in [1, 2, 5, 511, 100_000] {
            for room in [1, 7, 4096, 1 << 20] {
                let decoder = Decoder::new(codec, Limits::default());
                assert_eq!(decode_with(decoder, &bytes, piece, room).unwrap(), expected);
            }
        }
    }
}

#[test]
fn content_that_is_cut_anywhere_is_corrupt() {
    let content = text(3000);
    for codec in codecs() {
        let bytes = compress(codec, &content);
        for end in 0..bytes.len() {
            let result = decode(codec, &bytes[..end]);
            // Whether a plain tar is whole is seen by its reader, and by its digest.
            if codec == Codec::Plain {
                assert!(result.is_ok());
            } else {
                let error = result.expect_err("a cut layer");
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{end}: {error}");
            }
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            let result = decode(codec, &damaged);
            // Some bytes say nothing about the content: gzip's time, effort and system, a larger window of zstd.
            if let Ok((out, _)) = result {
                assert!(codec == Codec::Plain || out == content, "{at}");
            }
        }
    }
}

#[test]
fn nothing_is_the_empty_tar_and_no_compressed_one() {
    for codec in codecs() {
        let result = decode(codec, b"");
        match codec {
            Codec::Plain => assert_eq!(result.unwrap().1.size, 0),
            _ => assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt),
        }
        assert_eq!(decode(codec, &compress(codec, b"")).unwrap().0, b"");
    }
    let by_magic = Decoder::by_magic(Limits::default());
    assert_eq!(by_magic.finish().unwrap().codec, Codec::Plain);
    let mut undecided = Decoder::by_magic(Limits::default());
    assert_eq!(undecided.decode(&mut b"BZ".as_slice(), &mut [0; 10]).unwrap(), 0);
    assert_eq!(undecided.finish().unwrap_err().kind(), ErrorKind::Corrupt);
    let no_room = Decoder::by_magic(Limits::default()).decode(&mut b"tar".as_slice(), &mut []);
    assert_eq!(no_room.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn zeros_after_the_end_are_counted_and_other_bytes_refused() {
    let content = text(1000);
    for codec in codecs().into_iter().filter(|codec| *codec != Codec::Plain) {
        let whole = compress(codec, &content);
        for zeros in [1, 511, 100_000] {
            let mut bytes = whole.clone();
            bytes.resize(bytes.len() + zeros, 0);
            let (out, decoded) = decode(codec, &bytes).unwrap();
            assert_eq!((out, decoded.trailing), (content.clone(), zeros as u64));
            for junk in [b"x".as_slice(), &whole] {
                let error = decode(codec, &[bytes.as_slice(), junk].concat()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt);
            }
        }
        for junk in [
            b"x".as_slice(),
            b"\x1f\x8bjunk",
            b"\x28\xb5\x2f\x01",
            b"\x1f",
            b"P*M",
        ] {
            let error = decode(codec, &[whole.as_slice(), junk].concat()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{junk:?}");
        }
        // None before.
        assert_eq!(
            decode(codec, &[b"\0".as_slice(), &whole].concat())
                .unwrap_err()
                .kind(),
            ErrorKind::Corrupt
        );
    }
}

#[test]
fn after_an_error_nothing_is_decoded() {
    for codec in codecs().into_iter().filter(|codec| *codec != Codec::Plain) {
        let mut decoder = Decoder::new(codec, Limits::default());
        assert!(
            decoder
                .decode(&mut b"no such thing".as_slice(), &mut [0; 10])
                .is_err()
        );
        let bytes = compress(codec, b"content");
        assert!(decoder.decode(&mut bytes.as_slice(), &mut [0; 10]).is_err());
        assert!(decoder.finish().is_err());
    }
}
