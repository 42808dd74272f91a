use std::fs;

use tempfile::TempDir;
use wharf_auth::CredentialProvider;
use wharf_config::{AuthEntry, AuthFile, AuthFormat, Credentials, HostOs, Locations};
use wharf_reference::{Registry, Repository};

use super::support::{auths, key, user, write};

use AuthFormat::{Containers, Docker, DockerLegacy, Kubernetes, KubernetesLegacy};

/// Keys in the file (each entry's user is its own key), what is asked, and which entry answers.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_most_specific_key_decides() {
    let table: &[(AuthFormat, &[&str], &str, Option<&str>)] = &[
        (Containers, &["example.com"], "example.com", Some("example.com")),
        (
            Containers,
            &["example.com"],
            "example.com/a/b",
            Some("example.com"),
        ),
        (
            Containers,
            &["example.com", "example.com/a"],
            "example.com/a/b",
            Some("example.com/a"),
        ),
        (
            Containers,
            &["example.com/a", "example.com/a/b"],
            "example.com/a/b",
            Some("example.com/a/b"),
        ),
        (Containers, &["example.com/a"], "example.com", None),
        (Containers, &["example.com/a"], "example.com/ab", None),
        (Containers, &["example.com"], "example.com:5000", None),
        (Containers, &["example.com:5000"], "example.com", None),
        (Containers, &["example.com.evil"], "example.com", None),
        (
            Containers,
            &["evil.example.com", "notexample.com", "example.co"],
            "example.com",
            None,
        ),
        (Containers, &["Example.COM"], "example.com", Some("Example.COM")),
        (Containers, &["example.com/"], "example.com/a", None),
        (
            Containers,
            &["HTTPS://example.com/v1"],
            "example.com",
            Some("HTTPS://example.com/v1"),
        ),
        (Containers, &["example.com/v2"], "example.com/a", None),
        (Containers, &["example.com/team/"], "example.com/a", None),
        (
            Containers,
            &["https://example.com"],
            "example.com",
            Some("https://example.com"),
        ),
        (
            Containers,
            &["https://example.com/v1/"],
            "example.com/a",
            Some("https://example.com/v1/"),
        ),
        (
            Containers,
            &["http://h.io", "https://h.io/v1/"],
            "h.io",
            Some("http://h.io"),
        ),
        (
            Containers,
            &["https://h.io/v1/", "http://h.io", "h.io"],
            "h.io",
            Some("h.io"),
        ),
        (Containers, &["example.com/v1/"], "example.com", None),
        (Containers, &["https://example.com.evil/v1/"], "example.com", None),
        (Containers, &["https://user:pw@example.com/"], "example.com", None),
        (
            Containers,
            &["https://index.docker.io/v1/"],
            "docker.io",
            Some("https://index.docker.io/v1/"),
        ),
        (
            Containers,
            &["https://index.docker.io/v1/"],
            "docker.io/library/alpine",
            Some("https://index.docker.io/v1/"),
        ),
        (
            Containers,
            &["index.docker.io"],
            "docker.io",
            Some("index.docker.io"),
        ),
        (
            Containers,
            &["registry-1.docker.io"],
            "docker.io",
            Some("registry-1.docker.io"),
        ),
        (
            Containers,
            &["docker.io"],
            "registry-1.docker.io",
            Some("docker.io"),
        ),
        (
            Containers,
            &["docker.io", "https://index.docker.io/v1/"],
            "docker.io/a",
            Some("docker.io"),
        ),
        (Containers, &["docker.io/library"], "docker.io/vendor", None),
        (
            Containers,
            &[
                "https://index.docker.io/v1/",
                "https://index.docker.io/v1/access-token",
            ],
            "docker.io",
            Some("https://index.docker.io/v1/"),
        ),
        (Containers, &["[::1]:5000"], "[::1]:5000/a", Some("[::1]:5000")),
        (
            Docker,
            &["https://example.com/v2/", "other"],
            "example.com/a",
            Some("https://example.com/v2/"),
        ),
        (
            DockerLegacy,
            &["example.com/v1/"],
            "example.com/a",
            Some("example.com/v1/"),
        ),
        (
            DockerLegacy,
            &["https://example.com/v1/"],
            "example.com",
            Some("https://example.com/v1/"),
        ),
        (
            DockerLegacy,
            &["example.com/a"],
            "example.com/a",
            Some("example.com/a"),
        ),
        (
            Kubernetes,
            &["*.example.com", "a.example.com"],
            "a.example.com/x",
            Some("a.example.com"),
        ),
        (
            Kubernetes,
            &["*.example.com", "a.example.com"],
            "b.example.com/x",
            Some("*.example.com"),
        ),
        (
            Kubernetes,
            &["*.example.com/team", "a.example.com"],
            "a.example.com/team/x",
            Some("*.example.com/team"),
        ),
        (
            Kubernetes,
            &["https://index.docker.io/v1/"],
            "docker.io/a/b",
            Some("https://index.docker.io/v1/"),
        ),
        (
            KubernetesLegacy,
            &["https://example.com/v1/team"],
            "example.com/team/x",
            Some("https://example.com/v1/team"),
        ),
        (
            KubernetesLegacy,
            &["https://example.com/v1/team"],
            "example.com/other",
            None,
        ),
        (Docker, &["*.example.com"], "a.example.com", None),
    ];
    for (format, keys, asked, expected) in table {
        let users: Vec<String> = keys.iter().map(|key| key.replace(':', "_")).collect();
        let entries: Vec<_> = keys
            .iter()
            .copied()
            .zip(users.iter().map(String::as_str))
            .collect();
        for entries in [entries.clone(), entries.into_iter().rev().collect()] {
            let mut text = auths(&entries);
            if matches!(format, DockerLegacy | KubernetesLegacy) {
                text = text
                    .strip_prefix("{\"auths\": ")
                    .unwrap()
                    .strip_suffix('}')
                    .unwrap()
                    .to_owned();
            }
            let file = AuthFile::parse(&text, *format).unwrap();
            let asked = key(asked);
            assert_eq!(
                file.entry(&asked).map(AuthEntry::key),
                *expected,
                "{asked} in {text}"
            );
            let credential = file.credential(&asked).unwrap();
            assert_eq!(
                user(credential.as_ref()).map(str::to_owned),
                expected.map(|key| key.replace(':', "_"))
            );
        }
    }
}

