//! Identities that a signature must be for.

/// Beginnings of names for `remapIdentity`, and whether they are any.
const PREFIXES: &[(&str, bool)] = &[
    ("docker.io", true),
    ("docker.io/library", true),
    ("docker.io/myorg", true),
    ("docker.io/library/alpine", true),
    ("localhost", true),
    ("localhost:5000/a", true),
    ("myregistry", true),
    ("myregistry/team", true),
    ("ns/shortname", true),
    ("Upper.example/team", true),
    ("a.example/Upper", false),
    ("a.example/", false),
    ("a.example//b", false),
    ("/b", false),
    ("", false),
    ("a.example/b:c", false),
    (
        "a.example/b@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        false,
    ),
    ("*.example", false),
    ("a_b/c", false),
    ("https://a.example", false),
    ("[::1]:5000/a", false),
];

/// Repositories for `exactRepository`, of which a tag or digest counts for nothing.
const REPOSITORIES: &[(&str, bool)] = &[
    ("alpine", true),
    ("docker.io/library", true),
    ("a.example:5000/b/c", true),
    ("a.example/b:c", true),
    (
        "a.example/b@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        true,
    ),
    ("a.example/b:", false),
    ("a.example/UPPER", false),
    ("", false),
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        false,
    ),
];

/// Requirements with such an identity, and whether they are any.
pub(super) fn identities() -> impl Iterator<Item = (String, bool)> {
    let remapped = PREFIXES.iter().flat_map(|(prefix, good)| {
        [(*prefix, "b.example"), ("b.example", *prefix)].map(|(prefix, signed)| {
            let identity =
                format!(r#"{{"type":"remapIdentity","prefix":"{prefix}","signedPrefix":"{signed}"}}"#);
            (identity, *good)
        })
    });
    let repositories = REPOSITORIES.iter().map(|(repository, good)| {
        let identity = format!(r#"{{"type":"exactRepository","dockerRepository":"{repository}"}}"#);
        (identity, *good)
    });
    remapped.chain(repositories).map(|(identity, good)| {
        let requirement = format!(
            r#"{{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{identity}}}"#
        );
        (requirement, good)
    })
}
