use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use wharf_trust::{BundlePolicy, CertificateIdentity, Problem, PublicKey, SignedTime};

use super::kit::{
    ISSUER, SAN, changed, golden, identity, image, json as bundle, judge, key, logged, now, root, root_json,
    root_of,
};

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Problem>, part: &str) {
    let problem = match result {
        Ok(accepted) => panic!("{part}: {accepted:?}"),
        Err(problem) => problem.to_string(),
    };
    assert!(problem.contains(part), "{problem:?} does not contain {part:?}");
}

#[test]
fn a_bundle_is_verified_from_its_log_to_its_statement() {
    let logged_a = bundle("certificate-log-a");
    let verified = judge(&identity(), &logged_a).unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(logged(&logged_a).try_into().unwrap());
    assert_eq!(verified.times(), [SignedTime::Log(time)]);
    assert_eq!(
        verified.predicate_type(),
        Some("https://sigstore.dev/cosign/sign/v1")
    );
    assert_eq!(verified.signer().to_string(), format!("{SAN} ({ISSUER})"));

    for (name, expected) in [
        ("certificate-log-a", Ok(1)),
        ("certificate-log-time-a", Ok(2)),
        // T166: of one authority one time counts.
        ("certificate-two-times", Ok(2)),
        // The other authority has the names of the one that is known, and another key.
        (
            "certificate-log-and-other-time",
            Err("do not name its content and certificate"),
        ),
        ("certificate-log-b", Err("other content")),
        ("certificate-log-time-b", Err("other content")),
        ("certificate-time", Err("no log")),
        ("certificate-nothing", Err("no log")),
        ("certificate-other-log", Err("no log")),
        ("certificate-other-time", Err("no log")),
        ("other-signer", Err("the certificate is for")),
        ("provenance", Err("https://slsa.dev/provenance/v1")),
        ("message", Err("version before 0.3")),
        ("key-a", Err("signed with a key")),
        ("key-log-a", Err("signed with a key")),
    ] {
        match (judge(&identity(), &bundle(name)), expected) {
            (Ok(verified), Ok(times)) => assert_eq!(verified.times().len(), times, "{name}"),
            (result, Err(part)) => refused(result, part),
            (Err(problem), _) => panic!("{name}: {problem}"),
        }
    }
    // A timestamp authority alone gives a time too.
    let policy = identity().without_log();
    let verified = judge(&policy, &bundle("certificate-time")).unwrap();
    assert!(matches!(verified.times(), [SignedTime::Authority(_)]));
    refused(
        judge(&policy, &bundle("certificate-nothing")),
        "when the signature was made",
    );
    refused(
        judge(&policy, &bundle("certificate-other-time")),
        "do not name its content and certificate",
    );
}

#[test]
fn with_a_key_the_log_is_asked_where_a_root_is_given() {
    let alone = BundlePolicy::key(key());
    let rooted = alone.clone().with_root(root());
    let unlogged = rooted.clone().without_log();
    for (name, policy, expected) in [
        ("key-a", &alone, Ok(0)),
        // Entries are not looked at, and no time is known.
        ("key-log-a", &alone, Ok(0)),
        ("key-a", &rooted, Err("no log")),
        ("key-log-a", &rooted, Ok(1)),
        ("key-a", &unlogged, Ok(0)),
        ("key-log-a", &unlogged, Ok(1)),
        ("key-b", &alone, Err("other content")),
        ("key-log-b", &rooted, Err("other content")),
        (
            "key-provenance",
            &alone,
            Err("which is not the one that is demanded"),
        ),
        ("key-message", &alone, Err("version before 0.3")),
        ("certificate-log-a", &alone, Err("signed with a certificate")),
        ("certificate-log-a", &rooted, Err("signed with a certificate")),
    ] {
        match (judge(policy, &bundle(name)), expected) {
            (Ok(verified), Ok(times)) => {
                assert_eq!(verified.times().len(), times, "{name}");
                assert_eq!(
                    verified.signer().to_string(),
                    format!("sha256:{}", key().fingerprint())
                );
            }
            (result, Err(part)) => refused(result, part),
            (Err(problem), _) => panic!("{name}: {problem}"),
        }
    }
    let stranger = PublicKey::from_pem(include_bytes!("../../golden/keys/ecdsa-P-256.pub")).unwrap();
    refused(
        judge(&BundlePolicy::key(stranger.clone()), &bundle("key-a")),
        "not valid",
    );
    refused(
        judge(
            &BundlePolicy::key(stranger).with_root(root()),
            &bundle("key-log-a"),
        ),
        "another key",
    );
    let nonsense = changed(&bundle("key-a"), |bundle| {
        bundle["verificationMaterial"]["tlogEntries"] = bundle_entries("certificate-log-b");
    });
    assert!(judge(&alone, &nonsense).is_ok());
    refused(judge(&rooted, &nonsense), "the log entry is for");
}

