//! Each region of a good bundle, replaced by the same region of another good one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use wharf_trust::{BundlePolicy, PublicKey};

use super::kit::{golden, identity, image, json as bundle, judge, key, now, root};

/// The pointers at which two documents of one shape differ, of objects and lists too.
pub(crate) fn differences(one: &Value, other: &Value, at: String, found: &mut Vec<String>) {
    if one == other {
        return;
    }
    match (one, other) {
        (Value::Object(members), Value::Object(_)) => {
            for (name, value) in members {
                differences(value, &other[name], format!("{at}/{name}"), found);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (number, value) in items.iter().enumerate() {
                differences(value, &others[number], format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
}

/// The first with every window of the second in it that makes a difference.
fn swapped(one: &[u8], other: &[u8]) -> Vec<Vec<u8>> {
    let length = one.len().min(other.len());
    let mut results = Vec::new();
    for size in [1, 4, 16, 64, 256, 1024, length] {
        for start in (0..length).step_by(size.max(length / 400)) {
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

#[test]
fn t160_no_region_of_a_bundle_can_be_anothers() {
    let rooted = BundlePolicy::key(key()).with_root(root());
    let mut count = 0;
    for (kind, policy) in [
        ("certificate-log", identity()),
        ("certificate-log-time", identity()),
        ("key", BundlePolicy::key(key())),
        ("key-log", rooted),
    ] {
        let (one, other) = (bundle(&format!("{kind}-a")), bundle(&format!("{kind}-b")));
        assert!(judge(&policy, &one).is_ok());
        assert!(
            policy
                .verify_image(other.to_string().as_bytes(), &image("b"), now())
                .is_ok()
        );
        let mut pointers = Vec::new();
        differences(&one, &other, String::new(), &mut pointers);
        for pointer in pointers {
            let mut mixed = one.clone();
            *mixed.pointer_mut(&pointer).unwrap() = other.pointer(&pointer).unwrap().clone();
            if mixed != other {
                assert!(judge(&policy, &mixed).is_err(), "{kind}{pointer}");
                count += 1;
            }
            // The other way round: all of the other bundle but this.
            let mut mixed = other.clone();
            *mixed.pointer_mut(&pointer).unwrap() = one.pointer(&pointer).unwrap().clone();
            if mixed != one {
                assert!(judge(&policy, &mixed).is_err(), "{kind}{pointer}");
                count += 1;
            }
            let bytes = |value: &Value| STANDARD.decode(value.pointer(&pointer)?.as_str()?).ok();
            if let (Some(own), Some(foreign)) = (bytes(&one), bytes(&other)) {
                for bytes in swapped(&own, &foreign) {
                    let mut mixed = one.clone();
                    *mixed.pointer_mut(&pointer).unwrap() = STANDARD.encode(bytes).into();
                    assert!(judge(&policy, &mixed).is_err(), "{kind}{pointer}");
                    count += 1;
                }
            }
        }
    }
    println!("{count} swaps in bundles, 0 accepted");
    assert!(count > 2000);
}

#[test]
fn no_single_bit_of_what_is_believed_can_be_another() {
    let good = bundle("certificate-log-time-a");
    let policy = identity();
    let mut count = 0;
    for pointer in [
        "/dsseEnvelope/payload",
        "/dsseEnvelope/signatures/0/sig",
        "/verificationMaterial/certificate/rawBytes",
        "/verificationMaterial/tlogEntries/0/canonicalizedBody",
        "/verificationMaterial/tlogEntries/0/inclusionPromise/signedEntryTimestamp",
        "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash",
    ] {
        let bytes = STANDARD
            .decode(good.pointer(pointer).unwrap().as_str().unwrap())
            .unwrap();
        for position in (0..bytes.len()).step_by((bytes.len() / 60).max(1)) {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1 << (position % 8);
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = STANDARD.encode(flipped).into();
            assert!(judge(&policy, &changed).is_err(), "{pointer} {position}");
            count += 1;
        }
    }
    println!("{count} flipped bits, 0 accepted");
}

#[test]
fn a_key_is_not_a_certificate_that_has_it() {
    let certificate = golden("certificate-log-a.json");
    let pem = include_bytes!("../../golden/keys/ecdsa-P-256.pub");
    let policy = BundlePolicy::key(PublicKey::from_pem(pem).unwrap());
    assert!(policy.verify_image(&certificate, &image("a"), now()).is_err());
}
