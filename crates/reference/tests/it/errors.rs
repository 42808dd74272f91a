//! What is refused, where, and in which words.

use wharf_reference::{AnyReference, Digest, ParseError, Reference, Registry, Repository, ShortName, Tag};

use crate::accepted::expand;

type Parser = fn(&str) -> Result<String, ParseError>;

const REFERENCE: Parser = |text| Reference::parse(text).map(|parsed| parsed.to_string());
const CANONICAL: Parser = |text| Reference::parse_canonical(text).map(|parsed| parsed.to_string());
const REPOSITORY: Parser = |text| Repository::parse(text).map(|parsed| parsed.to_string());
const REGISTRY: Parser = |text| Registry::parse(text).map(|parsed| parsed.to_string());
const TAG: Parser = |text| Tag::parse(text).map(|parsed| parsed.to_string());
const DIGEST: Parser = |text| Digest::parse(text).map(|parsed| parsed.to_string());
const SHORT: Parser = |text| ShortName::parse(text).map(|parsed| parsed.to_string());
const ANY: Parser = |text| AnyReference::parse(text).map(|parsed| parsed.to_string());

/// Parser, input with a `^` before the offending byte (at the end where something is missing), the start of
/// the message.
const REFUSED: &[(Parser, &str, &str)] = &[
    (REFERENCE, "^", "expected a name, found nothing"),
    (REFERENCE, "^:tag", "expected a name"),
    (REFERENCE, "^@$SHA256", "expected a name"),
    (REFERENCE, "^ ", "invalid repository path"),
    (REFERENCE, "^ alpine", "invalid repository path"),
    (REFERENCE, "alpine^ ", "invalid repository path"),
    (REFERENCE, "alpine^\n", "invalid repository path"),
    (REFERENCE, "alp^\0ine", "invalid repository path"),
    (REFERENCE, "alp^ïne", "invalid repository path"),
    (REFERENCE, "^\u{430}lpine", "invalid repository path"),
    (REFERENCE, "alp^\u{200b}ine", "invalid repository path"),
    (REFERENCE, "^\u{ff41}lpine", "invalid repository path"),
    (REFERENCE, "a^%2e%2e", "invalid repository path"),
    (REFERENCE, "a^?b", "invalid repository path"),
    (REFERENCE, "a^#b", "invalid repository path"),
    (REFERENCE, "a^\\b", "invalid repository path"),
    (REFERENCE, "a^+b", "invalid repository path"),
    (REFERENCE, "^/a", "invalid repository path"),
    (REFERENCE, "a/^", "invalid repository path"),
    (REFERENCE, "a/^/b", "invalid repository path"),
    (REFERENCE, "^./a", "invalid registry host"),
    (REFERENCE, "^../a", "invalid registry host"),
    (REFERENCE, "a/^../b", "invalid repository path"),
    (REFERENCE, "quay.io/^.", "invalid repository path"),
    (REFERENCE, "quay.io/a/^../b", "invalid repository path"),
    (REFERENCE, "quay.io/^", "expected a name"),
    (REFERENCE, "quay.io/^:1", "expected a name"),
    (REFERENCE, "quay.io/^/a", "invalid repository path"),
    (REFERENCE, "^-a", "invalid repository path"),
    (REFERENCE, "^_a", "invalid repository path"),
    (REFERENCE, "a-^", "invalid repository path"),
    (REFERENCE, "a_^", "invalid repository path"),
    (REFERENCE, "a.^", "invalid repository path"),
    (REFERENCE, "a_^/b", "invalid repository path"),
    (REFERENCE, "a-^:1", "invalid repository path"),
    (REFERENCE, "a__^_b", "invalid repository path"),
    (REFERENCE, "a.^.b", "invalid repository path"),
    (REFERENCE, "a.^-b", "invalid repository path"),
    (REFERENCE, "a-^_b", "invalid repository path"),
    (REFERENCE, "a_^-b", "invalid repository path"),
    (REFERENCE, "^Alpine", "a repository path must be lowercase"),
    (REFERENCE, "alp^Ine", "a repository path must be lowercase"),
    (REFERENCE, "quay.io/a/b^C", "a repository path must be lowercase"),
    (REFERENCE, "User/^App", "a repository path must be lowercase"),
    (REFERENCE, "user/^App", "a repository path must be lowercase"),
    (
        REFERENCE,
        "^$HEX",
        "64 hexadecimal digits are an image identifier",
    ),
    (REFERENCE, "https^://quay.io/app", "a name has no scheme"),
    (REFERENCE, "docker^://alpine", "a name has no scheme"),
    (REFERENCE, "oci-archive^://alpine", "a name has no scheme"),
    (REFERENCE, "quay.io/a:^//b", "invalid tag"),
    (REFERENCE, "^.quay.io/a", "invalid registry host"),
    (REFERENCE, "quay.^.io/a", "invalid registry host"),
    (REFERENCE, "quay.io.^/a", "invalid registry host"),
    (REFERENCE, "^-quay.io/a", "invalid registry host"),
    (REFERENCE, "quay^-.io/a", "invalid registry host"),
    (REFERENCE, "quay.io^-:80/a", "invalid registry host"),
    (REFERENCE, "quay^_x.io/a", "invalid registry host"),
    (REFERENCE, "qu^äy.io/a", "invalid registry host"),
    (REFERENCE, "^:80/a", "invalid registry host"),
    (REFERENCE, "host:^/a", "invalid port"),
    (REFERENCE, "host:^0/a", "invalid port"),
    (REFERENCE, "host:^65536/a", "invalid port"),
    (REFERENCE, "host:^99999999999999999999/a", "invalid port"),
    (REFERENCE, "host:80^a/a", "invalid port"),
    (REFERENCE, "host:80^:80/a", "invalid port"),
    (REFERENCE, "host:^+80/a", "invalid port"),
    (REFERENCE, "^::1/a", "invalid registry host"),
    (REFERENCE, "[^:]/a", "invalid registry host"),
    (REFERENCE, "[^1:2]/a", "invalid registry host"),
    (REFERENCE, "[^::1::]/a", "invalid registry host"),
    (REFERENCE, "[::1^%25eth0]/a", "invalid registry host"),
    (REFERENCE, "[::ffff:1^.2.3.4]/a", "invalid registry host"),
    (REFERENCE, "[::1^/a", "invalid registry host"),
    (REFERENCE, "[::1]^80/a", "invalid registry host"),
    (REFERENCE, "[::1]:^/a", "invalid port"),
    (REFERENCE, "^[::1]", "invalid repository path"),
    (REFERENCE, "a:^", "expected a name"),
    (REFERENCE, "a:^@$SHA256", "expected a name"),
    (REFERENCE, "a:^.b", "invalid tag"),
    (REFERENCE, "a:^-b", "invalid tag"),
    (REFERENCE, "a:b^:c", "invalid tag"),
    (REFERENCE, "a:b^+c", "invalid tag"),
    (REFERENCE, "a:b^é", "invalid tag"),
    (REFERENCE, "a:^é", "invalid tag"),
    (REFERENCE, "a@^", "expected a name"),
    (REFERENCE, "a@sha256^", "invalid digest: expected"),
    (REFERENCE, "a@sha256:^", "invalid digest: its length"),
    (REFERENCE, "a@sha256:abc^", "invalid digest: its length"),
    (REFERENCE, "a@$SHA256^0", "invalid digest: its length"),
    (REFERENCE, "a@sha512:$HEX^", "invalid digest: its length"),
    (REFERENCE, "a@sha256:ab^C", "invalid digest: expected"),
    (REFERENCE, "a@sha256:^g", "invalid digest: expected"),
    (REFERENCE, "a@^SHA256:$HEX", "invalid digest: expected"),
    (REFERENCE, "a@$SHA256^:b", "invalid digest: expected"),
    (REFERENCE, "a@$SHA256^@$SHA256", "invalid digest: expected"),
    (REFERENCE, "a@^:x", "invalid digest: expected"),
    (REFERENCE, "a@x+^:x", "invalid digest: expected"),
    (REFERENCE, "a@x+^+y:x", "invalid digest: expected"),
    (REFERENCE, "a@x:^", "invalid digest: its length"),
    (REFERENCE, "a@x:y^.z", "invalid digest: expected"),
    (CANONICAL, "^alpine", "the name is not in its full form"),
    (CANONICAL, "^library/alpine", "the name is not in its full form"),
    (CANONICAL, "docker.io/^alpine", "the name is not in its full form"),
    (CANONICAL, "docker.io/li^nux", "the name is not in its full form"),
    (
        CANONICAL,
        "^index.docker.io/a/b",
        "the name is not in its full form",
    ),
    (CANONICAL, "quay.io/^A", "a repository path must be lowercase"),
    (
        REPOSITORY,
        "alpine^:3",
        "a repository must not have a tag or digest",
    ),
    (REPOSITORY, "alpine^@$SHA256", "a repository must not have"),
    (REPOSITORY, "alpine^:3@$SHA256", "a repository must not have"),
    (
        REPOSITORY,
        "index.docker.io/alpine^:3",
        "a repository must not have",
    ),
    (REPOSITORY, "host:80/alpine^:3", "a repository must not have"),
    (REGISTRY, "^", "expected a name"),
    (REGISTRY, "quay.io^/a", "invalid registry host"),
    (REGISTRY, "quay.io^/", "invalid registry host"),
    (REGISTRY, "quay.io:443^/", "invalid port"),
    (REGISTRY, "https^://quay.io", "a name has no scheme"),
    (REGISTRY, "quay^", "a registry host has a '.' or a port"),
    (REGISTRY, "quay:^x", "invalid port"),
    (REGISTRY, "user^@quay.io", "invalid registry host"),
    (REGISTRY, "^*.quay.io", "invalid registry host"),
    (TAG, "^", "expected a name"),
    (TAG, "^.", "invalid tag"),
    (TAG, "^..", "invalid tag"),
    (TAG, "a^@b", "invalid tag"),
    (TAG, "a^/../b", "invalid tag"),
    (TAG, "a^\r\n", "invalid tag"),
    (TAG, "^\u{ff41}", "invalid tag"),
    (DIGEST, "^", "expected a name"),
    (DIGEST, "sha256^", "invalid digest: expected"),
    (DIGEST, "sha256:^/../", "invalid digest: expected"),
    (SHORT, "^quay.io/app", "a short name must not have a registry"),
    (SHORT, "^localhost/app", "a short name must not have a registry"),
    (SHORT, "^Quay/app", "a short name must not have a registry"),
    (SHORT, "^$HEX", "64 hexadecimal digits"),
    (ANY, "^@$SHA256", "expected a name"),
    (ANY, "^", "expected a name"),
];