fn bundle_entries(name: &str) -> Value {
    bundle(name)["verificationMaterial"]["tlogEntries"].clone()
}

#[test]
fn artifacts_and_digests() {
    let bytes = |name: &str| golden(&format!("{name}.json"));
    // The package writes messages as bundles of version 0.2.
    let (policy, by_key) = (
        identity().with_old_versions(true),
        BundlePolicy::key(key()).with_old_versions(true),
    );
    assert!(policy.verify_blob(&bytes("message"), b"image a", now()).is_ok());
    assert!(
        by_key
            .verify_blob(&bytes("key-message"), b"image a", now())
            .is_ok()
    );
    refused(
        policy.verify_blob(&bytes("message"), b"image b", now()),
        "another digest",
    );
    refused(
        by_key.verify_digest(&bytes("key-message"), &image("a"), now()),
        "the artifact itself is needed",
    );
    // Envelopes are for the artifact whose digest they have, of whatever type.
    for name in ["certificate-log-a", "provenance"] {
        let verified = policy.verify_blob(&bytes(name), b"image a", now()).unwrap();
        assert!(verified.predicate_type().is_some());
        assert!(policy.verify_digest(&bytes(name), &image("a"), now()).is_ok());
        refused(
            policy.verify_blob(&bytes(name), b"image b", now()),
            "other content",
        );
        refused(
            policy.verify_digest(&bytes(name), &image("b"), now()),
            "other content",
        );
    }
    // A hint of another digest, without which the signature would still be good.
    let hinted = |value: Value| {
        changed(&bundle("key-message"), |bundle| {
            bundle["messageSignature"]["messageDigest"] = value;
        })
    };
    let verdict = |bundle: Value| by_key.verify_blob(bundle.to_string().as_bytes(), b"image a", now());
    assert!(verdict(hinted(json!(null))).is_ok());
    refused(
        verdict(hinted(json!({"algorithm": "SHA2_256", "digest": "AAAA"}))),
        "another digest",
    );
    refused(
        verdict(hinted(json!({"algorithm": "MD5", "digest": "AAAA"}))),
        "another digest",
    );
    for (name, policy) in [("message", &policy), ("key-message", &by_key)] {
        refused(judge(policy, &bundle(name)), "says nothing about an image");
    }
    let huge = vec![0; (64 << 20) + 1];
    refused(
        by_key.verify_blob(&bytes("key-message"), &huge, now()),
        "larger than",
    );
}

#[test]
fn t163_an_attestation_is_no_signature_of_the_image() {
    const SLSA: &str = "https://slsa.dev/provenance/v1";
    for (name, policy) in [
        ("provenance", identity()),
        ("key-provenance", BundlePolicy::key(key())),
    ] {
        refused(judge(&policy, &bundle(name)), SLSA);
        let verified = judge(&policy.clone().attestation(SLSA), &bundle(name)).unwrap();
        assert_eq!(verified.predicate_type(), Some(SLSA));
        refused(
            judge(
                &policy.attestation("https://slsa.dev/provenance/v0.2"),
                &bundle(name),
            ),
            SLSA,
        );
    }
    let attested = identity().attestation(SLSA);
    refused(judge(&attested, &bundle("certificate-log-a")), "cosign/sign");
}

#[test]
fn t188_identity_and_issuer_are_compared_exactly() {
    let with = |identity: CertificateIdentity| {
        judge(
            &BundlePolicy::identity(identity, root()),
            &bundle("certificate-log-a"),
        )
    };
    assert!(with(CertificateIdentity::new(SAN, ISSUER)).is_ok());
    for (san, issuer) in [
        ("https://example.com/ad", ISSUER),
        ("https://example.com/ada/", ISSUER),
        ("https://example.com/Ada", ISSUER),
        ("https://example.com/ada\0", ISSUER),
        ("example.com/ada", ISSUER),
        (".*", ISSUER),
        ("", ISSUER),
        (SAN, "https://accounts.example/"),
        (SAN, "https://ACCOUNTS.example"),
        (SAN, "http://accounts.example"),
        (SAN, ".*"),
        (SAN, ""),
        (ISSUER, SAN),
    ] {
        assert!(
            with(CertificateIdentity::new(san, issuer)).is_err(),
            "{san} {issuer}"
        );
    }
    let demanding = |number, value: &str| CertificateIdentity::new(SAN, ISSUER).with_extension(number, value);
    for (number, value, good) in [
        (12, "https://github.com/example/app", true),
        (14, "refs/heads/main", true),
        (20, "push", true),
        (12, "https://github.com/example/app2", false),
        (12, "", false),
        (14, "refs/heads/mai", false),
        (22, "public", false),
        (9, "", false),
    ] {
        assert_eq!(
            with(demanding(number, value).unwrap()).is_ok(),
            good,
            "{number} {value}"
        );
    }
    for number in [0, 1, 8, 23, 255] {
        assert!(demanding(number, "x").is_err());
    }
}

