//! Taking names apart and putting them together.

use wharf_reference::{
    Algorithm, Digest, ParseErrorKind, Reference, Registry, Repository, ShortName, Tag, Written,
};

use crate::accepted::{SHA256, expand};

/// Registry, host, port.
const REGISTRIES: &[(&str, &str, Option<u16>)] = &[
    ("docker.io", "docker.io", None),
    ("index.docker.io", "docker.io", None),
    ("Quay.io", "Quay.io", None),
    ("quay.io:443", "quay.io", Some(443)),
    ("localhost", "localhost", None),
    ("localhost:00080", "localhost", Some(80)),
    ("h:65535", "h", Some(65535)),
    ("[::1]", "[::1]", None),
    ("[::1]:1", "[::1]", Some(1)),
    ("[fe80::A]:5000", "[fe80::A]", Some(5000)),
    ("127.0.0.1:5000", "127.0.0.1", Some(5000)),
];

#[test]
fn registries_have_a_host_and_perhaps_a_port() {
    for (input, host, port) in REGISTRIES {
        let registry = Registry::parse(input).unwrap();
        assert_eq!((registry.host(), registry.port()), (*host, *port), "{input}");
        assert_eq!(registry.is_docker_hub(), *host == "docker.io");
        // Any registry can stand in a name, and comes out again.
        let repository = Repository::new(&registry, "a").unwrap();
        assert_eq!(repository.registry(), registry);
        assert_eq!(Repository::parse(repository.as_str()), Ok(repository));
    }
}

/// Input, registry, path, tag, digest.
type Parsed = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
);

const REFERENCES: &[Parsed] = &[
    ("alpine", "docker.io", "library/alpine", None, None),
    (
        "index.docker.io/alpine:3",
        "docker.io",
        "library/alpine",
        Some("3"),
        None,
    ),
    (
        "index.docker.io/a/b@$SHA256",
        "docker.io",
        "a/b",
        None,
        Some("$SHA256"),
    ),
    (
        "[::1]:5000/a:b@$SHA512",
        "[::1]:5000",
        "a",
        Some("b"),
        Some("$SHA512"),
    ),
    (
        "quay.io/a/b/c:d@$SHA256",
        "quay.io",
        "a/b/c",
        Some("d"),
        Some("$SHA256"),
    ),
];

#[test]
fn references_come_apart_and_together() {
    for (input, registry, path, tag, digest) in REFERENCES {
        let reference = Reference::parse(&expand(input)).unwrap();
        assert_eq!(reference.registry(), *registry);
        assert_eq!(reference.path(), *path);
        let tag = tag.map(|tag| Tag::parse(tag).unwrap());
        let digest = digest.map(|digest| Digest::parse(&expand(digest)).unwrap());
        assert_eq!(
            (reference.tag(), reference.digest()),
            (tag.clone(), digest.clone())
        );
        assert_eq!(
            (reference.has_tag(), reference.has_digest()),
            (tag.is_some(), digest.is_some())
        );

        let repository = Repository::new(&Registry::parse(registry).unwrap(), path).unwrap();
        assert_eq!(reference.repository(), repository);
        assert_eq!(
            (repository.registry(), repository.path()),
            (reference.registry(), *path)
        );
        let mut built = Reference::new(&repository);
        if let Some(digest) = &digest {
            built = built.with_digest(digest);
        }
        if let Some(tag) = &tag {
            built = built.with_tag(tag);
        }
        assert_eq!(built, reference);
        assert_eq!((built.tag(), built.digest()), (tag, digest));
    }
}

#[test]
fn latest_is_added_only_where_nothing_is_given() {
    let table = [
        ("a", "a:latest"),
        ("a:1", "a:1"),
        ("a@x:y", "a@x:y"),
        ("a:1@x:y", "a:1@x:y"),
    ];
    for (input, expected) in table {
        let reference = Reference::parse(input).unwrap().or_latest();
        assert_eq!(reference.familiar().to_string(), expected);
    }
}

