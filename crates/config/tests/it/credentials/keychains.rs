//! Helpers among the sources of a host.

use std::{
    fs::{self, File},
    future::Future as _,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::Command,
    task::{Context, Waker},
    time::Duration,
};

use tempfile::TempDir;
use wharf_auth::Credential;
use wharf_config::{
    AuthFormat, CredentialSource, Credentials, CredentialsError, HelperErrorKind, LookupOutcome,
};
use wharf_reference::Registry;

use super::support::{Helpers, auth, auths, key, user, write};

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
    }
}

/// A file's `credsStore` is for no registry in particular. What the file has otherwise, what is asked, and whose
/// credential it is.
#[test]
fn a_store_that_fails_is_passed_over() {
    let host = Host::new();
    host.put("kc", "kept.example", "kim");
    host.helpers.add("junk", "echo canary");
    host.helpers.add("desktop.exe", "exit 127");
    let later = host.path("later.json");
    write(&later, &auths(&[("later.example", "later")]));
    let entries = auths(&[("a.example", "file"), ("b.example/team", "team")]);
    let entries = entries.trim_start_matches('{').strip_suffix("}}").unwrap();
    let text = |store: &str| {
        format!(
            "{{\"credsStore\": \"{store}\", \"credHelpers\": {{\"kept.example\": \"kc\", \"plain.example\": \"\", \
             \"lost.example\": \"missing\"}}, {entries}, \"empty.example\": {{}}}}}}"
        )
    };
    for (store, kind) in [
        ("missing", HelperErrorKind::NotFound),
        ("broken", HelperErrorKind::Failed),
        ("desktop.exe", HelperErrorKind::Failed),
        ("junk", HelperErrorKind::BadOutput),
        ("../x", HelperErrorKind::InvalidName),
    ] {
        let path = host.path("file.json");
        write(&path, &text(store));
        let files = [
            (path, AuthFormat::Docker),
            (later.clone(), AuthFormat::Containers),
        ];
        let credentials = Credentials::from_files(files).with_helper_environment(host.helpers.environment());
        for (asked, expected, store_is_asked) in [
            ("a.example", Some("file"), true),
            ("a.example/x/y", Some("file"), true),
            ("b.example/team/app", Some("team"), true),
            ("b.example/other", None, true),
            ("empty.example", None, true),
            ("none.example", None, true),
            ("later.example", Some("later"), true),
            ("kept.example", Some("kim"), false),
            ("plain.example", None, false),
        ] {
            let lookup = credentials.lookup(&key(asked)).unwrap();
            assert_eq!(user(lookup.credential()), expected, "{store}: {asked}");
            let kinds: Vec<_> = lookup
                .unanswered()
                .iter()
                .map(|error| match error {
                    CredentialsError::Helper { error, .. } => error.kind(),
                    other => unreachable!("{other:?}"),
                })
                .collect();
            assert_eq!(kinds, vec![kind; usize::from(store_is_asked)], "{store}: {asked}");
            let told = format!("{lookup:?} {:?}", lookup.unanswered());
            assert!(!told.contains("canary"), "{told}");
        }
        // The registry's own helper must answer all the same, and an entry that is there must be one.
        assert_eq!(fails(&credentials, "lost.example"), HelperErrorKind::NotFound);
        write(&host.path("file.json"), &text(store).replace(&auth("file"), "%"));
        let error = credentials.lookup(&key("a.example")).unwrap_err();
        assert!(
            error.to_string().contains("expected `auth` to be the base64"),
            "{error}"
        );
    }
}

#[test]
fn a_provider_says_what_did_not_answer() {
    use wharf_auth::CredentialProvider as _;

    let host = Host::new();
    let credentials = host.with(AuthFormat::Docker, "{\"credsStore\": \"missing\"}");
    let registry = Registry::parse("a.example").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(credentials.look_up(&registry, None)).unwrap();
    assert_eq!(answer.credential, None);
    let text = answer.unanswered.unwrap().to_string();
    assert!(
        text.starts_with("docker-credential-missing: the program is not in the search path"),
        "{text}"
    );
    assert!(text.ends_with("/file.json)"), "{text}");
}

