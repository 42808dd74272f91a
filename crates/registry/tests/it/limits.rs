//! Bad input and too much of it.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wharf_registry::{Limits, Registry, Server};

use crate::wire::{
    Answer, INDEX, MANIFEST, ask, digest, exchange, get, manifest, open, push_blob, push_image,
    push_manifest, read, with_digest,
};

#[tokio::test]
async fn manifests_up_to_the_limit() {
    let limits = Limits::default().with_manifest(1000);
    let server = Registry::memory().with_limits(limits).serve().await.unwrap();
    push_blob(&server, "a", b"{}").await;
    for (length, status) in [(999, 201), (1000, 201), (1001, 413)] {
        let mut bytes = manifest(b"{}", &[]);
        bytes.resize(length, b' ');
        let pushed = push_manifest(&server, "a", "v1", &bytes).await;
        assert_eq!(pushed.status, status, "{length}");
    }
    let announced =
        "PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n";
    assert_eq!(exchange(&server, announced.as_bytes(), false).await.status, 413);
}

#[tokio::test]
async fn four_megabytes_of_manifest_are_accepted() {
    let server = open().await;
    push_blob(&server, "a", b"{}").await;
    let mut bytes = manifest(b"{}", &[]);
    bytes.resize(4 * 1024 * 1024, b' ');
    assert_eq!(push_manifest(&server, "a", "v1", &bytes).await.status, 201);
    bytes.push(b' ');
    let refused = push_manifest(&server, "a", "v1", &bytes).await;
    assert_eq!((refused.status, refused.code().as_str()), (413, "SIZE_INVALID"));
}

#[tokio::test]
async fn blobs_up_to_the_limit() {
    let limits = Limits::default().with_blob(10);
    let server = Registry::memory().with_limits(limits).serve().await.unwrap();
    for (length, status) in [(9, 201), (10, 201), (11, 413)] {
        let bytes = vec![1; length];
        let path = with_digest("/v2/a/blobs/uploads/", &digest(&bytes));
        assert_eq!(ask(&server, "POST", path).body(bytes).send().await.status, status);
    }
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location();
    for status in [202, 413] {
        assert_eq!(
            ask(&server, "PATCH", session.as_str())
                .body("123456")
                .send()
                .await
                .status,
            status
        );
    }
}

#[tokio::test]
async fn pages_are_no_longer_than_the_limit() {
    let limits = Limits::default().with_page(2);
    let server = Registry::memory().with_limits(limits).serve().await.unwrap();
    for tag in ["a", "b", "c"] {
        push_image(&server, "x", tag).await;
        push_image(&server, &format!("r/{tag}"), "v1").await;
    }
    for n in ["", "?n=2", "?n=3", "?n=1000000", "?n=18446744073709551615"] {
        let page = get(&server, format!("/v2/x/tags/list{n}")).await;
        assert_eq!(page.json()["tags"], serde_json::json!(["a", "b"]), "{n}");
        assert_eq!(page.next().as_deref(), Some("/v2/x/tags/list?n=2&last=b"));
    }
    for n in ["-1", "1.5", "18446744073709551616", "n"] {
        assert_eq!(
            get(&server, format!("/v2/x/tags/list?n={n}")).await.status,
            400,
            "{n}"
        );
        assert_eq!(
            get(&server, format!("/v2/_catalog?n={n}")).await.status,
            400,
            "{n}"
        );
    }
    let mut found = Vec::new();
    let mut next = Some("/v2/_catalog?n=1".to_owned());
    while let Some(path) = next {
        let page = get(&server, path).await;
        found.extend(page.json()["repositories"].as_array().unwrap().clone());
        next = page.next();
    }
    assert_eq!(found, ["r/a", "r/b", "r/c", "x"]);
}

