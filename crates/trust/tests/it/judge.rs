//! Requirements: what they look at, in which order, and which names they accept.

use bytes::Bytes;
use std::path::Path;
use wharf_config::{Identity, KeySource, Policy, Remap, Requirement, SigstoreSigned, SigstoreSigner};
use wharf_content::{MediaType, Signature, Wanted};
use wharf_trust::{Reason, RefusalKind, SignedTime, Subject, Trust, VerifiedSigner};

use crate::{
    forge::certificate,
    images::{by, good, judged_as, key, other, signature},
    support::{
        DAY, NAME, NOW, digest, good_payload, judged, manifest, reference, signed_by, signed_by_as, time,
        trust, trust_policy,
    },
};

#[test]
fn the_first_unmet_requirement_is_named() {
    let (one, two) = (key(), other());
    let name = |requirement: usize| {
        let mut requirements = [by(&one), by(&one), by(&one)];
        requirements[requirement] = by(&two);
        let trust = trust(requirements.clone());
        let refusal = trust
            .judge(
                &Subject::new(&manifest(), &reference(NAME)),
                &[Signature::Simple(good(&one).into())],
            )
            .unwrap_err();
        assert_eq!(refusal.requirement(), Some(&requirements[requirement]));
        assert_eq!(refusal.kind(), RefusalKind::NoneAccepted);
    };
    (0..3).for_each(name);
    assert_eq!(
        judged(&trust([by(&one), by(&one), by(&one)]), &[good(&one)]),
        Ok(())
    );
    // All requirements, those from code too, and none is no requirement.
    let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    assert_eq!(judged(&trust_policy(policy).and(by(&one)), &[good(&one)]), Ok(()));
    assert!(judged(&trust_policy(policy).and(by(&two)), &[good(&one)]).is_err());
    let said = judged(&trust([]), &[good(&one)]).unwrap_err();
    assert!(
        said.contains("no requirement by which a signature could be verified"),
        "{said}"
    );
}

#[test]
fn to_accept_anything_is_no_verification() {
    let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    let trust = trust_policy(policy);
    let name = reference(NAME);
    assert_eq!(trust.wanted(&name).unwrap(), Wanted::NOTHING);
    let verdict = trust.judge(&Subject::new(&manifest(), &name), &[]).unwrap();
    assert!(!verdict.is_signed());
    assert_eq!(verdict.met()[0].signature(), None);
    let strict = trust.require_signed();
    assert_eq!(
        strict.wanted(&name).unwrap_err().kind(),
        RefusalKind::NothingVerified
    );
    let refusal = strict.judge(&Subject::new(&manifest(), &name), &[]).unwrap_err();
    assert_eq!(refusal.kind(), RefusalKind::NothingVerified);
    // One that verifies is enough.
    let strict = strict.and(by(&key()));
    let signatures = [Signature::Simple(good(&key()).into())];
    assert!(
        strict
            .judge(&Subject::new(&manifest(), &name), &signatures)
            .unwrap()
            .is_signed()
    );
    assert_eq!(strict.wanted(&name).unwrap(), Wanted::SIMPLE);
}

#[test]
fn one_accepted_signature_is_enough_and_the_others_may_be_anything() {
    let trust = trust([by(&key())]);
    let page = b"<html>Not found</html>".to_vec();
    let forged = signature(&other(), NAME);
    for (name, blobs, accepted) in [
        ("one", vec![good(&key())], true),
        ("bad, good", vec![forged.clone(), good(&key())], true),
        ("good, bad", vec![good(&key()), forged.clone()], true),
        ("page, good", vec![page.clone(), good(&key())], true),
        ("good, page", vec![good(&key()), page.clone()], true),
        ("empty, good", vec![Vec::new(), good(&key())], true),
        ("bad", vec![forged.clone()], false),
        ("bad, bad", vec![forged, page.clone()], false),
        ("page", vec![page], false),
        ("none", vec![], false),
    ] {
        let result = judged(&trust, &blobs);
        assert_eq!(result.is_ok(), accepted, "{name}: {result:?}");
        if blobs.is_empty() {
            let said = result.unwrap_err();
            assert!(
                said.ends_with("A signature was required, but no signature exists"),
                "{said}"
            );
        }
    }
}

