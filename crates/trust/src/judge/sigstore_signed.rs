//! `sigstoreSigned`: signatures that cosign attaches to images, and bundles where the program accepts them.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use wharf_config::{KeySource, PkiSubject, Requirement, SigstoreSigned, SigstoreSigner};
use wharf_content::{Signature, Wanted};
use wharf_reference::Reference;

use super::{Accepted, Judgement, bundles};
use crate::{
    KeyFile, Met, Reason, ReasonKind, Refusal, SignedTime, VerifiedSigner,
    attachment::{self, By},
    payload::{Payload, PayloadType},
    refusal::RefusalKind,
};

/// One accepted signature is enough, and the others may be anything.
pub(super) fn judge(
    judgement: &Judgement<'_>,
    requirement: &Requirement,
    sigstore: &SigstoreSigned,
) -> Result<Met, Refusal> {
    let signer = signer(judgement, sigstore.signer());
    let signer = signer.map_err(|why| Refusal::new(RefusalKind::Keys).because(why))?;
    let policies = judgement.bundles.policies(sigstore.signer(), &signer);
    judgement.first_accepted(requirement, |found| match found.signature {
        Signature::Attachment {
            media_type,
            payload,
            annotations,
        } if media_type.as_str() == attachment::PAYLOAD => {
            Some(examine(judgement, &signer, sigstore, payload, annotations))
        }
        // It names a digest and nothing else: the identity of the requirement is not asked for.
        bundle if found.kind == Wanted::BUNDLES => bundles::examine(judgement, &signer, &policies, bundle),
        _ => None,
    })
}

/// The signature is verified before anything of the payload is looked at.
fn examine(
    judgement: &Judgement<'_>,
    signer: &attachment::Signer,
    sigstore: &SigstoreSigned,
    payload: &[u8],
    annotations: &BTreeMap<String, String>,
) -> Result<Accepted, Reason> {
    let now = judgement.now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let verified = signer.verify(payload, annotations, now)?;
    let signer = named(verified.by);
    let by_signer = |reason: Reason| reason.with_key(signer.to_string());
    let payload = Payload::parse(payload, PayloadType::Cosign).map_err(|why| {
        let text = format!("its payload is not a simple-signing document: {why}");
        by_signer(Reason::new(ReasonKind::Payload, text))
    })?;
    let statement = judgement.statement(&payload, sigstore.identity());
    statement.map_err(|reason| by_signer(explained(reason, &payload)))?;
    let at = |seconds: i64| UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?));
    let logged = verified.logged.and_then(at).map(SignedTime::Log);
    let claimed = || payload.timestamp.and_then(at).map(SignedTime::Claimed);
    Ok(Accepted {
        signer,
        time: logged.or_else(claimed),
    })
}

/// The reason, with advice where a name does not match because cosign signed no tag.
fn explained(reason: Reason, payload: &Payload) -> Reason {
    let is_repository = Reference::parse(&payload.reference)
        .is_ok_and(|reference| !reference.has_tag() && !reference.has_digest());
    if reason.kind() != ReasonKind::Identity || !is_repository {
        return reason;
    }
    let advice = "it names no tag, as those of cosign do, which the identities matchRepository and exactRepository \
                  alone accept";
    Reason::new(reason.kind(), format!("{reason}: {advice}"))
}

fn named(by: By) -> VerifiedSigner {
    match by {
        By::Key(key) => VerifiedSigner::Key {
            fingerprint: key.fingerprint(),
        },
        By::Certificate { subjects, issuer } => VerifiedSigner::Certificate { subjects, issuer },
    }
}

/// The signer with the keys and certificates that the policy names.
fn signer(judgement: &Judgement<'_>, signer: &SigstoreSigner) -> Result<attachment::Signer, String> {
    let load = |source: &KeySource| judgement.keys.load(source);
    let signer = match signer {
        SigstoreSigner::Keys { keys, rekor } => {
            let rekor = rekor.as_ref().map(load).transpose()?.unwrap_or_default();
            attachment::Signer::keys(&load(keys)?, &rekor)
        }
        SigstoreSigner::Fulcio { fulcio, rekor } => {
            let authorities = only(load(&fulcio.ca)?)?;
            attachment::Signer::fulcio(
                &authorities,
                &fulcio.oidc_issuer,
                &fulcio.subject_email,
                &load(rekor)?,
            )
        }
        SigstoreSigner::Pki(pki) => {
            let roots = only(load(&pki.roots)?)?;
            let intermediates = pki.intermediates.as_ref().map(load).transpose()?;
            let intermediates = intermediates.map(only).transpose()?;
            let (email, host) = match &pki.subject {
                PkiSubject::Email(email) => (Some(email.as_str()), None),
                PkiSubject::Hostname(host) => (None, Some(host.as_str())),
                PkiSubject::Both { email, hostname } => (Some(email.as_str()), Some(hostname.as_str())),
                _ => (None, None),
            };
            attachment::Signer::pki(&roots, intermediates.as_ref(), email, host)
        }
        _ => return Err("a signer of this kind cannot be verified here".to_owned()),
    };
    signer.map_err(|problem| problem.to_string())
}

fn only(files: Vec<KeyFile>) -> Result<KeyFile, String> {
    let mut files = files.into_iter();
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file),
        _ => Err("the certificates of an authority must be in one file".to_owned()),
    }
}