#[tokio::test]
async fn referrers_come_in_pages() {
    let limits = Limits::default().with_page(2);
    let server = Registry::memory().with_limits(limits).serve().await.unwrap();
    push_blob(&server, "a", b"{}").await;
    let subject = digest(b"subject");
    let mut expected = Vec::new();
    for n in 0..5 {
        let extra = serde_json::json!({
            "subject": { "mediaType": MANIFEST, "digest": subject.as_str(), "size": 7 },
            "artifactType": format!("application/vnd.example.{}+json", n % 2),
            "annotations": { "n": n.to_string() },
        });
        let bytes = crate::wire::manifest_as(wharf_reference::Algorithm::Sha256, b"{}", &[], &extra);
        let own = digest(&bytes);
        push_manifest(&server, "a", own.as_str(), &bytes).await;
        expected.push((own, n));
    }
    expected.sort();
    for (filter, wanted) in [
        ("", vec![0, 1, 2, 3, 4]),
        ("?artifactType=application/vnd.example.0%2Bjson", vec![0, 2, 4]),
    ] {
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut next = Some(format!("/v2/a/referrers/{subject}{filter}"));
        while let Some(path) = next {
            let page = get(&server, path).await;
            assert_eq!((page.status, page.header("content-type")), (200, Some(INDEX)));
            let applied = (!filter.is_empty()).then_some("artifactType");
            assert_eq!(page.header("oci-filters-applied"), applied);
            let manifests = page.json()["manifests"].as_array().unwrap().clone();
            assert!(!manifests.is_empty() && manifests.len() <= 2);
            found.extend(
                manifests
                    .iter()
                    .map(|entry| entry["digest"].as_str().unwrap().to_owned()),
            );
            pages += 1;
            next = page.next();
        }
        let wanted = expected
            .iter()
            .filter(|(_, n)| wanted.contains(n))
            .map(|(own, _)| own.as_str());
        assert_eq!(found, wanted.collect::<Vec<_>>());
        assert_eq!(pages, found.len().div_ceil(2));
    }
}

#[tokio::test]
async fn tricks_in_paths_and_heads_are_refused() {
    let server = open().await;
    push_image(&server, "a", "v1").await;
    for path in [
        "/v2/../etc/passwd",
        "/v2/%2e%2e/tags/list",
        "/v2/a%2fb/tags/list",
        "/v2/a/manifests/v1%00",
        "/v2/a/manifests/..%2f..%2fx",
        "/v2/A/tags/list",
        "/v2/a//tags/list",
        "/v2/a/blobs/sha256:../../../etc/passwd",
        "/v2/a/blobs/SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "/v2/a/blobs/uploads/../../manifests/v1",
        "/v2/a/blobs/uploads/%2e%2e",
        "/v2/a/referrers/sha256:xyz",
        "/",
        "/etc/passwd",
    ] {
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let answer = ask(&server, method, path).send().await;
            assert!(
                matches!(answer.status, 400 | 404 | 405),
                "{method} {path} {}",
                answer.status
            );
            assert!(
                answer
                    .code()
                    .chars()
                    .all(|letter| letter.is_ascii_uppercase() || letter == '_')
            );
        }
    }
    assert_eq!(
        ask(&server, "POST", "/v2/a/manifests/v1").send().await.status,
        405
    );
    assert_eq!(ask(&server, "BREW", "/v2/a/tags/list").send().await.status, 405);
}

