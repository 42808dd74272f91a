//! OpenPGP (RFC 9580), as little of it as signatures of images need: keys are read and signatures verified,
//! in one narrow form. Nothing is encrypted or decrypted, and no other packet is understood.

mod algorithm;
mod armor;
mod certificate;
mod key;
mod keyring;
#[cfg(feature = "sign")]
mod make;
mod message;
mod packet;
mod reader;
#[cfg(feature = "sign")]
mod secret_key;
mod signature;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use self::{
    algorithm::Failure,
    armor::FileError,
    certificate::{CLOCK_SKEW, SigningKey},
    keyring::Keys,
    message::Message,
    signature::Signature,
};
use crate::{Reason, ReasonKind};
pub(crate) use keyring::MAX_FILE;
#[cfg(feature = "sign")]
pub(crate) use secret_key::SecretKey;

/// An engine for OpenPGP: where a program puts its own.
///
/// It opens keyrings and verifies messages with them. Payloads, digests and names are judged by this crate,
/// whoever verified.
pub trait OpenPgp: Send + Sync {
    /// Opens files of public keys, for one judgement at this time.
    ///
    /// # Errors
    ///
    /// If a file must be mended, or there is no usable key in all of them: in words that name the file.
    fn open(&self, files: &[KeyFile], now: SystemTime) -> Result<Box<dyn Keyring>, String>;
}

/// Public keys, opened by an [`OpenPgp`].
pub trait Keyring {
    /// Verifies a message, binary and signed once, by one of the keys.
    ///
    /// # Errors
    ///
    /// Why the message does not count.
    fn verify(&self, message: &[u8]) -> Result<Signed, Reason>;
}

/// A file of public keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFile {
    /// Its path, or where else it comes from, for errors.
    pub name: String,
    /// The whole content: an OpenPGP keyring, binary or armored.
    pub content: Bytes,
}

impl KeyFile {
    /// A file that was read.
    pub fn new(name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        Self {
            name: name.into(),
            content: content.into(),
        }
    }
}

/// The signed payload of a message, with its signer and time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// The fingerprint of the primary key, in upper hexadecimal, also where a subkey signed.
    pub fingerprint: String,
    /// When it was signed, as the signer says.
    pub time: SystemTime,
}

impl Signed {
    /// The result of a verification.
    #[must_use]
    pub const fn new(payload: Vec<u8>, fingerprint: String, time: SystemTime) -> Self {
        Self {
            payload,
            fingerprint,
            time,
        }
    }
}

/// The engine of this crate.
///
/// Messages are one binary signature (version 3 or 4) over one literal, perhaps compressed with ZIP or ZLIB,
/// and nothing after it. Keys are of version 4: RSA with 2048 to 8192 bits or Ed25519, with SHA-256, SHA-384
/// or SHA-512; ECDSA on P-256 or P-384, with SHA-256 or SHA-384. SHA-1 is accepted in signatures of RSA keys
/// over themselves and their subkeys alone: the file of keys is what is trusted.
///
/// A signature counts if it has not expired and is not dated more than 5 minutes ahead, its key and that
/// key's primary key are neither expired nor revoked *now*, and the key is for signing. A subkey and its
/// primary key must vouch for each other. Files have at most 1 MiB and 200 keys.
///
/// # Deviation
///
/// GnuPG accepts more: SHA-1, SHA-224 and RIPEMD-160, RSA below 2048 bits, DSA, other curves, BZIP2, text
/// mode, armor, messages that others follow, and signatures from the future. It refuses subkeys in older
/// versions of the containers' tools.
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeOpenPgp;

impl<O: OpenPgp + ?Sized> OpenPgp for Arc<O> {
    fn open(&self, files: &[KeyFile], now: SystemTime) -> Result<Box<dyn Keyring>, String> {
        (**self).open(files, now)
    }
}

impl OpenPgp for NativeOpenPgp {
    fn open(&self, files: &[KeyFile], now: SystemTime) -> Result<Box<dyn Keyring>, String> {
        Opened::files(files, now).map(|opened| Box::new(opened) as Box<dyn Keyring>)
    }
}

struct Opened {
    /// In seconds since 1970.
    now: u64,
    signing: Vec<SigningKey>,
    /// Why keys are not among them.
    unusable: Vec<String>,
    /// Why whole files are not.
    lost: Vec<String>,
}

impl Opened {
    fn files(files: &[KeyFile], now: SystemTime) -> Result<Self, String> {
        let mut keys = Keys::default();
        let mut lost = Vec::new();
        for file in files {
            match keys.add_file(&file.content) {
                Ok(()) => {}
                Err(FileError::Lost(why)) => lost.push(format!("{}: {why}", file.name)),
                Err(FileError::Mistake(why)) => return Err(format!("{}: {why}", file.name)),
            }
        }
        let opened = Opened::of(&keys, lost, seconds(now));
        if opened.signing.is_empty() {
            return Err(opened.nothing(files));
        }
        Ok(opened)
    }

    fn of(keys: &Keys, lost: Vec<String>, now: u64) -> Self {
        let (signing, unusable) = keys.signing_keys(now);
        Self {
            now,
            signing,
            unusable,
            lost,
        }
    }

