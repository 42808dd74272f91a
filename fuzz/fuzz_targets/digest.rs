//! The parts of names alone: see `README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_reference::{Digest, Reference, Registry, Repository, Tag};

fuzz_target!(|text: &str| {
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(
            digest,
            format!("{}:{}", digest.algorithm_name(), digest.encoded()).as_str()
        );
        let reference = Reference::parse(&format!("a@{text}")).unwrap();
        assert_eq!(reference.digest(), Some(digest));
    }
    if let Ok(tag) = Tag::parse(text) {
        assert_eq!(Reference::parse(&format!("a:{text}")).unwrap().tag(), Some(tag));
    }
    if let Ok(registry) = Registry::parse(text) {
        assert_eq!(Registry::parse(registry.as_str()).as_ref(), Ok(&registry));
        let repository = Repository::new(&registry, "a").unwrap();
        assert_eq!(Repository::parse(repository.as_str()), Ok(repository));
    }
});
