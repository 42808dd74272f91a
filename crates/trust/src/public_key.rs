//! Public keys and what they verify. ring does the arithmetic; which keys and hashes are accepted is decided
//! here.

use std::fmt;

use ring::{
    digest,
    signature::{self, UnparsedPublicKey, VerificationAlgorithm},
};

use crate::{
    der::{self, Reader},
    pem,
    problem::{Problem, quoted},
};

/// The object identifiers of keys and curves.
pub(crate) mod oid {
    pub(crate) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    pub(crate) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    pub(crate) const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    pub(crate) const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
    pub(crate) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    pub(crate) const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    pub(crate) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
}

/// The smallest and largest RSA key, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key that this crate verifies with: ECDSA P-256 and P-384, RSA of 2048 to 8192 bits (PKCS#1 v1.5),
/// Ed25519.
///
/// It is read strictly from a `SubjectPublicKeyInfo`: P-521, RSASSA-PSS, compressed points, RSA exponents
/// below 3 and the points of small order of Ed25519 are refused (threat row T190).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    spki: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point.
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
    /// The key as an `RSAPublicKey`.
    Rsa {
        key: Vec<u8>,
        bits: usize,
    },
}

/// A hash that a signature is made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn of(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

impl PublicKey {
    /// Reads one PEM block, `PUBLIC KEY` or `RSA PUBLIC KEY`, and nothing beside it.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names what is wrong, or the kind of key that is not supported.
    pub fn from_pem(text: &[u8]) -> Result<Self, Problem> {
        let block = pem::one(text)?;
        match block.label.as_str() {
            "PUBLIC KEY" => Self::from_spki(&block.der),
            "RSA PUBLIC KEY" => Self::from_rsa(&block.der),
            other => Err(Problem::new(format!(
                "a PEM block {} is no public key; the label must be PUBLIC KEY",
                quoted(other)
            ))),
        }
    }

    /// Reads the DER of a `SubjectPublicKeyInfo` (RFC 5280).
    ///
    /// # Errors
    ///
    /// As [`PublicKey::from_pem`].
    pub fn from_spki(spki: &[u8]) -> Result<Self, Problem> {
        let mut outer = Reader::sequence(spki, "public key")?;
        let mut algorithm = outer.inner(der::SEQUENCE, "public key")?;
        let key = outer.bytes_of_bits()?;
        outer.finish()?;
        let kind = match algorithm.oid()? {
            oid::EC => {
                let kind = point(algorithm.oid()?, key)?;
                algorithm.finish()?;
                kind
            }
            oid::RSA => {
                if !algorithm.expect(der::NULL)?.contents.is_empty() {
                    return Err(Problem::new("the public key is not DER"));
                }
                algorithm.finish()?;
                rsa(key)?
            }
            oid::ED25519 => {
                algorithm.finish()?;
                ed25519(key)?
            }
            oid::RSA_PSS => return Err(Problem::new("a key for RSASSA-PSS is not supported")),
            _ => return Err(Problem::new("a public key of an algorithm that is not supported")),
        };
        Ok(Self {
            kind,
            spki: spki.to_vec(),
        })
    }

    /// Reads the DER of an `RSAPublicKey` (RFC 8017).
    pub(crate) fn from_rsa(key: &[u8]) -> Result<Self, Problem> {
        let kind = rsa(key)?;
        let algorithm = [der::encode(der::OID, oid::RSA), der::encode(der::NULL, &[])].concat();
        let spki = spki(&algorithm, key);
        Ok(Self { kind, spki })
    }

    /// A key by its point, uncompressed, on the curve P-256.
    #[cfg(feature = "sign")]
    pub(crate) fn of_p256(key: &[u8]) -> Result<Self, Problem> {
        let kind = point(oid::P256, key)?;
        let algorithm = [der::encode(der::OID, oid::EC), der::encode(der::OID, oid::P256)].concat();
        let spki = spki(&algorithm, key);
        Ok(Self { kind, spki })
    }

    /// A key by its 32 bytes.
    #[cfg(feature = "sign")]
    pub(crate) fn of_ed25519(key: &[u8]) -> Result<Self, Problem> {
        let kind = ed25519(key)?;
        let spki = spki(&der::encode(der::OID, oid::ED25519), key);
        Ok(Self { kind, spki })
    }

