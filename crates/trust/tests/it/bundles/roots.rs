use serde_json::{Value, json};
use wharf_trust::{BundlePolicy, CertificateIdentity, Problem, TrustedRoot, VerifiedBundle};

use super::kit::{ISSUER, SAN, changed, json as bundle, judge, key, logged, root_json, root_of};

fn identity(root: &Value) -> Result<BundlePolicy, Problem> {
    Ok(BundlePolicy::identity(
        CertificateIdentity::new(SAN, ISSUER),
        root_of(root)?,
    ))
}

fn verdict(root: &Value, name: &str) -> Result<VerifiedBundle, Problem> {
    judge(&identity(root)?, &bundle(name))
}

/// A time of RFC 3339, by its second.
fn rfc3339(seconds: i64) -> String {
    wharf_content::format_timestamp(seconds).unwrap()
}

#[test]
fn a_root_is_whole_or_an_error() {
    let good = root_json();
    assert!(root_of(&good).is_ok());
    for pointer in [
        "/mediaType",
        "/tlogs/0/publicKey",
        "/tlogs/0/publicKey/rawBytes",
        "/tlogs/0/publicKey/keyDetails",
        "/tlogs/0/publicKey/validFor",
        "/tlogs/0/publicKey/validFor/start",
        "/tlogs/0/logId",
        "/tlogs/0/logId/keyId",
        "/ctlogs/0/publicKey/validFor/start",
        "/certificateAuthorities/0/certChain",
        "/certificateAuthorities/0/certChain/certificates",
        "/certificateAuthorities/0/certChain/certificates/0/rawBytes",
        "/timestampAuthorities/0/certChain",
    ] {
        for value in [
            json!(null),
            json!(7),
            json!("nonsense"),
            json!({"x": 1}),
            json!([1]),
        ] {
            // Kinds of keys are many, see below.
            if pointer.ends_with("/keyDetails") && value.is_string() {
                continue;
            }
            // Eight letters are base64 of some id.
            let value = if value.is_string() {
                json!("no base64")
            } else {
                value
            };
            let bad = changed(&good, |root| *root.pointer_mut(pointer).unwrap() = value);
            assert!(root_of(&bad).is_err(), "{pointer}: {bad}");
        }
    }
    for pointer in [
        "",
        "/tlogs/0",
        "/tlogs/0/publicKey",
        "/tlogs/0/publicKey/validFor",
        "/certificateAuthorities/0",
    ] {
        let more = changed(&good, |root| {
            root.pointer_mut(pointer).unwrap()["more"] = json!(1);
        });
        assert!(root_of(&more).is_err(), "{pointer}");
    }
    for (media_type, supported) in [
        ("application/vnd.dev.sigstore.trustedroot+json;version=0.1", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.1+json", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.2+json", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.3+json", false),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", false),
    ] {
        let root = changed(&good, |root| root["mediaType"] = json!(media_type));
        assert_eq!(root_of(&root).is_ok(), supported, "{media_type}");
    }
    let many = changed(&good, |root| {
        root["tlogs"] = vec![root["tlogs"][0].clone(); 101].into();
    });
    assert!(root_of(&many).is_err());
    let padded = good.to_string() + &" ".repeat(4 << 20);
    assert!(TrustedRoot::parse(padded.as_bytes()).is_err());
    for text in ["", "null", "[]", "{}"] {
        assert!(TrustedRoot::parse(text.as_bytes()).is_err());
    }
}

#[test]
fn a_key_of_an_unknown_kind_makes_its_entry_unusable_and_not_the_file() {
    let mut root = root_json();
    let unknown = changed(&root["tlogs"][0], |log| {
        log["publicKey"]["keyDetails"] = json!("ML_DSA_65");
        log["publicKey"]["rawBytes"] = json!("AAAA");
    });
    root["tlogs"].as_array_mut().unwrap().insert(0, unknown);
    assert!(verdict(&root, "certificate-log-a").is_ok());
    root["tlogs"].as_array_mut().unwrap().pop();
    assert!(verdict(&root, "certificate-log-a").is_err());
}

