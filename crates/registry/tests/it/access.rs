use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wharf_registry::Registry;

use crate::wire::{ask, get};

#[tokio::test]
async fn basic_credentials_are_asked_for_and_checked() {
    let server = Registry::memory()
        .with_basic("ada", "secret")
        .serve()
        .await
        .unwrap();
    let challenged = get(&server, "/v2/").await;
    assert_eq!(challenged.status, 401);
    assert_eq!(
        challenged.header("www-authenticate"),
        Some("Basic realm=\"registry\"")
    );
    assert_eq!(challenged.code(), "UNAUTHORIZED");
    for (credentials, status) in [
        ("ada:secret", 200),
        ("ada:wrong", 401),
        ("eve:secret", 401),
        ("ada", 401),
    ] {
        let answer = ask(&server, "GET", "/v2/").basic(credentials).send().await;
        assert_eq!(answer.status, status, "{credentials}");
    }
}

#[tokio::test]
async fn nobody_logs_in_by_a_name_that_cannot_be_recorded() {
    for (user, status) in [
        ("a\0b".to_owned(), 401),
        ("a\nb".to_owned(), 200),
        ("u".repeat(1025), 401),
        ("u".repeat(1024), 200),
    ] {
        let server = Registry::memory()
            .with_basic(&user, "secret")
            .serve()
            .await
            .unwrap();
        let credentials = format!("{user}:secret");
        let answer = ask(&server, "GET", "/v2/").basic(&credentials).send().await;
        assert_eq!(answer.status, status, "{} bytes", user.len());
    }
}

/// A client that sends everything before it reads must not lose the answer to a connection that was reset.
#[tokio::test]
async fn an_early_answer_reaches_who_is_still_sending() {
    let registry = Registry::memory().with_basic("ada", "secret");
    let server = registry.serve().await.unwrap();
    for head in ["Content-Length: 16777216", "Transfer-Encoding: chunked"] {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = format!("PUT /v2/lib/app/manifests/v1 HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = [b"100000\r\n".as_slice(), &vec![b'x'; 0x10_0000], b"\r\n"].concat();
        for _ in 0..15 {
            stream.write_all(&piece).await.unwrap();
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 401 "));
        assert!(String::from_utf8(answer).unwrap().contains("UNAUTHORIZED"));
    }
}

#[tokio::test]
async fn credentials_are_exchanged_for_tokens() {
    let server = Registry::memory()
        .with_basic("ada", "secret")
        .with_tokens()
        .serve()
        .await
        .unwrap();
    let challenged = get(&server, "/v2/lib/app/tags/list").await;
    assert_eq!(challenged.status, 401);
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"registry\",scope=\"repository:lib/app:pull\"",
        server.address()
    );
    assert_eq!(challenged.header("www-authenticate"), Some(challenge.as_str()));
    let path = "/token?service=registry&scope=repository:lib/app:pull";
    assert_eq!(get(&server, path).await.status, 401);
    let answer = ask(&server, "GET", path).basic("ada:secret").send().await;
    assert_eq!(answer.status, 200);
    let token = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    let ask = |method, path| ask(&server, method, path).header("Authorization", &token).send();
    assert_eq!(ask("GET", "/v2/").await.status, 200);
    assert_eq!(ask("GET", "/v2/lib/app/tags/list").await.status, 404);
    for (method, path) in [
        ("POST", "/v2/lib/app/blobs/uploads/"),
        ("GET", "/v2/lib/other/tags/list"),
    ] {
        let refused = ask(method, path).await;
        assert_eq!(refused.status, 401, "{path}");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    }
    server.service().revoke_tokens().await.unwrap();
    assert_eq!(ask("GET", "/v2/").await.status, 401);
    assert_eq!(server.service().tokens_issued(), 1);
}

#[tokio::test]
async fn tokens_for_everybody_and_by_form() {
    let registry = Registry::memory()
        .with_basic("ada", "secret")
        .with_tokens()
        .with_anonymous(true);
    let server = registry.serve().await.unwrap();
    let scope = "scope=repository:lib/app:pull,push";
    let allowed = async |token: &serde_json::Value, method| {
        let token = format!("Bearer {}", token["token"].as_str().unwrap());
        let path = match method {
            "GET" => "/v2/lib/app/tags/list",
            _ => "/v2/lib/app/blobs/uploads/",
        };
        let answer = ask(&server, method, path)
            .header("Authorization", &token)
            .send()
            .await;
        answer.status != 401
    };
    let anonymous = get(&server, format!("/token?{scope}")).await.json();
    assert!(allowed(&anonymous, "GET").await);
    assert!(!allowed(&anonymous, "POST").await);
    let form = |password: &str| {
        let body = format!(
            "grant_type=password&service=registry&client_id=x&username=ada&password={password}&{scope}"
        );
        ask(&server, "POST", "/token")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    };
    let named = form("secret").send().await.json();
    assert_eq!(named["expires_in"], 300);
    assert!(allowed(&named, "GET").await && allowed(&named, "POST").await);
    assert_eq!(form("wrong").send().await.status, 401);
    let grant = ask(&server, "POST", "/token").body("grant_type=refresh_token&refresh_token=x");
    assert_eq!(grant.send().await.status, 400);
    assert_eq!(
        ask(&server, "POST", "/token")
            .body("x".repeat(70_000))
            .send()
            .await
            .status,
        413
    );
}

#[tokio::test(start_paused = true)]
async fn tokens_expire() {
    let registry = Registry::memory().with_token_lifetime(std::time::Duration::from_secs(60));
    let call = async |path: &str, token: &str| {
        let request = http::Request::get(path).header("authorization", format!("Bearer {token}"));
        let response = registry
            .handle(request.body(http_body_util::Empty::new()).unwrap())
            .await;
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes();
        (
            status,
            serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
        )
    };
    let request = http::Request::get("/token")
        .body(http_body_util::Empty::new())
        .unwrap();
    let answer = registry.handle(request).await.into_body();
    let answer = http_body_util::BodyExt::collect(answer).await.unwrap().to_bytes();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let token = answer["token"].as_str().unwrap();
    tokio::time::advance(std::time::Duration::from_secs(59)).await;
    assert_eq!(call("/v2/", token).await.0, 200);
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    assert_eq!(call("/v2/", token).await.0, 401);
    for bad in ["", "x", "Basic", "ä"] {
        assert_eq!(call("/v2/", bad).await.0, 401);
    }
}
