use std::{fmt, sync::Arc, time::SystemTime};

use wharf_config::{Policy, Requirement, Rule, RuleOrigin};
use wharf_content::{Hasher, Signature, Wanted};
use wharf_reference::Digest;

use crate::{
    ImageName, Refusal, Subject, TrustedRoot, Verdict,
    from_source::Blocking,
    judge::{self, Bundles, Found, Judgement},
    openpgp::{NativeOpenPgp, OpenPgp},
    refusal::RefusalKind,
};

/// The requirements that images are judged by: a policy, requirements from code, or both.
///
/// An image is accepted if it meets *every* requirement of the one rule of the policy that is for it, and
/// every one from code.
///
/// ```
/// use wharf_config::{KeySource, Requirement, SignedBy};
/// use wharf_trust::Trust;
///
/// let keys = KeySource::file("/etc/pki/rpm-gpg/RPM-GPG-KEY-example");
/// let trust = Trust::of([Requirement::from(SignedBy::new(keys))]);
/// # let _ = trust;
/// ```
#[derive(Clone)]
pub struct Trust {
    policy: Option<Arc<Policy>>,
    requirements: Vec<Requirement>,
    must_be_signed: bool,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    openpgp: Arc<dyn OpenPgp>,
    blocking: Blocking,
    bundles: Bundles,
}

