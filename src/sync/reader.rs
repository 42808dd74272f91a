//! Reads the images of a set.

use std::sync::Arc;

use wharf_content::{Error, ErrorKind};

use crate::{
    Client, ImageLocation,
    overrides::{RegistrySettings, WithCredentials, WithTls},
    reading::OpenedImage,
};

/// A client, and the client of the protocol with the settings that the set has for its registries. These are not used for
/// the destination, which may be in one of them.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) client: Client,
    pub(super) registries: wharf_distribution::Client,
}

impl Reader {
    pub(super) fn new(client: &Client, settings: &[RegistrySettings]) -> Result<Self, Error> {
        let registries = match settings {
            [] => client.inner.client.clone(),
            settings => client.with_settings(settings)?,
        };
        Ok(Self {
            client: client.clone(),
            registries,
        })
    }

    pub(super) async fn open(&self, image: &ImageLocation) -> Result<OpenedImage, Error> {
        self.client.open_with(&self.registries, image).await
    }
}

impl Client {
    /// The client of the protocol with these settings beside its own.
    fn with_settings(&self, settings: &[RegistrySettings]) -> Result<wharf_distribution::Client, Error> {
        let inner = &self.inner;
        let mut credentials: WithCredentials = inner.credentials_provider.clone();
        let mut resolver: WithTls = (*inner.resolver).clone();
        let mut directories = Vec::new();
        for one in settings {
            if let Some(credential) = &one.credential {
                credentials
                    .explicit
                    .push(((&one.registry).into(), Some(credential.clone())));
            }
            if let Some(verify) = one.tls_verify {
                resolver.overrides.named.push((one.registry.clone(), verify));
            }
            if let Some(directory) = &one.cert_dir {
                if !directory.is_dir() {
                    let message = format!(
                        "there is no directory {} for the certificates of {}",
                        directory.display(),
                        one.registry
                    );
                    return Err(Error::new(ErrorKind::Invalid, message));
                }
                directories.push((one.registry.clone(), directory.clone()));
            }
        }
        let protocol = inner.protocol.clone().with_credentials(credentials);
        let protocol = protocol.with_resolve(Arc::new(resolver));
        Ok(protocol
            .with_certificates(inner.certificates.with_directories(directories))
            .build()?)
    }
}
