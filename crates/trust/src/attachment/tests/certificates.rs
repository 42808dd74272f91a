//! Certificates: T91 to T96, T164, T181, T187, T188.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, date_time_ymd,
};

use super::{
    super::{
        Signer,
        annotations::{CERTIFICATE, CHAIN, SET},
    },
    kit::{
        Authority, Certified, EMAIL, ISSUER, Key, PAYLOAD, TIME, authority_params, below, extension, file,
        leaf_params, root, utf8,
    },
};
use crate::time::Seconds;

const DAY: Seconds = 86_400;

/// A root, an authority below it, and a signature by a certificate below that.
struct Path {
    root: Authority,
    between: Authority,
    certified: Certified,
}

fn path(leaf: &CertificateParams) -> Path {
    path_of(authority_params("root"), authority_params("between"), leaf, TIME)
}

fn path_of(
    root_params: CertificateParams,
    between: CertificateParams,
    leaf: &CertificateParams,
    time: Seconds,
) -> Path {
    let root = root(root_params);
    let between = below(between, &root);
    let certified = Certified::new(leaf, &between, &[&between, &root], time);
    Path {
        root,
        between,
        certified,
    }
}

fn changed(params: CertificateParams, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = params;
    change(&mut params);
    params
}

#[test]
fn a_certificate_of_the_authority_is_accepted_at_the_logs_time() {
    let path = path(&leaf_params());
    let accepted = path.certified.fulcio(&path.root.pem()).unwrap();
    assert_eq!(accepted.logged, Some(TIME));
    // Also where the authority between is trusted itself, and without a chain then.
    let mut certified = path.certified;
    assert!(certified.fulcio(&(path.root.pem() + &path.between.pem())).is_ok());
    certified.annotations.remove(CHAIN);
    assert!(certified.fulcio(&path.root.pem()).is_err());
    assert!(certified.fulcio(&path.between.pem()).is_ok());
    // Prose stands in files of authorities.
    assert!(
        certified
            .fulcio(&format!("Subject: CN=between\n{}", path.between.pem()))
            .is_ok()
    );
    assert!(certified.fulcio("").is_err());
    assert!(certified.fulcio(&root(authority_params("root")).pem()).is_err());
}

