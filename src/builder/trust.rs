//! Demands of the program on images, beside the host's policy.

use std::sync::Arc;

use wharf_config::Requirement;
use wharf_trust::OpenPgp;

use super::ClientBuilder;

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
}
