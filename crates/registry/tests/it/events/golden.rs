//! The shapes of events, compared with those of Docker's registry.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wharf_registry::{EventFormat, EventOptions, Registry};
use wharf_testkit::{
    DockerRegistry,
    hostile::{Answer, Match, OriginOptions, Stage},
    require_peers,
};

use super::Accepting;
use crate::wire::{self, MANIFEST, digest};

/// Sends one request as it is to any registry.
async fn send(registry: &str, method: &str, path: &str, media_type: &str, body: &[u8]) -> wire::Answer {
    let mut stream = TcpStream::connect(registry).await.expect("the registry listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {registry}\r\nUser-Agent: test/1\r\nConnection: close\r\n\
         Content-Type: {media_type}\r\nAccept: {MANIFEST}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(&[head.as_bytes(), body].concat())
        .await
        .expect("it is sent");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.expect("an answer");
    wire::read(&received, method == "HEAD")
}

/// Pushes, mounts, pulls and deletes; each request makes one event.
async fn drive(registry: &str) -> usize {
    const BYTES: &str = "application/octet-stream";
    let (config, layer) = (b"{}".as_slice(), b"layer".as_slice());
    let manifest = wire::manifest(config, &[layer]);
    for blob in [config, layer] {
        let session = send(registry, "POST", "/v2/lib/app/blobs/uploads/", BYTES, b"")
            .await
            .location();
        let separator = if session.contains('?') { '&' } else { '?' };
        let target = format!("{session}{separator}digest={}", digest(blob));
        assert_eq!(send(registry, "PUT", &target, BYTES, blob).await.status, 201);
    }
    let mount = format!(
        "/v2/lib/other/blobs/uploads/?mount={}&from=lib/app",
        digest(layer)
    );
    let by_digest = format!("/v2/lib/app/manifests/{}", digest(&manifest));
    let blob = format!("/v2/lib/app/blobs/{}", digest(layer));
    let requests = [
        ("PUT", "/v2/lib/app/manifests/1.0", manifest.as_slice(), 201),
        ("PUT", by_digest.as_str(), manifest.as_slice(), 201),
        ("POST", mount.as_str(), b"", 201),
        ("GET", "/v2/lib/app/manifests/1.0", b"", 200),
        ("HEAD", "/v2/lib/app/manifests/1.0", b"", 200),
        ("GET", by_digest.as_str(), b"", 200),
        ("GET", blob.as_str(), b"", 200),
        ("HEAD", blob.as_str(), b"", 200),
        ("DELETE", blob.as_str(), b"", 202),
        ("DELETE", by_digest.as_str(), b"", 202),
    ];
    for (method, path, body, status) in requests {
        let media_type = if method == "PUT" { MANIFEST } else { BYTES };
        let answer = send(registry, method, path, media_type, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    2 + requests.len()
}

/// An event with the values replaced that differ from run to run, which must have the right form.
fn normal(mut event: Value, registry: &str) -> Value {
    let is_uuid = |value: &Value| {
        let parts = value.as_str().expect("text").split('-').map(str::len);
        parts.eq([8, 4, 4, 4, 12])
    };
    for path in ["/id", "/request/id", "/source/instanceID"] {
        let value = event.pointer_mut(path).expect(path);
        assert!(is_uuid(value), "{value}");
        *value = json!("UUID");
    }
    let time = event["timestamp"].as_str().expect("text");
    assert!(wharf_content::parse_timestamp(time).is_some(), "{time}");
    assert!(time.ends_with('Z') && time.contains('.'), "{time}");
    event["timestamp"] = json!("TIME");
    let address = event["request"]["addr"].as_str().expect("text");
    assert!(address.starts_with("127.0.0.1"), "{address}"); // ours has no port
    event["request"]["addr"] = json!("CLIENT");
    assert!(event["source"]["addr"].as_str().expect("text").contains(':'));
    event["source"]["addr"] = json!("REGISTRY"); // theirs has the name of the host
    serde_json::from_str(&event.to_string().replace(registry, "REGISTRY")).expect("JSON")
}

/// The events in a fixed order: theirs come in none.
fn sorted(events: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut lines = events
        .into_iter()
        .map(|event| format!("{event:#}"))
        .collect::<Vec<_>>();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_have_the_fields_of_docker_registry() {
    require_peers!("docker-registry");
    let stage = Stage::new();
    let endpoint = stage
        .origin_with("endpoint.test", OriginOptions::default().plain())
        .await;
    endpoint.on(Match::any(), Answer::ok(""));
    let configuration = format!(
        "notifications: {{events: {{includereferences: true}}, endpoints: [{{name: test, \
         url: \"http://{}/events\", timeout: 10s, threshold: 3, backoff: 1s}}]}}",
        endpoint.address()
    );
    let theirs = DockerRegistry::builder().configuration(&configuration).start();
    let expected = drive(&theirs.name()).await + 1; // the tag that goes with its manifest, see below
    for _ in 0..600 {
        if endpoint.requests().len() >= expected {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (accepting, mut told) = Accepting::new();
    let options = EventOptions::default().with_pulls(true).with_references(true);
    let registry = Registry::memory().with_event_options(options);
    let registry = registry
        .with_subscriber("test", accepting)
        .await
        .expect("an outbox");
    let server = registry.serve().await.expect("a port");
    let ours = server.address().to_string();
    let count = drive(&ours).await;
    let mut events = Vec::new();
    while events.len() < count {
        let event = told.recv().await.expect("an event");
        let body = EventFormat::Distribution.body(&event).expect("JSON");
        let envelope: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(envelope.as_object().expect("an object").len(), 1);
        events.push(normal(envelope["events"][0].clone(), &ours));
    }
    let mut expected = Vec::new();
    for request in endpoint.requests() {
        let media_type = request.header("content-type");
        assert_eq!(media_type, Some(EventFormat::Distribution.media_type()));
        let envelope: Value = serde_json::from_slice(&request.body).expect("JSON");
        expected.push(normal(envelope["events"][0].clone(), &theirs.name()));
    }
    // A deviation: a manifest is deleted with its tags, which have no events of their own here.
    expected.retain(|event| event["action"] != "delete" || event["target"].get("tag").is_none());
    // Another: a pull lists no references, for the registry does not read a manifest that it serves.
    for event in expected.iter_mut().filter(|event| event["action"] == "pull") {
        event["target"]
            .as_object_mut()
            .expect("an object")
            .remove("references");
    }
    assert_eq!(expected.len(), count, "{expected:#?}");
    assert_eq!(sorted(events), sorted(expected));
}

/// The specification, 1.0.2, sections 3.1 and 3.2, and the JSON format, section 3.
#[tokio::test]
async fn cloud_events_have_the_attributes_of_the_specification() {
    let (accepting, mut told) = Accepting::new();
    let options = EventOptions::default().with_pulls(true);
    let registry = Registry::memory().with_event_options(options);
    let registry = registry
        .with_subscriber("test", accepting)
        .await
        .expect("an outbox");
    let server = registry.serve().await.expect("a port");
    let count = drive(&server.address().to_string()).await;
    let mut subjects = Vec::new();
    for _ in 0..count {
        let event = told.recv().await.expect("an event");
        let body = EventFormat::CloudEvents.body(&event).expect("JSON");
        let cloud: Value = serde_json::from_slice(&body).expect("JSON");
        let attributes = cloud.as_object().expect("an object");
        for name in attributes.keys() {
            let legal = name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
            assert!(legal && name.len() <= 20, "{name}");
        }
        assert_eq!(cloud["specversion"], "1.0");
        assert_eq!(cloud["id"], event.id);
        assert_eq!(cloud["source"], format!("urn:uuid:{}", event.source.instance_id));
        assert_eq!(cloud["time"], event.timestamp);
        assert_eq!(cloud["datacontenttype"], "application/json");
        let sequence = event.number.map(|number| format!("{number:020}"));
        assert_eq!(cloud.get("sequence").and_then(Value::as_str), sequence.as_deref());
        assert_eq!(cloud["data"], serde_json::to_value(&event).expect("JSON"));
        subjects.push(format!(
            "{} {}",
            cloud["type"].as_str().expect("text"),
            cloud["subject"]
                .as_str()
                .expect("text")
                .replace(digest(b"layer").as_str(), "LAYER")
        ));
    }
    for expected in [
        "wharf.registry.push lib/app:1.0",
        "wharf.registry.push lib/app@LAYER",
        "wharf.registry.mount lib/other@LAYER",
        "wharf.registry.pull lib/app:1.0",
        "wharf.registry.delete lib/app@LAYER",
    ] {
        assert!(
            subjects.iter().any(|subject| subject == expected),
            "{expected}: {subjects:?}"
        );
    }
}