#[test]
fn an_empty_entry_ends_its_file() {
    let text = r#"{"auths": {"example.com/a": {}, "example.com": {"auth": "YWRhOnB3"}}}"#;
    let file = AuthFile::parse(text, Containers).unwrap();
    assert_eq!(file.credential(&key("example.com/a/b")).unwrap(), None);
    assert!(file.credential(&key("example.com/b")).unwrap().is_some());
}

#[test]
fn only_the_deciding_entry_can_fail() {
    let text = r#"{"auths": {"bad.example": {"auth": "%%%"}, "good.example": {"auth": "YWRhOnB3"}}}"#;
    let file = AuthFile::parse(text, Containers).unwrap();
    assert!(file.credential(&key("good.example")).unwrap().is_some());
    let error = file.credential(&key("bad.example")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1:27: auths.bad.example: expected `auth` to be the base64 of USER:PASSWORD in UTF-8"
    );
}

fn who(locations: &Locations, asked: &str) -> Option<String> {
    let credentials = Credentials::from_locations(locations).unwrap();
    user(credentials.lookup(&key(asked)).unwrap().credential()).map(str::to_owned)
}

/// The files of a user, from the first that is asked to the last.
#[test]
fn files_are_asked_in_order() {
    let host = TempDir::new().unwrap();
    let dir = host.path();
    let locations = Locations::from_vars([("XDG_RUNTIME_DIR", dir.join("run")), ("HOME", dir.join("home"))])
        .with_os(HostOs::Linux)
        .with_uid(1000);
    assert_eq!(who(&locations, "example.com"), None);
    let legacy = format!(
        "{{\"example.com\": {{\"auth\": \"{}\"}}}}",
        super::support::auth("legacy")
    );
    write(&dir.join("home/.dockercfg"), &legacy);
    assert_eq!(who(&locations, "example.com").as_deref(), Some("legacy"));
    for (file, name) in [
        ("home/.docker/config.json", "docker"),
        ("home/.config/containers/auth.json", "user"),
        ("run/containers/auth.json", "runtime"),
    ] {
        write(&dir.join(file), &auths(&[("example.com", name)]));
        assert_eq!(who(&locations, "example.com").as_deref(), Some(name));
    }
    let moved = locations
        .clone()
        .with_docker_config(dir.join("ci"))
        .with_xdg_config_home(dir.join("xdg"));
    write(&dir.join("ci/config.json"), &auths(&[("ci.example", "ci")]));
    write(
        &dir.join("xdg/containers/auth.json"),
        &auths(&[("ci.example", "xdg")]),
    );
    assert_eq!(who(&moved, "ci.example").as_deref(), Some("xdg"));
    fs::remove_file(dir.join("xdg/containers/auth.json")).unwrap();
    assert_eq!(who(&moved, "ci.example").as_deref(), Some("ci"));
}

