use wharf_config::{Identity, KeySource, SignedBy};
use wharf_content::{Manifest, Signature};
use wharf_reference::Reference;

use crate::{Refusal, Subject, Trust, Verdict};

/// Verifies one simple signature, as `skopeo standalone-verify` does: it must be by a key of the keyring, for this
/// manifest, and for exactly this name. No policy is asked.
///
/// The [`Verdict`] has the digest, and the fingerprint of the primary key that signed.
///
/// # Errors
///
/// A [`Refusal`] with the reason.
///
/// # Deviation
///
/// Skopeo accepts a signature for a name without tag and digest, if the name that is given has none, too.
pub fn verify_simple(
    manifest: &Manifest,
    name: &Reference,
    keyring: &[u8],
    signature: &Signature,
) -> Result<Verdict, Refusal> {
    let identity = Identity::ExactReference(name.clone());
    let requirement = SignedBy::new(KeySource::data(keyring)).with_identity(identity);
    Trust::of([requirement.into()]).judge(&Subject::new(manifest, name), std::slice::from_ref(signature))
}