impl Trust {
    /// Judges by a policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy: Some(Arc::new(policy)),
            ..Self::of([])
        }
    }

    /// These requirements, without a policy. An empty list accepts nothing.
    pub fn of(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        Self {
            policy: None,
            requirements: requirements.into_iter().collect(),
            must_be_signed: false,
            clock: Arc::new(SystemTime::now),
            openpgp: Arc::new(NativeOpenPgp),
            blocking: Blocking::default(),
            bundles: Bundles::default(),
        }
    }

    /// One requirement more, beside those of the policy.
    #[must_use]
    pub fn and(mut self, requirement: Requirement) -> Self {
        self.requirements.push(requirement);
        self
    }

    /// Accepts only what a signature was verified for. A rule that accepts anything accepts nothing then.
    #[must_use]
    pub fn require_signed(self) -> Self {
        Self {
            must_be_signed: true,
            ..self
        }
    }

    /// Another clock, instead of the system's. It decides what expired and what is from the future.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// Another engine for OpenPGP, instead of [`NativeOpenPgp`].
    #[must_use]
    pub fn with_openpgp(self, engine: impl OpenPgp + 'static) -> Self {
        Self {
            openpgp: Arc::new(engine),
            ..self
        }
    }

    /// Lets sigstore bundles of version 0.3 meet `sigstoreSigned` too, beside cosign's attachments. Default: no bundle
    /// meets a requirement.
    ///
    /// A bundle signs the digest of an image and no name, so that its `signedIdentity` cannot be compared with anything:
    /// **it is not asked for then.** Whoever can write to a registry can move a tag to any image that the signer ever
    /// signed, of this or another repository, and the image is accepted. For attachments, which name an image, nothing
    /// changes.
    ///
    /// | signer of the requirement | a bundle counts if |
    /// |---|---|
    /// | keys | one of them made it; its log entries and timestamps are not looked at |
    /// | keys, with Rekor keys | one of them made it, and a log has it that is in the root ([`Trust::with_root`]) and has one of the Rekor keys |
    /// | `fulcio` | its certificate is for the email and the OIDC issuer, by an authority that is in the root and in the CA file of the requirement; a log has it as above; a log or a timestamp authority of the root says when; and a CT log of the root has the certificate, unless the root has none |
    /// | `pki` | never |
    ///
    /// An authority of the root of which an intermediate certificate alone is in the CA file counts from that one down.
    #[must_use]
    pub fn bundles_name_nothing_but_a_digest(mut self) -> Self {
        self.bundles.is_accepted = true;
        self
    }

    /// The sigstore instance whose bundles may count, where bundles do
    /// ([`Trust::bundles_name_nothing_but_a_digest`]). Without it, requirements with logs or with Fulcio are met by
    /// attachments alone. It adds to no requirement: of it counts what the requirement names too.
    #[must_use]
    pub fn with_root(mut self, root: TrustedRoot) -> Self {
        self.bundles.root = Some(Arc::new(root));
        self
    }

    /// The policy, if one is asked.
    #[must_use]
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_deref()
    }

    pub(crate) fn on(self, blocking: Blocking) -> Self {
        Self { blocking, ..self }
    }

    pub(crate) const fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    pub(crate) const fn blocking(&self) -> &Blocking {
        &self.blocking
    }

    /// The kinds of signatures that the rule for an image looks at: no others need be read, and none if the
    /// rule demands nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the image is refused whatever its signatures are, so that nothing need be read at all.
    pub fn wanted(&self, name: impl Into<ImageName>) -> Result<Wanted, Refusal> {
        let name = name.into();
        let (requirements, _) = self.requirements_for(&name);
        let refused = |refusal: Refusal| self.placed(refusal, None, &name);
        let wanted = judge::wanted(&requirements, &self.bundles).map_err(refused)?;
        if self.must_be_signed && wanted.is_nothing() {
            return Err(refused(Refusal::new(RefusalKind::NothingVerified)));
        }
        Ok(wanted)
    }

    /// Judges an image by its signatures, those of the manifest itself. It blocks while key files are read.
    ///
    /// Signatures of kinds that no requirement looks at are ignored.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: the first requirement that was not met, and for each signature why it does not count. A panic of
    /// an engine is a refusal too.
    pub fn judge(&self, subject: &Subject<'_>, signatures: &[Signature]) -> Result<Verdict, Refusal> {
        let found: Vec<Found<'_>> = signatures.iter().map(Found::from).collect();
        self.judge_found(subject, &found)
    }

    pub(crate) fn judge_found(
        &self,
        subject: &Subject<'_>,
        signatures: &[Found<'_>],
    ) -> Result<Verdict, Refusal> {
        let (requirements, origin) = self.requirements_for(&subject.name);
        let judgement = Judgement::new(subject, signatures, (self.clock)(), &*self.openpgp, &self.bundles);
        let refused = |refusal: Refusal| {
            let refusal = self.placed(refusal, Some(judgement.digest()), &subject.name);
            refusal.instance(subject.index.is_some())
        };
        let met = judgement.all(&requirements).map_err(refused)?;
        let verdict = Verdict::new(judgement.digest().clone(), origin, met);
        if self.must_be_signed && !verdict.is_signed() {
            return Err(refused(Refusal::new(RefusalKind::NothingVerified)));
        }
        Ok(verdict)
    }

    /// A refusal of this image, whatever its requirements.
    pub(crate) fn refusal(&self, kind: RefusalKind, subject: &Subject<'_>) -> Refusal {
        let digest = Hasher::sha256(subject.manifest.bytes());
        let refusal = self.placed(Refusal::new(kind), Some(&digest), &subject.name);
        refusal.instance(subject.index.is_some())
    }

    /// A refusal with the image, and with whose demand was not met.
    fn placed(&self, refusal: Refusal, digest: Option<&Digest>, name: &ImageName) -> Refusal {
        let rule = self.rule_for(name);
        let of_policy = |unmet: &Requirement| rule.is_some_and(|rule| rule.requirements().contains(unmet));
        let of_program = |unmet: &Requirement| self.requirements.contains(unmet) && !of_policy(unmet);
        let is_of_program = refusal.requirement().is_some_and(of_program);
        let origin = rule.as_ref().map(Rule::origin);
        refusal.at(digest, name, origin).by_program(is_of_program)
    }

    /// All requirements for an image, those of the policy first, and which rule of the policy it was.
    fn requirements_for(&self, name: &ImageName) -> (Vec<&Requirement>, Option<RuleOrigin>) {
        let rule = self.rule_for(name);
        let of_policy = rule.iter().flat_map(Rule::requirements);
        let requirements = of_policy.chain(&self.requirements).collect();
        (requirements, rule.as_ref().map(Rule::origin))
    }

    fn rule_for(&self, name: &ImageName) -> Option<Rule<'_>> {
        self.policy.as_ref().map(|policy| match name {
            ImageName::Reference(reference) => policy.rule_for(&crate::identity::intended(reference)),
            ImageName::Layout(directory) => policy.rule_for_layout(directory),
            ImageName::File { transport, path } => policy.rule_for_file(*transport, path),
            ImageName::Daemon(name) => policy.rule_for_daemon(name.as_ref()),
            ImageName::Unnamed => policy.default_rule(),
        })
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("policy", &self.policy)
            .field("requirements", &self.requirements)
            .field("must_be_signed", &self.must_be_signed)
            .field("bundles", &self.bundles.is_accepted)
            .finish_non_exhaustive()
    }
}
