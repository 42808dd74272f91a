//! Signature packets (RFC 9580, 5.2) of the versions 3 and 4.

use super::{
    algorithm::{Failure, Hash, is_same},
    key::{Key, hex},
    reader::{Malformed, Reader},
};

/// Types of signatures.
pub(super) const BINARY: u8 = 0x00;
pub(super) const TEXT: u8 = 0x01;
pub(super) const CERTIFICATIONS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
pub(super) const SUBKEY_BINDING: u8 = 0x18;
pub(super) const PRIMARY_BINDING: u8 = 0x19;
pub(super) const DIRECT_KEY: u8 = 0x1f;
pub(super) const KEY_REVOCATION: u8 = 0x20;
pub(super) const SUBKEY_REVOCATION: u8 = 0x28;
pub(super) const CERTIFICATION_REVOCATION: u8 = 0x30;

/// The flag of keys that sign.
const SIGN: u8 = 0x02;

#[derive(Debug, Clone)]
pub(super) struct Signature {
    version: u8,
    pub(super) kind: u8,
    pub(super) algorithm: u8,
    pub(super) hash: u8,
    /// In seconds since 1970.
    pub(super) created: u32,
    /// Seconds after it was made; zero is never.
    expires: u32,
    /// Seconds after the key was made; zero is never.
    key_expires: u32,
    key_flags: Option<u8>,
    /// The claimed makers: fingerprints or key ids, also those in the unsigned part.
    issuers: Vec<Vec<u8>>,
    /// Signatures within it, packets without their heads.
    pub(super) embedded: Vec<Vec<u8>>,
    /// Why nobody who does not understand all of it may accept it.
    critical: Option<String>,
    /// The first two bytes of the digest.
    hint: [u8; 2],
    /// The bytes that are hashed after the data.
    trailer: Vec<u8>,
    /// The algorithm's part.
    material: Vec<u8>,
}

/// A signature packet of whatever version.
pub(super) enum AnySignature {
    Known(Box<Signature>),
    /// Of another version.
    Unknown(u8),
}

impl AnySignature {
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        match reader.u8()? {
            3 => version_3(reader).map(|signature| Self::Known(Box::new(signature))),
            4 => version_4(body, reader).map(|signature| Self::Known(Box::new(signature))),
            other => Ok(Self::Unknown(other)),
        }
    }
}

fn version_3(mut reader: Reader<'_>) -> Result<Signature, Malformed> {
    if reader.u8()? != 5 {
        return Err("the hashed part of a signature has another size");
    }
    let hashed: [u8; 5] = reader.array()?;
    let [kind, created @ ..] = hashed;
    let issuer: [u8; 8] = reader.array()?;
    Ok(Signature {
        version: 3,
        kind,
        algorithm: reader.u8()?,
        hash: reader.u8()?,
        created: u32::from_be_bytes(created),
        expires: 0,
        key_expires: 0,
        key_flags: None,
        issuers: vec![issuer.to_vec()],
        embedded: Vec::new(),
        critical: None,
        hint: reader.array()?,
        trailer: hashed.to_vec(),
        material: reader.rest().to_vec(),
    })
}

fn version_4(body: &[u8], mut reader: Reader<'_>) -> Result<Signature, Malformed> {
    let (kind, algorithm, hash) = (reader.u8()?, reader.u8()?, reader.u8()?);
    let size = reader.u16()?;
    let hashed = Subpackets::read(reader.take(size.into())?)?;
    let unhashed_size = reader.u16()?;
    let unhashed = Subpackets::read(reader.take(unhashed_size.into())?)?;
    let head = body.get(..6 + usize::from(size)).unwrap_or_default();
    let length = (6 + u32::from(size)).to_be_bytes();
    Ok(Signature {
        version: 4,
        kind,
        algorithm,
        hash,
        created: hashed.created.ok_or("a signature has no time")?,
        expires: hashed.expires.unwrap_or_default(),
        key_expires: hashed.key_expires.unwrap_or_default(),
        key_flags: hashed.key_flags,
        issuers: [hashed.issuers, unhashed.issuers].concat(),
        embedded: [hashed.embedded, unhashed.embedded].concat(),
        critical: hashed.critical.or(unhashed.critical),
        hint: reader.array()?,
        trailer: [head, &[4, 0xff], &length].concat(),
        material: reader.rest().to_vec(),
    })
}

/// The subpackets (RFC 9580, 5.2.3.7) that matter here.
#[derive(Default)]
struct Subpackets {
    created: Option<u32>,
    expires: Option<u32>,
    key_expires: Option<u32>,
    key_flags: Option<u8>,
    issuers: Vec<Vec<u8>>,
    embedded: Vec<Vec<u8>>,
    critical: Option<String>,
}

