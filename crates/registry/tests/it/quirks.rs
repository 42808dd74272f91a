use wharf_registry::{Limits, Profile, Quirk, Registry, Server};

use crate::wire::{ask, digest, get, manifest, push_blob, push_image, push_manifest, with_digest};

async fn with(quirk: Quirk) -> Server {
    Registry::memory().with_quirk(quirk).serve().await.unwrap()
}

async fn session(server: &Server) -> String {
    ask(server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location()
}

#[tokio::test]
async fn uploads_differ() {
    let server = with(Quirk::PatchLimit(4)).await;
    let upload = session(&server).await;
    assert_eq!(
        ask(&server, "PATCH", upload.as_str())
            .body("12345")
            .send()
            .await
            .status,
        413
    );
    let server = with(Quirk::NoChunks).await;
    let upload = session(&server).await;
    let chunk = ask(&server, "PATCH", upload.as_str())
        .header("Content-Range", "0-0")
        .body("1");
    assert_eq!(chunk.send().await.status, 400);
    assert_eq!(ask(&server, "PATCH", upload).body("1").send().await.status, 202);
    let server = with(Quirk::FirstChunkRange).await;
    let upload = session(&server).await;
    for _ in 0..2 {
        let patched = ask(&server, "PATCH", upload.as_str()).body("123").send().await;
        assert_eq!(patched.header("range"), Some("0-2"));
    }
    let server = with(Quirk::ChunkMinimum(3)).await;
    let opened = ask(&server, "POST", "/v2/a/blobs/uploads/").send().await;
    assert_eq!(opened.header("oci-chunk-min-length"), Some("3"));
    let short = ask(&server, "PATCH", opened.location())
        .header("Content-Range", "0-1")
        .body("12");
    assert_eq!(short.send().await.status, 416);
    let server = with(Quirk::NoSinglePost).await;
    let path = with_digest("/v2/a/blobs/uploads/", &digest(b"x"));
    assert_eq!(ask(&server, "POST", path).body("x").send().await.status, 202);
    let server = with(Quirk::NoMount).await;
    let blob = push_blob(&server, "a", b"x").await;
    let path = format!("/v2/b/blobs/uploads/?mount={blob}&from=a");
    assert_eq!(ask(&server, "POST", path).send().await.status, 202);
}

#[tokio::test]
async fn manifests_and_lists_differ() {
    let server = with(Quirk::NoManifestLocation).await;
    push_blob(&server, "a", b"{}").await;
    let pushed = push_manifest(&server, "a", "v1", &manifest(b"{}", &[])).await;
    assert_eq!((pushed.status, pushed.header("location")), (201, None));
    let server = with(Quirk::DigestTags).await;
    let (bytes, image) = push_image(&server, "a", "v1").await;
    let tag = image.as_str().replace(':', "-");
    assert_eq!(get(&server, format!("/v2/a/manifests/{tag}")).await.body, bytes);
    let server = with(Quirk::NullTags).await;
    push_blob(&server, "a", b"x").await;
    let tags = get(&server, "/v2/a/tags/list").await;
    assert!(tags.json()["tags"].is_null());
    let server = with(Quirk::NoPages).await;
    push_image(&server, "a", "v1").await;
    push_image(&server, "a", "v2").await;
    let tags = get(&server, "/v2/a/tags/list?n=1").await;
    assert_eq!(
        (tags.json()["tags"].as_array().unwrap().len(), tags.next()),
        (2, None)
    );
    let server = with(Quirk::NoReferrers).await;
    let path = format!("/v2/a/referrers/{}", digest(b""));
    assert_eq!(get(&server, path).await.status, 404);
    let server = with(Quirk::PullLimit(1)).await;
    push_image(&server, "a", "v1").await;
    let pull = async |method| ask(&server, method, "/v2/a/manifests/v1").send().await.status;
    assert_eq!(
        [
            pull("HEAD").await,
            pull("GET").await,
            pull("HEAD").await,
            pull("GET").await
        ],
        [200, 200, 200, 429]
    );
    let server = with(Quirk::NoManifestHead).await;
    push_image(&server, "a", "v1").await;
    assert_eq!(
        ask(&server, "HEAD", "/v2/a/manifests/v1").send().await.status,
        404
    );
    let server = with(Quirk::NoDigestHeader).await;
    push_image(&server, "a", "v1").await;
    assert_eq!(
        get(&server, "/v2/a/manifests/v1")
            .await
            .header("docker-content-digest"),
        None
    );
}

#[tokio::test]
async fn headers_differ() {
    let server = Registry::memory()
        .with_basic("ada", "secret")
        .with_tokens()
        .with_profile(Profile::Nvcr)
        .serve()
        .await
        .unwrap();
    let url = server.url();
    let challenged = get(&server, "/v2/a/tags/list").await;
    let plain = format!("Bearer realm=\"{url}/token\",scope=\"repository:a:pull\"");
    assert_eq!(challenged.header("www-authenticate"), Some(plain.as_str()));
    let token = ask(&server, "GET", "/token").basic("ada:secret").send().await;
    let token = format!("Bearer {}", token.json()["token"].as_str().unwrap());
    let challenged = ask(&server, "GET", "/v2/a/tags/list")
        .header("Authorization", &token)
        .send()
        .await;
    let scoped = challenged.header("www-authenticate").unwrap();
    assert!(
        scoped.starts_with(&format!("Bearer realm=\"{url}/token/scoped\"")),
        "{scoped}"
    );
    assert_eq!(
        ask(&server, "GET", "/token/scoped")
            .basic("ada:secret")
            .send()
            .await
            .status,
        200
    );

    let server = Registry::memory()
        .with_profile(Profile::Harbor)
        .serve()
        .await
        .unwrap();
    let cookie = get(&server, "/v2/")
        .await
        .header("set-cookie")
        .unwrap()
        .to_owned();
    assert_eq!(
        ask(&server, "GET", "/v2/")
            .header("Cookie", &cookie)
            .send()
            .await
            .status,
        403
    );
    let server = with(Quirk::HtmlErrors).await;
    let error = get(&server, "/v2/a/tags/list").await;
    assert_eq!(
        (error.status, error.header("content-type")),
        (404, Some("text/html"))
    );
}

#[tokio::test]
async fn every_profile_takes_and_gives_an_image() {
    for profile in Profile::ALL {
        let server = Registry::memory().with_profile(profile).serve().await.unwrap();
        let (bytes, digest) = push_image(&server, "a", "v1").await;
        let pulled = get(&server, format!("/v2/a/manifests/{digest}")).await;
        assert!(pulled.body == bytes, "{profile:?}");
    }
}

#[tokio::test]
async fn a_quirk_changes_no_more_than_it_says() {
    // What fits is taken, and what has been taken stays.
    let server = with(Quirk::PatchLimit(4)).await;
    let upload = session(&server).await;
    let patch = async |body: &'static str| ask(&server, "PATCH", upload.as_str()).body(body).send().await;
    assert_eq!(patch("1234").await.status, 202);
    let long = patch("56789").await;
    assert_eq!((long.status, long.code().as_str()), (413, "SIZE_INVALID"));
    let kept = get(&server, upload.as_str()).await;
    assert_eq!(kept.header("range"), Some("0-3"));
    assert_eq!(patch("5678").await.header("range"), Some("0-7"));
    let put = with_digest(&upload, &digest(b"12345678"));
    assert_eq!(ask(&server, "PUT", put).send().await.status, 201);

    // A chunk that is long enough is taken, and a short one changes nothing.
    let server = with(Quirk::ChunkMinimum(3)).await;
    let upload = session(&server).await;
    let chunk = async |range: &str, body: &'static str| {
        let patch = ask(&server, "PATCH", upload.as_str()).header("Content-Range", range);
        patch.body(body).send().await
    };
    assert_eq!(chunk("0-2", "123").await.status, 202);
    let short = chunk("3-4", "45").await;
    assert_eq!((short.status, short.header("range")), (416, Some("0-2")));
    assert_eq!(short.location(), upload);

    // Each upload has a first chunk of its own.
    let server = with(Quirk::FirstChunkRange).await;
    for (first, range) in [("1", "0-0"), ("12", "0-1")] {
        let upload = session(&server).await;
        for body in ["", first, "345"] {
            let patched = ask(&server, "PATCH", upload.as_str()).body(body).send().await;
            let expected = if body.is_empty() { "0-0" } else { range };
            assert_eq!(patched.header("range"), Some(expected));
        }
    }

    // Lists are whole whatever the registry's own limit is, and tags that exist are shown.
    let limits = Limits::default().with_page(2);
    let registry = Registry::memory().with_limits(limits).with_quirk(Quirk::NoPages);
    let server = registry.with_quirk(Quirk::NullTags).serve().await.unwrap();
    for tag in ["v1", "v2", "v3", "v4", "v5"] {
        push_image(&server, "a", tag).await;
    }
    let tags = get(&server, "/v2/a/tags/list?last=v1").await;
    assert_eq!(tags.json()["tags"], serde_json::json!(["v2", "v3", "v4", "v5"]));
    assert_eq!(tags.next(), None);

    // Who has no rights learns nothing else.
    for quirk in [
        Quirk::NoChunks,
        Quirk::NoReferrers,
        Quirk::PatchLimit(0),
        Quirk::DigestTags,
    ] {
        let registry = Registry::memory().with_basic("ada", "secret").with_quirk(quirk);
        let server = registry.serve().await.unwrap();
        let empty = digest(b"");
        let patch = ask(&server, "PATCH", "/v2/a/blobs/uploads/1").header("Content-Range", "0-0");
        assert_eq!(patch.body("1").send().await.status, 401, "{quirk:?}");
        let spelled = empty.as_str().replace(':', "-");
        for path in [format!("referrers/{empty}"), format!("manifests/{spelled}")] {
            assert_eq!(
                get(&server, format!("/v2/a/{path}")).await.status,
                401,
                "{quirk:?}"
            );
        }
    }
}
