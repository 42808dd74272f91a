use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{identity::Identities, pem::CertificateFile};
use crate::{Error, ErrorKind, Identity, Roots, TlsSettings};

/// The configuration for these settings: TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1.
pub(super) fn build(settings: &TlsSettings) -> Result<ClientConfig, Error> {
    let provider = provider();
    let verifier = verifier(settings, &provider)?;
    with_verifier(&provider, verifier, &settings.identities)
}

/// A configuration for a client that speaks plain http only: it trusts nothing.
pub(super) fn none() -> Result<ClientConfig, Error> {
    with_verifier(&provider(), Arc::new(TrustNothing), &[])
}

/// The configuration for one version of HTTP alone. Sessions are resumed by all copies of a configuration.
pub(super) fn only(mut config: ClientConfig, protocol: &str) -> ClientConfig {
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    config
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider()) // never installed as the process's default
}

fn with_verifier(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    identities: &[Identity],
) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::from_cause(ErrorKind::Settings, error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = if identities.is_empty() {
        builder.with_no_client_auth()
    } else {
        builder.with_client_cert_resolver(Arc::new(Identities::load(identities, provider)?))
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if settings.skip_verify {
        return Ok(Arc::new(AcceptAny(Arc::clone(provider))));
    }
    let mut added = Vec::new();
    for pem in &settings.extra_roots {
        // Text without a certificate is no error: certs.d may hold empty or foreign `*.crt` files, which
        // Podman ignores.
        added.extend(CertificateFile::read(pem).certificates);
    }
    let chain: Arc<dyn ServerCertVerifier> = match settings.roots {
        Roots::Platform => platform(&added, provider)?,
        Roots::AddedOnly => from_store(RootCertStore::empty(), &added, provider)?,
        #[cfg(feature = "webpki-roots")]
        Roots::Webpki => from_store(
            webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
            &added,
            provider,
        )?,
    };
    if added.is_empty() {
        return Ok(chain);
    }
    Ok(Arc::new(OrExactly { chain, exact: added }))
}

fn from_store(
    mut roots: RootCertStore,
    added: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    for certificate in added {
        roots
            .add(certificate.clone())
            .map_err(|error| settings_error("a CA certificate cannot be used", error))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| settings_error("no usable CA certificate was given", error))?;
    Ok(verifier)
}

#[cfg(not(target_os = "android"))]
fn platform(
    added: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let provider = Arc::clone(provider);
    rustls_platform_verifier::Verifier::new_with_extra_roots(added.iter().cloned(), provider)
        .map(|verifier| Arc::new(verifier) as _)
        .map_err(|error| settings_error("the system's or an added CA certificate cannot be used", error))
}

#[cfg(target_os = "android")]
fn platform(
    added: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if !added.is_empty() {
        let message = "CA certificates cannot be added to Android's; use Roots::AddedOnly";
        return Err(Error::new(ErrorKind::Settings, message));
    }
    rustls_platform_verifier::Verifier::new(Arc::clone(provider))
        .map(|verifier| Arc::new(verifier) as _)
        .map_err(|error| settings_error("the system's CA certificates cannot be used", error))
}

fn settings_error(message: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Settings, message).with_source(error)
}

/// Verifies a chain. If that fails only because the server presents a CA certificate, accepts exactly the
/// certificates that were added, for the names in them, as Go does with a self-signed certificate in
/// certs.d. The dates are checked before.
#[derive(Debug)]
struct OrExactly {
    chain: Arc<dyn ServerCertVerifier>,
    exact: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for OrExactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict =
            self.chain
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verdict {
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.exact.iter().any(|exact| exact == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// For `skip_verify`: accepts any certificate, but the handshake must be signed by its key.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// For plain http, where no certificate is ever received.
#[derive(Debug)]
struct TrustNothing;

impl ServerCertVerifier for TrustNothing {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
