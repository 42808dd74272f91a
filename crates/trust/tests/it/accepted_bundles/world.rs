//! Keys, logs and authorities, and bundles that no requirement takes.

use rcgen::KeyPair;
use serde_json::{Value, json};
use wharf_content::{Signature, Wanted};
use wharf_trust::{ReasonKind, Refusal, RefusalKind, Subject, Trust, TrustedRoot, Verdict};

use super::kit::{Authority, By, DAY, Log, Making, TIME, ada, authority, fulcio, keys, listed, trusted_root};
use crate::support::{NAME, manifest, reference};

/// Everybody of the tests.
pub(super) struct World {
    pub(super) key: KeyPair,
    pub(super) stranger: KeyPair,
    /// Of the root and of the requirement; of the root alone; of the requirement alone.
    pub(super) log: Log,
    pub(super) roots_log: Log,
    pub(super) named_log: Log,
    /// The same of authorities.
    pub(super) authority: Authority,
    pub(super) roots_authority: Authority,
    pub(super) named_authority: Authority,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            key: KeyPair::generate().unwrap(),
            stranger: KeyPair::generate().unwrap(),
            log: Log::new("log.example"),
            roots_log: Log::new("root.log.example"),
            named_log: Log::new("named.log.example"),
            authority: authority("of both"),
            roots_authority: authority("of the root"),
            named_authority: authority("of the requirement"),
        }
    }

    pub(super) fn root(&self) -> TrustedRoot {
        let log = |log: &Log| log.listed(TIME - 10 * DAY, None);
        trusted_root(
            &[log(&self.log), log(&self.roots_log)],
            &[listed(&[&self.authority]), listed(&[&self.roots_authority])],
        )
    }

    pub(super) fn keys(&self) -> String {
        keys(&[&self.stranger, &self.key], &[])
    }

    pub(super) fn logged_keys(&self) -> String {
        keys(&[&self.stranger, &self.key], &[&self.named_log, &self.log])
    }

    pub(super) fn fulcio(&self) -> String {
        fulcio(
            &[&self.named_authority, &self.authority],
            &[&self.named_log, &self.log],
        )
    }

    pub(super) fn by_key(&self) -> Making<'_> {
        Making::by(By::Key(&self.key))
    }

    pub(super) fn by_ada(&self) -> Making<'_> {
        Making::by(By::Certificate(&self.authority, ada()))
    }
}

pub(super) fn judged(trust: &Trust, signatures: &[Signature]) -> Result<Verdict, Refusal> {
    trust.judge(&Subject::new(&manifest(), &reference(NAME)), signatures)
}

/// The signer and kind of the only requirement, or why its only signature does not count.
#[track_caller]
pub(super) fn assert_judged(
    what: &str,
    trust: &Trust,
    signature: &Signature,
    expected: Result<&str, (ReasonKind, &str)>,
) {
    match (judged(trust, std::slice::from_ref(signature)), expected) {
        (Ok(verdict), Ok(signer)) => {
            let [met] = verdict.met() else { panic!("{what}") };
            assert_eq!(met.kind(), Some(Wanted::BUNDLES), "{what}");
            let found = met.signer().unwrap().to_string();
            assert!(found.starts_with(signer), "{what}: {found}");
        }
        (Err(refusal), Err((kind, part))) => {
            assert_eq!(refusal.kind(), RefusalKind::NoneAccepted, "{what}: {refusal}");
            let [examined] = refusal.signatures() else {
                panic!("{what}: {refusal}")
            };
            assert_eq!(examined.kind(), Wanted::BUNDLES, "{what}");
            assert_eq!(examined.reason().kind(), kind, "{what}: {refusal}");
            assert!(examined.reason().to_string().contains(part), "{what}: {refusal}");
        }
        (result, expected) => panic!("{what}: {result:?}, expected {expected:?}"),
    }
}

pub(super) fn edited(mut bundle: Value, edit: impl FnOnce(&mut Value)) -> Value {
    edit(&mut bundle);
    bundle
}

pub(super) fn without(bundle: Value, pointer: &str) -> Value {
    edited(bundle, |bundle| {
        *bundle.pointer_mut(pointer).unwrap() = Value::Null;
    })
}

pub(super) const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
pub(super) const OTHER_DIGEST: &str =
    "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Bundles that no requirement takes, whoever made them.
pub(super) fn never(
    good: &Value,
    making: &dyn Fn() -> Making<'static>,
) -> Vec<(&'static str, Value, ReasonKind, &'static str)> {
    let other_digest = Making {
        digest: OTHER_DIGEST.to_owned(),
        ..making()
    };
    let provenance = Making {
        predicate: "https://slsa.dev/provenance/v1",
        ..making()
    };
    vec![
        (
            "of another digest",
            other_digest.make(),
            ReasonKind::Digest,
            "about other content",
        ),
        (
            "an attestation",
            provenance.make(),
            ReasonKind::Payload,
            "slsa.dev",
        ),
        ("no bundle", json!({}), ReasonKind::Format, "the bundle"),
        (
            "of version 0.2",
            edited(good.clone(), |bundle| {
                bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
            }),
            ReasonKind::Format,
            "before 0.3",
        ),
        (
            "a signature of a message",
            edited(good.clone(), |bundle| {
                let envelope = bundle.as_object_mut().unwrap().remove("dsseEnvelope").unwrap();
                bundle["messageSignature"] = json!({"signature": envelope["signatures"][0]["sig"]});
            }),
            ReasonKind::Format,
            "says nothing about an image",
        ),
        (
            "of another type of payload",
            edited(good.clone(), |bundle| {
                bundle["dsseEnvelope"]["payloadType"] = "text/plain".into();
            }),
            ReasonKind::Forged,
            "",
        ),
    ]
}
