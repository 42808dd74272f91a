//! Which prefix applies to a name.

use std::fmt::Write;

use wharf_config::{Registries, Resolve as _, ResolveError, TlsMode};
use wharf_reference::{Registry, Repository};

/// Prefixes, a repository, and the prefix that applies to it.
type Case = (&'static [&'static str], &'static str, Option<&'static str>);

pub(crate) const CASES: &[Case] = &[
    // A registry as a whole.
    (&["ex.com"], "ex.com/x", Some("ex.com")),
    (&["ex.com"], "ex.com/a/b/c", Some("ex.com")),
    (&["ex.com"], "ex.org/x", None),
    (&["ex.com"], "sub.ex.com/x", None),
    (&["ex.com"], "ex.com.evil/x", None),
    (&["ex.com"], "notex.com/x", None),
    (&["ex.com"], "x/ex.com", None),
    (&["ex.com/"], "ex.com/x", Some("ex.com")),
    (&["ex.com///"], "ex.com/x", Some("ex.com")),
    (&["localhost"], "localhost/x", Some("localhost")),
    (&["localhost"], "localhost:5000/x", Some("localhost")),
    (&["localhost:5000"], "localhost/x", None),
    (&["127.0.0.1"], "127.0.0.1/x", Some("127.0.0.1")),
    (&["127.0.0.1:5000"], "127.0.0.1:5000/x", Some("127.0.0.1:5000")),
    // Ports: without one, every one.
    (&["ex.com"], "ex.com:5000/x", Some("ex.com")),
    (&["ex.com"], "EX.com:5000/x", Some("ex.com")),
    (&["ex.com"], "ex.com:443/x", Some("ex.com")),
    (&["ex.com"], "sub.ex.com:5000/x", None),
    (&["ex.com"], "ex.com.evil:5000/x", None),
    (&["ex.com"], "notex.com:5000/x", None),
    (&["127.0.0.1"], "127.0.0.1:5000/x", Some("127.0.0.1")),
    (&["registry"], "registry:5000/x", Some("registry")),
    (&["Registry"], "registry:5000/x", Some("Registry")),
    (&["registry"], "registry/x", None),
    (&["registry"], "registry.lan/x", None),
    (&["registry/ns"], "registry:5000/ns/x", None),
    (&["ex.com:5000"], "ex.com:5000/x", Some("ex.com:5000")),
    (&["ex.com:5000"], "ex.com/x", None),
    (&["ex.com:5000"], "ex.com:50000/x", None),
    (&["ex.com:500"], "ex.com:5000/x", None),
    (&["ex.com:443"], "ex.com/x", None),
    (&["ex.com", "ex.com:5000"], "ex.com:5000/x", Some("ex.com:5000")),
    (&["ex.com", "ex.com:5000"], "ex.com/x", Some("ex.com")),
    (&["ex.com", "ex.com:5000"], "ex.com:5001/x", Some("ex.com")),
    (&["ex.com", "ex.com/ns"], "ex.com:5000/ns/x", Some("ex.com")),
    (
        &["ex.com", "ex.com:5000/ns"],
        "ex.com:5000/ns/x",
        Some("ex.com:5000/ns"),
    ),
    // Paths, component by component.
    (&["ex.com/ns"], "ex.com/ns/x", Some("ex.com/ns")),
    (&["ex.com/ns"], "ex.com/ns", Some("ex.com/ns")),
    (&["ex.com/ns"], "ex.com/nsx", None),
    (&["ex.com/ns"], "ex.com/ns-x/y", None),
    (&["ex.com/ns"], "ex.com/ns.x/y", None),
    (&["ex.com/ns"], "ex.com/x/ns", None),
    (&["ex.com/ns/"], "ex.com/ns/x", Some("ex.com/ns")),
    (&["ex.com/foo"], "ex.com/foobar", None),
    (&["ex.com/foo"], "ex.com:5000/foo", None),
    (
        &["ex.com:5000/foo"],
        "ex.com:5000/foo/bar",
        Some("ex.com:5000/foo"),
    ),
    // The most specific one alone applies.
    (&["ex.com", "ex.com/ns"], "ex.com/ns/x", Some("ex.com/ns")),
    (&["ex.com", "ex.com/ns"], "ex.com/other/x", Some("ex.com")),
    (
        &["ex.com/a", "ex.com/a/b", "ex.com/a/b/c"],
        "ex.com/a/b/x",
        Some("ex.com/a/b"),
    ),
    (
        &["ex.com/a", "ex.com/a/b", "ex.com/a/b/c"],
        "ex.com/a/b/c",
        Some("ex.com/a/b/c"),
    ),
    (
        &["ex.com/a", "ex.com/a/b", "ex.com/a/b/c"],
        "ex.com/a/bc",
        Some("ex.com/a"),
    ),
    (&["ex.com/a", "ex.com/a/b", "ex.com/a/b/c"], "ex.com/b", None),
    // Docker Hub.
    (&["docker.io"], "alpine", Some("docker.io")),
    (&["docker.io"], "docker.io/library/alpine", Some("docker.io")),
    (
        &["docker.io"],
        "index.docker.io/library/alpine",
        Some("docker.io"),
    ),
    (&["docker.io/library"], "alpine", Some("docker.io/library")),
    (
        &["docker.io/library/alpine"],
        "alpine",
        Some("docker.io/library/alpine"),
    ),
    (&["docker.io/alpine"], "alpine", None),
    (
        &["docker.io/alpine"],
        "docker.io/alpine/x",
        Some("docker.io/alpine"),
    ),
    (&["index.docker.io"], "alpine", None),
    (&["registry-1.docker.io"], "alpine", None),
    (&["*.docker.io"], "alpine", None),
    // Wildcards.
    (&["*.ex.com"], "a.ex.com/x", Some("*.ex.com")),
    (&["*.ex.com"], "a.b.c.ex.com/x", Some("*.ex.com")),
    (&["*.ex.com"], "ex.com/x", None),
    (&["*.ex.com"], "aex.com/x", None),
    (&["*.ex.com"], "a.ex.com.evil/x", None),
    (&["*.ex.com"], "a.ex.community/x", None),
    (&["*.ex.com"], "evil.com/a.ex.com", None),
    (&["*.ex.com"], "a.ex.com:5000/x", Some("*.ex.com")),
    (&["*.ex.com"], "ex.com:5000/x", None),
    (&["*.ex.com"], "a.ex.com.ex.com/x", Some("*.ex.com")),
    (&["*.ex.com"], "a.ex.community.ex.com/x", Some("*.ex.com")),
    (&["*.com"], "ex.com/x", Some("*.com")),
    (&["*.com"], "a.ex.com/x", Some("*.com")),
    (&["*.azurecr.io"], "evil.azurecr.io.attacker.com/x", None),
    (&["*.azurecr.io"], "azurecr.io.evil.com/x", None),
    (&["*.azurecr.io"], "notazurecr.io/x", None),
    (&["*.azurecr.io"], "me.azurecr.io/x", Some("*.azurecr.io")),
    (&["*.com", "*.ex.com"], "a.ex.com/x", Some("*.ex.com")),
    (&["*.com", "*.ex.com"], "ex.com/x", Some("*.com")),
    (&["*.ex.com", "*.b.ex.com"], "a.b.ex.com/x", Some("*.b.ex.com")),
    (&["*.ex.com", "*.b.ex.com"], "b.ex.com/x", Some("*.ex.com")),
    // An exact host beats a wildcard, whatever their lengths.
    (&["*.ex.com", "a.ex.com"], "a.ex.com/x", Some("a.ex.com")),
    (&["*.ex.com", "ab.ex.com"], "ab.ex.com/x", Some("ab.ex.com")),
    (&["*.ex.com", "ab.ex.com"], "a.ex.com/x", Some("*.ex.com")),
    (
        &["*.long.example.com", "a.long.example.com/x"],
        "a.long.example.com/y",
        Some("*.long.example.com"),
    ),
    (
        &["*.ex.com", "a.ex.com:5000"],
        "a.ex.com:5000/x",
        Some("a.ex.com:5000"),
    ),
    (&["*.ex.com", "a.ex.com"], "a.ex.com:5000/x", Some("a.ex.com")),
    (
        &["*.ex.com", "a.ex.com:5000"],
        "a.ex.com:5001/x",
        Some("*.ex.com"),
    ),
    // Hosts are compared without regard to case, paths have none.
    (&["Ex.com"], "ex.com/x", Some("Ex.com")),
    (&["ex.com"], "EX.com/x", Some("ex.com")),
    (&["*.Ex.com"], "a.eX.com/x", Some("*.Ex.com")),
    // IPv6, in any spelling.
    (&["[::1]"], "[::1]/x", Some("[::1]")),
    (&["[::1]:5000"], "[::1]:5000/x", Some("[::1]:5000")),
    (&["[::1]"], "[::1]:5000/x", Some("[::1]")),
    (&["[0::0:1]"], "[::1]:5000/x", Some("[0::0:1]")),
    (&["[::1]"], "[::11]:5000/x", None),
    (&["[0:0:0:0:0:0:0:1]"], "[::1]/x", Some("[0:0:0:0:0:0:0:1]")),
    // What looks like a pattern and is none.
    (&["*"], "ex.com/x", None),
    (&["*ex.com"], "a.ex.com/x", None),
    (&["**.ex.com"], "a.ex.com/x", None),
    (&["a.*.com"], "a.ex.com/x", None),
    (&["*."], "a.ex.com/x", None),
    // Names never have what these end in.
    (&["ex.com/x:tag"], "ex.com/x", None),
    (&["ex.com/x@sha256:aaaa"], "ex.com/x", None),
    (&["user@ex.com"], "ex.com/x", None),
    (&["host/ns"], "host/ns/x", None),
];

