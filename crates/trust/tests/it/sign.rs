//! Signatures, made: by every kind of key, and judged as those of others are.

mod cosign;
mod encrypted;
mod gpg;
mod hostile_gpg;
mod key_pair;
mod openpgp;
#[cfg(unix)]
mod passphrases;
mod peers;
mod properties;
mod secrets;

use std::{fs, path::PathBuf};

use wharf_config::{
    HelperEnvironment, Identity, KeySource, Requirement, SignedBy, SigstoreSigned, SigstoreSigner,
};
use wharf_content::{Error, Sign as _, Signature};
use wharf_reference::{Digest, Reference};
use wharf_trust::{GpgProgram, Signer, Subject, Trust};

use crate::{
    golden,
    support::{NAME, digest, manifest, reference},
};

/// The passphrase of every protected key of these tests.
pub(crate) const PASSPHRASE: &str = "canary";

pub(crate) fn path(name: &str) -> PathBuf {
    golden::directory().join("signing").join(name)
}

pub(crate) fn file(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// The digest of the image of all tests.
pub(crate) fn image() -> Digest {
    Digest::parse(&digest()).unwrap()
}

pub(crate) fn signed(signer: &Signer) -> Result<Signature, Error> {
    signer.sign(&image(), &reference(NAME))
}

pub(crate) fn requires_key(pem: &[u8], identity: Identity) -> Requirement {
    let keys = KeySource::data(pem);
    SigstoreSigned::new(SigstoreSigner::Keys { keys, rekor: None })
        .with_identity(identity)
        .into()
}

pub(crate) fn requires_keyring(keyring: &[u8]) -> Requirement {
    SignedBy::new(KeySource::data(keyring))
        .with_identity(Identity::MatchExact)
        .into()
}

/// What is said of the image of all tests under this name.
pub(crate) fn judged(
    requirement: Requirement,
    name: &Reference,
    signature: &Signature,
) -> Result<(), String> {
    let subject = manifest();
    let judged =
        Trust::of([requirement]).judge(&Subject::new(&subject, name), std::slice::from_ref(signature));
    match judged {
        Ok(verdict) => {
            assert!(verdict.is_signed());
            Ok(())
        }
        Err(refusal) => Err(refusal.to_string()),
    }
}

pub(crate) fn environment() -> HelperEnvironment {
    HelperEnvironment::new(std::env::var_os("PATH").unwrap_or_default())
}

pub(crate) fn program() -> GpgProgram {
    GpgProgram::new(environment())
}
