//! The flags of the examples: what they mean, and mistakes in them.

use std::process::Stdio;

use wharf_testkit::{DockerRegistry, Image, Index, Sandbox, TestCa, require_peers};

use crate::program::{command, run};

#[test]
fn a_mistake_in_credentials_does_not_repeat_them() {
    let sandbox = Sandbox::new();
    for wrong in ["canary", ":canary", ""] {
        for flag in ["--creds", "--src-creds", "--dest-creds"] {
            let flag = format!("{flag}={wrong}");
            let arguments = [&flag, "docker://a.example/b", "docker://c.example/d"];
            let ended = run(&sandbox, "copy", &arguments);
            assert!(!ended.stderr.contains("canary"), "{ended:?}");
            ended.fails(2, &["-creds", "USER:PASS"]);
        }
    }
}

#[test]
fn one_password_does_not_go_to_two_registries() {
    let sandbox = Sandbox::new();
    let (a, b) = ("docker://127.0.0.1:1/a", "docker://127.0.0.1:2/b");
    run(&sandbox, "copy", &["--creds", "ada:x", a, b]).fails(1, &["--src-creds", "--dest-creds"]);
    // Nothing against these; that nobody listens is another matter.
    for good in [
        &["--creds", "ada:x", a, a] as &[&str],
        &["--creds", "ada:x", a, "oci:store"],
        &["--src-creds", "ada:x", "--dest-creds", "ben:y", a, b],
        // Each side has its own, also where both are one registry.
        &["--src-creds", "ada:x", "--dest-creds", "ben:y", a, a],
        &["--src-tls-verify=false", a, a],
    ] {
        run(&sandbox, "copy", good).fails(1, &["127.0.0.1:1", "cannot connect"]);
    }
}

#[test]
fn a_waiver_for_one_side_is_none_for_the_other() {
    require_peers!("docker-registry");
    let (plain, sandbox) = (DockerRegistry::start(), Sandbox::new());
    let other = DockerRegistry::builder().tls(&TestCa::new()).start();
    Image::small("x").write_layout(&sandbox.path("layout"), "x");
    let [here, there] = [&plain, &other].map(|registry| format!("docker://{}/app:1", registry.name()));
    let _ = run(
        &sandbox,
        "copy",
        &["--dest-tls-verify=false", "oci:layout:x", &here],
    )
    .ok();
    let trusting = ["--src-tls-verify=false", "--dest-tls-verify=false", &here, &there];
    run(
        &sandbox,
        "copy",
        &trusting[..1]
            .iter()
            .chain(&trusting[2..])
            .copied()
            .collect::<Vec<_>>(),
    )
    .fails(1, &[&other.name(), "not trusted"]);
    let _ = run(&sandbox, "copy", &trusting).ok();
}

#[test]
fn a_path_with_a_typo_is_named() {
    let sandbox = Sandbox::new();
    let image = "127.0.0.1:1/app:1";
    for (flag, path) in [
        ("--authfile", "typo.json"),
        ("--cert-dir", "typo"),
        ("--registries-d", "typo"),
    ] {
        run(&sandbox, "pull", &[image, "--store", "store", flag, path]).fails(1, &[flag, path]);
        run(&sandbox, "logout", &["127.0.0.1:1", flag, path]).fails(1, &[flag, path]);
    }
    assert!(!sandbox.path("store").exists());
}

#[test]
fn a_login_takes_no_credentials_that_it_would_ignore() {
    let sandbox = Sandbox::new();
    run(&sandbox, "login", &["--creds", "ada:x", "127.0.0.1:1"]).fails(2, &["--creds"]);
}

/// The causes below an error add to it (checked by `fails`).
#[test]
fn causes_do_not_repeat_the_error() {
    require_peers!("docker-registry", "htpasswd");
    let registry = DockerRegistry::builder()
        .tls(&TestCa::new())
        .user("ada", "correct-horse")
        .start();
    let host = registry.name();
    let sandbox = Sandbox::new();
    let reference = format!("{host}/app:1");
    let pull = |flags: &[&str]| {
        let arguments = [&[&*reference, "--store", "store"], flags].concat();
        run(&sandbox, "pull", &arguments)
    };
    pull(&["--tls-verify=false"]).fails(1, &["log in to", &host]);
    sandbox.write("certs/client.key", "no key");
    pull(&["--cert-dir", "certs"]).fails(1, &["certificates for", &host, "client.key"]);
    pull(&["--registries-conf", "typo.conf"]).fails(1, &["typo.conf"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    require_peers!("docker-registry");
    let registry = DockerRegistry::start();
    let sandbox = Sandbox::new();
    let host = registry.name();
    let conf = format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n");
    sandbox.registries_conf(&conf);
    let index = Index::of(vec![Image::small("one")]);
    index.write_layout(&sandbox.path("layout"), "app");
    let reference = format!("{host}/app:1");
    let push = [
        "--store",
        "layout",
        "--platform",
        "linux/amd64",
        "app",
        &reference,
    ];
    let pushed = run(&sandbox, "push", &push);
    assert!(pushed.stderr.contains("pushed the image for"), "{pushed:?}");
    let _ = pushed.ok();
    let docker = format!("docker://{reference}");
    for (example, arguments) in [
        ("tags", &[&*reference] as &[&str]),
        ("inspect", &[&docker]),
        ("pull", &[&reference, "--store", "store"]),
    ] {
        let mut child = command(&sandbox, example, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0), "{example}");
    }
}
