//! Docker's registry and ours, each as the cache of the other: what clients get through it, what they get when
//! the registry behind it is gone, and what is kept of damaged content.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use wharf::Digest;
use wharf_testkit::{DockerRegistry, Image, Sandbox, require_peers, sha256};

use crate::{
    program::run,
    serve::{AUTHORIZATION, CREDENTIALS, Serve, users},
};

const REPOSITORIES: [&str; 2] = ["lib/one", "lib/two"];

/// An image of several chunks.
fn image(seed: u64) -> Image {
    Image::builder()
        .files(&[("etc/motd", b"hello")])
        .noise(seed, 1_500_000)
        .finish()
}

/// Lets the programs of the sandbox speak plain HTTP to these registries.
fn allow_http(sandbox: &Sandbox, registries: &[&str]) {
    let tables = registries
        .iter()
        .map(|name| format!("[[registry]]\nlocation = \"{name}\"\ninsecure = true\n"));
    sandbox.registries_conf(&tables.collect::<String>());
}

/// Writes the credentials that the programs of the sandbox send to these registries.
fn log_in(sandbox: &Sandbox, registries: &[&str]) {
    let auth = AUTHORIZATION.strip_prefix("Basic ").unwrap();
    let entries = registries
        .iter()
        .map(|name| ((*name).to_owned(), serde_json::json!({ "auth": auth })));
    let auths = entries.collect::<serde_json::Map<_, _>>();
    sandbox.write("auth.json", serde_json::json!({ "auths": auths }).to_string());
}

/// Skopeo pushes an image to every repository.
fn fill(sandbox: &Sandbox, registry: &str, images: &[Image; 2]) {
    for (image, repository) in images.iter().zip(REPOSITORIES) {
        let layout = sandbox.path("layouts").join(repository);
        image.write_layout(&layout, "v1");
        let (from, to) = (
            format!("oci:{}:v1", layout.display()),
            format!("docker://{registry}/{repository}:v1"),
        );
        sandbox
            .skopeo()
            .run(&["copy", "--preserve-digests", &from, &to])
            .ok();
    }
}

/// Ours pulls into a new store, and gets the image.
fn ours_pulls(sandbox: &Sandbox, registry: &str, repository: &str, round: &str, image: &Image) {
    let (reference, store) = (
        format!("{registry}/{repository}:v1"),
        format!("ours/{round}/{repository}"),
    );
    let pulled = run(sandbox, "pull", &[&reference, "--store", &store]);
    assert_eq!(pulled.last_line(), image.manifest().digest().to_string());
}

/// Skopeo pulls into a new folder, and gets the same bytes.
fn skopeo_pulls(sandbox: &Sandbox, registry: &str, repository: &str, round: &str, image: &Image) {
    let folder = sandbox.path(format!("skopeo/{round}/{repository}"));
    fs::create_dir_all(&folder).unwrap();
    let (from, to) = (
        format!("docker://{registry}/{repository}:v1"),
        format!("dir:{}", folder.display()),
    );
    sandbox
        .skopeo()
        .run(&["copy", "--preserve-digests", &from, &to])
        .ok();
    assert_eq!(
        fs::read(folder.join("manifest.json")).unwrap(),
        *image.manifest().bytes()
    );
    for (descriptor, bytes) in image.blobs() {
        assert!(fs::read(folder.join(descriptor.digest().encoded())).unwrap() == *bytes);
    }
}

/// Neither client gets the image.
fn nobody_pulls(sandbox: &Sandbox, registry: &str, repository: &str) {
    let reference = format!("{registry}/{repository}:v1");
    let pulled = run(sandbox, "pull", &[&reference, "--store", "vain"]);
    assert_ne!(pulled.code, Some(0), "{pulled:?}");
    let into = format!("oci:{}:v1", sandbox.path("vain-too").display());
    let copy = ["copy", &format!("docker://{reference}"), &into];
    assert!(!sandbox.skopeo().run(&copy).success);
}

