use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{
    document::{Document, Version},
    verify::{self, Target, VerifiedBundle},
};
use crate::{Reason, ReasonKind, problem::Problem, public_key::PublicKey, root::TrustedRoot};

/// The signer that a bundle must have: a key, or an identity that a certificate authority vouches for. It judges bundles
/// without a policy.json, whose rules do not count bundles unless a program says otherwise
/// ([`Trust::bundles_name_nothing_but_a_digest`](crate::Trust::bundles_name_nothing_but_a_digest)).
///
/// ```
/// use std::time::SystemTime;
/// use wharf_trust::{BundlePolicy, CertificateIdentity, TrustedRoot};
///
/// # fn verify(root: &[u8], bundle: &[u8]) -> Result<(), wharf_trust::Problem> {
/// let identity = CertificateIdentity::new("ada@example.com", "https://accounts.example.com");
/// let policy = BundlePolicy::identity(identity, TrustedRoot::parse(root)?);
/// let verified = policy.verify_blob(bundle, b"the artifact", SystemTime::now())?;
/// assert!(!verified.times().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BundlePolicy {
    pub(super) signer: Wanted,
    pub(super) root: Option<TrustedRoot>,
    pub(super) log: bool,
    pub(super) ct: bool,
    pub(super) old_versions: bool,
    predicate: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Wanted {
    Key(PublicKey),
    Identity(CertificateIdentity),
}

/// The identity that a certificate of Fulcio's must be for. Texts are compared exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateIdentity {
    pub(super) san: String,
    /// Whether the name must be an email, as in a policy.json.
    pub(super) is_email: bool,
    pub(super) issuer: String,
    pub(super) extensions: Vec<(u8, String)>,
}

impl CertificateIdentity {
    /// `san` is the subject alternative name: an email, a URI as of a workflow, or Fulcio's other name.
    /// `issuer` is the URL of the OIDC issuer.
    pub fn new(san: impl Into<String>, issuer: impl Into<String>) -> Self {
        Self {
            san: san.into(),
            is_email: false,
            issuer: issuer.into(),
            extensions: Vec::new(),
        }
    }

    /// An email, and no other kind of name with the same text.
    pub(crate) fn email(email: &str, issuer: &str) -> Self {
        Self {
            is_email: true,
            ..Self::new(email, issuer)
        }
    }

    /// Also demands the value of one of Fulcio's extensions 1.3.6.1.4.1.57264.1.9 to .22, such as 12, the URI
    /// of the source repository.
    ///
    /// # Errors
    ///
    /// A [`Problem`] for another number.
    pub fn with_extension(mut self, number: u8, value: impl Into<String>) -> Result<Self, Problem> {
        if !(9..=22).contains(&number) {
            return Err(Problem::new("the extensions that can be demanded are 9 to 22"));
        }
        self.extensions.push((number, value.into()));
        Ok(self)
    }
}

/// The statement that cosign makes when it signs an image.
pub(crate) const COSIGN_SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

impl BundlePolicy {
    /// Signed by the subject of a certificate, at a time that a log or a timestamp authority of the root
    /// vouches for.
    #[must_use]
    pub const fn identity(identity: CertificateIdentity, root: TrustedRoot) -> Self {
        Self::new(Wanted::Identity(identity), Some(root))
    }

    /// Signed by this key. Without a root, log entries and timestamps are not looked at, and no time is
    /// known.
    #[must_use]
    pub const fn key(key: PublicKey) -> Self {
        Self::new(Wanted::Key(key), None)
    }

    const fn new(signer: Wanted, root: Option<TrustedRoot>) -> Self {
        Self {
            signer,
            root,
            log: true,
            ct: true,
            old_versions: false,
            predicate: None,
        }
    }

    /// Whom to trust beside the key: from then on a log of this root must have the signature.
    #[must_use]
    pub fn with_root(self, root: TrustedRoot) -> Self {
        Self {
            root: Some(root),
            ..self
        }
    }

    /// Does not demand that a log has the signature. A certificate still needs a time.
    #[must_use]
    pub fn without_log(self) -> Self {
        Self { log: false, ..self }
    }

    /// Does not demand that a CT log has the certificate, if the root has no CT log at all.
    #[must_use]
    pub fn without_ct_log(self) -> Self {
        Self { ct: false, ..self }
    }

