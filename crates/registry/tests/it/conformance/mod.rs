//! What the official conformance program asks of a server, in our words, with both algorithms, in memory and
//! on a disk, without and with tokens, and with sparse images and without.

mod data;
mod sets;

use serde_json::json;
use wharf_reference::{Algorithm, Digest};
use wharf_registry::{DiskBackend, Registry, Server};

use crate::wire::{
    Answer, Ask, INDEX, MANIFEST, as_user, ask, digest_of, get, manifest_as, push_blob_as, with_digest,
};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// Runs a check against every kind of registry: in memory and on a disk, open and with tokens.
async fn everywhere(check: impl AsyncFn(&Server)) {
    everywhere_with(true, check).await;
}

async fn everywhere_with(sparse: bool, check: impl AsyncFn(&Server)) {
    for tokens in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let backend = DiskBackend::open(root.path()).await.unwrap();
        for registry in [Registry::memory(), Registry::open(backend).await.unwrap()] {
            let registry = registry.with_sparse(sparse);
            if tokens {
                let registry = registry.with_basic("ada", "secret").with_tokens();
                let server = registry.serve().await.unwrap();
                as_user("ada:secret", check(&server)).await;
            } else {
                check(&registry.serve().await.unwrap()).await;
            }
        }
    }
}

/// Bytes that no other call gives.
fn bytes(length: usize) -> Vec<u8> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SEED: AtomicU64 = AtomicU64::new(1);
    let mut state = SEED
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

fn blob(digest: &Digest) -> String {
    format!("/v2/conf/one/blobs/{digest}")
}

/// HEAD, GET, DELETE, HEAD of a blob that was pushed.
async fn there_and_gone(server: &Server, digest: &Digest, bytes: &[u8]) {
    let length = bytes.len().to_string();
    let head = ask(server, "HEAD", blob(digest)).send().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    assert_eq!(head.header("docker-content-digest"), Some(digest.as_str()));
    let whole = get(server, blob(digest)).await;
    assert_eq!(whole.status, 200);
    assert!(whole.body == bytes);
    assert_eq!(whole.header("content-length"), Some(length.as_str()));
    assert_eq!(whole.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(ask(server, "DELETE", blob(digest)).send().await.status, 202);
    assert_eq!(ask(server, "HEAD", blob(digest)).send().await.status, 404);
    assert_eq!(ask(server, "DELETE", blob(digest)).send().await.status, 404);
}

/// A 201 whose `Location` has the bytes.
async fn created(server: &Server, answer: &Answer, digest: &Digest, bytes: &[u8]) {
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
    assert!(get(server, answer.location()).await.body == bytes);
}

async fn begin(server: &Server, query: &str) -> Answer {
    let opened = ask(server, "POST", format!("/v2/conf/one/blobs/uploads/{query}"))
        .send()
        .await;
    assert_eq!(opened.status, 202);
    assert_eq!(opened.body, b"");
    opened
}

fn chunk<'a>(
    server: &'a Server,
    method: &'a str,
    path: String,
    whole: &[u8],
    start: usize,
    end: usize,
) -> Ask<'a> {
    ask(server, method, path)
        .header("Content-Type", "application/octet-stream")
        .header("Content-Range", &format!("{start}-{}", end - 1))
        .body(&whole[start..end])
}

#[tokio::test]
async fn an_empty_registry() {
    everywhere(async |server| {
        assert_eq!(get(server, "/v2/").await.status, 200);
        assert_eq!(get(server, "/v2/conf/one/tags/list").await.status, 404);
        let none = get(
            server,
            format!("/v2/conf/one/referrers/{}", digest_of(Algorithm::Sha256, b"x")),
        )
        .await;
        assert_eq!((none.status, none.header("content-type")), (200, Some(INDEX)));
        assert_eq!(
            none.json(),
            json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] })
        );
    })
    .await;
}

