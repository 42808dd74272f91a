//! What every name can do.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    panic::{RefUnwindSafe, UnwindSafe},
};

use wharf_reference::{
    Algorithm, AnyReference, Digest, ParseError, ParseErrorKind, Reference, Registry, Repository, ShortName,
    Tag, Written,
};

const fn auto<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}

const _: () = {
    auto::<Algorithm>();
    auto::<AnyReference>();
    auto::<Digest>();
    auto::<ParseError>();
    auto::<ParseErrorKind>();
    auto::<Reference>();
    auto::<Registry>();
    auto::<Repository>();
    auto::<ShortName>();
    auto::<Tag>();
    auto::<Written>();
};

#[test]
fn names_are_looked_up_by_their_text() {
    let reference = Reference::parse("alpine").unwrap();
    let hashed: HashMap<Reference, u8> = [(reference.clone(), 1)].into();
    assert_eq!(hashed.get("docker.io/library/alpine"), Some(&1));
    // A part that shares its text with others is the same key as one parsed alone.
    let ordered: BTreeMap<Registry, u8> = [(reference.registry(), 1)].into();
    assert_eq!(ordered.get("docker.io"), Some(&1));
    assert_eq!(reference.registry(), Registry::docker_hub());
    assert_eq!(ordered.get(&Registry::docker_hub()), Some(&1));
}

#[test]
fn names_sort_print_and_parse_as_their_text() {
    let mut tags: Vec<Tag> = ["b", "a", "B", "_"].map(|tag| tag.parse().unwrap()).into();
    tags.sort();
    assert_eq!(tags, ["B", "_", "a", "b"]);
    assert_eq!(
        format!("[{:>4}] {:?} {}", tags[0], tags[1], tags[2].as_ref()),
        r#"[   B] "_" a"#
    );
    assert_eq!(Tag::try_from("b").as_ref(), Ok(&tags[3]));
    assert_eq!(Tag::latest(), "latest");
    assert_eq!(
        format!("{} {:>12}|", Algorithm::Sha256, Algorithm::Unsupported),
        "sha256  unsupported|"
    );
}

#[test]
fn errors_are_errors() {
    let error: Box<dyn Error + Send + Sync> = Box::new(Tag::parse("").unwrap_err());
    assert_eq!(error.to_string(), "expected a name, found nothing (at byte 0)");
    assert!(error.source().is_none());
}
