//! A simple signature as a store has it: see `README.md`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use wharf_content::Signature;
use wharf_trust::{KeyFile, NativeOpenPgp, OpenPgp as _, UntrustedSummary};

const KEY: &[u8] = include_bytes!("../../crates/trust/tests/golden/keys/rsa2048.gpg");
const PAYLOAD: &[u8] = include_bytes!("../../crates/trust/tests/golden/payload.json");

fuzz_target!(|blob: &[u8]| {
    let now = UNIX_EPOCH + Duration::from_secs(1_735_689_600);
    let keyring = NativeOpenPgp.open(&[KeyFile::new("key", KEY)], now).unwrap();
    let signature = Signature::from_blob(blob.to_vec().into());
    let _ = UntrustedSummary::read_without_verifying(&signature);
    if let Ok(signed) = keyring.verify(blob) {
        // The key has signed nothing else.
        assert_eq!(signed.payload, PAYLOAD);
        assert!(signed.time <= now);
    }
    if let Some(kept) = signature.to_blob()
        && !matches!(signature, Signature::Attachment { .. })
    {
        assert!(blob.ends_with(&kept));
    }
});
