//! Files of public keys: binary or armored, several keys in each.

use super::{
    armor::{self, FileError, lost},
    certificate::{Certificate, SigningKey, Subkey, User},
    key::{AnyKey, hex},
    packet::{self, Packet},
    reader::Reader,
    signature::{AnySignature, Signature},
};

/// The largest file of keys that is read, in bytes.
pub(crate) const MAX_FILE: usize = 1 << 20;
/// The most keys of a file.
const MAX_KEYS: usize = 200;

/// The keys of all files of a keyring.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) certificates: Vec<Certificate>,
    /// Why keys that are well-formed were passed over.
    pub(super) skipped: Vec<String>,
}

impl Keys {
    /// Adds the keys of a file. Copies of a key are one key.
    pub(super) fn add_file(&mut self, content: &[u8]) -> Result<(), FileError> {
        for certificate in self.read(content)? {
            let fingerprint = certificate.primary.fingerprint;
            let mut known = self.certificates.iter_mut();
            match known.find(|known| known.primary.fingerprint == fingerprint) {
                Some(known) => known.merge(certificate),
                None => self.certificates.push(certificate),
            }
        }
        Ok(())
    }

    fn read(&mut self, content: &[u8]) -> Result<Vec<Certificate>, FileError> {
        if content.len() > MAX_FILE {
            return Err(FileError::Mistake(format!(
                "it is larger than {} MiB",
                MAX_FILE >> 20
            )));
        }
        if content.get(8..12) == Some(b"KBXf") {
            return Err(lost("it is a keybox of GnuPG; write its keys with gpg --export"));
        }
        let blocks = match content.first() {
            Some(first) if first & 0x80 != 0 => vec![content.to_vec().into()],
            _ => armor::public_keys(content)?,
        };
        if blocks.is_empty() {
            return Err(armor::no_public_key(content));
        }
        let mut certificates = Vec::new();
        let mut skipped = Vec::new();
        for block in &blocks {
            let mut reading = Reading {
                certificates: &mut certificates,
                skipped: &mut skipped,
                at: At::Nothing,
            };
            reading.block(block)?;
        }
        self.skipped.extend(skipped);
        Ok(certificates)
    }

    /// The keys that signatures may be by, and why certificates are unusable.
    pub(super) fn signing_keys(&self, now: u64) -> (Vec<SigningKey>, Vec<String>) {
        let mut keys = Vec::new();
        let mut unusable = self.skipped.clone();
        for certificate in &self.certificates {
            match certificate.signing_keys(now) {
                Ok(own) => keys.extend(own),
                Err(why) => unusable.push(format!("key {}: {why}", certificate.fingerprint())),
            }
        }
        (keys, unusable)
    }
}

/// The packet that the next signature is over.
#[derive(Clone, Copy)]
enum At {
    /// No key yet.
    Nothing,
    /// A key that is passed over, with all that belongs to it.
    Skipped,
    Primary,
    User,
    Subkey,
    /// A subkey that is passed over.
    SkippedSubkey,
}

/// Reads a sequence of keys.
struct Reading<'a> {
    certificates: &'a mut Vec<Certificate>,
    skipped: &'a mut Vec<String>,
    at: At,
}

impl Reading<'_> {
    fn block(&mut self, block: &[u8]) -> Result<(), FileError> {
        let mut reader = Reader::new(block);
        while let Some(packet) = Packet::next(&mut reader).map_err(lost)? {
            self.packet(&packet)?;
        }
        Ok(())
    }

    fn packet(&mut self, packet: &Packet<'_>) -> Result<(), FileError> {
        let body = packet.body.as_ref();
        match (packet.tag, self.at) {
            (packet::SECRET_KEY | packet::SECRET_SUBKEY, _) => Err(armor::secret_key()),
            (packet::PUBLIC_KEY, _) => self.primary(body),
            // Markers, trust, padding, and packets that nobody need understand (RFC 9580, 4.3).
            (packet::MARKER | packet::TRUST | packet::PADDING | 40..=63, _)
            // And all that belongs to a key that is passed over.
            | (packet::PUBLIC_SUBKEY | packet::USER_ID | packet::USER_ATTRIBUTE, At::Skipped) => Ok(()),
            (_, At::Nothing) => Err(lost(format!(
                "it begins with {} and not with a key",
                packet.name()
            ))),
            (packet::PUBLIC_SUBKEY, _) => self.subkey(body),
            (packet::SIGNATURE, _) => self.signature(body),
            (packet::USER_ID, _) => self.user(0xb4, body),
            (packet::USER_ATTRIBUTE, _) => self.user(0xd1, body),
            _ => Err(lost(format!("{} stands among its keys", packet.name()))),
        }
    }

    fn primary(&mut self, body: &[u8]) -> Result<(), FileError> {
        if self.certificates.len() + self.skipped.len() >= MAX_KEYS {
            return Err(FileError::Mistake(format!("it has more than {MAX_KEYS} keys")));
        }
        match AnyKey::read(body).map_err(lost)? {
            AnyKey::Known(key) => {
                self.certificates.push(Certificate::new(key));
                self.at = At::Primary;
            }
            AnyKey::Unknown(version) => {
                self.skipped
                    .push(format!("a key of version {version} is not known"));
                self.at = At::Skipped;
            }
        }
        Ok(())
    }

    fn subkey(&mut self, body: &[u8]) -> Result<(), FileError> {
        let Some(certificate) = self.certificates.last_mut() else {
            return Ok(());
        };
        self.at = match AnyKey::read(body).map_err(lost)? {
            AnyKey::Known(key) => {
                let signatures = Vec::new();
                certificate.subkeys.push(Subkey { key, signatures });
                At::Subkey
            }
            AnyKey::Unknown(_) => At::SkippedSubkey,
        };
        Ok(())
    }

    fn user(&mut self, head: u8, body: &[u8]) -> Result<(), FileError> {
        let size = u32::try_from(body.len()).map_err(|_| lost("a user id is too large"))?;
        if let Some(certificate) = self.certificates.last_mut() {
            certificate.users.push(User {
                hashed: [&[head], size.to_be_bytes().as_slice(), body].concat(),
                signatures: Vec::new(),
            });
        }
        self.at = At::User;
        Ok(())
    }

    fn signature(&mut self, body: &[u8]) -> Result<(), FileError> {
        let AnySignature::Known(signature) = AnySignature::read(body).map_err(lost)? else {
            return Ok(());
        };
        if let Some(place) = self.place() {
            place.push(*signature);
        }
        Ok(())
    }

    /// Where the next signature belongs.
    fn place(&mut self) -> Option<&mut Vec<Signature>> {
        let certificate = self.certificates.last_mut()?;
        match self.at {
            At::Nothing | At::Skipped | At::SkippedSubkey => None,
            At::Primary => Some(&mut certificate.direct),
            At::User => certificate.users.last_mut().map(|user| &mut user.signatures),
            At::Subkey => certificate
                .subkeys
                .last_mut()
                .map(|subkey| &mut subkey.signatures),
        }
    }
}

/// How keys are named in errors.
pub(super) fn name(key: &SigningKey) -> String {
    let own = hex(&key.key.fingerprint);
    if own == key.primary {
        own
    } else {
        format!("{own}, a subkey of {}", key.primary)
    }
}
