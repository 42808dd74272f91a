//! Threat row T162: a piece that is missing, empty or cut is no success, whichever it is and whoever judges.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use wharf_content::Signature;
use wharf_trust::{RefusalKind, Subject, Trust};

use crate::{
    forge::Sig,
    images::{by, good, key},
    recording::Recording,
    support::{NAME, NOW, good_payload, judged, manifest, reference, trust},
};

/// Cases that are accepted, each with the annotations that it needs.
const ACCEPTED: &[(&str, &[&str])] = &[
    ("signatures: one good", &[SIGNATURE]),
    ("log: a key that is logged", &[SIGNATURE, SET]),
    ("fulcio: good", &[SIGNATURE, SET, CERTIFICATE, CHAIN]),
    ("pki: by both", &[SIGNATURE, CERTIFICATE, CHAIN]),
];

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const SET: &str = "dev.sigstore.cosign/bundle";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";

/// The parts of an attachment.
fn parts(signature: &Signature) -> (Vec<u8>, BTreeMap<String, String>) {
    match signature {
        Signature::Attachment {
            payload, annotations, ..
        } => (payload.to_vec(), annotations.clone()),
        other => panic!("{other:?}"),
    }
}

fn with(signature: &Signature, payload: Vec<u8>, annotations: BTreeMap<String, String>) -> Signature {
    match signature {
        Signature::Attachment { media_type, .. } => Signature::Attachment {
            media_type: media_type.clone(),
            payload: payload.into(),
            annotations,
        },
        other => panic!("{other:?}"),
    }
}

/// The document without each of its members, at every depth.
pub(crate) fn without_each_member(document: &Value) -> Vec<Value> {
    let mut results = Vec::new();
    if let Value::Object(members) = document {
        for (name, value) in members {
            let mut less = members.clone();
            less.remove(name);
            results.push(Value::Object(less));
            for less in without_each_member(value) {
                let mut changed = members.clone();
                changed.insert(name.clone(), less);
                results.push(Value::Object(changed));
            }
        }
    }
    results
}

#[test]
fn t162_no_piece_of_an_attachment_may_be_missing_empty_or_cut() {
    let recording = Recording::new();
    let mut count = 0;
    for (name, needed) in ACCEPTED {
        let case = recording.case(name);
        let [signature] = recording.signatures(case).try_into().unwrap();
        let accepts = |signature: Signature| recording.judge(case, &[signature]).is_ok();
        assert!(accepts(signature.clone()), "{name}");
        let (payload, annotations) = parts(&signature);
        let mut refused = |payload: &[u8], annotations: BTreeMap<String, String>, piece: &str| {
            assert!(
                !accepts(with(&signature, payload.to_vec(), annotations)),
                "{name}: {piece}"
            );
            count += 1;
        };
        for annotation in *needed {
            let mut without = annotations.clone();
            let text = without.remove(*annotation).unwrap();
            refused(&payload, without.clone(), annotation);
            // All that is shorter, of long texts each 7th.
            for end in (0..text.len()).step_by(text.len().div_ceil(300)) {
                // What is left of PEM without the line end is the same certificate.
                if text[end..].trim().is_empty() {
                    continue;
                }
                let mut cut = without.clone();
                cut.insert((*annotation).to_owned(), text[..end].to_owned());
                refused(&payload, cut, annotation);
            }
        }
        for end in 0..payload.len() {
            refused(&payload[..end], annotations.clone(), "the payload");
        }
        if let Some(set) = annotations.get(SET) {
            let set: Value = serde_json::from_str(set).unwrap();
            for less in without_each_member(&set) {
                let mut cut = annotations.clone();
                cut.insert(SET.to_owned(), less.to_string());
                refused(&payload, cut, "a member of the timestamp");
            }
        }
    }
    println!("{count} attachments with a piece missing, 0 accepted");
    assert!(count > 2000);
}

#[test]
fn t162_no_member_of_a_signed_payload_may_be_missing() {
    let key = key();
    let trust = trust([by(&key)]);
    let payload: Value = serde_json::from_slice(&good_payload()).unwrap();
    let less = without_each_member(&payload);
    assert_eq!(less.len(), 7);
    for less in less {
        let blob = Sig::by(&key, 0, NOW).message(&key, less.to_string().as_bytes());
        assert!(judged(&trust, &[blob]).is_err(), "{less}");
    }
}

#[test]
fn t162_a_clock_that_is_wrong_is_no_success() {
    let signatures = [Signature::Simple(good(&key()).into())];
    let judge = |trust: Trust, now: SystemTime| {
        let trust = trust.with_clock(move || now);
        let verdict = trust.judge(&Subject::new(&manifest(), &reference(NAME)), &signatures);
        verdict.map(drop).map_err(|refusal| refusal.kind())
    };
    let before = UNIX_EPOCH - Duration::from_secs(1);
    // No key is valid yet.
    for now in [before, UNIX_EPOCH] {
        assert_eq!(judge(Trust::of([by(&key())]), now), Err(RefusalKind::Keys));
    }
    // The certificates of an authority of one's own count at the present.
    let recording = Recording::new();
    let case = recording.case("pki: by both");
    let signatures = recording.signatures(case);
    for (now, good) in [
        (Some(recording.time()), true),
        (Some(before), false),
        (Some(UNIX_EPOCH), false),
        (
            recording.time().checked_add(Duration::from_secs(30_000 * 86_400)),
            false,
        ),
        (
            UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX.unsigned_abs())),
            false,
        ),
    ] {
        // Not every system can count so far.
        let Some(now) = now else { continue };
        assert_eq!(
            recording.judge_at(case, &signatures, now).is_ok(),
            good,
            "{now:?}"
        );
    }
}
