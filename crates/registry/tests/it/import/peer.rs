//! Docker's registry itself, filled by real pushes.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wharf_registry::Registry;
use wharf_testkit::{DockerRegistry, Image, Sandbox, require_peers};

use super::{import, nested, served};
use crate::wire::{Answer, INDEX, MANIFEST, digest, get, manifest, manifest_as, read};

const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

async fn docker(address: SocketAddr, method: &str, path: &str, media_type: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {media_type}\r\n\
         Accept: {MANIFEST}\r\nAccept: {INDEX}\r\nAccept: {DOCKER}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    read(&received, method == "HEAD")
}

async fn push_blob(address: SocketAddr, repository: &str, bytes: &[u8]) {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let location = docker(address, "POST", &path, "text/plain", b"").await.location();
    let path = format!("{location}&digest={}", digest(bytes));
    let closed = docker(address, "PUT", &path, "application/octet-stream", bytes).await;
    assert_eq!(closed.status, 201, "{closed:?}");
}

async fn push(address: SocketAddr, repository: &str, reference: &str, media_type: &str, bytes: &[u8]) {
    let path = format!("/v2/{repository}/manifests/{reference}");
    let pushed = docker(address, "PUT", &path, media_type, bytes).await;
    assert_eq!(
        pushed.status,
        201,
        "{reference}: {}",
        String::from_utf8_lossy(&pushed.body)
    );
}

async fn push_image(address: SocketAddr, repository: &str, layer: &str) -> Vec<u8> {
    push_blob(address, repository, b"{}").await;
    push_blob(address, repository, layer.as_bytes()).await;
    let image = manifest(b"{}", &[layer.as_bytes()]);
    push(address, repository, layer, MANIFEST, &image).await;
    image
}

