//! Root certificates and the certificates of certs.d, as TLS settings.

use std::{
    collections::HashMap,
    error::Error,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use wharf_config::{Certificates, Locations};
use wharf_distribution::CertificateProvider;
use wharf_http::{CertificateFile, Identity, Roots, TlsSettings};
use wharf_reference::Registry;

use crate::{
    concurrency::LockExt as _,
    warnings::{Warning, Warnings},
};

/// Reads a registry's directory once, when the registry is first used.
#[derive(Debug)]
pub(crate) struct HostCertificates {
    locations: Locations,
    roots: RootSettings,
    warnings: Arc<Warnings>,
    /// The directories of single registries, instead of those of the host.
    named: HashMap<Registry, PathBuf>,
    read: Mutex<HashMap<Registry, TlsSettings>>,
}

/// The root certificates for every registry; certs.d adds to them.
#[derive(Debug, Clone)]
pub(crate) struct RootSettings {
    pub(crate) roots: Roots,
    pub(crate) added: Vec<Vec<u8>>,
}

impl RootSettings {
    pub(crate) const fn new() -> Self {
        Self {
            roots: Roots::Platform,
            added: Vec::new(),
        }
    }

    fn settings(&self, warnings: &Warnings) -> TlsSettings {
        let mut settings = TlsSettings::default().with_roots(self.roots);
        for pem in &self.added {
            warn_of(pem, None, warnings);
            settings = settings.with_root_pem(pem.clone());
        }
        settings
    }
}

impl HostCertificates {
    pub(crate) fn new(locations: Locations, roots: RootSettings, warnings: Arc<Warnings>) -> Self {
        Self {
            locations,
            roots,
            warnings,
            named: HashMap::new(),
            read: Mutex::default(),
        }
    }

    /// The certificates of this host, and for these registries those of the directories.
    #[cfg(feature = "sync")]
    pub(crate) fn with_directories(
        &self,
        directories: impl IntoIterator<Item = (Registry, PathBuf)>,
    ) -> Self {
        Self {
            named: directories.into_iter().collect(),
            ..Self::new(
                self.locations.clone(),
                self.roots.clone(),
                Arc::clone(&self.warnings),
            )
        }
    }
}

impl CertificateProvider for HostCertificates {
    fn tls_settings(&self, registry: &Registry) -> Result<TlsSettings, Box<dyn Error + Send + Sync>> {
        let mut read = self.read.locked();
        if let Some(settings) = read.get(registry) {
            return Ok(settings.clone());
        }
        let certificates = match self.named.get(registry) {
            Some(directory) => {
                Certificates::load(&self.locations.clone().with_cert_dir(directory), registry)?
            }
            None => Certificates::load(&self.locations, registry)?,
        };
        for warning in certificates.warnings() {
            self.warnings.warn(Warning::Configuration(warning.clone()));
        }
        for authority in certificates.authorities() {
            warn_of(authority.pem(), Some(authority.path()), &self.warnings);
        }
        let settings = settings(self.roots.settings(&self.warnings), &certificates);
        read.insert(registry.clone(), settings.clone());
        Ok(settings)
    }
}

/// Warns of the blocks of a file of authorities that cannot be used.
fn warn_of(pem: &[u8], file: Option<&Path>, warnings: &Warnings) {
    for ignored in CertificateFile::read(pem).ignored() {
        warnings.warn(Warning::Certificate {
            file: file.map(Path::to_owned),
            line: ignored.line(),
            reason: ignored.reason().to_owned(),
        });
    }
}

fn settings(roots: TlsSettings, certificates: &Certificates) -> TlsSettings {
    let settings = certificates
        .authorities()
        .iter()
        .fold(roots, |settings, authority| {
            settings.with_root_pem(authority.pem())
        });
    certificates.clients().iter().fold(settings, |settings, client| {
        let identity = Identity::from_pem(client.certificate().pem(), client.key().expose());
        let [certificate, key] =
            [client.certificate().path(), client.key_path()].map(|path| path.display().to_string());
        settings.with_identity(identity.with_names(certificate, key))
    })
}