#[tokio::test]
async fn manifests_that_are_none_are_refused() {
    let server = open().await;
    push_blob(&server, "a", b"{}").await;
    let good = String::from_utf8(manifest(b"{}", &[])).unwrap();
    let size = "\"size\": 2";
    assert!(good.contains(size));
    for (bytes, media_type) in [
        (String::new(), MANIFEST),
        ("[".repeat(100_000), MANIFEST),
        ("{}".to_owned(), MANIFEST),
        (good.clone(), INDEX),
        (good.clone(), "text"),
        (good.clone() + "x", MANIFEST),
        (good.replace("\"config\"", "\"Config\""), MANIFEST),
        (good.replacen('{', "{\"manifests\":[],", 1), MANIFEST),
        (good.replacen('{', "{\"schemaVersion\":2,", 1), MANIFEST),
        (good.replacen('{', "{\"fsLayers\":[],", 1), MANIFEST),
        (
            good.replace("\"schemaVersion\": 2", "\"schemaVersion\": 1"),
            MANIFEST,
        ),
        (good.replace(size, "\"size\": -1"), MANIFEST),
        (good.replace(size, "\"size\": 1e999"), MANIFEST),
        (good.replace(size, "\"size\": 3"), MANIFEST),
        (good.replace("sha256:", "sha256:../"), MANIFEST),
    ] {
        let put = ask(&server, "PUT", "/v2/a/manifests/v1")
            .header("Content-Type", media_type)
            .body(bytes.clone());
        let answer = put.send().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "MANIFEST_INVALID"),
            "{bytes:.80}"
        );
    }
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.status, 404);
    let tags = (0..33).map(|n| format!("tag=t{n}")).collect::<Vec<_>>().join("&");
    let path = format!("/v2/a/manifests/{}?{tags}", digest(good.as_bytes()));
    let put = ask(&server, "PUT", path)
        .header("Content-Type", MANIFEST)
        .body(good);
    assert_eq!(put.send().await.status, 414);
}

#[tokio::test]
async fn chunks_that_do_not_add_up() {
    let server = open().await;
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location();
    let patch = async |range: &str, body: &str| {
        let answer = ask(&server, "PATCH", session.as_str())
            .header("Content-Range", range)
            .body(body)
            .send()
            .await;
        answer.status
    };
    assert_eq!(patch("0-2", "1234").await, 400);
    assert_eq!(patch("0-4", "1234").await, 400);
    assert_eq!(patch("3-0", "1234").await, 400);
    assert_eq!(patch("x", "1234").await, 400);
    assert_eq!(patch("1-4", "1234").await, 416);
    assert_eq!(get(&server, session.as_str()).await.header("range"), Some("0-0"));
    assert_eq!(patch("0-3", "1234").await, 202);
    assert_eq!(patch("0-3", "1234").await, 416); // a retry of what was kept
    assert_eq!(get(&server, session.as_str()).await.header("range"), Some("0-3"));
}

/// Sends `abc` of a chunk of six bytes; comes back with the answer to somebody who wanted to write meanwhile.
async fn half_a_chunk(server: &Server, session: &str) -> (TcpStream, Answer) {
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    let head =
        format!("PATCH {session} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 6\r\n\r\nabc");
    slow.write_all(head.as_bytes()).await.unwrap();
    // The first request holds the session as soon as it has been read.
    loop {
        let answer = ask(server, "PATCH", session)
            .header("Content-Range", "9-9")
            .body("x")
            .send()
            .await;
        if answer.status == 409 {
            return (slow, answer);
        }
        assert_eq!(answer.status, 416);
    }
}

/// Who breaks off an upload cancels it while the registry may still be waiting for more of it.
#[tokio::test]
async fn an_upload_that_is_written_to_can_be_cancelled() {
    let server = open().await;
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location();
    let (mut slow, _) = half_a_chunk(&server, &session).await;
    assert_eq!(ask(&server, "DELETE", session.as_str()).send().await.status, 204);
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(ask(&server, method, session.as_str()).send().await.status, 404);
    }
    slow.write_all(b"def").await.unwrap();
    let mut received = Vec::new();
    slow.read_to_end(&mut received).await.unwrap();
    assert_eq!(read(&received, false).status, 404);
    while server.service().inventory().uploads > 0 {
        tokio::task::yield_now().await;
    }
}

