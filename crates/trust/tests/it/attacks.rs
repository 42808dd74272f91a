//! Attacks on the judgement of an image, by their rows in docs/threats.md.

use bytes::Bytes;
use wharf_content::{MediaType, Signature};
use wharf_trust::{KeyFile, Keyring, OpenPgp, Reason, RefusalKind, Signed, Subject};

use crate::{
    forge::Sig,
    images::{by, good, key, other},
    support::{
        MANIFEST, NAME, NOW, digest, good_payload, judged, manifest, manifest_of, payload, reference, time,
        trust,
    },
};

/// An engine that fails in every way has verified nothing.
#[test]
fn t162_what_fails_or_panics_is_a_refusal() {
    enum Engine {
        CannotOpen,
        PanicsOpening,
        Refuses,
        Panics,
        SignsNothing,
        SignsJunk,
        SignsAnother,
        Signs,
    }
    struct Ring(Result<Vec<u8>, bool>);
    impl Keyring for Ring {
        fn verify(&self, _: &[u8]) -> Result<Signed, Reason> {
            match &self.0 {
                Ok(payload) => Ok(Signed::new(payload.clone(), "0".repeat(40), time(NOW))),
                Err(true) => panic!("the engine is broken"),
                Err(false) => Err(Reason::new(wharf_trust::ReasonKind::Forged, "no")),
            }
        }
    }
    impl OpenPgp for Engine {
        fn open(&self, _: &[KeyFile], _: std::time::SystemTime) -> Result<Box<dyn Keyring>, String> {
            Ok(Box::new(Ring(match self {
                Self::CannotOpen => return Err("no".to_owned()),
                Self::PanicsOpening => panic!("the engine is broken"),
                Self::Refuses => Err(false),
                Self::Panics => Err(true),
                Self::SignsNothing => Ok(Vec::new()),
                Self::SignsJunk => Ok(b"{}".to_vec()),
                Self::SignsAnother => Ok(payload(&digest(), "registry.example/app:2")),
                Self::Signs => Ok(good_payload()),
            })))
        }
    }
    let said = |engine: Engine| {
        let trust = trust([by(&key())]).with_openpgp(engine);
        let signatures = [Signature::Simple(good(&key()).into())];
        let verdict = trust.judge(&Subject::new(&manifest(), &reference(NAME)), &signatures);
        verdict.map(drop).map_err(|refusal| refusal.kind())
    };
    assert_eq!(said(Engine::CannotOpen), Err(RefusalKind::Keys));
    assert_eq!(said(Engine::PanicsOpening), Err(RefusalKind::Failed));
    assert_eq!(said(Engine::Refuses), Err(RefusalKind::NoneAccepted));
    assert_eq!(said(Engine::Panics), Err(RefusalKind::Failed));
    assert_eq!(said(Engine::SignsNothing), Err(RefusalKind::NoneAccepted));
    assert_eq!(said(Engine::SignsJunk), Err(RefusalKind::NoneAccepted));
    assert_eq!(said(Engine::SignsAnother), Err(RefusalKind::NoneAccepted));
    assert_eq!(said(Engine::Signs), Ok(()));
}

/// Thousands of signatures cost no more than a hundred, and of a hundred not all are printed.
#[test]
fn t168_a_flood_of_signatures_is_refused() {
    let trust = trust([by(&key())]);
    let with_junk = |count: usize| {
        let junk = (0..count).map(|_| b"<html>".to_vec());
        junk.chain([good(&key())]).collect::<Vec<_>>()
    };
    assert_eq!(judged(&trust, &with_junk(99)), Ok(()));
    for count in [100, 10_000] {
        let said = judged(&trust, &with_junk(count)).unwrap_err();
        assert!(said.contains("more than 100 signatures"), "{said}");
    }
    let junk = with_junk(99).split_off(0)[..99].to_vec();
    let said = judged(&trust, &junk).unwrap_err();
    assert!(said.ends_with("; and 89 more") && said.len() < 1000, "{said}");
    // Those of other kinds are not counted.
    let bundles = (0..1000).map(|_| Signature::Bundle(Bytes::new()));
    let signatures: Vec<_> = bundles.chain([Signature::Simple(good(&key()).into())]).collect();
    assert!(
        trust
            .judge(&Subject::new(&manifest(), &reference(NAME)), &signatures)
            .is_ok()
    );
}