#[test]
fn an_explicit_file_is_the_only_one() {
    let host = TempDir::new().unwrap();
    let dir = host.path();
    let locations = Locations::from_vars([("XDG_RUNTIME_DIR", dir.join("run"))]).with_uid(0);
    write(
        &dir.join("run/containers/auth.json"),
        &auths(&[("example.com", "runtime")]),
    );
    write(
        &dir.join("explicit.json"),
        &auths(&[("other.example", "explicit")]),
    );
    for explicit in [
        locations.clone().with_auth_file(dir.join("explicit.json")),
        locations.clone().with_compat_auth_file(dir.join("explicit.json")),
        locations
            .clone()
            .with_registry_auth_file(dir.join("explicit.json")),
    ] {
        assert_eq!(who(&explicit, "example.com"), None);
        assert_eq!(who(&explicit, "other.example").as_deref(), Some("explicit"));
    }
    let both = locations.with_auth_file("a").with_compat_auth_file("b");
    let error = Credentials::from_locations(&both).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an auth file and a file in Docker's form exclude each other; give one of them"
    );
}

#[test]
fn a_rooted_host_is_read_below_its_root() {
    let host = TempDir::new().unwrap();
    write(
        &host.path().join("run/containers/0/auth.json"),
        &auths(&[("example.com", "rooted")]),
    );
    assert_eq!(
        who(&Locations::rooted(host.path()), "example.com").as_deref(),
        Some("rooted")
    );
}

#[tokio::test]
async fn it_is_a_provider() {
    let host = TempDir::new().unwrap();
    let path = host.path().join("auth.json");
    write(
        &path,
        &auths(&[("example.com/team", "team"), ("example.com", "host")]),
    );
    let credentials = Credentials::from_files([(path.clone(), Containers)]);
    let registry = Registry::parse("example.com").unwrap();
    let repository = Repository::parse("example.com/team/app").unwrap();
    let narrow = credentials
        .credential(&registry, Some(&repository))
        .await
        .unwrap();
    assert_eq!(user(narrow.as_ref()), Some("team"));
    let wide = credentials.credential(&registry, None).await.unwrap();
    assert_eq!(user(wide.as_ref()), Some("host"));
    let mirror = Registry::parse("mirror.example").unwrap();
    let elsewhere = credentials.credential(&mirror, Some(&repository)).await.unwrap();
    assert_eq!(
        elsewhere, None,
        "a mirror was given the credential of the registry it mirrors"
    );
    fs::write(&path, "{").unwrap();
    let error = credentials.credential(&registry, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot look up the credentials for example.com"
    );
}

#[test]
fn a_pull_secret_names_no_programs() {
    let text = r#"{"credHelpers": {"example.com": "x"}, "credsStore": "y", "auths": {"example.com": {"username": "ada", "password": "pw"}}}"#;
    let format = AuthFormat::of_kubernetes_secret("kubernetes.io/dockerconfigjson").unwrap();
    let file = AuthFile::parse(text, format).unwrap();
    assert_eq!((file.helpers().count(), file.credentials_store()), (0, None));
    assert_eq!(
        user(file.credential(&key("example.com/a")).unwrap().as_ref()),
        Some("ada")
    );
    assert_eq!(AuthFormat::of_kubernetes_secret("Opaque"), None);
}