#[test]
fn what_was_written_is_kept() {
    let table = [
        ("alpine", None, "alpine"),
        ("library/alpine", None, "library/alpine"),
        ("docker.io/alpine", Some("docker.io"), "alpine"),
        ("index.docker.io/alpine", Some("docker.io"), "alpine"),
        ("Host/a/b", Some("Host"), "a/b"),
        ("localhost", None, "localhost"),
        ("[::1]/a", Some("[::1]"), "a"),
    ];
    for (name, registry, path) in table {
        for (tail, tag, digest) in [
            ("", false, false),
            (":1", true, false),
            ("@x:y", false, true),
            (":1@x:y", true, true),
        ] {
            let input = format!("{name}{tail}");
            let written = Written::parse(&input).unwrap();
            assert_eq!(written.as_str(), input);
            assert_eq!(written.registry().as_ref().map(Registry::as_str), registry);
            assert_eq!(written.has_registry(), registry.is_some());
            assert_eq!(written.path(), path);
            assert_eq!((written.has_tag(), written.has_digest()), (tag, digest));
            assert_eq!(written.tag(), tag.then(|| Tag::parse("1").unwrap()));
            assert_eq!(written.digest(), digest.then(|| Digest::parse("x:y").unwrap()));
        }
    }
}

#[test]
fn short_names_are_qualified() {
    let table = [
        ("alpine", "quay.io", "quay.io/alpine"),
        ("alpine", "docker.io", "docker.io/library/alpine"),
        ("alpine:3", "index.docker.io", "docker.io/library/alpine:3"),
        ("a/b@$SHA256", "docker.io", "docker.io/a/b@$SHA256"),
        (
            "library/alpine:3@$SHA256",
            "localhost:5000",
            "localhost:5000/library/alpine:3@$SHA256",
        ),
        ("alpine", "[::1]", "[::1]/alpine"),
    ];
    for (input, registry, expected) in table {
        let short = ShortName::parse(&expand(input)).unwrap();
        let qualified = short.qualify(&Registry::parse(registry).unwrap());
        assert_eq!(qualified, expand(expected).as_str());
        assert_eq!(Reference::parse(qualified.as_str()).as_ref(), Ok(&qualified));
        assert_eq!(
            (qualified.tag(), qualified.digest()),
            (short.tag(), short.digest())
        );
        assert!(qualified.path().ends_with(short.name()));

        let alias = short.alias_of(&Repository::parse("quay.io/other").unwrap());
        assert_eq!(alias.repository(), "quay.io/other");
        assert_eq!((alias.tag(), alias.digest()), (short.tag(), short.digest()));
    }
}

#[test]
fn digests_know_their_algorithm() {
    let table = [
        ("$SHA256", Algorithm::Sha256, "sha256", "$HEX"),
        ("$SHA512", Algorithm::Sha512, "sha512", "$HEX$HEX"),
        ("sha384:00", Algorithm::Unsupported, "sha384", "00"),
        ("sha256+b64u:A-_=", Algorithm::Unsupported, "sha256+b64u", "A-_="),
    ];
    for (input, algorithm, name, encoded) in table {
        let digest = Digest::parse(&expand(input)).unwrap();
        assert_eq!(digest.algorithm(), algorithm);
        assert_eq!(
            algorithm.is_supported(),
            algorithm.name() == Some(digest.algorithm_name())
        );
        assert_eq!(
            (digest.algorithm_name(), digest.encoded()),
            (name, expand(encoded).as_str())
        );
    }
}

#[test]
fn digests_are_made_from_hashes() {
    let hash: Vec<u8> = (0..32)
        .map(|byte| u8::from_str_radix(&SHA256[7 + byte * 2..9 + byte * 2], 16).unwrap())
        .collect();
    let digest = Digest::from_bytes(Algorithm::Sha256, &hash).unwrap();
    assert_eq!(digest, SHA256);
    assert_eq!(digest.algorithm(), Algorithm::Sha256);
    let double = Digest::from_bytes(Algorithm::Sha512, &[hash.clone(), hash.clone()].concat()).unwrap();
    assert_eq!(double, expand("$SHA512").as_str());

    let kind = |algorithm, bytes: &[u8]| Digest::from_bytes(algorithm, bytes).unwrap_err().kind();
    assert_eq!(
        kind(Algorithm::Sha512, &hash),
        ParseErrorKind::InvalidDigestLength
    );
    assert_eq!(kind(Algorithm::Sha256, &[]), ParseErrorKind::InvalidDigestLength);
    assert_eq!(
        kind(Algorithm::Unsupported, &hash),
        ParseErrorKind::UnsupportedAlgorithm
    );
}
