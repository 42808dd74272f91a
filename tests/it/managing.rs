//! Images that the examples list, describe, find and delete, on every transport, beside Skopeo and Podman.

use serde_json::{Value, json};
use wharf_content::Platform;
use wharf_testkit::{DockerRegistry, Image, Index, Sandbox, require_peers};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::program::run;

/// A sandbox with the layout `l` that has an image `v1` and an index `both`, and the image in each other form.
fn sandbox() -> (Sandbox, Image, Index) {
    let sandbox = Sandbox::new();
    let image = Image::builder()
        .files(&[("etc/motd", b"hello")])
        .platform(Platform::new("linux", "amd64"))
        .finish();
    let both = Index::of(vec![
        image.clone(),
        Image::builder()
            .files(&[("x", b"x")])
            .platform(Platform::new("linux", "arm64").with_variant("v8"))
            .finish(),
    ]);
    image.write_layout(&sandbox.path("a"), "x");
    both.write_layout(&sandbox.path("b"), "x");
    let rows: [&[&str]; 6] = [
        &["oci:a:x", "oci:l:v1"],
        &["--all", "oci:b:x", "oci:l:both"],
        &["oci:a:x", "dir:d"],
        &["oci:a:x", "oci-archive:o.tar:v1"],
        &["oci:a:x", "docker-archive:k.tar:app:1"],
        &["dir:d", "docker-archive:n.tar"],
    ];
    for arguments in rows {
        run(&sandbox, "copy", arguments).ok();
    }
    (sandbox, image, both)
}

/// Answers a request of a mock registry.
async fn answer(server: &MockServer, verb: &str, at: &str, response: ResponseTemplate) {
    Mock::given(method(verb))
        .and(path(at))
        .respond_with(response)
        .mount(server)
        .await;
}

fn manifest(image: &Image) -> ResponseTemplate {
    let manifest = image.manifest();
    ResponseTemplate::new(200)
        .set_body_raw(manifest.bytes().to_vec(), manifest.media_type().as_str())
        .append_header("Docker-Content-Digest", manifest.digest().as_str())
}

/// A registry without TLS that the sandbox knows, with the images of a store.
fn registry(sandbox: &Sandbox) -> (DockerRegistry, String) {
    let registry = DockerRegistry::start();
    let host = registry.name();
    sandbox.registries_conf(&format!(
        "unqualified-search-registries = [\"{host}\"]\n[[registry]]\nlocation = \"{host}\"\ninsecure = true\n"
    ));
    (registry, host)
}

#[test]
fn images_are_listed_on_every_transport() {
    let (sandbox, image, both) = sandbox();
    let (one, two) = (image.manifest().digest(), both.manifest().digest());
    for (place, short, long) in [
        (
            "oci:l",
            "v1\nboth\n".to_owned(),
            format!("v1    {one}  linux/amd64\nboth  {two}  linux/amd64,linux/arm64/v8\n"),
        ),
        ("dir:d", "@0\n".to_owned(), format!("@0  {one}  linux/amd64\n")),
        (
            "oci-archive:o.tar",
            "v1\n".to_owned(),
            format!("v1  {one}  linux/amd64\n"),
        ),
        (
            "oci-archive:k.tar",
            "docker.io/library/app:1\n".to_owned(),
            format!("docker.io/library/app:1  {one}  linux/amd64\n"),
        ),
        (
            "oci-archive:n.tar",
            "@0\n".to_owned(),
            format!("@0  {one}  linux/amd64\n"),
        ),
    ] {
        assert_eq!(run(&sandbox, "tags", &[place]).ok(), short, "{place}");
        assert_eq!(run(&sandbox, "tags", &["--digests", place]).ok(), long, "{place}");
    }
    assert_eq!(
        run(&sandbox, "tags", &["docker-archive:k.tar:other:tag"]).ok(),
        "docker.io/library/app:1\n"
    );
    assert_eq!(run(&sandbox, "tags", &["docker-archive:n.tar"]).ok(), "@0\n");
    let listed: Value =
        serde_json::from_str(&run(&sandbox, "tags", &["--format=json", "oci:l"]).ok()).unwrap();
    assert_eq!(
        listed[0],
        json!({ "Names": ["v1"], "Position": 0, "Digest": one, "Platforms": ["linux/amd64"] })
    );
    for (place, code, part) in [
        ("oci:typo", 3, "typo"),
        ("oci-archive:typo.tar", 3, "typo.tar"),
        ("dir:l", 3, "manifest.json"),
        ("docker-daemon:app:1", 1, "daemon"),
        ("oci-archve:o.tar", 2, "invalid"),
        ("oci:", 2, "the directory is missing"),
    ] {
        let ended = run(&sandbox, "tags", &[place]);
        assert_ne!(ended.code, Some(0), "{place}");
        assert!(ended.code == Some(code) || code == 2, "{place}: {ended:?}");
        assert!(ended.stderr.contains(part) || code == 2, "{place}: {ended:?}");
    }
}