#[test]
fn errors_say_what_and_point_at_the_byte() {
    for (parse, marked, message) in REFUSED {
        let marked = expand(marked);
        let Some(position) = marked.find('^') else {
            panic!("{marked}: no position")
        };
        let input = marked.replacen('^', "", 1);
        let error = parse(&input).expect_err(&input);
        assert!(error.to_string().starts_with(message), "{input}: {error}");
        assert_eq!(error.position(), position, "{marked}: {error}");
        assert!(input.is_char_boundary(error.position()), "{marked}: {error}");
    }
}

#[test]
fn limits_are_enforced_at_the_first_byte_too_many() {
    let long = |length: usize| "a".repeat(length);
    let table: &[(String, usize, &str)] = &[
        (
            long(248),
            247,
            "a repository path must not be longer than 255 bytes (at byte 247)",
        ),
        (
            format!("library/{}", long(248)),
            255,
            "a repository path must not",
        ),
        (
            format!("docker.io/{}", long(248)),
            257,
            "a repository path must not",
        ),
        (
            format!("index.docker.io/{}:1", long(248)),
            263,
            "a repository path must not",
        ),
        (
            format!("quay.io/{}", long(256)),
            263,
            "a repository path must not",
        ),
        (
            format!("{}.b/a", long(254)),
            255,
            "a registry must not be longer than 255 bytes (at byte 255)",
        ),
        (
            format!("a:{}", long(129)),
            130,
            "a tag must not be longer than 128 bytes (at byte 130)",
        ),
        (format!("a:{}@x:y", long(1 << 20)), 130, "a tag must not"),
        (
            format!("a@x:{}", long(1023)),
            1026,
            "invalid digest: its length does not fit its algorithm",
        ),
        (long(1 << 20), 247, "a repository path must not"),
        (format!("a.{}/b", long(1 << 20)), 255, "a registry must not"),
    ];
    for (input, position, message) in table {
        let error = Reference::parse(input).expect_err(input);
        assert_eq!(
            (error.position(), error.to_string().starts_with(message)),
            (*position, true),
            "{error}"
        );
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let registry = Registry::docker_hub();
    let table = [
        ("", "expected a name, found nothing (at byte 0)"),
        ("a:1", "a repository must not have a tag or digest (at byte 1)"),
        ("a@x:y", "a repository must not have a tag or digest (at byte 1)"),
        (
            "a//b",
            "invalid repository path: expected lowercase letters and digits, separated by '.', '_', '__', '-' or '/' (at byte 2, '/')",
        ),
        ("A", "a repository path must be lowercase (at byte 0, 'A')"),
    ];
    for (path, message) in table {
        assert_eq!(
            Repository::new(&registry, path).expect_err(path).to_string(),
            message
        );
    }
    let long = "a".repeat(248);
    assert_eq!(
        Repository::new(&registry, &long)
            .expect_err("too long")
            .position(),
        247
    );
    assert!(Repository::new(&Registry::parse("quay.io").unwrap(), &long).is_ok());
}

#[test]
fn the_character_that_does_not_fit_is_named() {
    let of = |error: ParseError| (error.position(), error.character());
    let reference = |text: &str| of(Reference::parse(text).unwrap_err());
    for (text, expected) in [
        ("team/App", (5, Some('A'))),
        ("team/app?x", (8, Some('?'))),
        ("team/\u{fc}", (5, Some('\u{fc}'))),
        ("app:a b", (5, Some(' '))),
        ("quay_.io/app", (4, Some('_'))),
        ("quay.io:80a/app", (10, Some('a'))),
        ("app@sha256:x\n", (11, Some('x'))),
        ("app:", (4, None)),
        ("https://quay.io/app", (5, None)),
    ] {
        assert_eq!(reference(text), expected, "{text:?}");
    }
    assert_eq!(of(Tag::parse("1+2").unwrap_err()), (1, Some('+')));
    assert_eq!(
        of(Digest::parse("sha256:\u{e9}").unwrap_err()),
        (7, Some('\u{e9}'))
    );
    assert_eq!(of(Registry::parse("quay.io:x").unwrap_err()), (8, Some('x')));
    assert_eq!(of(Registry::parse("quay.io/app").unwrap_err()), (7, Some('/')));
    let docker_hub = Registry::docker_hub();
    assert_eq!(
        of(Repository::new(&docker_hub, "a/B").unwrap_err()),
        (2, Some('B'))
    );
}

#[test]
fn debug_is_what_main_prints() {
    let error = Tag::parse("1\u{202e}").unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    assert!(error.to_string().ends_with("(at byte 1, '\\u{202e}')"), "{error}");
    assert!(format!("{error:#?}").contains("InvalidTag"));
}