#[tokio::test]
async fn every_way_to_push_a_blob() {
    everywhere(async |server| {
        for algorithm in ALGORITHMS {
            let new = |length| {
                let bytes = bytes(length);
                (digest_of(algorithm, &bytes), bytes)
            };
            let (digest, whole) = new(512);
            assert_eq!(get(server, blob(&digest)).await.status, 404);

            let path = with_digest("/v2/conf/one/blobs/uploads/", &digest);
            let posted = ask(server, "POST", path).body(whole.clone()).send().await;
            created(server, &posted, &digest, &whole).await;
            there_and_gone(server, &digest, &whole).await;

            let (digest, whole) = new(512);
            let opened = begin(server, "").await;
            let put = ask(server, "PUT", with_digest(&opened.location(), &digest)).body(whole.clone());
            created(server, &put.send().await, &digest, &whole).await;
            there_and_gone(server, &digest, &whole).await;

            let (digest, whole) = new(512);
            let opened = begin(server, "").await;
            let patched = ask(server, "PATCH", opened.location())
                .body(whole.clone())
                .send()
                .await;
            assert_eq!((patched.status, patched.header("range")), (202, Some("0-511")));
            let put = ask(server, "PUT", with_digest(&patched.location(), &digest))
                .send()
                .await;
            created(server, &put, &digest, &whole).await;
            there_and_gone(server, &digest, &whole).await;

            let (digest, _) = new(512);
            let opened = begin(server, "").await;
            assert_eq!(ask(server, "DELETE", opened.location()).send().await.status, 204);
            assert_eq!(get(server, opened.location()).await.status, 404);
            let put = ask(server, "PUT", with_digest(&opened.location(), &digest))
                .send()
                .await;
            assert_eq!((put.status, put.code().as_str()), (404, "BLOB_UPLOAD_UNKNOWN"));
            assert_eq!(ask(server, "HEAD", blob(&digest)).send().await.status, 404);

            for whole in [b"".as_slice(), b"{}"] {
                let digest = push_blob_as(server, "conf/one", whole, algorithm).await;
                there_and_gone(server, &digest, whole).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn mounts() {
    everywhere(async |server| {
        for algorithm in ALGORITHMS {
            for from in ["&from=conf/two", ""] {
                let whole = bytes(512);
                let digest = push_blob_as(server, "conf/two", &whole, algorithm).await;
                let path = format!("/v2/conf/one/blobs/uploads/?mount={digest}{from}");
                let mounted = ask(server, "POST", path).send().await;
                created(server, &mounted, &digest, &whole).await;
                there_and_gone(server, &digest, &whole).await;
            }
            let whole = bytes(512);
            let digest = digest_of(algorithm, &whole);
            let opened = begin(server, &format!("?mount={digest}&from=conf/two")).await;
            let put = ask(server, "PUT", with_digest(&opened.location(), &digest)).body(whole.clone());
            created(server, &put.send().await, &digest, &whole).await;
            there_and_gone(server, &digest, &whole).await;
        }
    })
    .await;
}

#[tokio::test]
async fn chunks_in_and_out_of_order() {
    const SIZE: usize = 1024;
    everywhere(async |server| {
        for algorithm in ALGORITHMS {
            for (disorder, last_by_put, announced) in [
                (false, false, false),
                (false, true, true),
                (true, false, true),
                (true, true, false),
            ] {
                let whole = bytes(3 * SIZE - 5);
                let digest = digest_of(algorithm, &whole);
                let query = if announced {
                    format!("?digest-algorithm={algorithm}")
                } else {
                    String::new()
                };
                let mut path = begin(server, &query).await.location();
                let mut closed = None;
                for start in (0..whole.len()).step_by(SIZE) {
                    let end = (start + SIZE).min(whole.len());
                    let by_put = last_by_put && end == whole.len();
                    let method = if by_put { "PUT" } else { "PATCH" };
                    let target = if by_put {
                        with_digest(&path, &digest)
                    } else {
                        path.clone()
                    };
                    if disorder {
                        let wrong = if end < whole.len() { start + 1 } else { 0 };
                        let refused = chunk(server, method, target.clone(), &whole, wrong, wrong + 100);
                        let refused = refused.send().await;
                        assert_eq!(refused.status, 416);
                        assert_eq!(refused.code(), "BLOB_UPLOAD_INVALID");
                        let status = get(server, target.clone()).await;
                        assert_eq!(status.status, 204);
                        let kept = format!("0-{}", start.saturating_sub(1));
                        assert_eq!(status.header("range"), Some(kept.as_str()));
                        assert!(status.header("location").is_some());
                    }
                    let answer = chunk(server, method, target, &whole, start, end).send().await;
                    if by_put {
                        closed = Some(answer);
                    } else {
                        assert_eq!(answer.status, 202);
                        let kept = format!("0-{}", end - 1);
                        assert_eq!(answer.header("range"), Some(kept.as_str()));
                        path = answer.location();
                    }
                }
                let closed = match closed {
                    Some(closed) => closed,
                    None => ask(server, "PUT", with_digest(&path, &digest)).send().await,
                };
                created(server, &closed, &digest, &whole).await;
                there_and_gone(server, &digest, &whole).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ranges() {
    everywhere(async |server| {
        for algorithm in ALGORITHMS {
            let whole = bytes(2048);
            let digest = push_blob_as(server, "conf/one", &whole, algorithm).await;
            for (asked, part) in [
                ("500-1499", Some(500..1500)),
                ("500-", Some(500..2048)),
                ("-500", Some(1548..2048)),
                ("2000-5000", Some(2000..2048)),
                ("0-0", Some(0..1)),
                ("500-0", None),
                ("5000-10000", None),
                ("2048-", None),
            ] {
                let answer = ask(server, "GET", blob(&digest)).header("Range", &format!("bytes={asked}"));
                let answer = answer.send().await;
                if let Some(part) = part {
                    assert_eq!(answer.status, 206, "{asked}");
                    assert!(answer.body == whole[part.clone()], "{asked}");
                    let range = format!("bytes {}-{}/2048", part.start, part.end - 1);
                    assert_eq!(answer.header("content-range"), Some(range.as_str()));
                    assert_eq!(
                        answer.header("content-length"),
                        Some(part.len().to_string().as_str())
                    );
                } else {
                    assert_eq!(answer.status, 416, "{asked}");
                    assert_eq!(answer.header("content-range"), Some("bytes */2048"));
                }
            }
            let stale = ask(server, "GET", blob(&digest))
                .header("Range", "bytes=0-9")
                .header("If-Range", "\"x\"");
            assert_eq!(stale.send().await.status, 200);
            let fresh = ask(server, "GET", blob(&digest))
                .header("Range", "bytes=0-9")
                .header("If-Range", &format!("\"{digest}\""));
            assert_eq!(fresh.send().await.status, 206);
        }
    })
    .await;
}

#[tokio::test]
async fn wrong_digests() {
    everywhere(async |server| {
        for algorithm in ALGORITHMS {
            let whole = bytes(3000);
            let wrong = digest_of(algorithm, b"other");
            let path = with_digest("/v2/conf/one/blobs/uploads/", &wrong);
            let refused = ask(server, "POST", path).body(whole.clone()).send().await;
            assert_eq!((refused.status, refused.code().as_str()), (400, "DIGEST_INVALID"));
            let opened = begin(server, "").await;
            let put = ask(server, "PUT", with_digest(&opened.location(), &wrong)).body(whole.clone());
            let refused = put.send().await;
            assert_eq!((refused.status, refused.code().as_str()), (400, "DIGEST_INVALID"));
            assert_eq!(get(server, opened.location()).await.status, 404); // the session is gone
            let opened = begin(server, "").await;
            ask(server, "PATCH", opened.location())
                .body(whole.clone())
                .send()
                .await;
            let put = ask(server, "PUT", with_digest(&opened.location(), &wrong))
                .send()
                .await;
            assert_eq!(put.status, 400);
            assert_eq!(get(server, blob(&wrong)).await.status, 404);
        }
        for bad in [
            "",
            "sha256:",
            "sha256:zz",
            "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "x",
        ] {
            let opened = begin(server, "").await;
            let path = format!("{}?digest={bad}", opened.location());
            let refused = ask(server, "PUT", path).body("x").send().await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (400, "DIGEST_INVALID"),
                "{bad}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn data_sets_come_and_go() {
    everywhere(async |server| {
        for (_name, data) in sets::data_sets() {
            data.check(server).await;
        }
    })
    .await;
}

#[tokio::test]
async fn data_sets_come_and_go_where_nothing_may_be_sparse() {
    everywhere_with(false, async |server| {
        let mut refused = 0;
        for (name, data) in sets::data_sets() {
            if name == "sparse" {
                data.check_refused(server).await;
                refused += 1;
            } else {
                data.check(server).await;
            }
        }
        assert_eq!(refused, 1);
    })
    .await;
}

#[tokio::test]
async fn manifest_errors() {
    everywhere(async |server| {
        let missing = digest_of(Algorithm::Sha256, b"missing");
        for target in [missing.as_str(), "missing"] {
            let answer = get(server, format!("/v2/conf/one/manifests/{target}")).await;
            assert_eq!((answer.status, answer.code().as_str()), (404, "MANIFEST_UNKNOWN"));
        }
        push_blob_as(server, "conf/one", b"{}", Algorithm::Sha256).await;
        let document = manifest_as(Algorithm::Sha256, b"{}", &[], &json!({}));
        for target in ["sha256:baddigeststring", missing.as_str()] {
            let put = ask(server, "PUT", format!("/v2/conf/one/manifests/{target}"))
                .header("Content-Type", MANIFEST)
                .body(document.clone())
                .send()
                .await;
            assert_eq!((put.status, put.code().as_str()), (400, "DIGEST_INVALID"));
        }
        assert_eq!(
            get(server, "/v2/conf/one/manifests/sha256:baddigeststring")
                .await
                .status,
            400
        );
    })
    .await;
}
