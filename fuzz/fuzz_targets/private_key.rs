//! Files of private keys, encrypted or not, and of OpenPGP secret keys: see `README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_content::Sign as _;
use wharf_reference::{Digest, Reference};
use wharf_trust::Signer;

fuzz_target!(|file: &[u8]| {
    let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
    let name = Reference::parse("registry.example/app:1").unwrap();
    for signer in [
        Signer::openpgp(file),
        Signer::pkcs8(file),
        Signer::cosign(file, &"canary".into()),
    ] {
        match signer {
            // Every signature is verified before it is returned: an RSA key with a damaged part makes none that holds,
            // and an OpenPGP key may be one that must not sign.
            Ok(signer) => {
                if let Err(error) = signer.sign(&digest, &name) {
                    assert!(error.to_string().len() < 4096, "{error}");
                }
            }
            Err(problem) => assert!(problem.to_string().len() < 4096, "{problem}"),
        }
    }
});
