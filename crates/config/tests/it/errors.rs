//! Every malformed registries.conf: file, line, key and what was expected.

use wharf_config::{ConfigErrorKind, Locations, Registries};

use crate::support::Host;
use ConfigErrorKind::{Conflict, Incomplete, Syntax, Type, Value};

/// A file, and the error: its kind, line and key, and a part of its message.
type Case = (
    &'static str,
    ConfigErrorKind,
    usize,
    Option<&'static str>,
    &'static str,
);

pub(crate) const CASES: &[Case] = &[
    // TOML.
    ("x", Syntax, 1, None, "not valid TOML"),
    ("\n\nx = ", Syntax, 3, None, "not valid TOML"),
    ("[[registry]\nlocation = 'x'", Syntax, 1, None, "not valid TOML"),
    ("a = 1\na = 2", Syntax, 2, None, "duplicate key"),
    (
        "[aliases]\n'a' = 'x.lan/a'\n\"a\" = 'x.lan/b'",
        Syntax,
        3,
        None,
        "duplicate key",
    ),
    (
        "[[registry]]\nlocation = 'a.lan'\nlocation = 'b.lan'",
        Syntax,
        3,
        None,
        "duplicate key",
    ),
    ("[aliases]\n[aliases]", Syntax, 2, None, "not valid TOML"),
    ("a = 'x", Syntax, 1, None, "not valid TOML"),
    ("a = \"\\q\"", Syntax, 1, None, "not valid TOML"),
    ("a = \"\u{1}\"", Syntax, 1, None, "not valid TOML"),
    // Types.
    (
        "registry = 1",
        Type,
        1,
        Some("registry"),
        "expected an array of tables, written as [[registry]]",
    ),
    (
        "[registry]\nlocation = 'x.lan'",
        Type,
        1,
        Some("registry"),
        "an array of tables",
    ),
    ("registry = ['x.lan']", Type, 1, Some("registry"), "found string"),
    (
        "[[registry]]\nlocation = 1",
        Type,
        2,
        Some("registry.location"),
        "expected a string, found integer",
    ),
    (
        "[[registry]]\nprefix = true",
        Type,
        2,
        Some("registry.prefix"),
        "expected a string, found boolean",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\ninsecure = 'true'",
        Type,
        3,
        Some("registry.insecure"),
        "expected true or false, found string",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nblocked = 1",
        Type,
        3,
        Some("registry.blocked"),
        "expected true or false",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nmirror-by-digest-only = []",
        Type,
        3,
        Some("registry.mirror-by-digest-only"),
        "found array",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nmirror = 'm.lan'",
        Type,
        3,
        Some("registry.mirror"),
        "written as [[registry.mirror]]",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nmirror = ['m.lan']",
        Type,
        3,
        Some("registry.mirror"),
        "found string",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 1.5",
        Type,
        4,
        Some("registry.mirror.location"),
        "found float",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\ninsecure = 0",
        Type,
        5,
        Some("registry.mirror.insecure"),
        "found integer",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\npull-from-mirror = true",
        Type,
        5,
        Some("registry.mirror.pull-from-mirror"),
        "expected a string",
    ),
    (
        "unqualified-search-registries = 'a.lan'",
        Type,
        1,
        Some("unqualified-search-registries"),
        "expected an array of strings, found string",
    ),
    (
        "unqualified-search-registries = ['a.lan',\n 1]",
        Type,
        2,
        Some("unqualified-search-registries"),
        "found integer",
    ),
    (
        "credential-helpers = 'x'",
        Type,
        1,
        Some("credential-helpers"),
        "expected an array of strings",
    ),
    (
        "credential-helpers = [['x']]",
        Type,
        1,
        Some("credential-helpers"),
        "found array",
    ),
    (
        "short-name-mode = true",
        Type,
        1,
        Some("short-name-mode"),
        "expected a string",
    ),
    (
        "additional-layer-store-auth-helper = []",
        Type,
        1,
        Some("additional-layer-store-auth-helper"),
        "expected a string",
    ),
    ("aliases = 1", Type, 1, Some("aliases"), "expected a table"),
    (
        "[aliases]\na = 1",
        Type,
        2,
        Some("aliases.\"a\""),
        "expected a string",
    ),
    (
        "[aliases]\na.b = 'x.lan/y'",
        Type,
        2,
        Some("aliases.\"a\""),
        "expected a string",
    ),
    ("registries = 1", Type, 1, Some("registries"), "expected a table"),
    (
        "[registries]\nsearch = []",
        Type,
        2,
        Some("registries.search"),
        "expected a table",
    ),
    (
        "[registries.search]\nregistries = 'a.lan'",
        Type,
        2,
        Some("registries.search.registries"),
        "expected an array of strings",
    ),
    (
        "[registries.block]\nregistries = [1]",
        Type,
        2,
        Some("registries.block.registries"),
        "expected an array of strings",
    ),
    (
        "short-name-mode = 1979-05-27",
        Type,
        1,
        Some("short-name-mode"),
        "found datetime",
    ),
    // Search registries.
    (
        "unqualified-search-registries = ['']",
        Value,
        1,
        Some("unqualified-search-registries"),
        "is not a registry",
    ),
    (
        "unqualified-search-registries = ['/']",
        Value,
        1,
        Some("unqualified-search-registries"),
        "is not a registry",
    ),
    (
        "unqualified-search-registries = [\n'a.lan',\n'a.lan/ns']",
        Value,
        3,
        Some("unqualified-search-registries"),
        "\"a.lan/ns\" is not a registry host[:port]",
    ),
    (
        "unqualified-search-registries = ['https://a.lan']",
        Value,
        1,
        Some("unqualified-search-registries"),
        "leave out https://",
    ),
    (
        "unqualified-search-registries = ['http://a.lan']",
        Value,
        1,
        Some("unqualified-search-registries"),
        "leave out http://",
    ),
    (
        "unqualified-search-registries = ['a_b.lan']",
        Value,
        1,
        Some("unqualified-search-registries"),
        "invalid registry host",
    ),
    (
        "unqualified-search-registries = ['a.lan:x']",
        Value,
        1,
        Some("unqualified-search-registries"),
        "invalid port",
    ),
    (
        "unqualified-search-registries = ['a.lan:70000']",
        Value,
        1,
        Some("unqualified-search-registries"),
        "invalid port",
    ),
    (
        "unqualified-search-registries = ['user@a.lan']",
        Value,
        1,
        Some("unqualified-search-registries"),
        "invalid registry host",
    ),
    // Modes.
    (
        "short-name-mode = 'Permissive'",
        Value,
        1,
        Some("short-name-mode"),
        "expected enforcing, permissive or disabled, found \"Permissive\"",
    ),
    (
        "short-name-mode = ' '",
        Value,
        1,
        Some("short-name-mode"),
        "expected enforcing",
    ),
    // Registries.
    (
        "[[registry]]",
        Incomplete,
        1,
        Some("registry"),
        "expected a location",
    ),
    (
        "[[registry]]\ninsecure = true",
        Incomplete,
        1,
        Some("registry"),
        "expected a location",
    ),
    (
        "[[registry]]\nlocation = ''",
        Incomplete,
        1,
        Some("registry"),
        "expected a location",
    ),
    (
        "[[registry]]\nlocation = '///'",
        Incomplete,
        1,
        Some("registry"),
        "expected a location",
    ),
    (
        "[[registry]]\nprefix = ''\nlocation = ''",
        Incomplete,
        1,
        Some("registry"),
        "expected a location",
    ),
    (
        "[[registry]]\nprefix = 'ex.com'",
        Incomplete,
        2,
        Some("registry.location"),
        "only a prefix that begins with *. needs none",
    ),
    (
        "[[registry]]\nprefix = '*'",
        Incomplete,
        2,
        Some("registry.location"),
        "needs none",
    ),
    (
        "[[registry]]\nprefix = '*ex.com'",
        Incomplete,
        2,
        Some("registry.location"),
        "needs none",
    ),
    (
        "[[registry]]\nprefix = '*.ex.com/ns'",
        Value,
        2,
        Some("registry.prefix"),
        "a wildcard stands for hosts",
    ),
    (
        "[[registry]]\nprefix = '*.ex.com:5000'",
        Value,
        2,
        Some("registry.prefix"),
        "a wildcard stands for hosts",
    ),
    (
        "[[registry]]\nprefix = '*.ex.com@sha256'",
        Value,
        2,
        Some("registry.prefix"),
        "a wildcard stands for hosts",
    ),
    (
        "[[registry]]\nprefix = '*.ex.com/ns'\nlocation = 'in.lan'",
        Value,
        2,
        Some("registry.prefix"),
        "a wildcard stands for hosts",
    ),
    (
        "[[registry]]\nlocation = 'http://x.lan'",
        Value,
        2,
        Some("registry.location"),
        "URI schemes are not supported: leave out http://",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nprefix = 'https://x.lan'",
        Value,
        3,
        Some("registry.prefix"),
        "leave out https://",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\npull-from-mirror = 'all'",
        Value,
        3,
        Some("registry.pull-from-mirror"),
        "belongs to a [[registry.mirror]] table",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n\n[[registry]]\nlocation = 'x.lan'\nblocked = true",
        Conflict,
        4,
        Some("registry.blocked"),
        "by that in line 1",
    ),
    (
        "[[registry]]\nprefix = '*.x.lan'\n[[registry]]\nprefix = '*.x.lan'\ninsecure = true",
        Conflict,
        3,
        Some("registry.insecure"),
        "two values",
    ),
    (
        "[[registry]]\nprefix = 'a.lan'\nlocation = 'x.lan'\n[[registry]]\nprefix = 'b.lan'\nlocation = 'x.lan'\nblocked = true",
        Conflict,
        4,
        Some("registry.blocked"),
        "\"x.lan\" is given two values",
    ),
    // Mirrors.
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]",
        Incomplete,
        3,
        Some("registry.mirror.location"),
        "expected a location",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = ''",
        Incomplete,
        4,
        Some("registry.mirror.location"),
        "expected a registry",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 'https://m.lan'",
        Value,
        4,
        Some("registry.mirror.location"),
        "leave out https://",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nmirror = [{insecure = true}]",
        Incomplete,
        3,
        Some("registry.mirror.location"),
        "expected a location",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\npull-from-mirror = 'digest'",
        Value,
        5,
        Some("registry.mirror.pull-from-mirror"),
        "expected all, digest-only or tag-only, found \"digest\"",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[registry.mirror]]\nlocation = 'm.lan'\npull-from-mirror = 'ALL'",
        Value,
        5,
        Some("registry.mirror.pull-from-mirror"),
        "expected all",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = 'm.lan'\npull-from-mirror = 'digest-only'",
        Conflict,
        6,
        Some("registry.mirror.pull-from-mirror"),
        "mirror-by-digest-only",
    ),
    // Aliases.
    (
        "[aliases]\n'a:1' = 'x.lan/a'",
        Value,
        2,
        Some("aliases.\"a:1\""),
        "without tag and digest",
    ),
    (
        "[aliases]\n'x.lan/a' = 'x.lan/a'",
        Value,
        2,
        Some("aliases.\"x.lan/a\""),
        "not a short name",
    ),
    (
        "[aliases]\n'localhost/a' = 'x.lan/a'",
        Value,
        2,
        Some("aliases.\"localhost/a\""),
        "not a short name",
    ),
    (
        "[aliases]\n'' = 'x.lan/a'",
        Value,
        2,
        Some("aliases.\"\""),
        "not a short name",
    ),
    (
        "[aliases]\n'A' = 'x.lan/a'",
        Value,
        2,
        Some("aliases.\"A\""),
        "not a short name",
    ),
    (
        "[aliases]\na = 'b'",
        Value,
        2,
        Some("aliases.\"a\""),
        "\"b\" does not name a registry",
    ),
    (
        "[aliases]\na = 'b/c'",
        Value,
        2,
        Some("aliases.\"a\""),
        "does not name a registry",
    ),
    (
        "[aliases]\na = 'x.lan/a:1'",
        Value,
        2,
        Some("aliases.\"a\""),
        "must not have a tag",
    ),
    (
        "[aliases]\na = 'x.lan/A'",
        Value,
        2,
        Some("aliases.\"a\""),
        "is not a repository",
    ),
    (
        "[aliases]\na = 'https://x.lan/a'",
        Value,
        2,
        Some("aliases.\"a\""),
        "is not a repository",
    ),
    // Keys that differ in case alone.
    (
        "[[registry]]\nlocation = 'x.lan'\nblocked = false\nBlocked = true",
        Conflict,
        4,
        Some("registry.blocked"),
        "the key stands here and in line 3, in another case; leave one",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nBLOCKED = true\nblocked = false",
        Conflict,
        4,
        Some("registry.blocked"),
        "in line 3",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nInsecure = true\nINSECURE = true",
        Conflict,
        4,
        Some("registry.insecure"),
        "in line 3",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nLocation = 'y.lan'",
        Conflict,
        3,
        Some("registry.location"),
        "in line 2",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\n[[Registry]]\nlocation = 'y.lan'\nblocked = true",
        Conflict,
        3,
        Some("registry"),
        "in line 1",
    ),
    (
        "short-name-mode = 'enforcing'\nShort-Name-Mode = 'disabled'",
        Conflict,
        2,
        Some("short-name-mode"),
        "in line 1",
    ),
    (
        "[aliases]\na = 'x.lan/a'\n[Aliases]\na = 'y.lan/a'",
        Conflict,
        3,
        Some("aliases"),
        "in line 1",
    ),
    (
        "[[registry]]\nlocation = 'x.lan'\nBlocked = 'true'",
        Type,
        3,
        Some("registry.blocked"),
        "expected true or false",
    ),
    // Version 1.
    (
        "registry = []\n[registries.search]\nregistries = []",
        Conflict,
        2,
        Some("registries"),
        "cannot be mixed with the key registry of version 2; write the list of [registries.search] as \
         unqualified-search-registries = [...]",
    ),
    (
        "[Registries.Insecure]\nregistries = ['i.lan']\n[[Registry]]\nlocation = 'x.lan'",
        Conflict,
        1,
        Some("registries"),
        "each entry of [registries.insecure] or [registries.block] as a [[registry]] table",
    ),
    (
        "credential-helpers = []\n[registries.block]\nregistries = []",
        Conflict,
        2,
        Some("registries"),
        "credential-helpers",
    ),
    (
        "[registries.insecure]\nregistries = ['i.lan']\n[[registry]]\nlocation = 'x.lan'",
        Conflict,
        1,
        Some("registries"),
        "cannot be mixed",
    ),
    (
        "[aliases]\n[registries.search]\nregistries = ['a.lan']",
        Conflict,
        2,
        Some("registries"),
        "aliases",
    ),
    (
        "[registries.search]\nregistries = ['a.lan/ns']",
        Value,
        2,
        Some("registries.search.registries"),
        "is not a registry",
    ),
    (
        "[registries.insecure]\nregistries = ['http://a.lan']",
        Value,
        2,
        Some("registries.insecure.registries"),
        "leave out http://",
    ),
    (
        "[registries.block]\nregistries = ['']",
        Value,
        2,
        Some("registries.block.registries"),
        "found an empty string",
    ),
];

