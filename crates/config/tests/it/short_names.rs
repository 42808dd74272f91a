//! What names without a registry mean.

use std::{fmt::Write as _, sync::Mutex};

use wharf_config::{
    AliasFile, Aliases, Failure, Locations, Prompt, Registries, ShortNameError, ShortNameMode, ShortNames,
};
use wharf_reference::{Reference, Repository, ShortName, Written};

use crate::support::Host;

/// Who is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    Nobody,
    /// Chooses the candidate of this index, or none.
    Someone(Option<usize>),
}
use Asked::{Nobody, Someone};

/// registries.conf, the machine-written aliases, a name, who is asked, and the candidates or the error.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    Asked,
    Result<&'static [&'static str], &'static str>,
);

const TWO: &str = "unqualified-search-registries = ['a.lan', 'b.lan:5000']\n";
const TWO_ENFORCING: &str =
    "unqualified-search-registries = ['a.lan', 'b.lan:5000']\nshort-name-mode = 'enforcing'\n";
const TWO_DISABLED: &str =
    "unqualified-search-registries = ['a.lan', 'b.lan:5000']\nshort-name-mode = 'disabled'\n";
const ALIASED: &str = "unqualified-search-registries = ['a.lan', 'b.lan']\nshort-name-mode = 'enforcing'\n\
    [aliases]\nfoo = 'q.io/foo'\n'ns/foo' = 'q.io/ns/foo'\nhub = 'docker.io/alpine'\ngone = ''\n";
