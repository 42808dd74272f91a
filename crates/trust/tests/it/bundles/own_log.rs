//! Bundles in a log that is at hand here, whose key signs what a test likes: entries of a log of version 2 and of the kind
//! `intoto`, and checkpoints signed with Ed25519.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use wharf_trust::{BundlePolicy, Problem, PublicKey, VerifiedBundle};

use super::{
    kit::{changed, image, now, root_of},
    statements::{PAYLOAD_TYPE, Signer, encoded, statement},
};

const HOST: &str = "log.example";
const ID: &[u8] = b"the id of the log";

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn spki(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(lines).unwrap()
}

/// A log that keeps one entry, and a signer of the image `a`.
struct Scene {
    log: KeyPair,
    signer: Signer,
    payload: String,
    /// The bundle without entries.
    bundle: Value,
}

impl Scene {
    fn new() -> Self {
        let (signer, payload) = (Signer::new(), statement().to_string());
        let bundle = signer.bundle(PAYLOAD_TYPE, &payload, encoded(PAYLOAD_TYPE, &payload).as_bytes());
        Self {
            log: KeyPair::generate_for(&PKCS_ED25519).unwrap(),
            signer,
            payload,
            bundle,
        }
    }

    fn signature(&self) -> &str {
        self.bundle["dsseEnvelope"]["signatures"][0]["sig"]
            .as_str()
            .unwrap()
    }

    /// The first bytes of the hash that names the log's key in a checkpoint, under this name.
    fn hint_as(&self, name: &str) -> Vec<u8> {
        let key = &spki(&self.log.public_key_pem())[12..];
        sha256(&[name.as_bytes(), b"\n\x01", key].concat())[..4].to_vec()
    }

    fn hint(&self) -> Vec<u8> {
        self.hint_as(HOST)
    }

    fn policy(&self) -> BundlePolicy {
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{
                "baseUrl": format!("https://{HOST}"),
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": base64(spki(&self.log.public_key_pem())),
                    "keyDetails": "PKIX_ED25519",
                    "validFor": {"start": "2020-01-01T00:00:00Z"},
                },
                "logId": {"keyId": base64(ID)},
            }],
        });
        let key = PublicKey::from_pem(self.signer.pem().as_bytes()).unwrap();
        BundlePolicy::key(key).with_root(root_of(&root).unwrap())
    }

    /// The text of a checkpoint of the log with this entry alone.
    fn state(body: &str) -> String {
        let root = base64(sha256(&[&[0], body.as_bytes()].concat()));
        format!("{HOST}\n1\n{root}\n")
    }

    /// A line of a checkpoint in which the log signs a text.
    fn line(&self, text: &str) -> String {
        let signature = self.log.sign(text.as_bytes()).unwrap();
        format!("\u{2014} {HOST} {}\n", base64([self.hint(), signature].concat()))
    }

    /// The bundle with an entry that is in the log.
    fn logged(&self, kind: &str, version: &str, body: &str) -> Value {
        let state = Self::state(body);
        self.with_note(kind, version, body, &format!("{state}\n{}", self.line(&state)))
    }

    fn with_note(&self, kind: &str, version: &str, body: &str, note: &str) -> Value {
        let entry = json!({
            "logIndex": "12345",
            "logId": {"keyId": base64(ID)},
            "kindVersion": {"kind": kind, "version": version},
            "inclusionProof": {
                "logIndex": "0",
                "treeSize": "1",
                "rootHash": base64(sha256(&[&[0], body.as_bytes()].concat())),
                "checkpoint": {"envelope": note},
            },
            "canonicalizedBody": base64(body),
        });
        changed(&self.bundle, |bundle| {
            bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
        })
    }

    /// The entry of a log of version 2 for the bundle.
    fn record(&self) -> String {
        let digest = base64(sha256(encoded(PAYLOAD_TYPE, &self.payload).as_bytes()));
        let (signature, key) = (self.signature(), base64(spki(&self.signer.pem())));
        format!(
            r#"{{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{{"hashedRekordV002":{{"data":{{"algorithm":"SHA2_256","digest":"{digest}"}},"signature":{{"content":"{signature}","verifier":{{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{{"rawBytes":"{key}"}}}}}}}}}}}}"#
        )
    }

    fn dsse(&self) -> Value {
        json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": "00"},
                "payloadHash": {"algorithm": "sha256", "value": hex(&sha256(self.payload.as_bytes()))},
                "signatures": [{"signature": self.signature(), "verifier": base64(self.signer.pem())}],
            },
        })
    }

    fn intoto(&self) -> Value {
        json!({
            "apiVersion": "0.0.2",
            "kind": "intoto",
            "spec": {"content": {
                "envelope": {
                    "payloadType": PAYLOAD_TYPE,
                    "signatures": [{"publicKey": base64(self.signer.pem()), "sig": base64(self.signature())}],
                },
                "hash": {"algorithm": "sha256", "value": "00"},
                "payloadHash": {"algorithm": "sha256", "value": hex(&sha256(self.payload.as_bytes()))},
            }},
        })
    }
}

