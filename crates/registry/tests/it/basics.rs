use crate::wire::{MANIFEST, ask, digest, get, open, push_blob, push_image, push_manifest};

#[tokio::test]
async fn an_image_comes_back_as_it_went() {
    let server = open().await;
    assert_eq!(get(&server, "/v2/").await.status, 200);
    let (bytes, digest) = push_image(&server, "lib/app", "v1").await;
    for target in ["v1", digest.as_str()] {
        let answer = get(&server, format!("/v2/lib/app/manifests/{target}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, bytes);
        assert_eq!(answer.header("content-type"), Some(MANIFEST));
        assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
        let head = ask(&server, "HEAD", format!("/v2/lib/app/manifests/{target}"))
            .send()
            .await;
        assert_eq!(head.status, 200);
        assert_eq!(
            head.header("content-length"),
            Some(bytes.len().to_string().as_str())
        );
        assert_eq!(head.header("docker-content-digest"), Some(digest.as_str()));
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 10);
    assert_eq!(requests[0].to_string(), "GET /v2/ 200");
}

#[tokio::test]
async fn a_large_blob_passes_in_pieces() {
    let server = open().await;
    let bytes = (0..5_000_000_u32)
        .flat_map(|number| [number.to_le_bytes()[0], number.to_le_bytes()[1]])
        .collect::<Vec<_>>();
    let digest = push_blob(&server, "a", &bytes).await;
    let answer = get(&server, format!("/v2/a/blobs/{digest}")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == bytes);
    let head = ask(&server, "HEAD", format!("/v2/a/blobs/{digest}")).send().await;
    assert_eq!(head.header("content-length"), Some("10000000"));
}

#[tokio::test]
async fn a_repository_shows_only_what_is_its_own() {
    let server = open().await;
    let blob = push_blob(&server, "a", b"secret").await;
    assert_eq!(get(&server, format!("/v2/b/blobs/{blob}")).await.status, 404);
    let mounted = ask(
        &server,
        "POST",
        format!("/v2/b/blobs/uploads/?mount={blob}&from=a"),
    )
    .send()
    .await;
    assert_eq!(mounted.status, 201);
    assert_eq!(get(&server, mounted.location()).await.body, b"secret");
}

#[tokio::test]
async fn a_manifest_needs_its_blobs() {
    let server = open().await;
    let bytes = crate::wire::manifest(b"{}", &[b"layer"]);
    push_blob(&server, "a", b"{}").await;
    push_blob(&server, "b", b"layer").await;
    let refused = push_manifest(&server, "a", "v1", &bytes).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.code(), "MANIFEST_BLOB_UNKNOWN");
    let message = refused.json()["errors"][0]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains(digest(b"layer").as_str()), "{message}");
}

#[tokio::test]
async fn tags_come_in_pages() {
    let server = open().await;
    for tag in ["b", "a", "C", "_d", "1.0"] {
        push_image(&server, "lib/app", tag).await;
    }
    let answer = get(&server, "/v2/lib/app/tags/list").await;
    assert_eq!(
        answer.json(),
        serde_json::json!({ "name": "lib/app", "tags": ["1.0", "C", "_d", "a", "b"] })
    );
    assert_eq!(answer.next(), None);
    let mut pages = Vec::new();
    let mut next = Some("/v2/lib/app/tags/list?n=2".to_owned());
    while let Some(path) = next {
        let answer = get(&server, path).await;
        pages.push(answer.json()["tags"].clone());
        next = answer.next();
    }
    assert_eq!(
        pages,
        [
            serde_json::json!(["1.0", "C"]),
            serde_json::json!(["_d", "a"]),
            serde_json::json!(["b"])
        ]
    );
    let none = get(&server, "/v2/lib/app/tags/list?n=0").await;
    assert_eq!(none.json()["tags"], serde_json::json!([]));
    assert_eq!(none.next(), None);
    let rest = get(&server, "/v2/lib/app/tags/list?last=_d").await;
    assert_eq!(rest.json()["tags"], serde_json::json!(["a", "b"]));
    for bad in ["-1", "x", "", "1e9"] {
        let answer = get(&server, format!("/v2/lib/app/tags/list?n={bad}")).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
    assert_eq!(get(&server, "/v2/nothing/tags/list").await.status, 404);
}
