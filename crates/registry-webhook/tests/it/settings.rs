use std::fmt::Write as _;

use wharf_content::ErrorKind;
use wharf_http::ReqwestConnector;
use wharf_registry::{Delivery, Subscriber as _};
use wharf_registry_webhook::{Webhook, WebhookBuilder};
use wharf_testkit::hostile::{Answer, Match, OriginOptions, Stage};

use super::{build, event};

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let url = Webhook::builder;
    let header = |name, value| url("https://hooks.test/").with_header(name, value);
    let refused: [(WebhookBuilder, &str); 15] = [
        (url("http://hooks.test/"), "https"),
        (url("hooks.test"), "URL"),
        (url(""), "URL"),
        (url("https://"), "URL"),
        (url("ftp://hooks.test/"), "http"),
        (url("file:///etc/passwd").dangerous_plain_http(), "http"),
        (url("https://user:canary@hooks.test/"), "header"),
        (url("https://user@hooks.test/"), "header"),
        (header("Host", "other.test"), "host"),
        (header("content-length", "1"), "content-length"),
        (header("Transfer-Encoding", "chunked"), "transfer-encoding"),
        (
            header("X-Wharf-Signature-256", "sha256=canary"),
            "x-wharf-signature-256",
        ),
        (url("https://hooks.test/").with_key(""), "key"),
        (header("two words", "canary"), "name of a header"),
        (header("X-Token", "canary\r\nX-More: 1"), "x-token"),
    ];
    for (builder, named) in refused {
        let error = builder.build(&ReqwestConnector::new()).expect_err(named);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(named), "{named}: {error}");
        assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn plain_http_is_used_where_it_is_allowed() {
    let event = event().await;
    let stage = Stage::new();
    let endpoint = stage
        .origin_with("hooks.test", OriginOptions::default().plain())
        .await;
    endpoint.on(Match::any(), Answer::ok(""));
    let url = format!("http://{}/", endpoint.address());
    let webhook = build(&stage, Webhook::builder(&url).dangerous_plain_http());
    let delivered = webhook.deliver(&event).await.expect("it is accepted");
    assert_eq!(delivered, Delivery::Accepted);
    assert_eq!(endpoint.requests().len(), 1);
}

/// A canary stands in the URL's path and query, in a header and in the key.
#[tokio::test]
async fn secrets_are_shown_nowhere() {
    let event = event().await;
    let stage = Stage::new();
    let endpoint = stage.origin("hooks.test").await;
    let secret = |field: &str| stage.secret(field, &[&endpoint]);
    let url = format!(
        "https://hooks.test/services/{}?token={}",
        secret("path"),
        secret("query")
    );
    let key = stage.secret("key", &[]);
    let builder = || {
        Webhook::builder(&url)
            .with_header("Authorization", &format!("Bearer {}", secret("header")))
            .with_key(&key)
    };
    let mut told = format!("{:?} {:#?}\n", builder(), builder());
    let webhook = build(&stage, builder());
    writeln!(told, "{webhook:?} {webhook:#?} {}", webhook.name()).expect("a string");
    for status in [301, 404, 500] {
        endpoint.clear().on(Match::any(), Answer::new(status));
        let error = webhook.deliver(&event).await.expect_err("it is refused");
        assert!(
            error.to_string().contains("https://hooks.test answered"),
            "{error}"
        );
        writeln!(told, "{error} {error:?} {error:#?}").expect("a string");
    }
    let absent = url.replace("hooks.test", "absent.test");
    let webhook = build(&stage, Webhook::builder(&absent).with_key(&key));
    let error = webhook.deliver(&event).await.expect_err("there is nobody");
    writeln!(told, "{error} {error:?} {error:#?}").expect("a string");
    stage.inspect_text("what was shown", &told); // and, when the stage goes, the log
}

#[test]
fn names_differ_as_urls_do() {
    let name = |url: &str| {
        let webhook = Webhook::builder(url)
            .build(&ReqwestConnector::new())
            .expect("a webhook");
        webhook.name()
    };
    let one = name("https://hooks.test/a?b");
    assert_eq!(one, name("https://hooks.test/a?b"));
    for other in [
        "https://hooks.test/a?c",
        "https://hooks.test/b",
        "https://other.test/a?b",
    ] {
        assert_ne!(one, name(other));
    }
}
