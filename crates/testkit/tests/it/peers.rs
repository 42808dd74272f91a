use wharf_testkit::{DockerRegistry, Grant, Image, Issued, Sandbox, TestCa, TokenServer, require_peers};

/// Pushes a small image with skopeo and reads back its digest.
fn round_trip(sandbox: &Sandbox, registry: &DockerRegistry, options: &[&str]) {
    let image = Image::small("peer");
    image.write_layout(&sandbox.path("layout"), "v1");
    let source = format!("oci:{}:v1", sandbox.path("layout").display());
    let target = format!("docker://{}/team/app:v1", registry.name());
    let copy: Vec<&str> = ["copy"]
        .iter()
        .chain(options)
        .copied()
        .chain([&*source, &*target])
        .collect();
    sandbox.skopeo().run(&copy).ok();
    let options: Vec<String> = options
        .iter()
        .map(|option| option.replace("--dest-", "--"))
        .collect();
    let mut inspect = vec!["inspect"];
    inspect.extend(options.iter().map(String::as_str));
    inspect.push(&target);
    let inspected = sandbox.skopeo().run(&inspect).json();
    let digest = inspected.pointer("/Digest").and_then(|digest| digest.as_str());
    assert_eq!(digest, Some(image.manifest().digest().as_str()));
}

#[test]
fn docker_registry_serves_plain_http() {
    require_peers!("docker-registry", "skopeo");
    let (sandbox, registry) = (Sandbox::new(), DockerRegistry::start());
    round_trip(&sandbox, &registry, &["--dest-tls-verify=false"]);
    assert!(registry.store().join("docker/registry/v2/blobs/sha256").is_dir());
}

#[test]
fn docker_registry_serves_tls_to_known_users() {
    require_peers!("docker-registry", "skopeo");
    let (ca, sandbox) = (TestCa::new(), Sandbox::new());
    let registry = DockerRegistry::builder().tls(&ca).user("alice", "secret").start();
    let untrusted = sandbox
        .skopeo()
        .run(&["login", "-u", "alice", "-p", "secret", &registry.name()]);
    assert!(!untrusted.success, "the authority must not be trusted by default");
    sandbox.trust(&registry.name(), ca.pem());
    let wrong = sandbox
        .skopeo()
        .run(&["login", "-u", "alice", "-p", "wrong", &registry.name()]);
    assert!(!wrong.success);
    sandbox
        .skopeo()
        .run(&["login", "-u", "alice", "-p", "secret", &registry.name()])
        .ok();
    round_trip(&sandbox, &registry, &[]);
}

#[test]
fn docker_registry_accepts_tokens_of_the_kit() {
    require_peers!("docker-registry", "skopeo");
    let sandbox = Sandbox::new();
    let tokens = TokenServer::builder()
        .user("alice", "secret", &[Grant::new("team/*", "pull,push")])
        .user("bob", "secret", &[Grant::new("team/*", "pull")])
        .start();
    let registry = DockerRegistry::builder().token_server(&tokens).start();
    round_trip(
        &sandbox,
        &registry,
        &["--dest-tls-verify=false", "--dest-creds=alice:secret"],
    );
    let pushed = Issued {
        user: "alice".to_owned(),
        by: "GET".to_owned(),
        scopes: vec!["repository:team/app:pull,push".to_owned()],
    };
    assert!(tokens.issued().contains(&pushed), "{:?}", tokens.issued());

    let target = format!("docker://{}/team/app:v2", registry.name());
    let source = format!("oci:{}:v1", sandbox.path("layout").display());
    let copy = [
        "copy",
        "--dest-tls-verify=false",
        "--dest-creds=bob:secret",
        &source,
        &target,
    ];
    assert!(!sandbox.skopeo().run(&copy).success, "bob may only pull");
}

#[test]
fn podman_keeps_to_its_sandbox() {
    require_peers!("docker-registry", "skopeo", "podman");
    let (sandbox, registry) = (Sandbox::new(), DockerRegistry::start());
    round_trip(&sandbox, &registry, &["--dest-tls-verify=false"]);
    let name = format!("{}/team/app:v1", registry.name());
    sandbox.podman().run(&["pull", "--tls-verify=false", &name]).ok();
    let images = sandbox.podman().run(&["images", "--format=json"]).json();
    assert_eq!(images.as_array().map(Vec::len), Some(1));
}

#[cfg(unix)]
#[test]
fn postgresql_keeps_what_is_committed_when_it_is_killed() {
    use wharf_testkit::PostgreSql;
    require_peers!("postgres", "psql");
    let server = PostgreSql::builder().tls(&TestCa::new()).start();
    let name = server.create_database();
    let durable = server.query(&name, "SHOW fsync; SHOW full_page_writes; SHOW ssl");
    assert_eq!(durable, "on\non\non");
    // English, unlike bytes, has small letters first.
    assert_eq!(
        server.query(&name, "SELECT 'a' < 'B', 'a' < 'B' COLLATE \"C\""),
        "t|f"
    );
    server.query(&name, "CREATE TABLE kept AS SELECT 7 AS number");
    server.kill();
    server.start_again();
    assert_eq!(server.query(&name, "SELECT number FROM kept"), "7");
}
