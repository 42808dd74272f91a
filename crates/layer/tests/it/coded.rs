//! What the tests of codecs share: content, and both directions in pieces.

use wharf_layer::{Codec, Decoded, Decoder, Encoder, Error, Level, Limits, Profile};
use wharf_testkit::Random;

pub(crate) fn noise(random: &mut Random, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        bytes.extend_from_slice(&random.number().to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// Content that compresses as a program's text does: words of a small vocabulary.
pub(crate) fn text(count: usize) -> Vec<u8> {
    let mut random = Random::new(7);
    let mut words: Vec<Vec<u8>> = Vec::new();
    for _ in 0..2000 {
        let length = usize::try_from(random.number() % 9 + 2).unwrap();
        words.push(
            noise(&mut random, length)
                .iter()
                .map(|byte| b'a' + byte % 26)
                .collect(),
        );
    }
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let pick = random.number();
        let word = usize::try_from((pick % 2000) * (pick >> 32 & 0xff) / 256).unwrap();
        bytes.extend_from_slice(&words[word]);
        bytes.push(if pick >> 60 == 0 { b'\n' } else { b' ' });
    }
    bytes.truncate(count);
    bytes
}

pub(crate) fn encode(level: Level, threads: usize, content: &[u8], piece: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(Profile::V1, level, threads);
    let mut out = Vec::new();
    for piece in content.chunks(piece) {
        encoder.encode(piece, &mut out).unwrap();
    }
    let encoded = encoder.finish(&mut out).unwrap();
    assert_eq!(encoded.size, out.len() as u64);
    assert_eq!(encoded.uncompressed_size, content.len() as u64);
    out
}

/// By the default level.
pub(crate) fn compress(codec: Codec, content: &[u8]) -> Vec<u8> {
    encode(Level::default_of(codec), 1, content, content.len().max(1))
}

/// Decodes all, in pieces of these sizes.
pub(crate) fn decode_with(
    mut decoder: Decoder,
    bytes: &[u8],
    piece: usize,
    room: usize,
) -> Result<(Vec<u8>, Decoded), Error> {
    let mut out = Vec::new();
    let mut buffer = vec![0; room];
    for mut input in bytes.chunks(piece) {
        loop {
            let count = decoder.decode(&mut input, &mut buffer)?;
            if count == 0 {
                assert!(input.is_empty(), "bytes were left");
                break;
            }
            out.extend_from_slice(&buffer[..count]);
        }
    }
    let decoded = decoder.finish()?;
    assert_eq!(decoded.size, out.len() as u64);
    assert_eq!(decoded.compressed_size, bytes.len() as u64);
    assert_eq!(decoded.diff_id, wharf_content::Hasher::sha256(&out));
    Ok((out, decoded))
}

pub(crate) fn decode(codec: Codec, bytes: &[u8]) -> Result<(Vec<u8>, Decoded), Error> {
    decode_with(Decoder::new(codec, Limits::default()), bytes, 4096, 16 * 1024)
}

/// The number of bytes that come out, or the error, without keeping them.
pub(crate) fn drain(mut decoder: Decoder, mut input: &[u8]) -> Result<Decoded, Error> {
    let mut buffer = vec![0; 64 * 1024];
    while decoder.decode(&mut input, &mut buffer)? > 0 {}
    decoder.finish()
}