#[test]
fn every_mistake_is_located() {
    for (text, kind, line, key, message) in CASES {
        let error = Registries::parse(text).expect_err(text);
        let context = format!("{error}\n{text}");
        assert_eq!((error.kind(), error.line()), (*kind, Some(*line)), "{context}");
        assert_eq!(error.key(), *key, "{context}");
        assert!(error.message().contains(message), "{context}");
    }
}

#[test]
fn an_error_prints_its_file_line_and_column() {
    let host = Host::new(&[(
        "etc/containers/registries.conf.d/1.conf",
        "# ä\n[[registry]]\nlocation = \"x.lan\" # é\ninsecure = \"yes\"\n",
    )]);
    let error = Registries::load(&host.locations()).unwrap_err();
    let file = host.path("etc/containers/registries.conf.d/1.conf");
    let expected = format!(
        "{}:4:12: registry.insecure: expected true or false, found string",
        file.display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.file(), Some(file.as_path()));
    assert_eq!(error.column(), Some(12));
}

#[test]
fn all_bad_aliases_of_a_file_are_reported() {
    let text = "[aliases]\nz = 'b'\na = 'x.lan/a:1'\nok = 'x.lan/a'\n";
    let error = Registries::parse(text).unwrap_err();
    assert_eq!(error.line(), Some(2));
    assert_eq!(error.others().len(), 1);
    assert_eq!(error.others()[0].line(), Some(3));
    assert_eq!(
        error.to_string(),
        "line 2:5: aliases.\"z\": \"b\" does not name a registry: expected registry/path; \
         line 3:5: aliases.\"a\": \"x.lan/a:1\" must not have a tag or digest"
    );
}

