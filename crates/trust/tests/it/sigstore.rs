//! `sigstoreSigned` through [`Trust`]: key files, kinds of signatures, payloads, names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use wharf_config::{Identity, KeySource, Policy, Requirement, SigstoreSigned, SigstoreSigner};
use wharf_content::{Manifest, MediaType, Signature, Wanted};
use wharf_reference::Reference;
use wharf_trust::{ReasonKind, Refusal, RefusalKind, SignedTime, Subject, Trust, Verdict};

const NAME: &str = "registry.example/app:1";
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn manifest() -> Manifest {
    let text = br#"{"schemaVersion":2,"manifests":[]}"#.as_slice();
    Manifest::parse(text.into(), Some(&MediaType::OCI_INDEX)).unwrap()
}

fn payload(name: &str) -> Value {
    payload_of(name, &manifest())
}

fn payload_of(name: &str, manifest: &Manifest) -> Value {
    json!({
        "critical": {
            "identity": {"docker-reference": name},
            "image": {"docker-manifest-digest": manifest.digest().to_string()},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
}

/// An attachment that signs a manifest under a name.
pub(crate) fn attached(key: &KeyPair, name: &str, manifest: &Manifest) -> Signature {
    let payload = payload_of(name, manifest).to_string();
    let signature = STANDARD.encode(key.sign(payload.as_bytes()).unwrap());
    attachment(PAYLOAD_TYPE, payload.as_bytes(), &signature)
}

struct Signer(KeyPair);

impl Signer {
    fn new() -> Self {
        Self(KeyPair::generate().unwrap())
    }

    fn pem(&self) -> String {
        self.0.public_key_pem()
    }

    fn sign(&self, payload: &[u8]) -> Signature {
        self.sign_as(PAYLOAD_TYPE, payload)
    }

    fn sign_as(&self, media_type: &str, payload: &[u8]) -> Signature {
        let signature = STANDARD.encode(self.0.sign(payload).unwrap());
        attachment(media_type, payload, &signature)
    }

    fn keys(&self) -> KeySource {
        KeySource::data(self.pem())
    }
}

fn attachment(media_type: &str, payload: &[u8], signature: &str) -> Signature {
    let key = "dev.cosignproject.cosign/signature".to_owned();
    // A lookaside and `dir:` keep attachments so.
    let json = json!({
        "mimeType": media_type,
        "payload": STANDARD.encode(payload),
        "annotations": BTreeMap::from([(key, signature)]),
    });
    Signature::from_blob(
        [b"\0sigstore-json\n", json.to_string().as_bytes()]
            .concat()
            .into(),
    )
}

fn requirement(keys: KeySource, identity: Identity) -> Requirement {
    SigstoreSigned::new(SigstoreSigner::Keys { keys, rekor: None })
        .with_identity(identity)
        .into()
}

fn judge_by(requirement: Requirement, signatures: &[Signature]) -> Result<Verdict, Refusal> {
    let name = Reference::parse(NAME).unwrap();
    Trust::of([requirement]).judge(&Subject::new(&manifest(), &name), signatures)
}

fn judge(keys: KeySource, signatures: &[Signature]) -> Result<Verdict, Refusal> {
    judge_by(requirement(keys, Identity::MatchRepository), signatures)
}

fn good(signer: &Signer) -> Signature {
    signer.sign(payload("registry.example/app").to_string().as_bytes())
}

#[test]
fn one_accepted_attachment_is_enough_and_other_kinds_do_not_count() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let (good, bad) = (good(&signer), good(&stranger));
    let html = Signature::from_blob("<html>".into());
    let simple = Signature::from_blob(b"\0simple-signing\nx".as_slice().into());
    let bundle = Signature::Bundle("{}".into());
    let sbom = signer.sign_as("text/spdx+json", b"{}");
    for (signatures, accepted) in [
        (vec![good.clone()], Some(0)),
        (vec![bad.clone(), good.clone()], Some(1)),
        (vec![good.clone(), bad.clone()], Some(0)),
        (
            vec![
                html.clone(),
                simple.clone(),
                bundle.clone(),
                sbom.clone(),
                good.clone(),
            ],
            Some(4),
        ),
        (vec![bad.clone()], None),
        (vec![bad.clone(), bad.clone()], None),
        (vec![sbom.clone()], None),
        (vec![simple.clone(), bundle.clone(), html.clone()], None),
        (vec![], None),
    ] {
        let verdict = judge(signer.keys(), &signatures);
        assert_eq!(
            verdict
                .as_ref()
                .ok()
                .and_then(|verdict| verdict.met()[0].signature()),
            accepted
        );
        assert_eq!(verdict.is_ok(), accepted.is_some());
    }
    let refusal = judge(signer.keys(), &[sbom, bundle]).unwrap_err();
    assert_eq!(refusal.kind(), RefusalKind::NoSignature);
    let text = refusal.to_string();
    assert!(
        text.contains("A signature was required, but no signature exists"),
        "{text}"
    );
    assert!(
        text.contains("1 sigstore attachment") && text.contains("1 sigstore bundle"),
        "{text}"
    );
    let refusal = judge(signer.keys(), &[bad.clone(), bad]).unwrap_err();
    assert_eq!(refusal.kind(), RefusalKind::NoneAccepted);
    assert!(
        refusal
            .to_string()
            .contains("None of the signatures were accepted, reasons: ")
    );
}

#[test]
fn two_requirements_want_two_signers() {
    let signers = [Signer::new(), Signer::new()];
    let name = Reference::parse(NAME).unwrap();
    let requirements = signers
        .each_ref()
        .map(|signer| requirement(signer.keys(), Identity::MatchRepository));
    let trust = Trust::of(requirements);
    for one in [false, true] {
        for other in [false, true] {
            let signed = signers.iter().zip([one, other]).filter(|(_, signed)| *signed);
            let signatures: Vec<_> = signed.map(|(signer, _)| good(signer)).collect();
            let verdict = trust.judge(&Subject::new(&manifest(), &name), &signatures);
            assert_eq!(verdict.is_ok(), one && other);
        }
    }
}

#[test]
fn the_rule_says_that_attachments_are_wanted() {
    let trust = Trust::of([requirement(Signer::new().keys(), Identity::default())]);
    let wanted = trust.wanted(&Reference::parse(NAME).unwrap()).unwrap();
    assert_eq!(wanted, Wanted::ATTACHMENTS);
}

#[test]
fn key_files_are_read_whole_and_all_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (signer, other) = (Signer::new(), Signer::new());
    let (key, second) = (write("key.pub", &signer.pem()), write("other.pub", &other.pem()));
    let p521 = include_str!("../golden/keys/ecdsa-P-521.pub");
    let (unusable, empty) = (write("p521.pub", p521), write("empty.pub", ""));
    let huge = write("huge.pub", &" ".repeat((1 << 20) + 1));
    let (missing, relative) = (directory.path().join("missing.pub"), PathBuf::from("key.pub"));
    let signatures = [good(&signer)];
    let with = |paths: &[&Path]| {
        let paths = paths.iter().map(|path| path.to_path_buf()).collect();
        judge(KeySource::Files(paths), &signatures)
    };
    assert!(with(&[&key]).is_ok());
    assert!(with(&[&second, &key]).is_ok());
    for bad in [
        &missing,
        &relative,
        &unusable,
        &empty,
        &huge,
        &directory.path().to_owned(),
    ] {
        for paths in [vec![bad.as_path()], vec![key.as_path(), bad]] {
            let refusal = with(&paths).unwrap_err();
            assert_eq!(refusal.kind(), RefusalKind::Keys, "{refusal}");
            let name = bad.display().to_string();
            assert!(refusal.to_string().contains(&name), "{refusal}");
        }
    }
    let data = KeySource::Data(vec![other.pem().into(), signer.pem().into()]);
    assert!(judge(data, &signatures).is_ok());
    assert!(
        judge(
            KeySource::Data(vec![signer.pem().into(), p521.into()]),
            &signatures
        )
        .is_err()
    );
}

#[test]
fn the_payload_is_cosigns_and_read_after_its_signature() {
    let signer = Signer::new();
    let text = payload("registry.example/app").to_string();
    let changed = |pointer: &str, value: Value| {
        let mut payload = payload("registry.example/app");
        *payload.pointer_mut(pointer).unwrap() = value;
        payload.to_string()
    };
    let digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (text, reason) in [
        (text.clone(), None),
        (format!(" {text}\n"), None),
        (changed("/optional", json!({})), None),
        (
            changed("/optional", json!({"creator": "x", "timestamp": 5, "more": [1]})),
            None,
        ),
        (
            changed("/optional", json!({"creator": 5})),
            Some(ReasonKind::Payload),
        ),
        (changed("/optional", json!([])), Some(ReasonKind::Payload)),
        (
            changed("/critical/type", json!("atomic container signature")),
            Some(ReasonKind::Payload),
        ),
        (changed("/critical/type", json!("")), Some(ReasonKind::Payload)),
        (changed("/critical", json!({})), Some(ReasonKind::Payload)),
        (
            changed("/critical/image/docker-manifest-digest", json!(digest)),
            Some(ReasonKind::Digest),
        ),
        (
            changed("/critical/image/docker-manifest-digest", json!("sha256:../..")),
            Some(ReasonKind::Payload),
        ),
        (
            changed(
                "/critical/identity/docker-reference",
                json!("registry.example/other"),
            ),
            Some(ReasonKind::Identity),
        ),
        (
            changed("/critical/identity/docker-reference", json!("")),
            Some(ReasonKind::Identity),
        ),
        (text.replacen('{', "{\"more\":1,", 1), Some(ReasonKind::Payload)),
        (
            text.replacen('{', "{\"optional\":null,", 1),
            Some(ReasonKind::Payload),
        ),
        (format!("{text}{{}}"), Some(ReasonKind::Payload)),
        (String::new(), Some(ReasonKind::Payload)),
    ] {
        let result = judge(signer.keys(), &[signer.sign(text.as_bytes())]);
        match (&result, reason) {
            (Ok(_), None) => {}
            (Err(refusal), Some(kind)) => {
                let [examined] = refusal.signatures() else {
                    panic!("{refusal}")
                };
                assert_eq!(examined.reason().kind(), kind, "{text}: {refusal}");
                // Once it is verified, the key is named.
                assert!(examined.reason().key().is_some());
            }
            _ => panic!("{text}: {result:?}"),
        }
        // Unsigned, nothing of it is shown.
        let stranger = judge(signer.keys(), &[Signer::new().sign(text.as_bytes())]).unwrap_err();
        assert_eq!(stranger.signatures()[0].reason().kind(), ReasonKind::UnknownKey);
        assert!(!stranger.to_string().contains("registry.example/other"));
    }
}

#[test]
fn cosign_signs_the_repository_which_few_identities_accept() {
    let signer = Signer::new();
    let policy = |identity: &str| {
        let keys = STANDARD.encode(signer.pem());
        let policy = format!(
            r#"{{"default":[{{"type":"sigstoreSigned","keyData":"{keys}","signedIdentity":{identity}}}]}}"#
        );
        Policy::parse(&policy).unwrap()
    };
    let repository = payload("registry.example/app");
    let tagged = payload(NAME);
    let remap = r#"{"type":"remapIdentity","prefix":"registry.example","signedPrefix":"origin.example"}"#;
    for (identity, signed, good) in [
        (r#"{"type":"matchRepository"}"#, &repository, true),
        (r#"{"type":"matchRepository"}"#, &tagged, true),
        (r#"{"type":"matchExact"}"#, &repository, false),
        (r#"{"type":"matchExact"}"#, &tagged, true),
        (r#"{"type":"matchRepoDigestOrExact"}"#, &repository, false),
        (r#"{"type":"matchRepoDigestOrExact"}"#, &tagged, true),
        (
            r#"{"type":"exactRepository","dockerRepository":"registry.example/app"}"#,
            &repository,
            true,
        ),
        (
            r#"{"type":"exactRepository","dockerRepository":"registry.example/other"}"#,
            &repository,
            false,
        ),
        (remap, &repository, false),
        (remap, &payload("origin.example/app"), false),
        (remap, &payload("origin.example/app:1"), true),
    ] {
        let signature = signer.sign(signed.to_string().as_bytes());
        let name = Reference::parse(NAME).unwrap();
        let verdict = Trust::new(policy(identity)).judge(&Subject::new(&manifest(), &name), &[signature]);
        assert_eq!(verdict.is_ok(), good, "{identity} {signed}: {verdict:?}");
    }
}

#[test]
fn the_verdict_names_key_and_time() {
    let signer = Signer::new();
    let mut claiming = payload("registry.example/app");
    claiming["optional"] = json!({"timestamp": 1_700_000_000});
    let verdict = judge(signer.keys(), &[signer.sign(claiming.to_string().as_bytes())]).unwrap();
    let met = &verdict.met()[0];
    assert!(verdict.is_signed());
    assert!(met.signer().unwrap().to_string().starts_with("sha256:"));
    assert!(matches!(met.time(), Some(SignedTime::Claimed(_))));
    // cosign claims no time.
    let verdict = judge(signer.keys(), &[good(&signer)]).unwrap();
    assert_eq!(verdict.met()[0].time(), None);
}

#[test]
fn t168_many_and_large_attachments_are_refused_in_little_time() {
    let signer = Signer::new();
    let huge = "x".repeat(4 << 20);
    let mut annotations = attachment(PAYLOAD_TYPE, b"{}", &huge);
    if let Signature::Attachment { annotations, .. } = &mut annotations {
        annotations.insert("dev.sigstore.cosign/bundle".to_owned(), huge.clone());
    }
    let large = signer.sign(huge.as_bytes());
    let many = vec![attachment(PAYLOAD_TYPE, b"{}", "AAAA"); 10_000];
    for signatures in [vec![annotations], vec![large], many] {
        let refusal = judge(signer.keys(), &signatures).unwrap_err();
        assert!(refusal.to_string().len() < 10_000);
    }
}
