//! Signatures in a registry: `OpenShift`'s extension and cosign's attachments.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;
use wharf_config::{Lookaside, SignatureStore};
use wharf_content::{ErrorKind, Name, Signature, Source, Target, Wanted};
use wharf_distribution::{ClientBuilder, Remote};
use wharf_http::RetryPolicy;
use wharf_reference::Digest;
use wharf_testkit::{
    hostile::{Answer, Match, Rule, Step},
    sha256,
};

use super::scene::Scene;

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const OFFER: &str = "X-Registry-Supports-Signatures";

fn digest() -> Digest {
    Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap()
}

fn remote(scene: &Scene, builder: ClientBuilder, store: SignatureStore) -> Remote {
    let builder = builder
        .with_signature_locations(store)
        .with_retry(RetryPolicy::never());
    scene.remote_of(&builder.build().unwrap())
}

/// Signatures in the order in which they come: the content of simple ones, the payload of attachments.
fn shown(signatures: &[Signature]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let one = |signature: &Signature| match signature {
        Signature::Simple(message) => text(message),
        Signature::Attachment { payload, .. } => text(payload),
        Signature::Unknown { reason, .. } => reason.clone(),
        _ => "?".to_owned(),
    };
    signatures.iter().map(one).collect()
}

fn entry(content: &str) -> Value {
    json!({ "schemaVersion": 2, "name": "x", "type": "atomic", "content": content })
}

#[tokio::test]
async fn a_registry_that_offers_signatures_is_asked_instead_of_the_store() {
    let offer = |status: u16, value: &str| Answer::new(status).header(OFFER, value);
    for (root, offers) in [
        (offer(200, "1"), true),
        (offer(401, "1"), true),
        (
            offer(401, "1").header("WWW-Authenticate", "Basic realm=\"x\""),
            true,
        ),
        (offer(200, "0"), false),
        (offer(200, "true"), false),
        (Answer::new(200), false),
        (Answer::new(401), false),
        (offer(403, "1"), false),
        (offer(404, "1"), false),
        // Another host cannot speak for the registry.
        (
            Answer::redirect(307, "https://evil.test/v2/").header(OFFER, "1"),
            false,
        ),
    ] {
        let scene = Scene::new().await;
        let store = scene.stage.origin("store.test").await;
        store.on(Match::get("signature-1"), Answer::ok(b"\x90store".to_vec()));
        scene
            .registry
            .on(Match::when(|request| request.path() == "/v2/"), root);
        scene.evil.on(Match::any(), Answer::new(200).header(OFFER, "1"));
        let list = json!({ "signatures": [entry("YXBp")] });
        scene.registry.on(
            Match::get("/extensions/v2/team/app/signatures/sha256:aaaa"),
            Answer::json(&list),
        );
        let lookaside = Lookaside::parse(&store.url("/sigs")).unwrap();
        let remote = remote(
            &scene,
            scene.builder(),
            SignatureStore::default().with_lookaside(lookaside),
        );
        for _ in 0..2 {
            let found = remote.signatures(&digest(), Wanted::SIMPLE).await.unwrap();
            let expected = if offers { "api" } else { "\u{fffd}store" };
            assert_eq!(shown(&found), [expected]);
        }
        assert_eq!(store.lines().is_empty(), offers);
        assert!(scene.evil.lines().is_empty());
        let lines = scene.registry.lines();
        assert_eq!(
            lines.iter().filter(|line| *line == "GET /v2/").count(),
            1,
            "{lines:?}"
        );
        assert_eq!(lines.len(), if offers { 3 } else { 1 }, "{lines:?}");
    }
}

