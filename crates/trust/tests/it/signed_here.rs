//! Signatures that this crate made, and what others say of them: the script `tests/golden/signed/verify.py` records it.
//! `WHARF_UPDATE_GOLDEN=1` makes the signatures anew.

use std::{env, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use wharf_config::{Identity, KeySource, Requirement, SigstoreSigned, SigstoreSigner};
use wharf_content::{MediaType, Sign as _, Signature};
use wharf_trust::{BundlePolicy, PublicKey, Signer, Subject, Trust};

use crate::support::{NOW, digest, manifest, reference, time};

const KEYS: [&str; 4] = ["p256", "ed25519", "rsa2048", "rsa4096"];
/// The name that was signed, and the same image under another tag.
const NAMES: [&str; 2] = ["127.0.0.1:5599/n/app:1", "127.0.0.1:5599/n/app:2"];

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    fs::read_to_string(path).unwrap()
}

fn signer(key: &str) -> Signer {
    let signer = Signer::pkcs8(golden(&format!("signing/{key}.pem"))).unwrap();
    signer.with_clock(|| time(NOW))
}

/// A signature as JSON.
fn plain(signature: Signature) -> Value {
    match signature {
        Signature::Attachment {
            media_type,
            payload,
            annotations,
        } => json!({
            "mimeType": media_type.as_str(), "payload": STANDARD.encode(payload), "annotations": annotations,
        }),
        Signature::Bundle(bundle) => serde_json::from_slice(&bundle).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn attachment(plain: &Value) -> Signature {
    let annotations = plain["annotations"].as_object().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Signature::Attachment {
        media_type: MediaType::parse(&text(&plain["mimeType"])).unwrap(),
        payload: STANDARD.decode(text(&plain["payload"])).unwrap().into(),
        annotations: annotations
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    }
}

/// All signatures of this crate's kinds, by each key.
fn made() -> Value {
    let (manifest, name) = (manifest(), reference(NAMES[0]));
    let all = KEYS.into_iter().map(|key| {
        let signer = signer(key);
        let by = |signer: Signer| plain(signer.sign(manifest.digest(), &name).unwrap());
        let signatures = json!({
            "key": signer.public_key().unwrap().to_pem(),
            "attachment": by(signer.clone()),
            "cosign": by(signer.clone().cosign_compatible()),
            "bundle": by(signer.as_bundle()),
        });
        (key.to_owned(), signatures)
    });
    Value::Object(all.collect())
}

fn accepts(key: &str, identity: Identity, name: &str, signature: &Value) -> bool {
    let keys = KeySource::data(key);
    let requirement: Requirement = SigstoreSigned::new(SigstoreSigner::Keys { keys, rekor: None })
        .with_identity(identity)
        .into();
    let trust = Trust::of([requirement]);
    trust
        .judge(
            &Subject::new(&manifest(), &reference(name)),
            &[attachment(signature)],
        )
        .is_ok()
}

#[test]
fn what_is_signed_here_others_accept_and_for_nothing_else() {
    if env::var_os("WHARF_UPDATE_GOLDEN").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/signed/signatures.json");
        fs::write(path, serde_json::to_string_pretty(&made()).unwrap() + "\n").unwrap();
        return;
    }
    let recorded: Value = serde_json::from_str(&golden("signed/signatures.json")).unwrap();
    let answers: Value = serde_json::from_str(&golden("signed/answers.json")).unwrap();
    let mut ours = serde_json::Map::new();
    let mut say = |case: String, accepted: bool| ours.insert(case, accepted.into());
    let digest = digest();
    let sha256 = digest.strip_prefix("sha256:").unwrap();
    for (number, key) in KEYS.into_iter().enumerate() {
        let made = &recorded[key];
        let other = KEYS[(number + KEYS.len() - 1) % KEYS.len()];
        let pem = |key: &str| recorded[key]["key"].as_str().unwrap().to_owned();
        for (form, identity) in [
            ("attachment", Identity::MatchExact),
            ("cosign", Identity::MatchRepository),
        ] {
            let by = |key: &str, name: &str| accepts(&pem(key), identity.clone(), name, &made[form]);
            say(format!("{key} {form}"), by(key, NAMES[0]));
            say(format!("{key} {form} by another key"), by(other, NAMES[0]));
            say(format!("{key} {form} as another tag"), by(key, NAMES[1]));
        }
        let bundle = |key: &str| {
            let policy = BundlePolicy::key(PublicKey::from_pem(pem(key).as_bytes()).unwrap());
            policy
                .verify_image(made["bundle"].to_string().as_bytes(), sha256, time(NOW))
                .is_ok()
        };
        say(format!("{key} bundle"), bundle(key));
        say(format!("{key} bundle by another key"), bundle(other));
    }
    let mut count = 0;
    for (peer, answers) in answers.as_object().unwrap() {
        for (case, answer) in answers.as_object().unwrap() {
            let accepted = answer == "accepted";
            assert_eq!(ours[case], accepted, "{peer}: {case}: {answer}");
            count += 1;
        }
    }
    assert_eq!(count, KEYS.len() * (6 + 2 + 1));
    // Today's say the same, but for the version of this crate.
    let today = made();
    for key in KEYS {
        for form in ["attachment", "cosign", "bundle"] {
            assert_eq!(
                said(&today[key][form]),
                said(&recorded[key][form]),
                "{key} {form}"
            );
        }
    }
}

/// A signature without what differs each time: the signature itself, and who made it.
fn said(signature: &Value) -> Value {
    let mut signature = signature.clone();
    if let Some(bytes) = signature.pointer_mut("/dsseEnvelope/signatures/0/sig") {
        *bytes = Value::Null;
        return signature;
    }
    let payload = STANDARD.decode(signature["payload"].as_str().unwrap()).unwrap();
    let mut payload: Value = serde_json::from_slice(&payload).unwrap();
    if let Some(creator) = payload.pointer_mut("/optional/creator") {
        *creator = Value::Null;
    }
    let annotations: Vec<&String> = signature["annotations"].as_object().unwrap().keys().collect();
    json!([payload, annotations, signature["mimeType"]])
}
