//! Compressed layers: see `README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_layer::{Codec, Decoded, Decoder, Encoder, Error, Level, Limits, Profile};

const MOST: u64 = 4 << 20;

fn decode(mut decoder: Decoder, bytes: &[u8], piece: usize, room: usize) -> Result<(Vec<u8>, Decoded), Error> {
    let mut out = Vec::new();
    let mut buffer = vec![0; room];
    for mut input in bytes.chunks(piece) {
        loop {
            let count = decoder.decode(&mut input, &mut buffer)?;
            if count == 0 {
                assert!(input.is_empty());
                break;
            }
            out.extend_from_slice(&buffer[..count]);
            assert!(out.len() as u64 <= MOST);
        }
    }
    Ok((out, decoder.finish()?))
}

fuzz_target!(|bytes: &[u8]| {
    let limits = || Limits::default().with_output(MOST).with_members(1000).with_window_log(23);
    for codec in [None, Some(Codec::Plain), Some(Codec::Gzip), Some(Codec::Zstd)] {
        let decoder = || match codec {
            None => Decoder::by_magic(limits()),
            Some(codec) => Decoder::new(codec, limits()),
        };
        let whole = decode(decoder(), bytes, bytes.len().max(1), 64 * 1024);
        let pieces = decode(decoder(), bytes, 3, 1000);
        match (whole, pieces) {
            (Ok(whole), Ok(pieces)) => {
                assert_eq!(whole, pieces);
                let (out, decoded) = whole;
                assert_eq!((decoded.size, decoded.compressed_size), (out.len() as u64, bytes.len() as u64));
                assert_eq!(decoded.diff_id, wharf_content::Hasher::sha256(&out));
                // And back.
                let mut encoded = Vec::new();
                let mut encoder = Encoder::new(Profile::V1, Level::default_of(decoded.codec), 1);
                encoder.encode(&out, &mut encoded).unwrap();
                encoder.finish(&mut encoded).unwrap();
                let again = Decoder::new(decoded.codec, limits().with_ratio(u64::MAX));
                assert_eq!(decode(again, &encoded, 4096, 4096).unwrap().0, out);
            }
            // Where two things are wrong, the pieces decide which is seen first.
            (Err(_), Err(_)) => {}
            (whole, pieces) => panic!("{whole:?} {pieces:?}"),
        }
    }
});
