//! Names: see `README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_reference::{AnyReference, Reference, Registry, Repository, ShortName, Written};

fuzz_target!(|text: &str| {
    let parsed = Reference::parse(text);
    let written = Written::parse(text);
    assert_eq!(
        written.as_ref().map(Written::normalise).ok(),
        parsed.as_ref().ok().cloned()
    );
    let short = written.ok().and_then(|written| written.short_name());
    assert_eq!(ShortName::parse(text).ok(), short);
    if let Some(short) = short {
        assert_eq!(Ok(short.qualify(&Registry::docker_hub())), parsed);
    }
    if let Ok(any) = AnyReference::parse(text) {
        assert_eq!(AnyReference::parse(any.as_str()), Ok(any));
    }
    match parsed {
        Ok(reference) => accepted(text, &reference),
        Err(error) => assert!(text.is_char_boundary(error.position()), "{error}"),
    }
});

fn accepted(text: &str, reference: &Reference) {
    assert_eq!(Reference::parse(reference.as_str()).as_ref(), Ok(reference));
    assert_eq!(
        Reference::parse(&reference.familiar().to_string()).as_ref(),
        Ok(reference)
    );
    assert_eq!(
        Reference::parse_canonical(text).is_ok(),
        text == reference.as_str()
    );

    let mut built = Reference::new(&Repository::new(&reference.registry(), reference.path()).unwrap());
    if let Some(tag) = reference.tag() {
        built = built.with_tag(&tag);
    }
    if let Some(digest) = reference.digest() {
        built = built.with_digest(&digest);
    }
    assert_eq!(&built, reference);

    let last = reference.tag().map(|tag| tag.to_string());
    let last = reference
        .digest()
        .map(|digest| digest.to_string())
        .or(last)
        .unwrap_or_default();
    let path = format!("/v2/{}/manifests/{last}", reference.path());
    assert!(
        path.bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte)),
        "{path}"
    );
    assert!(
        path.split('/').all(|segment| segment != "." && segment != ".."),
        "{path}"
    );
}
