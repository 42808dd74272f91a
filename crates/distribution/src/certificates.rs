use std::{error::Error, sync::Arc};

use wharf_http::TlsSettings;
use wharf_reference::Registry;

/// Gives the TLS settings of each registry: root certificates and client certificate. Closures from a
/// [`Registry`] to the settings implement it.
///
/// ```
/// use wharf_distribution::Client;
/// use wharf_http::{Roots, TlsSettings};
/// use wharf_reference::Registry;
///
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder().with_certificates(|registry: &Registry| {
///     if *registry == "registry.internal" {
///         let pem = std::fs::read("/etc/ssl/internal-ca.pem")?;
///         return Ok(TlsSettings::default().with_roots(Roots::AddedOnly).with_root_pem(pem));
///     }
///     Ok(TlsSettings::default())
/// }).build()?;
/// # Ok(())
/// # }
/// ```
pub trait CertificateProvider: Send + Sync {
    /// The settings for a registry, by its name in image names (`docker.io`, not the host of its API). They
    /// are asked for whenever a repository of the registry is first used, and should be cached.
    ///
    /// The settings contain what is trusted and presented. Whether verification is waived for a registry is
    /// decided by its [`Candidate`](wharf_config::Candidate).
    ///
    /// # Errors
    ///
    /// Any error makes the registry unusable: the operation fails, unless the registry is a mirror, which
    /// is left out with a warning.
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
