//! Making signatures of images.

mod bundle;
mod encrypted;
mod gpg;
mod key_pair;
mod new_file;
mod payload;
mod private_key;
mod secret_file;
mod secretbox;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wharf_auth::Secret;
use wharf_content::{Error, ErrorKind, MediaType, Sign, Signature, Wanted};
use wharf_reference::{Algorithm, Digest, Reference};

use crate::{Problem, PublicKey, attachment, openpgp::SecretKey, payload::PayloadType};
pub use gpg::GpgProgram;
pub use key_pair::KeyPair;
use private_key::PrivateKey;
pub use secret_file::SecretFile;

/// A key that signs images, in the file formats of GnuPG and cosign, or a key that GnuPG has.
///
/// | made by | key | signature |
/// |---|---|---|
/// | [`Signer::gpg`] | of a keyring of GnuPG, used by its program | simple signing |
/// | [`Signer::openpgp`] | an OpenPGP secret key file: Ed25519, ECDSA P-256 and P-384, not encrypted | simple signing |
/// | [`Signer::cosign`] | a private key as cosign and Skopeo make them: ECDSA P-256, Ed25519, RSA of 2048 to 4096 bits | attachment, or a bundle ([`Signer::as_bundle`]) |
///
/// Every signature is verified, as an image's would be, before it is returned.
///
/// ```
/// use wharf_content::{Hasher, Sign as _, Signature};
/// use wharf_reference::Reference;
/// use wharf_trust::{KeyPair, Signer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let passphrase = "correct horse".into();
/// let pair = KeyPair::generate(&passphrase)?;
/// let signer = Signer::cosign(pair.private_pem(), &passphrase)?;
/// let name = Reference::parse("registry.example/app:1")?;
/// let signature = signer.sign(&Hasher::sha256(b"a manifest"), &name)?;
/// assert!(matches!(signature, Signature::Attachment { .. }));
/// # Ok(())
/// # }
/// ```
///
/// # Deviation
///
/// A name without tag and digest is refused, as it would let the signature pass for every image of the
/// repository; `skopeo standalone-sign` signs it. GnuPG is run as a program, not as a library.
#[derive(Clone)]
pub struct Signer {
    key: Key,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

#[derive(Clone)]
enum Key {
    Gpg { key: String, program: GpgProgram },
    OpenPgp(Arc<SecretKey>),
    Sigstore { key: Arc<PrivateKey>, form: Form },
}

/// The forms of signatures that a private key of cosign's makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An attachment, as Skopeo and Podman make it.
    FullName,
    /// An attachment, as cosign makes it.
    CosignCompatible,
    Bundle,
}

impl Signer {
    /// A key that GnuPG has: by the fingerprint of the key, or by what else GnuPG finds one key by. Nothing is run
    /// yet.
    ///
    /// GnuPG dates its signature itself, by the clock of the system.
    pub fn gpg(key: impl Into<String>, program: GpgProgram) -> Self {
        Self::with_key(Key::Gpg {
            key: key.into(),
            program,
        })
    }

    /// A key of an OpenPGP secret key file, binary or armored, as `gpg --export-secret-keys` writes it. Of several
    /// keys, the primary key signs if it may, else the first subkey that may.
    ///
    /// Keys of version 4 are read: Ed25519, ECDSA P-256 and P-384.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the reason: the file is no secret key file, its key is encrypted or RSA, which
    /// only the program gpg can sign with, or is of another algorithm.
    pub fn openpgp(secret_key: impl AsRef<[u8]>) -> Result<Self, Problem> {
        let key = SecretKey::read(secret_key.as_ref()).map_err(Problem::new)?;
        Ok(Self::with_key(Key::OpenPgp(Arc::new(key))))
    }

    /// An encrypted private key of cosign's: one PEM block `ENCRYPTED COSIGN PRIVATE KEY` or
    /// `ENCRYPTED SIGSTORE PRIVATE KEY`. The passphrase may be empty.
    ///
    /// The key that decrypts is derived by scrypt, which takes 32 to 128 MiB of memory and some hundred
    /// milliseconds.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the reason. Of a wrong passphrase it says no more than "wrong passphrase or damaged
    /// file".
    pub fn cosign(pem: impl AsRef<[u8]>, passphrase: &Secret) -> Result<Self, Problem> {
        let pkcs8 = encrypted::open(pem.as_ref(), passphrase)?;
        PrivateKey::from_pkcs8(&pkcs8).map(Self::of_private_key)
    }

