//! Certificates and keys in all the forms in which they are found. The files were made by OpenSSL.

use std::sync::Arc;

use http::Method;
use wharf_http::{
    CertificateFile, Connect as _, ErrorKind, Identity, Origin, Peer, ReqwestConnector, Roots, TlsSettings,
};
use wharf_testkit::hostile::{Answer, Match, OriginOptions, Stage};

use crate::support::{connector, fetch_from, trust, url};

const V1: &str = include_str!("pem/v1.crt");
const V3: &str = include_str!("pem/v3.crt");
const EC: &str = include_str!("pem/ec.crt");
const TRUSTED: &str = include_str!("pem/trusted.crt");
const PKCS8: &str = include_str!("pem/pkcs8.key");
const PKCS1: &str = include_str!("pem/pkcs1.key");
/// With the parameters of the curve in a block before it.
const SEC1: &str = include_str!("pem/sec1.key");
const ENCRYPTED: &str = include_str!("pem/encrypted.key");
/// Encrypted in the way of OpenSSL before PKCS#8.
const LEGACY: &str = include_str!("pem/legacy.key");

/// The lines of blocks that cannot be used, and parts of the reasons.
type Ignored<'a> = &'a [(usize, &'a str)];

/// Whether a client can be made with these settings.
fn usable(settings: TlsSettings) -> Result<(), (ErrorKind, String)> {
    let origin = Origin::of(&url("https://registry.example/")).unwrap();
    let made = ReqwestConnector::new().connect(&Peer::named(origin, Arc::new(settings)));
    made.map(drop).map_err(|error| (error.kind(), error.to_string()))
}

#[test]
fn client_certificates_are_shown_in_any_form() {
    let crlf = V3.replace('\n', "\r\n");
    let bom = format!("\u{feff}{V3}");
    let chain = format!("{V3}{V1}{EC}");
    let with_text = format!("Certificate:\n    Data: Version 3\n{V3}");
    let combined = format!("{PKCS8}{V3}");
    let damaged = V3.replacen("MII", "M!I", 1);
    let table = [
        ("PKCS#8", V3, PKCS8, None),
        ("PKCS#1", V3, PKCS1, None),
        ("SEC1 after its parameters", EC, SEC1, None),
        ("version 1", V1, PKCS8, None),
        ("version 1, PKCS#1", V1, PKCS1, None),
        ("line ends of Windows", &crlf, PKCS8, None),
        ("a byte order mark", &bom, PKCS8, None),
        ("a chain", &chain, PKCS8, None),
        ("text before it", &with_text, PKCS8, None),
        ("key and certificate in one", &combined, &combined, None),
        ("another's key", V3, SEC1, Some("a.key is not the key of a.cert")),
        (
            "another's key, version 1",
            V1,
            SEC1,
            Some("a.key is not the key of a.cert"),
        ),
        ("an encrypted key", V3, ENCRYPTED, Some("a.key is encrypted")),
        ("a key encrypted long ago", V3, LEGACY, Some("a.key is encrypted")),
        ("no key", V3, V3, Some("a.key holds no private key")),
        (
            "no certificate",
            PKCS8,
            PKCS8,
            Some("a.cert holds no certificate"),
        ),
        (
            "a damaged certificate",
            &damaged,
            PKCS8,
            Some("a.cert holds no certificate"),
        ),
    ];
    for (what, certificate, key, expected) in table {
        let identity = Identity::from_pem(certificate, key).with_names("a.cert", "a.key");
        match (usable(TlsSettings::default().with_identity(identity)), expected) {
            (Ok(()), None) => {}
            (Err((ErrorKind::Settings, text)), Some(words)) => {
                assert!(text.contains(words), "{what}: {text}");
            }
            (got, _) => panic!("{what}: {got:?}"),
        }
    }
}

#[tokio::test]
async fn of_several_client_certificates_a_server_gets_one_of_its_authority() {
    let stage = Stage::new();
    let options = OriginOptions::default().demands_client_certificate();
    let server = stage.origin_with("registry.test", options).await;
    server.on(Match::any(), Answer::ok("in"));
    let client = stage.ca().issue_client("ada");
    let own = Identity::from_pem(client.pem(), client.key_pem());
    let [ec, v3, v1] = [(EC, SEC1), (V3, PKCS8), (V1, PKCS1)].map(|(pem, key)| Identity::from_pem(pem, key));
    let table = [
        (vec![&own], true),
        (vec![&own, &ec], true),
        (vec![&ec, &own], true),
        (vec![&v1, &v3, &own, &ec], true),
        (vec![&ec], false),
        (vec![&ec, &v3], false),
        (vec![], false),
    ];
    for (identities, is_let_in) in table {
        let settings = identities.iter().fold(trust(&stage), |settings, identity| {
            settings.with_identity((*identity).clone())
        });
        let target = url(&server.url("/x"));
        let peer = Peer::named(Origin::of(&target).unwrap(), Arc::new(settings));
        let service = connector(&stage).connect(&peer).unwrap();
        let answer = fetch_from(&stage, &*service, Method::GET, &target).await;
        assert_eq!(answer.is_ok(), is_let_in, "{answer:?} with {}", identities.len());
    }
}

#[test]
fn one_odd_block_does_not_spoil_a_file_of_authorities() {
    let damaged = V3.replacen("MII", "M!I", 1);
    let cut = V3.replace("-----END CERTIFICATE-----\n", "");
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let list = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let old_label = V3.replace("CERTIFICATE", "X509 CERTIFICATE");
    // How many can be used, and the lines and reasons of what cannot.
    let lines = V3.lines().count();
    let table: [(&str, String, usize, Ignored<'_>); 17] = [
        ("one", V3.to_owned(), 1, &[]),
        ("version 1", V1.to_owned(), 1, &[]),
        ("several", format!("{V3}{V1}{EC}"), 3, &[]),
        ("the same twice", format!("{V3}{V3}"), 1, &[]),
        ("text around them", format!("# ours\n{V3}\n# end: here\n"), 1, &[]),
        ("line ends of Windows", V3.replace('\n', "\r\n"), 1, &[]),
        ("a byte order mark", format!("\u{feff}{V3}"), 1, &[]),
        ("the label of old", old_label, 1, &[]),
        (
            "one that is damaged",
            format!("{damaged}{EC}"),
            1,
            &[(1, "damaged")],
        ),
        ("one without end", format!("{cut}{EC}"), 1, &[(1, "damaged")]),
        (
            "one that is none",
            format!("{V3}{not_der}"),
            1,
            &[(lines + 1, "cannot be used")],
        ),
        ("a list", format!("{V3}{list}"), 1, &[(lines + 1, "X509 CRL")]),
        ("a key", format!("{V3}{PKCS8}"), 1, &[(lines + 1, "PRIVATE KEY")]),
        ("OpenSSL's form", TRUSTED.to_owned(), 0, &[(1, "openssl x509")]),
        ("one line", V3.replace('\n', ""), 0, &[(1, "lines of their own")]),
        (
            "line ends of old",
            V3.replace('\n', "\r"),
            0,
            &[(1, "lines of their own")],
        ),
        ("nothing", "nothing".to_owned(), 0, &[]),
    ];
    for (what, text, count, ignored) in table {
        let file = CertificateFile::read(text.as_bytes());
        assert_eq!(file.len(), count, "{what}");
        assert_eq!(
            file.ignored().len(),
            ignored.len(),
            "{what}: {:?}",
            file.ignored()
        );
        for (found, (line, reason)) in file.ignored().iter().zip(ignored) {
            assert_eq!(found.line(), *line, "{what}");
            assert!(found.reason().contains(reason), "{what}: {found:?}");
            assert!(!found.reason().contains("MII"), "{what}: a block is not repeated");
        }
        let settings = TlsSettings::default()
            .with_roots(Roots::AddedOnly)
            .with_root_pem(text);
        assert_eq!(usable(settings).is_ok(), count > 0, "{what}");
    }
}
