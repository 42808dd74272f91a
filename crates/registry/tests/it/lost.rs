//! Files that somebody else has removed, cut or replaced: every answer knows, and a push heals them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use wharf_content::{Name, Sink as _, Source as _};
use wharf_reference::Digest;
use wharf_registry::{DiskBackend, GcOptions, Registry, Server};

use crate::wire::{
    INDEX, MANIFEST, ask, digest, get, manifest, manifest_as, push_blob, push_image, push_manifest,
    with_digest,
};

async fn open(root: &Path) -> Server {
    let backend = DiskBackend::open(root).await.unwrap();
    Registry::open(backend).await.unwrap().serve().await.unwrap()
}

fn file(root: &Path, digest: &Digest) -> PathBuf {
    root.join("blobs/sha256").join(digest.encoded())
}

type Lose = fn(&Path);

/// Ways in which the file of content is lost.
const WAYS: [(&str, Lose); 6] = [
    ("removed", |path| fs::remove_file(path).unwrap()),
    ("cut", |path| cut(path, 1)),
    ("emptied", |path| cut(path, 0)),
    ("longer", |path| {
        let bytes = [fs::read(path).unwrap(), b"more".to_vec()].concat();
        replace(path, &bytes);
    }),
    ("a directory", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        fs::write(path.join("x"), "x").unwrap();
    }),
    ("a link to nowhere", |path| {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/nonexistent/blob", path).unwrap();
    }),
];

fn cut(path: &Path, length: usize) {
    let bytes = fs::read(path).unwrap();
    replace(path, &bytes[..length]);
}

/// Blobs are read-only files.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

async fn status(server: &Server, method: &str, path: &str) -> u16 {
    ask(server, method, path).send().await.status
}

#[tokio::test]
async fn a_lost_blob_is_unknown_to_every_answer_until_it_is_pushed_again() {
    for asked_first in [false, true] {
        for (way, lose) in WAYS {
            let root = tempfile::tempdir().unwrap();
            let server = open(root.path()).await;
            push_image(&server, "a", "v1").await;
            let layer = digest(b"v1");
            let path = format!("/v2/a/blobs/{layer}");
            lose(&file(root.path(), &layer));
            if asked_first {
                assert_eq!(get(&server, path.as_str()).await.status, 404, "{way}");
            }
            assert_eq!(status(&server, "HEAD", &path).await, 404, "{way}");
            let part = ask(&server, "GET", path.as_str()).header("Range", "bytes=0-0");
            assert_eq!(part.send().await.status, 404, "{way}");
            for from in ["&from=a", ""] {
                let mount = format!("/v2/b/blobs/uploads/?mount={layer}{from}");
                assert_eq!(status(&server, "POST", &mount).await, 202, "{way}");
            }
            let needs_it = manifest(b"{}", &[b"v1"]);
            let refused = push_manifest(&server, "a", "v2", &needs_it).await;
            assert_eq!(refused.status, 400, "{way}");
            assert_eq!(refused.json()["errors"][0]["code"], "MANIFEST_BLOB_UNKNOWN");
            let hosted = server.service().repository("a").unwrap();
            let document = hosted.manifest(&Name::parse("v1").unwrap().into()).await.unwrap();
            let descriptor = document.blobs().find(|blob| *blob.digest() == layer).unwrap();
            assert!(!hosted.contains(descriptor).await.unwrap(), "{way}");

            push_blob(&server, "a", b"v1").await;
            assert_eq!(status(&server, "HEAD", &path).await, 200, "{way}");
            assert_eq!(get(&server, path.as_str()).await.body, b"v1", "{way}");
            assert_eq!(
                push_manifest(&server, "a", "v2", &needs_it).await.status,
                201,
                "{way}"
            );
            assert!(hosted.contains(descriptor).await.unwrap(), "{way}");
        }
    }
}

#[tokio::test]
async fn a_lost_manifest_is_unknown_to_every_answer_until_it_is_pushed_again() {
    for (way, lose) in WAYS {
        let root = tempfile::tempdir().unwrap();
        let server = open(root.path()).await;
        let (bytes, image) = push_image(&server, "a", "v1").await;
        let descriptor = |bytes: &[u8]| json!({ "mediaType": MANIFEST, "digest": digest(bytes).as_str(), "size": bytes.len() });
        let sha256 = wharf_reference::Algorithm::Sha256;
        let referrer = manifest_as(sha256, b"{}", &[], &json!({ "subject": descriptor(&bytes) }));
        let referring = digest(&referrer);
        push_manifest(&server, "a", referring.as_str(), &referrer).await;
        lose(&file(root.path(), &image));
        lose(&file(root.path(), &referring));
        for target in ["v1", image.as_str(), referring.as_str()] {
            for method in ["HEAD", "GET"] {
                let path = format!("/v2/a/manifests/{target}");
                assert_eq!(status(&server, method, &path).await, 404, "{way}");
            }
        }
        let referrers = format!("/v2/a/referrers/{image}");
        assert_eq!(
            get(&server, referrers.as_str()).await.json()["manifests"],
            json!([]),
            "{way}"
        );
        let index = json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(&bytes)]
        });
        let index = index.to_string();
        let refused = push_manifest(&server, "a", "index", index.as_bytes()).await;
        assert_eq!(refused.status, 400, "{way}");
        let hosted = server.service().repository("a").unwrap();
        assert!(
            hosted.resolve(&Name::parse("v1").unwrap().into()).await.is_err(),
            "{way}"
        );

        // By another name: it heals the tag that was lost, too.
        assert_eq!(
            push_manifest(&server, "a", "v2", &bytes).await.status,
            201,
            "{way}"
        );
        assert_eq!(get(&server, "/v2/a/manifests/v1").await.body, bytes, "{way}");
        push_manifest(&server, "a", referring.as_str(), &referrer).await;
        let healed = get(&server, referrers.as_str()).await;
        assert_eq!(
            healed.json()["manifests"][0]["digest"],
            referring.as_str(),
            "{way}"
        );
        let taken = push_manifest(&server, "a", "index", index.as_bytes()).await;
        assert_eq!(taken.status, 201, "{way}");
    }
}

