//! HTTP as RFC 9110 and RFC 9112 have it.

use wharf_registry::{Registry, Server};

use crate::wire::{
    Answer, MANIFEST, ask, digest, exchange, get, manifest, open, push_blob, push_image, push_manifest,
};

fn escaped(digest: &wharf_reference::Digest) -> String {
    digest.as_str().replace(':', "%3A")
}

#[tokio::test]
async fn escaped_paths_are_read_once() {
    let server = open().await;
    let (_, image) = push_image(&server, "a/b", "v1").await;
    let layer = digest(b"v1");
    for (path, status) in [
        (format!("/v2/a/b/blobs/{}", escaped(&layer)), 200),
        (format!("/v2/a%2Fb/blobs/{}", escaped(&layer)), 200),
        (format!("/v2/a/b/manifests/{}", escaped(&image)), 200),
        ("/v2/a%2fb/manifests/v1".to_owned(), 200),
        ("/v2/a%2Fb/manifests/v%31".to_owned(), 200),
        ("/v2/%61/b/tags/list".to_owned(), 200),
        (format!("/v2/a%2Fb/referrers/{}", escaped(&image)), 200),
        ("/v2/%5fcatalog".to_owned(), 200),
        ("/v2/a%252Fb/tags/list".to_owned(), 400),
        ("/v2/%2561/b/tags/list".to_owned(), 400),
        ("/v2/a/b/manifests/v1%2Fx".to_owned(), 400),
        ("/v2/a%2Fb%2Ftags%2Flist".to_owned(), 404),
        ("/v2/a/b/tags%2Flist".to_owned(), 404),
        ("/v2/x%2F..%2Fa%2Fb/tags/list".to_owned(), 400),
        ("/v2/x/%2e%2e/a/b/tags/list".to_owned(), 400),
        ("/v2/a/b%00/tags/list".to_owned(), 400),
        ("/v2/a/b%/tags/list".to_owned(), 400),
        ("/v2/a%5Cb/tags/list".to_owned(), 400),
    ] {
        assert_eq!(get(&server, path.as_str()).await.status, status, "{path}");
    }
    // What is pushed by such a path is where it is pulled from, and its places are said plainly.
    let opened = ask(&server, "POST", "/v2/c%2Fd/blobs/uploads/").send().await;
    assert!(opened.location().starts_with("/v2/c/d/blobs/uploads/"));
    push_blob(&server, "c%2Fd", b"{}").await;
    let pushed = push_manifest(&server, "c%2Fd", "v%31", &manifest(b"{}", &[])).await;
    assert_eq!(pushed.status, 201);
    assert_eq!(get(&server, "/v2/c/d/manifests/v1").await.status, 200);
}

/// However a path is written, the rights are those for what it names.
#[tokio::test]
async fn escapes_are_no_way_around_rights() {
    let registry = Registry::memory()
        .with_basic("ada", "secret")
        .with_basic("eve", "secret")
        .with_access(|user: Option<&str>, path: &str, _| user == Some("ada") || path == "open");
    let server = registry.serve().await.unwrap();
    for path in [
        "/v2/team/app/tags/list",
        "/v2/team%2Fapp/tags/list",
        "/v2/team%2fapp/tags/list",
        "/v2/%74eam/app/tags/list",
        "/v2/team/%61pp/t%61gs/list",
        "/v2/open%2F..%2Fteam%2Fapp/tags/list",
        "/v2/open/../team/app/tags/list",
    ] {
        let status = async |user: &str| {
            let ask = ask(&server, "GET", path).basic(&format!("{user}:secret"));
            ask.send().await.status
        };
        let refused = if path.contains("..") { 400 } else { 403 };
        assert_eq!(status("eve").await, refused, "{path}");
        assert_ne!(status("ada").await, 403, "{path}");
    }
}

async fn conditional(server: &Server, method: &str, path: &str, condition: &str) -> Answer {
    let (name, value) = condition.split_once(": ").unwrap();
    let bytes = manifest(b"{}", &[b"other"]);
    let request = ask(server, method, path).header(name, value);
    let request = if method == "PUT" {
        request.header("Content-Type", MANIFEST).body(bytes)
    } else {
        request
    };
    request.send().await
}

