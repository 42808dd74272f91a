//! Keys in armor: see `README.md`.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use libfuzzer_sys::fuzz_target;
use wharf_trust::{KeyFile, NativeOpenPgp, OpenPgp as _};

fuzz_target!(|input: (&str, &[u8], &str)| {
    let (before, keys, after) = input;
    let now = UNIX_EPOCH + Duration::from_secs(1_735_689_600);
    let opens = |content: Vec<u8>| NativeOpenPgp.open(&[KeyFile::new("keys", content)], now).is_ok();
    let block = format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        STANDARD.encode(keys)
    );
    // Whatever stands around it adds no key.
    let armored = opens(format!("{before}\n{block}{after}").into_bytes());
    let alone = opens(block.into_bytes());
    if !before.contains("-----BEGIN") && !after.contains("-----BEGIN") {
        assert!(alone || !armored);
    }
    // And armor changes nothing.
    if keys.first().is_some_and(|first| first & 0x80 != 0) {
        assert_eq!(alone, opens(keys.to_vec()));
    }
});
