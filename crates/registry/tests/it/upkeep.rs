//! Garbage, damage, quotas and abandoned uploads.

use std::{path::PathBuf, time::Duration};

use serde_json::json;
use tokio::time::advance;
use wharf_reference::Digest;
use wharf_registry::{DiskBackend, GcOptions, Limits, Registry, Server};

use crate::wire::{
    ask, digest, get, manifest, manifest_as, open, push_blob, push_image, push_manifest, with_digest,
};

fn now() -> GcOptions {
    GcOptions::default().with_grace(Duration::ZERO)
}

async fn status(server: &Server, path: impl Into<String>) -> u16 {
    get(server, path).await.status
}

#[tokio::test]
async fn garbage_goes_and_nothing_else() {
    let server = open().await;
    let registry = server.service();
    let (bytes, image) = push_image(&server, "a", "v1").await;
    let loose = push_blob(&server, "a", b"loose").await;
    push_blob(&server, "b", b"loose").await;
    let kept = registry.collect_garbage(&GcOptions::default()).await.unwrap();
    assert_eq!((kept.blobs, kept.content), (0, 0)); // a manifest may still come
    let dry = registry.collect_garbage(&now().with_dry_run(true)).await.unwrap();
    assert_eq!((dry.manifests, dry.blobs), (0, 2));
    assert_eq!(status(&server, format!("/v2/a/blobs/{loose}")).await, 200);
    let report = registry.collect_garbage(&now()).await.unwrap();
    assert_eq!(
        (report.manifests, report.blobs, report.content, report.bytes),
        (0, 2, 1, 5)
    );
    assert_eq!(status(&server, format!("/v2/a/blobs/{loose}")).await, 404);
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.body, bytes);
    assert_eq!(
        status(&server, format!("/v2/a/blobs/{}", digest(b"v1"))).await,
        200
    );

    assert_eq!(
        ask(&server, "DELETE", "/v2/a/manifests/v1").send().await.status,
        202
    );
    assert_eq!(registry.collect_garbage(&now()).await.unwrap().manifests, 0);
    assert_eq!(status(&server, format!("/v2/a/manifests/{image}")).await, 200);
    let report = registry
        .collect_garbage(&now().with_untagged(true))
        .await
        .unwrap();
    assert_eq!((report.manifests, report.blobs, report.content), (1, 2, 3));
    assert_eq!(status(&server, format!("/v2/a/manifests/{image}")).await, 404);
}

#[tokio::test]
async fn what_a_tag_leads_to_stays() {
    let server = open().await;
    let (child, _) = push_image(&server, "a", "child").await;
    let descriptor = |bytes: &[u8]| json!({ "mediaType": crate::wire::MANIFEST, "digest": digest(bytes).as_str(), "size": bytes.len() });
    let index = json!({
        "schemaVersion": 2, "mediaType": crate::wire::INDEX, "manifests": [descriptor(&child)]
    })
    .to_string();
    push_manifest(&server, "a", "index", index.as_bytes()).await;
    let signature = manifest_as(
        wharf_reference::Algorithm::Sha256,
        b"{}",
        &[],
        &json!({ "subject": descriptor(&child) }),
    );
    push_manifest(&server, "a", digest(&signature).as_str(), &signature).await;
    let (_, stray) = push_image(&server, "a", "stray").await;
    for tag in ["child", "stray"] {
        ask(&server, "DELETE", format!("/v2/a/manifests/{tag}"))
            .send()
            .await;
    }
    let report = server
        .service()
        .collect_garbage(&now().with_untagged(true))
        .await
        .unwrap();
    assert_eq!(report.manifests, 1);
    assert_eq!(status(&server, format!("/v2/a/manifests/{stray}")).await, 404);
    assert_eq!(
        status(&server, format!("/v2/a/manifests/{}", digest(&child))).await,
        200
    );
    assert_eq!(
        status(&server, format!("/v2/a/manifests/{}", digest(&signature))).await,
        200
    );
    assert_eq!(
        status(&server, format!("/v2/a/blobs/{}", digest(b"child"))).await,
        200
    );
}