#[test]
fn t164_every_certificate_counts_at_its_time_alone() {
    let early = |params: CertificateParams| {
        changed(params, |params| {
            params.not_before = date_time_ymd(2023, 1, 1);
            params.not_after = date_time_ymd(2024, 1, 14);
        })
    };
    let late = |params: CertificateParams| {
        changed(params, |params| {
            params.not_before = date_time_ymd(2024, 1, 16);
            params.not_after = date_time_ymd(2025, 1, 1);
        })
    };
    let (root, between, leaf) = (
        || authority_params("root"),
        || authority_params("between"),
        leaf_params,
    );
    for (name, path) in [
        (
            "an expired root",
            path_of(early(root()), between(), &leaf(), TIME),
        ),
        ("a root to come", path_of(late(root()), between(), &leaf(), TIME)),
        (
            "an expired authority",
            path_of(root(), early(between()), &leaf(), TIME),
        ),
        (
            "an authority to come",
            path_of(root(), late(between()), &leaf(), TIME),
        ),
        (
            "an expired certificate",
            path_of(root(), between(), &early(leaf()), TIME),
        ),
        (
            "a certificate to come",
            path_of(root(), between(), &late(leaf()), TIME),
        ),
    ] {
        assert!(path.certified.fulcio(&path.root.pem()).is_err(), "{name}");
        assert!(path.certified.pki(&path.root.pem(), TIME).is_err(), "{name}");
    }
    // The times of the leaf are within it, to the second.
    for (time, good) in [
        (TIME - 5 * DAY, true),
        (TIME - 5 * DAY - 1, false),
        (TIME + 5 * DAY, true),
        (TIME + 5 * DAY + 1, false),
    ] {
        let path = path_of(root(), between(), &leaf(), time);
        assert_eq!(path.certified.fulcio(&path.root.pem()).is_ok(), good, "{time}");
        assert_eq!(path.certified.pki(&path.root.pem(), time).is_ok(), good, "{time}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn only_an_authority_issues_certificates() {
    let root_params = || authority_params("root");
    let no_authority = |params| changed(params, |params| params.is_ca = IsCa::ExplicitNoCa);
    let silent = |params| changed(params, |params| params.is_ca = IsCa::NoCa);
    let no_signing = |params| {
        changed(params, |params| {
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        })
    };
    let length = |params, length| {
        changed(params, |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        })
    };
    let purposes = |params, purposes: &[ExtendedKeyUsagePurpose]| {
        changed(params, |params| params.extended_key_usages = purposes.to_vec())
    };
    let unknown = |params| {
        changed(params, |params| {
            let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
            extension.set_criticality(true);
            params.custom_extensions.push(extension);
        })
    };
    let between = || authority_params("between");
    let code = [ExtendedKeyUsagePurpose::CodeSigning];
    let server = [ExtendedKeyUsagePurpose::ServerAuth];
    for (name, root_params, between, good) in [
        ("both unconstrained", root_params(), between(), true),
        (
            "a root that is no authority",
            no_authority(root_params()),
            between(),
            false,
        ),
        (
            "a root that does not say",
            silent(root_params()),
            between(),
            false,
        ),
        (
            "a root that may not sign",
            no_signing(root_params()),
            between(),
            false,
        ),
        (
            "no authority between",
            root_params(),
            no_authority(between()),
            false,
        ),
        ("nothing said between", root_params(), silent(between()), false),
        (
            "an authority that may not sign",
            root_params(),
            no_signing(between()),
            false,
        ),
        (
            "a root for none below",
            length(root_params(), 0),
            between(),
            false,
        ),
        ("a root for one below", length(root_params(), 1), between(), true),
        (
            "an authority for none below",
            root_params(),
            length(between(), 0),
            true,
        ),
        (
            "a root with a critical extension that nobody knows",
            unknown(root_params()),
            between(),
            false,
        ),
        (
            "an authority with a critical extension that nobody knows",
            root_params(),
            unknown(between()),
            false,
        ),
        (
            "code signing",
            purposes(root_params(), &code),
            purposes(between(), &code),
            true,
        ),
        (
            "a root for servers",
            purposes(root_params(), &server),
            between(),
            false,
        ),
        (
            "an authority for servers",
            root_params(),
            purposes(between(), &server),
            false,
        ),
    ] {
        let path = path_of(root_params, between, &leaf_params(), TIME);
        assert_eq!(path.certified.fulcio(&path.root.pem()).is_ok(), good, "{name}");
        assert_eq!(path.certified.pki(&path.root.pem(), TIME).is_ok(), good, "{name}");
    }
}

#[test]
fn a_signers_certificate_is_no_authority_and_not_trusted_itself() {
    let root = root(authority_params("root"));
    // A leaf in a file of authorities issues nothing.
    let middle = below(leaf_params(), &root);
    let certified = Certified::new(&leaf_params(), &middle, &[&middle, &root], TIME);
    assert!(certified.fulcio(&(root.pem() + &middle.pem())).is_err());
    assert!(certified.pki(&(root.pem() + &middle.pem()), TIME).is_err());
    // A signer that is trusted itself needs another authority, which is not asked.
    let key = Key::new();
    let certificate = leaf_params().signed_by(&key.0, &root).unwrap().pem();
    let certified = Certified::with(&key, &certificate, &[&root], TIME);
    assert!(certified.fulcio(&root.pem()).is_ok());
    assert!(certified.fulcio(&(certificate.clone() + &root.pem())).is_err());
    assert!(certified.fulcio(&certificate).is_err());
    // An authority signs certificates and no images.
    let authority = changed(leaf_params(), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    });
    let certified = Certified::new(&authority, &root, &[&root], TIME);
    assert!(certified.fulcio(&root.pem()).is_err());
    assert!(certified.pki(&root.pem(), TIME).is_err());
}

