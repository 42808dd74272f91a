//! Helper programs, good and hostile.

use std::{fs, io::Read, process::Command, thread, time::Duration};

use wharf_auth::Credential;
use wharf_config::{CredentialHelper, HelperEnvironment, HelperErrorKind, Locations};

use super::support::Helpers;

use HelperErrorKind::{
    BadOutput, Failed, InvalidName, InvalidServer, NotFound, NotStorable, TimedOut, TooMuchOutput,
};

#[test]
fn names_that_are_not_names_are_refused() {
    let environment = HelperEnvironment::new("/usr/bin");
    let long = "x".repeat(10 << 10);
    for name in [
        "../../x", "..", "a..b", "a/b", "a b", ";id", "", "a\0b", "a\nb", "\u{e9}", "$(id)", "a\\b", &long,
    ] {
        let error = CredentialHelper::new(name, &environment).unwrap_err();
        assert_eq!(error.kind(), InvalidName, "{name:?}");
        let text = format!("{error} {error:?}");
        assert!(text.len() < 1000 && !text.contains(char::is_control), "{text}");
    }
    for name in ["pass", "ecr-login", "osxkeychain", "a.b_c-9", &"x".repeat(64)] {
        CredentialHelper::new(name, &environment).unwrap();
    }
    CredentialHelper::new(&"x".repeat(65), &environment).unwrap_err();
}