#[test]
fn signatures_of_other_kinds_are_counted_and_do_not_count() {
    let attachment = Signature::Attachment {
        media_type: MediaType::parse("application/vnd.dev.cosign.simplesigning.v1+json").unwrap(),
        payload: good_payload().into(),
        annotations: [].into(),
    };
    let signatures = [
        attachment.clone(),
        attachment,
        Signature::Bundle(Bytes::from_static(b"{}")),
    ];
    let trust = trust([by(&key())]);
    let refusal = trust
        .judge(&Subject::new(&manifest(), &reference(NAME)), &signatures)
        .unwrap_err();
    assert_eq!(refusal.kind(), RefusalKind::NoSignature);
    let said = refusal.to_string();
    let expected = "but no signature exists; signedBy does not look at what is there: 2 sigstore attachments, 1 sigstore \
                    bundle";
    assert!(said.ends_with(expected), "{said}");
}

/// Two requirements: both keys must have signed. Two keys in one: either.
#[test]
fn requirements_are_and_keys_are_or() {
    let (one, two) = (key(), other());
    let both = [certificate(&one), certificate(&two)].concat();
    for (blobs, signed_and, signed_or) in [
        (vec![], false, false),
        (vec![good(&one)], false, true),
        (vec![good(&two)], false, true),
        (vec![good(&one), good(&two)], true, true),
        (vec![good(&two), good(&one)], true, true),
    ] {
        let and = trust([by(&one), by(&two)]);
        assert_eq!(judged(&and, &blobs).is_ok(), signed_and);
        let or = trust([signed_by(&both)]);
        assert_eq!(judged(&or, &blobs).is_ok(), signed_or);
    }
}

/// One signature that meets one of two requirements is no verdict.
#[test]
fn a_verdict_says_how_every_requirement_was_met() {
    let (one, two) = (key(), other());
    let trust = trust([by(&one), by(&two)]);
    let blobs = [signature(&one, "registry.example/app:2"), good(&two), good(&one)];
    let signatures = blobs.map(|blob| Signature::Simple(blob.into()));
    let manifest = manifest();
    let subject = Subject::new(&manifest, &reference(NAME));
    let verdict = trust.judge(&subject, &signatures).unwrap();
    assert_eq!(*verdict.digest(), digest().as_str());
    assert_eq!(verdict.rule(), None);
    let [first, second] = verdict.met() else {
        panic!("{verdict:?}");
    };
    assert_eq!((first.signature(), second.signature()), (Some(2), Some(1)));
    assert_eq!(first.requirement(), &by(&one));
    let Some(VerifiedSigner::OpenPgp { fingerprint, .. }) = first.signer() else {
        panic!("{first:?}");
    };
    assert_eq!(*fingerprint, one.name());
    assert_eq!(second.signer().map(ToString::to_string), Some(two.name()));
    assert_eq!(first.time(), Some(SignedTime::Claimed(time(NOW - DAY))));
    let rejected: Vec<_> = first
        .rejected()
        .iter()
        .map(wharf_trust::Examined::signature)
        .collect();
    assert_eq!(rejected, [0, 1]);
    assert!(trust.judge(&subject, &signatures[..2]).is_err());
}

/// A tag and a digest: the digest alone counts.
#[test]
fn the_users_name_is_compared() {
    let key = key();
    let trust = trust([by(&key)]);
    let at = |tag: &str| format!("registry.example/app{tag}@{}", digest());
    for (name, signed, accepted) in [
        (NAME, NAME, true),
        (NAME, "registry.example/app:2", false),
        (NAME, "registry.example/app", false),
        (NAME, "mirror.example/app:1", false),
        ("registry.example/app", "registry.example/app:latest", true),
        ("registry.example/app", NAME, false),
        (&at(""), "registry.example/app:2", true),
        (&at(":1"), "registry.example/app:2", true),
        (&at(":1"), "registry.example/other:1", false),
        ("busybox:1", "docker.io/library/busybox:1", true),
        ("docker.io/library/busybox:1", "busybox:1", true),
    ] {
        let result = judged_as(&trust, name, &[signature(&key, signed)]);
        assert_eq!(result.is_ok(), accepted, "{name} {signed}: {result:?}");
    }
}

