//! Bundles of a key that is at hand here: what the signer says, and over which bytes he signed it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use wharf_trust::{BundlePolicy, Problem, PublicKey, VerifiedBundle};

use super::kit::{image, now};

pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const COSIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// The bytes of an envelope that are signed.
pub(super) fn encoded(payload_type: &str, payload: &str) -> String {
    let (size, length) = (payload_type.len(), payload.len());
    format!("DSSEv1 {size} {payload_type} {length} {payload}")
}

pub(super) struct Signer(KeyPair);

impl Signer {
    pub(super) fn new() -> Self {
        Self(KeyPair::generate().unwrap())
    }

    /// A bundle of this payload, signed over these bytes.
    pub(super) fn bundle(&self, payload_type: &str, payload: &str, signed: &[u8]) -> Value {
        let signature = STANDARD.encode(self.0.sign(signed).unwrap());
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": ""}},
            "dsseEnvelope": {
                "payload": STANDARD.encode(payload),
                "payloadType": payload_type,
                "signatures": [{"sig": signature}],
            },
        })
    }

    pub(super) fn pem(&self) -> String {
        self.0.public_key_pem()
    }

    fn judge(&self, bundle: &Value) -> Result<VerifiedBundle, Problem> {
        let policy = BundlePolicy::key(PublicKey::from_pem(self.pem().as_bytes()).unwrap());
        policy.verify_image(bundle.to_string().as_bytes(), &image("a"), now())
    }

    /// What is said of this statement, well signed.
    fn said(&self, statement: &str) -> Result<(), String> {
        let bundle = self.bundle(
            PAYLOAD_TYPE,
            statement,
            encoded(PAYLOAD_TYPE, statement).as_bytes(),
        );
        self.judge(&bundle)
            .map(drop)
            .map_err(|problem| problem.to_string())
    }
}

pub(super) fn statement() -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": image("a")}}],
        "predicateType": COSIGN,
        "predicate": {},
    })
}

fn about(subjects: Value) -> String {
    let mut statement = statement();
    statement["subject"] = subjects;
    statement.to_string()
}

#[test]
fn a_statement_is_cosigns_and_about_the_image() {
    let signer = Signer::new();
    let text = statement().to_string();
    let changed = |member: &str, value: Value| {
        let mut statement = statement();
        statement[member] = value;
        statement.to_string()
    };
    let mut without = statement();
    without.as_object_mut().unwrap().remove("predicate");
    let (own, other) = (image("a"), image("b"));
    let digest = |digest: Value| about(json!([{"digest": digest}]));
    for good in [
        text.clone(),
        format!(" {text}\n"),
        without.to_string(), // as cosign wrote it before 3.0.5
        changed("predicate", json!({"more": [1]})),
        about(json!([{"name": "x", "digest": {"sha256": own}, "annotations": {"a": "b"}}])),
        about(json!([{"digest": {"sha256": other}}, {"digest": {"sha256": own}}])),
        digest(json!({"sha512": "00", "sha256": own})),
    ] {
        assert_eq!(signer.said(&good), Ok(()), "{good}");
    }
    for bad in [
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
        format!("{text}{{}}"),
        format!("\u{feff}{text}"),
        text.replacen('{', "{\"subject\":[],", 1),
        text.replace("predicateType", "PredicateType"),
        changed("_type", json!("https://in-toto.io/Statement/v2")),
        changed("predicateType", json!("https://slsa.dev/provenance/v1")),
        changed("predicateType", json!(format!("{COSIGN}/"))),
        changed("predicateType", json!(null)),
        about(json!(null)),
        about(json!([])),
        about(json!({})),
        about(json!([{"name": own}])),
        digest(json!({})),
        digest(json!(own)),
        digest(json!({"sha256": other})),
        digest(json!({"sha256": own.to_uppercase()})),
        digest(json!({"SHA256": own})),
        digest(json!({"sha1": own})),
        digest(json!({"sha256": format!("sha256:{own}")})),
        digest(json!({"sha256": format!("{own}\u{0}")})),
        digest(json!({"sha256": [own]})),
    ] {
        assert!(signer.said(&bad).is_err(), "{bad}");
    }
}

