//! What a refusal says, and when.

use bytes::Bytes;
use wharf_content::Signature;
use wharf_trust::{RefusalKind, Subject};

use crate::{
    forge::{Sig, certificate},
    images::{good, judged_as, key, other, signature},
    support::{
        DAY, NAME, NOW, digest, good_payload, judged, manifest, payload, reference, time, trust_policy,
    },
};

#[test]
fn what_no_signature_can_meet_is_refused_at_once() {
    for (requirement, kind, said) in [
        (
            r#"{"type":"reject"}"#,
            RefusalKind::Rejected,
            "is rejected by policy.",
        ),
        (
            r#"{"type":"signedBaseLayer","baseLayerIdentity":{"type":"matchExact"}}"#,
            RefusalKind::Unsupported,
            "no program can verify base layers",
        ),
        (
            r#"{"type":"signedBy","keyType":"signedByGPGKeys","keyPath":"/k"}"#,
            RefusalKind::Unsupported,
            "the keyType signedByGPGKeys has no meaning",
        ),
        (
            r#"{"type":"signedBy","keyType":"X509Certificates","keyPath":"/k"}"#,
            RefusalKind::Unsupported,
            "the keyType X509Certificates",
        ),
        (
            r#"{"type":"signedBy","keyType":"signedByX509CAs","keyPath":"/k"}"#,
            RefusalKind::Unsupported,
            "the keyType signedByX509CAs",
        ),
    ] {
        let policy = format!(r#"{{"default":[{{"type":"insecureAcceptAnything"}},{requirement}]}}"#);
        let trust = trust_policy(&policy);
        let refusal = trust.wanted(&reference(NAME)).unwrap_err();
        assert_eq!((refusal.kind(), refusal.digest()), (kind, None), "{requirement}");
        let manifest = manifest();
        let subject = &Subject::new(&manifest, &reference(NAME));
        let judged = trust
            .judge(subject, &[Signature::Simple(good(&key()).into())])
            .unwrap_err();
        assert_eq!(judged.kind(), kind, "{requirement}");
        for refusal in [refusal, judged] {
            assert!(refusal.to_string().contains(said), "{refusal}");
        }
    }
}

#[test]
fn a_refusal_says_what_was_demanded_and_why_each_signature_does_not_count() {
    let policy = format!(
        r#"{{"default":[{{"type":"reject"}}],"transports":{{"docker":{{"registry.example":[{{"type":"signedBy","keyType":"GPGKeys","keyData":"{}"}}]}}}}}}"#,
        base64(&certificate(&key()))
    );
    let trust = trust_policy(&policy);
    let (one, two) = (key(), other());
    let demand = "Source image rejected: registry.example/app:1: the rule for registry.example (docker) of the trust \
                  policy demands a signature by a key in its inline data (signedBy): ";
    let forged = Sig::by(&one, 0, NOW - DAY).message(&two, &good_payload());
    let wrong_digest =
        Sig::by(&one, 0, NOW - DAY).message(&one, &payload(&format!("sha256:{}", "0".repeat(64)), NAME));
    for (blobs, expected) in [
        (
            vec![],
            "A signature was required, but no signature exists".to_owned(),
        ),
        (
            vec![signature(&one, "registry.example/app:2")],
            format!(
                "Signature for identity \"registry.example/app:2\" is not accepted (key {}); the image is \
                 registry.example/app:1: set signedIdentity of the requirement to accept another name, or its type \
                 remapIdentity for copies of another registry's images",
                one.name()
            ),
        ),
        (
            vec![wrong_digest],
            format!(
                "Signature for digest sha256:{} does not match (key {})",
                "0".repeat(64),
                one.name()
            ),
        ),
        (
            vec![good(&two)],
            format!("the signing key is not in the keyring (key {})", two.name()),
        ),
        (
            vec![forged.clone()],
            format!(
                "the signature is invalid: it was changed, or another key made it (key {})",
                one.name()
            ),
        ),
        (
            vec![b"<html>".to_vec(), forged],
            format!(
                "None of the signatures were accepted, reasons: the signature is in no known format; it seems to be a web \
                 page; the signature is invalid: it was changed, or another key made it (key {})",
                one.name()
            ),
        ),
        (
            vec![Sig::by(&one, 0, NOW).message(&one, b"{}")],
            format!(
                "its payload is not a simple-signing document: `payload` has no `critical` (key {})",
                one.name()
            ),
        ),
    ] {
        let said = judged(&trust, &blobs).unwrap_err();
        assert_eq!(said, format!("{demand}{expected}"));
    }
    let said = judged_as(&trust, "other.example/app:1", &[]).unwrap_err();
    assert_eq!(
        said,
        "Source image rejected: other.example/app:1: the default of the trust policy is to reject: Running image \
         other.example/app:1 is rejected by policy."
    );
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn what_a_signature_says_of_itself_is_another_type() {
    use wharf_trust::UntrustedSummary;
    let key = key();
    let forged = Sig::by(&key, 0, NOW - DAY).message(&other(), &good_payload());
    let summary = UntrustedSummary::read_without_verifying(&Signature::Simple(forged.into())).unwrap();
    assert_eq!(summary.key, Some(key.name()));
    assert_eq!((summary.digest, summary.reference), (digest(), NAME.to_owned()));
    assert_eq!((summary.time, summary.creator), (time(NOW - DAY), None));
    for signature in [
        Signature::Bundle(Bytes::new()),
        Signature::Simple(Bytes::from_static(b"x")),
    ] {
        assert!(UntrustedSummary::read_without_verifying(&signature).is_err());
    }
}