const D: &str = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(crate) const CASES: &[Case] = &[
    // Names with a registry are never short.
    ("", "", "a.lan/x", Nobody, Ok(&["a.lan/x:latest"])),
    ("", "", "a.lan/x:1", Nobody, Ok(&["a.lan/x:1"])),
    ("", "", "localhost/x", Nobody, Ok(&["localhost/x:latest"])),
    ("", "", "host:5000/x", Nobody, Ok(&["host:5000/x:latest"])),
    ("", "", "a.lan/x@D", Nobody, Ok(&["a.lan/x@D"])),
    ("", "", "a.lan/x:1@D", Nobody, Ok(&["a.lan/x:1@D"])),
    ("", "", "docker.io/x", Nobody, Ok(&["docker.io/library/x:latest"])),
    (
        TWO_ENFORCING,
        "",
        "docker.io/x",
        Nobody,
        Ok(&["docker.io/library/x:latest"]),
    ),
    (
        "",
        "[aliases]\nbroken",
        "a.lan/x",
        Nobody,
        Ok(&["a.lan/x:latest"]),
    ),
    // Nothing configured.
    (
        "",
        "",
        "x",
        Nobody,
        Err("the short name x has no alias and no unqualified-search-registries are configured"),
    ),
    (
        "unqualified-search-registries = []",
        "",
        "x",
        Nobody,
        Err("lists no unqualified-search-registries"),
    ),
    (
        "",
        "",
        "library/x",
        Someone(Some(0)),
        Err("the short name library/x has no alias"),
    ),
    ("", "", "x:1@D", Nobody, Err("the short name x:1@sha256")),
    // One search registry.
    (
        "unqualified-search-registries = ['a.lan']",
        "",
        "x",
        Nobody,
        Ok(&["a.lan/x:latest"]),
    ),
    (
        "unqualified-search-registries = ['a.lan']\nshort-name-mode = 'enforcing'",
        "",
        "x",
        Nobody,
        Ok(&["a.lan/x:latest"]),
    ),
    (
        "unqualified-search-registries = ['a.lan']",
        "",
        "x",
        Someone(None),
        Ok(&["a.lan/x:latest"]),
    ),
    (
        "unqualified-search-registries = ['docker.io']",
        "",
        "x",
        Nobody,
        Ok(&["docker.io/library/x:latest"]),
    ),
    (
        "unqualified-search-registries = ['docker.io']",
        "",
        "n/x",
        Nobody,
        Ok(&["docker.io/n/x:latest"]),
    ),
    (
        "unqualified-search-registries = ['a.lan/']",
        "",
        "n/x:1",
        Nobody,
        Ok(&["a.lan/n/x:1"]),
    ),
    (
        "unqualified-search-registries = ['a.lan', 'plain']",
        "",
        "x",
        Nobody,
        Ok(&["a.lan/x:latest"]),
    ),
    // Several.
    (
        TWO,
        "",
        "x",
        Nobody,
        Ok(&["a.lan/x:latest", "b.lan:5000/x:latest"]),
    ),
    (TWO, "", "x:1", Nobody, Ok(&["a.lan/x:1", "b.lan:5000/x:1"])),
    (TWO, "", "x@D", Nobody, Ok(&["a.lan/x@D", "b.lan:5000/x@D"])),
    (
        TWO,
        "",
        "x",
        Someone(Some(0)),
        Ok(&["a.lan/x:latest recorded as x"]),
    ),
    (
        TWO,
        "",
        "x",
        Someone(Some(1)),
        Ok(&["b.lan:5000/x:latest recorded as x"]),
    ),
    (
        TWO,
        "",
        "n/x:1",
        Someone(Some(1)),
        Ok(&["b.lan:5000/n/x:1 recorded as n/x"]),
    ),
    (TWO, "", "x@D", Someone(Some(0)), Ok(&["a.lan/x@D recorded as x"])),
    (
        TWO,
        "",
        "x",
        Someone(None),
        Err("no registry was chosen for the short name x"),
    ),
    (TWO, "", "x", Someone(Some(2)), Err("no registry was chosen")),
    (
        TWO_ENFORCING,
        "",
        "x",
        Nobody,
        Err("the short name x may mean a.lan/x:latest or b.lan:5000/x:latest; write the one"),
    ),
    (
        TWO_ENFORCING,
        "",
        "x",
        Someone(Some(1)),
        Ok(&["b.lan:5000/x:latest recorded as x"]),
    ),
    (
        TWO_DISABLED,
        "",
        "x",
        Nobody,
        Ok(&["a.lan/x:latest", "b.lan:5000/x:latest"]),
    ),
    (
        TWO_DISABLED,
        "",
        "x",
        Someone(Some(1)),
        Ok(&["a.lan/x:latest", "b.lan:5000/x:latest"]),
    ),
    (
        "unqualified-search-registries = ['a.lan', 'a.lan']",
        "",
        "x",
        Nobody,
        Ok(&["a.lan/x:latest", "a.lan/x:latest"]),
    ),
    (
        "unqualified-search-registries = ['a.lan', 'b.lan']\nshort-name-mode = ''",
        "",
        "x",
        Nobody,
        Ok(&["a.lan/x:latest", "b.lan/x:latest"]),
    ),
    // Aliases: one candidate in every mode, with the tag and digest of the name.
    (ALIASED, "", "foo", Nobody, Ok(&["q.io/foo:latest"])),
    (ALIASED, "", "foo:1", Nobody, Ok(&["q.io/foo:1"])),
    (ALIASED, "", "foo@D", Nobody, Ok(&["q.io/foo@D"])),
    (ALIASED, "", "foo:1@D", Someone(None), Ok(&["q.io/foo:1@D"])),
    (ALIASED, "", "ns/foo", Nobody, Ok(&["q.io/ns/foo:latest"])),
    (
        ALIASED,
        "",
        "hub",
        Nobody,
        Ok(&["docker.io/library/alpine:latest"]),
    ),
    // The key is exact.
    (
        ALIASED,
        "",
        "library/foo",
        Nobody,
        Err("may mean a.lan/library/foo:latest or"),
    ),
    (ALIASED, "", "fo", Nobody, Err("may mean")),
    // An erased one is none.
    (ALIASED, "", "gone", Nobody, Err("the short name gone may mean")),
    ("[aliases]\ngone = ''", "", "gone", Nobody, Err("has no alias")),
    // The machine-written file wins, and may erase.
    (
        ALIASED,
        "[aliases]\nfoo = 'm.io/foo'",
        "foo",
        Nobody,
        Ok(&["m.io/foo:latest"]),
    ),
    (
        ALIASED,
        "[aliases]\nfoo = ''",
        "foo",
        Nobody,
        Err("may mean a.lan/foo:latest"),
    ),
    (
        ALIASED,
        "[aliases]\ngone = 'm.io/gone'",
        "gone",
        Nobody,
        Ok(&["m.io/gone:latest"]),
    ),
    (
        "",
        "[aliases]\nfoo = 'm.io/bar'",
        "foo:2",
        Nobody,
        Ok(&["m.io/bar:2"]),
    ),
    (
        "",
        "[aliases]\nfoo = 'm.io/bar'",
        "bar",
        Nobody,
        Err("has no alias"),
    ),
    (ALIASED, "", "foo ", Nobody, Err("not a name")),
    // A broken file fails every short name.
    (
        ALIASED,
        "[aliases]\nbroken",
        "foo",
        Nobody,
        Err("the aliases of short names cannot be read"),
    ),
    (
        TWO,
        "[aliases]\na = 'b'",
        "x",
        Nobody,
        Err("the aliases of short names cannot be read"),
    ),
];