/// Each client pulls one image through the cache first; when the registry behind it is gone, the other client
/// gets it too, and so does the first.
fn pulled_through(sandbox: &Sandbox, cache: &str, images: &[Image; 2], upstream_goes: impl FnOnce()) {
    let [one, two] = REPOSITORIES;
    ours_pulls(sandbox, cache, one, "through", &images[0]);
    skopeo_pulls(sandbox, cache, two, "through", &images[1]);
    upstream_goes();
    for (image, repository) in images.iter().zip(REPOSITORIES) {
        ours_pulls(sandbox, cache, repository, "alone", image);
        skopeo_pulls(sandbox, cache, repository, "alone", image);
    }
}

/// The files of content below a folder: those for which `name_of` says which digest they should have.
fn contents(folder: &Path, name_of: impl Fn(&Path) -> Option<String>) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = name_of(&path) {
                found.push((name, path));
            }
        }
    }
    found
}

/// What our cache keeps, below `root` in the sandbox: `blobs/sha256/<hex>`.
fn kept_by_ours(sandbox: &Sandbox) -> Vec<(String, PathBuf)> {
    contents(&sandbox.path("root/blobs/sha256"), |path| {
        Some(path.file_name()?.to_str()?.to_owned())
    })
}

/// What Docker's keeps: `blobs/sha256/<2 hex>/<hex>/data`.
fn kept_by_docker(registry: &DockerRegistry) -> Vec<(String, PathBuf)> {
    contents(
        &registry.store().join("docker/registry/v2/blobs/sha256"),
        |path| {
            let name = path.parent()?.file_name()?.to_str()?.to_owned();
            path.ends_with("data").then_some(name)
        },
    )
}

/// Everything of the images is kept, and nothing else; all of it is what its name says.
fn assert_kept(kept: &[(String, PathBuf)], images: &[&Image]) {
    let mut names = Vec::new();
    for (name, path) in kept {
        assert_eq!(sha256(&fs::read(path).unwrap()).encoded(), name);
        names.push(name.as_str());
    }
    let mut expected = images
        .iter()
        .flat_map(|image| {
            let blobs = image.blobs().iter().map(|(descriptor, _)| descriptor.digest());
            blobs.chain([image.manifest().digest()])
        })
        .map(Digest::encoded)
        .collect::<Vec<_>>();
    names.sort_unstable();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(names, expected);
}

