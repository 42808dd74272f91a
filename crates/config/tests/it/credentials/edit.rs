use std::{fs, path::PathBuf};

use tempfile::TempDir;
use wharf_auth::Credential;
use wharf_config::{
    AuthEntry, AuthFile, AuthFormat, ConfigErrorKind, CredentialSource, Credentials, HostOs, Locations,
};

use super::support::{auths, key, user, write};

fn store(path: &std::path::Path, format: AuthFormat, name: &str) {
    let mut edit = AuthFile::edit(path, format).unwrap();
    edit.set(&key(name), &Credential::basic("ada", "pw")).unwrap();
    edit.commit().unwrap();
}

#[test]
fn unknown_fields_survive_login_and_logout() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("auth.json");
    let text = "{\n\t\"HttpHeaders\": {\"a\": 1.50},\n\t\"auths\": {\n\t\t\"old.example\": {\"auth\": \"b2xkOnB3\", \"email\": \"e\"}\n\t},\n\t\"credsStore\": \"x\",\n\t\"proxies\": null\n}\n";
    fs::write(&path, text).unwrap();
    store(&path, AuthFormat::Containers, "new.example/team");
    let expected = text.replace(
        "\"e\"}\n",
        "\"e\"},\n\t\t\"new.example/team\": {\n\t\t\t\"auth\": \"YWRhOnB3\"\n\t\t}\n",
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let mut edit = AuthFile::edit(&path, AuthFormat::Containers).unwrap();
    assert_eq!(edit.remove(&key("new.example/team")), ["new.example/team"]);
    edit.commit().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_login_replaces_every_field_that_holds_a_credential() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("auth.json");
    let old = r#"{"auths": {"h.io": {"Auth": "x", "identitytoken": "y", "username": "z", "email": "e"}}}"#;
    fs::write(&path, old).unwrap();
    store(&path, AuthFormat::Containers, "h.io");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "{\n\t\"auths\": {\n\t\t\"h.io\": {\n\t\t\t\"auth\": \"YWRhOnB3\",\n\t\t\t\"email\": \"e\"\n\t\t}\n\t}\n}\n"
    );
}

#[test]
fn an_edit_without_commit_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("auth.json");
    let mut edit = AuthFile::edit(&path, AuthFormat::Containers).unwrap();
    edit.set(&key("h.io"), &Credential::basic("ada", "pw")).unwrap();
    drop(edit);
    assert!(!path.exists());
    let mut edit = AuthFile::edit(&path, AuthFormat::Containers).unwrap();
    assert!(edit.remove(&key("h.io")).is_empty());
    edit.commit().unwrap();
    assert!(!path.exists());
}

#[test]
fn docker_hub_and_namespaces_in_the_form_of_docker() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("config.json");
    store(&path, AuthFormat::Docker, "docker.io");
    let file = AuthFile::read(&path, AuthFormat::Docker).unwrap();
    let keys: Vec<_> = file.entries().map(AuthEntry::key).collect();
    assert_eq!(keys, ["https://index.docker.io/v1/"]);
    let mut edit = AuthFile::edit(&path, AuthFormat::Docker).unwrap();
    let error = edit
        .set(&key("docker.io/team"), &Credential::basic("ada", "pw"))
        .unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Value);
    assert_eq!(edit.remove(&key("docker.io")), ["https://index.docker.io/v1/"]);
}

#[test]
fn what_cannot_be_stored_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("auth.json");
    let mut edit = AuthFile::edit(&path, AuthFormat::Containers).unwrap();
    for credential in [
        Credential::Bearer("canary".into()),
        Credential::basic("canary:colon", "canary"),
    ] {
        let error = edit.set(&key("h.io"), &credential).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    let error = AuthFile::edit(&path, AuthFormat::DockerLegacy).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Unwritable);
}

#[test]
fn a_broken_file_is_never_overwritten() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("auth.json");
    for broken in ["", "{", "{\"auths\": {\"a\": {\"auth\": 5}}}"] {
        fs::write(&path, broken).unwrap();
        AuthFile::edit(&path, AuthFormat::Containers).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
    }
}

#[test]
fn logout_reports_what_remains() {
    let host = TempDir::new().unwrap();
    let dir = host.path();
    fs::create_dir_all(dir.join("run")).unwrap();
    fs::create_dir_all(dir.join("home/.docker")).unwrap();
    let docker = dir.join("home/.docker/config.json");
    fs::write(&docker, auths(&[("https://example.com/v1/", "docker")])).unwrap();
    let locations = Locations::from_vars([("XDG_RUNTIME_DIR", dir.join("run")), ("HOME", dir.join("home"))])
        .with_os(HostOs::Linux)
        .with_uid(1000);
    let credentials = Credentials::from_locations(&locations).unwrap();
    let key = key("example.com");
    let stored = credentials.store(&key, &Credential::basic("ada", "pw")).unwrap();
    assert_eq!(stored.hidden_by, None);
    let place = dir.join("run/containers/auth.json");
    assert_eq!(
        stored.entry.to_string(),
        format!("{}:3: example.com", place.display())
    );
    assert_eq!(user(credentials.lookup(&key).unwrap().credential()), Some("ada"));
    let erased = credentials.erase(&key).unwrap();
    assert_eq!(erased.removed, [CredentialSource::File(place)]);
    assert_eq!(
        erased.remaining.unwrap().to_string(),
        format!("{}:1: https://example.com/v1/", docker.display())
    );
    assert!(credentials.erase(&key).unwrap().removed.is_empty());
}

