//! Certificates that come with signatures, as DER: see `README.md`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wharf_trust::{BundlePolicy, CertificateIdentity, TrustedRoot};

const ROOT: &[u8] = include_bytes!("../../crates/trust/tests/golden/bundles/trusted_root.json");
const BUNDLE: &[u8] = include_bytes!("../../crates/trust/tests/golden/bundles/certificate-time.json");

/// Another certificate of the same signer.
const OTHER: &[u8] = include_bytes!("../corpus/certificate/leaf");

// As the signer's certificate, and as an authority's.
fuzz_target!(|der: &[u8]| {
    let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let text = STANDARD.encode(der);
    let identity = || CertificateIdentity::new("https://example.com/ada", "https://accounts.example");
    let mut bundle: Value = serde_json::from_slice(BUNDLE).unwrap();
    let leaf = bundle.pointer_mut("/verificationMaterial/certificate/rawBytes").unwrap();
    // Two were issued to the one key.
    let is_issued = leaf.as_str() == Some(&text) || der == OTHER;
    *leaf = text.clone().into();
    let policy = BundlePolicy::identity(identity(), TrustedRoot::parse(ROOT).unwrap()).without_log();
    let verdict = policy.verify_blob(bundle.to_string().as_bytes(), b"image a", now);
    assert_eq!(verdict.is_ok(), is_issued);

    let mut root: Value = serde_json::from_slice(ROOT).unwrap();
    let anchor = "/certificateAuthorities/0/certChain/certificates/0/rawBytes";
    *root.pointer_mut(anchor).unwrap() = text.into();
    if let Ok(root) = TrustedRoot::parse(root.to_string().as_bytes()) {
        let _ = BundlePolicy::identity(identity(), root)
            .without_log()
            .verify_blob(BUNDLE, b"image a", now);
    }
});