    /// Whether bundles of the versions 0.1 and 0.2 are accepted too, and log entries of the kind `intoto`,
    /// which are of that age. Default `false`.
    #[must_use]
    pub fn with_old_versions(self, old_versions: bool) -> Self {
        Self { old_versions, ..self }
    }

    /// Demands a statement with this `predicateType` instead of a signature of an image.
    #[must_use]
    pub fn attestation(self, predicate_type: impl Into<String>) -> Self {
        Self {
            predicate: Some(predicate_type.into()),
            ..self
        }
    }

    /// Judges a bundle for the image whose manifest has this SHA-256, in hexadecimal digits.
    ///
    /// Only envelopes count, whose statement is of the type that cosign writes when it signs an image, or of
    /// that of
    /// [`BundlePolicy::attestation`]: any other attestation of the same signer, such as a list of components, is no
    /// signature of the image. No name is signed in a bundle.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the first thing that is wrong.
    pub fn verify_image(
        &self,
        bundle: &[u8],
        sha256: &str,
        now: SystemTime,
    ) -> Result<VerifiedBundle, Problem> {
        let predicate = self.predicate.as_deref().unwrap_or(COSIGN_SIGN);
        let target = Target::Image { sha256, predicate };
        self.verify(bundle, &target, now)
    }

    /// Judges a bundle for an image by several policies, of which one is enough. The bundle is read once.
    ///
    /// The reason is that of the policy that came furthest: whose signer made the bundle, else for whose signer a log has
    /// it, else the first.
    pub(crate) fn verify_image_by_any(
        policies: &[Self],
        bundle: &[u8],
        sha256: &str,
        now: SystemTime,
    ) -> Result<VerifiedBundle, Reason> {
        let document = Document::parse(bundle).map_err(ReasonKind::Format.of())?;
        let mut refused: Option<Reason> = None;
        for policy in policies {
            let predicate = policy.predicate.as_deref().unwrap_or(COSIGN_SIGN);
            match policy.judge(&document, &Target::Image { sha256, predicate }, now) {
                Ok(verified) => return Ok(verified),
                Err(reason) => {
                    if refused
                        .as_ref()
                        .is_none_or(|known| progress(known) < progress(&reason))
                    {
                        refused = Some(reason);
                    }
                }
            }
        }
        Err(refused.unwrap_or_else(|| Reason::new(ReasonKind::UnknownKey, "there is no key")))
    }

    /// Judges a bundle for an artifact, of at most 64 MiB. A statement may be of any type unless
    /// [`BundlePolicy::attestation`] demands one.
    ///
    /// # Errors
    ///
    /// As [`BundlePolicy::verify_image`].
    pub fn verify_blob(
        &self,
        bundle: &[u8],
        artifact: &[u8],
        now: SystemTime,
    ) -> Result<VerifiedBundle, Problem> {
        let predicate = self.predicate.as_deref();
        self.verify(bundle, &Target::Blob { artifact, predicate }, now)
    }

    /// Judges a bundle for an artifact of which the SHA-256 is known, in hexadecimal digits. That suffices
    /// for envelopes alone: a message signature is verified over the artifact's bytes.
    ///
    /// # Errors
    ///
    /// As [`BundlePolicy::verify_image`].
    pub fn verify_digest(
        &self,
        bundle: &[u8],
        sha256: &str,
        now: SystemTime,
    ) -> Result<VerifiedBundle, Problem> {
        let predicate = self.predicate.as_deref();
        self.verify(bundle, &Target::Digest { sha256, predicate }, now)
    }

    fn verify(&self, bundle: &[u8], target: &Target<'_>, now: SystemTime) -> Result<VerifiedBundle, Problem> {
        let judged = self.judge(&Document::parse(bundle)?, target, now);
        judged.map_err(|reason| Problem::new(reason.text()))
    }

    fn judge(
        &self,
        document: &Document,
        target: &Target<'_>,
        now: SystemTime,
    ) -> Result<VerifiedBundle, Reason> {
        if document.version < Version::V03 && !self.old_versions {
            let text = "a bundle of a version before 0.3 is not accepted";
            return Err(Reason::new(ReasonKind::Format, text));
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let now = i64::try_from(now).map_err(|_| Reason::new(ReasonKind::Time, "the clock is wrong"))?;
        verify::verify(self, document, target, now)
    }
}

/// How far a verification came that ended so.
fn progress(reason: &Reason) -> u8 {
    match reason.kind() {
        _ if reason.key().is_some() => 2,
        ReasonKind::Forged => 1,
        _ => 0,
    }
}
