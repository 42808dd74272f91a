//! The flags of one side of a copy or a synchronisation, at registries that ask for a login.

use wharf_testkit::{DockerRegistry, Grant, Image, Sandbox, TestCa, TokenServer, require_peers};

use crate::{program::run, serve::ask};

/// A registry over TLS with the images `app:1` and `app:2` for whoever logs in as ada; its certificate is trusted through
/// the directory `certs`.
fn sandbox() -> (Sandbox, DockerRegistry) {
    let (sandbox, ca) = (Sandbox::new(), TestCa::new());
    sandbox.write("certs/ca.crt", ca.pem());
    let registry = DockerRegistry::builder().tls(&ca).user("ada", "horse").start();
    Image::small("x").write_layout(&sandbox.path("layout"), "x");
    for tag in ["1", "2"] {
        let to = format!("docker://{}/app:{tag}", registry.name());
        let flags = ["--dest-creds=ada:horse", "--dest-cert-dir=certs"];
        run(&sandbox, "copy", &[&flags[..], &["oci:layout:x", &to]].concat()).ok();
    }
    (sandbox, registry)
}

/// Flags for one side, the exit code of a copy with them, and a part of its message.
const ROWS: [(&[&str], i32, &str); 8] = [
    (&["creds=ada:horse", "cert-dir=certs"], 0, ""),
    (&["username=ada", "password=horse", "cert-dir=certs"], 0, ""),
    (&["creds=ada:horse", "tls-verify=false"], 0, ""),
    (&["authfile=logins.json", "cert-dir=certs"], 0, ""),
    (
        &["no-creds", "authfile=logins.json", "cert-dir=certs"],
        1,
        "log in",
    ),
    (
        &["creds=ada:mule", "authfile=logins.json", "cert-dir=certs"],
        1,
        "check the user name and password",
    ),
    (&["cert-dir=certs"], 1, "log in"),
    (&["creds=ada:horse"], 1, "not trusted"),
];

fn flags(side: &str, row: &[&str]) -> Vec<String> {
    row.iter().map(|flag| format!("--{side}-{flag}")).collect()
}

fn auth_file(sandbox: &Sandbox, registry: &DockerRegistry) {
    let auth = r#"{"auths":{"HOST":{"auth":"YWRhOmhvcnNl"}}}"#; // ada:horse
    sandbox.write("logins.json", auth.replace("HOST", &registry.name()));
}

fn check(sandbox: &Sandbox, example: &str, arguments: &[String], code: i32, part: &str) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = run(sandbox, example, &arguments);
    if code == 0 {
        ended.ok();
    } else {
        ended.fails(code, &[part]);
    }
}

#[test]
fn each_side_of_a_copy_has_its_own_login_and_certificates() {
    require_peers!("docker-registry", "htpasswd");
    let (sandbox, registry) = sandbox();
    auth_file(&sandbox, &registry);
    let there = format!("docker://{}/app:1", registry.name());
    for (row, code, part) in ROWS {
        for (side, from, to) in [("src", &*there, "oci:read:x"), ("dest", "oci:layout:x", &*there)] {
            let mut arguments = flags(side, row);
            arguments.extend([from.to_owned(), to.to_owned()]);
            check(&sandbox, "copy", &arguments, code, part);
        }
    }
}

#[test]
fn each_side_of_a_synchronisation_has_the_flags_of_a_copy() {
    require_peers!("docker-registry", "htpasswd");
    let (sandbox, registry) = sandbox();
    auth_file(&sandbox, &registry);
    let host = registry.name();
    run(&sandbox, "copy", &["oci:layout:x", "dir:set/app:1"]).ok();
    for (row, code, part) in ROWS {
        let read = ["--src=docker", "--dest=dir", "--dry-run"].map(str::to_owned);
        let mut arguments = [&read[..], &flags("src", row)].concat();
        arguments.extend([format!("{host}/app"), "out".to_owned()]);
        check(&sandbox, "sync", &arguments, code, part);

        let written = ["--src=dir", "--dest=docker"].map(str::to_owned);
        let mut arguments = [&written[..], &flags("dest", row)].concat();
        arguments.extend(["set".to_owned(), format!("{host}/mirror")]);
        check(&sandbox, "sync", &arguments, code, part);
    }
    // One login for both sides, as for a copy; two registries do not share one.
    let both = [
        "--creds=ada:horse",
        "--cert-dir=certs",
        "--src=docker",
        "--dest=docker",
    ];
    let (from, to) = (format!("{host}/app"), format!("{host}/again"));
    run(&sandbox, "sync", &[&both[..], &[&from, &to]].concat()).ok();
    run(&sandbox, "sync", &[&both[..], &[&from, "127.0.0.1:1/x"]].concat())
        .fails(1, &["--src-creds", "--dest-creds"]);
    for (flag, src, dest, part) in [
        ("--src-no-creds", "dir", "docker", "--src-"),
        ("--src-cert-dir=certs", "yaml", "docker", "a file of registries"),
        ("--dest-registry-token=x", "docker", "dir", "--dest-"),
        ("--dest-authfile=logins.json", "docker", "oci", "--dest-"),
    ] {
        sandbox.write("set.yaml", format!("{host}: {{}}\n"));
        let source = match src {
            "dir" => "set",
            "yaml" => "set.yaml",
            _ => &*from,
        };
        let target = if dest == "docker" { &*to } else { "out" };
        let arguments = ["--src", src, "--dest", dest, flag, source, target];
        run(&sandbox, "sync", &arguments).fails(1, &[part]);
    }
}

