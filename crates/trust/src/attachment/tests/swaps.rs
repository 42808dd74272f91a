//! Each region of something good, replaced by the same region of another good thing of the same signer or
//! authority.

use super::{
    super::annotations::{CERTIFICATE, SET, SIGNATURE},
    kit::{
        Certified, Key, Log, PAYLOAD, TIME, annotations, authority_params, base64, body, leaf_params, root,
    },
};
use crate::json;

/// The first with every window of the second in it that makes a difference.
fn swapped(one: &[u8], other: &[u8]) -> Vec<Vec<u8>> {
    let length = one.len().min(other.len());
    let mut results = Vec::new();
    for size in [1, 2, 4, 8, 16, 32, 64, 128, 256, length] {
        for start in (0..length).step_by(size.div_ceil(2)) {
            let end = (start + size).min(length);
            let mut bytes = one.to_vec();
            bytes[start..end].copy_from_slice(&other[start..end]);
            if bytes != one && bytes != other {
                results.push(bytes);
            }
        }
    }
    results.sort();
    results.dedup();
    results
}

const OTHER: &[u8] = br#"{"critical":{"identity":{"docker-reference":"registry.example/other"},"image":{"docker-manifest-digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000"},"type":"cosign container image signature"},"optional":null}"#;

#[test]
fn no_region_of_a_signature_or_payload_can_be_anothers() {
    let key = Key::new();
    let signer = key.signer();
    let (one, other) = (key.sign(PAYLOAD), key.sign(OTHER));
    let mut count = 0;
    for signature in swapped(&one, &other).iter().chain([&other]) {
        assert!(signer.verify(PAYLOAD, &annotations(signature), TIME).is_err());
        count += 1;
    }
    for payload in swapped(PAYLOAD, OTHER) {
        assert!(signer.verify(&payload, &annotations(&one), TIME).is_err());
        count += 1;
    }
    println!("{count} swaps in signatures and payloads, 0 accepted");
    assert!(count > 100);
}

#[test]
fn no_region_of_a_set_can_be_anothers() {
    let (key, log) = (Key::new(), Log::new());
    let signer = key.logged_signer(&log);
    let set_of = |payload: &[u8], time| {
        let signature = key.sign(payload);
        let set = log.set(&body(&signature, &key.pem(), payload), time);
        (signature, set)
    };
    let ((signature, one), (_, other)) = (set_of(PAYLOAD, TIME), set_of(OTHER, TIME + 12_345));
    let mut count = 0;
    let mut refused = |set: String| {
        let mut annotations = annotations(&signature);
        annotations.insert(SET.to_owned(), set);
        assert!(signer.verify(PAYLOAD, &annotations, TIME).is_err());
        count += 1;
    };
    for set in swapped(one.as_bytes(), other.as_bytes()) {
        // A swap that changes nothing of what is signed would be no attack; there is none in compact JSON.
        refused(String::from_utf8(set).unwrap());
    }
    let (one, other): (serde_json::Value, serde_json::Value) = (
        serde_json::from_str(&one).unwrap(),
        serde_json::from_str(&other).unwrap(),
    );
    for pointer in [
        "/SignedEntryTimestamp",
        "/Payload",
        "/Payload/body",
        "/Payload/integratedTime",
    ] {
        let mut set = one.clone();
        *set.pointer_mut(pointer).unwrap() = other.pointer(pointer).unwrap().clone();
        refused(set.to_string());
    }
    for pointer in ["/SignedEntryTimestamp", "/Payload/body"] {
        let bytes =
            |set: &serde_json::Value| json::base64(set.pointer(pointer).unwrap().as_str().unwrap()).unwrap();
        for bytes in swapped(&bytes(&one), &bytes(&other)) {
            let mut set = one.clone();
            *set.pointer_mut(pointer).unwrap() = base64(bytes).into();
            refused(set.to_string());
        }
    }
    println!("{count} swaps in signed entry timestamps, 0 accepted");
    assert!(count > 500);
}

#[test]
fn no_region_of_a_certificate_can_be_anothers() {
    let root = root(authority_params("root"));
    let certify = |key: &Key| {
        let params = leaf_params();
        params.signed_by(&key.0, &root).unwrap().der().to_vec()
    };
    let (key, other_key) = (Key::new(), Key::new());
    let (one, other) = (certify(&key), certify(&other_key));
    let pem = |der: &[u8]| {
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            base64(der)
        )
    };
    assert!(
        Certified::with(&key, &pem(&one), &[], TIME)
            .fulcio(&root.pem())
            .is_ok()
    );
    let mut count = 0;
    for der in swapped(&one, &other).iter().chain([&other]) {
        // The log has the changed certificate, as it has whatever anybody sends: it is the authority that
        // must not.
        let certified = Certified::with(&key, &pem(der), &[], TIME);
        assert!(certified.fulcio(&root.pem()).is_err());
        assert!(certified.pki(&root.pem(), TIME).is_err());
        count += 1;
    }
    println!("{count} swaps in certificates, 0 accepted");
    assert!(count > 200);
    // All of another good signature but one annotation.
    let (good, foreign) = (
        Certified::with(&key, &pem(&one), &[], TIME),
        Certified::with(&other_key, &pem(&other), &[], TIME),
    );
    for annotation in [SIGNATURE, SET, CERTIFICATE] {
        let mut mixed = Certified {
            log: Log(Key(
                rcgen::KeyPair::from_pem(&good.log.0.0.serialize_pem()).unwrap()
            )),
            annotations: good.annotations.clone(),
        };
        mixed
            .annotations
            .insert(annotation.to_owned(), foreign.annotations[annotation].clone());
        assert!(mixed.fulcio(&root.pem()).is_err(), "{annotation}");
    }
}
