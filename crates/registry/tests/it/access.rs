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
    server.service().revoke_tokens();
    assert_eq!(ask("GET", "/v2/").await.status, 401);
    assert_eq!(server.service().tokens_issued(), 1);
}
