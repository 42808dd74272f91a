//! Requirements: what they look at, in which order, and what a refusal says.

use std::{fs, path::Path};

use bytes::Bytes;
use wharf_config::{
    Identity, KeySource, Policy, Remap, Requirement, SignedBy, SigstoreSigned, SigstoreSigner,
};
use wharf_content::{MediaType, Signature, Wanted};
use wharf_trust::{
    KeyFile, Keyring, OpenPgp, Reason, RefusalKind, Signed, SignedTime, Signer, Subject, Trust,
};

use crate::{
    forge::{Key, Sig, certificate},
    support::{
        DAY, MANIFEST, NAME, NOW, digest, good_payload, judged, manifest, manifest_of, payload, reference,
        signed_by, signed_by_as, time, trust, trust_policy,
    },
};

const CREATED: u32 = NOW - 1000 * DAY;

fn key() -> Key {
    Key::new(1, CREATED)
}

fn other() -> Key {
    Key::new(2, CREATED)
}

/// A signature of the image under this name.
fn signature(key: &Key, name: &str) -> Vec<u8> {
    Sig::by(key, 0, NOW - DAY).message(key, &payload(&digest(), name))
}

fn good(key: &Key) -> Vec<u8> {
    signature(key, NAME)
}

fn by(key: &Key) -> Requirement {
    signed_by(&certificate(key))
}

fn sigstore() -> Requirement {
    let keys = KeySource::data(b"key".as_slice());
    SigstoreSigned::new(SigstoreSigner::Keys { keys, rekor: None }).into()
}

/// What is said under another name of the image.
fn judged_as(trust: &Trust, name: &str, blobs: &[Vec<u8>]) -> Result<(), String> {
    let signatures: Vec<_> = blobs
        .iter()
        .map(|blob| Signature::Simple(blob.clone().into()))
        .collect();
    let verdict = trust.judge(&Subject::new(&manifest(), &reference(name)), &signatures);
    verdict.map(drop).map_err(|refusal| refusal.to_string())
}

#[test]
fn the_first_unmet_requirement_is_named() {
    let (one, two) = (key(), other());
    let name = |requirement: usize| {
        let mut requirements = [by(&one), by(&one), by(&one)];
        requirements[requirement] = by(&two);
        let trust = trust(requirements.clone());
        let refusal = trust
            .judge(
                &Subject::new(&manifest(), &reference(NAME)),
                &[Signature::Simple(good(&one).into())],
            )
            .unwrap_err();
        assert_eq!(refusal.requirement(), Some(&requirements[requirement]));
        assert_eq!(refusal.kind(), RefusalKind::NoneAccepted);
    };
    (0..3).for_each(name);
    assert_eq!(
        judged(&trust([by(&one), by(&one), by(&one)]), &[good(&one)]),
        Ok(())
    );
    // All requirements, those from code too, and none is no requirement.
    let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    assert_eq!(judged(&trust_policy(policy).and(by(&one)), &[good(&one)]), Ok(()));
    assert!(judged(&trust_policy(policy).and(by(&two)), &[good(&one)]).is_err());
    let said = judged(&trust([]), &[good(&one)]).unwrap_err();
    assert!(said.contains("must not be empty"), "{said}");
}

#[test]
fn to_accept_anything_is_no_verification() {
    let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    let trust = trust_policy(policy);
    let name = reference(NAME);
    assert_eq!(trust.wanted(&name).unwrap(), Wanted::NOTHING);
    let verdict = trust.judge(&Subject::new(&manifest(), &name), &[]).unwrap();
    assert!(!verdict.is_signed());
    assert_eq!(verdict.met()[0].signature(), None);
    let strict = trust.require_signed();
    assert_eq!(
        strict.wanted(&name).unwrap_err().kind(),
        RefusalKind::NothingVerified
    );
    let refusal = strict.judge(&Subject::new(&manifest(), &name), &[]).unwrap_err();
    assert_eq!(refusal.kind(), RefusalKind::NothingVerified);
    // One that verifies is enough.
    let strict = strict.and(by(&key()));
    let signatures = [Signature::Simple(good(&key()).into())];
    assert!(
        strict
            .judge(&Subject::new(&manifest(), &name), &signatures)
            .unwrap()
            .is_signed()
    );
    assert_eq!(strict.wanted(&name).unwrap(), Wanted::SIMPLE);
}

