//! Ed25519, in both spellings.

use super::{Failure, Hash, PublicKey, curve, verified};
use crate::{
    openpgp::reader::{Malformed, Reader},
    public_key::ed25519_is_small,
};

/// How Ed25519 is written: both were standardised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::openpgp) enum Spelling {
    /// `EdDSA` with a curve, in numbers.
    Curve,
    /// An algorithm of its own, in bytes.
    Native,
}

pub(super) fn read_native(reader: &mut Reader<'_>) -> Result<Result<PublicKey, String>, Malformed> {
    Ok(key(reader.array()?, Spelling::Native))
}

pub(super) fn read_curve(reader: &mut Reader<'_>) -> Result<Result<PublicKey, String>, Malformed> {
    let curve = curve::read(reader)?;
    let point = reader.mpi()?;
    if curve != curve::ED25519 {
        return Ok(Err(format!("EdDSA on {} is not accepted", curve::name(curve))));
    }
    match point.split_first() {
        Some((0x40, point)) => point
            .try_into()
            .map(|point| key(point, Spelling::Curve))
            .map_err(|_| "a point is not on its curve"),
        _ => Err("a point is not on its curve"),
    }
}

/// An Ed25519 key, if it is none of the points of small order, for which anybody can make signatures.
fn key(point: [u8; 32], spelling: Spelling) -> Result<PublicKey, String> {
    if ed25519_is_small(&point) {
        return Err("an Ed25519 key of small order is not accepted".to_owned());
    }
    Ok(PublicKey::Ed25519 { key: point, spelling })
}

/// `OpenPGP` signs the digest, and not the message.
pub(super) fn verify(
    key: &[u8],
    spelling: Spelling,
    hash: Hash,
    message: &[u8],
    reader: Reader<'_>,
) -> Result<(), Failure> {
    let signature = signature(spelling, reader)?;
    verified(
        &ring::signature::ED25519,
        key,
        hash.digest(message).as_ref(),
        &signature,
    )
}

fn signature(spelling: Spelling, mut reader: Reader<'_>) -> Result<[u8; 64], Failure> {
    let read = |reader: &mut Reader<'_>| -> Result<[u8; 64], Malformed> {
        if spelling == Spelling::Native {
            return reader.array();
        }
        let mut signature = [0; 64];
        let (r, s) = signature.split_at_mut(32);
        for half in [r, s] {
            let value = reader.mpi()?;
            let start = 32_usize.checked_sub(value.len()).ok_or("a number is too large")?;
            if let Some(end) = half.get_mut(start..) {
                end.copy_from_slice(value);
            }
        }
        Ok(signature)
    };
    let signature = read(&mut reader).map_err(|_| Failure::Wrong)?;
    reader.finish().map_err(|_| Failure::Wrong)?;
    Ok(signature)
}