#[test]
fn the_chain_is_bounded_and_its_last_certificate_believed_by_nobody() {
    let root = root(authority_params("root"));
    let between = below(authority_params("between"), &root);
    let verdict = |chain: &[&Authority]| {
        let certified = Certified::new(&leaf_params(), &between, chain, TIME);
        certified.fulcio(&root.pem()).is_ok()
    };
    assert!(verdict(&[&between, &root]));
    // The last one is dropped, so that here none is left.
    assert!(!verdict(&[&between]));
    assert!(verdict(&[&between, &between]));
    assert!(verdict(&[&root, &between, &root]));
    assert!(verdict(&[&between; 10]));
    assert!(!verdict(&[&between; 11]));
}

/// Each annotation has 64 KiB at most, whatever of it is read.
#[test]
fn annotations_with_certificates_are_bounded() {
    let Path {
        root, mut certified, ..
    } = path(&leaf_params());
    for name in [CERTIFICATE, CHAIN, SET] {
        let own = certified.annotations[name].clone();
        for (size, good) in [(64 << 10, true), ((64 << 10) + 1, false), (1 << 20, false)] {
            let padded = own.clone() + &"\n".repeat(size - own.len());
            certified.annotations.insert(name.to_owned(), padded);
            assert_eq!(certified.fulcio(&root.pem()).is_ok(), good, "{name} of {size}");
        }
        certified.annotations.insert(name.to_owned(), own);
    }
    assert!(certified.fulcio(&root.pem()).is_ok());
}

#[test]
fn a_signers_certificate_is_for_code_signing_or_of_a_pki_for_anything() {
    let with = |purposes: &[ExtendedKeyUsagePurpose]| {
        changed(leaf_params(), |params| {
            params.extended_key_usages = purposes.to_vec();
        })
    };
    let (code, server) = (
        ExtendedKeyUsagePurpose::CodeSigning,
        ExtendedKeyUsagePurpose::ServerAuth,
    );
    for (name, leaf, fulcio, pki) in [
        ("code signing", with(std::slice::from_ref(&code)), true, true),
        ("none", with(&[]), false, true),
        ("servers", with(std::slice::from_ref(&server)), false, false),
        ("both", with(&[server, code]), true, true),
        (
            "time stamping",
            with(&[ExtendedKeyUsagePurpose::TimeStamping]),
            false,
            false,
        ),
    ] {
        let path = path(&leaf);
        assert_eq!(path.certified.fulcio(&path.root.pem()).is_ok(), fulcio, "{name}");
        assert_eq!(path.certified.pki(&path.root.pem(), TIME).is_ok(), pki, "{name}");
    }
}

#[test]
fn the_issuer_is_named_once_or_twice_the_same() {
    let foreign = "https://accounts.example.com/";
    let (old, new) = (
        |text: &str| extension(1, text.as_bytes()),
        |text: &str| extension(8, &utf8(text)),
    );
    let trailing = [utf8(ISSUER), vec![5, 0]].concat();
    let ia5 = crate::der::encode(0x16, ISSUER.as_bytes());
    for (name, extensions, good) in [
        ("both", vec![old(ISSUER), new(ISSUER)], true),
        ("the old one", vec![old(ISSUER)], true),
        ("the new one", vec![new(ISSUER)], true),
        ("none", vec![], false),
        ("another in the old one", vec![old(foreign), new(ISSUER)], false),
        ("another in the new one", vec![old(ISSUER), new(foreign)], false),
        ("another with a slash", vec![old(foreign), new(foreign)], false),
        ("the old one twice", vec![old(ISSUER), old(ISSUER)], false),
        ("the new one twice", vec![new(ISSUER), new(ISSUER)], false),
        (
            "text in the new one",
            vec![extension(8, ISSUER.as_bytes())],
            false,
        ),
        ("another type of text", vec![extension(8, &ia5)], false),
        ("more behind the new one", vec![extension(8, &trailing)], false),
        ("no text", vec![extension(1, b"\xff")], false),
        ("upper case", vec![old("https://ACCOUNTS.example.com")], false),
        ("a NUL", vec![old("https://accounts.example.com\0.evil")], false),
    ] {
        let path = path(&changed(leaf_params(), |params| {
            params.custom_extensions = extensions;
        }));
        let verdict = path.certified.fulcio(&path.root.pem());
        assert_eq!(verdict.is_ok(), good, "{name}: {verdict:?}");
    }
}

