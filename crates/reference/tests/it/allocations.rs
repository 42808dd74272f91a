//! Parsing allocates once, whatever is parsed; parts and clones never do.

use std::hint::black_box;

use wharf_reference::{AnyReference, Digest, Reference, Registry, Repository, ShortName, Tag, Written};

use crate::accepted::expand;

fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

#[test]
fn parsing_allocates_once() {
    let long = format!("{}/{}@x:{}", "a".repeat(100), "b".repeat(100), "c".repeat(1000));
    for input in [
        "alpine",
        "index.docker.io/a:1@$SHA512",
        "quay.io/a/b",
        "[::1]:5000/a@$SHA256",
        &long,
    ] {
        let input = expand(input);
        let parse = || drop(black_box(Reference::parse(black_box(&input)).unwrap()));
        assert_eq!(allocations(parse), 1, "{input}");
        assert_eq!(
            allocations(|| drop(black_box(Written::parse(&input).unwrap()))),
            1,
            "{input}"
        );
        assert_eq!(
            allocations(|| drop(black_box(AnyReference::parse(&input).unwrap()))),
            1,
            "{input}"
        );
    }
    let (digest, identifier) = (expand("$SHA512"), expand("$HEX"));
    assert_eq!(
        allocations(|| drop(black_box(Digest::parse(&digest).unwrap()))),
        1
    );
    assert_eq!(
        allocations(|| drop(black_box(AnyReference::parse(&identifier).unwrap()))),
        1
    );
    assert_eq!(allocations(|| drop(black_box(Tag::parse("1").unwrap()))), 1);
    assert_eq!(
        allocations(|| drop(black_box(Registry::parse("index.docker.io").unwrap()))),
        1
    );
    assert_eq!(
        allocations(|| drop(black_box(Repository::parse("alpine").unwrap()))),
        1
    );
    assert_eq!(
        allocations(|| drop(black_box(ShortName::parse("alpine").unwrap()))),
        1
    );
}

#[test]
fn errors_parts_and_clones_allocate_nothing() {
    let reference = Reference::parse(&expand("quay.io/a/b:c@$SHA256")).unwrap();
    let parts = || {
        let parts = (
            reference.registry(),
            reference.repository(),
            reference.tag(),
            reference.digest(),
        );
        let names = (parts.0.port(), parts.1.path().len(), reference.clone());
        drop(black_box((parts, names)));
    };
    assert_eq!(allocations(parts), 0);
    assert_eq!(
        allocations(|| assert!(Reference::parse(black_box("https://quay.io/A")).is_err())),
        0
    );
    let short = ShortName::parse("a:b").unwrap();
    assert_eq!(
        allocations(|| drop(black_box(short.qualify(&reference.registry())))),
        1
    );
}
