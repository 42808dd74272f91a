//! Elliptic curves, by their object identifiers.

use crate::openpgp::reader::{Malformed, Reader};

pub(super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub(super) const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
pub(super) const ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let size = reader.u8()?;
    reader.take(size.into())
}

pub(super) const fn name(oid: &[u8]) -> &'static str {
    match oid {
        P256 => "P-256",
        P384 => "P-384",
        ED25519 => "Ed25519",
        [0x2b, 0x81, 0x04, 0x00, 0x23] => "P-521",
        [0x2b, 0x81, 0x04, 0x00, 0x0a] => "secp256k1",
        [0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, ..] => "Brainpool",
        [0x2b, 0x65, 0x71] => "Ed448",
        _ => "an unknown curve",
    }
}