/// Whatever was acknowledged stays pullable although garbage is collected, without any grace, all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_race_garbage_collection() {
    let root = tempfile::tempdir().unwrap();
    let backend = DiskBackend::open(root.path()).await.unwrap();
    let server = std::sync::Arc::new(Registry::open(backend).await.unwrap().serve().await.unwrap());
    // Every push asks for a collection, which then runs beside the next ones: none is starved by it.
    let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel::<()>();
    let collector = tokio::spawn({
        let registry = server.service().clone();
        async move {
            let mut removed = 0;
            while asked.recv().await.is_some() {
                removed += registry.collect_garbage(&now()).await.unwrap().content;
            }
            removed
        }
    });
    let mut pushers = tokio::task::JoinSet::new();
    for pusher in 0..4_u8 {
        let (server, ask) = (std::sync::Arc::clone(&server), ask.clone());
        pushers.spawn(async move {
            let mut acknowledged = Vec::new();
            for round in 0..20_u8 {
                ask.send(()).unwrap();
                let layer = [b'l', round, pusher % 2]; // shared with another pusher
                let repository = format!("r{}", pusher / 2);
                push_blob(&server, &repository, b"{}").await;
                push_blob(&server, &repository, &layer).await;
                let bytes = manifest(b"{}", &[&layer]);
                let tag = format!("t{pusher}-{round}");
                let pushed = push_manifest(&server, &repository, &tag, &bytes).await;
                if pushed.status == 201 {
                    acknowledged.push((repository, tag, bytes, layer));
                } else {
                    assert_eq!(pushed.code(), "MANIFEST_BLOB_UNKNOWN");
                }
            }
            acknowledged
        });
    }
    let mut acknowledged = pushers.join_all().await.concat();
    push_blob(&server, "r0", b"nobody's").await;
    ask.send(()).unwrap();
    drop(ask);
    assert!(collector.await.unwrap() > 0, "nothing was collected");
    // With nobody collecting any more a push is acknowledged for certain.
    push_blob(&server, "r0", b"{}").await;
    push_blob(&server, "r0", b"las").await;
    let last = manifest(b"{}", &[b"las"]);
    assert_eq!(push_manifest(&server, "r0", "last", &last).await.status, 201);
    acknowledged.push(("r0".to_owned(), "last".to_owned(), last, *b"las"));
    for (repository, tag, bytes, layer) in acknowledged {
        assert_eq!(
            get(&server, format!("/v2/{repository}/manifests/{tag}"))
                .await
                .body,
            bytes
        );
        assert_eq!(
            get(&server, format!("/v2/{repository}/blobs/{}", digest(&layer)))
                .await
                .body,
            layer
        );
    }
}

struct OnDisk {
    root: tempfile::TempDir,
}

impl OnDisk {
    async fn serve(&self) -> Server {
        let backend = DiskBackend::open(self.root.path()).await.unwrap();
        Registry::open(backend).await.unwrap().serve().await.unwrap()
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        self.root.path().join("blobs/sha256").join(digest.encoded())
    }

    fn damage(&self, digest: &Digest, bytes: &[u8]) {
        let path = self.file(digest);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
}

#[tokio::test]
async fn corrupt_content_is_not_served_and_heals() {
    let disk = OnDisk {
        root: tempfile::tempdir().unwrap(),
    };
    let server = disk.serve().await;
    let (manifest_bytes, image) = push_image(&server, "a", "v1").await;
    let blob = digest(b"v1");
    server.shutdown().await;
    for damaged in [b"v2".as_slice(), b"v", b"v1.", b""] {
        disk.damage(&blob, damaged);
        let server = disk.serve().await;
        let path = format!("/v2/a/blobs/{blob}");
        assert_eq!(status(&server, path.as_str()).await, 404);
        assert_eq!(ask(&server, "HEAD", path.as_str()).send().await.status, 404);
        push_blob(&server, "a", b"v1").await;
        assert_eq!(get(&server, path.as_str()).await.body, b"v1");
        server.shutdown().await;
    }
    disk.damage(&blob, b"v2");
    let server = disk.serve().await;
    let part = ask(&server, "GET", format!("/v2/a/blobs/{blob}"))
        .header("Range", "bytes=0-0")
        .send()
        .await;
    assert_eq!(part.status, 404);
    push_blob(&server, "a", b"v1").await;
    server.shutdown().await;

    let mut wrong = manifest_bytes.clone();
    wrong[20] ^= 1;
    disk.damage(&image, &wrong);
    let server = disk.serve().await;
    for _ in 0..2 {
        assert_eq!(status(&server, "/v2/a/manifests/v1").await, 404);
    }
    push_manifest(&server, "a", "v1", &manifest_bytes).await;
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.body, manifest_bytes);
    assert!(disk.root.path().join(".wharf/corrupt").is_dir());
}