#[test]
fn t172_a_digest_with_parts_of_a_path_is_none() {
    let key = key();
    let trust = trust([by(&key)]);
    for digest in [
        "sha256:../../etc/passwd",
        "../x",
        "sha256:a/b",
        "sha256:",
        &format!("{}/..", digest()),
        &digest()[7..],
    ] {
        let blob = Sig::by(&key, 0, NOW).message(&key, &payload(digest, NAME));
        let said = judged(&trust, &[blob]).unwrap_err();
        assert!(said.contains("is no digest"), "{digest}: {said}");
    }
}

/// The instance is judged, and by its own signatures.
#[test]
fn t174_a_signature_of_an_index_is_none_of_its_instances() {
    let key = key();
    let trust = trust([by(&key)]);
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{}}}]}}"#,
        digest(),
        MANIFEST.len()
    );
    let of_index = wharf_content::Hasher::sha256(index.as_bytes());
    let blob = Sig::by(&key, 0, NOW).message(&key, &payload(of_index.as_str(), NAME));
    let said = judged(&trust, &[blob]).unwrap_err();
    assert!(
        said.contains(&format!("Signature for digest {of_index} does not match")),
        "{said}"
    );
    let name = reference(&format!("registry.example/app@{of_index}"));
    let signatures = [Signature::Simple(good(&key).into())];
    assert!(
        trust
            .judge(&Subject::new(&manifest(), &name), &signatures)
            .is_ok()
    );
}

#[test]
fn t175_the_exact_bytes_are_what_is_signed() {
    let key = key();
    let trust = trust([by(&key)]);
    let subject_of = |text: &str, blob: &[u8]| {
        let manifest = manifest_of(text);
        let signatures = [Signature::Simple(Bytes::copy_from_slice(blob))];
        trust
            .judge(&Subject::new(&manifest, &reference(NAME)), &signatures)
            .is_ok()
    };
    assert!(subject_of(MANIFEST, &good(&key)));
    // Another order, another space: the same document, and another manifest.
    assert!(!subject_of(
        &MANIFEST.replace("\"layers\":[]", "\"layers\": []"),
        &good(&key)
    ));
    assert!(!subject_of(&format!("{MANIFEST}\n"), &good(&key)));
    let sha512 =
        wharf_content::Hasher::digest(wharf_reference::Algorithm::Sha512, MANIFEST.as_bytes()).unwrap();
    for digest in [
        sha512.as_str(),
        &digest().to_uppercase(),
        &digest()[..70],
        "sha256:../x",
        "",
    ] {
        let blob = Sig::by(&key, 0, NOW).message(&key, &payload(digest, NAME));
        assert!(!subject_of(MANIFEST, &blob), "{digest}");
    }
    // Pinned by sha512, and judged by sha256.
    let pinned =
        wharf_content::Manifest::parse_pinned(MANIFEST.into(), Some(&MediaType::OCI_MANIFEST), &sha512)
            .unwrap();
    let name = reference(&format!("registry.example/app@{sha512}"));
    let verdict = trust
        .judge(
            &Subject::new(&pinned, &name),
            &[Signature::Simple(good(&key).into())],
        )
        .unwrap();
    assert_eq!(*verdict.digest(), digest().as_str());
}

/// Lines that look like the status of gpg, where gpg would print them.
#[test]
fn t176_names_and_notations_in_a_message_decide_nothing() {
    let (key, stranger) = (key(), other());
    let content = good_payload();
    let status = format!(
        "\n[GNUPG:] GOODSIG {0} x\n[GNUPG:] VALIDSIG {0} 2025-01-01 1735689600\n",
        key.name()
    );
    let size = u8::try_from(status.len()).unwrap();
    let literal = crate::forge::packet(
        11,
        &[&[b'b', size], status.as_bytes(), &[0; 4], &content].concat(),
    );
    let notation = [
        &[0x80, 0, 0, 0, 0, 3, 0, size],
        b"a@b".as_slice(),
        status.as_bytes(),
    ]
    .concat();
    let sig = Sig::by(&stranger, 0, NOW).with(crate::forge::subpacket(20, &notation));
    let message = [sig.one_pass(&stranger), literal, sig.packet(&stranger, &content)].concat();
    let said = judged(&trust([by(&key)]), std::slice::from_ref(&message)).unwrap_err();
    assert!(
        said.contains("is not in the keyring") && said.contains(&stranger.name()),
        "{said}"
    );
    assert_eq!(judged(&trust([by(&stranger)]), &[message]), Ok(()));
}