#[tokio::test]
async fn conditions_are_met_before_anything_is_sent() {
    let server = open().await;
    let (_, image) = push_image(&server, "a", "v1").await;
    let layer = digest(b"v1");
    let never = format!("\"sha256:{}\"", "0".repeat(64));
    for (path, digest) in [
        ("/v2/a/manifests/v1".to_owned(), &image),
        (format!("/v2/a/manifests/{image}"), &image),
        (format!("/v2/a/blobs/{layer}"), &layer),
    ] {
        for (condition, status) in [
            (format!("If-None-Match: \"{digest}\""), 304),
            (format!("If-None-Match: W/\"{digest}\""), 304),
            (format!("If-None-Match: {never}, \"{digest}\""), 304),
            (format!("If-None-Match: {digest}"), 304),
            ("If-None-Match: *".to_owned(), 304),
            (format!("If-None-Match: {never}"), 200),
            (format!("If-Match: \"{digest}\""), 200),
            (format!("If-Match: {never}, \"{digest}\""), 200),
            ("If-Match: *".to_owned(), 200),
            (format!("If-Match: W/\"{digest}\""), 412),
            (format!("If-Match: {never}"), 412),
            ("If-Modified-Since: Sat, 29 Oct 2094 19:43:31 GMT".to_owned(), 200),
            (
                "If-Unmodified-Since: Sat, 29 Oct 1994 19:43:31 GMT".to_owned(),
                200,
            ),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = conditional(&server, method, &path, &condition).await;
                assert_eq!(answer.status, status, "{method} {path} {condition}");
                if status == 304 {
                    assert_eq!(answer.header("etag"), Some(format!("\"{digest}\"").as_str()));
                    assert!(answer.body.is_empty() && answer.header("content-length").is_none());
                }
            }
        }
    }
    let missing = conditional(&server, "GET", "/v2/a/manifests/v9", "If-Match: *").await;
    assert_eq!(missing.status, 404);
    for path in [
        "/v2/",
        "/v2/_catalog",
        "/v2/a/tags/list",
        &format!("/v2/a/referrers/{image}"),
    ] {
        assert_eq!(
            conditional(&server, "GET", path, "If-None-Match: *").await.status,
            304,
            "{path}"
        );
        assert_eq!(
            conditional(&server, "GET", path, "If-None-Match: \"x\"")
                .await
                .status,
            200,
            "{path}"
        );
        assert_eq!(
            conditional(&server, "GET", path, "If-Match: \"x\"").await.status,
            412,
            "{path}"
        );
    }
}

/// Who has seen a tag moves it from there only, and who wants a new one takes nobody's.
#[tokio::test]
async fn a_change_needs_its_conditions() {
    let server = open().await;
    let (_, image) = push_image(&server, "a", "v1").await;
    push_blob(&server, "a", b"other").await;
    let other = digest(&manifest(b"{}", &[b"other"]));
    let never = format!("\"sha256:{}\"", "0".repeat(64));
    for (method, path, condition, status) in [
        ("PUT", "/v2/a/manifests/v1", "If-None-Match: *".to_owned(), 412),
        ("PUT", "/v2/a/manifests/v1", format!("If-Match: {never}"), 412),
        (
            "PUT",
            "/v2/a/manifests/v1",
            format!("If-None-Match: \"{image}\""),
            412,
        ),
        ("PUT", "/v2/a/manifests/v2", "If-Match: *".to_owned(), 412),
        ("PUT", "/v2/a/manifests/v2", "If-None-Match: *".to_owned(), 201),
        ("PUT", "/v2/a/manifests/v2", format!("If-Match: \"{other}\""), 201),
        (
            "DELETE",
            "/v2/a/manifests/v2",
            format!("If-Match: \"{image}\""),
            412,
        ),
        (
            "DELETE",
            "/v2/a/manifests/v2",
            format!("If-Match: \"{other}\""),
            202,
        ),
        (
            "DELETE",
            &format!("/v2/a/manifests/{other}"),
            format!("If-Match: {never}"),
            412,
        ),
        (
            "DELETE",
            &format!("/v2/a/blobs/{}", digest(b"other")),
            format!("If-Match: {never}"),
            412,
        ),
        ("PUT", "/v2/a/manifests/v1", format!("If-Match: \"{image}\""), 201),
    ] {
        let answer = conditional(&server, method, path, &condition).await;
        assert_eq!(answer.status, status, "{method} {path} {condition}");
        if status == 412 {
            assert_eq!(answer.code(), "DENIED");
        }
    }
    let now = get(&server, "/v2/a/manifests/v1").await;
    assert_eq!(now.header("docker-content-digest"), Some(other.as_str()));
}

