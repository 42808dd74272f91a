use std::{
    fmt,
    sync::{Arc, RwLock},
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};
use wharf_content::{Error, ErrorKind};

use crate::sync::RwLockExt as _;

/// A certificate chain and its key, which can be replaced while the registry serves. Clones share them.
#[derive(Clone)]
pub struct Tls {
    current: Arc<Current>,
}

impl Tls {
    /// Reads a chain, the server's own certificate first, and its private key, both in PEM.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tls`] if there is no certificate or no key, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let current = Current(RwLock::new(read(chain, key)?));
        Ok(Self {
            current: Arc::new(current),
        })
    }

    /// Replaces the chain and key for new connections.
    ///
    /// # Errors
    ///
    /// As [`Tls::from_pem`]; the old ones stay then.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), Error> {
        let new = read(chain, key)?;
        *self.current.0.write_locked() = new;
        Ok(())
    }

    /// The settings of the listener: TLS 1.2 and 1.3, HTTP/1.1.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::wrap(ErrorKind::Tls, error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn read(chain: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, Error> {
    let wrong = |what: &str, error: &dyn fmt::Display| Error::new(ErrorKind::Tls, format!("{what}: {error}"));
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong("the certificates cannot be read", &error))?;
    if chain.is_empty() {
        return Err(Error::new(ErrorKind::Tls, "there is no certificate in the file"));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| wrong("the private key cannot be read", &error))?;
    let pair =
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Error::new(
                ErrorKind::Tls,
                "the private key is not that of the first certificate: they do not belong together",
            ),
            error => wrong("the certificate and the key cannot be used", &error),
        })?;
    Ok(Arc::new(pair))
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read_locked()))
    }
}