#[test]
fn what_no_signature_can_meet_is_refused_at_once() {
    for (requirement, kind, said) in [
        (
            r#"{"type":"reject"}"#,
            RefusalKind::Rejected,
            "is rejected by policy.",
        ),
        (
            r#"{"type":"signedBaseLayer","baseLayerIdentity":{"type":"matchExact"}}"#,
            RefusalKind::Unsupported,
            "no program can verify base layers",
        ),
        (
            r#"{"type":"signedBy","keyType":"signedByGPGKeys","keyPath":"/k"}"#,
            RefusalKind::Unsupported,
            "the keyType signedByGPGKeys has no meaning",
        ),
        (
            r#"{"type":"signedBy","keyType":"X509Certificates","keyPath":"/k"}"#,
            RefusalKind::Unsupported,
            "the keyType X509Certificates",
        ),
        (
            r#"{"type":"signedBy","keyType":"signedByX509CAs","keyPath":"/k"}"#,
            RefusalKind::Unsupported,
            "the keyType signedByX509CAs",
        ),
    ] {
        let policy = format!(r#"{{"default":[{{"type":"insecureAcceptAnything"}},{requirement}]}}"#);
        let trust = trust_policy(&policy);
        let refusal = trust.wanted(&reference(NAME)).unwrap_err();
        assert_eq!((refusal.kind(), refusal.digest()), (kind, None), "{requirement}");
        let manifest = manifest();
        let subject = &Subject::new(&manifest, &reference(NAME));
        let judged = trust
            .judge(subject, &[Signature::Simple(good(&key()).into())])
            .unwrap_err();
        assert_eq!(judged.kind(), kind, "{requirement}");
        for refusal in [refusal, judged] {
            assert!(refusal.to_string().contains(said), "{refusal}");
        }
    }
}

#[test]
fn one_accepted_signature_is_enough_and_the_others_may_be_anything() {
    let trust = trust([by(&key())]);
    let page = b"<html>Not found</html>".to_vec();
    let forged = signature(&other(), NAME);
    for (name, blobs, accepted) in [
        ("one", vec![good(&key())], true),
        ("bad, good", vec![forged.clone(), good(&key())], true),
        ("good, bad", vec![good(&key()), forged.clone()], true),
        ("page, good", vec![page.clone(), good(&key())], true),
        ("good, page", vec![good(&key()), page.clone()], true),
        ("empty, good", vec![Vec::new(), good(&key())], true),
        ("bad", vec![forged.clone()], false),
        ("bad, bad", vec![forged, page.clone()], false),
        ("page", vec![page], false),
        ("none", vec![], false),
    ] {
        let result = judged(&trust, &blobs);
        assert_eq!(result.is_ok(), accepted, "{name}: {result:?}");
        if blobs.is_empty() {
            let said = result.unwrap_err();
            assert!(
                said.ends_with("A signature was required, but no signature exists"),
                "{said}"
            );
        }
    }
}

#[test]
fn signatures_of_other_kinds_are_counted_and_do_not_count() {
    let attachment = Signature::Attachment {
        media_type: MediaType::parse("application/vnd.dev.cosign.simplesigning.v1+json").unwrap(),
        payload: good_payload().into(),
        annotations: [].into(),
    };
    let signatures = [
        attachment.clone(),
        attachment,
        Signature::Bundle(Bytes::from_static(b"{}")),
    ];
    let trust = trust([by(&key())]);
    let refusal = trust
        .judge(&Subject::new(&manifest(), &reference(NAME)), &signatures)
        .unwrap_err();
    assert_eq!(refusal.kind(), RefusalKind::NoSignature);
    let said = refusal.to_string();
    let expected = "but no signature exists; signedBy does not look at what is there: 2 sigstore attachments, 1 sigstore \
                    bundle";
    assert!(said.ends_with(expected), "{said}");
}

/// Two requirements: both keys must have signed. Two keys in one: either.
#[test]
fn requirements_are_and_keys_are_or() {
    let (one, two) = (key(), other());
    let both = [certificate(&one), certificate(&two)].concat();
    for (blobs, signed_and, signed_or) in [
        (vec![], false, false),
        (vec![good(&one)], false, true),
        (vec![good(&two)], false, true),
        (vec![good(&one), good(&two)], true, true),
        (vec![good(&two), good(&one)], true, true),
    ] {
        let and = trust([by(&one), by(&two)]);
        assert_eq!(judged(&and, &blobs).is_ok(), signed_and);
        let or = trust([signed_by(&both)]);
        assert_eq!(judged(&or, &blobs).is_ok(), signed_or);
    }
}

/// One signature that meets one of two requirements is no verdict.
#[test]
fn a_verdict_says_how_every_requirement_was_met() {
    let (one, two) = (key(), other());
    let trust = trust([by(&one), by(&two)]);
    let blobs = [signature(&one, "registry.example/app:2"), good(&two), good(&one)];
    let signatures = blobs.map(|blob| Signature::Simple(blob.into()));
    let manifest = manifest();
    let subject = Subject::new(&manifest, &reference(NAME));
    let verdict = trust.judge(&subject, &signatures).unwrap();
    assert_eq!(*verdict.digest(), digest().as_str());
    assert_eq!(verdict.rule(), None);
    let [first, second] = verdict.met() else {
        panic!("{verdict:?}");
    };
    assert_eq!((first.signature(), second.signature()), (Some(2), Some(1)));
    assert_eq!(first.requirement(), &by(&one));
    let Some(Signer::OpenPgp { fingerprint, .. }) = first.signer() else {
        panic!("{first:?}");
    };
    assert_eq!(*fingerprint, one.name());
    assert_eq!(second.signer().map(ToString::to_string), Some(two.name()));
    assert_eq!(first.time(), Some(SignedTime::Claimed(time(NOW - DAY))));
    let rejected: Vec<_> = first
        .rejected()
        .iter()
        .map(wharf_trust::Examined::signature)
        .collect();
    assert_eq!(rejected, [0, 1]);
    assert!(trust.judge(&subject, &signatures[..2]).is_err());
}

#[test]
fn key_files_are_read_whenever_an_image_is_judged() {
    let sandbox = tempfile::tempdir().unwrap();
    let path = |name: &str| sandbox.path().join(name);
    fs::write(path("one"), certificate(&key())).unwrap();
    fs::write(path("two"), certificate(&other())).unwrap();
    fs::write(path("large"), vec![b' '; (1 << 20) + 1]).unwrap();
    let files = |names: &[&str]| -> Requirement {
        SignedBy::new(KeySource::Files(names.iter().map(|name| path(name)).collect())).into()
    };
    let said = |names: &[&str]| judged(&trust([files(names)]), &[good(&key())]);
    assert_eq!(said(&["one"]), Ok(()));
    assert_eq!(said(&["two", "one"]), Ok(()));
    assert!(said(&["two"]).unwrap_err().contains("is not in the keyring"));
    for (names, expected) in [
        (vec!["one", "missing"], "missing cannot be read: "),
        (vec!["one", ""], "is not a regular file"),
        (vec!["large"], "larger than 1 MiB"),
        (vec![], "No public keys imported: no file is named"),
    ] {
        let said = said(&names).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    let relative = SignedBy::new(KeySource::file("keys/one")).into();
    let said_of = judged(&trust([relative]), &[good(&key())]).unwrap_err();
    assert!(
        said_of.contains("the key file keys/one cannot be read: its path depends on"),
        "{said_of}"
    );
    // Changed between two judgements of the same trust.
    let trust = trust([files(&["two"])]);
    assert!(judged(&trust, &[good(&key())]).is_err());
    fs::write(path("two"), certificate(&key())).unwrap();
    assert_eq!(judged(&trust, &[good(&key())]), Ok(()));
}

#[cfg(unix)]
#[test]
fn a_key_file_may_be_a_link_and_no_pipe() {
    let sandbox = tempfile::tempdir().unwrap();
    let path = |name: &str| sandbox.path().join(name);
    fs::write(path("key"), certificate(&key())).unwrap();
    std::os::unix::fs::symlink("key", path("link")).unwrap();
    std::os::unix::fs::symlink("link", path("chain")).unwrap();
    std::os::unix::fs::symlink("loop", path("loop")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(path("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let said = |path: &Path| {
        judged(
            &trust([SignedBy::new(KeySource::file(path)).into()]),
            &[good(&key())],
        )
    };
    assert_eq!(said(&path("chain")), Ok(()));
    for (name, expected) in [
        (path("loop"), "loop cannot be read"),
        (path("pipe"), "is not a regular file"),
        ("/dev/zero".into(), "is not a regular file"),
    ] {
        let said = said(&name).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
}

/// One read of a file, whatever it is needed for, so that no change in between is seen by a half.
#[test]
fn t194_a_key_file_is_read_once_for_a_verdict() {
    use std::sync::{Arc, Mutex};
    /// Replaces the file after it was opened for the first time.
    struct Swaps(Arc<Mutex<Vec<Bytes>>>, std::path::PathBuf);
    impl OpenPgp for Swaps {
        fn open(&self, files: &[KeyFile], now: std::time::SystemTime) -> Result<Box<dyn Keyring>, String> {
            self.0
                .lock()
                .unwrap()
                .extend(files.iter().map(|file| file.content.clone()));
            fs::write(&self.1, certificate(&other())).unwrap();
            wharf_trust::NativeOpenPgp.open(files, now)
        }
    }
    let sandbox = tempfile::tempdir().unwrap();
    let path = sandbox.path().join("key");
    fs::write(&path, certificate(&key())).unwrap();
    let requirement: Requirement = SignedBy::new(KeySource::file(&path)).into();
    let seen = Arc::default();
    let trust = trust([requirement.clone(), requirement]).with_openpgp(Swaps(Arc::clone(&seen), path));
    assert_eq!(judged(&trust, &[good(&key())]), Ok(()));
    assert_eq!(*seen.lock().unwrap(), [certificate(&key()), certificate(&key())]);
}

#[test]
fn a_refusal_says_what_was_demanded_and_why_each_signature_does_not_count() {
    let policy = format!(
        r#"{{"default":[{{"type":"reject"}}],"transports":{{"docker":{{"registry.example":[{{"type":"signedBy","keyType":"GPGKeys","keyData":"{}"}}]}}}}}}"#,
        base64(&certificate(&key()))
    );
    let trust = trust_policy(&policy);
    let (one, two) = (key(), other());
    let demand = "the rule for registry.example (docker) of the trust policy demands a signature by a key in its inline \
                  data (signedBy): ";
    let forged = Sig::by(&one, 0, NOW - DAY).message(&two, &good_payload());
    let wrong_digest =
        Sig::by(&one, 0, NOW - DAY).message(&one, &payload(&format!("sha256:{}", "0".repeat(64)), NAME));
    for (blobs, expected) in [
        (
            vec![],
            "A signature was required, but no signature exists".to_owned(),
        ),
        (
            vec![signature(&one, "registry.example/app:2")],
            format!(
                "Signature for identity \"registry.example/app:2\" is not accepted (key {})",
                one.name()
            ),
        ),
        (
            vec![wrong_digest],
            format!(
                "Signature for digest sha256:{} does not match (key {})",
                "0".repeat(64),
                one.name()
            ),
        ),
        (
            vec![good(&two)],
            format!("the key that it is by is not in the keyring (key {})", two.name()),
        ),
        (
            vec![forged.clone()],
            format!("the key did not make it (key {})", one.name()),
        ),
        (
            vec![b"<html>".to_vec(), forged],
            format!(
                "None of the signatures were accepted, reasons: it is in no known format of signatures; the key did not make \
                 it (key {})",
                one.name()
            ),
        ),
        (
            vec![Sig::by(&one, 0, NOW).message(&one, b"{}")],
            format!(
                "what it signs is no statement about an image: `payload` has no `critical` (key {})",
                one.name()
            ),
        ),
    ] {
        let said = judged(&trust, &blobs).unwrap_err();
        assert_eq!(said, format!("{demand}{expected}"));
    }
    let said = judged_as(&trust, "other.example/app:1", &[]).unwrap_err();
    assert_eq!(
        said,
        "the default of the trust policy is to reject: Running image other.example/app:1 is rejected by policy."
    );
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Thousands of signatures cost no more than a hundred, and of a hundred not all are printed.
#[test]
fn t168_a_flood_of_signatures_is_refused() {
    let trust = trust([by(&key())]);
    let with_junk = |count: usize| {
        let junk = (0..count).map(|_| b"<html>".to_vec());
        junk.chain([good(&key())]).collect::<Vec<_>>()
    };
    assert_eq!(judged(&trust, &with_junk(99)), Ok(()));
    for count in [100, 10_000] {
        let said = judged(&trust, &with_junk(count)).unwrap_err();
        assert!(said.contains("more than 100 signatures"), "{said}");
    }
    let junk = with_junk(99).split_off(0)[..99].to_vec();
    let said = judged(&trust, &junk).unwrap_err();
    assert!(said.ends_with("; and 89 more") && said.len() < 1000, "{said}");
    // Those of other kinds are not counted.
    let bundles = (0..1000).map(|_| Signature::Bundle(Bytes::new()));
    let signatures: Vec<_> = bundles.chain([Signature::Simple(good(&key()).into())]).collect();
    assert!(
        trust
            .judge(&Subject::new(&manifest(), &reference(NAME)), &signatures)
            .is_ok()
    );
}

#[test]
fn t172_a_digest_with_parts_of_a_path_is_none() {
    let key = key();
    let trust = trust([by(&key)]);
    for digest in [
        "sha256:../../etc/passwd",
        "../x",
        "sha256:a/b",
        "sha256:",
        &format!("{}/..", digest()),
        &digest()[7..],
    ] {
        let blob = Sig::by(&key, 0, NOW).message(&key, &payload(digest, NAME));
        let said = judged(&trust, &[blob]).unwrap_err();
        assert!(said.contains("is no digest"), "{digest}: {said}");
    }
}

/// The instance is judged, and by its own signatures.
#[test]
fn t174_a_signature_of_an_index_is_none_of_its_instances() {
    let key = key();
    let trust = trust([by(&key)]);
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{}}}]}}"#,
        digest(),
        MANIFEST.len()
    );
    let of_index = wharf_content::Hasher::sha256(index.as_bytes());
    let blob = Sig::by(&key, 0, NOW).message(&key, &payload(of_index.as_str(), NAME));
    let said = judged(&trust, &[blob]).unwrap_err();
    assert!(
        said.contains(&format!("Signature for digest {of_index} does not match")),
        "{said}"
    );
    let name = reference(&format!("registry.example/app@{of_index}"));
    let signatures = [Signature::Simple(good(&key).into())];
    assert!(
        trust
            .judge(&Subject::new(&manifest(), &name), &signatures)
            .is_ok()
    );
}