#[test]
fn t186_a_bundle_has_its_members_once_and_no_others() {
    let good = bundle("certificate-log-time-a");
    let policy = identity();
    assert!(judge(&policy, &good).is_ok());
    // An unknown member in every object.
    let mut pointers = Vec::new();
    objects(&good, String::new(), &mut pointers);
    assert!(pointers.len() > 12);
    for pointer in &pointers {
        let more = changed(&good, |bundle| {
            bundle.pointer_mut(pointer).unwrap()["more"] = json!(1);
        });
        assert!(judge(&policy, &more).is_err(), "{pointer}");
    }
    // Every member twice, missing, null, and of another type.
    let text = good.to_string();
    let mut count = 0;
    for pointer in &pointers {
        for (name, value) in good.pointer(pointer).unwrap().as_object().unwrap() {
            let member = format!("{}:{value}", json!(name));
            let twice = text.replacen(&member, &format!("{member},{member}"), 1);
            assert!(
                policy.verify_image(twice.as_bytes(), &image("a"), now()).is_err(),
                "{pointer} {name}"
            );
            let other = text.replacen(&member, &format!("{}:{value}", json!(name.to_uppercase())), 1);
            assert!(
                policy.verify_image(other.as_bytes(), &image("a"), now()).is_err(),
                "{pointer} {name}"
            );
            for other in [
                json!(true),
                json!(1.5),
                json!("\u{0}"),
                json!(["x"]),
                json!({"x": 1}),
            ] {
                let other = changed(&good, |bundle| bundle.pointer_mut(pointer).unwrap()[name] = other);
                assert!(judge(&policy, &other).is_err(), "{pointer} {name}: {other}");
                count += 1;
            }
        }
    }
    println!("{count} members of another type, 0 accepted");
    // Without what is needed.
    for pointer in [
        "/mediaType",
        "/verificationMaterial",
        "/verificationMaterial/certificate",
        "/verificationMaterial/tlogEntries",
        "/verificationMaterial/tlogEntries/0/inclusionProof",
        "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint",
        "/verificationMaterial/tlogEntries/0/canonicalizedBody",
        "/verificationMaterial/tlogEntries/0/logId",
        "/verificationMaterial/tlogEntries/0/kindVersion",
        "/dsseEnvelope",
        "/dsseEnvelope/payloadType",
        "/dsseEnvelope/signatures/0",
    ] {
        let without = changed(&good, |bundle| {
            *bundle.pointer_mut(pointer).unwrap() = json!(null);
        });
        assert!(judge(&policy, &without).is_err(), "{pointer}");
    }
    for text in ["", "null", "[]", "{}", "\u{feff}{}"] {
        assert!(policy.verify_image(text.as_bytes(), &image("a"), now()).is_err());
    }
    let padded = text.clone() + &" ".repeat(4 << 20);
    refused(
        policy.verify_image(padded.as_bytes(), &image("a"), now()),
        "longer than",
    );
}