    fn nothing(&self, files: &[KeyFile]) -> String {
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        let mut why = if files.is_empty() {
            "No public keys imported: no file is named".to_owned()
        } else {
            format!("No public keys imported from {}", names.join(", "))
        };
        for reason in self.lost.iter().chain(&self.unusable).take(5) {
            why.push_str("; ");
            why.push_str(reason);
        }
        why
    }

    /// Why none of the keys is the one that signed.
    fn unknown(&self, signature: &Signature) -> Reason {
        let Some(issuer) = signature.issuer() else {
            return Reason::new(ReasonKind::Format, "the signature does not say which key made it");
        };
        let mut all = self.unusable.iter().chain(&self.lost);
        let mut text = "the signing key is not in the keyring".to_owned();
        if let Some(unusable) = all.find(|unusable| unusable.contains(&issuer)) {
            text = format!("the signing key is unusable: {unusable}");
        } else if let Some(first) = self.lost.first() {
            text = format!("{text}, of which a file could not be read: {first}");
        }
        Reason::new(ReasonKind::UnknownKey, text).with_key(issuer)
    }

    fn check(&self, signing: &SigningKey, message: &Message) -> Result<SystemTime, Reason> {
        let Message { payload, signature } = message;
        let reason = |kind, text: String| Reason::new(kind, text).with_key(keyring::name(signing));
        signature
            .verify(&signing.key, &[payload], false)
            .map_err(|failure| match failure {
                Failure::Wrong => reason(
                    ReasonKind::Forged,
                    "the signature is invalid: it was changed, or another key made it".to_owned(),
                ),
                Failure::Unsupported(why) => reason(ReasonKind::Algorithm, why),
            })?;
        signing
            .state
            .clone()
            .map_err(|why| reason(ReasonKind::Key, why))?;
        let created = u64::from(signature.created);
        if signature.created < signing.key.created {
            return Err(reason(
                ReasonKind::Time,
                "the signature is older than its key".to_owned(),
            ));
        }
        if created > self.now + CLOCK_SKEW {
            return Err(reason(
                ReasonKind::Time,
                "the signature was made in the future; check the clocks of this machine and of the signer"
                    .to_owned(),
            ));
        }
        if signature.expiry().is_some_and(|expiry| expiry <= self.now) {
            return Err(reason(ReasonKind::Time, "the signature expired".to_owned()));
        }
        Ok(UNIX_EPOCH + Duration::from_secs(created))
    }

    /// The key that made a message, and when that was.
    fn signer(&self, message: &Message) -> Result<(&SigningKey, SystemTime), Reason> {
        if message.signature.issuer().is_none() {
            return Err(self.unknown(&message.signature));
        }
        let mut refused = None;
        for signing in self
            .signing
            .iter()
            .filter(|signing| message.signature.may_be_by(&signing.key))
        {
            match self.check(signing, message) {
                Ok(time) => return Ok((signing, time)),
                Err(reason) => {
                    refused.get_or_insert(reason);
                }
            }
        }
        Err(refused.unwrap_or_else(|| self.unknown(&message.signature)))
    }
}

impl Keyring for Opened {
    fn verify(&self, message: &[u8]) -> Result<Signed, Reason> {
        let message = Message::read(message)?;
        let (signer, time) = self.signer(&message)?;
        let fingerprint = signer.primary.clone();
        Ok(Signed::new(message.payload, fingerprint, time))
    }
}

/// How many keys there are.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("signing", &self.signing.len())
            .finish_non_exhaustive()
    }
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The key that made a message, by its own fingerprint and that of its primary key, in upper hexadecimal.
#[cfg(feature = "sign")]
pub(crate) struct OwnKey {
    pub(crate) own: String,
    pub(crate) primary: String,
}

/// Verifies a message that was made here: by a key of this keyring, over exactly this payload.
#[cfg(feature = "sign")]
pub(crate) fn verify_own(
    keyring: &[u8],
    message: &[u8],
    payload: &[u8],
    now: SystemTime,
) -> Result<OwnKey, String> {
    let file = KeyFile::new("the public key", keyring.to_vec());
    verify_with(&Opened::files(&[file], now)?, message, payload)
}

#[cfg(feature = "sign")]
fn verify_with(keyring: &Opened, message: &[u8], payload: &[u8]) -> Result<OwnKey, String> {
    let told = |reason: Reason| reason.to_string();
    let message = Message::read(message).map_err(told)?;
    let (signer, _) = keyring.signer(&message).map_err(told)?;
    if message.payload != payload {
        return Err("it is over another payload".to_owned());
    }
    Ok(OwnKey {
        own: key::hex(&signer.key.fingerprint),
        primary: signer.primary.clone(),
    })
}

/// A message, read without verifying anything: the key that it claims to be by, when it says it was made, and
/// the payload.
pub(crate) fn read_unverified(message: &[u8]) -> Result<(Option<String>, SystemTime, Vec<u8>), Reason> {
    let message = Message::read(message)?;
    let time = UNIX_EPOCH + Duration::from_secs(message.signature.created.into());
    Ok((message.signature.issuer(), time, message.payload))
}
