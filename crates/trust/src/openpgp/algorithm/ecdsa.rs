//! ECDSA on the curves P-256 and P-384.

use ring::signature::EcdsaVerificationAlgorithm;

use super::{
    Failure, PublicKey,
    curve::{self, P256, P384},
    verified,
};
use crate::openpgp::reader::{Malformed, Reader};

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Result<PublicKey, String>, Malformed> {
    let curve = curve::read(reader)?;
    let point = reader.mpi()?;
    let (size, key): (usize, fn(Vec<u8>) -> PublicKey) = match curve {
        P256 => (65, PublicKey::P256),
        P384 => (97, PublicKey::P384),
        other => return Ok(Err(format!("ECDSA on {} is not accepted", curve::name(other)))),
    };
    if point.len() != size || point.first() != Some(&4) {
        return Err("a point is not on its curve");
    }
    Ok(Ok(key(point.to_vec())))
}

pub(super) fn verify(
    point: &[u8],
    algorithm: &'static EcdsaVerificationAlgorithm,
    message: &[u8],
    mut reader: Reader<'_>,
) -> Result<(), Failure> {
    let r = reader.mpi().map_err(|_| Failure::Wrong)?;
    let s = reader.mpi().map_err(|_| Failure::Wrong)?;
    reader.finish().map_err(|_| Failure::Wrong)?;
    let signature = der_of(r, s).ok_or(Failure::Wrong)?;
    verified(algorithm, point, message, &signature)
}

/// The signature `SEQUENCE { r INTEGER, s INTEGER }` in DER, of numbers without leading zeros.
fn der_of(r: &[u8], s: &[u8]) -> Option<Vec<u8>> {
    let integer = |value: &[u8]| {
        let sign: &[u8] = match value.first() {
            Some(0..=0x7f) => &[],
            _ => &[0], // also for the number zero, which is refused later
        };
        Some([&[2, u8::try_from(sign.len() + value.len()).ok()?], sign, value].concat())
    };
    let content = [integer(r)?, integer(s)?].concat();
    // Two numbers of 384 bits stay below 128 bytes.
    let size = u8::try_from(content.len()).ok().filter(|size| *size < 0x80)?;
    Some([&[0x30, size], content.as_slice()].concat())
}
