//! policy.json: what is one, and which rule applies.

mod data;
mod identities;
mod tables;

use std::path::Path;

use wharf_config::{ConfigErrorKind, FileTransport, Generation, Locations, Policy};
use wharf_reference::Reference;
use wharf_testkit::{Image, Sandbox, require_peers};

use crate::support::Host;
use identities::identities;
use tables::{FILES, REQUIREMENTS};

const ACCEPT: &str = r#"[{"type":"insecureAcceptAnything"}]"#;
const REJECT: &str = r#"[{"type":"reject"}]"#;

fn with(requirement: &str) -> String {
    format!(r#"{{"default":{ACCEPT},"transports":{{"docker":{{"never.example":[{requirement}]}}}}}}"#)
}

#[test]
fn what_is_a_policy_and_what_is_none() {
    for (requirement, good, _) in REQUIREMENTS {
        let parsed = Policy::parse(&with(requirement));
        assert_eq!(parsed.is_ok(), *good, "{requirement}: {parsed:?}");
    }
    for (requirement, good) in identities() {
        let parsed = Policy::parse(&with(&requirement));
        assert_eq!(parsed.is_ok(), good, "{requirement}: {parsed:?}");
    }
    for (file, good) in FILES {
        let parsed = Policy::parse(file);
        assert_eq!(parsed.is_ok(), *good, "{file}: {parsed:?}");
    }
}

/// Skopeo reads the same files as policies.
#[test]
fn skopeo_agrees() {
    require_peers!("skopeo");
    let sandbox = Sandbox::new();
    Image::small("x").write_layout(&sandbox.path("from"), "v1");
    let from = format!("oci:{}:v1", sandbox.path("from").display());
    let known = REQUIREMENTS.iter().filter(|(.., known)| *known);
    let files = known.map(|(requirement, good, _)| (with(requirement), *good));
    let files = files.chain(identities().map(|(requirement, good)| (with(&requirement), good)));
    // Debian builds Skopeo without `atomic`, so it judges none of its scopes.
    let whole = FILES.iter().filter(|(file, _)| !file.contains("atomic"));
    let files = files.chain(whole.map(|(file, good)| ((*file).to_owned(), *good)));
    for (number, (file, good)) in files.enumerate() {
        std::fs::write(sandbox.path("policy.json"), &file).unwrap();
        let to = format!("oci:{}:v1", sandbox.path(format!("to{number}")).display());
        let run = sandbox.skopeo().run(&["copy", &from, &to]);
        let read =
            !run.stderr.contains("Error loading trust policy") && !run.stderr.contains("invalid policy");
        assert_eq!(read, good, "{file}: {}", run.stderr);
        if good {
            let policy = Policy::parse(&file).unwrap();
            let rule = policy.rule_for_layout(&sandbox.path("from"));
            assert_eq!(rule.check().is_ok(), run.success, "{file}: {}", run.stderr);
        }
    }
}

/// Texts that are no JSON, and what is said of them.
#[test]
fn a_policy_that_is_no_json_says_what_to_do() {
    for (text, expected) in [
        (
            "",
            "line 1:1: the file is empty, which is no policy; the least is {\"default\"",
        ),
        ("\n", "line 2:1: the file is empty"),
        (
            "\u{feff}{\"default\": [{\"type\": \"reject\"}]}",
            "line 1:1: the text begins with a byte order mark",
        ),
        (
            "{\"default\": [{\"type\": \"reject\"},]}",
            "line 1:33: a comma stands before the closing bracket",
        ),
        (
            "{\n  \"default\": [{\"type\": \"reject\"}],\n}",
            "line 3:1: a comma stands before the closing bracket",
        ),
        (
            "{\n  // all\n  \"default\": [{\"type\": \"reject\"}]\n}",
            "line 2:3: JSON has no comments",
        ),
        (
            "{\"default\": [{\"type\": \"reject\"}]",
            "line 1:32: the text ends within a value",
        ),
        (
            "{\"default\": [{\"type\": \"reject\"}]}\n{}",
            "line 2:1: something follows the end",
        ),
        ("{'default': []}", "line 1:2: JSON has no single quotes"),
    ] {
        let error = Policy::parse(text).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Syntax);
        assert!(error.to_string().starts_with(expected), "{text}: {error}");
    }
}

