//! The times at which a certificate was used, at each of which it must have been valid and trusted; and its names.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use super::*;

const DAY: Seconds = 86_400;
/// 2024-01-15T00:00:00Z
const TIME: Seconds = 1_705_276_800;

/// Validity in days around the time.
type Days = (u8, u8);

fn params(name: &str, (first, last): Days) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2024, 1, first);
    params.not_after = date_time_ymd(2024, 1, last);
    params
}

/// An authority with an intermediate, and a leaf of that, of these validities.
fn issued(anchor: Days, between: Days, leaf: Days) -> (Authority, Certificate) {
    let authority = |name, days| {
        let mut authority = params(name, days);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority
    };
    let root = CertifiedIssuer::self_signed(authority("root", anchor), KeyPair::generate().unwrap()).unwrap();
    let middle = authority("between", between);
    let middle = CertifiedIssuer::signed_by(middle, KeyPair::generate().unwrap(), &root).unwrap();
    let mut signer = params("leaf", leaf);
    signer.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    let signer = signer.signed_by(&KeyPair::generate().unwrap(), &middle).unwrap();
    let read = |der: &[u8]| Certificate::from_der(der).unwrap();
    let authority = Authority {
        anchor: read(root.der()),
        others: vec![read(middle.der())],
        valid: Range::new(None, None),
    };
    (authority, read(signer.der()))
}

/// Threat row T164 (CVE-2026-24122): one time within the validity of all makes up for no other.
#[test]
fn t164_a_certificate_counts_if_it_did_at_every_time() {
    const LONG: Days = (1, 30);
    const SHORT: Days = (10, 20);
    let (inside, before, after) = (TIME, TIME - 10 * DAY, TIME + 10 * DAY);
    let ranges = [(None, None), (Some(TIME - DAY), Some(TIME + DAY))];
    for (what, [anchor, between, leaf], (start, end)) in [
        ("the leaf", [LONG, LONG, SHORT], ranges[0]),
        ("an authority between", [LONG, SHORT, LONG], ranges[0]),
        ("the anchor", [SHORT, LONG, LONG], ranges[0]),
        ("the trust in it", [LONG, LONG, LONG], ranges[1]),
    ] {
        let (authority, leaf) = issued(anchor, between, leaf);
        let authority = Authority {
            valid: Range::new(start, end),
            ..authority
        };
        let verdict = |times: &[Time]| issuer(&authority, &leaf, &[], times).is_ok();
        assert!(!verdict(&[]), "{what}: no time is known");
        assert!(verdict(&[Time::Log(inside)]), "{what}");
        assert!(
            verdict(&[Time::Log(inside), Time::Authority(inside + 1)]),
            "{what}"
        );
        for outside in [before, after] {
            for times in [
                &[Time::Log(outside)] as &[Time],
                &[Time::Log(inside), Time::Authority(outside)],
                &[Time::Log(outside), Time::Authority(inside)],
                &[Time::Log(inside), Time::Log(outside), Time::Authority(inside)],
            ] {
                assert!(!verdict(times), "{what}: {times:?}");
            }
        }
    }
}

/// An email, a URI and Fulcio's other name are identities; a host is none, nor is another kind of other name.
#[test]
fn t188_an_identity_is_one_of_the_alternative_names_exactly() {
    const ISSUER: &str = "https://accounts.example";
    const FULCIO: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 7];
    let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let host = |text: &str| SanType::DnsName(text.try_into().unwrap());
    let other = |oid: &[u64], text: &str| SanType::OtherName((oid.to_vec(), text.into()));
    let workflow = "https://github.com/a/b/.github/workflows/c.yml@refs/heads/main";
    let foreign = [1, 3, 6, 1, 4, 1, 57264, 1, 6];
    for (names, san, good) in [
        (vec![email("ada@example.com")], "ada@example.com", true),
        (vec![uri(workflow)], workflow, true),
        (vec![other(&FULCIO, "ada!example.com")], "ada!example.com", true),
        (vec![email("eve@example.com"), other(&FULCIO, "ada")], "ada", true),
        (vec![other(&foreign, "ada")], "ada", false),
        (vec![host("ada.example.com")], "ada.example.com", false),
        (vec![other(&FULCIO, "ada")], "Ada", false),
        (vec![other(&FULCIO, "ada")], "ada ", false),
        (vec![uri(workflow)], "https://github.com/a/b", false),
        (vec![email("ada@example.com")], "", false),
        (vec![], "", false),
    ] {
        let issuer = crate::der::encode(crate::der::UTF8_STRING, ISSUER.as_bytes());
        let mut params = CertificateParams::default();
        params.subject_alt_names.clone_from(&names);
        params.custom_extensions = vec![CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 4, 1, 57264, 1, 8],
            issuer,
        )];
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let certificate = Certificate::from_der(certificate.der()).unwrap();
        let verdict =
            |issuer: &str| is_identity(&certificate, &CertificateIdentity::new(san, issuer)).is_ok();
        assert_eq!(verdict(ISSUER), good, "{names:?} {san:?}");
        assert!(!verdict("https://accounts.example/"), "{names:?}");
    }
}
