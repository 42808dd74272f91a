//! The client certificate.
//!
//! rustls would verify it as a server does, and refuse X.509 version 1, which `openssl x509 -req` made by
//! default for twenty years. It is the server that decides whether a client certificate is acceptable.

use std::sync::Arc;

use rustls::{
    InconsistentKeys, RootCertStore, SignatureScheme, client::ResolvesClientCert, crypto::CryptoProvider,
    pki_types::CertificateDer, sign::CertifiedKey,
};

use super::pem;
use crate::{Error, ErrorKind, Identity};

/// Presents one certificate to every server that asks.
#[derive(Debug)]
pub(super) struct OneIdentity(Arc<CertifiedKey>);

impl ResolvesClientCert for OneIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The certificate and key, if they belong together.
pub(super) fn load(identity: &Identity, provider: &CryptoProvider) -> Result<OneIdentity, Error> {
    let (certificate, key) = identity.names();
    let fail = |message: String| Error::new(ErrorKind::Settings, message);
    let chain = pem::chain(&identity.certificates);
    let Some(first) = chain.first().cloned() else {
        return Err(fail(format!("{certificate} holds no certificate in PEM")));
    };
    let secret = pem::private_key(&identity.key).map_err(|reason| fail(format!("{key} {reason}")))?;
    let secret = provider.key_provider.load_private_key(secret).map_err(|error| {
        let message = format!("{key} is of a kind that is not supported: RSA, ECDSA and Ed25519 are");
        fail(message).with_source(error)
    })?;
    let certified = CertifiedKey::new(chain, secret);
    let matches = match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => false,
        Ok(()) | Err(rustls::Error::InconsistentKeys(_)) => true,
        Err(_) => matches_version_1(&certified, first),
    };
    if matches {
        Ok(OneIdentity(Arc::new(certified)))
    } else {
        Err(fail(format!("{key} is not the key of {certificate}")))
    }
}

/// True if the key belongs to a certificate that rustls parses only as a trust anchor, such as one of X.509
/// version 1; also true if the two cannot be compared, and the server then decides.
fn matches_version_1(certified: &CertifiedKey, certificate: CertificateDer<'static>) -> bool {
    let mut store = RootCertStore::empty();
    let (Some(key), Ok(())) = (certified.key.public_key(), store.add(certificate)) else {
        return true;
    };
    // The anchor holds the content of the sequence, the key the whole sequence.
    let anchors = &mut store.roots.iter();
    anchors.all(|anchor| key.as_ref().ends_with(&anchor.subject_public_key_info))
}
