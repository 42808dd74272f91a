//! Threat row T162: a member or an item that is missing from a bundle or a root is no success.

use serde_json::Value;
use wharf_trust::{BundlePolicy, CertificateIdentity};

use super::kit::{ISSUER, SAN, identity, json as bundle, judge, key, root, root_json, root_of};

/// The document without each of its members and items, at every depth, and where each was.
fn without_each(document: &Value) -> Vec<(String, Value)> {
    let mut results = Vec::new();
    match document {
        Value::Object(members) => {
            for (name, value) in members {
                let mut less = members.clone();
                less.remove(name);
                results.push((format!("/{name}"), Value::Object(less)));
                for (pointer, less) in without_each(value) {
                    let mut changed = members.clone();
                    changed.insert(name.clone(), less);
                    results.push((format!("/{name}{pointer}"), Value::Object(changed)));
                }
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                let mut less = items.clone();
                less.remove(number);
                results.push((format!("/{number}"), Value::Array(less)));
                for (pointer, less) in without_each(value) {
                    let mut changed = items.clone();
                    changed[number] = less;
                    results.push((format!("/{number}{pointer}"), Value::Array(changed)));
                }
            }
        }
        _ => {}
    }
    results
}

/// Timestamps beside a log, of which there may be none.
const STAMPS: &str = "/verificationMaterial/timestampVerificationData";
/// The log's promise with its time, beside its proof and where another time suffices.
const PROMISE: &str = "/verificationMaterial/tlogEntries/0/inclusionPromise";
/// The name of the key, which is not believed.
const KEY_ID: &str = "/dsseEnvelope/signatures/0/keyid";

#[test]
fn t162_no_member_of_a_bundle_that_is_needed_may_be_missing() {
    let rooted = BundlePolicy::key(key()).with_root(root());
    let items = [
        format!("{STAMPS}/rfc3161Timestamps"),
        format!("{STAMPS}/rfc3161Timestamps/0"),
    ];
    let mut count = 0;
    for (name, policy, times, optional) in [
        ("certificate-log-a", identity(), 1, &[STAMPS] as &[&str]),
        (
            "certificate-log-time-a",
            identity(),
            2,
            &[STAMPS, &items[0], &items[1], PROMISE],
        ),
        ("certificate-time", identity().without_log(), 1, &[]),
        ("key-a", BundlePolicy::key(key()), 0, &[KEY_ID, STAMPS]),
        ("key-log-a", rooted, 1, &[KEY_ID, STAMPS, PROMISE]),
    ] {
        let good = bundle(name);
        assert_eq!(judge(&policy, &good).unwrap().times().len(), times);
        let mut accepted = Vec::new();
        for (pointer, less) in without_each(&good) {
            count += 1;
            let Ok(verified) = judge(&policy, &less) else {
                continue;
            };
            // A time that is missing is not counted.
            let has_stamp = name.contains("-time") && pointer.starts_with(STAMPS);
            let fewer = usize::from(has_stamp || pointer == PROMISE);
            assert_eq!(verified.times().len() + fewer, times, "{name}{pointer}");
            accepted.push(pointer);
        }
        assert_eq!(accepted, optional, "{name}");
    }
    println!("{count} bundles with a piece missing, accepted without what is not needed alone");
    assert!(count > 100);
}

#[test]
fn t162_no_member_of_a_root_that_is_needed_may_be_missing() {
    let good = bundle("certificate-log-time-a");
    let mut accepted = Vec::new();
    for (pointer, less) in without_each(&root_json()) {
        let Ok(root) = root_of(&less) else { continue };
        let identity = CertificateIdentity::new(SAN, ISSUER);
        let Ok(verified) = judge(&BundlePolicy::identity(identity, root), &good) else {
            continue;
        };
        // Without the timestamp authority its time does not count; names count for nothing.
        let is_authority = [
            "",
            "/0",
            "/0/certChain/certificates/0",
            "/0/certChain/certificates/1",
        ]
        .iter()
        .any(|part| pointer == format!("/timestampAuthorities{part}"));
        assert_eq!(verified.times().len(), 2 - usize::from(is_authority), "{pointer}");
        if !is_authority {
            accepted.push(pointer);
        }
    }
    let unused = [
        "baseUrl",
        "hashAlgorithm",
        "subject",
        "commonName",
        "organization",
        "uri",
        "validFor",
        "start",
    ];
    accepted.retain(|pointer| {
        let name = pointer.rsplit('/').next().unwrap();
        let of_log = pointer.starts_with("/tlogs") && name != "hashAlgorithm";
        of_log || !unused.contains(&name)
    });
    assert_eq!(accepted, Vec::<String>::new());
}
