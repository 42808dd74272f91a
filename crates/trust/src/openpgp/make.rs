//! Signed messages, made: one-pass signature, literal, signature, each of a known length and nothing compressed.

use super::{algorithm::Hash, key::Key, packet, signature::BINARY};

/// A message with this payload. `sign` returns the algorithm's part of the signature over some data; `None` if that
/// fails.
pub(super) fn message(
    key: &Key,
    payload: &[u8],
    created: u32,
    hash: Hash,
    sign: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let head = [BINARY, hash.id(), key.algorithm];
    let one_pass = [&[3], head.as_slice(), key.id(), &[1]].concat();
    // Binary, without a file name and a date: neither would be signed.
    let literal = [&[b'b', 0, 0, 0, 0, 0], payload].concat();
    let signature = signature(key, payload, created, hash, sign)?;
    let packets = [
        packet::encode(packet::ONE_PASS_SIGNATURE, &one_pass),
        packet::encode(packet::LITERAL, &literal),
        packet::encode(packet::SIGNATURE, &signature),
    ];
    Some(packets.concat())
}

/// A signature of version 4 (RFC 9580, 5.2.3), with its time and the key's fingerprint signed, and the key's id
/// beside them for older programs.
fn signature(
    key: &Key,
    payload: &[u8],
    created: u32,
    hash: Hash,
    sign: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let fingerprint = [&[4], key.fingerprint.as_slice()].concat();
    let hashed = [
        subpacket(2, &created.to_be_bytes())?,
        subpacket(33, &fingerprint)?,
    ]
    .concat();
    let unhashed = subpacket(16, key.id())?;
    let size = |part: &[u8]| u16::try_from(part.len()).ok().map(u16::to_be_bytes);
    let head = [
        &[4, BINARY, key.algorithm, hash.id()],
        size(&hashed)?.as_slice(),
        &hashed,
    ]
    .concat();
    let length = u32::try_from(head.len()).ok()?.to_be_bytes();
    let data = [payload, &head, &[4, 0xff], &length].concat();
    let digest = hash.digest(&data);
    let hint = digest.as_ref().first_chunk::<2>()?;
    let material = sign(&data)?;
    Some([&head, size(&unhashed)?.as_slice(), &unhashed, hint, &material].concat())
}

fn subpacket(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let size = u8::try_from(body.len() + 1).ok().filter(|size| *size < 192)?;
    Some([&[size, kind], body].concat())
}

/// The two numbers of a signature, given one after the other in as many bytes each, as multiprecision integers.
pub(super) fn numbers(both: &[u8]) -> Vec<u8> {
    let (r, s) = both.split_at(both.len() / 2);
    [integer(r), integer(s)].concat()
}

fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number.get(zeros..).unwrap_or_default();
    let first = number.first().map_or(0, |first| first.leading_zeros() as usize);
    // At most 384 bits.
    let bits = u16::try_from(number.len() * 8 - first).unwrap_or_default();
    [&bits.to_be_bytes(), number].concat()
}
