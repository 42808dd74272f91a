//! All forms of `sigstoreSigned`: by default, kinds, identities, times and numbers.

use serde_json::json;
use wharf_config::Policy;
use wharf_content::Wanted;
use wharf_trust::{ImageName, ReasonKind, RefusalKind, SignedTime, Subject, Trust};

use super::{
    kit::{DAY, DEFAULT_IDENTITY, Making, bundle, now, pki, trust},
    world::{World, assert_judged, judged},
};
use crate::{
    sigstore,
    support::{NAME, manifest, reference},
};

#[test]
fn a_requirement_with_pki_takes_no_bundle() {
    let world = World::new();
    let trust = trust(&pki(&world.authority), DEFAULT_IDENTITY)
        .bundles_name_nothing_but_a_digest()
        .with_root(world.root());
    for making in [world.by_ada(), world.by_ada().in_log(&world.log), world.by_key()] {
        let expected = Err((
            ReasonKind::Format,
            "bundles are not supported for a requirement with pki",
        ));
        assert_judged("pki", &trust, &bundle(&making.make()), expected);
    }
}

/// Nothing of a root and nothing of a bundle counts unless the program says so.
#[test]
fn no_bundle_meets_a_requirement_by_default() {
    let world = World::new();
    let key = bundle(&world.by_key().in_log(&world.log).make());
    let certificate = bundle(&world.by_ada().in_log(&world.log).make());
    for (requirement, good) in [
        (world.keys(), &key),
        (world.logged_keys(), &key),
        (world.fulcio(), &certificate),
        (pki(&world.authority), &certificate),
    ] {
        let trust = trust(&requirement, DEFAULT_IDENTITY);
        for trust in [trust.clone(), trust.with_root(world.root())] {
            let refusal = judged(&trust, std::slice::from_ref(good)).unwrap_err();
            assert_eq!(refusal.kind(), RefusalKind::NoSignature, "{refusal}");
            assert!(refusal.signatures().is_empty());
            assert!(refusal.to_string().contains("1 sigstore bundle"), "{refusal}");
        }
    }
}

#[test]
fn the_kinds_are_those_that_can_meet_the_requirement() {
    let world = World::new();
    let both = Wanted::ATTACHMENTS.or(Wanted::BUNDLES);
    for (requirement, without_root, with_root) in [
        (world.keys(), both, both),
        (world.logged_keys(), Wanted::ATTACHMENTS, both),
        (world.fulcio(), Wanted::ATTACHMENTS, both),
        (pki(&world.authority), Wanted::ATTACHMENTS, Wanted::ATTACHMENTS),
    ] {
        let trust = trust(&requirement, DEFAULT_IDENTITY);
        let rooted = trust.clone().with_root(world.root());
        let name = reference(NAME);
        for off in [&trust, &rooted] {
            assert_eq!(off.wanted(&name).unwrap(), Wanted::ATTACHMENTS);
        }
        let on = |trust: Trust| trust.bundles_name_nothing_but_a_digest().wanted(&name).unwrap();
        assert_eq!((on(trust), on(rooted)), (without_root, with_root));
    }
    let simple = r#"{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}]}"#;
    let simple = Trust::new(Policy::parse(simple).unwrap()).bundles_name_nothing_but_a_digest();
    assert_eq!(simple.wanted(&reference(NAME)).unwrap(), Wanted::SIMPLE);
}

/// The identity of the requirement is asked for of attachments alone.
#[test]
fn no_identity_is_asked_for_of_bundles_and_of_attachments_it_is() {
    let world = World::new();
    let attached = sigstore::attached(&world.key, "registry.example/other:1", &manifest());
    let signed = bundle(&world.by_key().make());
    let manifest = manifest();
    for identity in [
        r#"{"type": "matchExact"}"#,
        DEFAULT_IDENTITY,
        r#"{"type": "matchRepository"}"#,
        r#"{"type": "exactReference", "dockerReference": "registry.example/x:1"}"#,
        r#"{"type": "exactRepository", "dockerRepository": "registry.example/x"}"#,
        r#"{"type": "remapIdentity", "prefix": "registry.example", "signedPrefix": "origin.example"}"#,
    ] {
        let trust = trust(&world.keys(), identity).bundles_name_nothing_but_a_digest();
        for name in [ImageName::from(&reference(NAME)), ImageName::Unnamed] {
            let subject = Subject::new(&manifest, name);
            let refusal = trust
                .judge(&subject, std::slice::from_ref(&attached))
                .unwrap_err();
            assert_eq!(refusal.signatures()[0].reason().kind(), ReasonKind::Identity);
            assert_eq!(refusal.signatures()[0].kind(), Wanted::ATTACHMENTS);
            let verdict = trust
                .judge(&subject, &[attached.clone(), signed.clone()])
                .unwrap();
            let met = &verdict.met()[0];
            assert_eq!((met.signature(), met.kind()), (Some(1), Some(Wanted::BUNDLES)));
            assert_eq!(met.rejected()[0].kind(), Wanted::ATTACHMENTS);
        }
    }
}

#[test]
fn a_verdict_has_the_time_that_a_log_says() {
    let world = World::new();
    let time = |requirement: &str, making: Making<'_>| {
        let trust = trust(requirement, DEFAULT_IDENTITY)
            .bundles_name_nothing_but_a_digest()
            .with_root(world.root());
        let verdict = judged(&trust, &[bundle(&making.make())]).unwrap();
        verdict.met()[0].time()
    };
    let logged = Some(SignedTime::Log(
        now() - std::time::Duration::from_secs(366 * DAY.unsigned_abs()),
    ));
    assert_eq!(time(&world.keys(), world.by_key().in_log(&world.log)), None);
    assert_eq!(
        time(&world.logged_keys(), world.by_key().in_log(&world.log)),
        logged
    );
    assert_eq!(time(&world.fulcio(), world.by_ada().in_log(&world.log)), logged);
}

/// docs/threats.md, T168: a hundred of each kind.
#[test]
fn bundles_are_counted_beside_attachments() {
    let world = World::new();
    let trust = trust(&world.keys(), DEFAULT_IDENTITY).bundles_name_nothing_but_a_digest();
    let attached = sigstore::attached(&world.stranger, "x.example/y", &manifest());
    let (bad, good) = (bundle(&json!({})), bundle(&world.by_key().make()));
    for (attachments, bundles, accepted) in [(100, 99, true), (0, 99, true), (0, 100, false), (101, 0, false)]
    {
        let mut signatures = vec![attached.clone(); attachments];
        signatures.extend(vec![bad.clone(); bundles]);
        signatures.push(good.clone());
        let judged = judged(&trust, &signatures);
        match &judged {
            Ok(verdict) => assert!(accepted && verdict.met()[0].rejected().len() == attachments + bundles),
            Err(refusal) => assert!(!accepted && refusal.kind() == RefusalKind::TooMany, "{refusal}"),
        }
    }
}
