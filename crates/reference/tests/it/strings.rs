//! With serde, names are strings, validated when read.

use serde_json::{from_str, from_value, json, to_value};
use wharf_reference::{AnyReference, Digest, Reference, Registry, Repository, ShortName, Tag, Written};

use crate::accepted::SHA256;

#[test]
fn names_are_strings() {
    let reference = Reference::parse("alpine:3").unwrap();
    assert_eq!(to_value(&reference).unwrap(), json!("docker.io/library/alpine:3"));
    assert_eq!(from_value::<Reference>(json!("alpine:3")).unwrap(), reference);
    assert_eq!(from_str::<Reference>(r#""\u0061lpine:3""#).unwrap(), reference); // not borrowed from the input
    assert_eq!(to_value(reference.registry()).unwrap(), json!("docker.io"));
    assert_eq!(
        to_value(reference.repository()).unwrap(),
        json!("docker.io/library/alpine")
    );
    assert_eq!(to_value(reference.tag()).unwrap(), json!("3"));
    assert_eq!(to_value(reference.digest()).unwrap(), json!(null));
    assert_eq!(
        to_value(AnyReference::parse(SHA256).unwrap()).unwrap(),
        json!(SHA256)
    );
    assert_eq!(from_value::<Written>(json!("alpine")).unwrap(), "alpine");
}

#[test]
fn invalid_names_are_refused() {
    let message = |result: Result<(), serde_json::Error>| result.unwrap_err().to_string();
    let parsed = [
        (
            message(from_value::<Reference>(json!("a b")).map(drop)),
            "invalid repository path: expected lowercase letters and digits, separated by '.', '_', '__', '-' or '/' (at byte 1, ' ')",
        ),
        (
            message(from_value::<Registry>(json!("")).map(drop)),
            "expected a name, found nothing (at byte 0)",
        ),
        (
            message(from_value::<Repository>(json!("a:1")).map(drop)),
            "a repository must not have a tag or digest (at byte 1)",
        ),
        (
            message(from_value::<Tag>(json!(1)).map(drop)),
            "invalid type: integer `1`, expected a name as a string",
        ),
        (
            message(from_value::<Digest>(json!(null)).map(drop)),
            "invalid type: null, expected a name as a string",
        ),
        (
            message(from_value::<ShortName>(json!("a.b/c")).map(drop)),
            "a short name must not have a registry (at byte 0)",
        ),
        (
            message(from_value::<AnyReference>(json!("@")).map(drop)),
            "expected a name, found nothing (at byte 0)",
        ),
    ];
    for (message, expected) in parsed {
        assert_eq!(message, expected);
    }
}
