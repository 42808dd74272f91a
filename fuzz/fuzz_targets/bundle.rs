//! Sigstore bundles: see `README.md`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use wharf_trust::{BundlePolicy, CertificateIdentity, PublicKey, TrustedRoot};

const ROOT: &[u8] = include_bytes!("../../crates/trust/tests/golden/bundles/trusted_root.json");
const KEY: &[u8] = include_bytes!("../../crates/trust/tests/golden/bundles/key.pub");

fuzz_target!(|bundle: &[u8]| {
    let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let root = TrustedRoot::parse(ROOT).unwrap();
    let identity = CertificateIdentity::new("https://example.com/ada", "https://accounts.example");
    let key = PublicKey::from_pem(KEY).unwrap();
    for policy in [
        BundlePolicy::identity(identity, root.clone()),
        BundlePolicy::key(key.clone()).with_root(root),
        BundlePolicy::key(key),
    ] {
        // Nobody has signed this.
        let policy = policy.with_old_versions(true);
        assert!(policy.verify_blob(bundle, b"what nobody has signed", now).is_err());
        let _ = policy.verify_blob(bundle, b"image a", now);
    }
});
