//! registries.d: which files are read, what they may contain, and which store an image has.

use wharf_config::{
    ConfigErrorKind::{self, Conflict, Syntax, TooLarge, Type, Unreadable, Value},
    Generation, Locations, Lookaside, LookasideFile, SignatureLocations, SignatureStores,
};
use wharf_reference::{Digest, Reference, Repository};

use crate::support::Host;

/// The stores of an image: what is read, what is written, and whether attachments are.
fn stores(stores: &SignatureStores, image: &str) -> String {
    let store = stores.store_for(&Reference::parse(image).unwrap());
    let shown = |lookaside: Option<&Lookaside>| lookaside.map_or("-".to_owned(), ToString::to_string);
    let attachments = if store.attachments() { " attachments" } else { "" };
    let (read, write) = (shown(store.read()), shown(store.write()));
    format!("{read} {write}{attachments}")
}

#[test]
fn every_key_is_looked_for_from_the_image_to_the_default() {
    let read = SignatureStores::parse(
        "default-docker:\n  lookaside: file:///default\n  lookaside-staging: file:///staging\n\
         docker:\n\
         \x20 a.io: {lookaside: 'https://a.io/s'}\n\
         \x20 a.io/team: {use-sigstore-attachments: true}\n\
         \x20 a.io/team/off: {use-sigstore-attachments: false, sigstore: 'https://old.io'}\n\
         \x20 a.io/team/both: {lookaside: 'https://new.io', sigstore: 'https://old.io'}\n\
         \x20 a.io/team/app:1: {lookaside: 'file:///tag', sigstore-staging: 'file:///s'}\n\
         \x20 a.io/empty:\n\
         \x20 a.io/text: {lookaside: ''}\n\
         \x20 a.io/null: {lookaside: ~, use-sigstore-attachments: null}\n\
         \x20 '*.b.io': {lookaside: 'https://wild.io'}\n\
         \x20 docker.io/library/busybox: {lookaside: 'file:///busybox'}\n\
         \x20 c.io:5000: {lookaside: 'http://localhost:4242/x/'}\n",
    )
    .unwrap();
    for (image, expected) in [
        ("a.io/x", "https://a.io/s https://a.io/s"),
        ("a.io/team/app:2", "https://a.io/s https://a.io/s attachments"),
        ("a.io/team/app:1", "file:///tag file:///s attachments"),
        ("a.io/team/off/x:1", "https://old.io https://old.io"),
        ("a.io/team/both", "https://new.io https://new.io attachments"),
        ("a.io/team2/app", "https://a.io/s https://a.io/s"),
        ("a.io/empty", "https://a.io/s https://a.io/s"),
        ("a.io/text", "https://a.io/s https://a.io/s"),
        ("a.io/null/x", "https://a.io/s https://a.io/s"),
        ("x.b.io/y", "https://wild.io https://wild.io"),
        ("x.y.b.io:5000/y", "https://wild.io https://wild.io"),
        ("b.io/y", "file:///default file:///staging"),
        ("busybox", "file:///busybox file:///busybox"),
        ("alpine", "file:///default file:///staging"),
        ("c.io:5000/x", "http://localhost:4242/x/ http://localhost:4242/x/"),
        ("c.io/x", "file:///default file:///staging"),
        ("A.io/x", "file:///default file:///staging"),
    ] {
        assert_eq!(stores(&read, image), expected, "{image}");
    }
    let store = read.store_for(&Reference::parse("a.io/team/app:2").unwrap());
    let (scope, line) = store.section().unwrap();
    assert_eq!((scope, line.line()), ("a.io/team", 6));
    assert_eq!(store.attachments_origin().unwrap().line(), 6);
    assert_eq!(store.read().unwrap().origin().unwrap().line(), 5);
    let store = read.store_for(&Reference::parse("alpine").unwrap());
    assert_eq!(store.section().unwrap().0, "default-docker");
    assert_eq!(store.attachments_origin(), None);
}

