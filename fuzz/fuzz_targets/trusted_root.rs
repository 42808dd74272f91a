//! `trusted_root.json`: see `README.md`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use wharf_trust::{BundlePolicy, CertificateIdentity, TrustedRoot};

const BUNDLE: &[u8] = include_bytes!("../../crates/trust/tests/golden/bundles/certificate-log-time-a.json");

fuzz_target!(|json: &[u8]| {
    let Ok(root) = TrustedRoot::parse(json) else { return };
    let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let identity = CertificateIdentity::new("https://example.com/ada", "https://accounts.example");
    let policy = BundlePolicy::identity(identity, root);
    assert!(policy.verify_blob(BUNDLE, b"what nobody has signed", now).is_err());
    let _ = policy.verify_blob(BUNDLE, b"image a", now);
});
