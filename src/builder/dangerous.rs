use super::{ClientBuilder, PolicyChoice};
use crate::IntoRegistry;

/// The settings of a client that weaken security; each returns to the [`ClientBuilder`].
#[derive(Debug)]
#[must_use]
pub struct DangerousClientBuilder(pub(super) ClientBuilder);

impl DangerousClientBuilder {
    /// Sends credentials to this registry even over plain http, where everyone on the way can read them.
    /// Whether plain http is spoken with it at all is decided by [`ClientBuilder::with_plain_http`], or by
    /// `insecure` in registries.conf.
    ///
    /// ```
    /// let lab = "lab.example.com:5000";
    /// let builder = wharf::Client::builder().with_plain_http(lab);
    /// let client = builder.dangerous().allow_plaintext_credentials(lab).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn allow_plaintext_credentials(mut self, registry: impl IntoRegistry) -> ClientBuilder {
        match self.0.accept(registry.into_registry()) {
            Some(registry) => self
                .0
                .map(|protocol| protocol.dangerous().allow_plaintext_credentials(registry)),
            None => self.0,
        }
    }

    /// Accepts every image, whatever the host's policy.json says.
    ///
    /// ```
    /// let client = wharf::Client::builder().dangerous().ignore_policy().build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn ignore_policy(mut self) -> ClientBuilder {
        self.0.policy = PolicyChoice::Ignored;
        self.0
    }

    /// Sends uploads for this registry to another origin where the registry says so, without credentials; see
    /// [`allow_foreign_uploads`](wharf_distribution::DangerousClientBuilder::allow_foreign_uploads).
    ///
    /// ```
    /// let client = wharf::Client::builder().dangerous().allow_foreign_uploads("registry.example.com").build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn allow_foreign_uploads(mut self, registry: impl IntoRegistry) -> ClientBuilder {
        match self.0.accept(registry.into_registry()) {
            Some(registry) => self
                .0
                .map(|protocol| protocol.dangerous().allow_foreign_uploads(registry)),
            None => self.0,
        }
    }
}
