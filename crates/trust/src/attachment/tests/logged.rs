//! Keys with a transparency log: T88 to T90, T160.

use serde_json::{Value, json};

use super::{
    super::{
        Signer,
        annotations::{SET, SIGNATURE},
    },
    kit::{
        self, Certified, Key, Log, PAYLOAD, TIME, authority_params, base64, body, file, leaf_params, root,
    },
};
use crate::{Reason, public_key::PublicKey, rekor};

fn verify(key: &Key, log: &Log, set: &str) -> Result<(), Reason> {
    let mut annotations = key.annotations();
    // The signature that the set is for is in it: cosign has it in both places.
    let text: Value = serde_json::from_str(set).unwrap_or_default();
    if let Some(content) = content(&text) {
        annotations = kit::annotations(&content);
    }
    annotations.insert(SET.to_owned(), set.to_owned());
    let signer = key.logged_signer(log);
    signer.verify(PAYLOAD, &annotations, TIME).map(drop)
}

fn content(set: &Value) -> Option<Vec<u8>> {
    let body = crate::json::base64(set["Payload"]["body"].as_str()?)?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    crate::json::base64(body["spec"]["signature"]["content"].as_str()?)
}

#[test]
fn the_key_that_the_log_names_must_have_signed() {
    let (one, other, log) = (Key::new(), Key::new(), Log::new());
    let pems = [one.pem(), other.pem()];
    let signer = Signer::keys(&[file(&pems[0]), file(&pems[1])], &[file(&log.0.pem())]).unwrap();
    for key in [&one, &other] {
        let accepted = signer
            .verify(PAYLOAD, &key.logged_annotations(&log), TIME)
            .unwrap();
        assert_eq!(accepted.logged, Some(TIME));
        let signed_by = PublicKey::from_pem(key.pem().as_bytes()).unwrap();
        assert_eq!(accepted.by, super::super::By::Key(signed_by));
    }
    // The entry names one key, and the other one has signed.
    let signature = one.sign(PAYLOAD);
    let mut annotations = kit::annotations(&signature);
    annotations.insert(
        SET.to_owned(),
        log.set(&body(&signature, &other.pem(), PAYLOAD), TIME),
    );
    assert!(signer.verify(PAYLOAD, &annotations, TIME).is_err());
    // No entry at all, or that of a log that is not trusted.
    assert!(signer.verify(PAYLOAD, &one.annotations(), TIME).is_err());
    let foreign = one.logged_annotations(&Log::new());
    assert!(signer.verify(PAYLOAD, &foreign, TIME).is_err());
}

#[test]
fn one_of_several_logs_is_enough_and_their_keys_are_ecdsa() {
    let (key, logs) = (Key::new(), [Log::new(), Log::new()]);
    let pems = logs.each_ref().map(|log| log.0.pem());
    let key_pem = key.pem();
    let signer = Signer::keys(&[file(&key_pem)], &pems.each_ref().map(|pem| file(pem))).unwrap();
    for log in &logs {
        assert!(signer.verify(PAYLOAD, &key.logged_annotations(log), TIME).is_ok());
    }
    let rsa = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/keys/rsa-2048.pub"
    ));
    assert!(Signer::keys(&[file(&key_pem)], &[file(rsa)]).is_err());
}

