//! Private keys of cosign's: which are read, and what they sign.

use wharf_config::Identity;
use wharf_content::{ErrorKind, Sign as _, Signature, Wanted};
use wharf_reference::Digest;
use wharf_trust::{BundlePolicy, PublicKey, Signer};

use super::{PASSPHRASE, file, image, judged, requires_key, signed};
use crate::support::{NAME, digest, reference, time};

/// The files that are read, with the public key that belongs to each.
pub(super) const KEYS: &[(&str, &str, &str)] = &[
    ("p256.key", PASSPHRASE, "p256.pub"),
    ("p256-32768.key", PASSPHRASE, "p256.pub"),
    ("p256-131072.key", PASSPHRASE, "p256.pub"),
    ("p256-empty.key", "", "p256.pub"),
    ("p256-unicode.key", "pässword ☂", "p256.pub"),
    ("ed25519.key", PASSPHRASE, "ed25519.pub"),
    ("rsa2048.key", PASSPHRASE, "rsa2048.pub"),
    ("rsa4096.key", PASSPHRASE, "rsa4096.pub"),
];

fn open(name: &str, passphrase: &str) -> Result<Signer, String> {
    Signer::cosign(file(name), &passphrase.into()).map_err(|problem| problem.to_string())
}

#[test]
fn keys_that_others_encrypted_sign_what_is_accepted() {
    for (name, passphrase, public) in KEYS {
        let signer = open(name, passphrase).unwrap();
        let key = PublicKey::from_pem(&file(public)).unwrap();
        assert_eq!(signer.public_key(), Some(&key), "{name}");
        assert_eq!(key.to_pem().as_bytes(), file(public), "{name}");
        assert_eq!(signer.kind(), Wanted::ATTACHMENTS);
        let signature = signed(&signer).unwrap();
        // With the tag in it, so that the strictest demand is met.
        let requirement = requires_key(&file(public), Identity::MatchExact);
        judged(requirement, &reference(NAME), &signature).unwrap();
        let requirement = requires_key(&file(public), Identity::MatchRepository);
        judged(
            requirement.clone(),
            &reference("registry.example/app:2"),
            &signature,
        )
        .unwrap();
        judged(requirement, &reference("registry.example/other:1"), &signature).unwrap_err();
    }
}

#[test]
fn keys_that_are_not_encrypted_are_read_where_that_is_asked_for() {
    for name in ["p256", "ed25519", "rsa2048", "rsa4096"] {
        let pem = file(&format!("{name}.pem"));
        let signer = Signer::pkcs8(&pem).unwrap();
        let requirement = requires_key(&file(&format!("{name}.pub")), Identity::MatchExact);
        judged(requirement, &reference(NAME), &signed(&signer).unwrap()).unwrap();
        let said = Signer::cosign(&pem, &PASSPHRASE.into()).unwrap_err().to_string();
        assert!(said.contains("not encrypted"), "{name}: {said}");
    }
}

