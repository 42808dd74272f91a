//! What names mean, as tables.

use wharf_reference::{AnyReference, Reference, ShortName, Written};

pub(crate) const SHA256: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// `$SHA256`, `$SHA512` and `$HEX` stand for digests in the tables.
pub(crate) fn expand(text: &str) -> String {
    let sha512 = format!("sha512:{}", HEX.repeat(2));
    text.replace("$SHA256", SHA256)
        .replace("$SHA512", &sha512)
        .replace("$HEX", HEX)
}

/// Input, full form, familiar form.
const NORMALISED: &[(&str, &str, &str)] = &[
    ("alpine", "docker.io/library/alpine", "alpine"),
    ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
    (
        "alpine@$SHA256",
        "docker.io/library/alpine@$SHA256",
        "alpine@$SHA256",
    ),
    (
        "alpine:3@$SHA256",
        "docker.io/library/alpine:3@$SHA256",
        "alpine:3@$SHA256",
    ),
    (
        "alpine@$SHA512",
        "docker.io/library/alpine@$SHA512",
        "alpine@$SHA512",
    ),
    ("library/alpine", "docker.io/library/alpine", "alpine"),
    ("library/a/b", "docker.io/library/a/b", "library/a/b"),
    ("library/library", "docker.io/library/library", "library"),
    ("library", "docker.io/library/library", "library"),
    (
        "grafana/grafana:11",
        "docker.io/grafana/grafana:11",
        "grafana/grafana:11",
    ),
    ("a/b/c/d", "docker.io/a/b/c/d", "a/b/c/d"),
    ("docker.io/alpine", "docker.io/library/alpine", "alpine"),
    ("docker.io/alpine:3", "docker.io/library/alpine:3", "alpine:3"),
    ("docker.io/library/alpine", "docker.io/library/alpine", "alpine"),
    (
        "docker.io/grafana/grafana",
        "docker.io/grafana/grafana",
        "grafana/grafana",
    ),
    ("index.docker.io/alpine", "docker.io/library/alpine", "alpine"),
    (
        "index.docker.io/a/b:c@$SHA256",
        "docker.io/a/b:c@$SHA256",
        "a/b:c@$SHA256",
    ),
    // Only these two spellings are Docker Hub.
    (
        "index.docker.io:443/alpine",
        "index.docker.io:443/alpine",
        "index.docker.io:443/alpine",
    ),
    (
        "docker.io:443/alpine",
        "docker.io:443/alpine",
        "docker.io:443/alpine",
    ),
    ("Docker.io/alpine", "Docker.io/alpine", "Docker.io/alpine"),
    (
        "registry-1.docker.io/alpine",
        "registry-1.docker.io/alpine",
        "registry-1.docker.io/alpine",
    ),
    // A registry needs a dot, a colon, an upper-case letter, or to be localhost, and a path after it.
    ("localhost", "docker.io/library/localhost", "localhost"),
    (
        "localhost:5000",
        "docker.io/library/localhost:5000",
        "localhost:5000",
    ),
    ("quay.io", "docker.io/library/quay.io", "quay.io"),
    ("quay.io:443", "docker.io/library/quay.io:443", "quay.io:443"),
    ("localhost/app", "localhost/app", "localhost/app"),
    (
        "localhost:5000/app:1",
        "localhost:5000/app:1",
        "localhost:5000/app:1",
    ),
    ("localhosts/app", "docker.io/localhosts/app", "localhosts/app"),
    ("quay.io/app", "quay.io/app", "quay.io/app"),
    ("quay.io/a/b:c", "quay.io/a/b:c", "quay.io/a/b:c"),
    ("host:1/app", "host:1/app", "host:1/app"),
    ("host:00080/app", "host:00080/app", "host:00080/app"),
    (
        "host:65535/app:65536",
        "host:65535/app:65536",
        "host:65535/app:65536",
    ),
    ("HOST/app", "HOST/app", "HOST/app"),
    ("hosT/app", "hosT/app", "hosT/app"),
    (
        "A.b-C.example:80/app",
        "A.b-C.example:80/app",
        "A.b-C.example:80/app",
    ),
    (
        "xn--bcher-kva.example/app",
        "xn--bcher-kva.example/app",
        "xn--bcher-kva.example/app",
    ),
    ("a--b.example/app", "a--b.example/app", "a--b.example/app"),
    ("127.0.0.1/app", "127.0.0.1/app", "127.0.0.1/app"),
    ("1.2/app", "1.2/app", "1.2/app"),
    ("[::1]/app", "[::1]/app", "[::1]/app"),
    ("[::]:5000/app:1", "[::]:5000/app:1", "[::]:5000/app:1"),
    (
        "[2001:DB8:0:0:0:0:0:1]:443/a@$SHA256",
        "[2001:DB8:0:0:0:0:0:1]:443/a@$SHA256",
        "[2001:DB8:0:0:0:0:0:1]:443/a@$SHA256",
    ),
    // Path components.
    ("a", "docker.io/library/a", "a"),
    ("0", "docker.io/library/0", "0"),
    ("a.b", "docker.io/library/a.b", "a.b"),
    ("a_b", "docker.io/library/a_b", "a_b"),
    ("a__b", "docker.io/library/a__b", "a__b"),
    ("a----b", "docker.io/library/a----b", "a----b"),
    (
        "a/a.b_c__d-e--f/0.1_2",
        "docker.io/a/a.b_c__d-e--f/0.1_2",
        "a/a.b_c__d-e--f/0.1_2",
    ),
    ("a_b/c", "docker.io/a_b/c", "a_b/c"),
    (
        "quay.io/a.b/c_d/e-f",
        "quay.io/a.b/c_d/e-f",
        "quay.io/a.b/c_d/e-f",
    ),
    // Tags.
    ("a:_", "docker.io/library/a:_", "a:_"),
    (
        "a:A..b--C__.-",
        "docker.io/library/a:A..b--C__.-",
        "a:A..b--C__.-",
    ),
    ("sha256:$HEX", "docker.io/library/sha256:$HEX", "sha256:$HEX"),
    // An identifier is refused only alone.
    ("$HEX:1", "docker.io/library/$HEX:1", "$HEX:1"),
    ("$HEX@$SHA256", "docker.io/library/$HEX@$SHA256", "$HEX@$SHA256"),
    ("quay.io/$HEX", "quay.io/$HEX", "quay.io/$HEX"),
    ("a/$HEX", "docker.io/a/$HEX", "a/$HEX"),
    ("$HEX0", "docker.io/library/$HEX0", "$HEX0"),
    // Names whose short form would mean another: what tells them apart stays.
    ("docker.io/$HEX", "docker.io/library/$HEX", "library/$HEX"),
    ("library/$HEX:1", "docker.io/library/$HEX:1", "$HEX:1"),
    (
        "docker.io/quay.io/app",
        "docker.io/quay.io/app",
        "docker.io/quay.io/app",
    ),
    (
        "docker.io/localhost/app:1",
        "docker.io/localhost/app:1",
        "docker.io/localhost/app:1",
    ),
    (
        "docker.io/docker.io/app",
        "docker.io/docker.io/app",
        "docker.io/docker.io/app",
    ),
    (
        "docker.io/index.docker.io/app",
        "docker.io/index.docker.io/app",
        "docker.io/index.docker.io/app",
    ),
    ("docker.io/a.b/c", "docker.io/a.b/c", "docker.io/a.b/c"),
    (
        "docker.io/library/quay.io",
        "docker.io/library/quay.io",
        "quay.io",
    ),
    // Algorithms that nothing is verified with.
    ("a@sha384:0a", "docker.io/library/a@sha384:0a", "a@sha384:0a"),
    (
        "a@sha256+b64:AbC_-=",
        "docker.io/library/a@sha256+b64:AbC_-=",
        "a@sha256+b64:AbC_-=",
    ),
    (
        "a:b@x.y_z-1:0",
        "docker.io/library/a:b@x.y_z-1:0",
        "a:b@x.y_z-1:0",
    ),
];

