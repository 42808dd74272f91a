//! Helpers among the sources of a host.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use wharf_auth::Credential;
use wharf_config::{
    AuthFormat, CredentialSource, Credentials, CredentialsError, HelperErrorKind, LookupOutcome,
};

use super::support::{Helpers, auths, key, user, write};

const HUB: &str = "https://index.docker.io/v1/";

struct Host {
    dir: TempDir,
    helpers: Helpers,
}

impl Host {
    /// A host with the keychains `kc` and `other`.
    fn new() -> Self {
        let helpers = Helpers::new();
        helpers.add_keychain("kc");
        helpers.add_keychain("other");
        helpers.add("broken", "echo canary; exit 1");
        Self {
            dir: TempDir::new().unwrap(),
            helpers,
        }
    }

    fn put(&self, keychain: &str, server: &str, user: &str) {
        let credential = Credential::basic(user, "pw");
        self.helpers.helper(keychain).store(server, &credential).unwrap();
        self.helpers.asked(keychain);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The sources of a host with one file of this form.
    fn with(&self, format: AuthFormat, text: &str) -> Credentials {
        let path = self.path("file.json");
        write(&path, text);
        Credentials::from_files([(path, format)]).with_helper_environment(self.helpers.environment())
    }
}

fn who(credentials: &Credentials, asked: &str) -> Option<String> {
    user(credentials.lookup(&key(asked)).unwrap().credential()).map(str::to_owned)
}

fn fails(credentials: &Credentials, asked: &str) -> HelperErrorKind {
    let error = credentials.lookup(&key(asked)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
    let CredentialsError::Helper { error, .. } = error else {
        unreachable!("{error:?}");
    };
    error.kind()
}

/// A file in its two forms, what is asked, and whose credential it is. `kc` keeps `kept.example` of `kim`.
#[test]
fn helpers_that_files_name() {
    let host = Host::new();
    host.put("kc", "kept.example", "kim");
    let file = |helpers: &str, store: &str| {
        let auths = auths(&[
            ("kept.example", "file"),
            ("kept.example/team", "file"),
            ("plain.example", "file"),
        ]);
        format!(
            "{{\"credHelpers\": {{{helpers}}}, \"credsStore\": \"{store}\", {}",
            auths.trim_start_matches('{')
        )
    };
    for (helpers, store, asked, containers, docker) in [
        ("", "", "kept.example", Some("file"), Some("file")),
        (
            "\"kept.example\": \"kc\"",
            "",
            "kept.example",
            Some("kim"),
            Some("kim"),
        ),
        (
            "\"kept.example\": \"kc\"",
            "",
            "kept.example/team/app",
            Some("kim"),
            Some("kim"),
        ),
        (
            "\"Kept.Example\": \"kc\"",
            "",
            "kept.example",
            Some("kim"),
            Some("kim"),
        ),
        (
            "\"https://kept.example/\": \"kc\"",
            "",
            "kept.example",
            Some("kim"),
            Some("kim"),
        ),
        ("\"plain.example\": \"kc\"", "", "plain.example", None, None),
        (
            "\"other.example\": \"missing\"",
            "",
            "kept.example",
            Some("file"),
            Some("file"),
        ),
        ("", "kc", "kept.example", Some("file"), Some("kim")),
        ("", "kc", "plain.example", Some("file"), Some("file")),
        (
            "\"kept.example\": \"\"",
            "kc",
            "kept.example",
            Some("file"),
            Some("file"),
        ),
        ("\"kept.example\": \"other\"", "kc", "kept.example", None, None),
    ] {
        let text = file(helpers, store);
        for (format, expected) in [(AuthFormat::Containers, containers), (AuthFormat::Docker, docker)] {
            let credentials = host.with(format, &text);
            assert_eq!(who(&credentials, asked).as_deref(), expected, "{asked} in {text}");
        }
    }
}

#[test]
fn a_helper_that_must_be_asked_and_fails_is_no_anonymity() {
    let host = Host::new();
    for (helper, kind) in [
        ("missing", HelperErrorKind::NotFound),
        ("broken", HelperErrorKind::Failed),
        ("../x", HelperErrorKind::InvalidName),
    ] {
        let text = format!("{{\"credHelpers\": {{\"a.example\": \"{helper}\"}}}}");
        let credentials = host.with(AuthFormat::Containers, &text);
        assert_eq!(fails(&credentials, "a.example"), kind);
        let text = credentials.lookup(&key("a.example")).unwrap_err().to_string();
        assert!(text.ends_with("/file.json)"), "{text}");
        assert_eq!(who(&credentials, "b.example"), None);
        let text = format!("{{\"credsStore\": \"{helper}\", \"auths\": {{\"a.example\": {{}}}}}}");
        assert_eq!(fails(&host.with(AuthFormat::Docker, &text), "a.example"), kind);
    }
}

/// Docker keeps Docker Hub under its URL, the container tools under its name; each finds what the other kept.
#[test]
fn docker_hub_is_found_under_both_names() {
    for (format, kept_under) in [
        (AuthFormat::Containers, "docker.io"),
        (AuthFormat::Containers, HUB),
        (AuthFormat::Docker, "docker.io"),
        (AuthFormat::Docker, HUB),
    ] {
        for configured in ["docker.io", "index.docker.io", HUB] {
            let host = Host::new();
            host.put("kc", kept_under, "hub");
            let credentials = host.with(
                format,
                &format!("{{\"credHelpers\": {{\"{configured}\": \"kc\"}}}}"),
            );
            assert_eq!(
                who(&credentials, "docker.io/library/alpine").as_deref(),
                Some("hub")
            );
            let erased = credentials.erase(&key("docker.io")).unwrap();
            assert_eq!(erased.removed, [CredentialSource::Helper("kc".to_owned())]);
            assert_eq!(erased.remaining, None);
        }
    }
}

#[test]
fn the_order_of_registries_conf() {
    let host = Host::new();
    host.put("kc", "both.example", "kim");
    host.put("kc", "kept.example", "kim");
    let credentials = host.with(
        AuthFormat::Containers,
        &auths(&[("both.example", "file"), ("plain.example", "file")]),
    );
    let order = |names: &[&str]| credentials.clone().with_helpers(names.iter().copied());
    for (names, asked, expected) in [
        (&["kc"][..], "both.example", Some("kim")),
        (&["kc"], "plain.example", None),
        (&["kc", "containers-auth.json"], "both.example/team", Some("kim")),
        (&["containers-auth.json", "kc"], "both.example", Some("file")),
        (&["containers-auth.json", "kc"], "kept.example", Some("kim")),
        (&["broken", "missing", "kc"], "kept.example", Some("kim")),
        (&["containers-auth.json", "broken"], "plain.example", Some("file")),
        (&[], "plain.example", Some("file")),
    ] {
        assert_eq!(
            who(&order(names), asked).as_deref(),
            expected,
            "{names:?} {asked}"
        );
    }
    assert_eq!(
        fails(&order(&["broken", "kc"]), "none.example"),
        HelperErrorKind::Failed
    );
    let error = order(&["missing", "broken"])
        .lookup(&key("none.example"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "docker-credential-missing: the program is not in the search path; install it or change the configuration that names it; docker-credential-broken: failed; run it by hand to see why"
    );
}

#[test]
fn a_look_up_explains_itself() {
    let host = Host::new();
    host.put("kc", "kept.example", "kim");
    let text = r#"{"credHelpers": {"kept.example": "kc"}, "auths": {"empty.example": {}}}"#;
    let credentials = host
        .with(AuthFormat::Containers, text)
        .with_helpers(["broken", "containers-auth.json"]);
    let lookup = credentials.lookup(&key("kept.example/team")).unwrap();
    let told: Vec<String> = lookup
        .steps()
        .iter()
        .map(|step| {
            format!("{} {}", step.source, step.outcome).replace(host.dir.path().to_str().unwrap(), "DIR")
        })
        .collect();
    assert_eq!(
        told,
        [
            "docker-credential-broken failed: docker-credential-broken: failed; run it by hand to see why",
            "DIR/file.json names a helper",
            "docker-credential-kc has it under kept.example",
        ]
    );
    let files_only = credentials.with_helpers(["containers-auth.json"]);
    let lookup = files_only.lookup(&key("empty.example")).unwrap();
    assert!(matches!(
        lookup.steps()[0].outcome,
        LookupOutcome::EmptyEntry { line: 1, .. }
    ));
}

#[test]
fn logins_go_to_the_helper_that_the_file_names() {
    let ada = Credential::basic("ada", "pw");
    for (format, text, name, server, left) in [
        (
            AuthFormat::Containers,
            r#"{"credHelpers": {"a.example": "kc"}}"#,
            "a.example",
            "a.example",
            None,
        ),
        (
            AuthFormat::Containers,
            r#"{"credHelpers": {"docker.io": "kc"}}"#,
            "docker.io",
            "docker.io",
            None,
        ),
        (
            AuthFormat::Docker,
            r#"{"credHelpers": {"docker.io": "kc"}}"#,
            "docker.io",
            HUB,
            None,
        ),
        (
            AuthFormat::Docker,
            r#"{"credsStore": "kc"}"#,
            "a.example",
            "a.example",
            Some("{\n\t\"auths\": {\n\t\t\"a.example\": {}\n\t},\n\t\"credsStore\": \"kc\"\n}\n"),
        ),
    ] {
        let host = Host::new();
        let credentials = host.with(format, text);
        let key = key(name);
        let stored = credentials.store(&key, &ada).unwrap();
        assert_eq!(
            stored.origin.to_string(),
            format!("docker-credential-kc: {server}")
        );
        assert_eq!(stored.hidden_by, None);
        assert_eq!(
            fs::read_to_string(host.path("file.json")).unwrap(),
            left.unwrap_or(text)
        );
        assert_eq!(who(&credentials, name).as_deref(), Some("ada"));
        let erased = credentials.erase(&key).unwrap();
        assert!(
            erased
                .removed
                .contains(&CredentialSource::Helper("kc".to_owned())),
            "{text}"
        );
        assert_eq!(who(&credentials, name), None);
        assert!(credentials.erase(&key).unwrap().removed.is_empty());
        if format == AuthFormat::Containers {
            let namespaced = super::support::key(&format!("{name}/team"));
            let error = credentials.store(&namespaced, &ada).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "docker-credential-kc keeps credentials for all of {name}, not for {name}/team alone"
                )
            );
        }
    }
}

#[test]
fn logins_go_to_the_first_source_of_registries_conf_that_takes_them() {
    let host = Host::new();
    let ada = Credential::basic("ada", "pw");
    let credentials =
        host.with(AuthFormat::Containers, "{}")
            .with_helpers(["broken", "kc", "containers-auth.json"]);
    let stored = credentials.store(&key("a.example"), &ada).unwrap();
    assert_eq!(stored.origin.source(), CredentialSource::Helper("kc".to_owned()));
    let stored = credentials.store(&key("a.example/team"), &ada).unwrap();
    assert_eq!(
        stored.origin.source(),
        CredentialSource::File(host.path("file.json"))
    );
    // A file in Docker's form is written whatever registries.conf says.
    let docker = host.with(AuthFormat::Docker, "{}").with_helpers(["kc"]);
    let stored = docker.store(&key("b.example"), &ada).unwrap();
    assert_eq!(
        stored.origin.source(),
        CredentialSource::File(host.path("file.json"))
    );
}

#[test]
fn everything_is_listed_and_one_that_fails_fails_alone() {
    let host = Host::new();
    host.put("kc", "kept.example", "kim");
    let text = auths(&[
        ("a.example", "file"),
        ("a.example/team", "team"),
        ("https://b.example/v1/", "file"),
    ]);
    let text = format!(
        "{{\"credHelpers\": {{\"x.example\": \"broken\"}}, {}",
        text.trim_start_matches('{')
    );
    let credentials =
        host.with(AuthFormat::Containers, &text)
            .with_helpers(["containers-auth.json", "kc", "missing"]);
    let all = credentials
        .clone()
        .with_helpers(["containers-auth.json", "kc"])
        .all()
        .unwrap();
    let told: Vec<String> = all
        .iter()
        .map(|listed| match &listed.lookup {
            Ok(lookup) => format!("{} {}", listed.key, user(lookup.credential()).unwrap()),
            Err(_) => format!("{} failed", listed.key),
        })
        .collect();
    assert_eq!(
        told,
        [
            "a.example file",
            "a.example/team team",
            "b.example file",
            "kept.example kim",
            "x.example failed"
        ]
    );
    assert_eq!(credentials.all().unwrap().len(), 5); // a program that is not there lists nothing
}

#[test]
fn a_logout_from_everywhere() {
    let host = Host::new();
    host.put("kc", "kept.example", "kim");
    host.put("kc", "unlisted.example", "kim");
    host.put("other", "o.example", "olga");
    let text = auths(&[("a.example", "file")]);
    let text = format!(
        "{{\"credHelpers\": {{\"kept.example\": \"kc\"}}, {}",
        text.trim_start_matches('{')
    );
    let credentials =
        host.with(AuthFormat::Containers, &text)
            .with_helpers(["containers-auth.json", "other", "missing"]);
    let removed = credentials.erase_all().unwrap();
    let expected = [
        CredentialSource::Helper("kc".to_owned()),
        CredentialSource::File(host.path("file.json")),
        CredentialSource::Helper("other".to_owned()),
    ];
    assert_eq!(removed, expected);
    assert_eq!(
        fs::read_to_string(host.path("file.json")).unwrap(),
        "{\n\t\"credHelpers\": {\"kept.example\": \"kc\"},\n\t\"auths\": {}\n}\n"
    );
    assert!(
        host.helpers
            .helper("kc")
            .get("unlisted.example")
            .unwrap()
            .is_some()
    );
}