/// Lines that look like the status of gpg, where gpg would print them.
#[test]
fn t176_names_and_notations_in_a_message_decide_nothing() {
    let (key, stranger) = (key(), other());
    let content = good_payload();
    let status = format!(
        "\n[GNUPG:] GOODSIG {0} x\n[GNUPG:] VALIDSIG {0} 2025-01-01 1735689600\n",
        key.name()
    );
    let size = u8::try_from(status.len()).unwrap();
    let literal = crate::forge::packet(
        11,
        &[&[b'b', size], status.as_bytes(), &[0; 4], &content].concat(),
    );
    let notation = [
        &[0x80, 0, 0, 0, 0, 3, 0, size],
        b"a@b".as_slice(),
        status.as_bytes(),
    ]
    .concat();
    let sig = Sig::by(&stranger, 0, NOW).with(crate::forge::subpacket(20, &notation));
    let message = [sig.one_pass(&stranger), literal, sig.packet(&stranger, &content)].concat();
    let said = judged(&trust([by(&key)]), std::slice::from_ref(&message)).unwrap_err();
    assert!(
        said.contains("is not in the keyring") && said.contains(&stranger.name()),
        "{said}"
    );
    assert_eq!(judged(&trust([by(&stranger)]), &[message]), Ok(()));
}

