use std::fmt::Write as _;

use ring::hmac;
use wharf_registry::{Delivery, EventFormat, Registry, Subscriber as _};
use wharf_registry_webhook::Webhook;
use wharf_testkit::hostile::{Answer, Match, Stage};

use super::{build, event, push};

#[tokio::test]
async fn an_event_is_posted_with_its_headers_and_its_signature() {
    let event = event().await;
    for format in [EventFormat::Distribution, EventFormat::CloudEvents] {
        let stage = Stage::new();
        let endpoint = stage.origin("hooks.test").await;
        endpoint.on(Match::on("POST", "/registry"), Answer::ok(""));
        let (token, key) = (stage.secret("token", &[&endpoint]), stage.secret("key", &[]));
        let builder = Webhook::builder("https://hooks.test/registry?room=1")
            .with_format(format)
            .with_header("Authorization", &format!("Bearer {token}"))
            .with_header("X-Team", "one")
            .with_key(&key);
        let webhook = build(&stage, builder);
        assert_eq!(
            webhook.deliver(&event).await.expect("it is accepted"),
            Delivery::Accepted
        );
        let [request] = endpoint.requests().try_into().expect("one request");
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/registry?room=1")
        );
        assert_eq!(request.body, format.body(&event).expect("JSON"));
        let mut signature = "sha256=".to_owned();
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        for byte in hmac::sign(&key, &request.body).as_ref() {
            write!(signature, "{byte:02x}").expect("a string");
        }
        let number = event.number.expect("a number").to_string();
        for (name, value) in [
            ("content-type", format.media_type()),
            ("x-wharf-event-number", &number),
            ("x-wharf-signature-256", &signature),
            ("authorization", &format!("Bearer {token}")),
            ("x-team", "one"),
            ("content-length", &request.body.len().to_string()),
            ("host", "hooks.test"),
        ] {
            assert_eq!(request.header(name), Some(value), "{name}");
        }
    }
}

/// An event has the same bytes and the same signature each time.
#[tokio::test]
async fn a_repeated_event_is_the_same_to_the_byte() {
    let event = event().await;
    let stage = Stage::new();
    let endpoint = stage.origin("hooks.test").await;
    endpoint.on(Match::any(), Answer::ok(""));
    let webhook = build(&stage, Webhook::builder("https://hooks.test/").with_key("key"));
    for _ in 0..3 {
        assert_eq!(
            webhook.deliver(&event).await.expect("it is accepted"),
            Delivery::Accepted
        );
    }
    let requests = endpoint.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request.body, requests[0].body);
        let signature = request.header("x-wharf-signature-256");
        assert_eq!(signature, requests[0].header("x-wharf-signature-256"));
    }
}

#[tokio::test]
async fn a_registry_tells_an_endpoint_of_its_pushes_in_order() {
    let stage = Stage::new();
    let endpoint = stage.origin("hooks.test").await;
    endpoint.on(Match::any(), Answer::new(204));
    let webhook = build(&stage, Webhook::builder("https://hooks.test/"));
    let name = webhook.name();
    assert!(name.starts_with("https://hooks.test "), "{name}");
    let registry = Registry::memory()
        .with_subscriber(&name, webhook)
        .await
        .expect("an outbox");
    for number in 0..20 {
        push(&registry, &number.to_string()).await;
    }
    let told = async {
        while endpoint.requests().len() < 20 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = registry.deliver_events() => unreachable!("it is subscribed"),
        () = told => {}
    }
    let numbers = endpoint.requests().into_iter().map(|request| {
        let number = request.header("x-wharf-event-number").expect("a number");
        number.parse::<u64>().expect("a number")
    });
    let numbers = numbers.collect::<Vec<_>>();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}
