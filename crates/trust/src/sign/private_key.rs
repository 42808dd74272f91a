//! Private keys in PKCS#8 (RFC 5958), and what they sign.

use std::fmt;

use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use wharf_content::Error;
use zeroize::Zeroizing;

use super::failed;
use crate::{
    der::{self, Reader},
    pem,
    problem::{Problem, quoted},
    public_key::{PublicKey, oid},
};

/// A private key that makes signatures which cosign, Skopeo and Podman accept: over SHA-256, or Ed25519.
pub(super) struct PrivateKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl PrivateKey {
    /// Reads one PEM block `PRIVATE KEY`.
    pub(super) fn from_pem(text: &[u8]) -> Result<Self, Problem> {
        let block = pem::one(text)?;
        match block.label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(&block.der),
            other => Err(Problem::new(format!(
                "a PEM block {} is no private key in the form PKCS#8; the label must be PRIVATE KEY",
                quoted(other)
            ))),
        }
    }

    /// Reads the DER of a `PrivateKeyInfo`.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, Problem> {
        let rejected = |_| Problem::new("the private key is malformed, or its halves do not belong together");
        let (pair, public) = match kind(der)? {
            Kind::P256 => {
                let random = SystemRandom::new();
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random);
                let pair = pair.map_err(rejected)?;
                let public = PublicKey::of_p256(pair.public_key().as_ref())?;
                (Pair::P256(pair), public)
            }
            Kind::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(rejected)?;
                let public = PublicKey::of_ed25519(pair.public_key().as_ref())?;
                (Pair::Ed25519(pair), public)
            }
            Kind::Rsa => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(|rejected| {
                    Problem::new(format!(
                        "the RSA key is not accepted ({rejected}); it must have 2048 to 4096 bits"
                    ))
                })?;
                let public = PublicKey::from_rsa(pair.public_key().as_ref())?;
                (Pair::Rsa(Box::new(pair)), public)
            }
        };
        Ok(Self { pair, public })
    }

    pub(super) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message. The signature is verified before it is returned, so that none that a fault of the machine
    /// spoilt tells anything of the key.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        let made = match &self.pair {
            Pair::P256(pair) => pair.sign(&random, message).map(|made| made.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut made = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut made)
                    .map(|()| made)
            }
        };
        made.ok()
            .filter(|made| self.public.verifies(message, made))
            .ok_or_else(|| failed("the private key made no signature that its public key verifies"))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public)
    }
}

enum Kind {
    P256,
    Ed25519,
    Rsa,
}

/// The kind of a key, by its algorithm and curve; the key itself is not looked at.
fn kind(der: &[u8]) -> Result<Kind, Problem> {
    const WHAT: &str = "private key";
    let mut outer = Reader::sequence(der, WHAT)?;
    outer.small()?;
    let mut algorithm = outer.inner(der::SEQUENCE, WHAT)?;
    match algorithm.oid()? {
        oid::EC => match algorithm.oid()? {
            oid::P256 => Ok(Kind::P256),
            oid::P384 => Err(Problem::new(
                "a private key of the curve P-384 is not supported: verifiers want its signatures over SHA-256, which \
                 cannot be made here; use P-256",
            )),
            oid::P521 => Err(Problem::new(
                "a private key of the curve P-521 is not supported; use P-256",
            )),
            _ => Err(Problem::new(
                "a private key of a curve that is not supported; use P-256",
            )),
        },
        oid::ED25519 => Ok(Kind::Ed25519),
        oid::RSA => Ok(Kind::Rsa),
        oid::RSA_PSS => Err(Problem::new("a private key for RSASSA-PSS is not supported")),
        _ => Err(Problem::new(
            "a private key of an algorithm that is not supported; use ECDSA P-256",
        )),
    }
}

/// A new ECDSA key of the curve P-256.
pub(super) fn generate() -> Result<Zeroizing<Vec<u8>>, Problem> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    made.map(|pkcs8| Zeroizing::new(pkcs8.as_ref().to_vec()))
        .map_err(|_| Problem::new("the system gave no random bytes for a key"))
}
