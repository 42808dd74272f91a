//! Demands of the program on images, beside the host's policy.

use std::sync::Arc;

use wharf_config::Requirement;
use wharf_trust::{OpenPgp, TrustedRoot};

use super::{ClientBuilder, DangerousClientBuilder};

impl ClientBuilder {
    /// Adds a requirement that every image must meet which is pulled, copied, pushed or verified, beside those
    /// of the trust policy; with [`ignore_policy`](crate::DangerousClientBuilder::ignore_policy), in its place.
    /// It may be called more than once: an image must meet all. Several keys of which one is enough are one
    /// requirement, with several files.
    ///
    /// ```
    /// use wharf::{Client, config::{KeySource, SignedBy}};
    ///
    /// let keys = KeySource::file("/etc/pki/rpm-gpg/RPM-GPG-KEY-example");
    /// let client = Client::builder().with_requirement(SignedBy::new(keys)).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_requirement(mut self, requirement: impl Into<Requirement>) -> Self {
        self.demands.requirements.push(requirement.into());
        self
    }

    /// Sets whether a signature must be verified for every image. An image for which the policy accepts
    /// anything is rejected then, and so is every image where there is neither a policy nor a requirement.
    /// Default: `false`.
    ///
    /// ```
    /// let client = wharf::Client::builder().with_signature_required(true).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub const fn with_signature_required(mut self, required: bool) -> Self {
        self.demands.must_be_signed = required;
        self
    }

    /// Sets the engine that verifies OpenPGP signatures, in the place of
    /// [`NativeOpenPgp`](wharf_trust::NativeOpenPgp).
    ///
    /// ```
    /// use wharf::{Client, trust::NativeOpenPgp};
    ///
    /// let client = Client::builder().with_openpgp(NativeOpenPgp).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_openpgp(mut self, engine: impl OpenPgp + 'static) -> Self {
        self.demands.openpgp = Some(Arc::new(engine));
        self
    }
    /// Sets the sigstore instance (`trusted_root.json`) whose bundles may count, where bundles do:
    /// [`bundles_name_nothing_but_a_digest`](DangerousClientBuilder::bundles_name_nothing_but_a_digest). Of it counts
    /// what a requirement names too, by its Rekor keys and its file of Fulcio's authorities
    /// ([`Trust::with_root`](wharf_trust::Trust::with_root)). The program answers for where the file is from: nothing is
    /// fetched, and none is built in.
    ///
    /// ```
    /// use wharf::{Client, trust::TrustedRoot};
    ///
    /// # fn example(file: &[u8]) -> Result<Client, Box<dyn std::error::Error>> {
    /// let builder = Client::builder().with_trusted_root(TrustedRoot::parse(file)?);
    /// # Ok(builder.dangerous().bundles_name_nothing_but_a_digest().build()?)
    /// # }
    /// ```
    pub fn with_trusted_root(mut self, root: TrustedRoot) -> Self {
        self.demands.root = Some(root);
        self
    }
}

impl DangerousClientBuilder {
    /// Lets sigstore bundles, cosign's default since version 3, meet `sigstoreSigned` of the policy and of the program's
    /// requirements. A bundle names a digest and no image, so that **`signedIdentity` is not asked for then**: whoever
    /// can write to a registry can move a tag to any image that the signer ever signed.
    /// [`Trust::bundles_name_nothing_but_a_digest`](wharf_trust::Trust::bundles_name_nothing_but_a_digest) says which
    /// bundles count. Default: none, and no bundle is fetched.
    ///
    /// ```
    /// let client = wharf::Client::builder().dangerous().bundles_name_nothing_but_a_digest().build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn bundles_name_nothing_but_a_digest(mut self) -> ClientBuilder {
        self.0.demands.accepts_bundles = true;
        self.0
    }
}
