//! What a simple signature signs: see `README.md`.
#![no_main]

use std::time::{SystemTime, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use wharf_config::{Identity, KeySource, SignedBy};
use wharf_content::{Manifest, Signature};
use wharf_reference::Reference;
use wharf_trust::{KeyFile, Keyring, OpenPgp, Reason, Signed, Subject, Trust};

const MANIFEST: &[u8] = include_bytes!("../../crates/trust/tests/golden/manifest.json");

/// Takes every message for signed, as it stands.
struct Echo;

impl OpenPgp for Echo {
    fn open(&self, _: &[KeyFile], _: SystemTime) -> Result<Box<dyn Keyring>, String> {
        Ok(Box::new(Self))
    }
}

impl Keyring for Echo {
    fn verify(&self, message: &[u8]) -> Result<Signed, Reason> {
        Ok(Signed::new(message.to_vec(), "0".repeat(40), UNIX_EPOCH))
    }
}

fuzz_target!(|text: &[u8]| {
    let name = Reference::parse("registry.example/app:1").unwrap();
    let manifest = Manifest::parse(MANIFEST.into(), None).unwrap();
    let requirement = SignedBy::new(KeySource::data(b"".as_slice())).with_identity(Identity::MatchExact);
    let trust = Trust::of([requirement.into()]).with_openpgp(Echo);
    let verdict = trust.judge(
        &Subject::new(&manifest, &name),
        &[Signature::Simple(text.to_vec().into())],
    );
    if let Ok(verdict) = verdict {
        // Another reader finds the same.
        let value: serde_json::Value = serde_json::from_slice(text).unwrap();
        let critical = &value["critical"];
        let reference = critical["identity"]["docker-reference"].as_str().unwrap();
        assert_eq!(Reference::parse(reference).unwrap(), name);
        assert_eq!(
            critical["image"]["docker-manifest-digest"],
            verdict.digest().as_str()
        );
        assert_eq!(critical["type"], "atomic container signature");
        assert_eq!(value.as_object().unwrap().len(), 2);
    }
});