/// Each of the two requests is answered when the other has come. Where no simple signature is wanted, nothing is asked.
#[tokio::test]
async fn the_offer_of_signatures_is_asked_for_beside_the_manifest() {
    let manifest =
        br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let answers = || {
        let manifest = Answer::ok(manifest.to_vec()).header("Content-Type", INDEX);
        (manifest, Answer::new(401).header(OFFER, "1"))
    };
    let target = Target::from(Name::parse("1").unwrap());
    let [asked, root] = [(); 2].map(|()| Arc::new(Notify::new()));
    let scene = Scene::new().await;
    let (answer, offer) = answers();
    let beside = |tell: &Arc<Notify>, wait: &Arc<Notify>, answer: Answer| {
        let mut steps = vec![Step::Tell(Arc::clone(tell)), Step::Wait(Arc::clone(wait))];
        steps.extend(answer.steps());
        steps
    };
    let is_root = || Match::when(|request| request.path() == "/v2/");
    scene
        .registry
        .on(Match::get("/manifests/"), beside(&asked, &root, answer));
    scene.registry.on(is_root(), beside(&root, &asked, offer));
    scene.registry.on(
        Match::get("/extensions/"),
        Answer::json(&json!({ "signatures": [] })),
    );
    let remote_of = |scene: &Scene| remote(scene, scene.builder(), SignatureStore::default());
    let remote = remote_of(&scene);
    Source::expect_signatures(&remote, Wanted::SIMPLE);
    let read = remote.manifest(&target).await.unwrap();
    remote.signatures(read.digest(), Wanted::SIMPLE).await.unwrap();
    let lines = scene.registry.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (expected, root, asked) in [
        (None, Answer::new(200), 0),
        (Some(Wanted::NOTHING), Answer::new(200), 0),
        (Some(Wanted::ATTACHMENTS), Answer::new(200), 0),
        (Some(Wanted::EVERYTHING), Answer::new(200), 1),
        // Its failure is no failure of the manifest.
        (Some(Wanted::SIMPLE), Answer::new(500), 1),
    ] {
        let scene = Scene::new().await;
        scene.registry.on(Match::get("/manifests/"), answers().0);
        scene.registry.on(is_root(), root);
        let remote = remote_of(&scene);
        if let Some(kinds) = expected {
            Source::expect_signatures(&remote, kinds);
        }
        for _ in 0..2 {
            remote.manifest(&target).await.unwrap();
            if expected == Some(Wanted::SIMPLE) {
                break;
            }
        }
        let lines = scene.registry.lines();
        let roots = lines.iter().filter(|line| *line == "GET /v2/").count();
        assert_eq!(roots, asked, "{expected:?}: {lines:?}");
    }
}

/// The images of an index are asked about at the same time.
#[tokio::test]
async fn a_registry_is_asked_once_for_all_who_want_to_know() {
    let scene = Scene::new().await;
    scene
        .registry
        .on(Match::get("/v2/"), Answer::new(200).header(OFFER, "0"));
    let remote = remote(&scene, scene.builder(), SignatureStore::default());
    let digest = digest();
    let reads = (0..8).map(|_| remote.signatures(&digest, Wanted::SIMPLE));
    for read in futures_util::future::join_all(reads).await {
        assert!(read.unwrap().is_empty());
    }
    assert_eq!(scene.registry.lines(), ["GET /v2/"]);
}

#[tokio::test]
async fn a_registry_that_cannot_say_whether_it_offers_signatures_is_an_error() {
    for status in [408, 429, 500, 502, 503] {
        let scene = Scene::new().await;
        scene.registry.on(Match::get("/v2/"), Answer::new(status));
        let remote = remote(&scene, scene.builder(), SignatureStore::default());
        let error = scene.failed(remote.signatures(&digest(), Wanted::SIMPLE).await);
        assert_eq!(error.status(), Some(status), "{error}");
        assert!(error.to_string().contains("registry.example.test/v2/"), "{error}");
    }
}

#[tokio::test]
async fn t192_a_registry_that_offers_signatures_can_only_withhold_them() {
    let other_version = json!({ "schemaVersion": 1, "type": "atomic", "content": "YQ==" });
    let other_type = json!({ "schemaVersion": 2, "type": "x", "content": "YQ==" });
    let good = [
        (json!({ "signatures": [] }), vec![]),
        (json!({ "signatures": null }), vec![]),
        (json!({}), vec![]),
        (
            json!({ "signatures": [entry("YQ=="), other_version, entry("Yg=="), other_type] }),
            vec!["a", "b"],
        ),
        (
            json!({ "signatures": [entry("%%"), entry("Yg==")] }),
            vec!["its content is not base64", "b"],
        ),
        (json!({ "signatures": vec![entry("YQ=="); 100] }), vec!["a"; 100]),
    ];
    let bad = [
        (
            Answer::json(&json!({ "signatures": vec![entry("YQ=="); 101] })),
            ErrorKind::TooLarge,
        ),
        (Answer::json(&json!({ "signatures": "none" })), ErrorKind::Server),
        (Answer::json(&json!([])), ErrorKind::Server),
        (
            Answer::ok("<html>Sign in</html>").header("Content-Type", "text/html"),
            ErrorKind::Server,
        ),
        (Answer::ok(""), ErrorKind::Server),
        (Answer::ok(vec![b' '; (4 << 20) + 1]), ErrorKind::TooLarge),
        (Answer::new(404), ErrorKind::NotFound),
        (Answer::new(403), ErrorKind::Denied),
        (Answer::new(500), ErrorKind::Server),
    ];
    let good = good.map(|(list, expected)| (Answer::json(&list), Ok(expected)));
    for (answer, expected) in good
        .into_iter()
        .chain(bad.map(|(answer, kind)| (answer, Err(kind))))
    {
        let scene = Scene::new().await;
        scene.registry.on(Match::get("/extensions/"), answer);
        scene
            .registry
            .on(Match::get("/v2/"), Answer::new(200).header(OFFER, "1"));
        let remote = remote(&scene, scene.builder(), SignatureStore::default());
        let read = remote.signatures(&digest(), Wanted::SIMPLE).await;
        let read = read.map(|found| shown(&found));
        let read = read.map_err(|error| scene.stage.inspect(error).kind());
        assert_eq!(
            read,
            expected.map(|texts| texts.iter().map(ToString::to_string).collect())
        );
    }
}