/// What a helper does when it is asked for a credential, and what comes of it. Each writes a canary where it
/// can.
#[test]
fn answers_and_failures() {
    let ada = Credential::basic("ada", "canary");
    let table: &[(&str, Result<Option<Credential>, HelperErrorKind>)] = &[
        (
            r#"echo '{"ServerURL":"","Username":"ada","Secret":"canary"}'"#,
            Ok(Some(ada.clone())),
        ),
        (
            r#"echo '{"Username":"<token>","Secret":"canary"}'"#,
            Ok(Some(Credential::Identity("canary".into()))),
        ),
        ("echo '{}'", Ok(None)),
        (
            "echo '  credentials not found in native keychain '; exit 1",
            Ok(None),
        ),
        (
            "echo 'credentials not found in native keychain' >&2; exit 1",
            Err(Failed),
        ),
        ("echo 'credentials not found in native keychain'", Err(BadOutput)),
        ("echo canary; echo canary >&2; exit 1", Err(Failed)),
        (
            r#"echo '{"Username":"ada","Secret":"canary"}'; exit 3"#,
            Err(Failed),
        ),
        (
            r#"echo '{"Username":"ada","Secret":"canary"}'; kill -9 $$"#,
            Err(Failed),
        ),
        (
            r#"echo '{"Username":"ada","Secret":"canary"}{"Username":"eve"}'"#,
            Err(BadOutput),
        ),
        (r#"echo '{"Username":"ada","Secret":"canary"'"#, Err(BadOutput)),
        (r#"echo '{"Username":"ada","Secret":["canary"]}'"#, Err(BadOutput)),
        ("echo canary", Err(BadOutput)),
        ("printf '\\377canary'", Err(BadOutput)),
        ("exit 0", Err(BadOutput)),
        ("exec 0<&-; echo '{}'", Ok(None)),
        ("head -c 5000000 /dev/zero >&2; echo '{}'", Ok(None)),
        ("printf '{}'; head -c 1048574 /dev/zero | tr '\\0' ' '", Ok(None)),
        (
            "printf '{}'; head -c 1048575 /dev/zero | tr '\\0' ' '",
            Err(TooMuchOutput),
        ),
        ("cat /dev/zero", Err(TooMuchOutput)),
        ("yes canary", Err(TooMuchOutput)),
        ("sleep 3 >/dev/null & echo '{}'", Ok(None)),
    ];
    let helpers = Helpers::new();
    for (number, (script, expected)) in table.iter().enumerate() {
        let name = format!("h{number}");
        helpers.add(&name, script);
        let result = helpers.helper(&name).get("example.com");
        if let Err(error) = &result {
            assert!(
                !format!("{error} {error:?} {error:#?}").contains("canary"),
                "{script}: {error:?}"
            );
        }
        assert_eq!(result.map_err(|error| error.kind()), *expected, "{script}");
    }
}

/// Each of these holds a pipe open as long as one of its processes lives; the test ends when all are dead.
#[test]
fn a_helper_that_does_not_end_is_killed_with_all_it_started() {
    let helpers = Helpers::new();
    let scripts = [
        ("hangs", "sleep 600"),
        ("ignores", "trap '' TERM INT HUP; sleep 600"),
        ("forks", "sleep 600 & sleep 600 & wait"),
        ("leaves-a-child", "sleep 600 & echo '{}'; exit 0"),
        ("closes-its-output", "exec >&-; sleep 600"),
    ];
    thread::scope(|scope| {
        for (name, script) in scripts {
            let helpers = &helpers;
            scope.spawn(move || is_killed(helpers, name, script));
        }
    });
}

fn is_killed(helpers: &Helpers, name: &str, script: &str) {
    let pipe = helpers.path(&format!("{name}.pipe"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    helpers.add(name, &format!("exec 9>'{}'\n{script}", pipe.display()));
    let witness = thread::spawn(move || {
        let mut pipe = fs::File::open(pipe).unwrap(); // waits until the helper has opened it
        pipe.read_to_end(&mut Vec::new()).unwrap()
    });
    // As long as it takes to be sure that the helper has started, on a busy machine too.
    let helper = helpers.helper(name).with_timeout(Duration::from_secs(3));
    let error = helper.get("example.com").unwrap_err();
    assert_eq!(error.kind(), TimedOut, "{name}");
    let expected = format!("docker-credential-{name}: did not end within 3s and was killed");
    assert_eq!(error.to_string(), expected);
    assert_eq!(witness.join().unwrap(), 0, "{name}");
}

#[test]
fn programs_come_from_absolute_directories_of_the_search_path() {
    let helpers = Helpers::new();
    helpers.add("real", "echo '{}'");
    let dir = helpers.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    fs::create_dir(helpers.path("docker-credential-dir")).unwrap();
    fs::write(helpers.path("docker-credential-plain"), "#!/bin/sh\necho '{}'\n").unwrap();
    for (path, name, found) in [
        (format!("/nonexistent:{dir}"), "real", true),
        (format!("::{dir}"), "real", true),
        ("/nonexistent".to_owned(), "real", false),
        (String::new(), "real", false),
        (".".to_owned(), "real", false),
        (dir.trim_start_matches('/').to_owned(), "real", false),
        (dir.to_owned(), "dir", false),
        (dir.to_owned(), "plain", false),
        (dir.to_owned(), "missing", false),
    ] {
        let helper = CredentialHelper::new(name, &HelperEnvironment::new(&path)).unwrap();
        match helper.get("h.io") {
            Ok(none) => assert!(found && none.is_none(), "{name} in {path:?}"),
            Err(error) => assert!(!found && error.kind() == NotFound, "{name} in {path:?}: {error}"),
        }
    }
}

#[test]
fn a_helper_sees_the_environment_that_docker_gives_it() {
    let helpers = Helpers::new();
    let seen = helpers.path("seen");
    helpers.add(
        "spy",
        &format!(
            "{{ pwd; echo \"$@\"; env; cat; echo .; }} > '{}'; echo '{{}}'",
            seen.display()
        ),
    );
    let path = format!(".::{}:/usr/bin:/bin", helpers.path("").display());
    let locations = Locations::from_vars([
        ("PATH", path.as_str()),
        ("HOME", "/home/ada"),
        ("XDG_RUNTIME_DIR", "/run/user/1000"),
        ("LC_ALL", "C"),
        ("AWS_PROFILE", "work"),
        ("VAULT_ADDR", "https://vault.example"),
        ("WSL_INTEROP", "/run/WSL/1_interop"),
        ("SSH_AUTH_SOCK", "/run/agent"),
        ("EMPTY", ""),
    ])
    .with_home("/home/eve");
    assert!(!format!("{locations:?}").contains("work"));
    let environment = locations.helper_environment();
    assert!(!format!("{environment:?}").contains("work"));
    let helper = CredentialHelper::new("spy", &environment).unwrap();
    helper.get("example.com:5000").unwrap();
    let seen = fs::read_to_string(seen).unwrap();
    let mut lines: Vec<&str> = seen.lines().collect();
    lines.sort_unstable();
    lines.retain(|line| {
        !["PWD=", "SHLVL=", "_=", "OLDPWD="]
            .iter()
            .any(|set_by_sh| line.starts_with(set_by_sh))
    });
    let path = format!("PATH={}:/usr/bin:/bin", helpers.path("").display());
    let expected = [
        "/",
        "AWS_PROFILE=work",
        "EMPTY=",
        "HOME=/home/eve", // as it was set
        "LC_ALL=C",
        path.as_str(),
        "SSH_AUTH_SOCK=/run/agent",
        "VAULT_ADDR=https://vault.example",
        "WSL_INTEROP=/run/WSL/1_interop",
        "XDG_RUNTIME_DIR=/run/user/1000",
        "example.com:5000.", // no newline after the server
        "get",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn store_erase_and_list_speak_the_protocol() {
    let helpers = Helpers::new();
    helpers.add_keychain("kc");
    let helper = helpers.helper("kc");
    assert_eq!(helper.get("example.com").unwrap(), None);
    for credential in [
        Credential::basic("ada", "p\"w"),
        Credential::Identity("token".into()),
    ] {
        helper.store("example.com", &credential).unwrap();
        assert_eq!(helper.get("example.com").unwrap(), Some(credential));
    }
    assert_eq!(
        helper.list().unwrap(),
        [("example.com".to_owned(), "u".to_owned())]
    );
    assert!(helper.erase("example.com").unwrap());
    assert!(!helper.erase("example.com").unwrap());
    assert_eq!(helper.list().unwrap(), []);
    let log = helpers.asked("kc");
    assert_eq!(
        log[1],
        r#"store {"ServerURL":"example.com","Username":"ada","Secret":"p\"w"}"#
    );
    assert_eq!(
        log[3],
        r#"store {"ServerURL":"example.com","Username":"<token>","Secret":"token"}"#
    );
    assert_eq!(log[5], "list unused");
}

#[test]
fn what_cannot_be_asked_or_stored_never_starts_the_program() {
    let helpers = Helpers::new();
    helpers.add_keychain("kc");
    let helper = helpers.helper("kc");
    for server in ["", "a\nb", "a\0b", "a\u{7f}b"] {
        assert_eq!(
            helper.get(server).unwrap_err().kind(),
            InvalidServer,
            "{server:?}"
        );
    }
    let error = helper
        .store("h.io", &Credential::Bearer("canary".into()))
        .unwrap_err();
    assert_eq!(error.kind(), NotStorable);
    assert!(helpers.asked("kc").is_empty());
}

#[test]
fn a_large_secret_passes_both_ways() {
    let helpers = Helpers::new();
    helpers.add("copy", &format!("cat > '{}'", helpers.path("stored").display()));
    let secret = "x".repeat(500_000); // far more than a pipe holds
    helpers
        .helper("copy")
        .store("h.io", &Credential::basic("ada", secret.clone()))
        .unwrap();
    helpers.add("back", &format!("cat '{}'", helpers.path("stored").display()));
    let found = helpers.helper("back").get("h.io").unwrap();
    assert_eq!(found, Some(Credential::basic("ada", secret)));
    helpers.add("deaf", "echo '{}'");
    helpers
        .helper("deaf")
        .store("h.io", &Credential::basic("ada", "x".repeat(500_000)))
        .unwrap();
}