fn judge(policy: &BundlePolicy, bundle: &Value) -> Result<VerifiedBundle, Problem> {
    policy.verify_image(bundle.to_string().as_bytes(), &image("a"), now())
}

fn entry_of(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["tlogEntries"][0]
}

/// Threat row T160: an entry of a log of version 2 has one spelling, and says nothing of time.
#[test]
fn t160_an_entry_of_a_log_of_version_2_is_for_this_bundle_and_has_no_time() {
    let scene = Scene::new();
    let policy = scene.policy();
    let (kind, version, record) = ("hashedrekord", "0.0.2", scene.record());
    let good = scene.logged(kind, version, &record);
    assert!(judge(&policy, &good).unwrap().times().is_empty());
    let (other, payload) = (Scene::new(), base64(sha256(scene.payload.as_bytes())));
    let digest = base64(sha256(encoded(PAYLOAD_TYPE, &scene.payload).as_bytes()));
    let key = base64(spki(&scene.signer.pem()));
    for body in [
        other.record(),
        record.replace(&digest, &payload), // of the payload without its type
        record.replace(&digest, &base64([0; 32])),
        record.replace("SHA2_256", "SHA2_512"),
        record.replace(scene.signature(), other.signature()),
        record.replace(&key, &base64(spki(&other.signer.pem()))),
        record.replace("PKIX_ECDSA_P256_SHA_256", "PKIX_ECDSA_P384_SHA_384"),
        record.replace("publicKey", "x509Certificate"),
        record.replace("0.0.2", "0.0.1"),
        record.replace("hashedRekordV002", "hashedRekordV001"),
        record.replacen('{', "{ ", 1),
        record.replacen('{', r#"{"more":1,"#, 1),
        format!("{record}\n"),
        serde_json::from_str::<Value>(&record).unwrap()["spec"].to_string(),
        scene.dsse().to_string(),
        String::new(),
    ] {
        assert_ne!(body, record);
        let bundle = scene.logged(kind, version, &body);
        assert!(judge(&policy, &bundle).is_err(), "{body}");
    }
    // A time that nobody signed is none, and a promise is none of such a log's.
    let claiming = changed(&good, |bundle| {
        entry_of(bundle)["integratedTime"] = json!("1800000000");
    });
    assert!(judge(&policy, &claiming).unwrap().times().is_empty());
    let promising = changed(&claiming, |bundle| {
        let signed = format!(
            r#"{{"body":"{}","integratedTime":1800000000,"logID":"{}","logIndex":12345}}"#,
            base64(&record),
            hex(ID)
        );
        let set = base64(scene.log.sign(signed.as_bytes()).unwrap());
        entry_of(bundle)["inclusionPromise"] = json!({"signedEntryTimestamp": set});
    });
    let problem = judge(&policy, &promising).unwrap_err().to_string();
    assert!(problem.contains("of version 2 has a signed entry"), "{problem}");
    for member in ["inclusionProof", "kindVersion", "canonicalizedBody"] {
        let without = changed(&good, |bundle| {
            entry_of(bundle).as_object_mut().unwrap().remove(member);
        });
        assert!(judge(&policy, &without).is_err(), "{member}");
    }
    for (kind, version) in [
        ("hashedrekord", "0.0.3"),
        ("hashedrekord", "0.0.1"),
        ("dsse", "0.0.2"),
    ] {
        assert!(
            judge(&policy, &scene.logged(kind, version, &record)).is_err(),
            "{kind} {version}"
        );
    }
}

#[test]
fn t195_a_checkpoint_is_signed_under_the_name_and_by_the_key_of_the_log() {
    let scene = Scene::new();
    let (policy, stranger) = (scene.policy(), Scene::new());
    let record = scene.record();
    let state = Scene::state(&record);
    let line = scene.line(&state);
    let verdict =
        |note: &str| judge(&policy, &scene.with_note("hashedrekord", "0.0.2", &record, note)).is_ok();
    let signature = scene.log.sign(state.as_bytes()).unwrap();
    let by = |name: &str, hint: &[u8], signature: &[u8]| {
        format!("\u{2014} {name} {}\n", base64([hint, signature].concat()))
    };
    let hint = scene.hint();
    let wrong = by(HOST, &hint, &[0; 64]);
    let numbered = state.replacen(HOST, "log.example - 123", 1);
    let extended = format!("{state}Timestamp: 1\nmore\n");
    for good in [
        format!("{state}\n{line}"),
        // Of several lines of the log one must be right.
        format!("{state}\n{wrong}{line}"),
        format!("{state}\n{line}{wrong}"),
        format!("{state}\n{}{line}", by("witness.example", &hint, &[1; 64])),
        format!("{numbered}\n{}", scene.line(&numbered)),
        format!("{extended}\n{}", scene.line(&extended)),
    ] {
        assert!(verdict(&good), "{good}");
    }
    let of_spki = sha256(&spki(&scene.log.public_key_pem()))[..4].to_vec();
    let renamed = state.replacen(HOST, "other.example", 1);
    let below = state.replacen(HOST, "log.example/2026", 1);
    let grown = state.replacen("\n1\n", "\n2\n", 1);
    for bad in [
        format!("{state}\n{}", by(HOST, &[0; 4], &signature)),
        format!("{state}\n{}", by(HOST, &of_spki, &signature)),
        format!("{state}\n{}", by(HOST, &hint[..3], &signature)),
        format!("{state}\n{}", by("log.example.evil", &hint, &signature)),
        format!("{state}\n{}", by("LOG.example", &hint, &signature)),
        format!("{state}\n{}", by("witness.example", &hint, &signature)),
        format!(
            "{state}\n{}",
            by("witness.example", &scene.hint_as("witness.example"), &signature)
        ),
        format!(
            "{state}\n{}",
            by(HOST, &hint, &stranger.log.sign(state.as_bytes()).unwrap())
        ),
        format!("{state}\n{}", stranger.line(&state)),
        format!("{state}\n{wrong}"),
        format!("{state}{line}"),
        format!("{renamed}\n{}", scene.line(&renamed)),
        format!("{below}\n{}", scene.line(&below)),
        format!("{grown}\n{}", scene.line(&grown)),
        format!("{state}\n{}", scene.line(&format!("{state}\n"))),
        format!("{state}more\n\n{line}"),
    ] {
        assert!(!verdict(&bad), "{bad}");
    }
}

/// Entries of the kind `intoto` are as old as bundles of the version 0.2, and are for the envelope like others.
#[test]
fn entries_of_the_kind_intoto_are_accepted_on_request_alone() {
    let scene = Scene::new();
    let (policy, old) = (scene.policy(), scene.policy().with_old_versions(true));
    let good = scene.logged("intoto", "0.0.2", &scene.intoto().to_string());
    assert!(judge(&old, &good).is_ok());
    let problem = judge(&policy, &good).unwrap_err().to_string();
    assert!(problem.contains("the old kind intoto"), "{problem}");
    let other = Scene::new().intoto();
    let envelope = "/spec/content/envelope";
    for (pointer, value) in [
        ("/spec/content/payloadHash/value", json!(hex(&[0; 32]))),
        ("/spec/content/payloadHash/algorithm", json!("sha512")),
        ("/spec/content/envelope/payloadType", json!("text/plain")),
        ("/spec/content/envelope/signatures", json!([])),
        (
            "/spec/content/envelope/signatures/0/sig",
            other
                .pointer(&format!("{envelope}/signatures/0/sig"))
                .unwrap()
                .clone(),
        ),
        (
            "/spec/content/envelope/signatures/0/sig",
            json!(scene.signature()),
        ),
        (
            "/spec/content/envelope/signatures/0/publicKey",
            other
                .pointer(&format!("{envelope}/signatures/0/publicKey"))
                .unwrap()
                .clone(),
        ),
        ("/apiVersion", json!("0.0.1")),
    ] {
        let mut body = scene.intoto();
        *body.pointer_mut(pointer).unwrap() = value.clone();
        let bundle = scene.logged("intoto", "0.0.2", &body.to_string());
        assert!(judge(&old, &bundle).is_err(), "{pointer} {value}");
    }
}

/// Threat row T160: each part of an entry of the kind `dsse` is this bundle's, and its kind is the one that the bundle says.
#[test]
fn t160_an_entry_of_an_envelope_is_for_this_one() {
    let scene = Scene::new();
    let policy = scene.policy();
    let logged = |kind: &str, version: &str, body: &Value| {
        judge(&policy, &scene.logged(kind, version, &body.to_string()))
    };
    assert!(logged("dsse", "0.0.1", &scene.dsse()).is_ok());
    for (kind, version) in [
        ("dsse", "0.0.2"),
        ("hashedrekord", "0.0.1"),
        ("intoto", "0.0.2"),
        ("Dsse", "0.0.1"),
        ("", ""),
    ] {
        assert!(logged(kind, version, &scene.dsse()).is_err(), "{kind} {version}");
    }
    let other = Scene::new().dsse();
    for (pointer, value) in [
        ("/spec/payloadHash/value", json!(hex(&[0; 32]))),
        ("/spec/payloadHash/algorithm", json!("sha384")),
        ("/spec/signatures", json!([])),
        (
            "/spec/signatures",
            json!([
                scene.dsse()["spec"]["signatures"][0],
                other["spec"]["signatures"][0]
            ]),
        ),
        (
            "/spec/signatures/0/signature",
            other["spec"]["signatures"][0]["signature"].clone(),
        ),
        (
            "/spec/signatures/0/verifier",
            other["spec"]["signatures"][0]["verifier"].clone(),
        ),
        ("/spec/signatures/0/verifier", json!("")),
        ("/kind", json!("hashedrekord")),
        ("/apiVersion", json!("0.0.2")),
    ] {
        let mut body = scene.dsse();
        *body.pointer_mut(pointer).unwrap() = value.clone();
        assert!(logged("dsse", "0.0.1", &body).is_err(), "{pointer} {value}");
    }
}