#[test]
fn t188_the_email_is_an_alternative_name_exactly() {
    let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    for (name, names, good) in [
        ("it", vec![email(EMAIL)], true),
        (
            "it and another",
            vec![email("eve@example.com"), email(EMAIL)],
            true,
        ),
        ("another", vec![email("eve@example.com")], false),
        ("a longer host", vec![email("ada@example.com.evil.com")], false),
        ("a longer name", vec![email("xada@example.com")], false),
        ("upper case", vec![email("Ada@example.com")], false),
        ("upper case host", vec![email("ada@EXAMPLE.com")], false),
        ("a space behind", vec![email("ada@example.com ")], false),
        ("a NUL", vec![email("ada@example.com\0.evil.com")], false),
        (
            "it, beside one with a NUL",
            vec![email("eve@example.com\0"), email(EMAIL)],
            false,
        ),
        (
            "it, beside a URI with a line break",
            vec![uri("https://example.com/\n"), email(EMAIL)],
            false,
        ),
        ("a URI", vec![uri("ada@example.com")], false),
        (
            "a host",
            vec![SanType::DnsName("ada.example.com".try_into().unwrap())],
            false,
        ),
        ("none", vec![], false),
    ] {
        let mut leaf = changed(leaf_params(), |params| params.subject_alt_names = names);
        leaf.distinguished_name.push(DnType::CommonName, EMAIL);
        let path = path(&leaf);
        assert_eq!(path.certified.fulcio(&path.root.pem()).is_ok(), good, "{name}");
        assert_eq!(path.certified.pki(&path.root.pem(), TIME).is_ok(), good, "{name}");
    }
    let workflow = "https://github.com/a/b/.github/workflows/c.yml@refs/heads/main";
    let path = path(&changed(leaf_params(), |params| {
        params.subject_alt_names = vec![uri(workflow)];
    }));
    let problem = path.certified.fulcio(&path.root.pem()).unwrap_err().clone();
    assert!(
        problem.contains(workflow) && problem.contains("no policy.json can name"),
        "{problem}"
    );
}

#[test]
fn a_host_is_an_alternative_name_as_in_tls() {
    let dns = |text: &str| SanType::DnsName(text.try_into().unwrap());
    let all = || {
        vec![
            dns("a.example.com"),
            dns("*.b.example.com"),
            SanType::IpAddress([192, 0, 2, 1].into()),
        ]
    };
    let with = |names| changed(leaf_params(), |params| params.subject_alt_names = names);
    for (host, names, good) in [
        ("a.example.com", all(), true),
        ("A.example.com", all(), true),
        ("x.b.example.com", all(), true),
        ("192.0.2.1", all(), true),
        ("b.example.com", all(), false),
        ("x.y.b.example.com", all(), false),
        ("a.example.com.evil.com", all(), false),
        ("example.com", all(), false),
        ("192.0.2.2", all(), false),
        ("a.example.com", vec![], false),
    ] {
        let mut leaf = with(names);
        leaf.distinguished_name.push(DnType::CommonName, host);
        let path = path(&leaf);
        let pem = path.root.pem();
        let signer = Signer::pki(&file(&pem), None, None, Some(host)).unwrap();
        let verdict = signer.verify(PAYLOAD, &path.certified.annotations, TIME);
        assert_eq!(verdict.is_ok(), good, "{host}: {verdict:?}");
    }
    // Both are demanded, and both must hold.
    let mut names = all();
    names.push(SanType::Rfc822Name(EMAIL.try_into().unwrap()));
    let path = path(&with(names));
    let pem = path.root.pem();
    for (email, host, good) in [
        (EMAIL, "a.example.com", true),
        ("eve@example.com", "a.example.com", false),
        (EMAIL, "c.example.com", false),
    ] {
        let signer = Signer::pki(&file(&pem), None, Some(email), Some(host)).unwrap();
        assert_eq!(
            signer.verify(PAYLOAD, &path.certified.annotations, TIME).is_ok(),
            good
        );
    }
    assert!(Signer::pki(&file(&pem), None, None, None).is_err());
    assert!(Signer::pki(&file(&pem), None, None, Some("not a host")).is_err());
}