#[test]
fn the_tags_of_a_registry_have_digests_and_platforms() {
    require_peers!("docker-registry");
    let (sandbox, image, both) = sandbox();
    let (_registry, host) = registry(&sandbox);
    let repository = format!("{host}/team/app");
    run(
        &sandbox,
        "copy",
        &["oci:l:v1", &format!("docker://{repository}:one")],
    )
    .ok();
    run(
        &sandbox,
        "copy",
        &["--all", "oci:l:both", &format!("docker://{repository}:two")],
    )
    .ok();
    let (one, two) = (image.manifest().digest(), both.manifest().digest());
    let listed = run(
        &sandbox,
        "tags",
        &["--digests", &format!("docker://{repository}")],
    )
    .ok();
    let mut lines: Vec<&str> = listed.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            format!("one  {one}  linux/amd64"),
            format!("two  {two}  linux/amd64,linux/arm64/v8")
        ]
    );
}

#[test]
fn an_image_is_described_alike_on_every_transport() {
    require_peers!("skopeo");
    let (sandbox, image, _) = sandbox();
    for place in [
        "oci:l:v1",
        "oci:l:@0",
        "dir:d",
        "oci-archive:o.tar",
        "oci-archive:k.tar",
        "docker-archive:k.tar",
    ] {
        let ours: Value = serde_json::from_str(&run(&sandbox, "inspect", &[place]).ok()).unwrap();
        if !place.contains('@') {
            let (transport, rest) = place.split_once(':').unwrap();
            let theirs = format!("{transport}:{}", sandbox.path(rest).display());
            let theirs = sandbox.skopeo().run(&["inspect", &theirs]).json();
            for (key, value) in theirs.as_object().unwrap() {
                // Skopeo's manifest of a docker-archive is another: it calls layers compressed that it uncompresses.
                if transport != "docker-archive" || !["Digest", "Layers", "LayersData"].contains(&&**key) {
                    assert_eq!(ours.get(key), Some(value), "{place} {key}");
                }
            }
        }
        let raw = run(&sandbox, "inspect", &["--config", "--raw", place]).ok();
        assert_eq!(raw.as_bytes(), image.blobs()[0].1, "{place}");
        let text = run(
            &sandbox,
            "inspect",
            &["--format", "{{.Os}}/{{ .Architecture }}\\n{{.RepoTags}}", place],
        )
        .ok();
        assert_eq!(text, "linux/amd64\n[]\n", "{place}");
        let raw = run(&sandbox, "inspect", &["--raw", place]).ok();
        if transport_keeps_bytes(place) {
            assert_eq!(raw.as_bytes(), image.manifest().bytes(), "{place}");
        }
    }
    for (format, code, part) in [
        ("{{.Nothing}}", 1, "the keys are"),
        ("{{range .Layers}}", 2, "no key"),
        ("{{.Name", 2, "}}"),
        ("{{json .}}", 2, "no key"),
        ("{{.Labels.x}}", 2, "no key"),
    ] {
        run(&sandbox, "inspect", &["--format", format, "dir:d"]).fails(code, &[part]);
    }
    let json = run(&sandbox, "inspect", &["--format=json", "dir:d"]).ok();
    assert_eq!(json, run(&sandbox, "inspect", &["dir:d"]).ok());
}