/// Changes a file, not its length; changing it again restores it.
fn damage(kept: &[(String, PathBuf)], digest: &Digest) {
    let (_, path) = kept
        .iter()
        .find(|(name, _)| name == digest.encoded())
        .expect("it is kept");
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Waits for what another process does after it has answered.
fn eventually(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The largest blob of an image, which its layer is.
fn layer(image: &Image) -> &Digest {
    let largest = image.blobs().iter().max_by_key(|(_, bytes)| bytes.len());
    largest.unwrap().0.digest()
}

#[test]
fn ours_is_the_cache_of_dockers() {
    require_peers!("docker-registry", "skopeo");
    for closed in [false, true] {
        let sandbox = Sandbox::new();
        let images = [image(1), image(2)];
        let mut upstream = DockerRegistry::builder();
        if closed {
            let (user, password) = CREDENTIALS.split_once(':').unwrap();
            upstream = upstream.user(user, password);
        }
        let upstream = upstream.start();
        let origin = upstream.name();
        allow_http(&sandbox, &[&origin]);
        log_in(&sandbox, &[&origin]);
        fill(&sandbox, &origin, &images);
        let cache = Serve::start(&sandbox, &["--upstream", &origin]);
        allow_http(&sandbox, &[&origin, cache.name()]);
        pulled_through(&sandbox, cache.name(), &images, || drop(upstream));
        cache.signal("TERM");
        cache.ended_well();
        assert_kept(&kept_by_ours(&sandbox), &[&images[0], &images[1]]);
    }
}

#[test]
fn ours_keeps_nothing_that_dockers_has_wrong() {
    require_peers!("docker-registry", "skopeo");
    let sandbox = Sandbox::new();
    let images = [image(1), image(2)];
    let upstream = DockerRegistry::start();
    let origin = upstream.name();
    allow_http(&sandbox, &[&origin]);
    fill(&sandbox, &origin, &images);
    let cache = Serve::start(&sandbox, &["--upstream", &origin]);
    allow_http(&sandbox, &[&origin, cache.name()]);
    let [one, two] = REPOSITORIES;
    // A layer is another: all else of its image may be kept.
    let stored = kept_by_docker(&upstream);
    damage(&stored, layer(&images[0]));
    nobody_pulls(&sandbox, cache.name(), one);
    let kept = kept_by_ours(&sandbox);
    assert!(kept.iter().all(|(name, _)| name != layer(&images[0]).encoded()));
    for (name, path) in &kept {
        assert_eq!(sha256(&fs::read(path).unwrap()).encoded(), name);
    }
    damage(&stored, layer(&images[0]));
    ours_pulls(&sandbox, cache.name(), one, "whole", &images[0]);

    // A manifest is another, that could be one.
    let manifest = images[1].manifest();
    let (_, path) = stored
        .iter()
        .find(|(name, _)| name == manifest.digest().encoded())
        .unwrap();
    let other = fs::read_to_string(path)
        .unwrap()
        .replace(layer(&images[1]).encoded(), layer(&images[0]).encoded());
    fs::write(path, other).unwrap();
    nobody_pulls(&sandbox, cache.name(), two);
    fs::write(path, manifest.bytes()).unwrap();
    skopeo_pulls(&sandbox, cache.name(), two, "whole", &images[1]);
    cache.signal("TERM");
    cache.ended_well();
    assert_kept(&kept_by_ours(&sandbox), &[&images[0], &images[1]]);
}

/// Docker's as the cache of what `serve` serves.
fn docker_behind(serve: &Serve) -> DockerRegistry {
    let (user, password) = CREDENTIALS.split_once(':').unwrap();
    let proxy = format!(
        "proxy: {{remoteurl: \"{}\", username: {user}, password: {password}}}",
        serve.url
    );
    DockerRegistry::builder().configuration(&proxy).start()
}

#[test]
fn dockers_is_the_cache_of_ours() {
    require_peers!("docker-registry", "skopeo", "htpasswd");
    // Docker's takes tokens of the registry behind it, and no other credentials.
    for flags in [[].as_slice(), &["--htpasswd", "htpasswd", "--tokens"]] {
        let sandbox = Sandbox::new();
        users(&sandbox);
        let images = [image(1), image(2)];
        let upstream = Serve::start(&sandbox, flags);
        let origin = upstream.name().to_owned();
        allow_http(&sandbox, &[&origin]);
        log_in(&sandbox, &[&origin]);
        fill(&sandbox, &origin, &images);
        let cache = docker_behind(&upstream);
        allow_http(&sandbox, &[&origin, &cache.name()]);
        pulled_through(&sandbox, &cache.name(), &images, || {
            let layers = |repository| {
                let links = format!("docker/registry/v2/repositories/{repository}/_layers/sha256");
                contents(&cache.store().join(links), |path| {
                    path.ends_with("link").then(String::new)
                })
            };
            eventually("the layers are kept", || {
                images
                    .iter()
                    .zip(REPOSITORIES)
                    .all(|(image, repository)| layers(repository).len() == image.blobs().len())
            });
            upstream.signal("TERM");
            upstream.ended_well();
        });
        assert_kept(&kept_by_docker(&cache), &[&images[0], &images[1]]);
    }
}

#[test]
fn dockers_gets_nothing_whole_that_ours_has_wrong() {
    require_peers!("docker-registry", "skopeo");
    let sandbox = Sandbox::new();
    let images = [image(1), image(2)];
    let upstream = Serve::start(&sandbox, &[]);
    allow_http(&sandbox, &[upstream.name()]);
    fill(&sandbox, upstream.name(), &images);
    upstream.signal("TERM");
    upstream.ended_well();
    damage(&kept_by_ours(&sandbox), layer(&images[0]));
    let upstream = Serve::start(&sandbox, &[]);
    let cache = docker_behind(&upstream);
    allow_http(&sandbox, &[upstream.name(), &cache.name()]);
    let [one, two] = REPOSITORIES;
    nobody_pulls(&sandbox, &cache.name(), one);
    let kept = kept_by_docker(&cache);
    assert!(kept.iter().all(|(name, _)| name != layer(&images[0]).encoded()));
    ours_pulls(&sandbox, &cache.name(), two, "whole", &images[1]);
}