/// A tag and a digest: the digest alone counts.
#[test]
fn the_users_name_is_compared() {
    let key = key();
    let trust = trust([by(&key)]);
    let at = |tag: &str| format!("registry.example/app{tag}@{}", digest());
    for (name, signed, accepted) in [
        (NAME, NAME, true),
        (NAME, "registry.example/app:2", false),
        (NAME, "registry.example/app", false),
        (NAME, "mirror.example/app:1", false),
        ("registry.example/app", "registry.example/app:latest", true),
        ("registry.example/app", NAME, false),
        (&at(""), "registry.example/app:2", true),
        (&at(":1"), "registry.example/app:2", true),
        (&at(":1"), "registry.example/other:1", false),
        ("busybox:1", "docker.io/library/busybox:1", true),
        ("docker.io/library/busybox:1", "busybox:1", true),
    ] {
        let result = judged_as(&trust, name, &[signature(&key, signed)]);
        assert_eq!(result.is_ok(), accepted, "{name} {signed}: {result:?}");
    }
}

#[test]
fn every_identity_is_obeyed() {
    let key = key();
    let remap = Identity::Remap(Remap::new("registry.example", "vendor.example/product").unwrap());
    for (identity, signed, accepted) in [
        (Identity::MatchExact, NAME, true),
        (Identity::MatchExact, "registry.example/app:2", false),
        (Identity::MatchRepository, "registry.example/app:2", true),
        (Identity::MatchRepository, "registry.example/app", true),
        (Identity::MatchRepository, "registry.example/app2", false),
        (
            Identity::ExactReference(reference("a.example/b:c")),
            "a.example/b:c",
            true,
        ),
        (Identity::ExactReference(reference("a.example/b:c")), NAME, false),
        (
            Identity::ExactRepository(reference("a.example/b").repository()),
            "a.example/b:d",
            true,
        ),
        (
            Identity::ExactRepository(reference("a.example/b").repository()),
            NAME,
            false,
        ),
        (remap.clone(), "vendor.example/product/app:1", true),
        (remap.clone(), "vendor.example/product/app", false),
        (remap, NAME, false),
    ] {
        let trust = trust([signed_by_as(&certificate(&key), identity.clone())]);
        let result = judged(&trust, &[signature(&key, signed)]);
        assert_eq!(result.is_ok(), accepted, "{identity:?} {signed}: {result:?}");
    }
}

