use std::{path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

/// A certificate authority that lives as long as the test.
#[derive(Debug)]
pub struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

impl TestCa {
    /// A fresh authority with its own key.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "wharf test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// The authority's certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The authority's certificate in DER.
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// A server's certificate for these host names and addresses.
    pub fn issue(&self, names: &[&str]) -> TestCertificate {
        self.issue_with(names, ExtendedKeyUsagePurpose::ServerAuth, |_| ())
    }

    /// A server's certificate whose time is over.
    pub fn issue_expired(&self, names: &[&str]) -> TestCertificate {
        self.issue_with(names, ExtendedKeyUsagePurpose::ServerAuth, |params| {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        })
    }

    /// A client's certificate.
    pub fn issue_client(&self, name: &str) -> TestCertificate {
        self.issue_with(&[name], ExtendedKeyUsagePurpose::ClientAuth, |_| ())
    }

    fn issue_with(
        &self,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> TestCertificate {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let mut params = CertificateParams::new(names).expect("valid host names");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        TestCertificate {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        }
    }

    /// The settings with which a client trusts this authority and nothing else.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder
            .with_safe_default_protocol_versions()
            .expect("TLS versions");
        Arc::new(builder.with_root_certificates(self.roots()).with_no_client_auth())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.der.clone())
            .expect("the authority is a valid root");
        roots
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct TestCertificate {
    pem: String,
    key_pem: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl TestCertificate {
    /// The certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The key in PEM (PKCS #8).
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The certificate in DER.
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The key in DER (PKCS #8).
    pub fn key_der(&self) -> &[u8] {
        &self.key_der
    }

    /// Writes certificate and key as PEM files.
    pub fn write(&self, certificate: &Path, key: &Path) {
        std::fs::write(certificate, &self.pem).expect("the certificate's file");
        std::fs::write(key, &self.key_pem).expect("the key's file");
    }

    /// A server that presents this certificate, offers these ALPN protocols, and asks for client certificates
    /// of `clients` if there is one.
    pub fn server_config(&self, alpn: &[&str], clients: Option<&TestCa>) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder
            .with_safe_default_protocol_versions()
            .expect("TLS versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let roots = Arc::new(ca.roots());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier of client certificates"))
            }
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key_der.clone()));
        let config = builder.with_single_cert(vec![self.der.clone()], key);
        let mut config = config.expect("certificate and key fit");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}
