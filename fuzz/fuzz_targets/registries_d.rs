//! registries.d: see `README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_config::{LookasideFile, SignatureLocations, SignatureStores};
use wharf_reference::{Digest, Reference};

const NAMES: [&str; 5] = [
    "alpine",
    "a.lan/x:1",
    "b.a.lan:5000/ns/x",
    "registry.example.com/team/app:1",
    "[::1]/x",
];

fuzz_target!(|text: &str| {
    let lines = text.split('\n').count();
    let is_placed = |line: Option<usize>| line.is_some_and(|line| (1..=lines).contains(&line));
    let is_printable = |text: String| !text.contains(['\n', '\r', '\u{1b}']);
    let stores = match SignatureStores::parse(text) {
        Ok(stores) => stores,
        Err(error) => {
            assert!(is_placed(error.line()) && is_printable(error.to_string()), "{error}");
            return;
        }
    };
    for warning in stores.warnings() {
        assert!(is_placed(warning.line()) && is_printable(warning.to_string()), "{warning}");
    }
    let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
    for name in NAMES {
        let reference = Reference::parse(name).unwrap();
        let store = stores.store_for(&reference);
        assert!(!store.attachments() || is_placed(store.attachments_origin().map(|line| line.line())));
        for lookaside in [store.read(), store.write()].into_iter().flatten() {
            assert!(is_placed(lookaside.origin().map(|line| line.line())), "{lookaside}");
            match lookaside.file(&reference.repository(), &digest, 1) {
                LookasideFile::Path(path) => assert!(path.is_absolute(), "{}", path.display()),
                LookasideFile::Url(url) => {
                    // Configuration does not know which labels are punycode.
                    let Ok(url) = url::Url::parse(&url) else {
                        assert!(url.contains("xn--"), "{url}");
                        continue;
                    };
                    assert!(url.username().is_empty() && url.password().is_none(), "{url}");
                    assert!(url.query().is_none() && url.fragment().is_none(), "{url}");
                    assert!(url.host_str().is_some() && lookaside.host().is_some(), "{url}");
                }
                _ => {}
            }
        }
    }
});