/// registries.conf, the machine-written aliases, a name, and where it is looked for in a local store.
type LocalCase = (&'static str, &'static str, &'static str, &'static [&'static str]);

pub(crate) const LOCAL_CASES: &[LocalCase] = &[
    ("", "", "x", &["localhost/x:latest"]),
    ("", "", "x:1", &["localhost/x:1"]),
    ("", "", "a.lan/x", &["a.lan/x:latest"]),
    ("", "", "n/x@D", &["localhost/n/x@D"]),
    (
        TWO,
        "",
        "x",
        &["localhost/x:latest", "a.lan/x:latest", "b.lan:5000/x:latest"],
    ),
    (
        TWO_ENFORCING,
        "",
        "x",
        &["localhost/x:latest", "a.lan/x:latest", "b.lan:5000/x:latest"],
    ),
    (
        ALIASED,
        "",
        "foo:1",
        &["q.io/foo:1", "localhost/foo:1", "a.lan/foo:1", "b.lan/foo:1"],
    ),
    (
        ALIASED,
        "[aliases]\nfoo = ''",
        "foo",
        &["localhost/foo:latest", "a.lan/foo:latest", "b.lan/foo:latest"],
    ),
    (
        TWO,
        "[aliases]\nx = 'm.io/x'",
        "x",
        &[
            "m.io/x:latest",
            "localhost/x:latest",
            "a.lan/x:latest",
            "b.lan:5000/x:latest",
        ],
    ),
];

const CONF: &str = "etc/containers/registries.conf";
const MACHINE: &str = "var/cache/containers/short-name-aliases.conf";

fn names(host: &Host) -> ShortNames {
    let registries = Registries::load(&host.locations()).unwrap();
    ShortNames::load(&host.locations(), &registries)
}

fn host(conf: &str, machine: &str) -> Host {
    let host = Host::new(&[(CONF, conf)]);
    if !machine.is_empty() {
        host.write(MACHINE, machine);
    }
    host
}

fn shown(reference: &Reference) -> String {
    reference.as_str().replace(D, "@D")
}

#[test]
fn every_name_means_what_it_should() {
    for (conf, machine, name, asked, expected) in CASES {
        let names = names(&host(conf, machine));
        let choose = |_: &ShortName, _: &[Reference]| match asked {
            Someone(choice) => *choice,
            Nobody => unreachable!(),
        };
        let prompt: Option<&dyn Prompt> = matches!(asked, Someone(_)).then_some(&choose);
        let found = match Written::parse(&name.replace("@D", D)) {
            Err(_) => Err("not a name".to_owned()),
            Ok(written) => names.resolve(&written, prompt).map_err(|error| error.to_string()),
        };
        let found = found.map(|resolved| {
            let candidates = resolved.possible_names().iter().map(|candidate| {
                let recorded = candidate.recorded_as().map(|name| format!(" recorded as {name}"));
                shown(candidate.reference()) + &recorded.unwrap_or_default()
            });
            candidates.collect::<Vec<_>>()
        });
        match expected {
            Ok(expected) => assert_eq!(found.unwrap(), *expected, "{name}\n{conf}"),
            Err(expected) => {
                let error = found.unwrap_err();
                assert!(error.contains(expected), "{error}\n{name}\n{conf}");
            }
        }
    }
}

#[test]
fn local_images_are_looked_for_under_every_name() {
    for (conf, machine, name, expected) in LOCAL_CASES {
        let names = names(&host(conf, machine));
        let written = Written::parse(&name.replace("@D", D)).unwrap();
        let found: Vec<String> = names.resolve_local(&written).unwrap().iter().map(shown).collect();
        assert_eq!(found, *expected, "{name}\n{conf}");
    }
}

#[test]
fn docker_hub_can_be_forced() {
    let names = names(&host(ALIASED, "[aliases]\nbroken")).with_docker_hub(true);
    let foo = Written::parse("foo:1").unwrap();
    let resolved = names.resolve(&foo, None).unwrap();
    assert_eq!(
        resolved.possible_names()[0].reference(),
        "docker.io/library/foo:1"
    );
    assert_eq!(names.resolve_local(&foo).unwrap(), ["docker.io/library/foo:1"]);
    let full = Written::parse("q.io/foo").unwrap();
    let resolved = names.resolve(&full, None).unwrap();
    assert_eq!(resolved.possible_names()[0].reference(), "q.io/foo:latest");
}

#[test]
fn the_callers_mode_beats_the_configured_one() {
    let names = names(&host(TWO_ENFORCING, ""));
    let x = Written::parse("x").unwrap();
    let error = names.resolve(&x, None).unwrap_err();
    assert!(matches!(error, ShortNameError::Ambiguous { possible, .. } if possible.len() == 2));
    let names = names.with_mode(ShortNameMode::Permissive);
    assert_eq!(names.resolve(&x, None).unwrap().possible_names().len(), 2);
    assert_eq!(names.mode(), ShortNameMode::Permissive);
}

#[test]
fn a_name_says_why_it_means_what_it_means() {
    let host = host(TWO, "# ours\n[aliases]\nfoo = 'm.io/foo'\n");
    let names = names(&host);
    let why = |name: &str, prompt: Option<&dyn Prompt>| {
        let resolved = names.resolve(&Written::parse(name).unwrap(), prompt).unwrap();
        resolved.reason().to_string()
    };
    let first = |_: &ShortName, _: &[Reference]| Some(0);
    assert_eq!(why("a.lan/x", None), "the name has a registry");
    let machine = host.path(MACHINE);
    assert_eq!(
        why("foo", None),
        format!("an alias defined in {}:3", machine.display())
    );
    let conf = host.path(CONF);
    assert_eq!(
        why("x", None),
        format!("the search registries of {}:1", conf.display())
    );
    assert_eq!(why("x", Some(&first)), "chosen when asked");
    let alias = names.alias("foo").unwrap().unwrap();
    assert_eq!(alias.source_line().file(), Some(machine.as_path()));
}

#[test]
fn the_prompt_sees_the_name_and_what_it_may_mean() {
    let names = names(&host(TWO, ""));
    let seen = Mutex::new(Vec::new());
    let prompt = |name: &ShortName, candidates: &[Reference]| {
        seen.lock().unwrap().push((name.to_string(), candidates.len()));
        Some(0)
    };
    names
        .resolve(&Written::parse("x:1").unwrap(), Some(&prompt))
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [("x:1".to_owned(), 2)]);
}

#[test]
fn only_a_choice_is_recorded_and_then_found() {
    let host = host(TWO, "");
    let before = names(&host);
    let x = Written::parse("x:1").unwrap();
    let unchosen = before.resolve(&x, None).unwrap();
    assert!(!before.record(&unchosen.possible_names()[0]).unwrap());
    assert!(!host.path("var").exists(), "a look-up must write nothing");

    let second = |_: &ShortName, _: &[Reference]| Some(1);
    let chosen = before.resolve(&x, Some(&second)).unwrap();
    assert!(before.record(&chosen.possible_names()[0]).unwrap());
    let after = names(&host);
    let resolved = after.resolve(&Written::parse("x:2").unwrap(), None).unwrap();
    assert_eq!(resolved.possible_names()[0].reference(), "b.lan:5000/x:2");
    assert_eq!(
        std::fs::read_to_string(host.path(MACHINE)).unwrap(),
        "[aliases]\n  \"x\" = \"b.lan:5000/x\"\n"
    );
}

#[cfg(unix)]
#[test]
fn a_recorded_alias_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let host = Host::new(&[]);
    let file = AliasFile::new(host.path("a/b/aliases.conf"));
    file.record("x", &Repository::parse("q.io/x").unwrap()).unwrap();
    let mode = |path: &str| host.path(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("a"), mode("a/b"), mode("a/b/aliases.conf")),
        (0o700, 0o700, 0o600)
    );
}