#[tokio::test]
async fn a_large_corrupt_blob_breaks_off() {
    let disk = OnDisk {
        root: tempfile::tempdir().unwrap(),
    };
    let server = disk.serve().await;
    let bytes = vec![7; 3_000_000];
    let blob = push_blob(&server, "a", &bytes).await;
    server.shutdown().await;
    let mut damaged = bytes.clone();
    damaged[1_000_000] = 8;
    disk.damage(&blob, &damaged);
    let server = disk.serve().await;
    let path = format!("/v2/a/blobs/{blob}");
    let answer = crate::wire::raw_get(&server, &path, "").await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(answer.len() < bytes.len());
    // The link goes a moment after the answer broke off.
    while ask(&server, "HEAD", path.as_str()).send().await.status != 404 {
        tokio::task::yield_now().await;
    }
    push_blob(&server, "a", &bytes).await;
    assert!(get(&server, path).await.body == bytes);
}

#[tokio::test]
async fn a_repository_has_a_quota() {
    let limits = Limits::default().with_repository(1000);
    let server = Registry::memory().with_limits(limits).serve().await.unwrap();
    push_blob(&server, "a", &[1; 900]).await;
    let path = with_digest("/v2/a/blobs/uploads/", &digest(&[2; 101]));
    assert_eq!(ask(&server, "POST", path).body([2; 101]).send().await.status, 413);
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location();
    assert_eq!(
        ask(&server, "PATCH", session.as_str())
            .body([2; 60])
            .send()
            .await
            .status,
        202
    );
    assert_eq!(
        ask(&server, "PATCH", session.as_str())
            .body([2; 60])
            .send()
            .await
            .status,
        413
    );
    push_blob(&server, "b", &[3; 50]).await; // another repository's matter
    let mount = |blob: &Digest| format!("/v2/a/blobs/uploads/?mount={blob}&from=b");
    assert_eq!(
        ask(&server, "POST", mount(&digest(&[3; 50]))).send().await.status,
        413
    );
    assert_eq!(ask(&server, "DELETE", session).send().await.status, 204);
    assert_eq!(
        ask(&server, "POST", mount(&digest(&[3; 50]))).send().await.status,
        201
    );
    push_blob(&server, "a", b"{}").await;
    let pushed = push_manifest(&server, "a", "v1", &manifest(b"{}", &[])).await;
    assert_eq!((pushed.status, pushed.code().as_str()), (413, "DENIED"));
}

#[tokio::test]
async fn open_uploads_are_counted() {
    let limits = Limits::default().with_uploads(2);
    let server = Registry::memory().with_limits(limits).serve().await.unwrap();
    let opened = async || ask(&server, "POST", "/v2/a/blobs/uploads/").send().await;
    let first = opened().await;
    assert_eq!(opened().await.status, 202);
    let refused = opened().await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "TOOMANYREQUESTS")
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(
        ask(&server, "POST", "/v2/b/blobs/uploads/").send().await.status,
        202
    );
    ask(&server, "DELETE", first.location()).send().await;
    assert_eq!(opened().await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn abandoned_uploads_expire() {
    let registry = Registry::memory();
    let call = async |method: &str, path: String| {
        let request = http::Request::builder().method(method).uri(path);
        let response = registry
            .handle(request.body(http_body_util::Empty::new()).unwrap())
            .await;
        let location = response
            .headers()
            .get("location")
            .map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), location)
    };
    let (_, session) = call("POST", "/v2/a/blobs/uploads/".to_owned()).await;
    let session = session.unwrap();
    advance(Duration::from_secs(23 * 60 * 60)).await;
    assert_eq!(call("GET", session.clone()).await.0, 204);
    advance(Duration::from_secs(23 * 60 * 60)).await;
    assert_eq!(call("GET", session.clone()).await.0, 204);
    advance(Duration::from_secs(25 * 60 * 60)).await;
    assert_eq!(call("GET", session.clone()).await.0, 404);
    registry.expire_uploads().await.unwrap();
    assert_eq!(call("GET", session).await.0, 404);
}
