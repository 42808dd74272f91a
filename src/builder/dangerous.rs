use wharf_reference::Registry;

use super::{ClientBuilder, PolicyChoice};

/// Settings of a client that weaken security, behind one door.
#[derive(Debug)]
#[must_use]
pub struct DangerousClientBuilder(pub(super) ClientBuilder);

impl DangerousClientBuilder {
    /// Sends credentials to this registry even over plain http, where everyone on the way can read them. Whether
    /// plain http is spoken with it at all is another setting's matter: [`ClientBuilder::with_plain_http`], or
    /// `insecure` in registries.conf.
    pub fn allow_plaintext_credentials(mut self, registry: Registry) -> ClientBuilder {
        self.0.protocol = self.0.protocol.dangerous().allow_plaintext_credentials(registry);
        self.0
    }

    /// Accepts every image, whatever the host's policy.json says.
    pub fn ignore_policy(mut self) -> ClientBuilder {
        self.0.policy = PolicyChoice::Ignored;
        self.0
    }

    /// Sends what is pushed to this registry to another origin where the registry says so, without credentials; see
    /// [`allow_foreign_uploads`](wharf_distribution::DangerousClientBuilder::allow_foreign_uploads).
    pub fn allow_foreign_uploads(mut self, registry: Registry) -> ClientBuilder {
        self.0.protocol = self.0.protocol.dangerous().allow_foreign_uploads(registry);
        self.0
    }
}