/// A file, the alias to set (or remove), and the file afterwards.
type AliasCase = (&'static str, (&'static str, Option<&'static str>), &'static str);

pub(crate) const ALIAS_CASES: &[AliasCase] = &[
    ("", ("x", Some("q.io/x")), "[aliases]\n  \"x\" = \"q.io/x\"\n"),
    (
        "# ours",
        ("x", Some("q.io/x")),
        "# ours\n[aliases]\n  \"x\" = \"q.io/x\"\n",
    ),
    (
        "[aliases]",
        ("x", Some("q.io/x")),
        "[aliases]\n  \"x\" = \"q.io/x\"\n",
    ),
    (
        "[aliases]\n  a = 'q.io/a' # why\n",
        ("x", Some("q.io/x")),
        "[aliases]\n  \"x\" = \"q.io/x\"\n  a = 'q.io/a' # why\n",
    ),
    (
        "[aliases]\n  x = 'q.io/a' # why\n",
        ("x", Some("q.io/x")),
        "[aliases]\n  x = \"q.io/x\" # why\n",
    ),
    (
        "[aliases]\nx = ''\n",
        ("x", Some("q.io/x")),
        "[aliases]\nx = \"q.io/x\"\n",
    ),
    (
        "[aliases]\na = 'q.io/a'\n\n[future]\nb = 1\n",
        ("x", Some("q.io/x")),
        "[aliases]\n  \"x\" = \"q.io/x\"\na = 'q.io/a'\n\n[future]\nb = 1\n",
    ),
    (
        "[aliases]\na = 'q.io/a'\nb = 'q.io/b'\n",
        ("a", None),
        "[aliases]\nb = 'q.io/b'\n",
    ),
    ("[aliases]\na = 'q.io/a'", ("a", None), "[aliases]\n"),
    (
        "[aliases]\na = 'q.io/a'\n",
        ("b", None),
        "[aliases]\na = 'q.io/a'\n",
    ),
    // Written in an unusual way: the file is written anew.
    (
        "aliases = {a = 'q.io/a'}\n",
        ("x", Some("q.io/x")),
        "[aliases]\n  \"a\" = \"q.io/a\"\n  \"x\" = \"q.io/x\"\n",
    ),
    (
        "aliases.a = 'q.io/a'\naliases.b = ''\n",
        ("x", Some("q.io/x")),
        "[aliases]\n  \"a\" = \"q.io/a\"\n  \"b\" = \"\"\n  \"x\" = \"q.io/x\"\n",
    ),
    (
        "aliases = {a = 'q.io/a', b = 'q.io/b'}\n",
        ("a", None),
        "[aliases]\n  \"b\" = \"q.io/b\"\n",
    ),
    (
        "aliases = {a = 'q.io/a'}\n",
        ("a", Some("q.io/x")),
        "aliases = {a = \"q.io/x\"}\n",
    ),
];

