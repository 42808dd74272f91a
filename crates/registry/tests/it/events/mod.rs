//! Events: what subscribers are told, and when.

mod golden;
mod senders;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::mpsc;
use wharf_content::{Error, ErrorKind, Sink as _, Source as _, Target};
use wharf_registry::{Delivery, Event, EventAction, EventFormat, EventOptions, Registry, Subscriber};

use crate::wire::{ask, digest, get, push_blob, push_image};

/// Accepts every event and passes it on.
#[derive(Clone)]
pub(super) struct Accepting(mpsc::UnboundedSender<Event>);

impl Accepting {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }
}

#[async_trait]
impl Subscriber for Accepting {
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
        self.0.send(event.clone()).expect("the test listens");
        Ok(Delivery::Accepted)
    }
}

fn line(event: &Event) -> String {
    let target = &event.target;
    let kind = match (&target.media_type, &target.digest) {
        (Some(media_type), _) => media_type.as_str().rsplit('/').next().expect("a part"),
        (None, Some(_)) => "digest",
        (None, None) => "",
    };
    let tag = target
        .tag
        .as_ref()
        .map(|tag| format!(":{tag}"))
        .unwrap_or_default();
    let from = target.from_repository.as_ref();
    let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
    let user = event.actor.name.as_deref().unwrap_or("-");
    let action = format!("{:?}", event.action).to_lowercase();
    format!(
        "{action} {}{tag} {kind}{from} {} {user}",
        target.repository, event.request.method
    )
}

#[cfg(feature = "conformance")]
#[tokio::test]
async fn outboxes_in_memory_conform() {
    use wharf_registry::{Backend as _, DiskBackend, MemoryBackend, conformance::check_outbox};

    let memory = MemoryBackend::default();
    let outbox = memory.outbox().expect("an outbox");
    let checks = check_outbox(&memory, outbox, outbox).await.expect("it conforms");
    assert!(checks > 40, "{checks}");
    let root = tempfile::tempdir().expect("a directory");
    let disk = DiskBackend::open(root.path()).await.expect("a backend");
    let outbox = disk.outbox().expect("an outbox");
    assert_eq!(
        check_outbox(&disk, outbox, outbox).await.expect("it conforms"),
        checks
    );
}

#[tokio::test]
async fn every_change_is_told_in_order_and_no_failure_is() {
    let (accepting, mut told) = Accepting::new();
    let registry = Registry::memory()
        .with_basic("ada", "secret")
        .with_anonymous(true);
    let registry = registry
        .with_subscriber("test", accepting)
        .await
        .expect("an outbox");
    let server = registry.serve().await.expect("a port");
    let send = async |method: &str, path: &str| {
        let asked = ask(&server, method, path)
            .basic("ada:secret")
            .header("User-Agent", "test/1");
        asked.send().await.status
    };
    let config = digest(b"{}");
    let manifest = crate::wire::manifest(b"{}", &[]);
    let push = |target: &str| {
        let asked = ask(&server, "PUT", format!("/v2/a/manifests/{target}")).basic("ada:secret");
        asked
            .header("Content-Type", crate::wire::MANIFEST)
            .body(manifest.clone())
            .send()
    };
    assert_eq!(push("early").await.status, 400, "its config is missing");
    let blob = format!("/v2/a/blobs/uploads/?digest={config}");
    let pushed = ask(&server, "POST", blob)
        .basic("ada:secret")
        .body("{}")
        .send()
        .await;
    assert_eq!(pushed.status, 201);
    assert_eq!(push("v1").await.status, 201);
    assert_eq!(
        push(&format!("{}?tag=v2&tag=v3", digest(&manifest))).await.status,
        201
    );
    assert_eq!(push(digest(&manifest).as_str()).await.status, 201);
    let mount = format!("/v2/b/blobs/uploads/?mount={config}&from=a");
    assert_eq!(send("POST", &mount).await, 201);
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.status, 200);
    assert_eq!(send("DELETE", "/v2/a/manifests/v1").await, 202);
    assert_eq!(send("DELETE", "/v2/a/manifests/v1").await, 404);
    assert_eq!(
        send("DELETE", &format!("/v2/a/manifests/{}", digest(&manifest))).await,
        202
    );
    assert_eq!(send("DELETE", &format!("/v2/a/blobs/{config}")).await, 202);
    assert_eq!(send("DELETE", &format!("/v2/a/blobs/{config}")).await, 404);
    let mut lines = Vec::new();
    let mut numbers = Vec::new();
    while lines.len() < 9 {
        let event = told.recv().await.expect("an event");
        assert_eq!(event.source.addr, Some(server.address().to_string()));
        assert_eq!(event.request.host, Some(server.address().to_string()));
        assert_eq!(event.request.addr.as_deref(), Some("127.0.0.1"));
        if event.target.repository.as_str() == "a" {
            lines.push(line(&event));
            numbers.push(event.number.expect("a number"));
        } else {
            assert_eq!(line(&event), "mount b octet-stream from a POST ada");
            lines.push("mount".to_owned());
        }
    }
    lines.retain(|line| line != "mount"); // of another repository, to which no order holds
    let image = "vnd.oci.image.manifest.v1+json";
    assert_eq!(
        lines,
        [
            "push a octet-stream POST ada".to_owned(),
            format!("push a:v1 {image} PUT ada"),
            format!("push a:v2 {image} PUT ada"),
            format!("push a:v3 {image} PUT ada"),
            format!("push a {image} PUT ada"),
            "delete a:v1  DELETE ada".to_owned(),
            "delete a digest DELETE ada".to_owned(),
            "delete a digest DELETE ada".to_owned(),
        ]
    );
    assert!(numbers.is_sorted(), "{numbers:?}");
    server.shutdown().await;
    assert!(told.recv().await.is_none(), "nothing else is told");
}