#[cfg(unix)]
#[test]
fn files_that_others_can_read_are_reported_or_refused() {
    use std::os::unix::fs::PermissionsExt;
    let host = TempDir::new().unwrap();
    let path = host.path().join("auth.json");
    write(&path, &auths(&[("example.com", "ada")]));
    let credentials = Credentials::from_files([(path.clone(), Containers)]);
    for (mode, exposed) in [(0o644, true), (0o640, true), (0o600, false), (0o400, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let lookup = credentials.lookup(&key("example.com")).unwrap();
        assert!(lookup.credential().is_some());
        assert_eq!(lookup.exposed().is_empty(), !exposed, "{mode:o}");
        let strict = credentials
            .clone()
            .with_private_files_only(true)
            .lookup(&key("example.com"));
        assert_eq!(strict.is_err(), exposed, "{mode:o}");
    }
}

/// A file, its form, and the warning when it has nothing for `h.io`: line, key, and a part of the message.
type Unread = (
    AuthFormat,
    &'static str,
    Option<(usize, &'static str, &'static str)>,
);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_looks_like_credentials_and_is_none_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file.json");
    let table: &[Unread] = &[
        // The entries of .dockercfg.
        (
            Containers,
            r#"{"https://h.io/v1/": {"auth": "YTpj", "email": "x"}}"#,
            Some((1, "", "within `auths` only")),
        ),
        (
            Docker,
            "{\n\"h.io\": {\"Auth\": \"YTpj\"}}",
            Some((2, "", "within `auths` only")),
        ),
        (Containers, r#"{"h.io": {"email": "x"}}"#, None),
        (Containers, r#"{"auths": {}, "h.io": {"auth": "YTpj"}}"#, None),
        (DockerLegacy, r#"{"other.io": {"auth": "YTpj"}}"#, None),
        // A store of Docker's.
        (
            Containers,
            "{\"auths\": {\"h.io\": {}},\n\"credsStore\": \"desktop\"}",
            Some((2, "credsStore", "Docker's config.json only")),
        ),
        (Containers, r#"{"auths": {}, "credsStore": ""}"#, None),
        (Containers, r#"{"credsStore": null}"#, None),
        // Entries.
        (
            Containers,
            r#"{"auths": {"h.io": {"auth": "Y2FuYXJ5"}}}"#,
            Some((1, "h.io", "no colon")),
        ),
        (
            Docker,
            "{\"auths\": {\n\"https://h.io\": {\"auth\": \"Y2FuYXJ5\"}}}",
            Some((2, "https://h.io", "no colon")),
        ),
        (
            Containers,
            r#"{"auths": {"h.io": {"username": "ada", "password": "canary"}}}"#,
            Some((1, "h.io", "write `auth`")),
        ),
        (
            Containers,
            r#"{"auths": {"h.io": {"registrytoken": "canary"}}}"#,
            Some((1, "h.io", "`registrytoken` count in Docker's")),
        ),
        (
            Containers,
            r#"{"auths": {"h.io": {"username": "", "password": ""}}}"#,
            None,
        ),
        (Containers, r#"{"auths": {"h.io": {"auth": ""}}}"#, None),
        (Containers, r#"{"auths": {"h.io": {"auth": "Og=="}}}"#, None),
        (
            Containers,
            r#"{"auths": {"other.io": {"auth": "Y2FuYXJ5"}}}"#,
            None,
        ),
        (Containers, "{}", None),
        // Keys.
        (
            Containers,
            r#"{"auths": {"h.io/": {"auth": "YTpj"}}}"#,
            Some((1, "h.io/", "write h.io")),
        ),
        (
            Docker,
            "{\"auths\": {\n\"H.io/v2/\": {\"auth\": \"YTpj\"}}}",
            Some((2, "H.io/v2/", "write h.io")),
        ),
        (
            Containers,
            r#"{"auths": {"h.io/v1/": {"auth": "YTpj"}}}"#,
            Some((1, "h.io/v1/", "write h.io")),
        ),
        (Containers, r#"{"auths": {"h.io/v2": {"auth": "YTpj"}}}"#, None),
        (Containers, r#"{"auths": {"h.io/team/": {"auth": "YTpj"}}}"#, None),
        (Containers, r#"{"auths": {"h.io.evil/": {"auth": "YTpj"}}}"#, None),
    ];
    for (format, text, expected) in table {
        write(&path, text);
        let credentials = Credentials::from_files([(path.clone(), *format)]);
        let lookup = credentials.lookup(&key("h.io")).unwrap();
        assert!(lookup.credential().is_none(), "{text}");
        let found: Vec<_> = lookup
            .unread()
            .iter()
            .map(|warning| (warning.line().unwrap(), warning.key(), warning.message()))
            .collect();
        assert_eq!(found.len(), usize::from(expected.is_some()), "{text}: {found:?}");
        for (found, (line, key, message)) in found.iter().zip(expected) {
            assert_eq!((found.0, found.1), (*line, *key), "{text}");
            assert!(found.2.contains(message), "{text}: {found:?}");
        }
        assert!(
            lookup
                .unread()
                .iter()
                .all(|warning| warning.file() == Some(path.as_path()))
        );
        assert!(!format!("{lookup:?}").contains("canary"));
    }
    // A file that has the credential is not complained of.
    write(
        &path,
        r#"{"auths": {"h.io": {"auth": "YTpj"}}, "credsStore": "desktop"}"#,
    );
    let lookup = Credentials::from_files([(path, Containers)])
        .lookup(&key("h.io"))
        .unwrap();
    assert!(lookup.credential().is_some() && lookup.unread().is_empty());
}