#[test]
fn a_set_has_its_members_and_no_others() {
    let (key, log) = (Key::new(), Log::new());
    let good: Value = serde_json::from_str(&key.logged_annotations(&log)[SET]).unwrap();
    assert!(verify(&key, &log, &good.to_string()).is_ok());
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut set = good.clone();
        change(&mut set);
        set.to_string()
    };
    let mut bad = vec![
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        format!("{good}x"),
        format!("{good}{good}"),
        good.to_string()
            .replacen('{', "{\"SignedEntryTimestamp\":\"\",", 1),
        good.to_string()
            .replacen("\"Payload\":{", "\"Payload\":{\"logIndex\":7,", 1),
        good.to_string().replace("\"logIndex\":7", "\"logIndex\":7.0"),
        good.to_string().replace("\"logIndex\":7", "\"logIndex\":7e0"),
        good.to_string()
            .replace("\"logIndex\":7", "\"logIndex\":9007199254740993"),
        good.to_string().replace("\"logIndex\":7", "\"logIndex\":-7"),
        good.to_string().replace("\"logIndex\":7", "\"logIndex\":\"7\""),
        good.to_string().replace("\"logIndex\":7", "\"logIndex\":8"),
        good.to_string().replace("\"logIndex\"", "\"LogIndex\""),
        good.to_string().replace("\"Payload\"", "\"payload\""),
        changed(&|set| set["more"] = json!(1)),
        changed(&|set| set["Payload"]["more"] = json!(1)),
    ];
    for member in ["SignedEntryTimestamp", "Payload"] {
        bad.push(changed(&|set| drop(set.as_object_mut().unwrap().remove(member))));
        for value in [
            json!(null),
            json!(1),
            json!([]),
            json!("%"),
            json!({}),
            json!("AAAA"),
        ] {
            bad.push(changed(&|set| set[member] = value.clone()));
        }
    }
    for member in ["body", "integratedTime", "logIndex", "logID"] {
        bad.push(changed(&|set| {
            drop(set["Payload"].as_object_mut().unwrap().remove(member));
        }));
        for value in [
            json!(null),
            json!([]),
            json!("%"),
            json!({}),
            json!("AAAA"),
            json!(1.5),
            json!(-1),
            json!(1),
        ] {
            bad.push(changed(&|set| set["Payload"][member] = value.clone()));
        }
    }
    let count = bad.len();
    for set in bad {
        assert!(verify(&key, &log, &set).is_err(), "{set}");
    }
    println!("{count} changed signed entry timestamps, 0 accepted");
    // What is not signed may be spelled as it likes.
    let spaced = serde_json::to_string_pretty(&good).unwrap();
    assert!(verify(&key, &log, &spaced).is_ok());
}

/// Well signed, but not within what every reader of JSON keeps exact, or no identifier of a log.
#[test]
fn the_signed_members_of_a_set_are_exact_for_everybody() {
    let (key, log) = (Key::new(), Log::new());
    let signature = key.sign(PAYLOAD);
    let body = base64(body(&signature, &key.pem(), PAYLOAD).to_string());
    let time = u64::try_from(TIME).unwrap();
    for (index, time, id, good) in [
        (0, time, "c0d23d6a", true),
        ((1 << 53) - 1, time, "c0d23d6a", true),
        (1 << 53, time, "c0d23d6a", false),
        (u64::MAX, time, "c0d23d6a", false),
        (7, (1 << 53) - 1, "c0d23d6a", true),
        (7, 1 << 53, "c0d23d6a", false),
        (7, u64::MAX, "c0d23d6a", false),
        (7, time, "", false),
        (7, time, "c0d", false),
        (7, time, "the log", false),
    ] {
        let set = log.set_of(&json!({
            "body": body, "integratedTime": time, "logIndex": index, "logID": id,
        }));
        assert_eq!(verify(&key, &log, &set).is_ok(), good, "{index} {time} {id:?}");
    }
}

#[test]
fn the_canonical_text_is_that_of_rfc_8785() {
    let texts = ["", "AAAA", "+/+/", "0123456789abcdefABCDEF=="];
    for (number, body) in texts.iter().enumerate() {
        for integer in [0, 1, 9, 10, 1_670_870_899, (1 << 53) - 1] {
            let promise = rekor::Promise {
                body,
                integrated_time: integer,
                log_index: integer / 2 + u64::try_from(number).unwrap(),
                log_id: "c0d23d6ad406973f",
            };
            let sorted = json!({
                "body": promise.body,
                "integratedTime": promise.integrated_time,
                "logIndex": promise.log_index,
                "logID": promise.log_id,
            });
            assert_eq!(promise.canonical(), sorted.to_string());
        }
    }
}