#[tokio::test]
async fn what_is_not_offered_names_what_is() {
    let digest = digest(b"x");
    let paths = [
        ("/v2/", "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS"),
        ("/v2/_catalog", "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS"),
        ("/v2/a/tags/list", "GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS"),
        (
            &format!("/v2/a/referrers/{digest}"),
            "GET, HEAD, OPTIONS",
            "GET, HEAD, OPTIONS",
        ),
        (
            "/v2/a/manifests/v1",
            "GET, HEAD, PUT, DELETE, OPTIONS",
            "GET, HEAD, OPTIONS",
        ),
        (
            &format!("/v2/a/blobs/{digest}"),
            "GET, HEAD, DELETE, OPTIONS",
            "GET, HEAD, OPTIONS",
        ),
        ("/v2/a/blobs/uploads/", "POST, OPTIONS", "OPTIONS"),
        (
            "/v2/a/blobs/uploads/x",
            "GET, HEAD, PATCH, PUT, DELETE, OPTIONS",
            "OPTIONS",
        ),
        ("/token", "GET, HEAD, POST, OPTIONS", "GET, HEAD, POST, OPTIONS"),
    ];
    let open = open().await;
    let read_only = Registry::memory().with_read_only(true).serve().await.unwrap();
    for (path, all, reads) in paths {
        for (server, allowed) in [(&open, all), (&read_only, reads)] {
            let refused = ask(server, "BREW", path).send().await;
            assert_eq!(
                (refused.status, refused.header("allow")),
                (405, Some(allowed)),
                "{path}"
            );
            let options = ask(server, "OPTIONS", path).send().await;
            assert_eq!(
                (options.status, options.header("allow")),
                (204, Some(allowed)),
                "{path}"
            );
        }
    }
    assert_eq!(ask(&open, "OPTIONS", "*").send().await.status, 204);
    for (method, path) in [
        ("PUT", "/v2/a/manifests/v1"),
        ("DELETE", "/v2/a/manifests/v1"),
        ("POST", "/v2/a/blobs/uploads/"),
        ("PATCH", "/v2/a/blobs/uploads/x"),
    ] {
        let refused = ask(&read_only, method, path).send().await;
        assert_eq!(refused.status, 405, "{method} {path}");
        assert!(!refused.header("allow").unwrap().contains(method));
    }
    let kept = Registry::memory().with_delete(false).serve().await.unwrap();
    let refused = ask(&kept, "DELETE", "/v2/a/manifests/v1").send().await;
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("GET, HEAD, PUT, OPTIONS"))
    );
}

#[tokio::test]
async fn every_401_says_how_to_log_in() {
    let basic = Registry::memory()
        .with_basic("ada", "secret")
        .serve()
        .await
        .unwrap();
    let tokens = Registry::memory().with_basic("ada", "secret").with_tokens();
    let tokens = tokens.serve().await.unwrap();
    let anonymous = Registry::memory()
        .with_basic("ada", "secret")
        .with_anonymous(true);
    let anonymous = anonymous.serve().await.unwrap();
    for (server, method, path, scheme) in [
        (&basic, "GET", "/v2/", "Basic "),
        (&basic, "HEAD", "/v2/a/manifests/v1", "Basic "),
        (&basic, "PUT", "/v2/a/manifests/v1", "Basic "),
        (&tokens, "GET", "/v2/", "Bearer "),
        (&tokens, "GET", "/v2/_catalog", "Bearer "),
        (&tokens, "POST", "/v2/a/blobs/uploads/", "Bearer "),
        (&tokens, "GET", "/token?scope=repository:a:pull", "Basic "),
        (&anonymous, "GET", "/v2/", "Basic "),
        (&anonymous, "POST", "/v2/a/blobs/uploads/", "Basic "),
    ] {
        for login in [None, Some("ada:wrong"), Some("eve:secret")] {
            let request = ask(server, method, path);
            let request = match login {
                Some(login) => request.basic(login),
                None => request,
            };
            let answer = request.send().await;
            assert_eq!(answer.status, 401, "{method} {path} {login:?}");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with(scheme), "{method} {path}: {challenge}");
        }
    }
    let form = ask(&tokens, "POST", "/token").body("grant_type=password&username=ada&password=x");
    assert!(form.send().await.header("www-authenticate").is_some());
}

