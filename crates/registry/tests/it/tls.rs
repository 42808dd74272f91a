use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use wharf_content::ErrorKind;
use wharf_registry::{Registry, Server, Tls};

fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn tls(pair: &CertifiedKey<KeyPair>) -> Tls {
    Tls::from_pem(
        pair.cert.pem().as_bytes(),
        pair.signing_key.serialize_pem().as_bytes(),
    )
    .unwrap()
}

/// The status line of the version check, by a client that trusts this certificate.
async fn check(server: &Server, pair: &CertifiedKey<KeyPair>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream
        .write_all(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut received = String::new();
    stream.read_to_string(&mut received).await?;
    Ok(received.lines().next().unwrap().to_owned())
}

#[tokio::test]
async fn certificates_are_replaced_while_serving() {
    let (old, new) = (certificate(), certificate());
    let tls = tls(&old);
    let server = Registry::memory()
        .serve_tls(([127, 0, 0, 1], 0).into(), &tls)
        .await
        .unwrap();
    assert!(server.url().starts_with("https://127.0.0.1:"));
    assert_eq!(check(&server, &old).await.unwrap(), "HTTP/1.1 200 OK");
    assert!(check(&server, &new).await.is_err());
    // A key that does not belong to the certificate changes nothing.
    let wrong = tls.replace(
        old.cert.pem().as_bytes(),
        new.signing_key.serialize_pem().as_bytes(),
    );
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Tls);
    assert_eq!(check(&server, &old).await.unwrap(), "HTTP/1.1 200 OK");
    tls.replace(
        new.cert.pem().as_bytes(),
        new.signing_key.serialize_pem().as_bytes(),
    )
    .unwrap();
    assert_eq!(check(&server, &new).await.unwrap(), "HTTP/1.1 200 OK");
    assert!(check(&server, &old).await.is_err());
}

#[tokio::test]
async fn plain_bytes_on_a_tls_port_do_no_harm() {
    let pair = certificate();
    let server = Registry::memory()
        .serve_tls(([127, 0, 0, 1], 0).into(), &tls(&pair))
        .await
        .unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /v2/ HTTP/1.1\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    assert!(!received.starts_with(b"HTTP"));
    assert_eq!(check(&server, &pair).await.unwrap(), "HTTP/1.1 200 OK");
}

#[test]
fn what_is_no_certificate_is_refused() {
    let pair = certificate();
    let (chain, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
    for (chain, key) in [
        ("", key.as_str()),
        (chain.as_str(), ""),
        ("x", "y"),
        (key.as_str(), chain.as_str()),
    ] {
        let error = Tls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(!error.to_string().contains("PRIVATE"));
    }
}
