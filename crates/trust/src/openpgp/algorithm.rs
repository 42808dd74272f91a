//! Keys, hashes and the verification of raw signatures: what ring has, less what is weak.

mod curve;
mod ecdsa;
mod ed25519;
mod rsa;

use ring::{
    digest,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};

pub(super) use self::ed25519::Spelling;
use super::reader::{Malformed, Reader};

const RSA: u8 = 1;
const RSA_ENCRYPT: u8 = 2;
const RSA_SIGN: u8 = 3;
const ECDSA: u8 = 19;
const EDDSA: u8 = 22;
const ED25519_NATIVE: u8 = 27;

/// Why a signature cannot be said to be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing here can or should verify it.
    Unsupported(String),
    /// It was verified and is wrong.
    Wrong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn of(id: u8) -> Result<Self, Failure> {
        match id {
            2 => Ok(Self::Sha1),
            8 => Ok(Self::Sha256),
            9 => Ok(Self::Sha384),
            10 => Ok(Self::Sha512),
            _ => Err(Failure::Unsupported(format!(
                "the hash {} is not accepted",
                hash_name(id)
            ))),
        }
    }

    /// Its number.
    #[cfg(feature = "sign")]
    pub(super) const fn id(self) -> u8 {
        match self {
            Self::Sha1 => 2,
            Self::Sha256 => 8,
            Self::Sha384 => 9,
            Self::Sha512 => 10,
        }
    }

    pub(super) fn digest(self, message: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

fn hash_name(id: u8) -> String {
    match id {
        1 => "MD5".to_owned(),
        3 => "RIPEMD-160".to_owned(),
        11 => "SHA-224".to_owned(),
        12 => "SHA3-256".to_owned(),
        14 => "SHA3-512".to_owned(),
        other => format!("number {other}"),
    }
}

/// A public key that may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519 { key: [u8; 32], spelling: Spelling },
}

impl PublicKey {
    /// Reads the algorithm's part of a key packet. `Ok(Err)` is the reason why a well-formed key of this
    /// algorithm or size is not accepted.
    pub(super) fn read(algorithm: u8, mut reader: Reader<'_>) -> Result<Result<Self, String>, Malformed> {
        match Self::read_first(algorithm, &mut reader)? {
            Some(key) => {
                reader.finish()?;
                Ok(key)
            }
            None => Ok(Err(format!("{} is not accepted", algorithm_name(algorithm)))),
        }
    }

    /// Reads the part from the front of more, as of a secret key. `None` if it is not known where the part of this
    /// algorithm ends.
    pub(super) fn read_first(
        algorithm: u8,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Result<Self, String>>, Malformed> {
        Ok(Some(match algorithm {
            RSA | RSA_SIGN => rsa::read(reader)?,
            ECDSA => ecdsa::read(reader)?,
            EDDSA => ed25519::read_curve(reader)?,
            ED25519_NATIVE => ed25519::read_native(reader)?,
            _ => return Ok(None),
        }))
    }

    const fn is_rsa(&self) -> bool {
        matches!(self, Self::Rsa { .. })
    }

    /// Verifies the algorithm's part of a signature packet over `message`, to which the hash is applied.
    /// `legacy` accepts SHA-1 where the key is RSA.
    pub(super) fn verify(
        &self,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
        legacy: bool,
    ) -> Result<(), Failure> {
        if hash == Hash::Sha1 && !(legacy && self.is_rsa()) {
            return Err(Failure::Unsupported("the hash SHA-1 is not accepted".to_owned()));
        }
        let reader = Reader::new(signature);
        match self {
            Self::Rsa { modulus, exponent } => rsa::verify(modulus, exponent, hash, message, reader),
            Self::P256(point) => {
                let algorithm = match hash {
                    Hash::Sha256 => &ECDSA_P256_SHA256_ASN1,
                    Hash::Sha384 => &ECDSA_P256_SHA384_ASN1,
                    other => return Err(unpaired("ECDSA P-256", other)),
                };
                ecdsa::verify(point, algorithm, message, reader)
            }
            Self::P384(point) => {
                let algorithm = match hash {
                    Hash::Sha256 => &ECDSA_P384_SHA256_ASN1,
                    Hash::Sha384 => &ECDSA_P384_SHA384_ASN1,
                    other => return Err(unpaired("ECDSA P-384", other)),
                };
                ecdsa::verify(point, algorithm, message, reader)
            }
            Self::Ed25519 { key, spelling } => ed25519::verify(key, *spelling, hash, message, reader),
        }
    }
}

/// Whether a signature of the one algorithm may be by a key of the other. RSA has two numbers.
pub(super) const fn is_same(signature: u8, key: u8) -> bool {
    signature == key || matches!((signature, key), (RSA | RSA_SIGN, RSA | RSA_SIGN))
}

/// Whether keys of this algorithm can sign at all, so that a subkey of it is of interest.
pub(super) const fn can_sign(algorithm: u8) -> bool {
    !matches!(algorithm, RSA_ENCRYPT | 16 | 18 | 25 | 26 | 35 | 36)
}

pub(super) fn algorithm_name(id: u8) -> String {
    match id {
        RSA | RSA_SIGN => "RSA".to_owned(),
        RSA_ENCRYPT => "RSA for encryption".to_owned(),
        16 | 20 => "Elgamal".to_owned(),
        17 => "DSA".to_owned(),
        18 => "ECDH".to_owned(),
        ECDSA => "ECDSA".to_owned(),
        EDDSA => "EdDSA".to_owned(),
        25 => "X25519".to_owned(),
        26 => "X448".to_owned(),
        ED25519_NATIVE => "Ed25519".to_owned(),
        28 => "Ed448".to_owned(),
        other => format!("the key algorithm number {other}"),
    }
}

fn unpaired(key: &str, hash: Hash) -> Failure {
    Failure::Unsupported(format!("{key} with {} is not accepted", hash.name()))
}

fn verified(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Failure> {
    let key = UnparsedPublicKey::new(algorithm, key);
    key.verify(message, signature).map_err(|_| Failure::Wrong)
}
