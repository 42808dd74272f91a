//! The same files, read and written by skopeo and podman and by us.

use std::fs;

use wharf_auth::Credential;
use wharf_config::{AuthFormat, CredentialKey, Credentials, HostOs, Locations};
use wharf_testkit::{DockerRegistry, Output, Sandbox, Tool, require_peers};

use super::support::{Helpers, auth, auths, key, user};

fn credentials(sandbox: &Sandbox) -> Credentials {
    Credentials::from_files([(sandbox.auth_file(), AuthFormat::Containers)])
}

fn tools(sandbox: &Sandbox) -> [(&'static str, Tool); 2] {
    [("skopeo", sandbox.skopeo()), ("podman", sandbox.podman())]
}

#[test]
fn we_read_what_they_write_and_they_read_what_we_write() {
    require_peers!("skopeo", "podman", "docker-registry");
    let registry = DockerRegistry::builder().user("ada", "p:w \u{e9}").start();
    let name = registry.name();
    let namespaced = format!("{name}/team/app");
    for name in [&name, &namespaced] {
        let key = key(name);
        let sandbox = Sandbox::new();
        let ours = credentials(&sandbox);
        let ada = Credential::basic("ada", "p:w \u{e9}");
        for (program, tool) in tools(&sandbox) {
            // Theirs to ours.
            let login = [
                "login",
                "--tls-verify=false",
                "-u",
                "ada",
                "-p",
                "p:w \u{e9}",
                name,
            ];
            tool.run(&login).ok();
            let found = ours.lookup(&key).unwrap();
            assert_eq!(found.credential(), Some(&ada), "{program} {name}");
            assert_eq!(ours.erase(&key).unwrap().removed.len(), 1, "{program} {name}");
            assert!(
                !tool.run(&["login", "--get-login", name]).success,
                "{program} {name}"
            );

            // Ours to theirs: they check it against the registry.
            ours.store(&key, &ada).unwrap();
            assert_eq!(tool.run(&["login", "--get-login", name]).ok().trim(), "ada");
            let check = tool.run(&["login", "--tls-verify=false", name]).ok();
            assert!(
                check.contains("Existing credentials are valid"),
                "{program}: {check}"
            );
            tool.run(&["logout", name]).ok();
            assert!(
                ours.lookup(&key).unwrap().credential().is_none(),
                "{program} {name}"
            );
        }
    }
}

#[test]
fn what_they_wrote_survives_our_writing() {
    require_peers!("skopeo", "docker-registry");
    let registry = DockerRegistry::builder().user("ada", "pw").start();
    let sandbox = Sandbox::new();
    let login = [
        "login",
        "--tls-verify=false",
        "-u",
        "ada",
        "-p",
        "pw",
        &registry.name(),
    ];
    sandbox.skopeo().run(&login).ok();
    let before = fs::read_to_string(sandbox.auth_file()).unwrap();
    let ours = credentials(&sandbox);
    ours.store(&key("other.example"), &Credential::basic("eve", "pw"))
        .unwrap();
    ours.erase(&key("other.example")).unwrap();
    let after = fs::read_to_string(sandbox.auth_file()).unwrap();
    assert_eq!(after.trim_end(), before.trim_end());
}

/// The files of a user, each there or not, whole or broken, in every combination.
#[test]
fn files_are_asked_in_the_same_order() {
    require_peers!("skopeo", "podman");
    let sandbox = Sandbox::new();
    let files = [
        "run/containers/auth.json",
        "home/.config/containers/auth.json",
        "home/.docker/config.json",
        "home/.dockercfg",
    ];
    let home = sandbox.home();
    let locations = Locations::from_vars([("HOME", home), ("XDG_RUNTIME_DIR", sandbox.path("run"))])
        .with_os(HostOs::Linux)
        .with_uid(0);
    let ours = Credentials::from_locations(&locations).unwrap();
    let tools = tools(&sandbox).map(|(program, tool)| {
        (
            program,
            tool.env("REGISTRY_AUTH_FILE", "").env("DOCKER_CONFIG", "").env(
                "XDG_CONFIG_HOME",
                &locations
                    .user_dir()
                    .unwrap()
                    .parent()
                    .unwrap()
                    .display()
                    .to_string(),
            ),
        )
    });
    for combination in 0..3_usize.pow(4) {
        for (place, file) in files.iter().enumerate() {
            let entry = format!(
                "{{\"example.com\": {{\"auth\": \"{}\"}}}}",
                auth(&format!("user{place}"))
            );
            let text = if place == 3 {
                entry
            } else {
                format!("{{\"auths\": {entry}}}")
            };
            match combination / 3_usize.pow(u32::try_from(place).unwrap()) % 3 {
                0 => drop(fs::remove_file(sandbox.path(file))),
                1 => drop(sandbox.write(file, text)),
                _ => drop(sandbox.write(file, "{")),
            }
        }
        let mine = match ours.lookup(&key("example.com")) {
            Ok(lookup) => user(lookup.credential()).unwrap_or("none").to_owned(),
            Err(_) => "error".to_owned(),
        };
        for (program, tool) in &tools {
            let theirs = answer(&tool.run(&["login", "--get-login", "example.com"]));
            assert_eq!(mine, theirs, "{program}, combination {combination}");
        }
    }
}

/// The user, `none` or `error`.
fn answer(output: &Output) -> String {
    match output.success {
        true => output.stdout.trim().to_owned(),
        false if output.stderr.contains("not logged into") => "none".to_owned(),
        false => "error".to_owned(),
    }
}

/// Why an answer differs on purpose.
const CASE: &str = "hosts are compared without case";
const SHOWN: &str = "--get-login names the user beside an identity token";
const TOKEN: &str = "an identity token counts without a colon in auth";
const PADDING: &str = "base64 may lack its padding";
const HELPER_HUB: &str = "helpers are asked for Docker Hub under both names";

/// Every file here, and what is asked of it: the user that both find, or the difference.
#[test]
fn look_ups_agree() {
    require_peers!("skopeo", "podman");
    let helpers = Helpers::new();
    helpers.add_keychain("kc");
    for (server, name) in [("kept.example", "kim"), ("https://index.docker.io/v1/", "hub")] {
        helpers
            .helper("kc")
            .store(server, &Credential::basic(name, "pw"))
            .unwrap();
    }
    helpers.add("broken", "exit 1");
    let sandbox = Sandbox::new();
    let path = format!("{}:/usr/bin:/bin", helpers.path("").display());
    let tools = tools(&sandbox).map(|(program, tool)| (program, tool.env("PATH", &path)));
    let ours = credentials(&sandbox).with_helper_environment(helpers.environment());
    let mut compared = 0;
    let mut wrong = Vec::new();
    for (text, asked, difference) in cases() {
        fs::write(sandbox.auth_file(), &text).unwrap();
        let mine = match ours.lookup(&CredentialKey::parse(asked).unwrap()) {
            Ok(lookup) => match lookup.credential() {
                Some(Credential::Identity(_)) => "identity".to_owned(),
                credential => user(credential).unwrap_or("none").to_owned(),
            },
            Err(_) => "error".to_owned(),
        };
        for (program, tool) in &tools {
            let theirs = answer(&tool.run(&["login", "--get-login", asked]));
            if (mine == theirs) != difference.is_empty() {
                wrong.push(format!(
                    "{program}: {asked} in {text}: {theirs}, here {mine} ({difference})"
                ));
            }
            compared += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(compared, 2 * 77, "comparisons");
}

/// A key, and the difference if there is one.
type Asked = (&'static str, &'static str);

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(String, &'static str, &'static str)> {
    let mut cases = Vec::new();
    // Entries, each of a user named like its place; what is asked.
    let tables: &[(&[&str], &[Asked])] = &[
        (
            &["example.com"],
            &[
                ("example.com", ""),
                ("example.com/a", ""),
                ("example.com/a/b", ""),
                ("example.com:5000", ""),
                ("sub.example.com", ""),
                ("example.co", ""),
                ("EXAMPLE.com", CASE),
            ],
        ),
        (
            &[
                "example.com",
                "example.com/a",
                "example.com/a/b",
                "other.example/a",
            ],
            &[
                ("example.com", ""),
                ("example.com/a", ""),
                ("example.com/ab", ""),
                ("example.com/a/b", ""),
                ("example.com/a/b/c/d", ""),
                ("example.com/b", ""),
                ("other.example", ""),
                ("other.example/b", ""),
                ("other.example/a/b", ""),
            ],
        ),
        (
            &[
                "https://example.com/v1/",
                "http://plain.example",
                "https://path.example/team",
            ],
            &[
                ("example.com", ""),
                ("example.com/a", ""),
                ("plain.example", ""),
                ("path.example", ""),
                ("path.example/team", ""),
                ("path.example/other", ""),
            ],
        ),
        (
            &[
                "example.com/v1/",
                "example.com.evil",
                "https://example.com.evil/",
                "notexample.com",
            ],
            &[("example.com", ""), ("example.com/v1", "")],
        ),
        (
            &["https://user@example.com/", "user@other.example"],
            &[("example.com", ""), ("other.example", "")],
        ),
        (
            &["https://index.docker.io/v1/"],
            &[
                ("docker.io", ""),
                ("docker.io/library/alpine", ""),
                ("docker.io/vendor", ""),
                ("registry-1.docker.io", ""),
            ],
        ),
        (
            &["docker.io"],
            &[
                ("docker.io", ""),
                ("docker.io/vendor/app", ""),
                ("registry-1.docker.io", ""),
            ],
        ),
        (
            &["index.docker.io"],
            &[("docker.io", ""), ("docker.io/library/alpine", "")],
        ),
        (
            &["registry-1.docker.io"],
            &[("docker.io", ""), ("registry-1.docker.io", "")],
        ),
        (
            &["docker.io/library", "docker.io"],
            &[("docker.io/library/alpine", ""), ("docker.io/vendor", "")],
        ),
        (
            &["docker.io", "https://index.docker.io/v1/"],
            &[("docker.io", ""), ("docker.io/a", "")],
        ),
        (
            &["localhost:5000", "localhost"],
            &[
                ("localhost:5000", ""),
                ("localhost", ""),
                ("localhost:5000/a", ""),
                ("localhost/a", ""),
            ],
        ),
        (
            &["127.0.0.1:5000/a"],
            &[("127.0.0.1:5000/a/b", ""), ("127.0.0.1:5000", "")],
        ),
        (&["*.example.com"], &[("a.example.com", "")]),
    ];
    for (keys, asked) in tables {
        let users: Vec<String> = (0..keys.len()).map(|place| format!("user{place}")).collect();
        let entries: Vec<_> = keys
            .iter()
            .copied()
            .zip(users.iter().map(String::as_str))
            .collect();
        cases.extend(
            asked
                .iter()
                .map(|(asked, difference)| (auths(&entries), *asked, *difference)),
        );
    }
    let ada = auth("ada");
    let texts = [
        ("{}", ""),
        ("null", ""),
        (r#"{"auths": null}"#, ""),
        (r#"{"auths": {"example.com": null}}"#, ""),
        (r#"{"auths": {"example.com": {}}}"#, ""),
        (r#"{"auths": {"example.com": {"auth": ""}}}"#, ""),
        (r#"{"auths": {"example.com": {"auth": "YWRh"}}}"#, ""),
        (r#"{"auths": {"example.com": {"auth": "%"}}}"#, ""),
        (r#"{"auths": {"example.com": {"auth": 5}}}"#, ""),
        (r#"{"auths": {"example.com": {"auth": "YWRhOnB3Ong"}}}"#, PADDING),
        (r#"{"auths": {"example.com": {"auth": "YWRh\nOnB3Ong="}}}"#, ""),
        (r#"{"auths": {"other.example": {"auth": "%"}}}"#, ""),
        (r#"{"auths": {"other.example": {"auth": 5}}}"#, ""),
        (
            r#"{"auths": {"example.com": {"auth": "AUTH", "identitytoken": "t"}}}"#,
            SHOWN,
        ),
        (
            r#"{"auths": {"example.com": {"auth": "", "identitytoken": "t"}}}"#,
            TOKEN,
        ),
        (
            r#"{"auths": {"example.com": {"username": "ada", "password": "pw"}}}"#,
            "",
        ),
        (
            r#"{"auths": {"example.com": {"auth": "AUTH"}}, "credsStore": "broken"}"#,
            "",
        ),
        (
            r#"{"auths": {"example.com": {"auth": "AUTH"}}, "credHelpers": {"other.example": "broken"}}"#,
            "",
        ),
        (
            r#"{"auths": {"example.com": {"auth": "AUTH"}}, "credHelpers": {"example.com": "broken"}}"#,
            "",
        ),
        (
            r#"{"auths": {"example.com": {"auth": "AUTH"}}, "credHelpers": {"example.com": "kc"}}"#,
            "",
        ),
        (r#"{"AUTHS": {"example.com": {"Auth": "AUTH"}}}"#, ""),
        (
            r#"{"auths": {"example.com": {"auth": "%"}, "example.com": {"auth": "AUTH"}}}"#,
            "",
        ),
        (
            r#"{"auths": {"example.com": {"auth": "AUTH"}}, "auths": {"b.example": {}}}"#,
            "",
        ),
        (r#"{"auths": {"example.com": {"auth": "AUTH"}}} trailing"#, ""),
        (r#"{"auths": ["AUTH"]}"#, ""),
        ("", ""),
    ];
    cases.extend(texts.map(|(text, difference)| (text.replace("AUTH", &ada), "example.com", difference)));
    let helpers = |text: &str| format!("{{\"credHelpers\": {{{text}}}}}");
    cases.extend([
        (helpers(r#""kept.example": "kc""#), "kept.example", ""),
        (helpers(r#""docker.io": "kc""#), "docker.io", HELPER_HUB),
        (helpers(r#""kept.example": "missing""#), "kept.example", ""),
    ]);
    cases
}
