//! Foreign bytes of every kind: no panic, and no bundle that is cut anywhere is a bundle.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use wharf_trust::{BundlePolicy, PublicKey, TrustedRoot};

use super::kit::{golden, identity, image, json as bundle, judge, key, now, root, root_json, root_of};

/// The pointers of all strings within a value.
fn strings(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                strings(value, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                strings(value, format!("{at}/{number}"), found);
            }
        }
        Value::String(_) => found.push(at),
        _ => {}
    }
}

/// The bytes cut short, at up to so many places, and with a byte of each value at them.
fn damaged(bytes: &[u8], places: usize) -> Vec<Vec<u8>> {
    let step = bytes.len().div_ceil(places).max(1);
    let mut results = Vec::new();
    for place in (0..bytes.len()).step_by(step) {
        results.push(bytes[..place].to_vec());
        for byte in [0, 0x7f, 0x80, 0xff, bytes[place].wrapping_add(1)] {
            let mut changed = bytes.to_vec();
            changed[place] = byte;
            results.push(changed);
        }
    }
    results
}

#[test]
fn t180_no_bytes_of_a_bundle_make_it_panic() {
    let mut count = 0;
    for (name, policy) in [
        ("certificate-log-time-a", identity()),
        ("key-log-a", BundlePolicy::key(key()).with_root(root())),
    ] {
        let good = bundle(name);
        let text = good.to_string();
        for bytes in damaged(text.as_bytes(), 300) {
            let verdict = policy.verify_image(&bytes, &image("a"), now());
            assert!(verdict.is_err() || bytes.len() == text.len());
            count += 1;
        }
        let mut pointers = Vec::new();
        strings(&good, String::new(), &mut pointers);
        for pointer in pointers {
            let own = good.pointer(&pointer).unwrap().as_str().unwrap();
            let Ok(own) = STANDARD.decode(own) else { continue };
            for bytes in damaged(&own, 60).iter().filter(|bytes| **bytes != own) {
                let mut changed = good.clone();
                *changed.pointer_mut(&pointer).unwrap() = STANDARD.encode(bytes).into();
                let verdict = judge(&policy, &changed);
                let Ok(verified) = verdict else {
                    count += 1;
                    continue;
                };
                // A hint is not believed, and no key need be named. A timestamp by somebody who is not known does not count, and neither does
                // whether it was granted as it was asked for.
                let mut pairs = bytes.iter().zip(&own).enumerate();
                let granted =
                    bytes.len() == own.len() && pairs.all(|(at, (one, other))| at == 8 || one == other);
                let stamped =
                    pointer.ends_with("/signedTimestamp") && (granted || verified.times().len() == 1);
                let named = pointer.ends_with("/hint") || (pointer.ends_with("/keyid") && bytes.is_empty());
                assert!(stamped || named, "{pointer}");
                count += 1;
            }
        }
    }
    println!("{count} damaged bundles");
}

#[test]
fn t180_no_bytes_of_a_root_or_key_make_it_panic() {
    let good = root_json();
    for bytes in damaged(good.to_string().as_bytes(), 300) {
        let _ = TrustedRoot::parse(&bytes);
    }
    let mut pointers = Vec::new();
    strings(&good, String::new(), &mut pointers);
    let signed = golden("certificate-log-time-a.json");
    for pointer in pointers.iter().filter(|pointer| pointer.ends_with("/rawBytes")) {
        let own = STANDARD
            .decode(good.pointer(pointer).unwrap().as_str().unwrap())
            .unwrap();
        for bytes in damaged(&own, 60).iter().filter(|bytes| **bytes != own) {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = STANDARD.encode(bytes).into();
            let Ok(root) = root_of(&changed) else { continue };
            let identity = wharf_trust::CertificateIdentity::new(super::kit::SAN, super::kit::ISSUER);
            let policy = BundlePolicy::identity(identity, root);
            let _ = policy.verify_image(&signed, &image("a"), now());
        }
    }
    for name in ["ecdsa-P-256", "ecdsa-P-384", "rsa-2048", "ed25519"] {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/keys/");
        let pem = std::fs::read(format!("{folder}{name}.pub")).unwrap();
        for bytes in damaged(&pem, 400) {
            let _ = PublicKey::from_pem(&bytes);
        }
    }
}