#[test]
fn the_most_specific_prefix_applies() {
    for (prefixes, repository, expected) in CASES {
        let mut text = String::new();
        for prefix in *prefixes {
            write!(text, "[[registry]]\nprefix = '{prefix}'\nlocation = 'in.lan'\n").unwrap();
        }
        let registries = Registries::parse(&text).unwrap();
        let repository = Repository::parse(repository).unwrap();
        let table = registries.table(&repository);
        let found = table.map(|table| table.prefix().as_str());
        assert_eq!(found, *expected, "{repository} with {prefixes:?}");
    }
}

#[test]
fn a_registry_as_a_whole_has_a_table() {
    let text = "[[registry]]\nprefix = '*.ex.com'\n[[registry]]\nlocation = 'a.ex.com/ns'\n";
    let registries = Registries::parse(text).unwrap();
    let registry = Registry::parse("a.ex.com").unwrap();
    let table = registries.table_of_registry(&registry).unwrap();
    assert!(table.prefix().is_wildcard());
}

#[test]
fn a_registry_as_a_whole_is_reached_as_its_own_table_says() {
    let text = "[[registry]]\nlocation = 'loose.ex'\ninsecure = true\n\
                [[registry]]\nlocation = 'loose.ex/wharf'\nblocked = true\n\
                [[registry]]\nprefix = '*.shut.ex'\nblocked = true\n\
                [[registry]]\nprefix = 'moved.ex'\nlocation = 'elsewhere.ex'\n\
                [[registry]]\nlocation = 'part.ex/ns'\ninsecure = true\nblocked = true\n";
    let registries = Registries::parse(text).unwrap();
    let asked = |name| registries.resolve_registry(&Registry::parse(name).unwrap());
    for (name, expected) in [
        ("loose.ex", TlsMode::Insecure),
        ("loose.ex:5000", TlsMode::Insecure),
        ("tight.loose.ex:5000", TlsMode::Verify),
        ("moved.ex", TlsMode::Verify),
        ("part.ex", TlsMode::Verify),
        ("other.ex", TlsMode::Verify),
    ] {
        assert_eq!(asked(name), Ok(expected), "{name}");
    }
    let error = asked("a.shut.ex").unwrap_err();
    assert!(
        matches!(&error, ResolveError::BlockedRegistry { registry, .. } if registry.as_str() == "a.shut.ex")
    );
    assert!(
        error.to_string().starts_with("a.shut.ex is blocked by "),
        "{error}"
    );
}