/// Each member that is taken away, doubled or written in another case makes an error or a stricter policy.
#[test]
fn t01_no_change_to_a_policy_makes_it_laxer() {
    let text = format!(
        r#"{{"default":{REJECT},"transports":{{"docker":{{
            "a.example":[{{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}}],
            "a.example/free":{ACCEPT},
            "*.b.example":{REJECT}
        }},"oci":{{"/srv":{REJECT}}}}}}}"#
    );
    let images = [
        "a.example/x:1",
        "a.example/free/x:1",
        "c.b.example/x:1",
        "d.example/x:1",
    ];
    let accepted = |policy: &Policy| {
        let accepts = |image: &&str| policy.rule_for(&Reference::parse(image).unwrap()).check().is_ok();
        images
            .iter()
            .filter(|image| accepts(image))
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(accepted(&Policy::parse(&text).unwrap()), ["a.example/free/x:1"]);
    // Tokens: strings, and single characters of the grammar.
    let mut tokens = Vec::new();
    let mut start = None;
    for (at, char) in text.char_indices() {
        match (char, start) {
            ('"', None) => start = Some(at),
            ('"', Some(from)) => {
                tokens.push(from..at + 1);
                start = None;
            }
            (char, None) if !char.is_whitespace() => tokens.push(at..at + 1),
            _ => {}
        }
    }
    assert!(tokens.len() > 60);
    let mut policies = 0;
    for token in tokens {
        let (head, after) = text.split_at(token.end);
        let (before, this) = head.split_at(token.start);
        let upper = this.to_uppercase();
        let changed = ["", &format!("{this}{this}"), &format!("{this},{this}"), &upper]
            .map(|instead| format!("{before}{instead}{after}"));
        for changed in changed.iter().filter(|changed| **changed != text) {
            let Ok(policy) = Policy::parse(changed) else {
                continue;
            };
            policies += 1;
            for image in accepted(&policy) {
                // A rule for a path of another name is another rule, and says nothing of this one.
                assert_eq!(image, "a.example/free/x:1", "{changed}");
            }
        }
    }
    assert!(policies > 3, "some changes are in a name alone: {policies}");
}

/// Scopes that hold the only rule to accept, and whether it applies to the image.
#[test]
fn t02_scopes_are_matched_as_they_are_written() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let by_digest = format!("r.example:5000/a/b@{digest}");
    let both = format!("r.example:5000/a/b:t@{digest}");
    let table = [
        ("r.example:5000/a/b:t", "r.example:5000/a/b:t", true),
        ("r.example:5000/a/b:t", "r.example:5000/a/b:u", false),
        ("r.example:5000/a/b:t", "r.example:5000/a/b", true),
        ("r.example:5000/a/b:t", "r.example:5000/a", true),
        ("r.example:5000/a/b:t", "r.example:5000", true),
        ("r.example:5000/a/b:t", "r.example", false),
        ("r.example:5000/a/b:t", "r.example/a/b", false),
        ("r.example:5000/a/b:t", "r.example:5000/a/", false),
        ("r.example:5000/a/b:t", "r.example:5000/a/bc", false),
        ("r.example:5000/a/bc:t", "r.example:5000/a/b", false),
        ("r.example:5000/a/b:t", "*.example", true),
        ("r.example:5000/a/b:t", "*.r.example", false),
        ("r.example:5000/a/b:t", "*.example:5000", false),
        ("r.s.example/a:t", "*.s.example", true),
        ("r.s.example/a:t", "*.example", true),
        ("r.s.example/a:t", "*s.example", false),
        ("r.s.example/a:t", "*", false),
        ("alpine:3", "docker.io/library/alpine", true),
        ("alpine:3", "docker.io/library", true),
        ("alpine:3", "docker.io", true),
        ("alpine:3", "alpine", false),
        ("alpine:3", "index.docker.io", false),
        (&by_digest, &by_digest, true),
        (&by_digest, "r.example:5000/a/b", true),
        (&both, &by_digest, true),
        (&both, "r.example:5000/a/b:t", false),
        ("r.example/a:t", "", true),
    ];
    for (image, scope, expected) in table {
        let text = format!(r#"{{"default":{REJECT},"transports":{{"docker":{{"{scope}":{ACCEPT}}}}}}}"#);
        let policy = Policy::parse(&text).unwrap();
        let rule = policy.rule_for(&Reference::parse(image).unwrap());
        assert_eq!(rule.check().is_ok(), expected, "{image} in {scope:?}");
        // The same rules the other way round, and with every wider scope saying the opposite.
        let text = format!(
            r#"{{"default":{ACCEPT},"transports":{{"docker":{{"{scope}":{REJECT}}},"oci":{{"":{REJECT}}}}}}}"#
        );
        let policy = Policy::parse(&text).unwrap();
        let rule = policy.rule_for(&Reference::parse(image).unwrap());
        assert_eq!(rule.check().is_err(), expected, "{image} in {scope:?}");
    }
}