#[test]
fn without_a_section_signatures_are_in_the_directory_of_the_user() {
    let host = Host::new(&[]);
    let root = host.root().display();
    let at = |locations: &Locations| stores(&SignatureStores::load(locations).unwrap(), "a.io/x");
    let dir = format!("file://{root}/var/lib/containers/sigstore");
    assert_eq!(at(&host.locations()), format!("{dir} {dir}"));
    let dir = format!("file://{root}/root/.local/share/containers/sigstore");
    assert_eq!(at(&host.locations().with_uid(1000)), format!("{dir} {dir}"));
    assert_eq!(at(&Locations::none()), "- -");
    assert_eq!(stores(&SignatureStores::parse("").unwrap(), "a.io/x"), "- -");
}

const ETC: &str = "etc/containers/registries.d/";
const USR: &str = "usr/share/containers/registries.d/";
const HOME: &str = "root/.config/containers/registries.d/";

/// The files of a host, how it is described, and the files that are read or the error.
type Case = (
    &'static [(&'static str, &'static str)],
    fn(&Host, Locations) -> Locations,
    Result<&'static [&'static str], ConfigErrorKind>,
);

const A: &str = "docker: {a.io: {lookaside: 'file:///a'}}";
const B: &str = "docker: {b.io: {lookaside: 'file:///b'}}";
const D: &str = "default-docker: {lookaside: 'file:///d'}";

fn plain(_: &Host, locations: Locations) -> Locations {
    locations
}

fn classic(_: &Host, locations: Locations) -> Locations {
    locations.with_generation(Generation::Podman5)
}

const CASES: &[Case] = &[
    (&[], plain, Ok(&[])),
    (
        &[
            ("etc/containers/registries.d/a.yaml", A),
            ("usr/share/containers/registries.d/b.yaml", B),
        ],
        plain,
        Ok(&[
            "etc/containers/registries.d/a.yaml",
            "usr/share/containers/registries.d/b.yaml",
        ]),
    ),
    // Of files of one name the more important one counts.
    (
        &[
            ("etc/containers/registries.d/a.yaml", A),
            ("usr/share/containers/registries.d/a.yaml", A),
        ],
        plain,
        Ok(&["etc/containers/registries.d/a.yaml"]),
    ),
    (
        &[
            ("etc/containers/registries.d/a.yaml", A),
            ("usr/share/containers/registries.d/b.yaml", A),
        ],
        plain,
        Err(Conflict),
    ),
    (
        &[
            ("root/.config/containers/registries.d/a.yaml", D),
            ("etc/containers/registries.d/b.yaml", D),
        ],
        plain,
        Err(Conflict),
    ),
    (
        &[
            ("etc/containers/registries.rootful.d/c.yaml", A),
            ("etc/containers/registries.rootless.d/d.yaml", A),
        ],
        plain,
        Ok(&["etc/containers/registries.rootful.d/c.yaml"]),
    ),
    (
        &[
            ("etc/containers/registries.rootless.d/7/c.yaml", A),
            ("etc/containers/registries.rootless.d/d.yaml", B),
        ],
        |_, locations| locations.with_uid(7),
        Ok(&[
            "etc/containers/registries.rootless.d/7/c.yaml",
            "etc/containers/registries.rootless.d/d.yaml",
        ]),
    ),
    // Other names than `*.yaml` are no files of registries.d.
    (
        &[
            ("etc/containers/registries.d/a.yml", "{"),
            ("etc/containers/registries.d/README", "{"),
        ],
        plain,
        Ok(&[]),
    ),
    (
        &[("d/x.yaml", A), ("etc/containers/registries.d/a.yaml", A)],
        |host, locations| locations.with_registries_d(host.path("d")),
        Ok(&["d/x.yaml"]),
    ),
    (
        &[],
        |host, locations| locations.with_registries_d(host.path("d")),
        Ok(&[]),
    ),
    (
        &[("d", "a file")],
        |host, locations| locations.with_registries_d(host.path("d")),
        Err(Unreadable),
    ),
    // A directory with the name of a file cannot be read.
    (
        &[("etc/containers/registries.d/a.yaml/b.yaml", A)],
        plain,
        Err(Unreadable),
    ),
    (
        &[("d/x.yaml/README", ""), ("d/y.yaml", A)],
        |host, locations| locations.with_registries_d(host.path("d")),
        Err(Unreadable),
    ),
    (
        &[("root/.config/containers/registries.d/a.yaml/b", "")],
        classic,
        Err(Unreadable),
    ),
    (
        &[
            ("root/.config/containers/registries.d/a.yaml/b", ""),
            ("etc/containers/registries.d/a.yaml", A),
        ],
        plain,
        Err(Unreadable),
    ),
    (&[("etc/containers/registries.d/sub/a.yaml", "{")], plain, Ok(&[])),
    // One directory.
    (
        &[
            ("root/.config/containers/registries.d/a.yaml", A),
            ("etc/containers/registries.d/b.yaml", A),
        ],
        classic,
        Ok(&["root/.config/containers/registries.d/a.yaml"]),
    ),
    (
        &[
            ("etc/containers/registries.d/b.yaml", A),
            ("usr/share/containers/registries.d/c.yaml", A),
        ],
        classic,
        Ok(&["etc/containers/registries.d/b.yaml"]),
    ),
];

