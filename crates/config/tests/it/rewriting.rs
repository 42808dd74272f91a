//! Where a name leads: rewriting, mirrors, blocking, TLS.

use wharf_config::{Intent, Registries};
use wharf_reference::{Reference, Repository};

use crate::support::{candidates, candidates_for};

/// Files, a reference, and its candidates in order.
type Case = (&'static str, &'static str, &'static [&'static str]);

const DIGEST: &str = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const MIRRORS: &str = "[[registry]]\nlocation = 'r.lan'\n\
    [[registry.mirror]]\nlocation = 'all.lan'\n\
    [[registry.mirror]]\nlocation = 'tag.lan'\npull-from-mirror = 'tag-only'\n\
    [[registry.mirror]]\nlocation = 'digest.lan'\npull-from-mirror = 'digest-only'\n";

const DIGEST_ONLY: &str = "[[registry]]\nlocation = 'r.lan'\nmirror-by-digest-only = true\n\
    [[registry.mirror]]\nlocation = 'm.lan'\n[[registry.mirror]]\nlocation = 'n.lan'\n";

pub(crate) const CASES: &[Case] = &[
    // Nothing configured.
    ("", "alpine", &["docker.io/library/alpine"]),
    ("", "ex.com/a:1", &["ex.com/a"]),
    // Locations.
    ("[[registry]]\nlocation = 'r.lan'", "r.lan/x", &["r.lan/x"]),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'in.lan'",
        "ex.com/x",
        &["in.lan/x"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'in.lan/ns'",
        "ex.com/x",
        &["in.lan/ns/x"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'in.lan:5000/ns/'",
        "ex.com/x",
        &["in.lan:5000/ns/x"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com/a'\nlocation = 'in.lan'",
        "ex.com/a/b/c",
        &["in.lan/b/c"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com/a'\nlocation = 'in.lan/z'",
        "ex.com/a",
        &["in.lan/z"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com/a/b'\nlocation = 'in.lan/z'",
        "ex.com/a/b",
        &["in.lan/z"],
    ),
    (
        "[[registry]]\nprefix = 'docker.io'\nlocation = 'in.lan/hub'",
        "alpine",
        &["in.lan/hub/library/alpine"],
    ),
    (
        "[[registry]]\nprefix = 'docker.io/library'\nlocation = 'in.lan'",
        "alpine",
        &["in.lan/alpine"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'docker.io'",
        "ex.com/a/b",
        &["docker.io/a/b"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'docker.io/library'",
        "ex.com/a",
        &["docker.io/library/a"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'localhost'",
        "ex.com/a",
        &["localhost/a"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = '[::1]:5000'",
        "ex.com/a",
        &["[::1]:5000/a"],
    ),
    // A name that has moved is not looked up again.
    (
        "[[registry]]\nprefix = 'a.lan'\nlocation = 'b.lan'\n[[registry]]\nprefix = 'b.lan'\nlocation = 'c.lan'",
        "a.lan/x",
        &["b.lan/x"],
    ),
    // Wildcards.
    ("[[registry]]\nprefix = '*.ex.com'", "a.ex.com/x", &["a.ex.com/x"]),
    (
        "[[registry]]\nprefix = '*.ex.com'\nlocation = 'in.lan'",
        "a.b.ex.com/x",
        &["in.lan/x"],
    ),
    (
        "[[registry]]\nprefix = '*.ex.com'\nlocation = 'in.lan/ns'",
        "a.ex.com/x",
        &["in.lan/ns/x"],
    ),
    (
        "[[registry]]\nprefix = '*.ex.com'\nlocation = 'in.lan'",
        "a.ex.com:5000/x",
        &["in.lan:5000/x"],
    ),
    (
        "[[registry]]\nprefix = '*.ex.com'\n[[registry.mirror]]\nlocation = 'm.lan/c'",
        "a.ex.com:5000/x",
        &["a.ex.com:5000/x"], // the mirror cannot take the port
    ),
    (
        "[[registry]]\nprefix = '*.ex.com'\n[[registry.mirror]]\nlocation = 'm.lan'",
        "a.ex.com:5000/x",
        &["mirror m.lan:5000/x", "a.ex.com:5000/x"],
    ),
    // The port that a prefix leaves over.
    (
        "[[registry]]\nprefix = 'localhost'\nlocation = 'other.lan'",
        "localhost:5000/app",
        &["other.lan:5000/app"],
    ),
    (
        "[[registry]]\nlocation = 'localhost'\ninsecure = true\n[[registry.mirror]]\nlocation = 'm.lan'",
        "localhost:5000/app",
        &["mirror m.lan:5000/app", "localhost:5000/app insecure"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\n[[registry.mirror]]\nlocation = 'm.lan/cache'\n\
         [[registry.mirror]]\nlocation = 'm.lan:6000'",
        "r.lan:5000/x",
        &["r.lan:5000/x"], // neither mirror can take the port
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'in.lan:6000'",
        "ex.com:5000/x",
        &[
            "error: no candidate for ex.com:5000/x: line 1 ([[registry]] ex.com): in.lan:6000 cannot be followed \
           by the port :5000, which the prefix does not name; write a [[registry]] table whose prefix names it",
        ],
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'in.lan'\n\
         [[registry]]\nprefix = 'ex.com:5000'\nlocation = 'in.lan:6000/ns'",
        "ex.com:5000/x",
        &["in.lan:6000/ns/x"],
    ),
    (
        "[[registry]]\nlocation = 'registry'\ninsecure = true",
        "registry:5000/x",
        &["registry:5000/x insecure"],
    ),
    (
        "[[registry]]\nlocation = '[::1]'\ninsecure = true",
        "[::1]:5000/x",
        &["[::1]:5000/x insecure"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\nmirror-by-digest-only = true\n\
         [[registry.mirror]]\nlocation = 'm.lan'\ninsecure = true",
        "r.lan:5000/x@D",
        &["mirror m.lan:5000/x insecure", "r.lan:5000/x"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\n\
         [[registry.mirror]]\nlocation = 'tag.lan'\npull-from-mirror = 'tag-only'\n\
         [[registry.mirror]]\nlocation = 'digest.lan'\npull-from-mirror = 'digest-only'",
        "r.lan:5000/x:1",
        &["mirror tag.lan:5000/x", "r.lan:5000/x"],
    ),
    (
        "[registries.insecure]\nregistries = ['r.lan', 'registry']",
        "registry:5000/x",
        &["registry:5000/x insecure"],
    ),
    // Names that cannot be.
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'docker.io'",
        "ex.com/busybox",
        &[
            "error: no candidate for ex.com/busybox: line 1 ([[registry]] ex.com): docker.io/busybox is not a \
           canonical repository name: the name is not in its full form, registry/path (at byte 10)",
        ],
    ),
    (
        "[[registry]]\nprefix = 'ex.com/a'\nlocation = 'in.lan'",
        "ex.com/a",
        &[
            "error: no candidate for ex.com/a: line 1 ([[registry]] ex.com/a): in.lan is a registry, not a repository",
        ],
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'plain'",
        "ex.com/a",
        &[
            "error: no candidate for ex.com/a: line 1 ([[registry]] ex.com): plain/a is not a canonical \
           repository name: the name is not in its full form, registry/path (at byte 0)",
        ],
    ),
    (
        "[[registry]]\nprefix = 'ex.com'\nlocation = 'plain'\n[[registry.mirror]]\nlocation = 'm.lan'",
        "ex.com/a",
        &["mirror m.lan/a"],
    ),
    (
        "[[registry]]\nlocation = 'ex.com'\n[[registry.mirror]]\nlocation = 'UPPER/Case'\n\
         [[registry.mirror]]\nlocation = 'm.lan'",
        "ex.com/a",
        &["mirror m.lan/a", "ex.com/a"],
    ),
    // Mirrors, and which pulls they serve.
    (
        MIRRORS,
        "r.lan/x",
        &["mirror all.lan/x", "mirror tag.lan/x", "r.lan/x"],
    ),
    (
        MIRRORS,
        "r.lan/x:1",
        &["mirror all.lan/x", "mirror tag.lan/x", "r.lan/x"],
    ),
    (
        MIRRORS,
        "r.lan/x@D",
        &["mirror all.lan/x", "mirror digest.lan/x", "r.lan/x"],
    ),
    (
        MIRRORS,
        "r.lan/x:1@D",
        &["mirror all.lan/x", "mirror digest.lan/x", "r.lan/x"],
    ),
    (DIGEST_ONLY, "r.lan/x:1", &["r.lan/x"]),
    (
        DIGEST_ONLY,
        "r.lan/x@D",
        &["mirror m.lan/x", "mirror n.lan/x", "r.lan/x"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\nmirror = [{location = 'm.lan'}, {location = 'n.lan', insecure = true}]",
        "r.lan/x",
        &["mirror m.lan/x", "mirror n.lan/x insecure", "r.lan/x"],
    ),
    (
        "[[registry]]\nprefix = 'ex.com/ns'\nlocation = 'in.lan/a'\n[[registry.mirror]]\nlocation = 'm.lan/b'",
        "ex.com/ns/x",
        &["mirror m.lan/b/x", "in.lan/a/x"],
    ),
    (
        "[[registry]]\nlocation = 'docker.io'\n[[registry.mirror]]\nlocation = 'm.lan'",
        "alpine",
        &["mirror m.lan/library/alpine", "docker.io/library/alpine"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\npull-from-mirror = ''",
        "r.lan/x",
        &["mirror m.lan/x", "r.lan/x"],
    ),
    // Only one table applies: the broader one's mirrors and flags are forgotten.
    (
        "[[registry]]\nlocation = 'r.lan'\ninsecure = true\n[[registry.mirror]]\nlocation = 'm.lan'\n\
         [[registry]]\nlocation = 'r.lan/ns'",
        "r.lan/ns/x",
        &["r.lan/ns/x"],
    ),
    // TLS is each place's own.
    (
        "[[registry]]\nlocation = 'r.lan'\ninsecure = true",
        "r.lan/x",
        &["r.lan/x insecure"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\ninsecure = true\n[[registry.mirror]]\nlocation = 'm.lan'",
        "r.lan/x",
        &["mirror m.lan/x", "r.lan/x insecure"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\ninsecure = true",
        "r.lan/x",
        &["mirror m.lan/x insecure", "r.lan/x"],
    ),
    (
        "[[registry]]\nlocation = 'm.lan'\ninsecure = true\n\
         [[registry]]\nlocation = 'r.lan'\n[[registry.mirror]]\nlocation = 'm.lan'",
        "r.lan/x",
        &["mirror m.lan/x", "r.lan/x"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\ninsecure = true",
        "r.lan:5000/x",
        &["r.lan:5000/x insecure"],
    ),
    // Blocking, by the logical or the physical name.
    (
        "[[registry]]\nlocation = 'r.lan'\nblocked = true",
        "r.lan/x",
        &["error: r.lan/x is blocked by line 1 ([[registry]] r.lan)"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan/ns'\nblocked = true",
        "r.lan/other/x",
        &["r.lan/other/x"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\nblocked = true\n[[registry]]\nlocation = 'r.lan/ok'",
        "r.lan/ok/x",
        &["r.lan/ok/x"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\nblocked = true\n[[registry.mirror]]\nlocation = 'm.lan'",
        "r.lan/x",
        &["mirror m.lan/x", "r.lan/x blocked"],
    ),
    (
        "[[registry]]\nprefix = 'pub.io'\nlocation = 'priv.lan'\nblocked = true",
        "pub.io/x",
        &["error: pub.io/x is blocked by line 1 ([[registry]] pub.io)"],
    ),
    (
        "[[registry]]\nprefix = 'pub.io'\nlocation = 'priv.lan/a'\n[[registry]]\nlocation = 'priv.lan'\nblocked = true",
        "pub.io/x",
        &["error: priv.lan/a/x is blocked by line 4 ([[registry]] priv.lan)"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\n\
         [[registry]]\nlocation = 'm.lan'\nblocked = true",
        "r.lan/x",
        &["mirror m.lan/x blocked", "r.lan/x"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\nblocked = true\n[[registry.mirror]]\nlocation = 'r.lan/cache'",
        "r.lan/x",
        &["error: r.lan/x is blocked by line 1 ([[registry]] r.lan)"],
    ),
    (
        "[[registry]]\nprefix = '*.ex.com'\nblocked = true",
        "a.ex.com:5000/x",
        &["error: a.ex.com:5000/x is blocked by line 1 ([[registry]] *.ex.com)"],
    ),
    (
        "[[registry]]\nprefix = '*.ex.com'\nblocked = true\n[[registry]]\nlocation = 'ok.ex.com'",
        "ok.ex.com/x",
        &["ok.ex.com/x"],
    ),
    (
        "[[registry]]\nlocation = 'r.lan'\nblocked = true\nmirror-by-digest-only = true\n\
         [[registry.mirror]]\nlocation = 'm.lan'",
        "r.lan/x:1",
        &["error: r.lan/x is blocked by line 1 ([[registry]] r.lan)"],
    ),
    (
        "[[registry]]\nprefix = 'r.lan/x'\nlocation = 'in.lan'\nblocked = true",
        "r.lan/x",
        &["error: r.lan/x is blocked by line 1 ([[registry]] r.lan/x)"],
    ),
    // Version 1.
    (
        "[registries.insecure]\nregistries = ['r.lan:5000']",
        "r.lan:5000/x",
        &["r.lan:5000/x insecure"],
    ),
    (
        "[registries.block]\nregistries = ['r.lan/ns/']",
        "r.lan/ns/x",
        &["error: r.lan/ns/x is blocked by line 2 ([[registry]] r.lan/ns)"],
    ),
    (
        "[registries.block]\nregistries = ['r.lan/ns']",
        "r.lan/x",
        &["r.lan/x"],
    ),
    (
        "[registries.insecure]\nregistries = ['r.lan']\n[registries.block]\nregistries = ['r.lan']",
        "r.lan/x",
        &["error: r.lan/x is blocked by line 4 ([[registry]] r.lan)"],
    ),
    (
        "[registries.search]\nregistries = ['r.lan']",
        "r.lan/x",
        &["r.lan/x"],
    ),
];

#[test]
fn every_name_leads_to_its_candidates() {
    for (text, reference, expected) in CASES {
        let registries = Registries::parse(text).unwrap();
        let reference = reference.replace("@D", DIGEST);
        assert_eq!(
            candidates(&registries, &reference),
            *expected,
            "{reference} with\n{text}"
        );
    }
}

#[test]
fn only_pulls_are_mirrored_or_moved() {
    let text = "[[registry]]\nprefix = 'ex.com'\nlocation = 'in.lan'\ninsecure = true\n\
                [[registry.mirror]]\nlocation = 'm.lan'\n\
                [[registry]]\nprefix = 'blocked.lan'\nlocation = 'in.lan/b'\nblocked = true\n";
    // The two locations differ, so their flags may.
    let registries = Registries::parse(text).unwrap();
    let reference = Reference::parse("ex.com/x:1").unwrap();
    for intent in [Intent::Push, Intent::Other] {
        assert_eq!(
            candidates_for(&registries, &reference, intent),
            ["ex.com/x insecure"]
        );
        let blocked = Reference::parse("blocked.lan/x").unwrap();
        let found = candidates_for(&registries, &blocked, intent);
        assert!(
            found[0].starts_with("error: blocked.lan/x is blocked"),
            "{found:?}"
        );
    }
}

#[test]
fn what_is_left_out_is_explained() {
    let text = "[[registry]]\nlocation = 'r.lan'\n[[registry.mirror]]\nlocation = 'docker.io'\n";
    let registries = Registries::parse(text).unwrap();
    let repository = Repository::parse("r.lan/x").unwrap();
    let resolution = registries.explain(&repository, Intent::PullTag);
    assert_eq!(resolution.candidates().len(), 1);
    let skipped = &resolution.skipped()[0];
    assert_eq!(
        skipped.table.to_string(),
        "line 3 ([[registry.mirror]] docker.io)"
    );
    assert!(skipped.reason.starts_with("docker.io/x is not a canonical"));
    let warning = resolution.warnings()[0].to_string();
    let expected = "line 3: registry.mirror.location: left out for r.lan/x: docker.io/x is not a canonical";
    assert!(warning.starts_with(expected), "{warning}");
    assert_eq!(resolution.table().unwrap().prefix().as_str(), "r.lan");
}

/// Docker Hub's images of one component are below `library`, which is left out of their names everywhere else.
#[test]
fn a_table_of_a_namespace_that_is_called_as_an_image_is_named() {
    for (table, image, warned) in [
        ("location = 'docker.io/alpine'\nblocked = true", "alpine", true),
        (
            "prefix = 'docker.io/alpine'\nlocation = 'm.lan/alpine'",
            "docker.io/library/alpine",
            true,
        ),
        ("location = 'docker.io/alpine/'", "index.docker.io/alpine", true),
        ("location = 'docker.io/alpine'", "docker.io/alpine/git", false),
        ("location = 'docker.io/alpine'", "docker.io/team/alpine", false),
        ("location = 'docker.io/library/alpine'", "alpine", false),
        ("location = 'docker.io/ceph'", "alpine", false),
        ("location = 'docker.io'", "alpine", false),
        ("location = 'r.lan/alpine'", "r.lan/library/alpine", false),
    ] {
        let registries = Registries::parse(&format!("[[registry]]\n{table}")).unwrap();
        assert!(registries.warnings().is_empty(), "{table}");
        let repository = Reference::parse(image).unwrap().repository();
        for intent in [Intent::PullTag, Intent::PullDigest, Intent::Push] {
            let resolution = registries.explain(&repository, intent);
            let warnings: Vec<String> = resolution.warnings().iter().map(ToString::to_string).collect();
            assert_eq!(!warnings.is_empty(), warned, "{table}, {image}: {warnings:?}");
            for warning in warnings {
                assert!(
                    warning.starts_with("line 1: registry.prefix: docker.io/alpine does not match"),
                    "{warning}"
                );
                assert!(
                    warning.contains("write docker.io/library/alpine for the image"),
                    "{warning}"
                );
            }
        }
    }
}
