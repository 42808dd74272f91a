//! Checkpoints of transparency logs: see `README.md`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wharf_trust::{BundlePolicy, CertificateIdentity, TrustedRoot};

const ROOT: &[u8] = include_bytes!("../../crates/trust/tests/golden/bundles/trusted_root.json");
const BUNDLE: &[u8] = include_bytes!("../../crates/trust/tests/golden/bundles/certificate-log-a.json");

fuzz_target!(|note: &str| {
    let mut bundle: Value = serde_json::from_slice(BUNDLE).unwrap();
    let envelope = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
    let envelope = bundle.pointer_mut(envelope).unwrap();
    let good = envelope.as_str().unwrap().to_owned();
    *envelope = note.into();
    let identity = CertificateIdentity::new("https://example.com/ada", "https://accounts.example");
    let policy = BundlePolicy::identity(identity, TrustedRoot::parse(ROOT).unwrap());
    let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let verdict = policy.verify_blob(bundle.to_string().as_bytes(), b"image a", now);
    // What the log signed is all of the text before the signatures.
    let signed = good.split("\n\n").next().unwrap();
    assert!(verdict.is_err() || note.starts_with(&format!("{signed}\n\n")));
});