/// A session has one writer at a time: who comes meanwhile is turned away and nothing interleaves.
#[tokio::test]
async fn overlapping_chunks_do_not_interleave() {
    let server = open().await;
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location();
    let (mut slow, refused) = half_a_chunk(&server, &session).await;
    assert_eq!(refused.code(), "BLOB_UPLOAD_INVALID");
    let path = with_digest(&session, &digest(b"abcdef"));
    assert_eq!(ask(&server, "PUT", path).send().await.status, 409);
    slow.write_all(b"def").await.unwrap();
    let mut received = Vec::new();
    slow.read_to_end(&mut received).await.unwrap();
    assert_eq!(read(&received, false).header("range"), Some("0-5"));
    let closed = ask(&server, "PUT", with_digest(&session, &digest(b"abcdef")))
        .send()
        .await;
    assert_eq!(closed.status, 201);
}

#[tokio::test]
async fn slow_bodies_are_given_up() {
    let limits = Limits::default().with_idle(Duration::from_millis(50));
    let server = Registry::memory().with_limits(limits).serve().await.unwrap();
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .send()
        .await
        .location();
    let head = format!("PATCH {session} HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
    assert_eq!(exchange(&server, head.as_bytes(), false).await.status, 408);
    assert_eq!(get(&server, session).await.header("range"), Some("0-2"));
}

#[tokio::test(start_paused = true)]
async fn connections_without_a_request_do_not_hold_up_the_end() {
    let server = Registry::memory().serve().await.unwrap();
    let heads: [(&str, &str); 5] = [
        ("nothing", ""),
        ("a letter", "G"),
        ("half a head", "GET /v2/ HTTP/1.1\r\nHost: x\r\nAcc"),
        ("a request, and no more", "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        (
            "a request and half a head",
            "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\nGET /v2/ HT",
        ),
    ];
    let mut streams = Vec::new();
    for (what, sent) in heads {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        if sent.contains("\r\n\r\n") {
            stream.read_exact(&mut [0; 12]).await.unwrap();
        }
        streams.push((what, stream));
    }
    let start = tokio::time::Instant::now();
    server.shutdown().await;
    assert!(start.elapsed() <= Duration::from_secs(1), "{:?}", start.elapsed());
    for (what, mut stream) in streams {
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest).await;
        assert!(
            ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
            "{what}"
        );
    }
}

#[tokio::test]
async fn deleting_can_be_turned_off() {
    let server = Registry::memory().with_delete(false).serve().await.unwrap();
    let (_, image) = push_image(&server, "a", "v1").await;
    for path in [
        "/v2/a/manifests/v1".to_owned(),
        format!("/v2/a/manifests/{image}"),
        format!("/v2/a/blobs/{}", digest(b"v1")),
    ] {
        let refused = ask(&server, "DELETE", path).send().await;
        assert_eq!((refused.status, refused.code().as_str()), (405, "UNSUPPORTED"));
    }
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.status, 200);
}

#[tokio::test]
async fn warnings_are_sent_and_bounded() {
    let registry = Registry::memory()
        .with_warning("say \"hi\"\r\nü")
        .with_warning(&"x".repeat(5000));
    let server = registry.serve().await.unwrap();
    let answer = get(&server, "/v2/").await;
    assert_eq!(answer.header("warning"), Some("299 - \"say \\\"hi\\\"???\""));
}

