//! The certificates of certs.d as TLS settings.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Mutex, PoisonError},
};

use wharf_config::{Certificates, Locations};
use wharf_distribution::TlsFor;
use wharf_http::{Identity, TlsSettings};
use wharf_reference::Registry;

/// Reads a registry's directory once, when the registry is first used.
#[derive(Debug)]
pub(crate) struct HostCertificates {
    locations: Locations,
    read: Mutex<HashMap<Registry, TlsSettings>>,
}

impl HostCertificates {
    pub(crate) fn new(locations: Locations) -> Self {
        Self {
            locations,
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
        let settings = settings(&Certificates::load(&self.locations, registry)?);
        read.insert(registry.clone(), settings.clone());
        Ok(settings)
    }
}

fn settings(certificates: &Certificates) -> TlsSettings {
    let settings = certificates
        .authorities()
        .iter()
        .fold(TlsSettings::default(), |settings, authority| {
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
