//! Requirements, one after another, each by a module for its kind.

mod bundles;
mod signed_by;
mod sigstore_signed;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::SystemTime,
};

use wharf_config::{KeyType, Requirement};
use wharf_content::{Hasher, Signature, Wanted};
use wharf_reference::{Digest, Reference};

pub(crate) use self::bundles::{Bundles, Uncounted};
use crate::{
    Examined, ImageName, Met, OpenPgp, Refusal, Subject,
    identity::{self, accepts},
    keys::KeyFiles,
    payload::Payload,
    reason::{Reason, ReasonKind},
    refusal::RefusalKind,
};

/// The most signatures of a kind that are looked at for one requirement.
const MAX_SIGNATURES: usize = 100;

/// A signature, and the kind that it was found as. A blob of unknown format is found as a kind too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) signature: &'a Signature,
    pub(crate) kind: Wanted,
}

impl<'a> From<&'a Signature> for Found<'a> {
    /// Found nobody knows where: stores of simple signatures alone have blobs of unknown formats.
    fn from(signature: &'a Signature) -> Self {
        let kind = match signature.kind() {
            Wanted::NOTHING => Wanted::SIMPLE,
            kind => kind,
        };
        Self { signature, kind }
    }
}

/// One image with its signatures, at one moment: what every kind of requirement needs.
pub(crate) struct Judgement<'a> {
    digest: Digest,
    intended: Option<Reference>,
    signatures: &'a [Found<'a>],
    keys: KeyFiles,
    now: SystemTime,
    openpgp: &'a dyn OpenPgp,
    bundles: &'a Bundles,
}

/// The kinds of signatures that requirements look at.
///
/// # Errors
///
/// A requirement that no signature can meet.
pub(crate) fn wanted(requirements: &[&Requirement], bundles: &Bundles) -> Result<Wanted, Refusal> {
    if requirements.is_empty() {
        return Err(Refusal::new(RefusalKind::NoRequirement));
    }
    requirements
        .iter()
        .try_fold(Wanted::NOTHING, |wanted, requirement| {
            wanted_by(requirement, bundles)
                .map(|more| wanted.or(more))
                .map_err(|kind| Refusal::new(kind).of(requirement))
        })
}

/// The kinds of signatures that a requirement looks at, bundles only if they can meet it.
pub(crate) fn wanted_by(requirement: &Requirement, bundles: &Bundles) -> Result<Wanted, RefusalKind> {
    match requirement {
        Requirement::InsecureAcceptAnything => Ok(Wanted::NOTHING),
        Requirement::Reject => Err(RefusalKind::Rejected),
        Requirement::SignedBy(signed_by) if signed_by.key_type() == KeyType::GpgKeys => Ok(Wanted::SIMPLE),
        Requirement::SigstoreSigned(sigstore) => Ok(match bundles.count_for(sigstore.signer()) {
            Ok(()) => Wanted::ATTACHMENTS.or(Wanted::BUNDLES),
            Err(_) => Wanted::ATTACHMENTS,
        }),
        _ => Err(RefusalKind::Unsupported),
    }
}

impl<'a> Judgement<'a> {
    pub(crate) fn new(
        subject: &Subject<'_>,
        signatures: &'a [Found<'a>],
        now: SystemTime,
        openpgp: &'a dyn OpenPgp,
        bundles: &'a Bundles,
    ) -> Self {
        let intended = match &subject.name {
            ImageName::Reference(reference) => Some(identity::intended(reference)),
            ImageName::Layout(_) | ImageName::File { .. } | ImageName::Daemon(_) | ImageName::Unnamed => None,
        };
        Self {
            // Of the exact bytes, and by the algorithm that signatures use, whatever the reference is pinned
            // by.
            digest: Hasher::sha256(subject.manifest.bytes()),
            intended,
            signatures,
            keys: KeyFiles::default(),
            now,
            openpgp,
            bundles,
        }
    }

    pub(crate) const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// All requirements, in order; the first that is not met ends it.
    pub(crate) fn all(&self, requirements: &[&Requirement]) -> Result<Vec<Met>, Refusal> {
        if requirements.is_empty() {
            return Err(Refusal::new(RefusalKind::NoRequirement));
        }
        let one = |requirement: &&Requirement| {
            // An engine that panics has not verified anything.
            let judged = catch_unwind(AssertUnwindSafe(|| self.requirement(requirement)));
            let judged = judged.unwrap_or_else(|_| Err(Refusal::new(RefusalKind::Failed)));
            judged.map_err(|refusal| refusal.of(requirement))
        };
        requirements.iter().map(one).collect()
    }

    fn requirement(&self, requirement: &Requirement) -> Result<Met, Refusal> {
        wanted_by(requirement, self.bundles).map_err(Refusal::new)?;
        match requirement {
            Requirement::InsecureAcceptAnything => Ok(Met::without_signature(requirement)),
            Requirement::SignedBy(signed_by) => signed_by::judge(self, requirement, signed_by),
            Requirement::SigstoreSigned(sigstore) => sigstore_signed::judge(self, requirement, sigstore),
            _ => Err(Refusal::new(RefusalKind::Unsupported)),
        }
    }

    /// Whether a payload is for this image, once its signature was verified.
    fn statement(&self, payload: &Payload, identity: &wharf_config::Identity) -> Result<(), Reason> {
        if payload.digest != self.digest {
            let text = format!("Signature for digest {} does not match", payload.digest);
            return Err(Reason::new(ReasonKind::Digest, text));
        }
        if !accepts(identity, self.intended.as_ref(), &payload.reference) {
            let name = crate::bounded(&payload.reference);
            let text = format!("Signature for identity {name:?} is not accepted");
            return Err(Reason::new(ReasonKind::Identity, text));
        }
        Ok(())
    }

    /// Examines signatures in order until one is accepted.
    fn first_accepted(
        &self,
        requirement: &Requirement,
        examine: impl Fn(Found<'_>) -> Option<Result<Accepted, Reason>>,
    ) -> Result<Met, Refusal> {
        let mut examined: Vec<Examined> = Vec::new();
        for (index, found) in self.signatures.iter().enumerate() {
            let kind = found.kind;
            if examined.iter().filter(|one| one.kind() == kind).count() >= MAX_SIGNATURES {
                return Err(Refusal::new(RefusalKind::TooMany));
            }
            match examine(*found) {
                None => {}
                Some(Ok(accepted)) => {
                    return Ok(Met::by_signature(requirement, index, kind, accepted, examined));
                }
                Some(Err(reason)) => examined.push(Examined::new(index, kind, reason)),
            }
        }
        Err(Refusal::new(if examined.is_empty() {
            RefusalKind::NoSignature
        } else {
            RefusalKind::NoneAccepted
        })
        .with_examined(examined, self.signatures))
    }
}

/// The maker and the time of an accepted signature.
pub(crate) struct Accepted {
    pub(crate) signer: crate::VerifiedSigner,
    pub(crate) time: Option<crate::SignedTime>,
}