/// The subscriber of a cluster: it pulls what it is told of.
struct Pulling {
    registry: Mutex<Option<Registry>>,
    pulled: mpsc::UnboundedSender<Result<u64, ErrorKind>>,
}

#[async_trait]
impl Subscriber for Pulling {
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
        let registry = self
            .registry
            .lock()
            .expect("no panic")
            .clone()
            .expect("it is set");
        let repository = registry.repository(event.target.repository.as_str())?;
        if let (Some(digest), Some(true)) = (
            &event.target.digest,
            event
                .target
                .media_type
                .as_ref()
                .map(wharf_content::MediaType::is_manifest),
        ) {
            let manifest = repository.manifest(&Target::Digest(digest.clone())).await;
            let pulled = manifest.map(|manifest| manifest.bytes().len() as u64);
            self.pulled
                .send(pulled.map_err(|error| error.kind()))
                .expect("the test listens");
        }
        Ok(Delivery::Accepted)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_can_be_pulled_at_once() {
    let (pulled, mut results) = mpsc::unbounded_channel();
    let pulling = Arc::new(Pulling {
        registry: Mutex::default(),
        pulled,
    });
    let registry = Registry::memory();
    let registry = registry
        .with_subscriber("cluster", Arc::clone(&pulling))
        .await
        .expect("an outbox");
    *pulling.registry.lock().expect("no panic") = Some(registry.clone());
    let server = registry.serve().await.expect("a port");
    for number in 0..20 {
        let (bytes, _) = push_image(&server, "lib/app", &format!("v{number}")).await;
        assert_eq!(results.recv().await.expect("it is told"), Ok(bytes.len() as u64));
    }
}

#[tokio::test]
async fn pulls_are_told_if_they_are_wanted() {
    for wanted in [false, true] {
        let (accepting, mut told) = Accepting::new();
        let registry = Registry::memory().with_event_options(EventOptions::default().with_pulls(wanted));
        let registry = registry
            .with_subscriber("test", accepting)
            .await
            .expect("an outbox");
        let server = registry.serve().await.expect("a port");
        push_image(&server, "a", "v1").await;
        let blob = push_blob(&server, "a", b"layer").await;
        loop {
            let event = told.recv().await.expect("an event");
            assert_eq!(event.action, EventAction::Push);
            if event.target.digest.as_ref() == Some(&blob) {
                break; // the last of the pushes
            }
        }
        assert_eq!(get(&server, "/v2/a/manifests/v1").await.status, 200);
        assert_eq!(
            ask(&server, "HEAD", format!("/v2/a/blobs/{blob}"))
                .send()
                .await
                .status,
            200
        );
        assert_eq!(get(&server, "/v2/a/manifests/none").await.status, 404);
        let mut lines = Vec::new();
        if wanted {
            for _ in 0..2 {
                let event = told.recv().await.expect("an event");
                assert_eq!(event.number, None);
                lines.push(line(&event));
            }
        }
        server.shutdown().await;
        while let Some(event) = told.recv().await {
            lines.push(line(&event));
        }
        let expected: &[&str] = if wanted {
            &[
                "pull a:v1 vnd.oci.image.manifest.v1+json GET -",
                "pull a octet-stream HEAD -",
            ]
        } else {
            &[]
        };
        assert_eq!(lines, expected);
    }
}

#[tokio::test]
async fn a_change_in_the_process_is_told_too() {
    let (accepting, mut told) = Accepting::new();
    let registry = Registry::memory()
        .with_subscriber("test", accepting)
        .await
        .expect("an outbox");
    let registry = registry.with_external_url("https://registry.example.com");
    let config = wharf_content::ImageConfig::builder(wharf_content::Platform::host())
        .build()
        .expect("a config");
    let image = wharf_content::ImageBuilder::new()
        .with_config(config)
        .build()
        .expect("an image");
    let repository = registry.repository("lib/app").expect("a path");
    let name = wharf_content::Name::parse("v1").expect("a name");
    wharf_content::SinkExt::push_image(&repository, &image, Some(&name))
        .await
        .expect("it is pushed");
    let delivering = registry.clone();
    let delivering = tokio::spawn(async move { delivering.deliver_events().await });
    let blob = told.recv().await.expect("an event");
    assert_eq!(line(&blob), "push lib/app octet-stream  -");
    let manifest = told.recv().await.expect("an event");
    let url = format!(
        "https://registry.example.com/v2/lib/app/manifests/{}",
        image.digest()
    );
    assert_eq!(manifest.target.url, Some(url));
    assert_eq!(manifest.source.addr.as_deref(), Some("registry.example.com"));
    assert_ne!(manifest.request.id, "", "{manifest:?}");
    let target = Target::Digest(image.digest().clone());
    let again = repository.manifest(&target).await.expect("it is there");
    repository
        .push_manifest(&again, None)
        .await
        .expect("it is pushed again");
    assert_eq!(told.recv().await.expect("an event").target.tag, None);
    delivering.abort();
}

/// Text of clients stands in events as they sent it, but never long, and never outside of a JSON string.
#[tokio::test]
async fn text_of_clients_is_bounded_and_stays_text() {
    let (accepting, mut told) = Accepting::new();
    let registry = Registry::memory()
        .with_subscriber("test", accepting)
        .await
        .expect("an outbox");
    let server = registry.serve().await.expect("a port");
    for agent in [
        "\",\"action\":\"delete",
        "\\\"}]}",
        "a\tb",
        "\u{1f980}\u{202e}",
        &"x".repeat(5000),
        "",
    ] {
        let blob = format!("/v2/a/blobs/uploads/?digest={}", digest(b"{}"));
        let pushed = ask(&server, "POST", blob)
            .header("User-Agent", agent)
            .body("{}")
            .send()
            .await;
        assert_eq!(pushed.status, 201);
        let event = told.recv().await.expect("an event");
        let expected = agent.chars().take(256).collect::<String>();
        for format in [EventFormat::Distribution, EventFormat::CloudEvents] {
            let body = format.body(&event).expect("JSON");
            assert!(body.len() < 4096, "{}", body.len());
            let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            let event = json.get("data").unwrap_or_else(|| &json["events"][0]);
            assert_eq!(event["request"]["useragent"], expected);
            assert_eq!(event["action"], "push");
        }
    }
}
