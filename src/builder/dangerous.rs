use wharf_reference::Registry;

use super::{ClientBuilder, PolicyChoice};

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
    /// use wharf::{Client, Registry};
    ///
    /// let lab = Registry::parse("lab.example.com:5000")?;
    /// let client = Client::builder()
    ///     .with_plain_http(lab.clone())
    ///     .dangerous()
    ///     .allow_plaintext_credentials(lab)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn allow_plaintext_credentials(mut self, registry: Registry) -> ClientBuilder {
        self.0.protocol = self.0.protocol.dangerous().allow_plaintext_credentials(registry);
        self.0
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
    /// use wharf::{Client, Registry};
    ///
    /// let registry = Registry::parse("registry.example.com")?;
    /// let client = Client::builder().dangerous().allow_foreign_uploads(registry).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn allow_foreign_uploads(mut self, registry: Registry) -> ClientBuilder {
        self.0.protocol = self.0.protocol.dangerous().allow_foreign_uploads(registry);
        self.0
    }
}
