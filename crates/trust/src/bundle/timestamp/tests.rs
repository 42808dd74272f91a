//! Timestamps of an authority that lives as long as a test.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, KeyPair,
    KeyUsagePurpose, SerialNumber, SigningKey as _,
};

use super::*;
use crate::{root::Range, x509};

const SIGNATURE: &[u8] = b"the signature that is stamped";
/// 2024-01-15T00:00:00Z
const TIME: Seconds = 1_705_276_800;

struct Stamper {
    key: KeyPair,
    certificate: Certificate,
    authority: Authority,
}

impl Stamper {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let anchor = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let purposes = der::encode(der::SEQUENCE, &der::encode(der::OID, x509::oid::TIME_STAMPING));
        let mut purposes = CustomExtension::from_oid_content(&[2, 5, 29, 37], purposes);
        purposes.set_criticality(true);
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&[7]));
        params.custom_extensions = vec![purposes];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &anchor).unwrap();
        let certificate = Certificate::from_der(certificate.der()).unwrap();
        let authority = Authority {
            anchor: Certificate::from_der(anchor.der()).unwrap(),
            others: vec![certificate.clone()],
            valid: Range::new(Some(TIME - 10), Some(TIME + 10)),
        };
        Self {
            key,
            certificate,
            authority,
        }
    }

    /// An authority of the root that knows the anchor alone.
    fn anchor_alone(&self) -> Authority {
        Authority {
            others: Vec::new(),
            ..self.authority.clone()
        }
    }
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der::encode(der::SEQUENCE, &parts.concat())
}

fn oid(oid: &[u8]) -> Vec<u8> {
    der::encode(der::OID, oid)
}

fn number(number: u8) -> Vec<u8> {
    der::encode(der::INTEGER, &[number])
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    der::encode(der::OCTET_STRING, bytes)
}

fn attribute(kind: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[oid(kind), der::encode(der::SET, value)])
}

/// The parts of a timestamp that a test changes.
struct Parts {
    status: u8,
    imprint: Vec<u8>,
    time: &'static str,
    extensions: Vec<u8>,
    attributes: Vec<Vec<u8>>,
    hash: &'static [u8],
    algorithm: Vec<u8>,
    serial: u8,
    signers: usize,
    certificates: Vec<u8>,
}

impl Parts {
    fn info(&self) -> Vec<u8> {
        let imprint = sequence(&[sequence(&[oid(oid::SHA256)]), octets(&self.imprint)]);
        let time = der::encode(der::GENERALIZED_TIME, self.time.as_bytes());
        sequence(&[
            number(1),
            oid(&[0x2a, 3]),
            imprint,
            number(5),
            time,
            self.extensions.clone(),
        ])
    }

    fn good(stamper: &Stamper) -> Self {
        let mut parts = Self {
            status: 0,
            imprint: Hash::Sha256.of(SIGNATURE),
            time: "20240115000000Z",
            extensions: Vec::new(),
            attributes: Vec::new(),
            hash: oid::SHA256,
            algorithm: [oid::ECDSA, &[2]].concat(),
            serial: 7,
            signers: 1,
            certificates: Vec::new(),
        };
        parts.attributes = vec![
            attribute(oid::CONTENT_TYPE, &oid(oid::TST_INFO)),
            attribute(oid::MESSAGE_DIGEST, &octets(&Hash::Sha256.of(&parts.info()))),
            Self::names(&stamper.certificate),
        ];
        parts
    }

    /// The attribute that names the certificate.
    fn names(certificate: &Certificate) -> Vec<u8> {
        let one = sequence(&[octets(&Hash::Sha256.of(&certificate.der))]);
        attribute(oid::SIGNING_CERTIFICATE, &sequence(&[sequence(&[one])]))
    }

    fn response(&self, key: &KeyPair, issuer: &[u8]) -> Vec<u8> {
        let attributes = self.attributes.concat();
        let signature = key.sign(&der::encode(der::SET, &attributes)).unwrap();
        let hash = sequence(&[oid(self.hash)]);
        let signer = sequence(&[
            number(1),
            sequence(&[issuer.to_vec(), number(self.serial)]),
            hash.clone(),
            der::encode(der::constructed(0), &attributes),
            sequence(&[oid(&self.algorithm)]),
            octets(&signature),
        ]);
        let content = der::encode(der::constructed(0), &octets(&self.info()));
        let data = sequence(&[
            number(3),
            der::encode(der::SET, &hash),
            sequence(&[oid(oid::TST_INFO), content]),
            der::encode(der::constructed(0), &self.certificates),
            der::encode(der::SET, &signer.repeat(self.signers)),
        ]);
        let token = sequence(&[oid(oid::SIGNED_DATA), der::encode(der::constructed(0), &data)]);
        sequence(&[sequence(&[number(self.status)]), token])
    }
}

/// Whether the timestamp counts (`Some(true)`), is by somebody who is not known (`Some(false)`), or is wrong.
fn verdict(response: &[u8], authority: &Authority) -> Option<bool> {
    let timestamp = Timestamp::parse(response).ok()?;
    let verified = timestamp
        .verify(SIGNATURE, std::slice::from_ref(authority))
        .ok()?;
    assert!(verified.is_none_or(|verified| verified == (0, TIME)));
    Some(verified.is_some())
}