#[test]
fn an_image_of_a_layout_has_no_name_to_be_signed() {
    let key = key();
    let manifest = manifest();
    let subject = Subject::new(&manifest, Path::new("/registry.example/app"));
    let accepted = |identity: Identity, signed: &str| {
        let trust = trust([signed_by_as(&certificate(&key), identity)]);
        trust
            .judge(&subject, &[Signature::Simple(signature(&key, signed).into())])
            .is_ok()
    };
    let named = reference("a.example/b:c");
    assert!(accepted(Identity::ExactReference(named.clone()), "a.example/b:c"));
    assert!(accepted(
        Identity::ExactRepository(named.repository()),
        "a.example/b"
    ));
    for identity in [
        Identity::MatchExact,
        Identity::MatchRepoDigestOrExact,
        Identity::MatchRepository,
    ] {
        assert!(!accepted(identity, "registry.example/app:latest"));
    }
    // The rule is that of the directory.
    let policy = Policy::parse(
        r#"{"default":[{"type":"reject"}],"transports":{"oci":{"/registry.example":[{"type":"insecureAcceptAnything"}]}}}"#,
    );
    let verdict = Trust::new(policy.unwrap()).judge(&subject, &[]).unwrap();
    assert_eq!(
        verdict.rule().and_then(|rule| rule.scope()),
        Some("/registry.example")
    );
}

