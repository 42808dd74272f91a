//! What is kept but has no effect.

use wharf_config::Registries;

/// A file, and its warnings: line, table, key, and a part of the message.
type Case = (&'static str, &'static [Warning]);
type Warning = (usize, &'static str, &'static str, &'static str);

pub(crate) const CASES: &[Case] = &[
    ("", &[]),
    ("\u{feff}short-name-mode = 'disabled'", &[]),
    ("# only a comment\n", &[]),
    (
        "unqualified-search-registries = ['localhost', 'a.lan:5000/', '[::1]', 'HOST']",
        &[],
    ),
    (
        "[[registry]]\nprefix = '*.ex.com'\n[[registry]]\nlocation = 'localhost:5000'\nmirror = []",
        &[],
    ),
    // Unknown.
    ("future = 1", &[(1, "", "future", "unknown key, ignored")]),
    ("[future]\nx = 1", &[(1, "", "future", "unknown key")]),
    (
        "[[registry]]\nlocation = 'x.lan'\nfuture = 1",
        &[(3, "registry", "future", "unknown key")],
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\nfuture = 1",
        &[(5, "registry.mirror", "future", "unknown key")],
    ),
    (
        "b = 1\na = 1",
        &[(1, "", "b", "unknown"), (2, "", "a", "unknown")],
    ),
    // Nearly known.
    (
        "[[registry]]\nlocation = 'x.lan'\nInsecure = true",
        &[(3, "registry", "Insecure", "read as insecure; write it so")],
    ),
    (
        "[[Registry]]\nLocation = 'x.lan'\n[[Registry.MIRROR]]\nlocation = 'm.lan'\nPull-From-Mirror = 'all'",
        &[
            (1, "", "Registry", "read as registry"),
            (2, "registry", "Location", "read as location"),
            (3, "registry", "MIRROR", "read as mirror"),
            (
                5,
                "registry.mirror",
                "Pull-From-Mirror",
                "read as pull-from-mirror",
            ),
        ],
    ),
    (
        "Unqualified-Search-Registries = ['x.lan']",
        &[(
            1,
            "",
            "Unqualified-Search-Registries",
            "read as unqualified-search-registries",
        )],
    ),
    (
        "[Registries.Search]\nRegistries = ['x.lan']",
        &[
            (1, "", "Registries", "read as registries"),
            (1, "", "registries", "version 1"),
            (1, "registries", "Search", "read as search"),
            (2, "registries.search", "Registries", "read as registries"),
        ],
    ),
    (
        "[Aliases]\napp = 'x.lan/app'",
        &[(1, "", "Aliases", "read as aliases")],
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nMirror_By_Digest_Only = true",
        &[(
            3,
            "registry",
            "Mirror_By_Digest_Only",
            "did you mean mirror-by-digest-only?",
        )],
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nShort-Name-Mode = 'enforcing'",
        &[(
            3,
            "registry",
            "Short-Name-Mode",
            "it fell into the table registry",
        )],
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nmirror_by_digest_only = true",
        &[(
            3,
            "registry",
            "mirror_by_digest_only",
            "did you mean mirror-by-digest-only?",
        )],
    ),
    (
        "short_name_mode = 'disabled'",
        &[(1, "", "short_name_mode", "did you mean short-name-mode?")],
    ),
    // Misplaced.
    (
        "[[registry]]\nlocation = 'x.lan'\nshort-name-mode = 'enforcing'",
        &[(
            3,
            "registry",
            "short-name-mode",
            "it fell into the table registry; it belongs above the first table",
        )],
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\nunqualified-search-registries = ['a.lan']",
        &[(
            5,
            "registry.mirror",
            "unqualified-search-registries",
            "it fell into the table registry.mirror",
        )],
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\ncredential-helpers = ['x']",
        &[(
            3,
            "registry",
            "credential-helpers",
            "it fell into the table registry",
        )],
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\nblocked = true",
        &[(5, "registry.mirror", "blocked", "unknown key")],
    ),
    // Prefixes that match nothing.
    (
        "[[registry]]\nlocation = 'x.lan/a:1'",
        &[
            (
                2,
                "registry",
                "prefix",
                "\"x.lan/a:1\": never matches: registries are looked up without tag and digest",
            ),
            (2, "registry", "location", "never usable"),
        ],
    ),
    (
        "[[registry]]\nprefix = 'x.lan/a:1'\nlocation = 'x.lan'",
        &[(2, "registry", "prefix", "without tag and digest")],
    ),
    (
        "[[registry]]\nprefix = 'x.lan/a@sha256:aa'\nlocation = 'x.lan'",
        &[(2, "registry", "prefix", "without tag and digest")],
    ),
    (
        "[[registry]]\nprefix = '*'\nlocation = 'x.lan'",
        &[(2, "registry", "prefix", "a wildcard may only be the first label")],
    ),
    (
        "[[registry]]\nprefix = 'a.*.com'\nlocation = 'x.lan'",
        &[(2, "registry", "prefix", "a wildcard may only be the first label")],
    ),
    (
        "[[registry]]\nprefix = '*.'",
        &[(2, "registry", "prefix", "a wildcard is `*.` and a domain")],
    ),
    (
        "[[registry]]\nprefix = '*.-x'",
        &[(2, "registry", "prefix", "a wildcard is `*.` and a domain")],
    ),
    (
        "[[registry]]\nprefix = 'plain/ns'\nlocation = 'x.lan'",
        &[(2, "registry", "prefix", "does not begin with a registry")],
    ),
    (
        "[[registry]]\nprefix = 'x.lan/UPPER'\nlocation = 'x.lan'",
        &[(2, "registry", "prefix", "the path is not that of a repository")],
    ),
    (
        "[[registry]]\nprefix = 'index.docker.io'\nlocation = 'x.lan'",
        &[(
            2,
            "registry",
            "prefix",
            "names of Docker Hub begin with docker.io",
        )],
    ),
    // Nothing is said of a prefix that is a namespace of Docker Hub or a host that names have with a port.
    (
        "[[registry]]\nprefix = 'docker.io/alpine'\nlocation = 'x.lan'",
        &[],
    ),
    (
        "[[registry]]\nprefix = ''\nlocation = 'docker.io/ceph'\n[[registry.mirror]]\nlocation = 'm.lan:5000/ceph'",
        &[],
    ),
    ("[[registry]]\nlocation = 'localhost'", &[]),
    ("[[registry]]\nlocation = 'registry'", &[]),
    ("[[registry]]\nprefix = 'Registry'\nlocation = 'registry'", &[]),
    ("[[registry]]\nprefix = 'registry'\nlocation = 'x.lan'", &[]),
    // Locations that can never be used.
    (
        "[[registry]]\nprefix = 'x.lan'\nlocation = 'plain/ns'",
        &[(
            3,
            "registry",
            "location",
            "never usable: it does not begin with a registry",
        )],
    ),
    (
        "[[registry]]\nprefix = 'x.lan'\nlocation = 'plain'",
        &[(3, "registry", "location", "usable only for names with a port")],
    ),
    (
        "[[registry]]\nlocation = 'plain'\n[[registry.mirror]]\nlocation = 'cache'",
        &[(
            4,
            "registry.mirror",
            "location",
            "usable only for names with a port",
        )],
    ),
    (
        "[[registry]]\nprefix = 'x.lan'\nlocation = 'index.docker.io'",
        &[(3, "registry", "location", "Docker Hub is called docker.io")],
    ),
    (
        "[[registry]]\nprefix = 'x.lan'\nlocation = 'y.lan//z'",
        &[(3, "registry", "location", "the path cannot begin a repository's")],
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 'user@m.lan'",
        &[(4, "registry.mirror", "location", "never usable")],
    ),
    // Duplicates.
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry]]\nlocation = 'x.lan'",
        &[(3, "registry", "prefix", "that in line 1 has the same prefix")],
    ),
    (
        "registry = [{location = 'x.lan'}, {location = 'x.lan'}]",
        &[(1, "registry", "prefix", "has the same prefix")],
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry]]\nlocation = 'X.lan'",
        &[(3, "registry", "prefix", "has the same prefix")],
    ),
    // Search registries.
    (
        "unqualified-search-registries = ['a.lan', 'myhost']",
        &[(
            1,
            "",
            "unqualified-search-registries",
            "myhost is left out: no name can begin with this host; add its port, as in myhost:443",
        )],
    ),
    // Version 1.
    (
        "[registries.search]\nregistries = []",
        &[(1, "", "registries", "version 1")],
    ),
    (
        "[registries.search]\nregistries = []\nx = 1",
        &[
            (1, "", "registries", "version 1"),
            (3, "registries.search", "x", "unknown key"),
        ],
    ),
    (
        "[registries.find]\nregistries = []",
        &[(1, "registries", "find", "unknown key")],
    ),
    (
        "[registries.block]\nregistries = ['plain']",
        &[(1, "", "registries", "version 1")],
    ),
    (
        "[registries.insecure]\nregistries = ['172.30.0.0/16']",
        &[
            (1, "", "registries", "version 1"),
            (
                2,
                "registries.insecure",
                "registries",
                "a range of addresses is not supported",
            ),
        ],
    ),
    (
        "[[registry]]\nlocation = '10.0.0.0/8'\nblocked = true",
        &[(2, "registry", "prefix", "a range of addresses is not supported")],
    ),
    ("[[registry]]\nlocation = '10.0.0.1/team'", &[]),
    ("[[registry]]\nlocation = '10.0.0.1/2024'", &[]),
    ("[[registry]]\nlocation = 'r10.lan/8'", &[]),
    (
        "[registries.block]\nregistries = ['plain/ns']",
        &[
            (1, "", "registries", "version 1"),
            (2, "registries.block", "registries", "never matches"),
        ],
    ),
];

#[test]
fn what_has_no_effect_is_said() {
    for (text, expected) in CASES {
        let registries = Registries::parse(text).unwrap();
        let warnings = registries.warnings();
        let context = format!("{warnings:#?}\n{text}");
        assert_eq!(warnings.len(), expected.len(), "{context}");
        for (warning, (line, table, key, message)) in warnings.iter().zip(*expected) {
            assert_eq!(warning.line(), Some(*line), "{context}");
            assert_eq!((warning.table(), warning.key()), (*table, *key), "{context}");
            assert!(warning.message().contains(message), "{context}");
        }
    }
}

#[test]
fn a_warning_prints_its_line() {
    let registries = Registries::parse("[[registry]]\nlocation = 'x.lan'\nfuture = 1").unwrap();
    let warning = &registries.warnings()[0];
    assert_eq!(
        warning.to_string(),
        "line 3: registry.future: unknown key, ignored"
    );
}
