//! One image, and who judges it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use wharf_config::{Identity, KeySource, Policy, Requirement, SignedBy};
use wharf_content::{Hasher, Manifest, MediaType, Signature};
use wharf_reference::Reference;
use wharf_trust::{KeyFile, NativeOpenPgp, OpenPgp as _, Reason, Signed, Subject, Trust};

/// When everything is judged: 2025-01-01, in seconds since 1970.
pub(crate) const NOW: u32 = 1_735_689_600;
pub(crate) const DAY: u32 = 24 * 60 * 60;
pub(crate) const NAME: &str = "registry.example/app:1";

/// The manifest of the image, which needs no blob.
pub(crate) const MANIFEST: &str = include_str!("../golden/manifest.json");

pub(crate) fn time(seconds: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.into())
}

pub(crate) fn manifest() -> Manifest {
    manifest_of(MANIFEST)
}

pub(crate) fn manifest_of(text: &str) -> Manifest {
    Manifest::parse(
        Bytes::copy_from_slice(text.as_bytes()),
        Some(&MediaType::OCI_MANIFEST),
    )
    .unwrap()
}

pub(crate) fn digest() -> String {
    Hasher::sha256(MANIFEST.as_bytes()).to_string()
}

/// A payload for this digest and name.
pub(crate) fn payload(digest: &str, name: &str) -> Vec<u8> {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{name}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"atomic container signature"}},"optional":{{}}}}"#
    )
    .into_bytes()
}

pub(crate) fn good_payload() -> Vec<u8> {
    payload(&digest(), NAME)
}

pub(crate) fn reference(name: &str) -> Reference {
    Reference::parse(name).unwrap()
}

pub(crate) fn signed_by(key: &[u8]) -> Requirement {
    SignedBy::new(KeySource::data(key)).into()
}

pub(crate) fn signed_by_as(key: &[u8], identity: Identity) -> Requirement {
    SignedBy::new(KeySource::data(key)).with_identity(identity).into()
}

pub(crate) fn trust(requirements: impl IntoIterator<Item = Requirement>) -> Trust {
    Trust::of(requirements).with_clock(|| time(NOW))
}

pub(crate) fn trust_policy(policy: &str) -> Trust {
    Trust::new(Policy::parse(policy).unwrap()).with_clock(|| time(NOW))
}

/// What is said of the image under its usual name: nothing if it is accepted.
pub(crate) fn judged(trust: &Trust, signatures: &[Vec<u8>]) -> Result<(), String> {
    let signatures: Vec<_> = signatures
        .iter()
        .map(|blob| Signature::from_blob(blob.clone().into()))
        .collect();
    let verdict = trust.judge(&Subject::new(&manifest(), &reference(NAME)), &signatures);
    verdict.map(drop).map_err(|refusal| refusal.to_string())
}

/// What the engine says of a message.
pub(crate) fn verified(keys: &[u8], message: &[u8]) -> Result<Signed, Reason> {
    let files = [KeyFile::new("keys", keys.to_vec())];
    NativeOpenPgp.open(&files, time(NOW)).unwrap().verify(message)
}

/// What the engine says of keys.
pub(crate) fn opened(keys: &[u8]) -> Result<(), String> {
    let files = [KeyFile::new("keys", keys.to_vec())];
    NativeOpenPgp.open(&files, time(NOW)).map(drop)
}
