//! What goes wrong, each as a user meets it: one clear message, the right exit code, nothing half done.

use std::{fs, net::TcpListener, process::Stdio};

use wharf::Digest;
use wharf_testkit::{DockerRegistry, Image, Sandbox, TestCa, require_peers};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::program::{self, run};

/// A plain registry with the image `app:1`, the sandbox that may use it, and the image.
fn with_image() -> (DockerRegistry, Sandbox, Image) {
    let registry = DockerRegistry::start();
    let sandbox = Sandbox::new();
    allow_plain(&sandbox, &registry.name());
    let image = Image::builder()
        .files(&[("etc/a", b"one")])
        .noise(7, 400_000)
        .finish();
    image.write_layout(&sandbox.path("layout"), "app");
    run(
        &sandbox,
        "push",
        &["--store", "layout", "app", &format!("{}/app:1", registry.name())],
    )
    .ok();
    (registry, sandbox, image)
}

fn allow_plain(sandbox: &Sandbox, host: &str) {
    sandbox.registries_conf(&format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n"));
}

/// Another pull into the same store brings what is missing, and Skopeo accepts the result.
fn assert_the_next_pull_completes(sandbox: &Sandbox, reference: &str, digest: &Digest) {
    let pulled = run(sandbox, "pull", &[reference, "--store", "store", "--name", "app"]);
    assert_eq!(pulled.last_line(), digest.to_string());
    let from = format!("oci:{}:app", sandbox.path("store").display());
    let to = format!("dir:{}", sandbox.path("out").display());
    sandbox.skopeo().run(&["copy", &from, &to]).ok();
}

/// Nothing was given a name, and no blob is there that is not whole.
fn assert_nothing_half_done(sandbox: &Sandbox, store: &str) {
    let index = fs::read_to_string(sandbox.path(store).join("index.json")).unwrap_or_default();
    assert!(!index.contains("ref.name"), "{index}");
    let Ok(blobs) = fs::read_dir(sandbox.path(store).join("blobs/sha256")) else {
        return;
    };
    for blob in blobs {
        let path = blob.unwrap().path();
        let digest = wharf_testkit::sha256(&fs::read(&path).unwrap());
        assert_eq!(path.file_name().unwrap().to_str(), Some(digest.encoded()));
    }
}

#[test]
fn a_missing_tag_or_repository() {
    require_peers!("docker-registry");
    let (registry, sandbox, _) = with_image();
    for missing in ["app:2", "other:1"] {
        let reference = format!("{}/{missing}", registry.name());
        run(&sandbox, "pull", &[&reference, "--store", "store"]).fails(3, &[&reference]);
        let docker = format!("docker://{reference}");
        run(&sandbox, "inspect", &[&docker]).fails(3, &[&reference]);
    }
    let other = format!("{}/other", registry.name());
    run(&sandbox, "tags", &[&other]).fails(3, &[&other]);
    assert_nothing_half_done(&sandbox, "store");
}

#[test]
fn a_missing_image_in_a_store() {
    let sandbox = Sandbox::new();
    Image::small("app").write_layout(&sandbox.path("layout"), "app");
    run(
        &sandbox,
        "push",
        &["--store", "layout", "nope", "127.0.0.1:1/x:1"],
    )
    .fails(3, &["nope", "layout"]);
    run(&sandbox, "inspect", &["oci:layout:nope"]).fails(3, &["nope", "layout"]);
    run(&sandbox, "inspect", &["oci:nowhere:app"]).fails(3, &["nowhere"]);
}

#[test]
fn a_push_to_another_digest_or_to_tag_and_digest() {
    require_peers!("docker-registry");
    let (registry, sandbox, image) = with_image();
    let (host, digest) = (registry.name(), image.manifest().digest());
    let other = wharf_testkit::sha256(b"other");
    let push = |reference: &str| run(&sandbox, "push", &["--store", "layout", "app", reference]);
    push(&format!("{host}/app@{digest}")).ok();
    push(&format!("{host}/app@{other}")).fails(1, &[digest.as_ref(), other.as_ref()]);
    push(&format!("{host}/app:1@{digest}")).fails(1, &["leave out either the tag or the digest"]);
}

#[test]
fn a_reference_with_a_typo_is_wrong_usage() {
    let sandbox = Sandbox::new();
    for typo in [
        "Alpine:3.20",
        "alpine:",
        "alpine@sha256:short",
        "https://docker.io/alpine",
        "alp ine",
    ] {
        let ended = run(&sandbox, "pull", &[typo, "--store", "store"]);
        ended.fails(2, &["byte", "^"]);
    }
    assert!(!sandbox.path("store").exists());
}

#[test]
fn an_unknown_host() {
    let sandbox = Sandbox::new();
    let reference = "no-such-host.invalid/app:1";
    run(&sandbox, "pull", &[reference, "--store", "store"]).fails(1, &["no-such-host.invalid"]);
}

#[test]
fn a_port_where_nobody_listens() {
    let sandbox = Sandbox::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reference = format!("{free}/app:1");
    run(&sandbox, "pull", &[&reference, "--store", "store"]).fails(1, &[&free.to_string()]);
}

#[test]
fn plain_http_where_tls_is_expected() {
    require_peers!("docker-registry");
    let (registry, sandbox, _) = with_image();
    sandbox.registries_conf("");
    let reference = format!("{}/app:1", registry.name());
    run(&sandbox, "pull", &[&reference, "--store", "store"])
        .fails(1, &[&registry.name(), "http", "--tls-verify=false"]);
    run(
        &sandbox,
        "pull",
        &[&reference, "--store", "store", "--tls-verify=false"],
    )
    .ok();
}

#[test]
fn a_certificate_nobody_trusts() {
    require_peers!("docker-registry");
    let registry = DockerRegistry::builder().tls(&TestCa::new()).start();
    let sandbox = Sandbox::new();
    let reference = format!("{}/app:1", registry.name());
    run(&sandbox, "pull", &[&reference, "--store", "store"]).fails(1, &[&registry.name(), "certs.d"]);
    run(
        &sandbox,
        "pull",
        &[&reference, "--store", "store", "--tls-verify=false"],
    )
    .fails(3, &[&reference]);
}

#[test]
fn a_wrong_password_in_a_flag() {
    require_peers!("docker-registry", "htpasswd");
    let registry = DockerRegistry::builder().user("ada", "correct-horse").start();
    let sandbox = Sandbox::new();
    allow_plain(&sandbox, &registry.name());
    let reference = format!("{}/app:1", registry.name());
    let arguments = ["--creds", "ada:wrong-canary", &reference, "--store", "store"];
    let ended = run(&sandbox, "pull", &arguments);
    assert!(!ended.stderr.contains("wrong-canary"), "{ended:?}");
    ended.fails(1, &[&registry.name(), "password"]);
}

/// The file in which docker-registry keeps the largest blob.
fn largest_file(registry: &DockerRegistry) -> std::path::PathBuf {
    let mut open = vec![registry.store()];
    let mut largest = (0, registry.store());
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else if entry.metadata().unwrap().len() > largest.0 {
                largest = (entry.metadata().unwrap().len(), entry.path());
            }
        }
    }
    largest.1
}

