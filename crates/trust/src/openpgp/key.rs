//! Key packets (RFC 9580, 5.5.2) of version 4.

use std::fmt::Write as _;

use ring::digest;

use super::{
    algorithm::PublicKey,
    reader::{Malformed, Reader},
};

/// A primary key or subkey.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// The first bytes that signatures over the key hash: a head and the packet's body.
    pub(super) hashed: Vec<u8>,
    /// In seconds since 1970.
    pub(super) created: u32,
    pub(super) fingerprint: [u8; 20],
    /// Its number.
    pub(super) algorithm: u8,
    /// Or why a signature by it is not accepted.
    pub(super) material: Result<PublicKey, String>,
}

/// A key packet of whatever version.
pub(super) enum AnyKey {
    Known(Key),
    /// Of another version.
    Unknown(u8),
}

impl AnyKey {
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let version = reader.u8()?;
        if version != 4 {
            return Ok(Self::Unknown(version));
        }
        let created = reader.u32()?;
        let algorithm = reader.u8()?;
        let size = u16::try_from(body.len()).map_err(|_| "a key is too large")?;
        let hashed = [&[0x99], size.to_be_bytes().as_slice(), body].concat();
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &hashed);
        let fingerprint = digest
            .as_ref()
            .try_into()
            .map_err(|_| "a digest has another size")?;
        Ok(Self::Known(Key {
            hashed,
            created,
            fingerprint,
            algorithm,
            material: PublicKey::read(algorithm, reader)?,
        }))
    }
}

impl Key {
    /// The last eight bytes of the fingerprint.
    pub(super) fn id(&self) -> &[u8] {
        self.fingerprint.get(12..).unwrap_or_default()
    }
}

/// In upper hexadecimal, as fingerprints and key ids are written.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02X}"); // cannot fail
    }
    text
}
