//! Credentials and plain http.

use serde_json::json;
use wharf::{Client, Credential, ErrorKind, Registry};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, header_exists},
};

/// A registry that wants a login, under a name that is this machine but not its loopback address.
async fn locked() -> (MockServer, Registry) {
    let server = MockServer::start().await;
    let tags = json!({"name": "app", "tags": ["v1"]});
    Mock::given(header_exists("authorization"))
        .respond_with(ResponseTemplate::new(200).set_body_json(tags))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(401).insert_header("www-authenticate", "Basic realm=\"r\""))
        .mount(&server)
        .await;
    let registry = Registry::parse(&format!("0.0.0.0:{}", server.address().port())).unwrap();
    (server, registry)
}

#[tokio::test]
async fn the_facade_sends_credentials_over_plain_http_only_when_told_to() {
    let (server, registry) = locked().await;
    let image = format!("{registry}/app");
    let builder = || {
        Client::builder()
            .with_plain_http(registry.clone())
            .with_credential(registry.clone(), Credential::basic("ada", "secret"))
    };

    let error = builder().build().unwrap().tags(&image).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Blocked, "{error}");
    let sent = server.received_requests().await.unwrap();
    assert!(!sent.is_empty(), "it was asked");
    assert!(
        sent.iter()
            .all(|request| !request.headers.contains_key("authorization"))
    );

    let other = Registry::parse("other.example").unwrap();
    let wrong = builder().dangerous().allow_plaintext_credentials(other);
    assert!(wrong.build().unwrap().tags(&image).await.is_err());

    let told = builder()
        .dangerous()
        .allow_plaintext_credentials(registry.clone());
    assert_eq!(told.build().unwrap().tags(&image).await.unwrap().len(), 1);
}
