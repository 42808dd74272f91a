//! `serve --import` takes over the images of another registry.

use std::fs;

use wharf_testkit::{PostgreSql, Sandbox, require_peers, sha256};

use super::Serve;
use crate::program::{run, start_in_vain};

/// The tree of Docker's registry with an image, and one that lacks its layer.
fn tree(sandbox: &Sandbox) -> Vec<u8> {
    let put = |key: String, bytes: &[u8]| {
        let path = sandbox.path("docker").join("docker/registry/v2").join(key);
        fs::create_dir_all(path.parent().expect("a directory")).expect("its directory");
        fs::write(path, bytes).expect("a file");
    };
    let data = |bytes: &[u8]| {
        let digest = sha256(bytes);
        let hex = digest.encoded().to_owned();
        put(
            format!("blobs/sha256/{}/{hex}/data", hex.get(..2).expect("two digits")),
            bytes,
        );
        hex
    };
    let blob = |bytes: &[u8]| {
        let hex = data(bytes);
        put(format!("repositories/lib/app/_layers/sha256/{hex}/link"), b"");
    };
    let image = |layer: &[u8]| {
        let descriptor = |bytes: &[u8]| {
            let (digest, size) = (sha256(bytes), bytes.len());
            format!(
                "{{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"{digest}\",\"size\":{size}}}"
            )
        };
        let config = descriptor(b"{}").replace("layer.v1.tar", "config.v1+json");
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let document = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{media_type}\",\"config\":{config},\"layers\":[{}]}}",
            descriptor(layer)
        );
        let hex = data(document.as_bytes());
        put(
            format!("repositories/lib/app/_manifests/revisions/sha256/{hex}/link"),
            b"",
        );
        (document.into_bytes(), hex)
    };
    blob(b"{}");
    blob(b"layer");
    let (whole, hex) = image(b"layer");
    put(
        "repositories/lib/app/_manifests/tags/1/current/link".to_owned(),
        format!("sha256:{hex}").as_bytes(),
    );
    image(b"absent");
    whole
}

#[test]
fn serve_takes_over_what_another_registry_has_stored() {
    let sandbox = Sandbox::new();
    let image = tree(&sandbox);
    let flags = ["--root", "root", "--import", "docker", "--import-only"];
    let (first, second) = (run(&sandbox, "serve", &flags), run(&sandbox, "serve", &flags));
    for (ended, told) in [
        (first, "1 manifests, 2 blobs"),
        (second, "0 manifests, 0 blobs, 0 bytes and 0 tags of 1"),
    ] {
        let stderr = ended.stderr.clone();
        ended.ok();
        assert!(stderr.contains(told), "{stderr}");
        assert!(stderr.contains("not imported: lib/app@sha256:"), "{stderr}");
        assert!(stderr.contains("1 were skipped"), "{stderr}");
    }
    let serve = Serve::start(&sandbox, &["--import", "docker", "--keep-tags"]);
    let served = serve.ask("GET", "/v2/lib/app/manifests/1", b"");
    assert_eq!((served.status, served.body.as_bytes()), (200, image.as_slice()));
    serve.signal("TERM");
    serve.ended_well();

    // Our own directory, by the same flag.
    let flags = ["--root", "other", "--import", "root", "--import-only"];
    run(&sandbox, "serve", &flags).ok();
    let serve = Serve::start_over(&sandbox, "other", &[]);
    assert_eq!(
        serve.ask("GET", "/v2/lib/app/manifests/1", b"").body.as_bytes(),
        image
    );
}

#[test]
fn serve_leaves_blobs_where_another_registry_has_them() {
    require_peers!("postgres", "psql");
    let sandbox = Sandbox::new();
    let image = tree(&sandbox);
    let server = PostgreSql::shared();
    sandbox.write("database", server.socket_url(&server.create_database()));
    let store = format!("file://{}", sandbox.path("store").display());
    let engines = ["--store", &store, "--database", "@database"];
    let import = ["--import", "docker", "--import-in-place", "--import-only"];
    let flags = [&engines[..], &import].concat();
    for (trusting, told) in [(false, "2 blobs stay in place"), (true, "0 blobs stay in place")] {
        let flags = if trusting {
            [&flags[..], &["--import-trust-digests"]].concat()
        } else {
            flags.clone()
        };
        let ended = run(&sandbox, "serve", &flags);
        let stderr = ended.stderr.clone();
        ended.ok();
        assert!(stderr.contains(told), "{stderr}");
    }
    let serve = Serve::with(&sandbox, &[&["--listen", "127.0.0.1:0"], &engines[..]].concat());
    let served = serve.ask("GET", "/v2/lib/app/manifests/1", b"");
    assert_eq!((served.status, served.body.as_bytes()), (200, image.as_slice()));
    let layer = format!("/v2/lib/app/blobs/{}", sha256(b"layer"));
    let blob = serve.ask("GET", &layer, b"");
    assert_eq!((blob.status, blob.body.as_str()), (200, "layer"));
    // Nothing but what ties the store to the database has been written.
    assert!(!sandbox.path("store/v1/data").exists());
    serve.signal("TERM");
    serve.ended_well();
    // What is gone is told by a check.
    let hex = sha256(b"layer").encoded().to_owned();
    let data = format!(
        "docker/docker/registry/v2/blobs/sha256/{}/{hex}/data",
        hex.get(..2).expect("two digits")
    );
    fs::remove_file(sandbox.path(data)).expect("a file");
    let ended = run(&sandbox, "serve", &[&engines[..], &["--fsck"]].concat());
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        format!("{}{}", ended.stdout, ended.stderr).contains(&format!("/{hex}/data of 5 bytes is not there")),
        "{ended:?}"
    );
}

#[test]
fn a_source_that_cannot_be_imported_is_told() {
    let sandbox = Sandbox::new();
    tree(&sandbox);
    let serving = Serve::start(&sandbox, &[]);
    for (flags, parts) in [
        (
            vec!["--root", "new", "--import", "nowhere"],
            vec!["nowhere", "docker/registry/v2"],
        ),
        (vec!["--root", "new", "--import", "root"], vec!["root"]),
        (vec!["--root", "new", "--import-only"], vec!["--import <DIR|URL>"]),
        (vec!["--root", "new", "--keep-tags"], vec!["--import <DIR|URL>"]),
        (
            vec!["--root", "new", "--import", "docker", "--import-in-place"],
            vec!["--store <URL>"],
        ),
        (
            vec!["--root", "new", "--import", "docker", "--import-trust-digests"],
            vec!["--import-in-place"],
        ),
        (
            vec!["--root", "new", "--import", "s4://bucket/old"],
            vec!["--import", "s3:// is meant"],
        ),
    ] {
        let ended = start_in_vain(&sandbox, "serve", &flags);
        assert_ne!(ended.code, Some(0), "{flags:?}");
        for part in parts {
            assert!(ended.stderr.contains(part), "{flags:?}: {}", ended.stderr);
        }
    }
    drop(serving);
}