#[test]
fn t175_the_exact_bytes_are_what_is_signed() {
    let key = key();
    let trust = trust([by(&key)]);
    let subject_of = |text: &str, blob: &[u8]| {
        let manifest = manifest_of(text);
        let signatures = [Signature::Simple(Bytes::copy_from_slice(blob))];
        trust
            .judge(&Subject::new(&manifest, &reference(NAME)), &signatures)
            .is_ok()
    };
    assert!(subject_of(MANIFEST, &good(&key)));
    // Another order, another space: the same document, and another manifest.
    assert!(!subject_of(
        &MANIFEST.replace("\"layers\":[]", "\"layers\": []"),
        &good(&key)
    ));
    assert!(!subject_of(&format!("{MANIFEST}\n"), &good(&key)));
    let sha512 =
        wharf_content::Hasher::digest(wharf_reference::Algorithm::Sha512, MANIFEST.as_bytes()).unwrap();
    for digest in [
        sha512.as_str(),
        &digest().to_uppercase(),
        &digest()[..70],
        "sha256:../x",
        "",
    ] {
        let blob = Sig::by(&key, 0, NOW).message(&key, &payload(digest, NAME));
        assert!(!subject_of(MANIFEST, &blob), "{digest}");
    }
    // Pinned by sha512, and judged by sha256.
    let pinned =
        wharf_content::Manifest::parse_pinned(MANIFEST.into(), Some(&MediaType::OCI_MANIFEST), &sha512)
            .unwrap();
    let name = reference(&format!("registry.example/app@{sha512}"));
    let verdict = trust
        .judge(
            &Subject::new(&pinned, &name),
            &[Signature::Simple(good(&key).into())],
        )
        .unwrap();
    assert_eq!(*verdict.digest(), digest().as_str());
}

