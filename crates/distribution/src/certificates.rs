use std::{error::Error, sync::Arc};

use wharf_http::TlsSettings;
use wharf_reference::Registry;

/// Gives the certificates for a registry: what its directory in certs.d holds.
///
/// Implemented by every function from a [`Registry`] to the settings.
pub trait CertificateProvider: Send + Sync {
    /// The settings for this registry, as it is called in image names (`docker.io`, not the host of its API).
    ///
    /// They hold what is trusted and shown. Whether verification is waived is the configuration's business,
    /// not theirs.
    fn tls_settings(&self, registry: &Registry) -> Result<TlsSettings, Box<dyn Error + Send + Sync>>;
}

impl<F> CertificateProvider for F
where
    F: Fn(&Registry) -> Result<TlsSettings, Box<dyn Error + Send + Sync>> + Send + Sync,
{
    fn tls_settings(&self, registry: &Registry) -> Result<TlsSettings, Box<dyn Error + Send + Sync>> {
        self(registry)
    }
}

impl<P: CertificateProvider + ?Sized> CertificateProvider for Arc<P> {
    fn tls_settings(&self, registry: &Registry) -> Result<TlsSettings, Box<dyn Error + Send + Sync>> {
        (**self).tls_settings(registry)
    }
}