/// Who needs no login to pull is told that there are logins, and pulls without one.
#[tokio::test]
async fn a_login_is_asked_for_where_pulls_need_none() {
    let registry = Registry::memory()
        .with_basic("ada", "secret")
        .with_anonymous(true);
    let server = registry.serve().await.unwrap();
    let login = async |method: &str, path: &str, login: Option<&str>| {
        let request = ask(&server, method, path);
        let request = match login {
            Some(login) => request.basic(login),
            None => request,
        };
        request.send().await.status
    };
    for (method, path, none, empty, right, wrong) in [
        ("GET", "/v2/", 401, 401, 200, 401),
        ("GET", "/v2/a/tags/list", 404, 404, 404, 401),
        ("HEAD", "/v2/a/manifests/v1", 404, 404, 404, 401),
        ("GET", "/v2/_catalog", 200, 200, 200, 401),
        ("POST", "/v2/a/blobs/uploads/", 401, 401, 202, 401),
        ("DELETE", "/v2/a/manifests/v1", 401, 401, 404, 401),
    ] {
        assert_eq!(login(method, path, None).await, none, "{method} {path}");
        assert_eq!(login(method, path, Some(":")).await, empty, "{method} {path}");
        assert_eq!(
            login(method, path, Some("ada:secret")).await,
            right,
            "{method} {path}"
        );
        assert_eq!(
            login(method, path, Some("ada:wrong")).await,
            wrong,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_request_has_one_host() {
    let server = open().await;
    for (heads, status) in [
        ("Host: x\r\n", 200),
        ("Host: 127.0.0.1:5000\r\n", 200),
        ("Host:\r\n", 200),
        ("", 400),
        ("Host: a\r\nHost: b\r\n", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: ada:secret@a\r\n", 400),
    ] {
        let request = format!("GET /v2/ HTTP/1.1\r\nConnection: close\r\n{heads}\r\n");
        let answer = exchange(&server, request.as_bytes(), false).await;
        assert_eq!(answer.status, status, "{heads:?}");
    }
    let old = exchange(&server, b"GET /v2/ HTTP/1.0\r\n\r\n", false).await;
    assert_eq!(old.status, 200);
    let absolute = b"GET http://elsewhere.example/v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(&server, absolute, false).await.status, 200);
    let logged = server.requests();
    assert_eq!(logged.iter().filter(|request| request.status() == 400).count(), 5);
}

/// HEAD is GET without the body, of failures too.
#[tokio::test]
async fn head_is_answered_as_get_is() {
    let server = open().await;
    let (_, image) = push_image(&server, "a", "v1").await;
    let layer = digest(b"v1");
    for path in [
        "/v2/".to_owned(),
        "/v2/_catalog?n=1".to_owned(),
        "/v2/a/tags/list".to_owned(),
        "/v2/a/manifests/v1".to_owned(),
        format!("/v2/a/manifests/{image}"),
        format!("/v2/a/blobs/{layer}"),
        format!("/v2/a/referrers/{image}"),
        "/v2/a/manifests/v2".to_owned(),
        "/v2/none/tags/list".to_owned(),
        "/v2/A/tags/list".to_owned(),
        "/nothing".to_owned(),
        "/v2/a/tags/list?n=x".to_owned(),
    ] {
        let (get, head) = (
            get(&server, path.as_str()).await,
            ask(&server, "HEAD", path.as_str()).send().await,
        );
        let headers = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "date");
            headers.sort();
            headers
        };
        assert_eq!(
            (get.status, headers(&get)),
            (head.status, headers(&head)),
            "{path}"
        );
    }
    // Ranges are a matter of GET alone (RFC 9110, 14.2).
    let blob = format!("/v2/a/blobs/{layer}");
    let head = ask(&server, "HEAD", blob)
        .header("Range", "bytes=0-0")
        .send()
        .await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("2")));
}

/// What cannot be mounted is an upload (distribution-spec, *Mounting a blob from another repository*).
#[tokio::test]
async fn a_mount_that_cannot_be_done_is_an_upload() {
    let server = open().await;
    let blob = push_blob(&server, "a", b"content").await;
    for (from, status) in [
        ("a", 201),
        ("%61", 201),
        ("none", 202),
        ("", 202),
        ("A", 202),
        ("../a", 202),
        ("a/", 202),
        ("https://other.example/a", 202),
        ("a%00", 202),
    ] {
        let path = format!("/v2/b/blobs/uploads/?mount={blob}&from={from}");
        assert_eq!(ask(&server, "POST", path).send().await.status, status, "{from}");
    }
    // A digest that no blob has, or none at all, in a mount that therefore cannot be done.
    for mount in [
        "",
        "sha256",
        "sha256:",
        "sha256:short",
        "SHA256:{hex}",
        "sha384:{hex}",
        "sha512:{hex}",
        "..%2F..%2Fsecret",
        "%00",
    ] {
        let mount = mount.replace("{hex}", &"a".repeat(64));
        for from in ["&from=a", ""] {
            let path = format!("/v2/b/blobs/uploads/?mount={mount}{from}");
            let answer = ask(&server, "POST", path).send().await;
            assert_eq!(answer.status, 202, "{mount}{from}");
            assert!(
                answer.location().contains("/v2/b/blobs/uploads/"),
                "{mount}{from}"
            );
        }
    }
}