#[test]
fn an_alias_is_set_or_removed_and_the_rest_kept() {
    for (before, (name, repository), after) in ALIAS_CASES {
        let host = Host::new(&[("aliases.conf", before)]);
        let file = AliasFile::new(host.path("aliases.conf"));
        let (aliases, _) = file.read().unwrap();
        match repository {
            Some(repository) => file
                .record(name, &Repository::parse(repository).unwrap())
                .unwrap(),
            None => assert_eq!(file.remove(name).unwrap(), aliases.named(name).is_some()),
        }
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), *after, "{before}");
    }
}

#[test]
fn a_malformed_file_is_left_alone() {
    let host = Host::new(&[("aliases.conf", "[aliases]\nbroken")]);
    let file = AliasFile::new(host.path("aliases.conf"));
    let repository = Repository::parse("q.io/x").unwrap();
    assert!(file.record("x", &repository).is_err());
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "[aliases]\nbroken");
    for bad in ["a.lan/x", "x:1", "", "X"] {
        assert!(file.record(bad, &repository).is_err(), "{bad}");
    }
}

#[test]
fn removing_from_no_file_makes_none() {
    let host = Host::new(&[]);
    let file = AliasFile::new(host.path("d/aliases.conf"));
    assert!(!file.remove("x").unwrap());
    assert!(!host.path("d").exists());
}