#[test]
fn t02_the_most_specific_rule_alone_counts() {
    let text = format!(
        r#"{{"default":{ACCEPT},"transports":{{"docker":{{
            "":{REJECT},"*.example":{ACCEPT},"r.example":{REJECT},"r.example/a":{ACCEPT},"r.example/a/b":{REJECT},
            "r.example/a/b:t":[{{"type":"insecureAcceptAnything"}},{{"type":"insecureAcceptAnything"}}],
            "r.example/both":[{{"type":"insecureAcceptAnything"}},{{"type":"reject"}}]
        }}}}}}"#
    );
    let policy = Policy::parse(&text).unwrap();
    for (image, accepted) in [
        ("other/a:t", false),
        ("s.example/a:t", true),
        ("r.example/x:t", false),
        ("r.example/a/x:t", true),
        ("r.example/a/b:u", false),
        ("r.example/a/b:t", true),
        ("r.example/both:t", false),
    ] {
        let rule = policy.rule_for(&Reference::parse(image).unwrap());
        assert_eq!(rule.check().is_ok(), accepted, "{image}");
    }
    assert!(policy.default_rule().check().is_ok());
}

#[test]
fn directories_have_rules_too() {
    let text = format!(
        r#"{{"default":{REJECT},"transports":{{"oci":{{"/srv":{ACCEPT},"/srv/a":{REJECT},"/srv/a:v1":{ACCEPT}}}}}}}"#
    );
    let policy = Policy::parse(&text).unwrap();
    for (directory, accepted) in [
        ("/srv", true),
        ("/srv/b/c", true),
        ("/srv/a", false), // a rule for one image of it is none
        ("/srv/a/b", false),
        ("/srvx", false),
        ("/", false),
    ] {
        let rule = policy.rule_for_layout(Path::new(directory));
        assert_eq!(rule.check().is_ok(), accepted, "{directory}");
    }
}