#[tokio::test]
async fn the_login_of_the_registry_is_for_signatures_in_it() {
    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    let root = Match::when(|request| request.path() == "/v2/");
    scene
        .registry
        .first(Rule::new(root, Answer::new(401).header(OFFER, "1")));
    let list = json!({ "signatures": [entry("YQ==")] });
    scene.registry.on(Match::get("/extensions/"), Answer::json(&list));
    let remote = remote(&scene, scene.alice_builder(), SignatureStore::default());
    let found = remote.signatures(&digest(), Wanted::SIMPLE).await.unwrap();
    assert_eq!(shown(&found), ["a"]);
    for request in scene.registry.requests() {
        let is_root = request.path() == "/v2/";
        assert!(!(is_root && request.header("authorization").is_some()));
    }
}

/// A manifest of cosign's with these layers: type and content of each.
fn attached(layers: &[(&str, &str)]) -> Value {
    let layer = |(kind, content): &(&str, &str)| {
        json!({
            "mediaType": kind, "digest": sha256(content.as_bytes()), "size": content.len(),
            "annotations": { "dev.cosignproject.cosign/signature": "c2ln" },
        })
    };
    json!({
        "schemaVersion": 2, "mediaType": OCI,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(b"{}"), "size": 2 },
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
}

fn manifest(document: &Value) -> Answer {
    let kind = document["mediaType"].as_str().unwrap_or(OCI).to_owned();
    Answer::json(document).replace_header("Content-Type", &kind)
}

fn tag() -> Match {
    Match::get(&format!("/v2/team/app/manifests/sha256-{}.sig", "a".repeat(64)))
}

fn with_attachments() -> SignatureStore {
    SignatureStore::default().with_attachments(true)
}

#[tokio::test]
async fn attachments_are_the_layers_of_cosigns_tag() {
    for kind in [OCI, DOCKER] {
        let scene = Scene::new().await;
        let mut document = attached(&[(PAYLOAD, "one"), ("text/spdx", "bill"), (PAYLOAD, "two")]);
        document["mediaType"] = kind.into();
        scene.registry.on(tag(), manifest(&document));
        for content in ["one", "two"] {
            let path = format!("/blobs/{}", sha256(content.as_bytes()));
            scene.registry.on(Match::get(&path), Answer::ok(content));
        }
        let remote = remote(&scene, scene.builder(), with_attachments());
        let found = remote.signatures(&digest(), Wanted::ATTACHMENTS).await.unwrap();
        assert_eq!(shown(&found), ["one", "", "two"], "{kind}");
        let Some(Signature::Attachment {
            media_type,
            annotations,
            ..
        }) = found.get(1)
        else {
            panic!("{found:?}");
        };
        assert_eq!(media_type.as_str(), "text/spdx");
        assert_eq!(annotations["dev.cosignproject.cosign/signature"], "c2ln");
        assert_eq!(
            scene.registry.lines().len(),
            3,
            "the bill is not fetched, and nothing else is asked"
        );
    }
}

/// Attachments are content of the repository, and are read with its login.
#[tokio::test]
async fn the_login_of_the_registry_is_for_attachments_and_their_payloads() {
    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    scene.registry.on(tag(), manifest(&attached(&[(PAYLOAD, "one")])));
    let path = format!("/blobs/{}", sha256(b"one"));
    scene.registry.on(Match::get(&path), Answer::ok("one"));
    let known = remote(&scene, scene.alice_builder(), with_attachments());
    let found = known.signatures(&digest(), Wanted::ATTACHMENTS).await.unwrap();
    assert_eq!(shown(&found), ["one"]);
    let requests = scene.registry.requests();
    for part in ["/manifests/", "/blobs/"] {
        let mut asked = requests.iter().filter(|asked| asked.path().contains(part));
        assert!(
            asked.any(|asked| asked.header("authorization").is_some()),
            "{part}"
        );
    }
}

#[tokio::test]
async fn attachments_are_read_where_the_configuration_says_so() {
    let scene = Scene::new().await;
    let remote = remote(&scene, scene.builder(), SignatureStore::default());
    assert!(
        remote
            .signatures(&digest(), Wanted::ATTACHMENTS)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(scene.registry.lines().is_empty());
}

#[tokio::test]
async fn an_absent_tag_is_no_attachment_and_any_other_failure_an_error() {
    let absent = [
        Answer::new(404),
        Answer::new(404).body("<html>404</html>"),
        Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        Answer::error(404, "NAME_UNKNOWN", "no"),
        Answer::error(400, "MANIFEST_UNKNOWN", "manifest unknown"),
        Answer::error(404, "UNKNOWN", "Not Found"),
        Answer::error(400, "UNKNOWN", "Not Found"),
        Answer::error(404, "NOT_FOUND", "artifact team/app:sha256-aa.sig not found"),
        Answer::error(400, "UNKNOWN", "artifact team/app:sha256-aa.sig not found"),
    ];
    let failures = [
        (Answer::new(401), ErrorKind::Unauthorized),
        (
            Answer::error(401, "UNKNOWN", "not found"),
            ErrorKind::Unauthorized,
        ),
        (Answer::new(403), ErrorKind::Denied),
        (
            Answer::error(403, "UNKNOWN", "artifact not found"),
            ErrorKind::Denied,
        ),
        (Answer::error(403, "MANIFEST_UNKNOWN", "no"), ErrorKind::NotFound),
        (Answer::new(400), ErrorKind::Invalid),
        (Answer::error(400, "UNKNOWN", "broken"), ErrorKind::Invalid),
        (
            Answer::error(
                400,
                "TAG_INVALID",
                "the tag was not found in the list of good ones",
            ),
            ErrorKind::Invalid,
        ),
        (Answer::new(500), ErrorKind::Server),
        (Answer::error(500, "UNKNOWN", "not found"), ErrorKind::Server),
        (Answer::new(503), ErrorKind::Server),
        (Answer::new(429), ErrorKind::RateLimited),
        (
            Answer::ok("<html>").header("Content-Type", "text/html"),
            ErrorKind::Server,
        ),
    ];
    let absent = absent.map(|answer| (answer, None));
    for (answer, kind) in absent
        .into_iter()
        .chain(failures.map(|(answer, kind)| (answer, Some(kind))))
    {
        let scene = Scene::new().await;
        let code = answer.code();
        scene.registry.on(Match::any(), answer);
        let remote = remote(&scene, scene.builder(), with_attachments());
        match (remote.signatures(&digest(), Wanted::ATTACHMENTS).await, kind) {
            (Ok(found), None) => assert!(found.is_empty()),
            (read, Some(kind)) => {
                let error = scene.failed(read);
                assert_eq!(error.kind(), kind, "{code}: {error}");
                assert!(error.to_string().contains("read the signatures of"), "{error}");
            }
            (Err(error), None) => panic!("{code}: {error}"),
        }
    }
}

#[tokio::test]
async fn t168_attachments_are_bounded_and_what_their_descriptors_say() {
    let flood: Vec<(&str, &str)> = vec![(PAYLOAD, "one"); 101];
    let endless: Vec<(&str, &str)> = vec![(PAYLOAD, "one"); 20_000];
    let mut large = attached(&[(PAYLOAD, "one")]);
    large["layers"][0]["size"] = ((4 << 20) + 1).into();
    let mut smaller = attached(&[(PAYLOAD, "one")]);
    smaller["layers"][0]["size"] = 2.into();
    let mut larger = attached(&[(PAYLOAD, "one")]);
    larger["layers"][0]["size"] = 4.into();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
    for (what, document, kind) in [
        ("101 layers", attached(&flood), ErrorKind::TooLarge),
        ("20,000 layers", attached(&endless), ErrorKind::TooLarge),
        ("a large layer", large, ErrorKind::TooLarge),
        ("a layer with more bytes", smaller, ErrorKind::TooLarge),
        ("a layer with fewer bytes", larger, ErrorKind::Mismatch),
        (
            "another layer",
            attached(&[(PAYLOAD, "two")]),
            ErrorKind::Mismatch,
        ),
        ("an index", index, ErrorKind::Invalid),
    ] {
        let scene = Scene::new().await;
        scene.registry.on(tag(), manifest(&document));
        scene.registry.on(Match::get("/blobs/"), Answer::ok("one"));
        let remote = remote(&scene, scene.builder(), with_attachments());
        let error = scene.failed(remote.signatures(&digest(), Wanted::ATTACHMENTS).await);
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(scene.registry.lines().len() <= 2, "{what}");
    }
}