#[test]
fn the_directories_of_a_generation_are_merged_or_chosen() {
    for (files, change, expected) in CASES {
        let host = Host::new(files);
        let loaded = SignatureStores::load(&change(&host, host.locations()));
        let read = loaded.map_err(|error| error.kind()).map(|stores| {
            let below =
                |path: &std::path::PathBuf| path.strip_prefix(host.root()).unwrap().display().to_string();
            stores.files().iter().map(below).collect::<Vec<_>>()
        });
        let expected = expected.map(|files| files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>());
        assert_eq!(read, expected, "{files:?}");
    }
    let (etc, home) = (format!("{ETC}a.yaml"), format!("{HOME}b.yaml"));
    let host = Host::new(&[
        (&etc, A),
        (&home, &format!("\n{A}")),
        (&format!("{USR}c.yaml"), B),
    ]);
    let error = SignatureStores::load(&host.locations()).unwrap_err().to_string();
    assert!(error.contains(&home) && error.contains(":2:"), "{error}");
    assert!(
        error.contains("docker.\"a.io\"") && error.contains(&format!("{etc}:1")),
        "{error}"
    );
}

#[test]
fn an_error_has_the_file_the_line_and_the_key() {
    let cases: &[Refused] = &[
        ("- a\n", Type, 1, "", "mapping"),
        ("text", Type, 1, "", "mapping"),
        ("docker: []", Type, 1, "docker", "found a list"),
        (
            "default-docker:\n  - a",
            Type,
            2,
            "default-docker",
            "found a list",
        ),
        ("docker:\n  a.io: x", Type, 2, "docker.\"a.io\"", "found a scalar"),
        (
            "docker:\n  a.io:\n    lookaside: {a: b}",
            Type,
            3,
            "docker.\"a.io\".lookaside",
            "found a mapping",
        ),
        (
            "default-docker:\n  lookaside: 1",
            Value,
            2,
            "default-docker.lookaside",
            "no URL",
        ),
        (
            "default-docker:\n  sigstore-staging: x",
            Value,
            2,
            "default-docker.sigstore-staging",
            "no URL",
        ),
        (
            "default-docker:\n  use-sigstore-attachments: 1",
            Type,
            2,
            "default-docker.use-sigstore-attachments",
            "true or false",
        ),
        (
            "default-docker: {use-sigstore-attachments: 'true'}",
            Type,
            1,
            "",
            "without quotes",
        ),
        (
            "default-docker: {use-sigstore-attachments: tRUE}",
            Type,
            1,
            "",
            "true or false",
        ),
        ("docker: {'': {}}", Value, 1, "docker", "no name"),
        (
            "docker: {default-docker: {}}",
            Value,
            1,
            "docker.default-docker",
            "no name",
        ),
    ];
    refused(cases);
}

