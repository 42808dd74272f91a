//! Keys, and signatures of the image by them.

use wharf_config::Requirement;
use wharf_content::Signature;
use wharf_trust::{Subject, Trust};

use crate::{
    forge::{Key, Sig, certificate},
    support::{DAY, NAME, NOW, digest, manifest, payload, reference, signed_by},
};

pub(crate) const CREATED: u32 = NOW - 1000 * DAY;

pub(crate) fn key() -> Key {
    Key::new(1, CREATED)
}

pub(crate) fn other() -> Key {
    Key::new(2, CREATED)
}

/// A signature of the image under this name.
pub(crate) fn signature(key: &Key, name: &str) -> Vec<u8> {
    Sig::by(key, 0, NOW - DAY).message(key, &payload(&digest(), name))
}

pub(crate) fn good(key: &Key) -> Vec<u8> {
    signature(key, NAME)
}

pub(crate) fn by(key: &Key) -> Requirement {
    signed_by(&certificate(key))
}

/// What is said under another name of the image.
pub(crate) fn judged_as(trust: &Trust, name: &str, blobs: &[Vec<u8>]) -> Result<(), String> {
    let signatures: Vec<_> = blobs
        .iter()
        .map(|blob| Signature::Simple(blob.clone().into()))
        .collect();
    let verdict = trust.judge(&Subject::new(&manifest(), &reference(name)), &signatures);
    verdict.map(drop).map_err(|refusal| refusal.to_string())
}