    /// The key as the DER of a `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The key in PEM: one block `PUBLIC KEY`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.spki)
    }

    /// SHA-256 of [`PublicKey::spki`], in hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&self.spki_hash())
    }

    pub(crate) fn spki_hash(&self) -> Vec<u8> {
        Hash::Sha256.of(&self.spki)
    }

    /// Whether this is an ECDSA key, which alone a Rekor log of a policy may have.
    pub(crate) const fn is_ecdsa(&self) -> bool {
        matches!(self.kind, Kind::P256(_) | Kind::P384(_))
    }

    pub(crate) const fn is_ed25519(&self) -> bool {
        matches!(self.kind, Kind::Ed25519(_))
    }

    /// The 32 bytes of an Ed25519 key.
    pub(crate) fn ed25519(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Ed25519(key) => Some(key),
            _ => None,
        }
    }

    /// The size of an RSA key.
    pub(crate) const fn rsa_bits(&self) -> Option<usize> {
        match self.kind {
            Kind::Rsa { bits, .. } => Some(bits),
            _ => None,
        }
    }

    pub(crate) const fn is_p384(&self) -> bool {
        matches!(self.kind, Kind::P384(_))
    }

    /// Whether the signature is this key's over the message, with the hash that cosign uses for such a key:
    /// SHA-256, and SHA-384 too for P-384.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let also = matches!(self.kind, Kind::P384(_)) && self.verifies_with(Hash::Sha384, message, signature);
        also || self.verifies_with(Hash::Sha256, message, signature)
    }

    /// Whether the signature is this key's over this hash of the message. Ed25519 has a hash of its own, and
    /// any is right there.
    pub(crate) fn verifies_with(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, key): (&dyn VerificationAlgorithm, &[u8]) = match (&self.kind, hash) {
            (Kind::P256(point), Hash::Sha256) => (&signature::ECDSA_P256_SHA256_ASN1, point),
            (Kind::P256(point), Hash::Sha384) => (&signature::ECDSA_P256_SHA384_ASN1, point),
            (Kind::P384(point), Hash::Sha256) => (&signature::ECDSA_P384_SHA256_ASN1, point),
            (Kind::P384(point), Hash::Sha384) => (&signature::ECDSA_P384_SHA384_ASN1, point),
            // ring has no SHA-512 for these curves.
            (Kind::P256(_) | Kind::P384(_), Hash::Sha512) => return false,
            (Kind::Ed25519(key), _) => (&signature::ED25519, key),
            (Kind::Rsa { key, .. }, Hash::Sha256) => (&signature::RSA_PKCS1_2048_8192_SHA256, key),
            (Kind::Rsa { key, .. }, Hash::Sha384) => (&signature::RSA_PKCS1_2048_8192_SHA384, key),
            (Kind::Rsa { key, .. }, Hash::Sha512) => (&signature::RSA_PKCS1_2048_8192_SHA512, key),
        };
        UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .is_ok()
    }
}

/// The kind and the fingerprint.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The kind, and SHA-256 of the `SubjectPublicKeyInfo`.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::P256(_) => f.write_str("ECDSA P-256")?,
            Kind::P384(_) => f.write_str("ECDSA P-384")?,
            Kind::Ed25519(_) => f.write_str("Ed25519")?,
            Kind::Rsa { bits, .. } => write!(f, "RSA {bits}")?,
        }
        write!(f, " sha256:{}", self.fingerprint())
    }
}

/// A `SubjectPublicKeyInfo` of the contents of an algorithm identifier, and a key.
fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let contents = [
        der::encode(der::SEQUENCE, algorithm),
        der::encode(der::BIT_STRING, &[&[0], key].concat()),
    ];
    der::encode(der::SEQUENCE, &contents.concat())
}

fn point(curve: &[u8], point: &[u8]) -> Result<Kind, Problem> {
    let size = match curve {
        oid::P256 => 32,
        oid::P384 => 48,
        oid::P521 => return Err(Problem::new("an ECDSA key of the curve P-521 is not supported")),
        _ => return Err(Problem::new("an ECDSA key of a curve that is not supported")),
    };
    if point.first() != Some(&4) || point.len() != 1 + 2 * size {
        return Err(Problem::new(
            "the point of the ECDSA key is not in its uncompressed form",
        ));
    }
    Ok(if size == 32 {
        Kind::P256(point.to_vec())
    } else {
        Kind::P384(point.to_vec())
    })
}

fn rsa(key: &[u8]) -> Result<Kind, Problem> {
    let mut reader = Reader::sequence(key, "RSA key")?;
    let modulus = reader.unsigned()?;
    let exponent = reader.small()?;
    reader.finish()?;
    let zeros = modulus.first().map_or(0, |first| first.leading_zeros());
    let bits = modulus.len() * 8 - usize::try_from(zeros).unwrap_or_default();
    if !RSA_BITS.contains(&bits) {
        return Err(Problem::new(format!(
            "an RSA key of {bits} bits is not supported; it must have {} to {}",
            RSA_BITS.start(),
            RSA_BITS.end()
        )));
    }
    if exponent < 3 || exponent.is_multiple_of(2) || exponent > u64::from(u32::MAX) {
        return Err(Problem::new(
            "the exponent of the RSA key is not odd or not within 3 and 2^32",
        ));
    }
    let key = key.to_vec();
    Ok(Kind::Rsa { key, bits })
}

/// The `y` of the points of small order, by which any signature of anything can be made to verify, in every
/// encoding; the sign of `x` is in the last bit and left out.
const SMALL_ORDER: [[u8; 32]; 7] = {
    const fn y(first: u8, last: u8, between: u8) -> [u8; 32] {
        let mut bytes = [between; 32];
        let [start, .., end] = &mut bytes;
        *start = first;
        *end = last;
        bytes
    }
    [
        y(0x00, 0x00, 0x00),
        y(0x01, 0x00, 0x00),
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        y(0xec, 0x7f, 0xff),
        y(0xed, 0x7f, 0xff),
        y(0xee, 0x7f, 0xff),
    ]
};

pub(crate) fn ed25519_is_small(key: &[u8; 32]) -> bool {
    let mut y = *key;
    let [.., last] = &mut y;
    *last &= 0x7f;
    SMALL_ORDER.contains(&y)
}

fn ed25519(key: &[u8]) -> Result<Kind, Problem> {
    let key: [u8; 32] = key
        .try_into()
        .map_err(|_| Problem::new("an Ed25519 key has 32 bytes"))?;
    if ed25519_is_small(&key) {
        return Err(Problem::new(
            "the Ed25519 key is a point of small order, which anybody can sign for",
        ));
    }
    Ok(Kind::Ed25519(key.to_vec()))
}

/// Hexadecimal digits, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that hexadecimal digits of any case stand for.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        (byte as char)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pairs = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| pairs.collect())?
}

#[cfg(test)]
mod wycheproof;