/// The pointers of all objects within a value.
fn objects(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                objects(value, format!("{at}/{name}"), found);
            }
            found.push(at);
        }
        Value::Array(items) => {
            for (number, value) in items.iter().enumerate() {
                objects(value, format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn old_versions_are_accepted_on_request_alone() {
    let good = bundle("certificate-log-a");
    let with = |media_type: &str| changed(&good, |bundle| bundle["mediaType"] = json!(media_type));
    let old = identity().with_old_versions(true);
    for (media_type, today, also_old) in [
        ("application/vnd.dev.sigstore.bundle.v0.3+json", true, true),
        ("application/vnd.dev.sigstore.bundle+json;version=0.3", true, true),
        (
            "application/vnd.dev.sigstore.bundle+json;version=0.2",
            false,
            true,
        ),
        (
            "application/vnd.dev.sigstore.bundle+json;version=0.1",
            false,
            true,
        ),
        ("application/vnd.dev.sigstore.bundle.v0.4+json", false, false),
        (
            "application/vnd.dev.sigstore.bundle+json;version=0.4",
            false,
            false,
        ),
        ("application/vnd.dev.sigstore.bundle.v0.3+json ", false, false),
        ("application/json", false, false),
        ("", false, false),
    ] {
        assert_eq!(
            judge(&identity(), &with(media_type)).is_ok(),
            today,
            "{media_type}"
        );
        assert_eq!(judge(&old, &with(media_type)).is_ok(), also_old, "{media_type}");
    }
    // A chain of certificates is of old versions alone, and a log's word without a proof of the oldest.
    let anchor = root_json()["certificateAuthorities"][0]["certChain"]["certificates"]
        .as_array()
        .unwrap()
        .last()
        .cloned()
        .unwrap();
    let chained_below = |version: &str, above: &[Value]| {
        changed(
            &with(&format!(
                "application/vnd.dev.sigstore.bundle+json;version={version}"
            )),
            |bundle| {
                let material = bundle["verificationMaterial"].as_object_mut().unwrap();
                let certificate = material.remove("certificate").unwrap();
                let certificates = [&[certificate], above].concat();
                material.insert(
                    "x509CertificateChain".into(),
                    json!({"certificates": certificates}),
                );
            },
        )
    };
    let chained = |version: &str| chained_below(version, &[]);
    let unproven = |version: &str| {
        changed(
            &with(&format!(
                "application/vnd.dev.sigstore.bundle+json;version={version}"
            )),
            |bundle| {
                let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
                entry["inclusionProof"] = json!(null);
            },
        )
    };
    // A root comes from the caller, and from nobody else.
    refused(
        judge(&old, &chained_below("0.2", &[anchor])),
        "has a root certificate",
    );
    for (version, chain, promise) in [("0.1", true, true), ("0.2", true, false), ("0.3", false, false)] {
        assert_eq!(judge(&old, &chained(version)).is_ok(), chain, "{version}");
        assert_eq!(judge(&old, &unproven(version)).is_ok(), promise, "{version}");
    }
}

#[test]
fn the_envelope_names_no_other_key() {
    let good = bundle("key-a");
    let policy = BundlePolicy::key(key());
    let hint = good["verificationMaterial"]["publicKey"]["hint"].clone();
    let named = |id: Value| {
        changed(&good, |bundle| {
            bundle["dsseEnvelope"]["signatures"][0]["keyid"] = id;
        })
    };
    assert!(judge(&policy, &named(hint)).is_ok());
    assert!(judge(&policy, &named(json!(""))).is_ok());
    refused(judge(&policy, &named(json!("another"))), "another key");
    let two = changed(&good, |bundle| {
        let signatures = bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
        signatures.push(signatures[0].clone());
    });
    refused(judge(&policy, &two), "more than 1");
    let both = changed(&bundle("certificate-log-a"), |bundle| {
        bundle["verificationMaterial"]["publicKey"] = json!({"hint": ""});
    });
    assert!(judge(&identity(), &both).is_err());
}

#[test]
fn entries_are_bounded_and_count_once() {
    let good = bundle("certificate-log-a");
    let entries = |entries: Vec<Value>| {
        changed(&good, |bundle| {
            bundle["verificationMaterial"]["tlogEntries"] = entries.into();
        })
    };
    let entry = good["verificationMaterial"]["tlogEntries"][0].clone();
    let foreign = |number: usize| {
        changed(&bundle_entries("certificate-other-log")[0], |entry| {
            entry["logIndex"] = json!(number.to_string());
        })
    };
    assert!(judge(&identity(), &entries(vec![entry.clone()])).is_ok());
    refused(
        judge(&identity(), &entries(vec![entry.clone(), entry.clone()])),
        "twice",
    );
    refused(judge(&identity(), &entries(vec![])), "no log");
    // Entries of logs that are not known do not count, neither for nor against.
    let with_foreign = |count: usize| {
        let mut all: Vec<Value> = (0..count).map(foreign).collect();
        all.push(entry.clone());
        entries(all)
    };
    assert!(judge(&identity(), &with_foreign(31)).is_ok());
    refused(judge(&identity(), &with_foreign(32)), "more than 32");
    let stamps = |count: usize| {
        let stamped = bundle("certificate-log-time-a");
        changed(&stamped, |bundle| {
            let data = &mut bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
            *data = vec![data[0].clone(); count].into();
        })
    };
    assert_eq!(judge(&identity(), &stamps(32)).unwrap().times().len(), 2);
    refused(judge(&identity(), &stamps(33)), "more than 32");
    let no_such_hash = changed(&good, |bundle| {
        bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["hashes"] =
            vec!["AAAA"; 65].into();
    });
    refused(judge(&identity(), &no_such_hash), "more than 64");
}

#[test]
fn nothing_is_from_the_future() {
    let stamped = bundle("certificate-log-time-a");
    let time = logged(&stamped);
    let at = |seconds: i64| {
        let now = UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap());
        identity().verify_image(stamped.to_string().as_bytes(), &image("a"), now)
    };
    assert!(at(time + 60).is_ok());
    refused(at(time - 1), "from the future");
    refused(at(0), "from the future");
    // The log's word alone.
    let by_key = BundlePolicy::key(key()).with_root(root());
    for (name, policy) in [("certificate-log-a", identity()), ("key-log-a", by_key)] {
        let logged_at = logged(&bundle(name));
        for (seconds, good) in [(logged_at, true), (logged_at - 1, false), (0, false)] {
            let now = UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap());
            let text = bundle(name).to_string();
            let verdict = policy.verify_image(text.as_bytes(), &image("a"), now);
            assert_eq!(verdict.is_ok(), good, "{name} at {seconds}: {verdict:?}");
        }
    }
}

#[test]
fn t195_the_proof_is_for_the_entry_and_signed_by_the_log() {
    let good = bundle("certificate-log-a");
    let note =
        good["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"].clone();
    let note = note.as_str().unwrap().to_owned();
    let with_note = |note: String| {
        changed(&good, |bundle| {
            bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"] =
                note.into();
        })
    };
    assert!(judge(&identity(), &with_note(note.clone())).is_ok());
    let (text, signature) = note.split_once("\n\n").unwrap();
    let witness = "\u{2014} witness.example AAAAAAAAAAAAAAAAAAAAAA==\n";
    // Lines of others count for nothing.
    assert!(judge(&identity(), &with_note(format!("{text}\n\n{witness}{signature}"))).is_ok());
    assert!(judge(&identity(), &with_note(format!("{text}\n\n{signature}{witness}"))).is_ok());
    for bad in [
        String::new(),
        text.to_owned(),
        format!("{text}\n"),
        format!("{text}\n\n"),
        format!("{text}\n\n{witness}"),
        format!("{text}\nmore\n\n{signature}"),
        format!("{text}\n{signature}"),
        note.replacen("rekor.example", "rekor.other.example", 1),
        note.replace("rekor.example", "rekor.other.example"),
        note.replacen("\n1\n", "\n2\n", 1),
        note.replacen("\n1\n", "\n01\n", 1),
        note.replacen("\n1\n", "\n0\n", 1),
        note.replace("\u{2014} ", "- "),
        note.replace('\n', "\r\n"),
        format!("{text}\n\n{}{signature}", witness.repeat(32)),
        format!("{text}\n\n{signature}{}", "x".repeat(16 << 10)),
    ] {
        assert!(judge(&identity(), &with_note(bad.clone())).is_err(), "{bad}");
    }
    let proof = |member: &str, value: Value| {
        changed(&good, |bundle| {
            bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"][member] = value;
        })
    };
    for (member, value) in [
        ("logIndex", json!("1")),
        ("logIndex", json!("-1")),
        ("treeSize", json!("0")),
        ("treeSize", json!("2")),
        ("treeSize", json!("9223372036854775808")),
        ("rootHash", json!("")),
        ("rootHash", json!("AAAA")),
        ("hashes", json!(["AAAA"])),
        ("hashes", json!(["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="])),
    ] {
        assert!(
            judge(&identity(), &proof(member, value.clone())).is_err(),
            "{member} {value}"
        );
    }
}

#[test]
fn t161_keys_come_from_the_root_alone() {
    // Whoever runs a log of his own has entries that are all right but for the log.
    refused(judge(&identity(), &bundle("certificate-other-log")), "no log");
    let mut renamed = bundle("certificate-other-log");
    let known = root_json()["tlogs"][0]["logId"]["keyId"].clone();
    renamed["verificationMaterial"]["tlogEntries"][0]["logId"]["keyId"] = known;
    refused(judge(&identity(), &renamed), "not signed by the log");
    // Without any log in the root nothing counts.
    let empty = changed(&root_json(), |root| root["tlogs"] = json!([]));
    let policy = BundlePolicy::identity(CertificateIdentity::new(SAN, ISSUER), root_of(&empty).unwrap());
    refused(judge(&policy, &bundle("certificate-log-a")), "no log");
}