/// Threat rows T164, T165 and T167: keys and authorities count in their time alone, both ends within it.
#[test]
fn logs_and_authorities_count_in_their_time() {
    let name = "certificate-log-a";
    let time = logged(&bundle(name));
    let issued = 5; // A certificate's timestamp is some seconds older.
    for (list, pointer, slack) in [
        ("tlogs", "/tlogs/0/publicKey/validFor", 0),
        ("certificateAuthorities", "/certificateAuthorities/0/validFor", 0),
        ("ctlogs", "/ctlogs/0/publicKey/validFor", issued),
    ] {
        for (start, end, good) in [
            (time - 100, None, true),
            (time - slack, Some(time), true),
            (time - 100, Some(time), true),
            (time - 100, Some(time - 1 - slack), false),
            (time + 1, None, false),
            (time + 1, Some(time + 100), false),
        ] {
            let mut range = json!({"start": rfc3339(start)});
            if let Some(end) = end {
                range["end"] = json!(rfc3339(end));
            }
            let root = changed(&root_json(), |root| {
                *root.pointer_mut(pointer).unwrap() = range.clone();
            });
            let result = verdict(&root, name);
            assert_eq!(result.is_ok(), good, "{list} {range}: {result:?}");
        }
    }
    // The second that a part of a second begins is not within what ends before it is over.
    let parts = |start: String| {
        let range = json!({"start": start});
        changed(&root_json(), |root| {
            root["tlogs"][0]["publicKey"]["validFor"] = range;
        })
    };
    assert!(verdict(&parts(rfc3339(time).replace('Z', ".000Z")), name).is_ok());
    assert!(verdict(&parts(rfc3339(time).replace('Z', ".001Z")), name).is_err());
    assert!(verdict(&parts(rfc3339(time).replace('Z', "+00:00")), name).is_ok());
}

#[test]
fn t165_a_logs_key_that_has_ended_needs_a_time() {
    let name = "key-log-a";
    let time = logged(&bundle(name));
    let ended = changed(&root_json(), |root| {
        root["tlogs"][0]["publicKey"]["validFor"] =
            json!({"start": rfc3339(time - 10), "end": rfc3339(time + 10)});
    });
    let policy = BundlePolicy::key(key()).with_root(root_of(&ended).unwrap());
    assert!(judge(&policy, &bundle(name)).is_ok());
    // The proof alone says that it is in the log, and not when it came there.
    let timeless = changed(&bundle(name), |bundle| {
        let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
        entry["inclusionPromise"] = json!(null);
    });
    assert!(judge(&policy, &timeless).is_err());
    let policy = BundlePolicy::key(key()).with_root(root_of(&root_json()).unwrap());
    assert!(judge(&policy, &timeless).unwrap().times().is_empty());
}

#[test]
fn t167_timestamps_are_by_an_authority_of_the_root_in_its_time() {
    let unlogged = |root: &Value| judge(&identity(root)?.without_log(), &bundle("certificate-time"));
    let good = root_json();
    assert!(unlogged(&good).is_ok());
    let chain = "/timestampAuthorities/0/certChain/certificates";
    let signer = good.pointer(chain).unwrap()[0].clone();
    let anchor = good.pointer(chain).unwrap()[1].clone();
    let with = |certificates: Value| changed(&good, |root| *root.pointer_mut(chain).unwrap() = certificates);
    for (name, certificates) in [
        ("the signer alone, which is no authority", json!([signer])),
        ("the anchor alone, and the signer is nowhere", json!([anchor])),
        ("in the wrong order", json!([anchor, signer])),
        (
            "the authority of signers",
            good.pointer("/certificateAuthorities/0/certChain/certificates")
                .unwrap()
                .clone(),
        ),
    ] {
        assert!(unlogged(&with(certificates)).is_err(), "{name}");
    }
    let none = changed(&good, |root| root["timestampAuthorities"] = json!([]));
    assert!(unlogged(&none).is_err());
    for (start, end) in [
        ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"),
        ("2040-01-01T00:00:00Z", "2041-01-01T00:00:00Z"),
    ] {
        let root = changed(&good, |root| {
            root["timestampAuthorities"][0]["validFor"] = json!({"start": start, "end": end});
        });
        assert!(unlogged(&root).is_err());
        // What it says is wrong, even where a log says a time too.
        assert!(verdict(&root, "certificate-log-time-a").is_err());
    }
}

#[test]
fn t189_a_certificate_is_in_a_ct_log_of_the_root() {
    let name = "certificate-log-a";
    let good = root_json();
    let none = changed(&good, |root| root["ctlogs"] = json!([]));
    assert!(verdict(&none, name).is_err());
    assert!(judge(&identity(&none).unwrap().without_ct_log(), &bundle(name)).is_ok());
    // The option is for roots without a log, and not for certificates that are in none.
    let other = changed(&good, |root| {
        root["ctlogs"] = root["tlogs"].clone();
    });
    assert!(verdict(&other, name).is_err());
    assert!(judge(&identity(&other).unwrap().without_ct_log(), &bundle(name)).is_err());
    let other_key = changed(&good, |root| {
        root["ctlogs"][0]["publicKey"]["rawBytes"] = root["tlogs"][0]["publicKey"]["rawBytes"].clone();
    });
    assert!(verdict(&other_key, name).is_err());
}