/// Nothing is shown as a page, whatever was pushed, and manifests keep their type to the letter.
#[tokio::test]
async fn answers_are_never_taken_for_pages() {
    let server = open().await;
    let html = b"<script>alert(1)</script>";
    let blob = push_blob(&server, "a", html).await;
    push_blob(&server, "a", b"{}").await;
    let document = manifest(b"{}", &[html]);
    let with_charset = "application/vnd.oci.image.manifest.v1+json; charset=utf-8";
    for (sent, status) in [("text/html", 400), (with_charset, 201), (MANIFEST, 201)] {
        let put = ask(&server, "PUT", "/v2/a/manifests/v1")
            .header("Content-Type", sent)
            .body(document.as_slice());
        assert_eq!(put.send().await.status, status, "{sent}");
    }
    let untyped = ask(&server, "PUT", "/v2/a/manifests/v1").body(document.as_slice());
    assert_eq!(untyped.send().await.status, 201); // it says itself what it is
    for (path, status, media_type) in [
        ("/v2/".to_owned(), 200, "application/json"),
        ("/v2/_catalog".to_owned(), 200, "application/json"),
        ("/v2/a/tags/list".to_owned(), 200, "application/json"),
        (format!("/v2/a/blobs/{blob}"), 200, "application/octet-stream"),
        ("/v2/a/manifests/v1".to_owned(), 200, MANIFEST),
        (format!("/v2/a/referrers/{blob}"), 200, INDEX),
        ("/v2/a/manifests/v2".to_owned(), 404, "application/json"),
        ("/v2/a/manifests/%3Cscript%3E".to_owned(), 400, "application/json"),
        ("/".to_owned(), 404, "application/json"),
        ("/token".to_owned(), 404, "application/json"),
    ] {
        let answer = get(&server, path.as_str()).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some(media_type)),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(!path.contains("script") || !String::from_utf8_lossy(&answer.body).contains('<'));
    }
}

#[tokio::test]
async fn locations_do_not_depend_on_what_the_client_calls_us() {
    let server = open().await;
    for name in [
        "X-Forwarded-Host",
        "Forwarded",
        "X-Forwarded-Proto",
        "X-Original-URL",
    ] {
        let opened = ask(&server, "POST", "/v2/a/blobs/uploads/").header(name, "evil.example");
        let location = opened.send().await.header("location").unwrap().to_owned();
        assert!(location.starts_with("/v2/a/blobs/uploads/"), "{name}: {location}");
    }
    // Nor on the name in the request, which `ask` sends truly.
    for target in ["/v2/a/blobs/uploads/", "http://evil.example/v2/a/blobs/uploads/"] {
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let opened = exchange(&server, request.as_bytes(), false).await;
        let location = opened.header("location").unwrap();
        assert!(location.starts_with("/v2/a/blobs/uploads/"), "{location}");
    }
    let server = Registry::memory().with_tokens().serve().await.unwrap();
    let request = b"GET /v2/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let challenged = exchange(&server, request, false).await;
    let realm = format!("Bearer realm=\"http://{}/token\"", server.address());
    assert!(challenged.header("www-authenticate").unwrap().starts_with(&realm));
    let registry = Registry::memory().with_external_url("https://registry.example/");
    let server = registry.with_tokens().serve().await.unwrap();
    let challenged = get(&server, "/v2/").await;
    let realm = "Bearer realm=\"https://registry.example/token\",service=\"registry\"";
    assert_eq!(challenged.header("www-authenticate"), Some(realm));
}

#[tokio::test]
async fn referrers_by_tag_are_not_listed_twice() {
    let server = open().await;
    let (subject, subject_digest) = push_image(&server, "a", "v1").await;
    let descriptor = |bytes: &[u8]| serde_json::json!({ "mediaType": MANIFEST, "digest": digest(bytes).as_str(), "size": bytes.len() });
    let extra = serde_json::json!({ "subject": descriptor(&subject) });
    let referrer = crate::wire::manifest_as(wharf_reference::Algorithm::Sha256, b"{}", &[], &extra);
    push_manifest(&server, "a", digest(&referrer).as_str(), &referrer).await;
    let fallback = serde_json::json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(&referrer)]
    });
    let tag = subject_digest.as_str().replace(':', "-");
    push_manifest(&server, "a", &tag, fallback.to_string().as_bytes()).await;
    let listed = get(&server, format!("/v2/a/referrers/{subject_digest}")).await;
    assert_eq!(listed.json()["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(
        listed.json()["manifests"][0]["digest"],
        digest(&referrer).as_str()
    );
}