/// What one client pushes again is whole for all who had it.
#[tokio::test]
async fn a_push_heals_every_repository_that_links_the_content() {
    let root = tempfile::tempdir().unwrap();
    let server = open(root.path()).await;
    for repository in ["a", "b"] {
        push_image(&server, repository, "v1").await;
    }
    let layer = digest(b"v1");
    fs::remove_file(file(root.path(), &layer)).unwrap();
    let path = format!("/v2/a/blobs/{layer}");
    assert_eq!(get(&server, path.as_str()).await.status, 404);
    push_blob(&server, "b", b"v1").await;
    assert_eq!(get(&server, path.as_str()).await.body, b"v1");
}

/// A file that comes back, as with a disk that was not mounted, needs no push.
#[tokio::test]
async fn a_file_that_comes_back_is_content_again() {
    let root = tempfile::tempdir().unwrap();
    let server = open(root.path()).await;
    let (bytes, _) = push_image(&server, "a", "v1").await;
    let (blobs, away) = (root.path().join("blobs"), root.path().join("away"));
    fs::rename(&blobs, &away).unwrap();
    for path in [
        "/v2/a/manifests/v1".to_owned(),
        format!("/v2/a/blobs/{}", digest(b"v1")),
    ] {
        assert_eq!(get(&server, path.as_str()).await.status, 404);
        assert_eq!(status(&server, "HEAD", &path).await, 404);
    }
    fs::rename(&away, &blobs).unwrap();
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.body, bytes);
}

#[tokio::test]
async fn garbage_collection_and_deletion_do_not_stumble_over_lost_files() {
    for (way, lose) in WAYS {
        let root = tempfile::tempdir().unwrap();
        let server = open(root.path()).await;
        let (_, image) = push_image(&server, "a", "v1").await;
        push_blob(&server, "a", b"loose").await;
        for lost in [&image, &digest(b"loose")] {
            lose(&file(root.path(), lost));
        }
        let now = GcOptions::default().with_grace(std::time::Duration::ZERO);
        let report = server.service().collect_garbage(&now).await.unwrap();
        assert_eq!((report.manifests, report.blobs), (0, 1), "{way}");
        let path = format!("/v2/a/manifests/{image}");
        assert_eq!(status(&server, "DELETE", &path).await, 202, "{way}");
        let report = server.service().collect_garbage(&now).await.unwrap();
        assert_eq!(report.blobs, 2, "{way}");
        let inventory = server.service().inventory();
        assert_eq!((inventory.repositories, inventory.bytes), (0, 0), "{way}");
    }
}

#[tokio::test]
async fn an_upload_whose_bytes_are_gone_is_no_upload_any_more() {
    for step in ["GET", "PATCH", "PUT", "DELETE"] {
        let root = tempfile::tempdir().unwrap();
        let server = open(root.path()).await;
        let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
            .send()
            .await
            .location();
        let patched = ask(&server, "PATCH", session.as_str()).body("some ").send().await;
        assert_eq!(patched.status, 202);
        let uploads = root.path().join(".wharf/keeper/uploads");
        for upload in fs::read_dir(uploads).unwrap() {
            fs::remove_file(upload.unwrap().path()).unwrap();
        }
        let target = match step {
            "PUT" => with_digest(&session, &digest(b"some content")),
            _ => session.clone(),
        };
        let mut request = ask(&server, step, target);
        if step.starts_with('P') {
            request = request.body("content");
        }
        let answer = request.send().await;
        if step == "DELETE" {
            assert_eq!(answer.status, 204);
        } else {
            assert_eq!(answer.status, 404, "{step}");
            assert_eq!(
                answer.json()["errors"][0]["code"],
                "BLOB_UPLOAD_UNKNOWN",
                "{step}"
            );
        }
        assert_eq!(get(&server, session.as_str()).await.status, 404, "{step}");
        push_blob(&server, "a", b"some content").await;
    }
}
