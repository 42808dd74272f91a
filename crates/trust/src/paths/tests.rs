use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};

use super::*;
use crate::der;

/// When the certificates of rcgen's defaults are valid.
const TIME: Seconds = 1_705_276_800;

/// Threat row T167: a certificate for time stamping is for nothing else, and says so in a way that cannot be
/// passed over.
#[test]
fn t167_a_certificate_for_time_stamping_is_for_that_alone() {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let anchors = [Certificate::from_der(authority.der()).unwrap()];
    let critical = |purposes: &[&[u8]], critical: bool| {
        let oids: Vec<u8> = purposes
            .iter()
            .flat_map(|oid| der::encode(der::OID, oid))
            .collect();
        let content = der::encode(der::SEQUENCE, &oids);
        let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 37], content);
        extension.set_criticality(critical);
        let mut params = CertificateParams::default();
        params.custom_extensions = vec![extension];
        params
    };
    let mut plain = CertificateParams::default();
    plain.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
    for (name, params, stamping, signing) in [
        ("critical", critical(&[oid::TIME_STAMPING], true), true, false),
        (
            "not critical",
            critical(&[oid::TIME_STAMPING], false),
            false,
            false,
        ),
        ("not critical, as rcgen writes it", plain, false, false),
        (
            "two purposes",
            critical(&[oid::TIME_STAMPING, oid::CODE_SIGNING], true),
            false,
            true,
        ),
        (
            "twice",
            critical(&[oid::TIME_STAMPING, oid::TIME_STAMPING], true),
            false,
            false,
        ),
        ("code signing", critical(&[oid::CODE_SIGNING], true), false, true),
        ("no purpose in the list", critical(&[], true), false, false),
        ("no list", CertificateParams::default(), false, false),
    ] {
        let leaf = params
            .signed_by(&KeyPair::generate().unwrap(), &authority)
            .unwrap();
        let leaf = Certificate::from_der(leaf.der()).unwrap();
        for (purpose, expected) in [(Purpose::TimeStamping, stamping), (Purpose::CodeSigning, signing)] {
            let result = verify(&leaf, &anchors, &[], purpose, TIME);
            assert_eq!(result.is_ok(), expected, "{name} {purpose:?}: {:?}", result.err());
        }
    }
}