#[test]
fn text_from_files_is_bounded_and_escaped() {
    let text = format!("short-name-mode = \"\\u001b[31m{}\"", "x".repeat(10_000));
    let error = Registries::parse(&text).unwrap_err();
    assert!(error.to_string().len() < 300);
    assert!(error.to_string().contains("\\u{1b}[31m"));
}

#[test]
fn one_bad_file_fails_the_whole_load() {
    let host = Host::new(&[
        (
            "etc/containers/registries.conf",
            "[[registry]]\nlocation = 'x.lan'\n",
        ),
        (
            "etc/containers/registries.conf.d/a.conf",
            "short-name-mode = 'no'\n",
        ),
    ]);
    assert!(Registries::load(&host.locations()).is_err());
}

#[test]
fn a_file_that_is_not_text_is_an_error_with_a_line() {
    let host = Host::new(&[]);
    std::fs::write(host.path("f"), b"# ok\n# \xff\n").unwrap();
    let locations = Locations::none().with_registries_conf(host.path("f"));
    let error = Registries::load(&locations).unwrap_err();
    assert_eq!(
        (error.kind(), error.line(), error.column()),
        (Syntax, Some(2), Some(3))
    );
}

#[test]
fn a_file_without_end_is_not_read_to_it() {
    let locations = Locations::none().with_registries_conf("/dev/zero");
    if std::path::Path::new("/dev/zero").exists() {
        let error = Registries::load(&locations).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::TooLarge);
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_must_not_be_read_is_an_error_where_a_missing_one_is_not() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let host = Host::new(&[("etc/containers/registries.conf", "")]);
    let file = host.path("etc/containers/registries.conf");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    match Registries::load(&host.locations()) {
        Ok(_) => assert!(
            fs::read(&file).is_ok(),
            "only the superuser may read it all the same"
        ),
        Err(error) => assert_eq!(error.kind(), ConfigErrorKind::Unreadable),
    }
}