#[test]
fn t183_yaml_that_says_a_thing_twice_or_somewhere_else_is_refused() {
    let bomb = format!(
        "a: &a [x]\n{}",
        (0..20)
            .map(|n| format!("b{n}: [*a, *a]"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    let deep = format!("docker: {}", "[".repeat(100_000));
    let deep_keys = format!("docker: {}", "{a: ".repeat(10_000));
    let deep_blocks: String = (0..40).map(|n| " ".repeat(n) + "a:\n").collect();
    let large = format!("# {}", "x".repeat(1 << 20));
    let cases: &[Refused] = &[
        ("docker:\n  a.io: {}\n  a.io: {}", Syntax, 3, "\"a.io\"", "twice"),
        ("docker: {}\n'docker': {}", Syntax, 2, "\"docker\"", "twice"),
        (
            "default-docker:\n  lookaside: file:///a\n  lookaside: file:///a",
            Syntax,
            3,
            "",
            "twice",
        ),
        ("x: {a: 1, a: 2}", Syntax, 1, "", "twice"),
        ("docker: &a {}", Syntax, 1, "", "anchors"),
        ("docker: *a", Syntax, 1, "", "unknown anchor"),
        (&bomb, Syntax, 1, "", "anchors"),
        ("docker: {<<: {}}", Syntax, 1, "", "merge"),
        ("docker: !!map {}", Syntax, 1, "", "tags"),
        ("docker: !x {}", Syntax, 1, "", "tags"),
        (
            "docker: {}\n---\ndocker: {}",
            Syntax,
            2,
            "",
            "more than one document",
        ),
        ("--- \n--- \n", Syntax, 2, "", "more than one document"),
        ("? [a]\n: b", Syntax, 1, "", "a key must be text"),
        ("docker: {", Syntax, 1, "", "not valid YAML"),
        ("docker:\n\t- a", Syntax, 2, "", "not valid YAML"),
        ("docker: \"a", Syntax, 1, "", "not valid YAML"),
        (
            "<html><body>Not found</body></html>: {a",
            Syntax,
            1,
            "",
            "not valid YAML",
        ),
        (&deep, Syntax, 1, "", "recursion limit"),
        (&deep_keys, Syntax, 1, "", "in each other"),
        (&deep_blocks, Syntax, 32, "", "in each other"),
        (&large, TooLarge, 1, "", "1024 KiB"),
    ];
    refused(cases);
}

/// A text, the kind, line and key of its error, and a part of the message.
type Refused<'a> = (&'a str, ConfigErrorKind, usize, &'a str, &'a str);

fn refused(cases: &[Refused<'_>]) {
    let host = Host::new(&[]);
    for (text, kind, line, key, message) in cases {
        host.write(&format!("{ETC}a.yaml"), text);
        let error = SignatureStores::load(&host.locations()).unwrap_err();
        let shown = error.to_string();
        assert_eq!(error.kind(), *kind, "{shown}");
        assert_eq!(
            error.file(),
            Some(&*host.path(&format!("{ETC}a.yaml"))),
            "{shown}"
        );
        assert_eq!(error.line(), Some(*line), "{shown}");
        assert!(key.is_empty() || error.key() == Some(key), "{shown}");
        assert!(shown.contains(message), "{shown} lacks {message}");
        assert!(shown.len() < 600 && !shown.contains('\n'), "{shown}");
    }
}

#[test]
fn what_is_null_or_empty_configures_nothing() {
    for text in [
        "",
        "# nothing\n",
        "---\n",
        "...\n",
        "~",
        "docker:\n",
        "default-docker: ~\ndocker: null",
        "\u{feff}docker:",
        "%YAML 1.2\n---\ndocker: {}\n",
        "docker: {a.io: }",
    ] {
        let read = SignatureStores::parse(text).unwrap();
        assert_eq!(stores(&read, "b.io/x"), "- -", "{text}");
        assert!(read.warnings().is_empty(), "{text}");
    }
}

#[test]
fn booleans_are_those_of_the_reader_upstream() {
    for (text, expected) in [
        ("true", true),
        ("True", true),
        ("TRUE", true),
        ("yes", true),
        ("on", true),
        ("y", true),
        ("'yes'", true),
        ("\"ON\"", true),
        ("false", false),
        ("no", false),
        ("Off", false),
        ("n", false),
        ("~", false),
    ] {
        let read =
            SignatureStores::parse(&format!("default-docker: {{use-sigstore-attachments: {text}}}")).unwrap();
        assert_eq!(
            stores(&read, "a.io/x").contains("attachments"),
            expected,
            "{text}"
        );
    }
}

#[test]
fn what_has_no_effect_or_an_old_name_is_warned_of() {
    let read = SignatureStores::parse(
        "default-docker:\n\
         \x20 sigstore: file:///a\n\
         \x20 sigstore-staging: file:///b\n\
         \x20 lookaside-staging: file:///c\n\
         \x20 use_sigstore_attachments: true\n\
         docker-default: {x: [1, {y: 2}]}\n\
         docker:\n\
         \x20 https://a.io: {}\n\
         \x20 a.io/: {}\n\
         \x20 a.io: {Lookaside: file:///d}\n",
    )
    .unwrap();
    let warnings: Vec<String> = read.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "line 2: default-docker.sigstore: an old name; write lookaside",
            "line 3: default-docker.sigstore-staging: ignored, because lookaside-staging stands beside it",
            "line 5: default-docker.use_sigstore_attachments: unknown key, ignored; did you mean \
             use-sigstore-attachments?",
            "line 6: docker-default: unknown key, ignored",
            "line 8: docker.\"https://a.io\": never matches: leave out the scheme, as in registry.example/team",
            "line 9: docker.\"a.io/\": never matches: leave out the slash at the end",
            "line 10: docker.\"a.io\".Lookaside: unknown key, ignored; did you mean lookaside?",
        ]
    );
    assert_eq!(stores(&read, "a.io/x"), "file:///a file:///c");
}

#[test]
fn the_url_of_a_signature_is_that_of_upstream() {
    let hex = "0".repeat(64);
    let digest = Digest::parse(&format!("sha256:{hex}")).unwrap();
    let url = |text: &str| LookasideFile::Url(text.replace("HEX", &hex));
    let path = |text: &str| LookasideFile::Path(text.replace("HEX", &hex).into());
    for (base, repository, number, expected) in [
        (
            "https://s.io",
            "r.io/n/x",
            1,
            url("https://s.io/n/x@sha256=HEX/signature-1"),
        ),
        (
            "https://s.io/a/",
            "r.io/n/x",
            1,
            url("https://s.io/a//n/x@sha256=HEX/signature-1"),
        ),
        (
            "https://s.io:8443/a%20b",
            "r.io:5000/x",
            12,
            url("https://s.io:8443/a%20b/x@sha256=HEX/signature-12"),
        ),
        (
            "HTTP://localhost/a",
            "alpine",
            2,
            url("http://localhost/a/library/alpine@sha256=HEX/signature-2"),
        ),
        (
            "http://[::1]:80",
            "r.io/x",
            1,
            url("http://[::1]:80/x@sha256=HEX/signature-1"),
        ),
        (
            "http://store/x",
            "r.io/x",
            1,
            url("http://store/x/x@sha256=HEX/signature-1"),
        ),
        (
            "file:///srv/s",
            "r.io/n/x",
            3,
            path("/srv/s/n/x@sha256=HEX/signature-3"),
        ),
        (
            "file:///srv/a%20b/",
            "r.io/x",
            1,
            path("/srv/a b//x@sha256=HEX/signature-1"),
        ),
        (
            "file://localhost/s",
            "r.io/x",
            1,
            path("/s/x@sha256=HEX/signature-1"),
        ),
        ("file:///", "r.io/x", 1, path("//x@sha256=HEX/signature-1")),
    ] {
        let lookaside = Lookaside::parse(base).unwrap();
        let repository = Repository::parse(repository).unwrap();
        assert_eq!(lookaside.file(&repository, &digest, number), expected, "{base}");
        assert_eq!(lookaside.host().is_some(), !base.starts_with("file"), "{base}");
    }
    for (base, problem) in [
        ("", "no URL"),
        ("/srv/s", "no URL"),
        ("s.io/a", "no URL"),
        ("file:/srv/s", "no URL"),
        ("file:srv", "no URL"),
        ("file://srv/s", "three slashes"),
        ("file://", "no directory"),
        ("file:///a%zz", "percent"),
        ("file:///a%ff", "percent"),
        ("file:///a%00", "percent"),
        ("file:///a b", "characters"),
        ("ftp://s.io", "scheme"),
        ("s3://bucket/a", "scheme"),
        ("https://", "host"),
        ("https:///a", "host"),
        ("https://s.io:99999", "host"),
        ("https://s_io!/a", "host"),
        ("https://u:hunter2@s.io/a", "user name"),
        ("https://u@s.io", "user name"),
        ("https://s.io/a?token=hunter2", "query"),
        ("https://s.io/a#hunter2", "fragment"),
        ("https://s.io/a\nb", "characters"),
        ("https://s.io/\u{e9}", "characters"),
        ("https://s.io\\@evil.io/", "user name"),
    ] {
        let error = Lookaside::parse(base).unwrap_err().to_string();
        assert!(error.contains(problem), "{base}: {error}");
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    }
}

/// A URL takes such a host for an address, so that nothing could be read from it.
#[test]
fn a_host_that_ends_in_a_number_is_an_ipv4_address() {
    for base in [
        "http://127.0.0.1/4",
        "https://192.0.2.1:8443",
        "https://4.s.io0x1",
        "https://s4.io/4",
    ] {
        assert!(Lookaside::parse(base).is_ok(), "{base}");
    }
    for base in [
        "https://old.42/a",
        "https://1.2.3/a",
        "https://1.2.3.4.5:8443",
        "https://1.2.3.256",
        "http://010.0.0.1",
        "https://s.0x7f/a",
        "https://s.0x",
        "http://2130706433",
    ] {
        let error = Lookaside::parse(base).unwrap_err().to_string();
        assert!(error.contains("IPv4"), "{base}: {error}");
    }
}

/// A description of a store as the manuals of vendors have it.
#[test]
fn the_files_of_vendors_are_read() {
    let read = SignatureStores::parse(
        "# This is the default signature write location for docker registries.\n\
         default-docker:\n\
         #  lookaside: https://privateregistry.com/sigstore/\n\
         \x20 lookaside-staging: file:///var/lib/containers/sigstore\n",
    )
    .unwrap();
    assert_eq!(stores(&read, "a.io/x"), "- file:///var/lib/containers/sigstore");
    let read = SignatureStores::parse(
        "docker:\n     registry.access.redhat.com:\n         sigstore: https://access.redhat.com/webassets/docker/content/sigstore\n",
    )
    .unwrap();
    let expected = "https://access.redhat.com/webassets/docker/content/sigstore";
    assert_eq!(
        stores(&read, "registry.access.redhat.com/ubi9"),
        format!("{expected} {expected}")
    );
}