#[test]
fn many_writers_lose_nothing() {
    let host = Host::new(&[]);
    let file = AliasFile::new(host.path("aliases.conf"));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let file = &file;
            scope.spawn(move || {
                for index in 0..20 {
                    let name = format!("w{writer}/n{index}");
                    file.record(&name, &Repository::parse("q.io/x").unwrap()).unwrap();
                }
            });
        }
    });
    assert_eq!(file.read().unwrap().0.iter().count(), 80);
}

#[test]
fn aliases_are_read_from_text() {
    let aliases: Aliases = "[aliases]\na = 'q.io/a'\nb = ''\n".parse().unwrap();
    assert_eq!(aliases.named("a").unwrap().repository().unwrap(), "q.io/a");
    assert_eq!(aliases.named("b").unwrap().repository(), None);
    assert!(aliases.named("c").is_none());
    assert_eq!(Aliases::parse("[aliases]\na = 1").unwrap_err().line(), Some(2));
}

#[test]
fn without_a_host_there_is_no_file_to_record_in() {
    let registries = Registries::parse(TWO).unwrap();
    let names = ShortNames::load(&Locations::none(), &registries);
    let first = |_: &ShortName, _: &[Reference]| Some(0);
    let resolved = names
        .resolve(&Written::parse("x").unwrap(), Some(&first))
        .unwrap();
    assert!(!names.record(&resolved.possible_names()[0]).unwrap());
    assert!(names.file().is_none());
}

/// How the attempts at three registries fail, and the error at last.
#[test]
fn the_next_registry_is_tried_only_after_one_that_does_not_give_the_image() {
    use Failure::{Blocked, Denied, Final, NotFound};

    const WHY: &str = "(the search ends at a registry that fails in any other way than not having or denying the \
                       image; write the name with its registry to ask that one alone)";
    let registries =
        Registries::parse("unqualified-search-registries = ['a.lan', 'b.lan:5000', 'c.lan']").unwrap();
    let names = ShortNames::new(&registries);
    let resolved = names.resolve(&Written::parse("x").unwrap(), None).unwrap();
    let images = ["a.lan/x:latest", "b.lan:5000/x:latest", "c.lan/x:latest"];
    for (failures, tried) in [
        (&[NotFound, NotFound, NotFound][..], 3),
        (&[Denied, NotFound, NotFound], 3),
        (&[NotFound, Denied, Denied], 3),
        (&[Blocked, NotFound, Blocked], 3),
        (&[Denied, Blocked, Final], 3),
        (&[Final], 1),
        (&[NotFound, Final], 2),
        (&[Denied, Final], 2),
    ] {
        let mut attempts = resolved.attempts();
        let mut seen = Vec::new();
        while let Some(candidate) = attempts.next_name() {
            let failure = failures[seen.len()];
            seen.push(candidate.reference().to_string());
            attempts.failed("refused", failure);
        }
        assert_eq!(seen, images[..tried], "{failures:?}");
        let failed = attempts.into_failures();
        let not_asked: Vec<_> = failed.not_asked().iter().map(Reference::as_str).collect();
        assert_eq!(not_asked, images[tried..], "{failures:?}");
        let mut expected = "the short name x was not found:".to_owned();
        for image in &images[..tried] {
            write!(expected, "\n  {image}: refused").unwrap();
        }
        if tried < 3 {
            let rest = images[tried..].join(", ");
            write!(expected, "\n  not asked: {rest} {WHY}").unwrap();
        }
        assert_eq!(failed.to_string(), expected);
        assert_eq!(failed.into_last(), Some("refused"));
    }
}

#[test]
fn the_failure_of_the_only_image_is_told_alone() {
    for (conf, name, image) in [
        ("unqualified-search-registries = ['a.lan']", "x", "a.lan/x:latest"),
        ("[aliases]\nx = 'q.io/y'", "x", "q.io/y:latest"),
        (TWO, "a.lan/x:1", "a.lan/x:1"),
    ] {
        let names = ShortNames::new(&Registries::parse(conf).unwrap());
        let resolved = names.resolve(&Written::parse(name).unwrap(), None).unwrap();
        let mut attempts = resolved.attempts();
        attempts.next_name().unwrap();
        attempts.failed("refused", Failure::Final);
        let failed = attempts.into_failures();
        assert!(failed.not_asked().is_empty());
        assert_eq!(failed.to_string(), format!("{image}: refused"));
    }
}
