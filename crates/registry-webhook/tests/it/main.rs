//! Webhooks against endpoints that accept, refuse and attack.
#![expect(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

mod hostile;
mod requests;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;
use wharf_content::{Blob, Error, MediaType, Sink as _};
use wharf_http::{ReqwestConnector, TlsSettings};
use wharf_registry::{Delivery, Event, Registry, Subscriber};
use wharf_registry_webhook::{Webhook, WebhookBuilder};
use wharf_testkit::hostile::Stage;

/// A webhook that reaches the hosts of a stage.
fn build(stage: &Stage, builder: WebhookBuilder) -> Webhook {
    let connector = ReqwestConnector::new().with_dns_resolver(Arc::new(stage.names()));
    let tls = TlsSettings::default().with_root_pem(stage.ca().pem());
    builder.with_tls(tls).build(&connector).expect("a webhook")
}

/// Passes events on.
struct Capture(mpsc::UnboundedSender<Event>);

#[async_trait]
impl Subscriber for Capture {
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
        self.0.send(event.clone()).expect("the test listens");
        Ok(Delivery::Accepted)
    }
}

/// Pushes a blob to `lib/app`.
async fn push(registry: &Registry, text: &str) {
    let blob = Blob::of(MediaType::OCTET_STREAM, text.as_bytes().to_vec());
    let repository = registry.repository("lib/app").expect("a path");
    repository.push_blob(blob).await.expect("it is pushed");
}

/// The event of a push.
async fn event() -> Event {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let registry = Registry::memory()
        .with_subscriber("test", Capture(sender))
        .await
        .expect("an outbox");
    push(&registry, "layer").await;
    tokio::select! {
        () = registry.deliver_events() => unreachable!("it is subscribed"),
        event = receiver.recv() => event.expect("an event"),
    }
}
