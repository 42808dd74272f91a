//! The examples against real peers, in both directions: what one pushes the other pulls, byte for byte.

use std::{collections::BTreeSet, io::Write as _};

use serde_json::Value;
use wharf::Platform;
use wharf_testkit::{DockerRegistry, Image, Index, RealImage, Sandbox, TestCa, require_peers};

use crate::program::{self, run};

const PASSWORD: &str = "correct-horse";

/// A registry with TLS of an authority that the sandbox trusts, and one user.
fn secured() -> (DockerRegistry, Sandbox) {
    let ca = TestCa::new();
    let registry = DockerRegistry::builder().tls(&ca).user("ada", PASSWORD).start();
    let sandbox = Sandbox::new();
    sandbox.trust(&registry.name(), ca.pem());
    (registry, sandbox)
}

fn log_in(sandbox: &Sandbox, registry: &str, password: &str) -> program::Ended {
    let mut command = program::command(
        sandbox,
        "login",
        &["--username", "ada", "--password-stdin", registry],
    );
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("login starts");
    writeln!(child.stdin.take().expect("a pipe"), "{password}").expect("login reads");
    let output = child.wait_with_output().expect("login ends");
    program::Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What `inspect` says, as JSON.
fn inspect(sandbox: &Sandbox, image: &str) -> Value {
    serde_json::from_str(&run(sandbox, "inspect", &[image]).ok()).expect("inspect prints JSON")
}

/// Every field that Skopeo prints has the same value in ours.
fn assert_inspections_agree(skopeo: &Value, ours: &Value) {
    let fields = skopeo.as_object().expect("an object");
    assert!(fields.len() >= 9, "{skopeo}");
    for (field, value) in fields {
        assert_eq!(Some(value), ours.get(field), "{field}");
    }
}

#[test]
fn a_real_image_goes_round_over_tls_with_a_login() {
    require_peers!("docker-registry", "skopeo", "podman", "umoci", "htpasswd");
    let image = RealImage::cached();
    assert!(image.manifest().layers().len() >= 4 && image.size() >= 150_000_000);
    let digest = image.manifest().digest().to_string();
    let (registry, sandbox) = secured();
    let host = registry.name();
    let layout = image.layout().to_str().expect("text");

    log_in(&sandbox, &host, "wrong").fails(1, &[&host, "password"]);
    assert!(log_in(&sandbox, &host, PASSWORD).ok().contains("Login Succeeded"));

    // Pushed by us, pulled by the others.
    let ours = format!("{host}/real/image:ours");
    let pushed = run(&sandbox, "push", &["--store", layout, RealImage::TAG, &ours]);
    assert_eq!(pushed.last_line(), digest);
    let (theirs, docker) = (
        format!("oci:{}:x", sandbox.path("skopeo").display()),
        format!("docker://{ours}"),
    );
    sandbox
        .skopeo()
        .run(&["copy", "--preserve-digests", &docker, &theirs])
        .ok();
    let raw = sandbox.skopeo().run(&["inspect", "--raw", &theirs]).ok();
    assert_eq!(raw.as_bytes(), image.manifest().bytes());
    sandbox.podman().run(&["pull", "--quiet", &ours]).ok();
    let seen = sandbox
        .podman()
        .run(&["image", "inspect", "--format", "{{.Digest}}", &ours])
        .ok();
    assert_eq!(seen.trim(), digest);

    // Pulled back by us: the store is one that the others read.
    let store = sandbox.path("store");
    let store_text = store.to_str().expect("text");
    let pulled = run(
        &sandbox,
        "pull",
        &[&ours, "--store", store_text, "--name", "again"],
    );
    assert_eq!(pulled.last_line(), digest);
    let read_back = format!("oci:{store_text}:again");
    let into = format!("dir:{}", sandbox.path("read-back").display());
    sandbox
        .skopeo()
        .run(&["copy", "--preserve-digests", &read_back, &into])
        .ok();
    sandbox
        .umoci()
        .run(&["stat", "--image", &format!("{store_text}:again")])
        .ok();
    sandbox.podman().run(&["pull", "--quiet", &read_back]).ok();

    // Both describe it alike, in the registry and in the store.
    for place in [&docker, &read_back] {
        let skopeo = sandbox.skopeo().run(&["inspect", place]).json();
        assert_inspections_agree(&skopeo, &inspect(&sandbox, place));
        let config = sandbox
            .skopeo()
            .run(&["inspect", "--config", "--raw", place])
            .ok();
        assert_eq!(
            run(&sandbox, "inspect", &["--config", "--raw", place]).ok(),
            config
        );
    }

    // Pushed by Skopeo, pulled by us.
    let other = format!("{host}/real/image:skopeo");
    let source = format!("oci:{layout}:{}", RealImage::TAG);
    sandbox
        .skopeo()
        .run(&[
            "copy",
            "--preserve-digests",
            &source,
            &format!("docker://{other}"),
        ])
        .ok();
    let pulled = run(&sandbox, "pull", &[&other, "--store", store_text]);
    assert_eq!(pulled.last_line(), digest);

    let tags = run(&sandbox, "tags", &[&other]).ok();
    assert_eq!(
        tags.lines().collect::<BTreeSet<_>>(),
        BTreeSet::from(["ours", "skopeo"])
    );
    run(&sandbox, "logout", &[&host]).ok();
    run(&sandbox, "tags", &[&other]).fails(1, &[&host, "login"]);
}

#[test]
fn an_index_of_two_platforms_goes_round_over_plain_http() {
    require_peers!("docker-registry", "skopeo");
    let platforms = ["linux/amd64", "linux/arm64"];
    let images = platforms.map(|text| {
        let platform: Platform = text.parse().expect("a platform");
        Image::builder()
            .files(&[("etc/platform", text.as_bytes())])
            .platform(platform)
            .finish()
    });
    let index = Index::of(images.to_vec());
    let registry = DockerRegistry::start();
    let sandbox = Sandbox::new();
    let host = registry.name();
    sandbox.registries_conf(&format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n"));
    let layout = sandbox.path("layout");
    index.write_layout(&layout, "both");
    let layout = layout.to_str().expect("text");

    // The whole index, from us to the registry to Skopeo.
    let reference = format!("{host}/multi:both");
    let pushed = run(
        &sandbox,
        "push",
        &["--all", "--store", layout, "both", &reference],
    );
    assert_eq!(pushed.last_line(), index.manifest().digest().to_string());
    let docker = format!("docker://{reference}");
    let raw = sandbox.skopeo().run(&["inspect", "--raw", &docker]).ok();
    assert_eq!(raw.as_bytes(), index.manifest().bytes());
    let copied = format!("dir:{}", sandbox.path("all").display());
    sandbox
        .skopeo()
        .run(&["copy", "--all", "--preserve-digests", &docker, &copied])
        .ok();

    // One platform, chosen by us and by Skopeo.
    let store = sandbox.path("store");
    let store = store.to_str().expect("text");
    for (text, image) in platforms.iter().zip(&images) {
        let name = text.replace('/', "-");
        let arguments = ["--platform", text, &reference, "--store", store, "--name", &name];
        let pulled = run(&sandbox, "pull", &arguments);
        assert!(pulled.stderr.contains(text), "{pulled:?}");
        assert_eq!(pulled.last_line(), image.manifest().digest().to_string());
        let architecture = text.split('/').nth(1).expect("an architecture");
        let arguments = ["--override-arch", architecture, "inspect", &docker];
        let skopeo = sandbox.skopeo().run(&arguments).json();
        let ours = run(&sandbox, "inspect", &["--platform", text, &docker]).ok();
        let ours: Value = serde_json::from_str(&ours).expect("JSON");
        assert_inspections_agree(&skopeo, &ours);
    }

    // Pushed by Skopeo, pulled whole by us, and registry to registry.
    let second = format!("docker://{host}/multi/second:both");
    let source = format!("oci:{layout}:both");
    sandbox
        .skopeo()
        .run(&["copy", "--all", "--preserve-digests", &source, &second])
        .ok();
    let third = format!("docker://{host}/multi/third:both");
    let copied = run(&sandbox, "copy", &["--all", &second, &third]);
    assert_eq!(copied.last_line(), index.manifest().digest().to_string());
    let whole = format!("oci:{store}:whole");
    let copied = run(&sandbox, "copy", &["--all", &third, &whole]);
    assert_eq!(copied.last_line(), index.manifest().digest().to_string());
    let raw = sandbox.skopeo().run(&["inspect", "--raw", &whole]).ok();
    assert_eq!(raw.as_bytes(), index.manifest().bytes());

    let arguments = ["--platform", "linux/s390x", &reference, "--store", store];
    run(&sandbox, "pull", &arguments).fails(3, &["linux/s390x", "linux/amd64", "linux/arm64"]);
}