#[test]
fn t167_a_timestamp_is_bound_to_its_content_and_certificate() {
    const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
    let (stamper, stranger) = (Stamper::new(), Stamper::new());
    let changed = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::good(&stamper);
        change(&mut parts);
        parts.response(&stamper.key, &stamper.certificate.issuer)
    };
    let good = changed(&|_| ());
    assert_eq!(verdict(&good, &stamper.authority), Some(true));
    for (name, response, expected) in [
        (
            "granted with changes",
            changed(&|parts| parts.status = 1),
            Some(true),
        ),
        ("refused", changed(&|parts| parts.status = 2), None),
        (
            "by somebody else",
            changed(&|parts| parts.serial = 8),
            Some(false),
        ),
        (
            "of another signature",
            changed(&|parts| parts.imprint = Hash::Sha256.of(b"another")),
            None,
        ),
        (
            "of a shorter hash",
            changed(&|parts| parts.imprint.truncate(20)),
            None,
        ),
        (
            "another time",
            changed(&|parts| parts.time = "20240115000001Z"),
            None,
        ),
        ("no time", changed(&|parts| parts.time = "2024"), None),
        (
            "extensions",
            changed(&|parts| parts.extensions = der::encode(der::constructed(1), &[])),
            None,
        ),
        ("SHA-1", changed(&|parts| parts.hash = SHA1), None),
        ("another hash", changed(&|parts| parts.hash = oid::SHA384), None),
        (
            "another algorithm",
            changed(&|parts| parts.algorithm = oid::ED25519.to_vec()),
            None,
        ),
        (
            "ECDSA with another hash",
            changed(&|parts| *parts.algorithm.last_mut().unwrap() = 3),
            None,
        ),
        ("no signer", changed(&|parts| parts.signers = 0), None),
        ("two signers", changed(&|parts| parts.signers = 2), None),
        ("no attributes", changed(&|parts| parts.attributes.clear()), None),
        (
            "no content type",
            changed(&|parts| drop(parts.attributes.remove(0))),
            None,
        ),
        (
            "no digest",
            changed(&|parts| drop(parts.attributes.remove(1))),
            None,
        ),
        (
            "no certificate named",
            changed(&|parts| drop(parts.attributes.remove(2))),
            None,
        ),
        (
            "the content type twice",
            changed(&|parts| parts.attributes.push(parts.attributes[0].clone())),
            None,
        ),
        (
            "another content type",
            changed(&|parts| parts.attributes[0] = attribute(oid::CONTENT_TYPE, &oid(oid::SIGNED_DATA))),
            None,
        ),
        (
            "another digest",
            changed(&|parts| parts.attributes[1] = attribute(oid::MESSAGE_DIGEST, &octets(&[0; 32]))),
            None,
        ),
        (
            "another certificate named",
            changed(&|parts| parts.attributes[2] = Parts::names(&stranger.certificate)),
            None,
        ),
        ("more behind it", [good.as_slice(), &[0]].concat(), None),
        ("nothing", Vec::new(), None),
        ("too large", vec![0x30; MAX_SIZE + 1], None),
    ] {
        assert_eq!(verdict(&response, &stamper.authority), expected, "{name}");
    }
}

#[test]
fn t167_a_timestamp_is_by_the_key_of_an_authority_in_its_time() {
    let (stamper, stranger) = (Stamper::new(), Stamper::new());
    let good = Parts::good(&stamper).response(&stamper.key, &stamper.certificate.issuer);
    assert_eq!(verdict(&good, &stamper.authority), Some(true));
    // By another key, under the name of the one that is known.
    let forged = Parts::good(&stamper).response(&stranger.key, &stamper.certificate.issuer);
    assert_eq!(verdict(&forged, &stamper.authority), None);
    // Before and after the authority's time.
    for range in [(Some(TIME + 1), None), (None, Some(TIME - 1))] {
        let authority = Authority {
            valid: Range::new(range.0, range.1),
            ..stamper.authority.clone()
        };
        assert_eq!(verdict(&good, &authority), None);
    }
}

#[test]
fn t167_a_certificate_that_comes_with_a_timestamp_needs_a_path_to_the_root() {
    let (stamper, stranger) = (Stamper::new(), Stamper::new());
    let with = |by: &Stamper, certificate: &Certificate| {
        let mut parts = Parts::good(by);
        parts.certificates = certificate.der.clone();
        parts.response(&by.key, &by.certificate.issuer)
    };
    let own = with(&stamper, &stamper.certificate);
    assert_eq!(verdict(&own, &stamper.anchor_alone()), Some(true));
    assert_eq!(verdict(&own, &stamper.authority), Some(true));
    // A stranger's authority has the same name, and another key.
    let foreign = with(&stranger, &stranger.certificate);
    assert_eq!(verdict(&foreign, &stamper.anchor_alone()), Some(false));
    assert_eq!(verdict(&foreign, &stamper.authority), None);
    // His signature beside a certificate that is not his.
    assert_eq!(
        verdict(&with(&stranger, &stamper.certificate), &stamper.anchor_alone()),
        None
    );
    let without = Parts::good(&stamper).response(&stamper.key, &stamper.certificate.issuer);
    assert_eq!(verdict(&without, &stamper.anchor_alone()), Some(false));
}
