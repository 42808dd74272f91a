//! Sigstore bundles for `sigstoreSigned`, where the program accepts them.

use std::{fmt, sync::Arc};

use wharf_config::SigstoreSigner;
use wharf_content::Signature;

use super::{Accepted, Judgement};
use crate::{
    BundlePolicy, CertificateIdentity, Reason, ReasonKind, SignedTime, TrustedRoot,
    attachment::{self, Kind},
};

/// The settings of a program for bundles.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bundles {
    pub(crate) is_accepted: bool,
    pub(crate) root: Option<Arc<TrustedRoot>>,
}

/// The reason why no bundle can meet a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uncounted {
    /// The program does not accept bundles.
    NotAccepted,
    /// The requirement names an authority of one's own.
    Pki,
    /// The signer is of a kind that is not known here.
    OtherSigner,
    /// The requirement names logs, and the program has no root.
    NoRoot,
    /// None of the root's logs is one of the requirement's.
    NoLog,
    /// None of the root's authorities is one of the requirement's.
    NoAuthority,
}

impl Uncounted {
    fn reason(self) -> Reason {
        let kind = match self {
            Self::NotAccepted | Self::Pki | Self::OtherSigner => ReasonKind::Format,
            Self::NoRoot | Self::NoLog => ReasonKind::Log,
            Self::NoAuthority => ReasonKind::Certificate,
        };
        Reason::new(kind, self.to_string())
    }
}

impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAccepted => {
                "bundles name no image, so that no signedIdentity can be met, and the program does not accept them for \
                 their digest alone"
            }
            Self::Pki => "bundles are not supported for a requirement with pki",
            Self::OtherSigner => "bundles are not supported for such a requirement",
            Self::NoRoot => {
                "of this requirement bundles need the logs and authorities of a trusted_root.json, and the program has none"
            }
            Self::NoLog => "no log in the trusted_root.json of the program has a Rekor key of the requirement",
            Self::NoAuthority => {
                "no authority in the trusted_root.json of the program is one of those that the requirement names (caPath, \
                 caData)"
            }
        })
    }
}

impl Bundles {
    /// Whether bundles can meet a requirement by this signer, as far as that is known without its keys.
    pub(crate) fn count_for(&self, signer: &SigstoreSigner) -> Result<(), Uncounted> {
        match signer {
            _ if !self.is_accepted => Err(Uncounted::NotAccepted),
            SigstoreSigner::Keys { rekor: None, .. } => Ok(()),
            SigstoreSigner::Keys { .. } | SigstoreSigner::Fulcio { .. } => {
                self.root.as_ref().map(|_| ()).ok_or(Uncounted::NoRoot)
            }
            SigstoreSigner::Pki(_) => Err(Uncounted::Pki),
            _ => Err(Uncounted::OtherSigner),
        }
    }

    /// The policies of which a bundle must meet one. `read` is the signer with its keys.
    ///
    /// Of the program's root counts what the requirement names too: logs with one of its Rekor keys, and authorities in
    /// its file. The root's timestamp authorities and CT logs, of which a policy.json says nothing, count as they are.
    pub(super) fn policies(
        &self,
        signer: &SigstoreSigner,
        read: &attachment::Signer,
    ) -> Result<Vec<BundlePolicy>, Uncounted> {
        self.count_for(signer)?;
        let rooted = |rekor| {
            let root = self.root.as_deref().ok_or(Uncounted::NoRoot)?;
            let root = root.clone().with_logs_of(rekor);
            if root.has_log() {
                Ok(root)
            } else {
                Err(Uncounted::NoLog)
            }
        };
        match (&read.kind, signer) {
            (Kind::Keys { keys, .. }, SigstoreSigner::Keys { rekor: None, .. }) => {
                Ok(keys.iter().cloned().map(BundlePolicy::key).collect())
            }
            (Kind::Keys { keys, rekor }, _) => {
                let root = rooted(rekor)?;
                let policy = |key| BundlePolicy::key(key).with_root(root.clone());
                Ok(keys.iter().cloned().map(policy).collect())
            }
            (
                Kind::Fulcio {
                    authorities,
                    issuer,
                    email,
                    rekor,
                },
                _,
            ) => {
                let root = rooted(rekor)?.with_authorities_of(authorities);
                if !root.has_authority() {
                    return Err(Uncounted::NoAuthority);
                }
                let identity = CertificateIdentity::email(email, issuer);
                // A root without CT logs is the program's choice: of attachments none is asked either.
                Ok(vec![BundlePolicy::identity(identity, root).without_ct_log()])
            }
            (Kind::Pki { .. }, _) => Err(Uncounted::Pki),
        }
    }
}

/// Examines what was found as a bundle: `None` if the requirement does not look at bundles.
pub(super) fn examine(
    judgement: &Judgement<'_>,
    signer: &attachment::Signer,
    policies: &Result<Vec<BundlePolicy>, Uncounted>,
    bundle: &Signature,
) -> Option<Result<Accepted, Reason>> {
    let policies = match policies {
        Ok(policies) => policies,
        Err(Uncounted::NotAccepted) => return None,
        Err(other) => return Some(Err(other.reason())),
    };
    let bundle = match bundle {
        Signature::Bundle(json) => json,
        Signature::Unknown { reason, .. } => return Some(Err(Reason::new(ReasonKind::Format, reason))),
        _ => return None,
    };
    let digest = judgement.digest.encoded();
    let verified = BundlePolicy::verify_image_by_any(policies, bundle, digest, judgement.now);
    Some(match verified {
        Ok(verified) => {
            let times = verified.times();
            let logged = times.iter().find(|time| matches!(time, SignedTime::Log(_)));
            Ok(Accepted {
                signer: verified.signer().clone(),
                time: logged.or_else(|| times.first()).copied(),
            })
        }
        Err(reason) => Err(match &signer.kind {
            Kind::Keys { keys, .. } if reason.kind() == ReasonKind::Forged => attachment::made_by_none(keys),
            _ => reason,
        }),
    })
}
