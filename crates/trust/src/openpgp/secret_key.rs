//! Files of secret keys (RFC 9580, 5.5.3), as far as a key in them can sign here: version 4, not encrypted, Ed25519
//! or ECDSA.

use std::{fmt, time::SystemTime};

use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair,
    },
};
use zeroize::Zeroizing;

use super::{
    Opened,
    algorithm::{Hash, PublicKey, Spelling, algorithm_name},
    armor::{self, FileError},
    certificate::SigningKey,
    key::{AnyKey, Key},
    keyring::{self, Keys, MAX_FILE},
    make,
    packet::{self, Packet},
    reader::{Malformed, Reader},
};

/// The one advice for keys that cannot sign here.
const USE_GPG: &str = "import it into GnuPG and let the program gpg sign";

/// The keys of a file that can sign, with the certificate that says which of them may.
pub(crate) struct SecretKey {
    public: Keys,
    pairs: Vec<([u8; 20], Pair)>,
}

enum Pair {
    Ed25519(Ed25519KeyPair, Spelling),
    Ecdsa(EcdsaKeyPair, Hash),
}

impl SecretKey {
    pub(crate) fn read(file: &[u8]) -> Result<Self, String> {
        if file.len() > MAX_FILE {
            return Err(format!("it is larger than {} MiB", MAX_FILE >> 20));
        }
        let blocks = match file.first() {
            Some(first) if first & 0x80 != 0 => vec![Zeroizing::new(file.to_vec())],
            _ => armor::secret_keys(file).map_err(why)?,
        };
        let mut reading = Reading::default();
        for block in &blocks {
            reading.block(block)?;
        }
        if reading.pairs.is_empty() {
            return Err(reading.reasons());
        }
        let mut public = Keys::default();
        public.add_file(&reading.public).map_err(why)?;
        Ok(Self {
            public,
            pairs: reading.pairs,
        })
    }

    /// A message with this payload, signed now by the first key that may, and verified.
    pub(crate) fn sign(&self, payload: &[u8], now: SystemTime) -> Result<Vec<u8>, String> {
        let seconds = super::seconds(now);
        let created = u32::try_from(seconds).map_err(|_| "the clock is wrong".to_owned())?;
        let (signing, unusable) = self.public.signing_keys(seconds);
        let (key, pair) = self.usable(&signing).map_err(|mut why| {
            why.extend(unusable.iter().cloned());
            why.join("; ")
        })?;
        let message = make::message(&key.key, payload, created, pair.hash(), |data| pair.sign(data))
            .ok_or("the message cannot be made")?;
        let opened = Opened::of(&self.public, Vec::new(), seconds);
        super::verify_with(&opened, &message, payload)
            .map_err(|why| format!("its signature would not be accepted: {why}"))?;
        Ok(message)
    }

    /// The first key that may sign now and is here, or why none is.
    fn usable<'a>(&'a self, signing: &'a [SigningKey]) -> Result<(&'a SigningKey, &'a Pair), Vec<String>> {
        let mut why = Vec::new();
        for key in signing {
            let own = |(fingerprint, _): &&([u8; 20], Pair)| *fingerprint == key.key.fingerprint;
            let Some((_, pair)) = self.pairs.iter().find(own) else {
                continue;
            };
            match &key.state {
                Ok(()) => return Ok((key, pair)),
                Err(state) => why.push(format!("key {}: {state}", keyring::name(key))),
            }
        }
        Err(why)
    }

    /// Of the keys that can sign, in upper hexadecimal.
    pub(crate) fn fingerprints(&self) -> Vec<String> {
        self.pairs
            .iter()
            .map(|(fingerprint, _)| super::key::hex(fingerprint))
            .collect()
    }
}

/// The fingerprints alone.
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.fingerprints()).finish()
    }
}

fn why(error: FileError) -> String {
    match error {
        FileError::Lost(why) | FileError::Mistake(why) => why,
    }
}

/// Takes a file of secret keys apart.
#[derive(Default)]
struct Reading {
    /// The file with public keys in the place of the secret ones.
    public: Vec<u8>,
    pairs: Vec<([u8; 20], Pair)>,
    /// Why keys are not among them.
    unusable: Vec<String>,
    /// Whether the packets that follow belong to a key that is left out.
    skips: bool,
    /// Whether the subkeys that follow do.
    skips_subkeys: bool,
}

impl Reading {
    fn block(&mut self, block: &[u8]) -> Result<(), String> {
        let mut reader = Reader::new(block);
        while let Some(packet) = Packet::next(&mut reader)? {
            match packet.tag {
                packet::SECRET_KEY => self.key(packet::PUBLIC_KEY, &packet.body)?,
                packet::SECRET_SUBKEY => self.key(packet::PUBLIC_SUBKEY, &packet.body)?,
                packet::PUBLIC_KEY => return Err(why(armor::public_key())),
                _ if self.skips => {}
                tag => self.public.extend(packet::encode(tag, &packet.body)),
            }
        }
        Ok(())
    }

    fn key(&mut self, tag: u8, body: &[u8]) -> Result<(), String> {
        let secret = Secret::read(body)?;
        let is_primary = tag == packet::PUBLIC_KEY;
        self.skips_subkeys = if is_primary {
            secret.is_err()
        } else {
            self.skips_subkeys
        };
        self.skips = secret.is_err() || self.skips_subkeys;
        let Secret { public, key, pair } = match secret {
            Ok(secret) if !self.skips => secret,
            Ok(_) => return Ok(()),
            Err(why) => {
                self.unusable.push(why);
                return Ok(());
            }
        };
        self.public.extend(packet::encode(tag, public));
        match pair {
            Ok(pair) => self.pairs.push((key.fingerprint, pair)),
            Err(why) => self
                .unusable
                .push(format!("key {}: {why}", super::key::hex(&key.fingerprint))),
        }
        Ok(())
    }