#[test]
fn a_blob_that_was_altered_or_truncated_never_arrives() {
    require_peers!("docker-registry", "skopeo");
    let (registry, sandbox, image) = with_image();
    let reference = format!("{}/app:1", registry.name());
    let file = largest_file(&registry);
    let good = fs::read(&file).unwrap();
    let mut altered = good.clone();
    *altered.last_mut().unwrap() ^= 1;
    for damaged in [altered, good[..good.len() / 2].to_vec()] {
        fs::write(&file, damaged).unwrap();
        let ended = run(&sandbox, "pull", &[&reference, "--store", "store"]);
        ended.fails(1, &["sha256:", &registry.name()]);
        assert_nothing_half_done(&sandbox, "store");
    }

    fs::write(&file, good).unwrap();
    assert_the_next_pull_completes(&sandbox, &reference, image.manifest().digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_beyond_the_limit() {
    let server = MockServer::start().await;
    let body = vec![b' '; 4 * 1024 * 1024 + 1];
    let answer = ResponseTemplate::new(200).set_body_raw(body, "application/vnd.oci.image.manifest.v1+json");
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let sandbox = Sandbox::new();
    let host = server.address().to_string();
    allow_plain(&sandbox, &host);
    let reference = format!("{host}/app:1");
    let ended = tokio::task::spawn_blocking(move || run(&sandbox, "pull", &[&reference, "--store", "store"]))
        .await
        .unwrap();
    ended.fails(1, &[&host, "4194304"]);
}

#[test]
fn a_store_that_is_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("store", "not a directory");
    run(&sandbox, "pull", &["127.0.0.1:1/app:1", "--store", "store"]).fails(1, &["store", "directory"]);
}

#[test]
fn a_store_with_a_corrupt_index() {
    let sandbox = Sandbox::new();
    Image::small("app").write_layout(&sandbox.path("layout"), "app");
    sandbox.write("layout/index.json", "{\"schemaVersion\": 2, \"manif");
    for (example, arguments) in [
        (
            "push",
            &["--store", "layout", "app", "127.0.0.1:1/app:1"] as &[&str],
        ),
        ("pull", &["127.0.0.1:1/app:1", "--store", "layout"]),
        ("inspect", &["oci:layout:app"]),
    ] {
        run(&sandbox, example, arguments).fails(1, &["index.json"]);
    }
    assert_eq!(
        fs::read(sandbox.path("layout/index.json")).unwrap(),
        b"{\"schemaVersion\": 2, \"manif"
    );
}

/// Needs the right to mount a small file system of its own.
#[test]
fn a_full_disk() {
    require_peers!("docker-registry", "skopeo");
    let (registry, sandbox, _) = with_image();
    let reference = format!("{}/app:1", registry.name());
    let small = sandbox.path("small");
    fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=200k tmpfs \"$1\" || exit 99; shift; \"$@\"; \
                  code=$?; find \"$0\" -path '*/blobs/*' -type f >&2; exit $code";
    let pull = program::example("pull");
    let store = small.join("store");
    let mut command = program::command(&sandbox, "pull", &[]);
    let environment: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    command = std::process::Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script]);
    command
        .arg(&small)
        .arg(&small)
        .arg(pull)
        .args([&reference, "--store"])
        .arg(&store);
    command
        .env_clear()
        .envs(environment)
        .current_dir(sandbox.path("."));
    let ended = program::ended(&mut command);
    if ended.code == Some(99) || ended.code == Some(1) && ended.stderr.contains("unshare failed") {
        eprintln!(
            "skipped: cannot mount a file system here: {}",
            ended.stderr.trim()
        );
        return;
    }
    ended.fails(1, &["space", store.to_str().unwrap()]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_half_way_and_then_again() {
    require_peers!("docker-registry", "skopeo");
    let registry = DockerRegistry::start();
    let sandbox = Sandbox::new();
    let host = registry.name();
    allow_plain(&sandbox, &host);
    let image = wharf_testkit::RealImage::cached();
    let layout = image.layout().to_str().unwrap();
    let reference = format!("{host}/real:1");
    run(
        &sandbox,
        "push",
        &["--store", layout, wharf_testkit::RealImage::TAG, &reference],
    )
    .ok();

    let mut pull = program::command(
        &sandbox,
        "pull",
        &[&reference, "--store", "store", "--name", "app"],
    );
    let mut child = pull
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Half way: some bytes are in the store, and the image is not.
    while !has_bytes(&sandbox.path("store")) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the pull ended before it could be interrupted"
        );
        std::thread::yield_now();
    }
    let signal = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(signal.unwrap().success());
    let output = child.wait_with_output().unwrap();
    if output.status.code() != Some(0) {
        let ended = program::Ended {
            code: output.status.code(),
            stdout: String::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        ended.fails(130, &["interrupted"]);
        assert_nothing_half_done(&sandbox, "store");
    }

    assert_the_next_pull_completes(&sandbox, &reference, image.manifest().digest());
}

/// Whether any file below holds more than a few bytes.
#[cfg(unix)]
fn has_bytes(directory: &std::path::Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else {
        return false;
    };
    entries
        .filter_map(Result::ok)
        .any(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => has_bytes(&entry.path()),
            Ok(metadata) => metadata.len() > 100_000,
            Err(_) => false,
        })
}
