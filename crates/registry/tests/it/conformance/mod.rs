//! The checks of the official conformance program, in our words, with both algorithms, without and with
//! tokens, and with sparse images and without.

mod blobs;
mod data;
mod official;
mod sets;

use serde_json::json;
use wharf_reference::{Algorithm, Digest};
use wharf_registry::Registry;

use crate::served::{self, Server};
use crate::wire::{Answer, Ask, INDEX, MANIFEST, as_user, ask, digest_of, get, manifest_as, push_blob_as};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// Runs a check against every kind of registry, open and with tokens.
async fn everywhere(check: impl AsyncFn(&Server)) {
    everywhere_with(true, check).await;
}

async fn everywhere_with(sparse: bool, check: impl AsyncFn(&Server)) {
    served::each(|registry| registry.with_sparse(sparse), &check).await;
    let with_tokens = |registry: Registry| {
        registry
            .with_sparse(sparse)
            .with_basic("ada", "secret")
            .with_tokens()
    };
    served::each(with_tokens, async |server: &Server| {
        as_user("ada:secret", check(server)).await;
    })
    .await;
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

/// Sends a body whose length nobody knows before it ends.
fn streamed<'a>(ask: Ask<'a>, whole: &[u8]) -> Ask<'a> {
    let mut coded = Vec::new();
    for piece in whole.chunks(1000) {
        coded.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        coded.extend(piece);
        coded.extend(b"\r\n");
    }
    coded.extend(b"0\r\n\r\n");
    ask.header("Transfer-Encoding", "chunked").body(coded)
}

/// A 201 whose `Location` has the bytes.
async fn created(server: &Server, answer: &Answer, digest: &Digest, bytes: &[u8]) {
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
    assert!(get(server, answer.location()).await.body == bytes);
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
        let padded = [document.as_slice(), b"  "].concat();
        let unpadded = digest_of(Algorithm::Sha256, &document);
        for target in ["sha256:baddigeststring", missing.as_str(), unpadded.as_str()] {
            let put = ask(server, "PUT", format!("/v2/conf/one/manifests/{target}"))
                .header("Content-Type", MANIFEST);
            let put = streamed(put, &padded).send().await;
            assert_eq!((put.status, put.code().as_str()), (400, "DIGEST_INVALID"));
        }
        let unknown = ask(server, "DELETE", format!("/v2/conf/one/manifests/{unpadded}"));
        assert_eq!(unknown.send().await.status, 404);
        assert_eq!(
            get(server, "/v2/conf/one/manifests/sha256:baddigeststring")
                .await
                .status,
            400
        );
    })
    .await;
}