    fn reasons(&self) -> String {
        let mut text = "it has no secret key that can sign here".to_owned();
        for why in self.unusable.iter().take(5) {
            text.push_str("; ");
            text.push_str(why);
        }
        text
    }
}

/// A secret key packet.
struct Secret<'a> {
    /// The body of the public key packet.
    public: &'a [u8],
    key: Key,
    /// Or why it cannot sign.
    pair: Result<Pair, String>,
}

impl<'a> Secret<'a> {
    /// Reads a packet's body. `Ok(Err)` is the reason why a well-formed key is left out.
    fn read(body: &'a [u8]) -> Result<Result<Self, String>, Malformed> {
        let mut reader = Reader::new(body);
        let version = reader.u8()?;
        if version != 4 {
            return Ok(Err(format!("a key of version {version} is not known")));
        }
        reader.u32()?;
        let algorithm = reader.u8()?;
        if PublicKey::read_first(algorithm, &mut reader)?.is_none() {
            return Ok(Err(format!(
                "a key of {} cannot sign here",
                algorithm_name(algorithm)
            )));
        }
        let secret = reader.rest();
        let public = body.get(..body.len() - secret.len()).unwrap_or_default();
        Ok(match AnyKey::read(public)? {
            AnyKey::Known(key) => {
                let pair = pair(&key, secret);
                Ok(Self { public, key, pair })
            }
            AnyKey::Unknown(version) => Err(format!("a key of version {version} is not known")),
        })
    }
}

fn pair(key: &Key, secret: &[u8]) -> Result<Pair, String> {
    let public = key.material.as_ref().map_err(Clone::clone)?;
    if matches!(public, PublicKey::Rsa { .. }) {
        return Err(format!("it is RSA; {USE_GPG}"));
    }
    let material = match secret.split_first() {
        Some((0, material)) => material,
        // A specifier of GnuPG's own says that the key is elsewhere, such as on a card.
        Some((253..=255, [_, 101, _, b'G', b'N', b'U', ..])) => {
            return Err(format!("its secret part is not in the file; {USE_GPG}"));
        }
        _ => return Err(format!("it is encrypted; {USE_GPG}")),
    };
    read_pair(public, material).ok_or_else(|| "its secret part is malformed or not its own".to_owned())
}

/// The pair, if the parts belong together.
fn read_pair(public: &PublicKey, material: &[u8]) -> Option<Pair> {
    let (material, checksum) = material.split_last_chunk::<2>()?;
    let sum = material
        .iter()
        .fold(0u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    if sum.to_be_bytes() != *checksum {
        return None;
    }
    let mut reader = Reader::new(material);
    let pair = match public {
        PublicKey::Ed25519 { key, spelling } => {
            let seed: Zeroizing<[u8; 32]> = match spelling {
                Spelling::Native => Zeroizing::new(reader.array().ok()?),
                Spelling::Curve => padded(&mut reader)?,
            };
            let pair = Ed25519KeyPair::from_seed_and_public_key(seed.as_slice(), key).ok()?;
            Pair::Ed25519(pair, *spelling)
        }
        PublicKey::P256(point) => {
            let number = padded::<32>(&mut reader)?;
            let pair = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, number.as_slice(), point)?;
            Pair::Ecdsa(pair, Hash::Sha256)
        }
        PublicKey::P384(point) => {
            let number = padded::<48>(&mut reader)?;
            let pair = ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, number.as_slice(), point)?;
            Pair::Ecdsa(pair, Hash::Sha384)
        }
        PublicKey::Rsa { .. } => return None,
    };
    reader.finish().ok()?;
    Some(pair)
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, number: &[u8], point: &[u8]) -> Option<EcdsaKeyPair> {
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, number, point, &SystemRandom::new()).ok()
}

/// A number with the zeros that it is written without.
fn padded<const N: usize>(reader: &mut Reader<'_>) -> Option<Zeroizing<[u8; N]>> {
    let number = reader.mpi().ok()?;
    let mut padded = Zeroizing::new([0; N]);
    let start = N.checked_sub(number.len())?;
    padded.get_mut(start..)?.copy_from_slice(number);
    Some(padded)
}

impl Pair {
    /// The hash that signatures are made over.
    const fn hash(&self) -> Hash {
        match self {
            Self::Ed25519(..) => Hash::Sha512,
            Self::Ecdsa(_, hash) => *hash,
        }
    }

    /// The algorithm's part of a signature packet over this data.
    fn sign(&self, data: &[u8]) -> Option<Vec<u8>> {
        let pair = match self {
            Self::Ed25519(pair, spelling) => {
                let made = pair.sign(self.hash().digest(data).as_ref());
                return Some(match spelling {
                    Spelling::Native => made.as_ref().to_vec(),
                    Spelling::Curve => make::numbers(made.as_ref()),
                });
            }
            Self::Ecdsa(pair, _) => pair,
        };
        let made = pair.sign(&SystemRandom::new(), data).ok()?;
        Some(make::numbers(made.as_ref()))
    }
}
