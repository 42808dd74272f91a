//! What a source of signatures is asked for, and what is said of bundles that do not count.

use rcgen::KeyPair;
use serde_json::json;
use wharf_config::Requirement;
use wharf_content::{Signature, Wanted};
use wharf_trust::{RefusalKind, Trust};

use super::kit::{
    By, DAY, DEFAULT_IDENTITY, Log, Making, TIME, authority, bundle, fulcio, keys, pki, trust, trusted_root,
};
use crate::{
    from_source::{Scripted, judged, refusal},
    images::{by, key},
    support::digest,
};

const NONE: &str = "A signature was required, but no signature exists";

fn accepting(requirement: &str) -> Trust {
    trust(requirement, DEFAULT_IDENTITY).bundles_name_nothing_but_a_digest()
}

#[test]
fn bundles_are_asked_for_where_they_can_count_and_counted_where_they_cannot() {
    let (signer, log) = (KeyPair::generate().unwrap(), Log::new("log.example"));
    let authority = authority("authority");
    let root = || {
        trusted_root(
            &[log.listed(TIME - DAY, None)],
            &[super::kit::listed(&[&authority])],
        )
    };
    let (plain, logged) = (keys(&[&signer], &[]), keys(&[&signer], &[&log]));
    let (fulcio, pki) = (fulcio(&[&authority], &[&log]), pki(&authority));
    let off = "bundles name no image, so that no signedIdentity can be met, and the program does not accept them for \
               their digest alone";
    let no_root = "of this requirement bundles need the logs and authorities of a trusted_root.json, and the program has \
                   none";
    let both = [Wanted::ATTACHMENTS, Wanted::BUNDLES];
    for (trust, asked, why) in [
        (trust(&plain, DEFAULT_IDENTITY), &both[..1], Some(off)),
        (
            trust(&plain, DEFAULT_IDENTITY).with_root(root()),
            &both[..1],
            Some(off),
        ),
        (
            trust(&fulcio, DEFAULT_IDENTITY).with_root(root()),
            &both[..1],
            Some(off),
        ),
        (trust(&pki, DEFAULT_IDENTITY), &both[..1], Some(off)),
        (accepting(&plain), &both, None),
        (accepting(&logged), &both[..1], Some(no_root)),
        (accepting(&fulcio), &both[..1], Some(no_root)),
        (accepting(&logged).with_root(root()), &both, None),
        (accepting(&fulcio).with_root(root()), &both, None),
        (
            accepting(&pki).with_root(root()),
            &both[..1],
            Some("bundles are not supported for a requirement with pki"),
        ),
    ] {
        let source = Scripted {
            counts: vec![(digest(), Wanted::BUNDLES, Ok(2))],
            ..Scripted::default()
        };
        let rejection = judged(&trust, &source).unwrap_err();
        let text = rejection.to_string();
        assert_eq!(refusal(&rejection).kind(), RefusalKind::NoSignature, "{text}");
        assert_eq!(source.asked("signatures"), asked, "{text}");
        let (counted, end) = match why {
            Some(why) => (1, format!("{NONE}; 2 sigstore bundles of it do not count: {why}")),
            None => (0, NONE.to_owned()),
        };
        assert_eq!(source.asked("count").len(), counted, "{text}");
        assert!(text.ends_with(&end), "{text}\n{end}");
    }
}

/// A blob of unknown format is of the kind that was asked for.
#[test]
fn what_is_listed_as_a_bundle_and_is_none_is_a_bundle_that_does_not_count() {
    let signer = KeyPair::generate().unwrap();
    let good = || bundle(&Making::by(By::Key(&signer)).make());
    let none = || Signature::Unknown {
        blob: bytes::Bytes::new(),
        reason: "sha256:0 is listed as a bundle, but it has no layer".to_owned(),
    };
    let page = || Signature::from_blob("<html>".into());
    let trust = accepting(&keys(&[&signer], &[]));
    let both = || trust.clone().and(by(&key()));
    for (what, trust, signatures, no_bundles, kind, reasons) in [
        (
            "none",
            trust.clone(),
            vec![],
            vec![none()],
            Some(RefusalKind::NoneAccepted),
            vec!["no layer"],
        ),
        (
            "none and a good one",
            trust.clone(),
            vec![good()],
            vec![none()],
            None,
            vec![],
        ),
        (
            "none and a bad one",
            trust.clone(),
            vec![bundle(&json!({}))],
            vec![none()],
            Some(RefusalKind::NoneAccepted),
            vec!["no layer", "the bundle"],
        ),
        // The page lies where simple signatures do, and is none of these.
        (
            "a page among simple signatures",
            both(),
            vec![page()],
            vec![none()],
            Some(RefusalKind::NoneAccepted),
            vec!["no layer"],
        ),
        // And what is no bundle is no simple signature.
        (
            "a bundle alone",
            both(),
            vec![good()],
            vec![none()],
            Some(RefusalKind::NoSignature),
            vec![],
        ),
    ] {
        let source = Scripted {
            signatures,
            no_bundles,
            ..Scripted::default()
        };
        match (judged(&trust, &source), kind) {
            (Ok(verdict), None) => assert_eq!(verdict.met()[0].rejected().len(), 1, "{what}"),
            (Err(rejection), Some(kind)) => {
                let refusal = refusal(&rejection);
                assert_eq!(refusal.kind(), kind, "{what}: {refusal}");
                let found = refusal.signatures();
                assert_eq!(found.len(), reasons.len(), "{what}: {refusal}");
                for (examined, reason) in found.iter().zip(reasons) {
                    assert_eq!(examined.kind(), Wanted::BUNDLES, "{what}");
                    assert!(
                        examined.reason().to_string().contains(reason),
                        "{what}: {refusal}"
                    );
                }
            }
            (judged, _) => panic!("{what}: {judged:?}"),
        }
    }
}

/// Bundles meet `sigstoreSigned` and no other requirement.
#[test]
fn no_bundle_meets_another_kind_of_requirement() {
    let signer = KeyPair::generate().unwrap();
    let source = || Scripted {
        signatures: vec![bundle(&Making::by(By::Key(&signer)).make())],
        counts: vec![(digest(), Wanted::BUNDLES, Ok(1))],
        ..Scripted::default()
    };
    let simple = Trust::of([by(&key())]).bundles_name_nothing_but_a_digest();
    let text = judged(&simple, &source()).unwrap_err().to_string();
    let end =
        format!("{NONE}; 1 sigstore bundle of it does not count: signedBy looks at simple signatures alone");
    assert!(text.ends_with(&end), "{text}");
    let reject = Trust::of([Requirement::Reject]).bundles_name_nothing_but_a_digest();
    let rejected = source();
    judged(&reject, &rejected).unwrap_err();
    assert!(rejected.asked("signatures").is_empty());
    let strict = Trust::of([Requirement::InsecureAcceptAnything])
        .bundles_name_nothing_but_a_digest()
        .require_signed();
    let refused = judged(&strict, &source()).unwrap_err();
    assert_eq!(refusal(&refused).kind(), RefusalKind::NothingVerified);
}
