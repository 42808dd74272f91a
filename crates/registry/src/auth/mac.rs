//! HMAC-SHA-256 (RFC 2104), with the hash function of `wharf-content`.

use wharf_content::{Error, Hasher};
use wharf_reference::{Algorithm, Digest};

use crate::TokenSecret;

const BLOCK: usize = 64;

/// A random key.
pub(super) struct Key([u8; BLOCK]);

impl Key {
    /// A new key, from the system's random numbers.
    pub(super) fn random() -> Result<Self, Error> {
        let mut key = [0; BLOCK];
        getrandom::fill(&mut key).map_err(|error| {
            Error::new(
                wharf_content::ErrorKind::Other,
                format!("the operating system returned no random bytes: {error}"),
            )
        })?;
        Ok(Self(key))
    }

    /// The key that registries over one storage share.
    pub(super) fn shared(key: &TokenSecret) -> Self {
        let mut block = [0; BLOCK];
        // Shorter than a block, it is padded with zeros.
        for (byte, bit) in block.iter_mut().zip(key.bits()) {
            *byte = *bit;
        }
        Self(block)
    }

    /// The MAC of a message.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Digest, Error> {
        let inner = self.hash(0x36, message)?;
        self.hash(0x5c, &bytes(&inner))
    }

    fn hash(&self, pad: u8, message: &[u8]) -> Result<Digest, Error> {
        let mut hasher = Hasher::new(Algorithm::Sha256)?;
        hasher.update(&self.0.map(|byte| byte ^ pad));
        hasher.update(message);
        hasher.finish()
    }
}

/// The bytes of a digest's hexadecimal text.
fn bytes(digest: &Digest) -> Vec<u8> {
    let digits = digest.encoded().as_bytes().chunks(2);
    digits
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, 4.2, 4.3 and 4.4; keys shorter than a block are padded with zeros.
    #[test]
    fn codes_are_those_of_the_rfc() {
        for (key, message, code) in [
            (
                vec![0x0b; 20],
                b"Hi There".to_vec(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 20],
                vec![0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
        ] {
            let mut block = [0; BLOCK];
            block[..key.len()].copy_from_slice(&key);
            assert_eq!(Key(block).sign(&message).unwrap().encoded(), code);
        }
    }
}