/// A store that does not answer stops no logout; a login that is to go there is an error, as for Docker.
#[test]
fn a_store_that_fails_stops_no_logout() {
    let host = Host::new();
    for store in ["missing", "broken", "../x"] {
        let entries = auths(&[("a.example", "file"), ("b.example", "file")]);
        let text = format!(
            "{{\"credsStore\": \"{store}\", {}",
            entries.trim_start_matches('{')
        );
        let credentials = host.with(AuthFormat::Docker, &text);
        let file = CredentialSource::File(host.path("file.json"));
        let erased = credentials.erase(&key("a.example")).unwrap();
        assert_eq!(erased.removed.as_slice(), std::slice::from_ref(&file));
        assert_eq!(erased.remaining, None);
        assert_eq!(erased.unanswered.len(), 1, "{:?}", erased.unanswered);
        let again = credentials.erase(&key("a.example")).unwrap();
        assert!(again.removed.is_empty() && again.unanswered.len() == 1);
        let error = credentials
            .store(&key("a.example"), &Credential::basic("ada", "pw"))
            .unwrap_err();
        assert!(error.to_string().contains("/file.json"), "{error}");
        let listed = credentials.all().unwrap();
        let listed: Vec<String> = listed.iter().map(|listed| listed.key.to_string()).collect();
        assert_eq!(listed, ["b.example"]);
        assert_eq!(credentials.erase_all().unwrap(), [file]);
        assert_eq!(credentials.all().unwrap().len(), 0);
    }
}

/// The registry's own helper must answer, but what the file has is removed first.
#[test]
fn a_helper_that_fails_stops_no_logout_from_the_file() {
    let host = Host::new();
    for helper in ["missing", "broken"] {
        let entries = auths(&[("a.example", "file"), ("b.example", "file")]);
        let helpers = format!("\"credHelpers\": {{\"a.example\": \"{helper}\"}}");
        let text = format!("{{{helpers}, {}", entries.trim_start_matches('{'));
        for (format, all) in [
            (AuthFormat::Containers, false),
            (AuthFormat::Docker, false),
            (AuthFormat::Containers, true),
            (AuthFormat::Docker, true),
        ] {
            let credentials = host.with(format, &text);
            let failed = if all {
                credentials.erase_all().is_err()
            } else {
                credentials.erase(&key("a.example")).is_err()
            };
            assert_eq!(failed, !all || helper == "broken", "{helper} {all}");
            let left = fs::read_to_string(host.path("file.json")).unwrap();
            assert!(
                !left.contains(&format!("\"a.example\": {{\"auth\": \"{}\"}}", auth("file"))),
                "{left}"
            );
            assert_eq!(left.contains(&auth("file")), !all, "{left}");
        }
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
            stored.entry.to_string(),
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
                    "docker-credential-kc stores credentials for all of {name}, not for {name}/team alone"
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
    assert_eq!(stored.entry.source(), CredentialSource::Helper("kc".to_owned()));
    let stored = credentials.store(&key("a.example/team"), &ada).unwrap();
    assert_eq!(
        stored.entry.source(),
        CredentialSource::File(host.path("file.json"))
    );
    // A file in Docker's form is written whatever registries.conf says.
    let docker = host.with(AuthFormat::Docker, "{}").with_helpers(["kc"]);
    let stored = docker.store(&key("b.example"), &ada).unwrap();
    assert_eq!(
        stored.entry.source(),
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

/// Nothing waits for the helper's time limit, which is a day here.
#[cfg(unix)]
#[test]
fn a_helper_is_killed_when_nobody_waits_for_its_answer() {
    let host = Host::new();
    let fifo = host.path("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    // It and what it starts hold the fifo open for as long as they live.
    let script = format!("exec 3>'{}'\necho runs >&3\nsleep 3600\nexit 1", fifo.display());
    host.helpers.add("slow", &script);
    let credentials = host
        .with(AuthFormat::Docker, r#"{"credsStore": "slow"}"#)
        .with_helper_timeout(Duration::from_secs(24 * 60 * 60));
    let registry = Registry::parse("a.example").unwrap();
    let mut found = Box::pin(credentials.find(&registry, None));
    let mut context = Context::from_waker(Waker::noop());
    assert!(found.as_mut().poll(&mut context).is_pending());
    let mut output = BufReader::new(File::open(&fifo).unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "runs\n");
    drop(found);
    // The end is read when the last of them is dead.
    assert_eq!(output.read_line(&mut line).unwrap(), 0);
}
