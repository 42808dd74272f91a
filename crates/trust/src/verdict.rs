use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use wharf_config::{Requirement, RuleOrigin};
use wharf_content::{Wanted, format_timestamp};
use wharf_reference::Digest;

use crate::{Reason, judge::Accepted};

/// An image that was accepted: which manifest, by which rule, and how each requirement was met.
///
/// [`Trust::judge`](crate::Trust::judge) alone makes one, so who asks for it cannot be given an image that
/// nobody judged. It is about the digest, and not about a tag, which may lead elsewhere a moment later.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    digest: Digest,
    rule: Option<RuleOrigin>,
    met: Vec<Met>,
}

impl Verdict {
    pub(crate) const fn new(digest: Digest, rule: Option<RuleOrigin>, met: Vec<Met>) -> Self {
        Self { digest, rule, met }
    }

    /// The sha256 digest of the manifest that was judged.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The rule of the policy; `None` if requirements from code alone were asked.
    #[must_use]
    pub const fn rule(&self) -> Option<&RuleOrigin> {
        self.rule.as_ref()
    }

    /// Every requirement, in order, and how it was met.
    #[must_use]
    pub fn met(&self) -> &[Met] {
        &self.met
    }

    /// Whether a signature was verified. It was not where the rule accepts anything.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.met.iter().any(|met| met.signature.is_some())
    }
}

/// A requirement that an image met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    requirement: Requirement,
    signature: Option<MetBy>,
    rejected: Vec<Examined>,
}

/// The signature by which a requirement was met.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MetBy {
    index: usize,
    kind: Wanted,
    signer: VerifiedSigner,
    time: Option<SignedTime>,
}

impl Met {
    pub(crate) fn without_signature(requirement: &Requirement) -> Self {
        Self {
            requirement: requirement.clone(),
            signature: None,
            rejected: Vec::new(),
        }
    }

    pub(crate) fn by_signature(
        requirement: &Requirement,
        index: usize,
        kind: Wanted,
        Accepted { signer, time }: Accepted,
        rejected: Vec<Examined>,
    ) -> Self {
        Self {
            requirement: requirement.clone(),
            signature: Some(MetBy {
                index,
                kind,
                signer,
                time,
            }),
            rejected,
        }
    }

    /// The requirement that was met.
    #[must_use]
    pub const fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// Which signature was accepted, counted from zero; `None` if none was demanded.
    #[must_use]
    pub fn signature(&self) -> Option<usize> {
        self.signature.as_ref().map(|by| by.index)
    }

    /// The kind of the signature that was accepted, one member of [`Wanted`]; `None` if none was demanded.
    #[must_use]
    pub fn kind(&self) -> Option<Wanted> {
        self.signature.as_ref().map(|by| by.kind)
    }

    /// The signer; `None` if the requirement wants no signature.
    #[must_use]
    pub fn signer(&self) -> Option<&VerifiedSigner> {
        self.signature.as_ref().map(|by| &by.signer)
    }

    /// When it was signed, if anybody says so: cosign's signatures by a key say nothing. Of a bundle with several times,
    /// that of a log.
    #[must_use]
    pub fn time(&self) -> Option<SignedTime> {
        self.signature.as_ref().and_then(|by| by.time)
    }

    /// The signatures before the accepted one, which do not count, and why. Those after it were not looked
    /// at.
    #[must_use]
    pub fn rejected(&self) -> &[Examined] {
        &self.rejected
    }
}

/// The maker of an accepted signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifiedSigner {
    /// An OpenPGP key.
    #[non_exhaustive]
    OpenPgp {
        /// The fingerprint of the primary key, in upper hexadecimal, also where a subkey signed.
        fingerprint: String,
    },
    /// A public key.
    #[non_exhaustive]
    Key {
        /// SHA-256 of the key as a `SubjectPublicKeyInfo`, in lower hexadecimal.
        fingerprint: String,
    },
    /// Somebody with a certificate.
    #[non_exhaustive]
    Certificate {
        /// The names that were demanded, each of which the certificate has: email, host, URI.
        subjects: Vec<String>,
        /// The OIDC issuer that vouched for the subject, if the requirement demanded one.
        issuer: Option<String>,
    },
}

/// The fingerprint, or the subjects of the certificate.
impl fmt::Display for VerifiedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenPgp { fingerprint } => f.write_str(fingerprint),
            Self::Key { fingerprint } => write!(f, "sha256:{fingerprint}"),
            Self::Certificate { subjects, issuer } => {
                f.write_str(&subjects.join(", "))?;
                issuer.as_ref().map_or(Ok(()), |issuer| write!(f, " ({issuer})"))
            }
        }
    }
}

/// When a signature was made, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignedTime {
    /// The signer says so.
    Claimed(SystemTime),
    /// A transparency log recorded it then.
    Log(SystemTime),
    /// A timestamp authority saw it then.
    Authority(SystemTime),
}

impl SignedTime {
    /// The time, whoever says so.
    #[must_use]
    pub const fn time(self) -> SystemTime {
        match self {
            Self::Claimed(time) | Self::Log(time) | Self::Authority(time) => time,
        }
    }
}

/// The time in UTC (RFC 3339), to the second.
impl fmt::Display for SignedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.time().duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = i64::try_from(since.as_secs()).ok().and_then(format_timestamp);
        f.write_str(text.as_deref().unwrap_or("after the year 9999"))
    }
}

/// A signature that does not count for a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    signature: usize,
    kind: Wanted,
    reason: Reason,
}

impl Examined {
    pub(crate) const fn new(signature: usize, kind: Wanted, reason: Reason) -> Self {
        Self {
            signature,
            kind,
            reason,
        }
    }

    /// Which signature, counted from zero.
    #[must_use]
    pub const fn signature(&self) -> usize {
        self.signature
    }

    /// The kind that it was found as, one member of [`Wanted`].
    #[must_use]
    pub const fn kind(&self) -> Wanted {
        self.kind
    }

    /// Why it does not count.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        &self.reason
    }
}