#[test]
fn keys_that_cannot_sign_are_refused_by_name() {
    let encrypted = |name: &str| open(name, PASSPHRASE).map(drop);
    let plain = |name: &str| {
        Signer::pkcs8(file(name))
            .map(drop)
            .map_err(|problem| problem.to_string())
    };
    for (result, words) in [
        (encrypted("p384.key"), "P-384"),
        (encrypted("p521.key"), "P-521"),
        (encrypted("rsa1024.key"), "2048 to 4096 bits"),
        (plain("p384.pem"), "P-384"),
        (plain("rsa1024.pem"), "2048 to 4096 bits"),
        (plain("rsa-pss.pem"), "RSASSA-PSS"),
        (plain("x25519.pem"), "not supported"),
        (plain("p256-traditional.pem"), "the label must be PRIVATE KEY"),
        (plain("p256-encrypted-pkcs8.pem"), "the label must be PRIVATE KEY"),
        (plain("p256.key"), "the label must be PRIVATE KEY"),
        (plain("p256.pub"), "the label must be PRIVATE KEY"),
        (plain("ed25519.gpg"), "not text"),
        (
            encrypted("p256-traditional.pem"),
            "no encrypted private key of cosign's",
        ),
        (encrypted("p256-encrypted-pkcs8.pem"), "other programs encrypted"),
        (encrypted("p256.pub"), "no encrypted private key of cosign's"),
        (encrypted("armored.asc"), "PEM"),
    ] {
        let said = result.unwrap_err();
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_name_needs_a_tag_or_a_digest_and_a_manifest_sha256() {
    let signer = Signer::pkcs8(file("p256.pem")).unwrap();
    let openpgp = Signer::openpgp(file("ed25519.gpg")).unwrap();
    let pinned = format!("registry.example/app@{}", digest());
    let sha512 = Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
    for signer in [signer.clone(), signer.cosign_compatible(), openpgp] {
        for good in [NAME, &pinned, &format!("{NAME}@{}", digest())] {
            signer.sign(&image(), &reference(good)).unwrap();
        }
        let error = signer
            .sign(&image(), &reference("registry.example/app"))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("needs a tag or a digest"), "{error}");
        let error = signer.sign(&sha512, &reference(NAME)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("sha256"), "{error}");
    }
}

/// Golden but for the signature, which is random.
#[test]
fn an_attachment_has_these_bytes() {
    let signer = Signer::pkcs8(file("p256.pem"))
        .unwrap()
        .with_clock(|| time(1_700_000_000));
    let text = |signer: &Signer| {
        let Signature::Attachment {
            media_type,
            payload,
            annotations,
        } = signed(signer).unwrap()
        else {
            panic!("it is no attachment");
        };
        assert_eq!(
            media_type.as_str(),
            "application/vnd.dev.cosign.simplesigning.v1+json"
        );
        let names: Vec<_> = annotations.keys().map(String::as_str).collect();
        assert_eq!(names, ["dev.cosignproject.cosign/signature"]);
        String::from_utf8(payload.to_vec()).unwrap()
    };
    let digest = digest();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        text(&signer),
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"registry.example/app:1"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":{{"creator":"wharf {version}","timestamp":1700000000}}}}"#
        )
    );
    assert_eq!(
        text(&signer.cosign_compatible()),
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"registry.example/app"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
        )
    );
}

#[test]
fn what_cosign_would_sign_is_for_the_repository_alone() {
    let signer = Signer::pkcs8(file("ed25519.pem")).unwrap().cosign_compatible();
    let signature = signed(&signer).unwrap();
    let by = |identity| {
        judged(
            requires_key(&file("ed25519.pub"), identity),
            &reference(NAME),
            &signature,
        )
    };
    by(Identity::MatchRepository).unwrap();
    by(Identity::MatchExact).unwrap_err();
    by(Identity::MatchRepoDigestOrExact).unwrap_err();
}

#[test]
fn a_bundle_by_a_key_is_accepted_by_its_public_key_and_meets_no_policy() {
    for name in ["p256", "ed25519", "rsa2048"] {
        let signer = Signer::pkcs8(file(&format!("{name}.pem"))).unwrap().as_bundle();
        assert_eq!(signer.kind(), Wanted::BUNDLES);
        let signature = signed(&signer).unwrap();
        let Signature::Bundle(bundle) = &signature else {
            panic!("it is no bundle");
        };
        let public = file(&format!("{name}.pub"));
        let policy = BundlePolicy::key(PublicKey::from_pem(&public).unwrap());
        let now = std::time::SystemTime::now();
        policy.verify_image(bundle, image().encoded(), now).unwrap();
        policy.verify_image(bundle, &"0".repeat(64), now).unwrap_err();
        let other = if name == "p256" { "ed25519.pub" } else { "p256.pub" };
        let other = BundlePolicy::key(PublicKey::from_pem(&file(other)).unwrap());
        other.verify_image(bundle, image().encoded(), now).unwrap_err();
        judged(
            requires_key(&public, Identity::MatchRepository),
            &reference(NAME),
            &signature,
        )
        .unwrap_err();
    }
}
