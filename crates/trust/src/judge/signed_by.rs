//! `signedBy`: simple signatures by keys of a keyring.

use wharf_config::{Requirement, SignedBy};
use wharf_content::{Signature, Wanted};

use super::{Accepted, Judgement};
use crate::{
    Keyring, Met, Reason, ReasonKind, Refusal, SignedTime, VerifiedSigner,
    payload::{Payload, PayloadType},
    refusal::RefusalKind,
};

/// One accepted signature is enough, and the others may be anything.
pub(super) fn judge(
    judgement: &Judgement<'_>,
    requirement: &Requirement,
    signed_by: &SignedBy,
) -> Result<Met, Refusal> {
    let unusable = |why: String| Refusal::new(RefusalKind::Keys).because(why);
    let files = judgement.keys.load(signed_by.keys()).map_err(unusable)?;
    let keyring = judgement.openpgp.open(&files, judgement.now).map_err(unusable)?;
    judgement.first_accepted(requirement, |found| match found.signature {
        Signature::Simple(message) => Some(examine(judgement, &*keyring, signed_by, message)),
        // It lies where simple signatures do, and is one that does not count.
        Signature::Unknown { reason, .. } if found.kind == Wanted::SIMPLE => {
            Some(Err(Reason::new(ReasonKind::Format, reason)))
        }
        _ => None,
    })
}

/// The signature is verified before anything of the payload is looked at.
fn examine(
    judgement: &Judgement<'_>,
    keyring: &dyn Keyring,
    signed_by: &SignedBy,
    message: &[u8],
) -> Result<Accepted, Reason> {
    let signed = keyring.verify(message)?;
    let by_key = |reason: Reason| reason.with_key(&signed.fingerprint);
    let payload = Payload::parse(&signed.payload, PayloadType::Simple).map_err(|why| {
        let text = format!("its payload is not a simple-signing document: {why}");
        by_key(Reason::new(ReasonKind::Payload, text))
    })?;
    judgement
        .statement(&payload, signed_by.identity())
        .map_err(by_key)?;
    Ok(Accepted {
        signer: VerifiedSigner::OpenPgp {
            fingerprint: signed.fingerprint,
        },
        time: Some(SignedTime::Claimed(signed.time)),
    })
}
