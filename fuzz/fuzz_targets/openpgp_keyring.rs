//! A file of public keys: see `README.md`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use wharf_trust::{KeyFile, NativeOpenPgp, OpenPgp as _};

/// By a key that no seed has.
const STRANGER: &[u8] = include_bytes!("../../crates/trust/tests/golden/signatures/rsa4096");

fuzz_target!(|content: &[u8]| {
    let now = UNIX_EPOCH + Duration::from_secs(1_735_689_600);
    let open = |files: &[KeyFile]| NativeOpenPgp.open(files, now);
    match open(&[KeyFile::new("keys", content.to_vec())]) {
        Ok(keyring) => assert!(keyring.verify(STRANGER).is_err()),
        Err(why) => assert!(why.len() < 4096, "{why}"),
    }
    // Another copy adds nothing.
    let twice = [
        KeyFile::new("one", content.to_vec()),
        KeyFile::new("two", content.to_vec()),
    ];
    assert_eq!(open(&twice[..1]).is_ok(), open(&twice).is_ok());
});
