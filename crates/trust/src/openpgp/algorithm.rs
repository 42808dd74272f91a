//! Keys, hashes and the verification of raw signatures: what ring has, less what is weak.

use ring::{
    digest,
    signature::{
        self, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
        ED25519, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};

use super::reader::{Malformed, Reader};
use crate::public_key::ed25519_is_small;

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

/// How Ed25519 is written: both were standardised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `EdDSA` with a curve, in numbers.
    Curve,
    /// An algorithm of its own, in bytes.
    Native,
}

impl PublicKey {
    /// Reads the algorithm's part of a key packet. `Ok(Err)` is the reason why a well-formed key of this algorithm or
    /// size is not accepted.
    pub(super) fn read(algorithm: u8, mut reader: Reader<'_>) -> Result<Result<Self, String>, Malformed> {
        let key = match algorithm {
            RSA | RSA_SIGN => rsa(&mut reader)?,
            ECDSA => ecdsa(&mut reader)?,
            EDDSA => eddsa(&mut reader)?,
            ED25519_NATIVE => ed25519(reader.array()?, Spelling::Native),
            other => return Ok(Err(format!("{} is not accepted", algorithm_name(other)))),
        };
        reader.finish()?;
        Ok(key)
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
            Self::Rsa { modulus, exponent } => verify_rsa(modulus, exponent, hash, message, reader),
            Self::P256(point) => {
                let algorithm = match hash {
                    Hash::Sha256 => &ECDSA_P256_SHA256_ASN1,
                    Hash::Sha384 => &ECDSA_P256_SHA384_ASN1,
                    other => return Err(unpaired("ECDSA P-256", other)),
                };
                verify_ecdsa(point, algorithm, message, reader)
            }
            Self::P384(point) => {
                let algorithm = match hash {
                    Hash::Sha256 => &ECDSA_P384_SHA256_ASN1,
                    Hash::Sha384 => &ECDSA_P384_SHA384_ASN1,
                    other => return Err(unpaired("ECDSA P-384", other)),
                };
                verify_ecdsa(point, algorithm, message, reader)
            }
            Self::Ed25519 { key, spelling } => {
                let signature = ed25519_signature(*spelling, reader)?;
                // OpenPGP signs the digest, and not the message.
                verified(&ED25519, key, hash.digest(message).as_ref(), &signature)
            }
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

fn rsa(reader: &mut Reader<'_>) -> Result<Result<PublicKey, String>, Malformed> {
    let (modulus, exponent) = (reader.mpi()?, reader.mpi()?);
    let zeros = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(zeros);
    Ok(if (2048..=8192).contains(&bits) {
        Ok(PublicKey::Rsa {
            modulus: modulus.to_vec(),
            exponent: exponent.to_vec(),
        })
    } else {
        Err(format!(
            "RSA with {bits} bits is not accepted, only with 2048 to 8192"
        ))
    })
}

fn ecdsa(reader: &mut Reader<'_>) -> Result<Result<PublicKey, String>, Malformed> {
    let curve = curve(reader)?;
    let point = reader.mpi()?;
    let (size, key): (usize, fn(Vec<u8>) -> PublicKey) = match curve {
        P256 => (65, PublicKey::P256),
        P384 => (97, PublicKey::P384),
        other => return Ok(Err(format!("ECDSA on {} is not accepted", curve_name(other)))),
    };
    if point.len() != size || point.first() != Some(&4) {
        return Err("a point is not on its curve");
    }
    Ok(Ok(key(point.to_vec())))
}

fn eddsa(reader: &mut Reader<'_>) -> Result<Result<PublicKey, String>, Malformed> {
    let curve = curve(reader)?;
    let point = reader.mpi()?;
    if curve != CURVE_ED25519 {
        return Ok(Err(format!("EdDSA on {} is not accepted", curve_name(curve))));
    }
    match point.split_first() {
        Some((0x40, key)) => key
            .try_into()
            .map(|key| ed25519(key, Spelling::Curve))
            .map_err(|_| "a point is not on its curve"),
        _ => Err("a point is not on its curve"),
    }
}

/// An Ed25519 key, if it is none of the points of small order, for which anybody can make signatures.
fn ed25519(key: [u8; 32], spelling: Spelling) -> Result<PublicKey, String> {
    if ed25519_is_small(&key) {
        return Err("an Ed25519 key of small order is not accepted".to_owned());
    }
    Ok(PublicKey::Ed25519 { key, spelling })
}

const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const CURVE_ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

fn curve<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let size = reader.u8()?;
    reader.take(size.into())
}

const fn curve_name(oid: &[u8]) -> &'static str {
    match oid {
        P256 => "P-256",
        P384 => "P-384",
        CURVE_ED25519 => "Ed25519",
        [0x2b, 0x81, 0x04, 0x00, 0x23] => "P-521",
        [0x2b, 0x81, 0x04, 0x00, 0x0a] => "secp256k1",
        [0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, ..] => "Brainpool",
        [0x2b, 0x65, 0x71] => "Ed448",
        _ => "an unknown curve",
    }
}

fn verify_rsa(
    modulus: &[u8],
    exponent: &[u8],
    hash: Hash,
    message: &[u8],
    mut reader: Reader<'_>,
) -> Result<(), Failure> {
    let algorithm = match hash {
        Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    };
    let value = reader.mpi().map_err(|_| Failure::Wrong)?;
    reader.finish().map_err(|_| Failure::Wrong)?;
    // As long as the modulus, which the packet leaves out where it begins with zeros.
    let missing = modulus.len().checked_sub(value.len()).ok_or(Failure::Wrong)?;
    let signature = [vec![0; missing].as_slice(), value].concat();
    let key = RsaPublicKeyComponents {
        n: modulus,
        e: exponent,
    };
    key.verify(algorithm, message, &signature)
        .map_err(|_| Failure::Wrong)
}

fn verify_ecdsa(
    point: &[u8],
    algorithm: &'static signature::EcdsaVerificationAlgorithm,
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

fn ed25519_signature(spelling: Spelling, mut reader: Reader<'_>) -> Result<[u8; 64], Failure> {
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

fn verified(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Failure> {
    let key = UnparsedPublicKey::new(algorithm, key);
    key.verify(message, signature).map_err(|_| Failure::Wrong)
}