/// Threat row T168 (CVE-2024-45395).
#[test]
fn t168_subjects_and_their_digests_are_bounded() {
    let signer = Signer::new();
    let (own, other) = (image("a"), image("b"));
    for (count, good) in [(1, true), (1024, true), (1025, false), (50_000, false)] {
        let mut subjects = vec![json!({"digest": {"sha256": other}}); count];
        subjects[count - 1] = json!({"digest": {"sha256": own}});
        let said = signer.said(&about(subjects.into()));
        assert_eq!(said.is_ok(), good, "{count}");
        assert!(said.is_ok() || said.unwrap_err().len() < 200);
    }
    for (count, good) in [(31, true), (32, false), (5000, false)] {
        let mut digests: serde_json::Map<String, Value> = (0..count)
            .map(|number| (format!("x{number}"), json!("00")))
            .collect();
        digests.insert("sha256".to_owned(), json!(own));
        let said = signer.said(&about(json!([{"digest": digests}])));
        assert_eq!(said.is_ok(), good, "{count}");
    }
    let deep = text_of_depth(10_000);
    assert!(
        signer
            .said(&statement().to_string().replace("{}", &deep))
            .is_err()
    );
}

fn text_of_depth(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

/// Threat rows T163 and T175: the type of the payload is signed with it, and lengths have one spelling.
#[test]
fn t175_an_envelope_is_signed_over_type_and_payload_in_one_encoding() {
    let signer = Signer::new();
    let text = statement().to_string();
    let (kind, length) = (PAYLOAD_TYPE.len(), text.len());
    let good = encoded(PAYLOAD_TYPE, &text);
    assert!(
        signer
            .judge(&signer.bundle(PAYLOAD_TYPE, &text, good.as_bytes()))
            .is_ok()
    );
    for signed in [
        text.clone(),
        STANDARD.encode(&text),
        good.replace("DSSEv1", "DSSEv2"),
        good.replace("DSSEv1 ", "DSSEv1  "),
        format!("DSSEv1 {kind} {PAYLOAD_TYPE} 0{length} {text}"),
        format!("DSSEv1 {kind} {PAYLOAD_TYPE} +{length} {text}"),
        format!("DSSEv1 {kind} {PAYLOAD_TYPE} {} {text}", length + 1),
        format!("DSSEv1 {} {PAYLOAD_TYPE} {length} {text}", kind + 1),
        format!("DSSEv1 {kind:x} {PAYLOAD_TYPE} {length:x} {text}"),
        format!("DSSEv1 {length} {text} {kind} {PAYLOAD_TYPE}"),
        format!("{good}\n"),
        encoded("text/plain", &text),
        encoded("", &text),
    ] {
        let bundle = signer.bundle(PAYLOAD_TYPE, &text, signed.as_bytes());
        assert!(signer.judge(&bundle).is_err(), "{signed}");
    }
    // What somebody signed as something else is no statement.
    for payload_type in [
        "text/plain",
        "",
        "application/vnd.in-toto+json ",
        "application/vnd.in-toto.bundle",
    ] {
        let bundle = signer.bundle(payload_type, &text, encoded(payload_type, &text).as_bytes());
        assert!(signer.judge(&bundle).is_err(), "{payload_type}");
        // The type alone is changed afterwards.
        let mut relabelled = bundle;
        relabelled["dsseEnvelope"]["payloadType"] = json!(PAYLOAD_TYPE);
        assert!(signer.judge(&relabelled).is_err(), "{payload_type}");
    }
}

/// Threat row T186: bytes have one spelling in base64.
#[test]
fn t186_base64_of_a_bundle_has_one_spelling() {
    let signer = Signer::new();
    let text = statement().to_string();
    let good = signer.bundle(PAYLOAD_TYPE, &text, encoded(PAYLOAD_TYPE, &text).as_bytes());
    for pointer in ["/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig"] {
        let own = good.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let mut spellings = vec![
            format!("{own}\n"),
            format!(" {own}"),
            format!("{own}===="),
            own.trim_end_matches('=').to_owned() + if own.ends_with('=') { "" } else { "=" },
            own.replace('+', "-").replace('/', "_") + if own.contains(['+', '/']) { "" } else { "_" },
            own.get(..8).unwrap().to_owned() + "\n" + own.get(8..).unwrap(),
        ];
        // Bits that belong to no byte.
        let padding = own.len() - own.trim_end_matches('=').len();
        if padding > 0 {
            let last = own.len() - padding - 1;
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let position = alphabet.find(own.as_bytes()[last] as char).unwrap();
            let next = &alphabet[position + 1..=position + 1];
            spellings.push(format!("{}{next}{}", &own[..last], "=".repeat(padding)));
        }
        for spelling in spellings {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = json!(spelling);
            assert!(signer.judge(&changed).is_err(), "{pointer}: {spelling}");
        }
    }
}