#[test]
fn intermediates_of_the_policy_are_used_and_not_trusted() {
    let root = root(authority_params("root"));
    let between = below(authority_params("between"), &root);
    let mut certified = Certified::new(&leaf_params(), &between, &[], TIME);
    certified.annotations.remove(CHAIN);
    let (root_pem, between_pem) = (root.pem(), between.pem());
    let verdict = |roots: &str, intermediates: Option<&str>| {
        let signer = Signer::pki(&file(roots), intermediates.map(file).as_ref(), Some(EMAIL), None).unwrap();
        signer.verify(PAYLOAD, &certified.annotations, TIME).is_ok()
    };
    assert!(verdict(&root_pem, Some(&between_pem)));
    assert!(!verdict(&root_pem, None));
    let stranger = self::root(authority_params("stranger")).pem();
    assert!(!verdict(&stranger, Some(&(between_pem.clone() + &root_pem))));
    // A log is not asked, whatever it says.
    certified
        .annotations
        .insert(SET.to_owned(), "nonsense".to_owned());
    let signer = Signer::pki(&file(&root_pem), Some(&file(&between_pem)), Some(EMAIL), None).unwrap();
    assert_eq!(
        signer
            .verify(PAYLOAD, &certified.annotations, TIME)
            .unwrap()
            .logged,
        None
    );
}

#[test]
fn t187_the_certificate_annotation_is_one_certificate() {
    let path = path(&leaf_params());
    let good = path.certified.annotations[CERTIFICATE].clone();
    for (text, expected) in [
        (good.clone(), true),
        (format!("{good}\n"), true),
        (good.clone() + &good, false),
        (good.clone() + &path.between.pem(), false),
        (format!("{good}x"), false),
        (format!("x\n{good}"), false),
        (good.replace("CERTIFICATE", "PUBLIC KEY"), false),
        (good.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), false),
        (String::new(), false),
        (path.between.pem(), false),
    ] {
        let mut certified = Certified {
            log: super::kit::Log(Key(rcgen::KeyPair::from_pem(
                &path.certified.log.0.0.serialize_pem(),
            )
            .unwrap())),
            annotations: path.certified.annotations.clone(),
        };
        certified.annotations.insert(CERTIFICATE.to_owned(), text.clone());
        assert_eq!(certified.fulcio(&path.root.pem()).is_ok(), expected, "{text}");
    }
    let mut without = path.certified;
    without.annotations.remove(CERTIFICATE);
    assert!(without.fulcio(&path.root.pem()).is_err());
}

/// Threat row T181: certificates that all have the names of others make a search that must end.
#[test]
fn t181_a_search_for_a_path_is_bounded() {
    let root = root(authority_params("same"));
    let others: Vec<Authority> = (0..9).map(|_| below(authority_params("same"), &root)).collect();
    let stranger = self::root(authority_params("same"));
    let mut chain: Vec<&Authority> = others.iter().collect();
    chain.push(&root);
    let certified = Certified::new(&leaf_params(), &stranger, &chain, TIME);
    assert!(certified.fulcio(&root.pem()).is_err());
}
