//! Signed entry timestamps of cosign's attachments: see `README.md`.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use wharf_config::{Identity, KeySource, Requirement, SigstoreSigned, SigstoreSigner};
use wharf_content::{Manifest, MediaType, Signature};
use wharf_reference::Reference;
use wharf_trust::{Subject, Trust};

const KEY: &[u8] = include_bytes!("../../crates/trust/tests/golden/bundles/key.pub");

fuzz_target!(|set: &str| {
    let signer = SigstoreSigner::Keys {
        keys: KeySource::data(KEY),
        rekor: Some(KeySource::data(KEY)),
    };
    let requirement = SigstoreSigned::new(signer).with_identity(Identity::MatchRepository);
    let text = br#"{"schemaVersion":2,"manifests":[]}"#.as_slice();
    let manifest = Manifest::parse(text.into(), Some(&MediaType::OCI_INDEX)).unwrap();
    let name = Reference::parse("registry.example/app:1").unwrap();
    let annotations = BTreeMap::from([
        ("dev.cosignproject.cosign/signature".to_owned(), "AAAA".to_owned()),
        ("dev.sigstore.cosign/bundle".to_owned(), set.to_owned()),
    ]);
    let signature = Signature::Attachment {
        media_type: MediaType::parse("application/vnd.dev.cosign.simplesigning.v1+json").unwrap(),
        payload: "{}".into(),
        annotations,
    };
    let verdict = Trust::of([Requirement::from(requirement)]).judge(&Subject::new(&manifest, &name), &[signature]);
    assert!(verdict.is_err());
});