#[test]
fn t160_an_entry_is_for_this_signature_key_and_payload() {
    let (key, log) = (Key::new(), Log::new());
    let signature = key.sign(PAYLOAD);
    let good = body(&signature, &key.pem(), PAYLOAD);
    // Another good one of the same signer and log, for another payload.
    let other_payload = b"{}";
    let other = body(&key.sign(other_payload), &key.pem(), other_payload);
    let stranger = Key::new();
    let annotated = |body: &Value| {
        let mut annotations = kit::annotations(&signature);
        annotations.insert(SET.to_owned(), log.set(body, TIME));
        key.logged_signer(&log)
            .verify(PAYLOAD, &annotations, TIME)
            .map(drop)
    };
    assert!(annotated(&good).is_ok());
    let mut changed = vec![other.clone(), json!({}), json!([]), json!(null), json!("x")];
    let set = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for pointer in [
        "/apiVersion",
        "/kind",
        "/spec",
        "/spec/data",
        "/spec/data/hash",
        "/spec/data/hash/algorithm",
        "/spec/data/hash/value",
        "/spec/signature",
        "/spec/signature/content",
        "/spec/signature/publicKey",
        "/spec/signature/publicKey/content",
    ] {
        let swapped = other.pointer(pointer).unwrap();
        if swapped != good.pointer(pointer).unwrap() {
            changed.push(set(pointer, swapped.clone()));
        }
        for value in [
            json!(null),
            json!(1),
            json!(""),
            json!("AAAA"),
            json!({}),
            json!([]),
        ] {
            changed.push(set(pointer, value));
        }
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let mut body = good.clone();
        body.pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(member);
        changed.push(body);
    }
    let pem = key.pem();
    for text in [
        stranger.pem(),
        format!("{pem}{pem}"),
        format!("{pem}x"),
        format!("x\n{pem}"),
        pem.replace("PUBLIC KEY", "CERTIFICATE"),
        pem.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
    ] {
        changed.push(set("/spec/signature/publicKey/content", json!(base64(text))));
    }
    changed.push(set("/apiVersion", json!("0.0.2")));
    changed.push(set("/kind", json!("rekord")));
    changed.push(set("/spec/data/hash/algorithm", json!("sha512")));
    changed.push(set(
        "/spec/data/hash/value",
        json!(crate::public_key::hex(&[0; 32])),
    ));
    let count = changed.len();
    for body in changed {
        assert!(annotated(&body).is_err(), "{body}");
    }
    println!("{count} changed log entries, 0 accepted");
    // Members that nobody reads are ignored, those that are there twice are not.
    let mut more = good.clone();
    more["spec"]["data"]["url"] = json!("https://example.com");
    assert!(annotated(&more).is_ok());
    let twice = good.to_string().replacen('{', "{\"kind\":\"hashedrekord\",", 1);
    let mut annotations = kit::annotations(&signature);
    let text =
        log.set_of(&json!({"body": base64(twice), "integratedTime": TIME, "logIndex": 1, "logID": "00"}));
    annotations.insert(SET.to_owned(), text);
    assert!(
        key.logged_signer(&log)
            .verify(PAYLOAD, &annotations, TIME)
            .is_err()
    );
}

/// With a certificate, the entry is for that one, its signature and the payload, however good it is for another.
#[test]
fn t160_an_entry_is_for_this_signature_certificate_and_payload() {
    let authority = root(authority_params("root"));
    let (key, other) = (Key::new(), Key::new());
    let issue = |key: &Key| leaf_params().signed_by(&key.0, &authority).unwrap().pem();
    let [certificate, again, others] = [issue(&key), issue(&key), issue(&other)];
    let mut certified = Certified::with(&key, &certificate, &[&authority], TIME);
    assert!(certified.fulcio(&authority.pem()).is_ok());
    let signature = crate::json::base64(&certified.annotations[SIGNATURE]).unwrap();
    for (what, body) in [
        ("another's", body(&other.sign(PAYLOAD), &others, PAYLOAD)),
        ("another's certificate", body(&signature, &others, PAYLOAD)),
        (
            "another certificate of the key",
            body(&signature, &again, PAYLOAD),
        ),
        ("the key", body(&signature, &key.pem(), PAYLOAD)),
        (
            "another signature",
            body(&key.sign(PAYLOAD), &certificate, PAYLOAD),
        ),
        ("another payload", body(&signature, &certificate, b"{}")),
        ("nothing", json!({})),
    ] {
        let set = certified.log.set(&body, TIME);
        certified.annotations.insert(SET.to_owned(), set);
        assert!(certified.fulcio(&authority.pem()).is_err(), "{what}");
    }
    let set = certified.log.set(&body(&signature, &certificate, PAYLOAD), TIME);
    certified.annotations.insert(SET.to_owned(), set);
    assert!(certified.fulcio(&authority.pem()).is_ok());
}
