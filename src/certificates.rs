//! Where trust begins, and the certificates of certs.d, as TLS settings.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Mutex, PoisonError},
};

use wharf_config::{Certificates, Locations};
use wharf_distribution::TlsFor;
use wharf_http::{Identity, Roots, TlsSettings};
use wharf_reference::Registry;

/// Reads a registry's directory once, when the registry is first used.
#[derive(Debug)]
pub(crate) struct HostCertificates {
    locations: Locations,
    trust: Trust,
    read: Mutex<HashMap<Registry, TlsSettings>>,
}

/// Whom every registry's certificate may come from; certs.d adds to it.
#[derive(Debug)]
pub(crate) struct Trust {
    pub(crate) roots: Roots,
    pub(crate) added: Vec<Vec<u8>>,
}

impl Trust {
    pub(crate) const fn new() -> Self {
        Self {
            roots: Roots::Platform,
            added: Vec::new(),
        }
    }

    fn settings(&self) -> TlsSettings {
        let settings = TlsSettings::default().with_roots(self.roots);
        self.added
            .iter()
            .fold(settings, |settings, pem| settings.with_root_pem(pem.clone()))
    }
}

impl HostCertificates {
    pub(crate) fn new(locations: Locations, trust: Trust) -> Self {
        Self {
            locations,
            trust,
            read: Mutex::default(),
        }
    }
}

impl TlsFor for HostCertificates {
    fn tls_for(&self, registry: &Registry) -> Result<TlsSettings, Box<dyn Error + Send + Sync>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(settings) = read.get(registry) {
            return Ok(settings.clone());
        }
        let certificates = Certificates::load(&self.locations, registry)?;
        let settings = settings(self.trust.settings(), &certificates);
        read.insert(registry.clone(), settings.clone());
        Ok(settings)
    }
}

fn settings(trust: TlsSettings, certificates: &Certificates) -> TlsSettings {
    let settings = certificates
        .authorities()
        .iter()
        .fold(trust, |settings, authority| {
            settings.with_root_pem(authority.pem())
        });
    match certificates.clients() {
        // Of several pairs the first is shown: rustls has no notion of choosing by the server's wish.
        [client, ..] => settings.with_identity(Identity::from_pem(
            client.certificate().pem(),
            client.key().expose(),
        )),
        [] => settings,
    }
}