/// The directory of certificates that a document of registries names for each.
#[test]
fn a_document_has_certificates_and_logins_for_its_registries() {
    require_peers!("docker-registry", "htpasswd");
    let (sandbox, registry) = sandbox();
    let host = registry.name();
    let wrong = TestCa::new();
    sandbox.write("wrong/ca.crt", wrong.pem());
    for (settings, code, part) in [
        (
            "  cert-dir: certs\n  credentials: {username: ada, password: horse}\n",
            0,
            "2 copied",
        ),
        (
            "  tls-verify: false\n  credentials: {username: ada, password: horse}\n",
            0,
            "2 copied",
        ),
        (
            "  cert-dir: wrong\n  credentials: {username: ada, password: horse}\n",
            1,
            "not trusted",
        ),
        (
            "  credentials: {username: ada, password: horse}\n",
            1,
            "not trusted",
        ),
        ("  cert-dir: certs\n", 1, "log in"),
        (
            "  cert-dir: certs\n  credentials: {username: ada, password: mule}\n",
            1,
            "check the user name and password",
        ),
        (
            "  cert-dir: typo\n  credentials: {username: ada, password: horse}\n",
            1,
            "typo",
        ),
    ] {
        let document = sandbox.write(
            "set.yaml",
            // A block for the registry, as flow mappings are read, too.
            format!("{host}:\n{settings}  images:\n    app: ['1', '2']\n"),
        );
        assert!(document.exists());
        std::fs::remove_dir_all(sandbox.path("out")).ok();
        let ended = run(&sandbox, "sync", &["--src=yaml", "--dest=dir", "set.yaml", "out"]);
        if code == 0 {
            let said = ended.ok();
            assert!(said.contains(part), "{settings}: {said}");
        } else {
            ended.fails(code, &[part]);
        }
    }
}

/// A token of the user's is sent as it is, and to the registry alone.
#[test]
fn a_token_is_sent_to_the_registry_of_its_side() {
    require_peers!("docker-registry");
    let tokens = TokenServer::builder()
        .user("ada", "horse", &[Grant::new("app", "pull,push")])
        .start();
    let (sandbox, ca) = (Sandbox::new(), TestCa::new());
    sandbox.write("certs/ca.crt", ca.pem());
    let registry = DockerRegistry::builder().tls(&ca).token_server(&tokens).start();
    Image::small("x").write_layout(&sandbox.path("layout"), "x");
    let there = format!("docker://{}/app:1", registry.name());
    let token = token(&tokens);
    let good = format!("registry-token={token}");
    let (cut, _) = token.rsplit_once('.').unwrap();
    let bad = format!("registry-token={cut}.AAAA");
    for (given, ok) in [(&good, true), (&bad, false)] {
        for (side, from, to) in [("dest", "oci:layout:x", &*there), ("src", &*there, "oci:read:x")] {
            let mut arguments = flags(side, &[given, "cert-dir=certs"]);
            arguments.extend([from.to_owned(), to.to_owned()]);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let ended = run(&sandbox, "copy", &arguments);
            assert_eq!(ended.code == Some(0), ok, "{side} {ok}: {ended:?}");
            assert!(!format!("{ended:?}").contains(cut), "{ended:?}");
        }
    }
    assert!(tokens.issued().len() <= 1, "no other token is asked for with it");
}

/// A token that the server gives ada.
fn token(tokens: &TokenServer) -> String {
    let realm = tokens.realm();
    let address = realm.split('/').nth(2).unwrap();
    let path = format!(
        "/token?service={}&scope=repository:app:pull,push",
        tokens.service()
    );
    let issued = ask(address, "GET", &path, "Basic YWRhOmhvcnNl", b"");
    let issued: serde_json::Value = serde_json::from_str(&issued.body).unwrap();
    issued["token"].as_str().unwrap().to_owned()
}