#[test]
fn names_are_normalised_and_shortened() {
    for (input, full, familiar) in NORMALISED {
        let (input, full, familiar) = (expand(input), expand(full), expand(familiar));
        let reference = Reference::parse(&input).unwrap_or_else(|error| panic!("{input}: {error}"));
        assert_eq!(reference, full.as_str());
        assert_eq!(reference.familiar().to_string(), familiar, "{input}");
        assert_eq!(Reference::parse(&familiar).as_ref(), Ok(&reference), "{familiar}");

        let written = Written::parse(&input).unwrap();
        assert_eq!(written, input.as_str());
        assert_eq!(written.normalise(), reference);
        assert_eq!(
            written.registry(),
            written.has_registry().then(|| reference.registry()),
            "{input}"
        );
        assert_eq!(written.short_name(), ShortName::parse(&input).ok());

        assert_eq!(Reference::parse_canonical(&full), Ok(reference));
        assert_eq!(
            Reference::parse_canonical(&input).is_ok(),
            input == full,
            "{input}"
        );
    }
}

#[test]
fn limits_are_inclusive() {
    let name = |length: usize| "a".repeat(length);
    let host = |length: usize| format!("{}.b", name(length - 2));
    let accepted = [
        name(247),
        format!("{}/{}", name(127), name(127)),
        format!("docker.io/{}", name(247)),
        format!("quay.io/{}", name(255)),
        format!("{}/{}", host(255), name(255)),
        format!("{}:1/{}", host(253), name(255)),
        format!("a:{}", name(128)),
        format!("a@x:{}", name(1022)),
        format!("{}/{}:{}@x:{}", host(255), name(255), name(128), name(1022)),
    ];
    for input in accepted {
        let reference = Reference::parse(&input).unwrap_or_else(|error| panic!("{input}: {error}"));
        assert!(
            reference
                .as_str()
                .ends_with(input.trim_start_matches("docker.io/")),
            "{input}"
        );
        assert_eq!(Reference::parse(reference.as_str()).as_ref(), Ok(&reference));
    }
}

/// Input, full form, whether it is a digest.
const ANY: &[(&str, &str, bool)] = &[
    ("$HEX", "$SHA256", true),
    ("$SHA256", "$SHA256", true),
    ("$SHA512", "$SHA512", true),
    ("sha256:1", "docker.io/library/sha256:1", false),
    ("sha384:$HEX", "docker.io/library/sha384:$HEX", false),
    ("app:1", "docker.io/library/app:1", false),
    ("quay.io/app@$SHA256", "quay.io/app@$SHA256", false),
];

#[test]
fn identifiers_and_digests_stand_for_images() {
    for (input, full, is_digest) in ANY {
        let any = AnyReference::parse(&expand(input)).unwrap();
        assert_eq!(any.to_string(), expand(full));
        assert_eq!(matches!(any, AnyReference::Digest(_)), *is_digest, "{input}");
    }
    assert!(AnyReference::parse("@sha256:1").is_err());
}
