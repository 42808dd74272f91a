//! What requirements carry, for whoever verifies.
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use wharf_config::{
    ConfigErrorKind, Fulcio, Identity, KeySource, KeyType, Pki, PkiSubject, Policy, Remap, Requirement,
    SignedBy, SigstoreSigned, SigstoreSigner,
};
use wharf_reference::{Reference, Repository};

use super::with;

fn read(requirement: &str) -> Requirement {
    let policy = Policy::parse(&with(requirement)).unwrap_or_else(|error| panic!("{requirement}: {error}"));
    let image = Reference::parse("never.example/a:t").unwrap();
    policy.rule_for(&image).requirements()[0].clone()
}

fn signed_by(source: &str) -> SignedBy {
    match read(&format!(r#"{{"type":"signedBy","keyType":"GPGKeys",{source}}}"#)) {
        Requirement::SignedBy(signed_by) => signed_by,
        other => panic!("{other:?}"),
    }
}

fn sigstore(members: &str) -> SigstoreSigned {
    match read(&format!(r#"{{"type":"sigstoreSigned",{members}}}"#)) {
        Requirement::SigstoreSigned(sigstore) => sigstore,
        other => panic!("{other:?}"),
    }
}

fn files(paths: &[&str]) -> KeySource {
    KeySource::Files(paths.iter().map(Into::into).collect())
}

fn data(contents: &[&str]) -> KeySource {
    KeySource::Data(
        contents
            .iter()
            .map(|content| content.as_bytes().to_vec())
            .collect(),
    )
}

#[test]
fn the_keys_of_a_requirement_are_read() {
    for (members, keys) in [
        (r#""keyPath":"/k""#, files(&["/k"])),
        (r#""keyPath":"k/../l""#, files(&["k/../l"])),
        (r#""keyPaths":["/k","/l"]"#, files(&["/k", "/l"])),
        (r#""keyPaths":[]"#, files(&[])),
        (r#""keyData":"a2V5""#, data(&["key"])),
        (r#""keyData":"""#, data(&[""])),
    ] {
        let requirement = signed_by(members);
        assert_eq!(*requirement.keys(), keys, "{members}");
        assert_eq!(requirement.key_type(), KeyType::GpgKeys);
        assert_eq!(*requirement.identity(), Identity::MatchRepoDigestOrExact);
    }
    for (members, keys, rekor) in [
        (r#""keyPath":"/k""#, files(&["/k"]), None),
        (r#""keyDatas":["a2V5","a2V6"]"#, data(&["key", "kez"]), None),
        (
            r#""keyPaths":["/k"],"rekorPublicKeyDatas":["a2V5"]"#,
            files(&["/k"]),
            Some(data(&["key"])),
        ),
        (
            r#""keyData":"a2V5","rekorPublicKeyPath":"/r""#,
            data(&["key"]),
            Some(files(&["/r"])),
        ),
        (
            r#""keyPath":"/k","rekorPublicKeyPaths":["/r","/s"]"#,
            files(&["/k"]),
            Some(files(&["/r", "/s"])),
        ),
    ] {
        let expected = SigstoreSigner::Keys { keys, rekor };
        assert_eq!(*sigstore(members).signer(), expected, "{members}");
    }
}

#[test]
fn the_key_type_is_read() {
    for (name, key_type) in [
        ("GPGKeys", KeyType::GpgKeys),
        ("signedByGPGKeys", KeyType::SignedByGpgKeys),
        ("X509Certificates", KeyType::X509Certificates),
        ("signedByX509CAs", KeyType::SignedByX509Cas),
    ] {
        let requirement = read(&format!(
            r#"{{"type":"signedBy","keyType":"{name}","keyPath":"/k"}}"#
        ));
        let Requirement::SignedBy(signed_by) = requirement else {
            panic!("{requirement:?}");
        };
        assert_eq!(signed_by.key_type(), key_type);
        assert_eq!(key_type.to_string(), name);
    }
}

#[test]
fn the_subjects_of_certificates_are_read() {
    let fulcio = sigstore(
        r#""fulcio":{"caPath":"/ca","oidcIssuer":"https://i","subjectEmail":"a@b"},"rekorPublicKeyPath":"/r""#,
    );
    let expected = SigstoreSigner::Fulcio {
        fulcio: Fulcio::new(files(&["/ca"]), "https://i", "a@b"),
        rekor: files(&["/r"]),
    };
    assert_eq!(*fulcio.signer(), expected);
    for (members, subject) in [
        (r#""subjectEmail":"a@b""#, PkiSubject::Email("a@b".to_owned())),
        (
            r#""subjectHostname":"h.example""#,
            PkiSubject::Hostname("h.example".to_owned()),
        ),
        (
            r#""subjectEmail":"a@b","subjectHostname":"h.example""#,
            PkiSubject::Both {
                email: "a@b".to_owned(),
                hostname: "h.example".to_owned(),
            },
        ),
    ] {
        let mut pki = Pki::new(data(&["key"]), subject);
        let alone = format!(r#""pki":{{"caRootsData":"a2V5",{members}}}"#);
        assert_eq!(
            *sigstore(&alone).signer(),
            SigstoreSigner::Pki(pki.clone()),
            "{members}"
        );
        pki.intermediates = Some(files(&["/i"]));
        let more = format!(r#""pki":{{"caRootsData":"a2V5","caIntermediatesPath":"/i",{members}}}"#);
        assert_eq!(*sigstore(&more).signer(), SigstoreSigner::Pki(pki), "{members}");
    }
}

#[test]
fn the_identity_is_read_and_normalised() {
    let reference = |text: &str| Identity::ExactReference(Reference::parse(text).unwrap());
    let repository = |text: &str| Identity::ExactRepository(Repository::parse(text).unwrap());
    for (text, identity) in [
        (r#"{"type":"matchExact"}"#, Identity::MatchExact),
        (
            r#"{"type":"matchRepoDigestOrExact"}"#,
            Identity::MatchRepoDigestOrExact,
        ),
        (r#"{"type":"matchRepository"}"#, Identity::MatchRepository),
        (
            r#"{"type":"exactReference","dockerReference":"busybox:1"}"#,
            reference("docker.io/library/busybox:1"),
        ),
        (
            r#"{"type":"exactRepository","dockerRepository":"a.example/b:c"}"#,
            repository("a.example/b"),
        ),
        (
            r#"{"type":"remapIdentity","prefix":"m.example","signedPrefix":"v.example/n"}"#,
            Identity::Remap(Remap::new("m.example", "v.example/n").unwrap()),
        ),
    ] {
        let requirement = signed_by(&format!(r#""keyPath":"/k","signedIdentity":{text}"#));
        assert_eq!(*requirement.identity(), identity, "{text}");
        let requirement = sigstore(&format!(r#""keyPath":"/k","signedIdentity":{text}"#));
        assert_eq!(*requirement.identity(), identity, "{text}");
        let base = read(&format!(
            r#"{{"type":"signedBaseLayer","baseLayerIdentity":{text}}}"#
        ));
        assert_eq!(base, Requirement::SignedBaseLayer(identity));
    }
    let error = Remap::new("m.example:x", "v.example").unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Value);
}

/// A secret key that stands in a policy by mistake is not repeated.
#[test]
fn the_content_of_keys_is_never_printed() {
    let requirement = signed_by(r#""keyData":"Y2FuYXJ5""#);
    let printed = format!("{requirement:?} {}", requirement.keys());
    let bytes = "99, 97, 110";
    assert!(
        !printed.contains("canary") && !printed.contains(bytes) && !printed.contains("Y2Fu"),
        "{printed}"
    );
}

#[test]
fn a_rule_says_where_it_stands() {
    let policy = Policy::parse(
        r#"{"default":[{"type":"reject"}],"transports":{"docker":{"":[{"type":"reject"}],"a.example":[{"type":"reject"}]},
            "atomic":{"":[{"type":"reject"}]}}}"#,
    )
    .unwrap();
    let rule = |text: &str| policy.rule_for(&Reference::parse(text).unwrap()).origin();
    let origin = rule("a.example/b:c");
    assert_eq!(
        (origin.transport(), origin.scope()),
        (Some("docker"), Some("a.example"))
    );
    assert_eq!(
        origin.to_string(),
        "the rule for a.example (docker) of the trust policy"
    );
    assert_eq!(
        rule("b.example/b:c").to_string(),
        "the default for docker of the trust policy"
    );
    let origin = policy.default_rule().origin();
    assert_eq!(
        (origin.file(), origin.transport(), origin.scope()),
        (None, None, None)
    );
    assert_eq!(origin.to_string(), "the default of the trust policy");
}