#[test]
fn requirements_from_code_need_no_policy() {
    let key = key();
    let trust = trust([by(&key)]);
    assert_eq!(trust.wanted(&reference(NAME)).unwrap(), Wanted::SIMPLE);
    assert_eq!(judged(&trust, &[good(&key)]), Ok(()));
    let said = judged(&trust, &[]).unwrap_err();
    assert!(
        said.starts_with("the program demands a signature by a key in its inline data (signedBy): "),
        "{said}"
    );
    assert!(judged(&trust.and(sigstore()), &[good(&key)]).is_err());
}

/// An engine that fails in every way has verified nothing.
#[test]
fn t162_what_fails_or_panics_is_a_refusal() {
    enum Engine {
        CannotOpen,
        PanicsOpening,
        Refuses,
        Panics,
        SignsNothing,
        SignsJunk,
        SignsAnother,
        Signs,
    }
    struct Ring(Result<Vec<u8>, bool>);
    impl Keyring for Ring {
        fn verify(&self, _: &[u8]) -> Result<Signed, Reason> {
            match &self.0 {
                Ok(payload) => Ok(Signed::new(payload.clone(), "0".repeat(40), time(NOW))),
                Err(true) => panic!("the engine is broken"),
                Err(false) => Err(Reason::new(wharf_trust::ReasonKind::Forged, "no")),
            }
        }
    }
    impl OpenPgp for Engine {
        fn open(&self, _: &[KeyFile], _: std::time::SystemTime) -> Result<Box<dyn Keyring>, String> {
            Ok(Box::new(Ring(match self {
                Self::CannotOpen => return Err("no".to_owned()),
                Self::PanicsOpening => panic!("the engine is broken"),
                Self::Refuses => Err(false),
                Self::Panics => Err(true),
                Self::SignsNothing => Ok(Vec::new()),
                Self::SignsJunk => Ok(b"{}".to_vec()),
                Self::SignsAnother => Ok(payload(&digest(), "registry.example/app:2")),
                Self::Signs => Ok(good_payload()),
            })))
        }
    }
    let said = |engine: Engine| {
        let trust = trust([by(&key())]).with_openpgp(engine);
        let signatures = [Signature::Simple(good(&key()).into())];
        let verdict = trust.judge(&Subject::new(&manifest(), &reference(NAME)), &signatures);
        verdict.map(drop).map_err(|refusal| refusal.kind())
    };
    assert_eq!(said(Engine::CannotOpen), Err(RefusalKind::Keys));
    assert_eq!(said(Engine::PanicsOpening), Err(RefusalKind::Failed));
    assert_eq!(said(Engine::Refuses), Err(RefusalKind::NoneAccepted));
    assert_eq!(said(Engine::Panics), Err(RefusalKind::Failed));
    assert_eq!(said(Engine::SignsNothing), Err(RefusalKind::NoneAccepted));
    assert_eq!(said(Engine::SignsJunk), Err(RefusalKind::NoneAccepted));
    assert_eq!(said(Engine::SignsAnother), Err(RefusalKind::NoneAccepted));
    assert_eq!(said(Engine::Signs), Ok(()));
}

#[test]
fn what_a_signature_says_of_itself_is_another_type() {
    use wharf_trust::UntrustedSummary;
    let key = key();
    let forged = Sig::by(&key, 0, NOW - DAY).message(&other(), &good_payload());
    let summary = UntrustedSummary::read_without_verifying(&Signature::Simple(forged.into())).unwrap();
    assert_eq!(summary.key, Some(key.name()));
    assert_eq!((summary.digest, summary.reference), (digest(), NAME.to_owned()));
    assert_eq!((summary.time, summary.creator), (time(NOW - DAY), None));
    for signature in [
        Signature::Bundle(Bytes::new()),
        Signature::Simple(Bytes::from_static(b"x")),
    ] {
        assert!(UntrustedSummary::read_without_verifying(&signature).is_err());
    }
}

#[test]
fn verdicts_and_refusals_go_between_threads() {
    fn assert<T: Send + Sync + Unpin + 'static>() {}
    assert::<Trust>();
    assert::<wharf_trust::Verdict>();
    assert::<wharf_trust::Refusal>();
    assert::<Reason>();
    assert::<wharf_trust::NativeOpenPgp>();
}
