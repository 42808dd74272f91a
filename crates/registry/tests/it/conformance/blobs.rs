//! Blobs: every way to push, parts, what is refused.

use wharf_reference::Digest;

use super::{ALGORITHMS, blob, bytes, created, everywhere, streamed};
use crate::served::Server;
use crate::wire::{Answer, Ask, ask, digest_of, get, push_blob_as, with_digest};

/// HEAD and GET of a blob that was pushed.
pub(super) async fn there(server: &Server, digest: &Digest, bytes: &[u8]) {
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
}

/// HEAD, GET, DELETE, HEAD of a blob that was pushed.
async fn there_and_gone(server: &Server, digest: &Digest, bytes: &[u8]) {
    there(server, digest, bytes).await;
    assert_eq!(ask(server, "DELETE", blob(digest)).send().await.status, 202);
    assert_eq!(ask(server, "HEAD", blob(digest)).send().await.status, 404);
    assert_eq!(ask(server, "DELETE", blob(digest)).send().await.status, 404);
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

            let (digest, whole) = new(4096);
            let opened = begin(server, "").await;
            let patch = streamed(ask(server, "PATCH", opened.location()), &whole);
            let patched = patch.send().await;
            assert_eq!((patched.status, patched.header("range")), (202, Some("0-4095")));
            let put = ask(server, "PUT", with_digest(&patched.location(), &digest));
            created(server, &put.send().await, &digest, &whole).await;
            there_and_gone(server, &digest, &whole).await;

            let (digest, whole) = new(512);
            let opened = begin(server, "").await;
            let patched = chunk(server, "PATCH", opened.location(), &whole, 0, 512)
                .send()
                .await;
            assert_eq!((patched.status, patched.header("range")), (202, Some("0-511")));
            let put = ask(server, "PUT", with_digest(&patched.location(), &digest));
            created(server, &put.send().await, &digest, &whole).await;
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
            for last_by_put in [false, true] {
                let mut path = begin(server, "").await.location();
                for start in [0, 1000] {
                    let patch = chunk(server, "PATCH", path, &whole, start, start + 1000);
                    path = patch.send().await.location();
                }
                let target = with_digest(&path, &wrong);
                let put = if last_by_put {
                    chunk(server, "PUT", target, &whole, 2000, 3000)
                } else {
                    ask(server, "PUT", target)
                };
                let refused = put.send().await;
                assert_eq!((refused.status, refused.code().as_str()), (400, "DIGEST_INVALID"));
            }
            let put = streamed(
                ask(
                    server,
                    "PUT",
                    with_digest(&begin(server, "").await.location(), &wrong),
                ),
                &whole,
            );
            assert_eq!(put.send().await.status, 400);
            assert_eq!(get(server, blob(&wrong)).await.status, 404);
            assert_eq!(ask(server, "DELETE", blob(&wrong)).send().await.status, 404);
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