impl Subpackets {
    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut all = Self::default();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let length = match reader.u8()? {
                first @ 0..=191 => usize::from(first),
                255 => usize::try_from(reader.u32()?).map_err(|_| "it is cut off")?,
                first => (usize::from(first) - 192) * 256 + usize::from(reader.u8()?) + 192,
            };
            let (kind, body) = reader.take(length)?.split_first().ok_or("a subpacket is empty")?;
            all.add(*kind, body)?;
        }
        Ok(all)
    }

    fn add(&mut self, kind: u8, body: &[u8]) -> Result<(), Malformed> {
        let is_critical = kind & 0x80 != 0;
        match kind & 0x7f {
            2 => once(&mut self.created, number(body)?)?,
            3 => once(&mut self.expires, number(body)?)?,
            9 => once(&mut self.key_expires, number(body)?)?,
            27 => once(&mut self.key_flags, body.first().copied().unwrap_or_default())?,
            16 if body.len() == 8 => self.issuers.push(body.to_vec()),
            16 => return Err("a key id has another size"),
            32 => self.embedded.push(body.to_vec()),
            33 => match body.split_first() {
                Some((4, fingerprint)) if fingerprint.len() == 20 => self.issuers.push(fingerprint.to_vec()),
                // Of a key of another version, which no key here has.
                _ => self.issuers.push(body.to_vec()),
            },
            20 if is_critical => self.critical = Some("the signature has a critical notation".to_owned()),
            // Known to everybody and of no effect here: whether it may be exported or revoked, preferences,
            // the primary user id, policies, designated revokers (not followed), the signer's user id,
            // reasons, features.
            4 | 7 | 11 | 12 | 20..=26 | 28..=30 | 34 => {}
            other if is_critical => {
                self.critical = Some(format!(
                    "the signature has an unknown critical subpacket ({other})"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err("a signature says the same thing twice"),
    }
}

fn number(body: &[u8]) -> Result<u32, Malformed> {
    let bytes = body
        .try_into()
        .map_err(|_| "a number of a signature has another size")?;
    Ok(u32::from_be_bytes(bytes))
}

impl Signature {
    /// Whether this key may have made it: the hints say so, or there are none.
    pub(super) fn may_be_by(&self, key: &Key) -> bool {
        let is_key = |issuer: &Vec<u8>| *issuer == key.fingerprint || issuer == key.id();
        self.issuers.is_empty() || self.issuers.iter().any(is_key)
    }

    /// The part of a user id that it hashes. A user id begins with five bytes of type and length: the version 3 leaves
    /// them out (RFC 9580, 5.2.4).
    pub(super) fn hashed_of<'a>(&self, user: &'a [u8]) -> &'a [u8] {
        let start = if self.version == 3 { 5 } else { 0 };
        user.get(start..).unwrap_or_default()
    }

    /// The key that made it, by its own account: the fingerprint if it is there, else the id.
    pub(super) fn issuer(&self) -> Option<String> {
        self.issuers
            .iter()
            .max_by_key(|issuer| issuer.len())
            .map(|issuer| hex(issuer))
    }

    /// When it expires, in seconds since 1970; `None` is never.
    pub(super) fn expiry(&self) -> Option<u64> {
        (self.expires != 0).then(|| u64::from(self.created) + u64::from(self.expires))
    }

    /// When it says that a key expires.
    pub(super) fn expiry_of(&self, key: &Key) -> Option<u64> {
        (self.key_expires != 0).then(|| u64::from(key.created) + u64::from(self.key_expires))
    }

    /// Whether it says that a key is for signing; `None` if it says nothing of what the key is for.
    pub(super) fn allows_signing(&self) -> Option<bool> {
        self.key_flags.map(|flags| flags & SIGN != 0)
    }

    /// Whether this key made it, over this data. `legacy` accepts SHA-1 by RSA keys.
    pub(super) fn verify(&self, key: &Key, data: &[&[u8]], legacy: bool) -> Result<(), Failure> {
        if let Some(critical) = &self.critical {
            return Err(Failure::Unsupported(critical.clone()));
        }
        let material = key.material.as_ref();
        let material = material.map_err(|why| Failure::Unsupported(why.clone()))?;
        if !is_same(self.algorithm, key.algorithm) {
            return Err(Failure::Wrong);
        }
        let hash = Hash::of(self.hash)?;
        let message = [data.concat().as_slice(), &self.trailer].concat();
        if !hash.digest(&message).as_ref().starts_with(&self.hint) {
            return Err(Failure::Wrong);
        }
        material.verify(hash, &message, &self.material, legacy)
    }
}