#[test]
fn every_identity_is_obeyed() {
    let key = key();
    let remap = Identity::Remap(Remap::new("registry.example", "vendor.example/product").unwrap());
    for (identity, signed, accepted) in [
        (Identity::MatchExact, NAME, true),
        (Identity::MatchExact, "registry.example/app:2", false),
        (Identity::MatchRepository, "registry.example/app:2", true),
        (Identity::MatchRepository, "registry.example/app", true),
        (Identity::MatchRepository, "registry.example/app2", false),
        (
            Identity::ExactReference(reference("a.example/b:c")),
            "a.example/b:c",
            true,
        ),
        (Identity::ExactReference(reference("a.example/b:c")), NAME, false),
        (
            Identity::ExactRepository(reference("a.example/b").repository()),
            "a.example/b:d",
            true,
        ),
        (
            Identity::ExactRepository(reference("a.example/b").repository()),
            NAME,
            false,
        ),
        (remap.clone(), "vendor.example/product/app:1", true),
        (remap.clone(), "vendor.example/product/app", false),
        (remap, NAME, false),
    ] {
        let trust = trust([signed_by_as(&certificate(&key), identity.clone())]);
        let result = judged(&trust, &[signature(&key, signed)]);
        assert_eq!(result.is_ok(), accepted, "{identity:?} {signed}: {result:?}");
    }
}

#[test]
fn an_image_of_a_layout_has_no_name_to_be_signed() {
    let key = key();
    let manifest = manifest();
    let subject = Subject::new(&manifest, Path::new("/registry.example/app"));
    let accepted = |identity: Identity, signed: &str| {
        let trust = trust([signed_by_as(&certificate(&key), identity)]);
        trust
            .judge(&subject, &[Signature::Simple(signature(&key, signed).into())])
            .is_ok()
    };
    let named = reference("a.example/b:c");
    assert!(accepted(Identity::ExactReference(named.clone()), "a.example/b:c"));
    assert!(accepted(
        Identity::ExactRepository(named.repository()),
        "a.example/b"
    ));
    for identity in [
        Identity::MatchExact,
        Identity::MatchRepoDigestOrExact,
        Identity::MatchRepository,
    ] {
        assert!(!accepted(identity, "registry.example/app:latest"));
    }
    // The rule is that of the directory.
    let policy = Policy::parse(
        r#"{"default":[{"type":"reject"}],"transports":{"oci":{"/registry.example":[{"type":"insecureAcceptAnything"}]}}}"#,
    );
    let verdict = Trust::new(policy.unwrap()).judge(&subject, &[]).unwrap();
    assert_eq!(
        verdict.rule().and_then(|rule| rule.scope()),
        Some("/registry.example")
    );
}

#[test]
fn requirements_from_code_need_no_policy() {
    let key = key();
    let trust = trust([by(&key)]);
    assert_eq!(trust.wanted(&reference(NAME)).unwrap(), Wanted::SIMPLE);
    assert_eq!(judged(&trust, &[good(&key)]), Ok(()));
    let said = judged(&trust, &[]).unwrap_err();
    assert!(
        said.contains(": the program demands a signature by a key in its inline data (signedBy): "),
        "{said}"
    );
    assert!(judged(&trust.and(sigstore()), &[good(&key)]).is_err());
    // Beside a policy it is told who demands what.
    let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
    let trust = trust_policy(policy).and(by(&key));
    let refusal = trust
        .judge(&Subject::new(&manifest(), &reference(NAME)), &[])
        .unwrap_err();
    assert!(
        refusal.to_string().contains(": the program demands a signature"),
        "{refusal}"
    );
    assert!(refusal.rule().is_some());
}

fn sigstore() -> Requirement {
    let keys = KeySource::data(b"key".as_slice());
    SigstoreSigned::new(SigstoreSigner::Keys { keys, rekor: None }).into()
}

#[test]
fn verdicts_and_refusals_go_between_threads() {
    fn assert<T: Send + Sync + Unpin + 'static>() {}
    assert::<Trust>();
    assert::<wharf_trust::Verdict>();
    assert::<wharf_trust::Refusal>();
    assert::<Reason>();
    assert::<wharf_trust::NativeOpenPgp>();
}