#[test]
fn a_login_that_an_earlier_file_hides_says_so() {
    let host = TempDir::new().unwrap();
    let dir = host.path();
    write(
        &dir.join("xdg/containers/auth.json"),
        &auths(&[("example.com", "old")]),
    );
    let locations = Locations::from_vars([
        ("XDG_CONFIG_HOME", dir.join("xdg")),
        ("DOCKER_CONFIG", dir.join("docker")),
    ]);
    let credentials = Credentials::from_locations(&locations).unwrap();
    let stored = credentials
        .store(&key("example.com"), &Credential::basic("new", "pw"))
        .unwrap();
    let path = dir.join("docker/config.json");
    assert_eq!(stored.entry.source(), CredentialSource::File(path));
    let hidden_by = stored.hidden_by.unwrap().source();
    assert_eq!(
        hidden_by,
        CredentialSource::File(dir.join("xdg/containers/auth.json"))
    );
}

#[test]
fn a_runtime_directory_that_is_not_there_is_not_made() {
    let dir = TempDir::new().unwrap();
    let locations = Locations::from_vars([("XDG_RUNTIME_DIR", dir.path().join("run"))])
        .with_os(HostOs::Linux)
        .with_uid(1000);
    let credentials = Credentials::from_locations(&locations).unwrap();
    assert!(credentials.lookup(&key("h.io")).unwrap().credential().is_none());
    let error = credentials
        .store(&key("h.io"), &Credential::basic("a", "b"))
        .unwrap_err();
    assert!(error.to_string().contains("/run: cannot be written"), "{error}");
    assert!(!dir.path().join("run").exists());
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &std::path::Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_and_directories_are_private() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("a/b/auth.json");
        store(&path, AuthFormat::Containers, "h.io");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&dir.path().join("a")), 0o700);
        assert_eq!(mode(&dir.path().join("a/b")), 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        store(&path, AuthFormat::Containers, "h.io");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_symbolic_link_keeps_its_target() {
        let dir = TempDir::new().unwrap();
        let (link, middle, target) = (
            dir.path().join("auth.json"),
            dir.path().join("middle"),
            dir.path().join("real/auth.json"),
        );
        symlink("middle", &link).unwrap();
        symlink("real/auth.json", &middle).unwrap();
        for name in ["a.io", "b.io"] {
            store(&link, AuthFormat::Containers, name); // the first time, the target does not exist
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert!(fs::symlink_metadata(&middle).unwrap().is_symlink());
        }
        let file = AuthFile::read(&target, AuthFormat::Containers).unwrap();
        assert_eq!(file.entries().count(), 2);
        let around = dir.path().join("around");
        symlink("around", &around).unwrap();
        let error = AuthFile::edit(&around, AuthFormat::Containers).unwrap_err();
        assert_eq!(error.message(), "too many symbolic links");
    }

    #[test]
    fn what_is_not_a_file_is_not_replaced() {
        let dir = TempDir::new().unwrap();
        let error = AuthFile::edit(dir.path(), AuthFormat::Containers).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Unwritable);
    }
}

#[cfg(target_os = "linux")] // nobody makes files in /proc
#[test]
fn a_file_that_cannot_be_written_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::os::unix::fs::symlink("/proc/none/auth.json", path("link")).unwrap();
    let runtime = Locations::from_vars([("XDG_RUNTIME_DIR", path("none"))]);
    let of_file = |file: PathBuf, format| Credentials::from_files([(file, format)]);
    for (what, credentials) in [
        (
            "no directory",
            of_file("/proc/none/auth.json".into(), AuthFormat::Containers),
        ),
        (
            "Docker's",
            of_file("/proc/none/config.json".into(), AuthFormat::Docker),
        ),
        (
            "no file",
            of_file("/proc/auth.json".into(), AuthFormat::Containers),
        ),
        ("a link", of_file(path("link"), AuthFormat::Containers)),
        (
            "a runtime directory that is not there",
            Credentials::from_locations(&runtime).unwrap(),
        ),
    ] {
        let error = credentials
            .store(&key("a.example"), &Credential::basic("ada", "pw"))
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with("name another file for credentials (REGISTRY_AUTH_FILE)"),
            "{what}: {text}"
        );
    }
}