fn transport_keeps_bytes(place: &str) -> bool {
    !place.starts_with("docker-archive")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tags_none_are_asked_for() {
    let (sandbox, image, _) = sandbox();
    let config = image.blobs()[0].clone();
    let server = MockServer::start().await;
    answer(&server, "GET", "/v2/", ResponseTemplate::new(200)).await;
    answer(&server, "GET", "/v2/app/manifests/1", manifest(&image)).await;
    let blob = format!("/v2/app/blobs/{}", config.0.digest());
    answer(
        &server,
        "GET",
        &blob,
        ResponseTemplate::new(200).set_body_bytes(config.1.to_vec()),
    )
    .await;
    let reference = format!("docker://{}/app:1", server.address());
    run(&sandbox, "inspect", &["--tls-verify=false", "-n", &reference]).ok();
    let requests = server.received_requests().await.unwrap();
    assert!(
        requests
            .iter()
            .all(|request| !request.url.path().contains("tags"))
    );
}

#[test]
fn an_archive_with_several_images_lists_them() {
    let (sandbox, ..) = sandbox();
    for image in ["x1", "x2"] {
        Image::small(image).write_layout(&sandbox.path(image), "x");
        run(
            &sandbox,
            "copy",
            &[&format!("oci:{image}:x"), &format!("oci:m:quay.io/a/{image}:1")],
        )
        .ok();
    }
    let save = [
        "-m",
        "--store",
        "m",
        "-o",
        "m.tar",
        "quay.io/a/x1:1",
        "quay.io/a/x2:1",
    ];
    run(&sandbox, "save", &save).ok();
    for archive in ["docker-archive:m.tar", "oci-archive:m.tar", "oci:m"] {
        run(&sandbox, "inspect", &[archive]).fails(1, &["several", "quay.io/a/x1:1", "quay.io/a/x2:1"]);
        run(&sandbox, "inspect", &[&format!("{archive}:@1")]).ok();
        run(&sandbox, "inspect", &[&format!("{archive}:quay.io/a/x3:1")]).fails(3, &["quay.io/a/x3:1"]);
    }
}

#[test]
fn an_image_is_deleted_from_a_registry_with_the_tags_that_go() {
    require_peers!("docker-registry", "skopeo");
    let (sandbox, image, _) = sandbox();
    let (_registry, host) = registry(&sandbox);
    let digest = image.manifest().digest();
    let at = |tag: &str| format!("docker://{host}/team/app:{tag}");
    Image::small("other").write_layout(&sandbox.path("other"), "x");
    for (from, tag) in [("oci:l:v1", "one"), ("oci:l:v1", "two"), ("oci:other:x", "three")] {
        run(&sandbox, "copy", &[from, &at(tag)]).ok();
    }
    // This registry deletes by digest alone, so that the other tag goes, too.
    let deleted = run(&sandbox, "delete", &[&at("one")]).ok();
    let mut lines: Vec<&str> = deleted.lines().collect();
    assert_eq!(lines.pop(), Some(&*format!("Deleted: {digest}")));
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["one", "two"].map(|tag| format!("Untagged: {host}/team/app:{tag}"))
    );
    let tags = sandbox
        .skopeo()
        .run(&["list-tags", &format!("docker://{host}/team/app")])
        .json();
    assert_eq!(tags["Tags"], json!(["three"]));
    run(&sandbox, "delete", &[&at("one")]).fails(3, &["one"]);
    run(&sandbox, "copy", &["oci:l:v1", &at("four")]).ok();
    let by_digest = format!("docker://{host}/team/app@{digest}");
    assert_eq!(
        run(&sandbox, "delete", &["--no-tags", &by_digest]).ok(),
        format!("Deleted: {digest}\n")
    );
    run(&sandbox, "inspect", &[&at("four")]).fails(3, &["four"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_alone_is_deleted_where_a_registry_can() {
    let (sandbox, image, _) = sandbox();
    let server = MockServer::start().await;
    answer(&server, "GET", "/v2/", ResponseTemplate::new(200)).await;
    answer(&server, "HEAD", "/v2/app/manifests/1", manifest(&image)).await;
    answer(
        &server,
        "DELETE",
        "/v2/app/manifests/1",
        ResponseTemplate::new(202),
    )
    .await;
    let reference = format!("{}/app:1", server.address());
    let deleted = run(
        &sandbox,
        "delete",
        &["--tls-verify=false", &format!("docker://{reference}")],
    )
    .ok();
    assert_eq!(deleted, format!("Untagged: {reference}\n"));
}

#[test]
fn an_image_is_deleted_from_a_store_with_its_content() {
    let (sandbox, image, both) = sandbox();
    let digest = image.manifest().digest();
    let blob = |digest: &wharf_reference::Digest| sandbox.path("s/blobs/sha256").join(digest.encoded());
    // Not from layouts: content of other tools, which a copy links, stays for an hour.
    run(&sandbox, "copy", &["--all", "oci:b:x", "dir:both"]).ok();
    for arguments in [["dir:d", "oci:s:one"], ["dir:d", "oci:s:two"]] {
        run(&sandbox, "copy", &arguments).ok();
    }
    run(&sandbox, "copy", &["--all", "dir:both", "oci:s:both"]).ok();
    assert_eq!(run(&sandbox, "delete", &["oci:s:one"]).ok(), "Untagged: one\n");
    assert!(blob(digest).exists());
    assert_eq!(
        run(&sandbox, "delete", &["oci:s:both"]).ok(),
        format!("Untagged: both\nDeleted: {}\n", both.manifest().digest())
    );
    assert!(!blob(both.images()[1].manifest().digest()).exists());
    assert!(blob(digest).exists(), "the other image needs it");
    assert_eq!(
        run(&sandbox, "delete", &[&format!("oci:s@{digest}")]).ok(),
        format!("Untagged: two\nDeleted: {digest}\n")
    );
    assert!(!blob(digest).exists() && !blob(image.blobs()[0].0.digest()).exists());
    for (place, code, part) in [
        ("oci:s:one", 3, "one"),
        ("oci:s", 3, "no image"),
        ("oci:l", 1, "several images"),
        ("oci-archive:o.tar:v1", 1, "not taken out of an archive"),
        ("docker-archive:k.tar", 1, "not taken out of an archive"),
        ("dir:d", 1, "remove the directory"),
    ] {
        run(&sandbox, "delete", &[place]).fails(code, &[part]);
    }
    assert!(sandbox.path("o.tar").exists() && sandbox.path("d/manifest.json").exists());
}

#[test]
fn a_catalog_is_searched_as_podman_searches_it() {
    require_peers!("docker-registry", "podman");
    let (sandbox, ..) = sandbox();
    let (_registry, host) = registry(&sandbox);
    for name in ["team/app:1", "team/tool:1", "other:1", "other:2"] {
        run(
            &sandbox,
            "copy",
            &["oci:l:v1", &format!("docker://{host}/{name}")],
        )
        .ok();
    }
    let podman = sandbox.podman();
    let prefix = format!("{host}/team");
    let every = format!("{host}/");
    let tags = format!("{host}/other");
    let rows: [&[&str]; 9] = [
        &["app"],
        &[&every],
        &[&prefix],
        &["--compatible", &prefix],
        &["--format", "json", &prefix],
        &["--format", "{{.Index}} {{.Name}}", &prefix],
        &["--list-tags", &tags],
        &["--list-tags", "--format", "json", &tags],
        &["nothing-of-this-name"],
    ];
    for arguments in rows {
        let theirs = podman.run(&[&["search"], arguments].concat()).ok();
        let ours = run(&sandbox, "search", arguments).ok();
        // Podman pads the last column, and lists tags in the order of its registry.
        let plain = |text: &str| {
            let mut words: Vec<Vec<String>> = text
                .lines()
                .map(|line| line.split_whitespace().map(str::to_owned).collect())
                .collect();
            if arguments.contains(&"--list-tags") {
                words.sort();
            }
            words
        };
        let same = match (
            serde_json::from_str::<Value>(&theirs),
            serde_json::from_str::<Value>(&ours),
        ) {
            (Ok(theirs), Ok(ours)) if arguments.contains(&"--list-tags") => {
                theirs[0]["Name"] == ours[0]["Name"]
            }
            (Ok(theirs), Ok(ours)) => theirs == ours,
            _ => plain(&theirs) == plain(&ours),
        };
        assert!(same, "{arguments:?}:\n{theirs}\n{ours}");
    }
    let limited = run(&sandbox, "search", &["--limit=1", "--format={{.Name}}", &prefix]).ok();
    assert_eq!(limited.lines().count(), 1);
    assert_eq!(run(&sandbox, "search", &["--filter=stars=1", &prefix]).ok(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_follows_its_filters_and_explains_its_failures() {
    let sandbox = Sandbox::new();
    let results = json!({ "results": [
        { "name": "one", "description": "a description that is much longer than the forty-four characters that are shown\nand more", "star_count": 12, "is_official": true },
        { "name": "two", "description": "short", "star_count": 3, "is_automated": true },
        { "name": "team/three", "description": "", "star_count": 0 },
    ] });
    let (server, none) = (MockServer::start().await, MockServer::start().await);
    answer(&server, "GET", "/v2/", ResponseTemplate::new(200)).await;
    answer(
        &server,
        "GET",
        "/v1/search",
        ResponseTemplate::new(200).set_body_json(results),
    )
    .await;
    answer(&none, "GET", "/v2/", ResponseTemplate::new(200)).await;
    let (host, other) = (server.address().to_string(), none.address().to_string());
    let conf = |search: &str| {
        sandbox.registries_conf(&format!(
            "unqualified-search-registries = [{search}]\n[[registry]]\nlocation = \"{host}\"\ninsecure = true\n[[registry]]\nlocation = \"{other}\"\ninsecure = true\n"
        ));
    };
    conf(&format!("\"{other}\", \"{host}\""));
    let names = |flags: &[&str]| {
        let arguments = [flags, &["--format={{.Name}}", "app"]].concat();
        let found = run(&sandbox, "search", &arguments).ok();
        found
            .replace(&format!("{host}/"), "")
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for (flags, expected) in [
        (&[] as &[&str], &["one", "two", "team/three"] as &[&str]),
        (&["--filter=stars=3"], &["one", "two"]),
        (&["--filter=is-official"], &["one"]),
        (&["--filter=is-official=false"], &["two", "team/three"]),
        (&["--filter=is-automated=true"], &["two"]),
        (&["--filter=stars=1,is-official=false"], &["two"]),
        (&["--limit=1", "--filter=is-automated"], &["two"]),
        (&["--limit=2"], &["one", "two"]),
    ] {
        assert_eq!(names(flags), expected, "{flags:?}");
    }
    // One registry that cannot be searched stops nothing, and is told of.
    let ended = run(&sandbox, "search", &["--compatible", "app"]);
    assert!(
        ended.stderr.contains("neither a search nor a catalog"),
        "{ended:?}"
    );
    let shown = ended.ok();
    let first = shown.lines().nth(1).unwrap().to_owned();
    assert!(
        first.contains("a description that is much longer than the f..."),
        "{first}"
    );
    assert!(first.ends_with("[OK]") && first.contains("  12  "), "{first}");
    let whole = run(&sandbox, "search", &["--no-trunc", "app"]).ok();
    assert!(whole.contains("that are shown and more"), "{whole}");

    let named = format!("{other}/app");
    let rows: [(&[&str], i32, &str); 7] = [
        (&[&named], 1, "neither a search nor a catalog"),
        (&["--filter=color=red", "app"], 2, "use stars=N"),
        (&["--filter=stars=many", "app"], 2, "needs a number"),
        (&["--filter=is-official=maybe", "app"], 2, "true or false"),
        (&["--format={{.Color}}", "app"], 1, "the keys are"),
        (&["--list-tags", "App"], 1, "App"),
        (&[], 2, "TERM"),
    ];
    for (arguments, code, part) in rows {
        run(&sandbox, "search", arguments).fails(code, &[part]);
    }
    conf("");
    run(&sandbox, "search", &["app"]).fails(1, &["unqualified-search-registries"]);
}
