//! Real clients: skopeo and podman over TLS, with passwords and with tokens.

use wharf_registry::{Htpasswd, Registry, Server, Tls};
use wharf_testkit::{Image, Sandbox, TestCa, require_peers};

/// A registry over TLS with one user, and a sandbox whose programs trust it.
async fn setting(tokens: bool) -> (Server, Sandbox, String) {
    let ca = TestCa::new();
    let certificate = ca.issue(&["127.0.0.1"]);
    let tls = Tls::from_pem(certificate.pem().as_bytes(), certificate.key_pem().as_bytes()).unwrap();
    let hash = bcrypt::hash("secret", 4).unwrap();
    let mut registry = Registry::memory().with_htpasswd(&Htpasswd::parse(&format!("ada:{hash}")).unwrap());
    if tokens {
        registry = registry.with_tokens();
    }
    let listener = ([127, 0, 0, 1], 0).into();
    let server = registry.serve_tls(listener, &tls).await.unwrap();
    let name = server.address().to_string();
    let sandbox = Sandbox::new();
    sandbox.trust(&name, ca.pem());
    (server, sandbox, name)
}

/// Runs what blocks beside the server.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skopeo_pushes_lists_copies_pulls_and_deletes() {
    require_peers!("skopeo");
    for tokens in [false, true] {
        let (server, sandbox, name) = setting(tokens).await;
        let image = Image::builder().files(&[("etc/motd", b"hello")]).finish();
        image.write_layout(&sandbox.path("layout"), "v1");
        beside(move || {
            let layout = format!("oci:{}:v1", sandbox.path("layout").display());
            let back = format!("oci:{}:v1", sandbox.path("back").display());
            let (one, two) = (
                format!("docker://{name}/lib/one:v1"),
                format!("docker://{name}/lib/two:v2"),
            );
            let skopeo = sandbox.skopeo();
            skopeo.run(&["login", "-u", "ada", "-p", "secret", &name]).ok();
            skopeo.run(&["copy", &layout, &one]).ok();
            skopeo.run(&["copy", &one, &two]).ok();
            let tags = skopeo
                .run(&["list-tags", &format!("docker://{name}/lib/two")])
                .json();
            assert_eq!(tags["Tags"], serde_json::json!(["v2"]));
            let inspected = skopeo.run(&["inspect", &two]).json();
            assert_eq!(inspected["Digest"], image.manifest().digest().as_str());
            skopeo.run(&["copy", &two, &back]).ok();
            for descriptor in image.manifest().blobs() {
                let path = format!("back/blobs/sha256/{}", descriptor.digest().encoded());
                assert!(sandbox.path(path).is_file());
            }
            skopeo.run(&["delete", &two]).ok();
            assert!(!skopeo.run(&["inspect", &two]).success);
            assert!(!skopeo.run(&["inspect", "--creds", "ada:wrong", &one]).success);
        })
        .await;
        drop(server);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podman_pulls_and_pushes() {
    require_peers!("podman", "skopeo");
    for tokens in [false, true] {
        let (server, sandbox, name) = setting(tokens).await;
        let image = Image::builder().files(&[("etc/motd", b"hello")]).finish();
        image.write_layout(&sandbox.path("layout"), "v1");
        beside(move || {
            let layout = format!("oci:{}:v1", sandbox.path("layout").display());
            let (one, two) = (format!("{name}/lib/one:v1"), format!("{name}/lib/two:v2"));
            let (skopeo, podman) = (sandbox.skopeo(), sandbox.podman());
            skopeo
                .run(&[
                    "copy",
                    "--dest-creds",
                    "ada:secret",
                    &layout,
                    &format!("docker://{one}"),
                ])
                .ok();
            podman.run(&["login", "-u", "ada", "-p", "secret", &name]).ok();
            podman.run(&["pull", "-q", &one]).ok();
            podman.run(&["tag", &one, &two]).ok();
            podman.run(&["push", "-q", &two]).ok();
            skopeo
                .run(&["inspect", "--creds", "ada:secret", &format!("docker://{two}")])
                .ok();
        })
        .await;
        drop(server);
    }
}