/// Every tag of every repository: the manifest's bytes, type and digest, and those of its blobs and children.
async fn everything(
    docker_at: SocketAddr,
    repositories: &[&str],
) -> BTreeMap<String, (Vec<u8>, Option<String>)> {
    let mut all = BTreeMap::new();
    for repository in repositories {
        let listed = docker(docker_at, "GET", &format!("/v2/{repository}/tags/list"), "x", b"").await;
        let tags = listed.json()["tags"].as_array().cloned().unwrap_or_default();
        let mut paths = tags
            .iter()
            .map(|tag| format!("/v2/{repository}/manifests/{}", tag.as_str().unwrap()))
            .collect::<Vec<_>>();
        while let Some(path) = paths.pop() {
            let answer = docker(docker_at, "GET", &path, "x", b"").await;
            assert_eq!(answer.status, 200, "{path}");
            let media_type = answer.header("content-type").map(str::to_owned);
            if path.contains("/manifests/") {
                let document = answer.json();
                let digests = |key: &str| document[key].as_array().cloned().unwrap_or_default();
                let named =
                    |descriptor: &serde_json::Value| descriptor["digest"].as_str().unwrap().to_owned();
                paths.extend(
                    digests("manifests")
                        .iter()
                        .map(|child| format!("/v2/{repository}/manifests/{}", named(child))),
                );
                let blobs = digests("layers")
                    .into_iter()
                    .chain(document.get("config").cloned());
                paths.extend(blobs.map(|blob| format!("/v2/{repository}/blobs/{}", named(&blob))));
            }
            all.insert(path, (answer.body, media_type));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_docker_registry_serves_is_imported_byte_for_byte_while_it_goes_on() {
    require_peers!("docker-registry");
    let peer = DockerRegistry::start();
    let at = peer.address();
    let one = push_image(at, "lib/app", "one").await;
    let two = push_image(at, "lib/app", "two").await;
    push(at, "lib/app", "index", INDEX, &nested(&[&one, &two])).await;
    push_image(at, "lib", "one").await;
    let subject = json!({ "mediaType": MANIFEST, "digest": digest(&one).as_str(), "size": one.len() });
    let referrer = manifest_as(
        wharf_reference::Algorithm::Sha256,
        b"{}",
        &[],
        &json!({ "subject": subject }),
    );
    push(at, "lib/app", "referrer", MANIFEST, &referrer).await;
    let docker_image = String::from_utf8(manifest(b"{}", &[b"one"])).unwrap();
    let docker_image = docker_image.replace(MANIFEST, DOCKER).replace(
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    );
    push(at, "lib/app", "docker", DOCKER, docker_image.as_bytes()).await;
    // Deleted, untagged, and moved.
    let gone = push_image(at, "lib/app", "gone").await;
    let deleted = docker(
        at,
        "DELETE",
        &format!("/v2/lib/app/manifests/{}", digest(&gone)),
        "x",
        b"",
    )
    .await;
    assert_eq!(deleted.status, 202);
    push(at, "lib/app", "moved", MANIFEST, &one).await;
    push(at, "lib/app", "moved", MANIFEST, &two).await;
    // An upload that was broken off.
    docker(at, "POST", "/v2/lib/app/blobs/uploads/", "x", b"").await;

    let registry = Registry::memory();
    let (report, skipped) = import(&peer.store(), &registry).await;
    assert_eq!((report.repositories, skipped), (2, Vec::new()));
    let server = served(registry.clone()).await;
    let repositories = ["lib", "lib/app"];
    let compare = async |at_least: usize| {
        let theirs = everything(at, &repositories).await;
        assert!(theirs.len() >= at_least, "{}", theirs.len());
        for (path, (body, media_type)) in theirs {
            let ours = get(&server, path.as_str()).await;
            assert_eq!((ours.status, &ours.body), (200, &body), "{path}");
            if path.contains("/manifests/") {
                assert_eq!(ours.header("content-type"), media_type.as_deref(), "{path}");
            }
        }
    };
    compare(14).await;
    let referrers = get(&server, format!("/v2/lib/app/referrers/{}", digest(&one)))
        .await
        .json();
    assert_eq!(referrers["manifests"][0]["digest"], digest(&referrer).as_str());
    for path in [
        "/v2/lib/app/manifests/gone".to_owned(),
        format!("/v2/lib/app/manifests/{}", digest(&gone)),
    ] {
        assert_eq!(get(&server, path).await.status, 404);
    }
    let tags = get(&server, "/v2/lib/app/tags/list").await.json();
    assert_eq!(
        tags["tags"],
        json!(["docker", "index", "moved", "one", "referrer", "two"])
    );

    // Pushes go on while it is read again and again.
    let pushing = async {
        for number in 0..20 {
            push_image(at, "lib/app", &format!("live-{number}")).await;
        }
        push(at, "lib/app", "moved", MANIFEST, &one).await;
    };
    let importing = async {
        for _ in 0..5 {
            // It writes links in place, so that one may be read that is not whole yet.
            import(&peer.store(), &registry).await;
        }
    };
    tokio::join!(pushing, importing);
    let (last, skipped) = import(&peer.store(), &registry).await;
    assert_eq!(skipped, Vec::<String>::new());
    assert!(last.unchanged > 0);
    compare(54).await;
    let (idle, _) = import(&peer.store(), &registry).await;
    assert_eq!((idle.manifests, idle.blobs, idle.bytes, idle.tags), (0, 0, 0, 0));
}

/// Debian's docker-registry still takes manifests of schema 1 if it is told to, and signs none itself: Skopeo does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_of_schema_1_that_docker_registry_has_stored_are_told_and_skipped() {
    require_peers!("docker-registry", "skopeo");
    let peer = DockerRegistry::builder()
        .configuration("compatibility: {schema1: {enabled: true}}")
        .start();
    let sandbox = Sandbox::new();
    let image = Image::builder().files(&[("etc/motd", b"hello")]).finish();
    image.write_layout(&sandbox.path("layout"), "v1");
    let name = peer.name();
    let sandbox = tokio::task::spawn_blocking(move || {
        let layout = format!("oci:{}:v1", sandbox.path("layout").display());
        for (form, tag) in [("v2s1", "old"), ("oci", "new")] {
            let destination = format!("docker://{name}/lib/app:{tag}");
            let copy = [
                "copy",
                "--dest-tls-verify=false",
                "--format",
                form,
                &layout,
                &destination,
            ];
            sandbox.skopeo().run(&copy).ok();
        }
        sandbox
    });
    drop(sandbox.await.unwrap());
    let old = docker(peer.address(), "GET", "/v2/lib/app/manifests/old", "x", b"").await;
    assert!(old.status == 200 && old.json()["schemaVersion"] == 1 && old.json()["signatures"].is_array());
    let old = old.header("docker-content-digest").unwrap().to_owned();

    let registry = Registry::memory();
    for _ in 0..2 {
        let (report, skipped) = import(&peer.store(), &registry).await;
        assert_eq!(report.repositories, 1);
        let told = |part: &str| skipped.iter().any(|told| told.contains(part));
        assert!(
            skipped.len() == 2 && told("schema 1") && told(&old),
            "{skipped:?}"
        );
    }
    let server = served(registry).await;
    for (reference, status) in [("new", 200), ("old", 404), (old.as_str(), 404)] {
        let answer = get(&server, format!("/v2/lib/app/manifests/{reference}")).await;
        assert_eq!(answer.status, status, "{reference}");
    }
    for descriptor in image.manifest().blobs() {
        let path = format!("/v2/lib/app/blobs/{}", descriptor.digest());
        assert_eq!(get(&server, path).await.status, 200);
    }
}