    /// A private key that is not encrypted: one PEM block `PRIVATE KEY` (PKCS#8), as cosign imports it.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the reason.
    pub fn pkcs8(pem: impl AsRef<[u8]>) -> Result<Self, Problem> {
        PrivateKey::from_pem(pem.as_ref()).map(Self::of_private_key)
    }

    fn of_private_key(key: PrivateKey) -> Self {
        Self::with_key(Key::Sigstore {
            key: Arc::new(key),
            form: Form::FullName,
        })
    }

    fn with_key(key: Key) -> Self {
        Self {
            key,
            clock: Arc::new(SystemTime::now),
        }
    }

    /// Attachments as cosign makes them: they are for the repository, whatever the tag, and say nothing of when
    /// and with what they were made. Requirements need `matchRepository` or `exactRepository` then. No other
    /// signer is changed.
    #[must_use]
    pub fn cosign_compatible(self) -> Self {
        self.with_form(Form::CosignCompatible)
    }

    /// Bundles of version 0.3 instead of attachments: an envelope over the statement of cosign 3, without a log
    /// entry. They name no image, so that no policy.json accepts them; [`BundlePolicy`](crate::BundlePolicy) does. No
    /// other signer is changed.
    #[must_use]
    pub fn as_bundle(self) -> Self {
        self.with_form(Form::Bundle)
    }

    fn with_form(mut self, new: Form) -> Self {
        if let Key::Sigstore { form, .. } = &mut self.key {
            *form = new;
        }
        self
    }

    /// Another clock, instead of the system's. It dates signatures and payloads.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// The public half of a private key of cosign's; `None` for keys of OpenPGP.
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        match &self.key {
            Key::Sigstore { key, .. } => Some(key.public()),
            Key::Gpg { .. } | Key::OpenPgp(_) => None,
        }
    }
}

impl Sign for Signer {
    fn kind(&self) -> Wanted {
        match self.key {
            Key::Gpg { .. } | Key::OpenPgp(_) => Wanted::SIMPLE,
            Key::Sigstore {
                form: Form::Bundle, ..
            } => Wanted::BUNDLES,
            Key::Sigstore { .. } => Wanted::ATTACHMENTS,
        }
    }

    fn sign(&self, manifest: &Digest, identity: &Reference) -> Result<Signature, Error> {
        self.sign_cancellable(manifest, identity, &AtomicBool::new(false))
    }

    /// Kills gpg when it is cancelled. Keys of files take no time.
    fn sign_cancellable(
        &self,
        manifest: &Digest,
        identity: &Reference,
        cancelled: &AtomicBool,
    ) -> Result<Signature, Error> {
        if manifest.algorithm() != Algorithm::Sha256 {
            let message = format!("cannot sign {manifest}: a signature is for a sha256 digest");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        if !(identity.has_tag() || identity.has_digest()) {
            let message = format!("cannot sign as {identity}: the name needs a tag or a digest");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let now = (self.clock)();
        match &self.key {
            Key::Gpg { key, program } => {
                let payload = payload::full(PayloadType::Simple, manifest, identity, now);
                program
                    .sign(key, payload.as_bytes(), cancelled)
                    .map(|message| Signature::Simple(message.into()))
            }
            Key::OpenPgp(key) => {
                let payload = payload::full(PayloadType::Simple, manifest, identity, now);
                key.sign(payload.as_bytes(), now)
                    .map(|message| Signature::Simple(message.into()))
                    .map_err(|why| failed(&format!("the OpenPGP key cannot sign: {why}")))
            }
            Key::Sigstore { key, form } => {
                let payload = match form {
                    Form::FullName => payload::full(PayloadType::Cosign, manifest, identity, now),
                    Form::CosignCompatible => payload::of_cosign(manifest, identity),
                    Form::Bundle => return bundle::make(key, manifest).map(Signature::Bundle),
                };
                attachment(key, payload)
            }
        }
    }
}

fn attachment(key: &PrivateKey, payload: String) -> Result<Signature, Error> {
    let signature = key.sign(payload.as_bytes())?;
    Ok(Signature::Attachment {
        media_type: MediaType::parse(attachment::PAYLOAD)?,
        payload: payload.into(),
        annotations: [(attachment::SIGNATURE.to_owned(), STANDARD.encode(signature))].into(),
    })
}

fn failed(message: &str) -> Error {
    Error::new(ErrorKind::Other, message)
}

/// The key by its public half or by its name, never the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Signer");
        match &self.key {
            Key::Gpg { key, program } => debug.field("key", key).field("program", program),
            Key::OpenPgp(key) => debug.field("keys", &key.fingerprints()),
            Key::Sigstore { key, form } => debug.field("key", key.public()).field("form", form),
        };
        debug.finish_non_exhaustive()
    }
}