#[test]
fn archives_and_image_directories_have_rules_by_their_path() {
    for (transport, name) in [
        (FileTransport::Dir, "dir"),
        (FileTransport::OciArchive, "oci-archive"),
    ] {
        let text = format!(
            r#"{{"default":{REJECT},"transports":{{"{name}":{{"/srv":{ACCEPT},"/srv/a.tar":{ACCEPT}}},"oci":{{"":{ACCEPT}}}}}}}"#
        );
        let policy = Policy::parse(&text).unwrap();
        for (path, scope) in [
            ("/srv", Some("/srv")),
            ("/srv/a.tar", Some("/srv/a.tar")),
            ("/srv/a.tar/b", Some("/srv/a.tar")),
            ("/srv/a.tar2", Some("/srv")),
            ("/srv/x/y", Some("/srv")),
            ("/srvx", None),
            ("/", None),
        ] {
            let rule = policy.rule_for_file(transport, Path::new(path));
            assert_eq!(rule.origin().scope(), scope, "{transport:?} {path}");
        }
        let all = format!(r#"{{"default":{REJECT},"transports":{{"{name}":{{"":{ACCEPT}}}}}}}"#);
        let policy = Policy::parse(&all).unwrap();
        assert!(policy.rule_for_file(transport, Path::new("/")).check().is_ok());
        assert!(policy.rule_for_layout(Path::new("/")).check().is_err());
    }
    // An archive of Docker's has the empty scope alone, and so does an image that a daemon is asked for by its ID.
    let text = format!(
        r#"{{"default":{REJECT},"transports":{{"docker-archive":{{"":{ACCEPT}}},"docker-daemon":{{"":{ACCEPT},"docker.io/library/app":{REJECT}}}}}}}"#
    );
    let policy = Policy::parse(&text).unwrap();
    let archive = |path: &str| policy.rule_for_file(FileTransport::DockerArchive, Path::new(path));
    assert!(archive("/srv/a.tar").check().is_ok() && archive("").check().is_ok());
    let daemon = |name: Option<&str>| {
        let name = name.map(|name| Reference::parse(name).unwrap());
        policy.rule_for_daemon(name.as_ref()).check().is_ok()
    };
    assert!(daemon(None) && daemon(Some("other:1")) && !daemon(Some("app:1")));
    for scope in ["/srv/a.tar", "/srv", "/"] {
        for transport in ["docker-archive", "tarball"] {
            let text =
                format!(r#"{{"default":{REJECT},"transports":{{"{transport}":{{"{scope}":{ACCEPT}}}}}}}"#);
            assert!(Policy::parse(&text).is_err(), "{transport} {scope}");
        }
    }
}

/// Scopes of registries, and why no image is in them.
#[test]
fn a_scope_that_no_name_is_in_is_warned_of() {
    for (scope, reason) in [
        ("https://a.example", Some("leave out the scheme")),
        ("docker://a.example/team", Some("leave out the scheme")),
        ("a.example/", Some("leave out the slash")),
        ("a.example/team/", Some("leave out the slash")),
        ("index.docker.io", Some("begin with docker.io")),
        ("index.docker.io/team", Some("begin with docker.io")),
        ("*", Some("a wildcard is")),
        ("*.example:5000", Some("a wildcard is")),
        ("*.example/team", Some("a wildcard is")),
        ("a.*.example", Some("a wildcard is")),
        ("", None),
        ("*.example", None),
        ("docker.io/alpine", None),
        ("a.example:5000/a:v1", None),
        ("a.example", None),
    ] {
        let text =
            format!("{{\"default\":{ACCEPT},\n\"transports\":{{\"docker\":{{\"{scope}\":{REJECT}}}}}}}");
        let policy = Policy::parse(&text).unwrap();
        let warnings: Vec<String> = policy.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings.len(),
            usize::from(reason.is_some()),
            "{scope}: {warnings:?}"
        );
        if let Some(reason) = reason {
            let expected = format!("line 2: transports.docker.\"{scope}\": never matches: ");
            assert!(
                warnings[0].starts_with(&expected) && warnings[0].contains(reason),
                "{warnings:?}"
            );
        }
    }
}

#[test]
fn a_rule_for_a_namespace_that_is_called_as_an_image_is_named() {
    let text = format!(r#"{{"default":{ACCEPT},"transports":{{"docker":{{"docker.io/alpine":{REJECT}}}}}}}"#);
    let policy = Policy::parse(&text).unwrap();
    for (image, warned) in [
        ("alpine", true),
        ("docker.io/library/alpine:3", true),
        ("docker.io/alpine/git", false),
        ("docker.io/team/alpine", false),
        ("r.example/library/alpine", false),
    ] {
        let warning = policy.overlooked(&Reference::parse(image).unwrap());
        let text = warning.as_ref().map(ToString::to_string);
        assert_eq!(warning.is_some(), warned, "{image}: {text:?}");
        assert!(
            text.is_none_or(|text| text.contains("write docker.io/library/alpine for the image")),
            "{image}"
        );
    }
}

/// Scopes, and whether they are warned of.
#[test]
fn a_rule_for_one_image_of_a_directory_is_warned_of() {
    for (transport, scope, warned) in [
        ("oci", "/srv/a:v1", true),
        ("oci", "/srv/a:", true),
        ("oci", "/srv/a:v1:x", true),
        ("oci", "/srv/a", false),
        ("oci", "", false),
        ("dir", "/srv/a:v1", false),
        ("oci-archive", "/srv/a:v1", false),
        ("docker", "a.example:5000/a:v1", false),
        ("unknown", "/srv/a:v1", false),
    ] {
        let text = format!(
            "{{\"default\":{ACCEPT},\n\"transports\":{{\"{transport}\":{{\n\"{scope}\":{REJECT}}}}}}}"
        );
        let policy = Policy::parse(&text).unwrap();
        let warnings = policy.warnings();
        assert_eq!(!warnings.is_empty(), warned, "{transport} {scope}");
        if let [warning] = warnings {
            let expected =
                format!("line 3: transports.{transport}.\"{scope}\": a rule for oci is for a directory");
            assert!(warning.to_string().starts_with(&expected), "{warning}");
        }
    }
    let host = Host::new(&[(
        "etc/containers/policy.json",
        &format!(r#"{{"default":{ACCEPT},"transports":{{"oci":{{"/srv/a:v1":{REJECT}}}}}}}"#),
    )]);
    let policy = Policy::load(&host.locations()).unwrap().unwrap();
    assert_eq!(policy.warnings()[0].file(), policy.file());
}

#[test]
fn t03_a_signature_that_is_wanted_is_missing() {
    for (requirement, named) in [
        (
            r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#,
            "signedBy",
        ),
        (r#"{"type":"sigstoreSigned","keyPath":"/k"}"#, "sigstoreSigned"),
        (
            r#"{"type":"signedBaseLayer","baseLayerIdentity":{"type":"matchExact"}}"#,
            "signedBaseLayer",
        ),
    ] {
        let policy = Policy::parse(&with(requirement)).unwrap();
        let image = Reference::parse("never.example/a:t").unwrap();
        let refusal = policy.rule_for(&image).check().unwrap_err();
        assert_eq!(refusal.requirement().to_string(), named);
        assert_eq!(
            refusal.to_string(),
            format!(
                "the rule for never.example (docker) of the trust policy demands a signature ({named}), and none can \
                 be verified here"
            )
        );
    }
}

#[test]
fn which_file_is_the_policy() {
    const ETC: &str = "etc/containers/policy.json";
    const USR: &str = "usr/share/containers/policy.json";
    const HOME: &str = "root/.config/containers/policy.json";
    let named = |requirement: &str| format!(r#"{{"default":{requirement}}}"#);
    let all = Host::new(&[]);
    for path in [ETC, USR, HOME, "f", "g"] {
        all.write(path, &named(REJECT));
    }
    let read = |locations: Locations| {
        Policy::load(&locations)
            .unwrap()
            .unwrap()
            .file()
            .unwrap()
            .to_owned()
    };
    let classic = || all.locations().with_generation(Generation::Podman5);
    assert_eq!(read(all.locations()), all.path(HOME));
    assert_eq!(read(classic()), all.path(HOME));
    assert_eq!(read(all.locations().with_policy(all.path("f"))), all.path("f"));
    let both = all
        .locations()
        .with_policy(all.path("f"))
        .with_policy_env(all.path("g"));
    assert_eq!(read(both), all.path("f"));
    assert_eq!(
        read(all.locations().with_policy_env(all.path("g"))),
        all.path("g")
    );
    assert_eq!(read(classic().with_policy_env(all.path("g"))), all.path(HOME));
    let variable = Locations::from_vars([("CONTAINERS_POLICY_JSON", all.path("g"))]);
    assert_eq!(read(variable), all.path("g"));

    let vendor = Host::new(&[(USR, &named(REJECT))]);
    assert_eq!(read(vendor.locations()), vendor.path(USR));
    let classic = vendor.locations().with_generation(Generation::Podman5);
    assert_eq!(Policy::load(&classic).unwrap(), None);
    assert_eq!(Policy::load(&Locations::none()).unwrap(), None);

    let missing = vendor.locations().with_policy(vendor.path("f"));
    assert_eq!(
        Policy::load(&missing).unwrap_err().kind(),
        ConfigErrorKind::Missing
    );
    // A policy that is broken is not passed over for the next one.
    vendor.write(ETC, "{\n  \"default\": []\n}");
    let error = Policy::load(&vendor.locations()).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Syntax);
    assert_eq!(
        error.to_string(),
        format!(
            "{}:2:14: `default` lists no requirement",
            vendor.path(ETC).display()
        )
    );
}
