//! How many signatures there are, asked with few requests.

use serde_json::{Value, json};
use wharf_config::{Lookaside, SignatureLocations, SignatureStore, SignatureStores};
use wharf_content::Wanted;
use wharf_distribution::Remote;
use wharf_reference::Digest;
use wharf_testkit::hostile::{Answer, Match, Origin};

use super::scene::Scene;

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn digest() -> Digest {
    Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap()
}

fn remote(scene: &Scene, locations: impl SignatureLocations + 'static) -> Remote {
    let builder = scene.builder().with_signature_locations(locations);
    scene.remote_of(&builder.build().unwrap()) // with its retries
}

fn descriptor(media_type: &str, artifact_type: &str) -> Value {
    let digest = format!("sha256:{}", "b".repeat(64));
    json!({"mediaType": media_type, "artifactType": artifact_type, "digest": digest, "size": 2})
}

fn manifest(layers: &[&str]) -> Answer {
    let config = descriptor("application/vnd.oci.image.config.v1+json", "");
    let layers: Vec<Value> = layers.iter().map(|layer| descriptor(layer, "")).collect();
    Answer::json(&json!({"schemaVersion": 2, "mediaType": OCI, "config": config, "layers": layers}))
        .header("Content-Type", OCI)
}

fn list(artifact_types: &[&str]) -> Answer {
    let entry = |number: usize, artifact_type: &str| {
        let digest = format!("sha256:{number:064}");
        json!({"mediaType": OCI, "artifactType": artifact_type, "digest": digest, "size": 2})
    };
    let entries: Vec<Value> = artifact_types
        .iter()
        .enumerate()
        .map(|(number, kind)| entry(number, kind))
        .collect();
    Answer::json(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))
        .header("Content-Type", INDEX)
}

/// What the registry answers at a path, what is wanted, the count, and the requests.
type Case<'a> = (&'a str, Vec<(&'a str, Answer)>, Wanted, Option<usize>, usize);

fn cases() -> Vec<Case<'static>> {
    let (tag, api, fallback) = ("sha256-aaaa", "/referrers/", "manifests/sha256-aaaa");
    let simple = Wanted::SIMPLE;
    vec![
        ("no first one", vec![], simple, Some(0), 1),
        (
            "a first one",
            vec![("signature-1", Answer::ok("x"))],
            simple,
            Some(1),
            1,
        ),
        (
            "a store that fails",
            vec![("signature-1", Answer::new(500))],
            simple,
            None,
            1,
        ),
        ("no attachments", vec![], Wanted::ATTACHMENTS, Some(0), 1),
        (
            "attachments",
            vec![(tag, manifest(&[PAYLOAD, "text/spdx+json", PAYLOAD]))],
            Wanted::ATTACHMENTS,
            Some(2),
            1,
        ),
        (
            "other attachments",
            vec![(tag, manifest(&["text/spdx+json"]))],
            Wanted::ATTACHMENTS,
            Some(0),
            1,
        ),
        ("503", vec![(tag, Answer::new(503))], Wanted::ATTACHMENTS, None, 1),
        (
            "a page",
            vec![(tag, Answer::ok("<html>"))],
            Wanted::ATTACHMENTS,
            None,
            1,
        ),
        ("no list", vec![], Wanted::BUNDLES, Some(0), 2),
        (
            "an empty list",
            vec![(api, list(&[]))],
            Wanted::BUNDLES,
            Some(0),
            1,
        ),
        (
            "bundles",
            vec![(api, list(&[BUNDLE, "a/b", BUNDLE]))],
            Wanted::BUNDLES,
            Some(2),
            1,
        ),
        (
            "more pages",
            vec![(
                api,
                list(&[BUNDLE]).header("Link", "</v2/team/app/referrers/x>; rel=\"next\""),
            )],
            Wanted::BUNDLES,
            Some(1),
            1,
        ),
        (
            "a fallback list",
            vec![(fallback, list(&[BUNDLE]))],
            Wanted::BUNDLES,
            Some(1),
            2,
        ),
        ("500", vec![(api, Answer::new(500))], Wanted::BUNDLES, None, 1),
        (
            "all kinds",
            vec![
                ("signature-1", Answer::ok("x")),
                (tag, manifest(&[PAYLOAD])),
                (api, list(&[BUNDLE])),
            ],
            Wanted::EVERYTHING,
            Some(3),
            3,
        ),
    ]
}

/// A failure is not tried again: the count is for a message alone.
#[tokio::test]
async fn signatures_are_counted_with_few_requests_that_are_sent_once() {
    for (what, answers, wanted, expected, requests) in cases() {
        let scene = Scene::new().await;
        let store = scene.stage.origin("store.test").await;
        for (path, answer) in answers {
            let origin: &Origin = if path.starts_with("signature") {
                &store
            } else {
                &scene.registry
            };
            origin.on(Match::get(path), answer);
        }
        let lookaside = Lookaside::parse(&store.url("/sigs")).unwrap();
        let locations = SignatureStore::default()
            .with_lookaside(lookaside)
            .with_attachments(true);
        let counted = remote(&scene, locations)
            .count_signatures(&digest(), wanted)
            .await;
        assert_eq!(counted.ok(), expected, "{what}");
        let lines = [store.lines(), scene.registry.lines()].concat();
        assert_eq!(lines.len(), requests, "{what}: {lines:?}");
    }
}

#[tokio::test]
async fn a_setting_that_hides_attachments_is_named_with_its_scope_and_file() {
    let scene = Scene::new().await;
    let repository = format!("{}/team/app", scene.registry.name());
    let table = [
        (
            String::new(),
            format!("no file of registries.d has use-sigstore-attachments: true for {repository}"),
        ),
        (
            format!("docker:\n  {repository}:\n    lookaside: https://s.example\n"),
            format!("use-sigstore-attachments: true is missing in the section {repository} at line 2"),
        ),
        (
            "default-docker:\n  use-sigstore-attachments: false\n".to_owned(),
            "use-sigstore-attachments is false at line 2".to_owned(),
        ),
        (
            format!(
                "default-docker:\n  use-sigstore-attachments: true\ndocker:\n  {repository}:\n    use-sigstore-attachments: no\n"
            ),
            "use-sigstore-attachments is false at line 5".to_owned(),
        ),
    ];
    for (text, expected) in table {
        let stores = SignatureStores::parse(&text).unwrap();
        let remote = remote(&scene, stores);
        let why = remote.unread_signatures(&digest(), Wanted::ATTACHMENTS).unwrap();
        assert_eq!(
            why,
            format!("sigstore attachments were not looked for: {expected}"),
            "{text}"
        );
        let simple = remote.unread_signatures(&digest(), Wanted::SIMPLE);
        let none = format!(
            "simple signatures were not looked for: no file of registries.d has a lookaside for {repository}"
        );
        let has_lookaside = text.contains("lookaside");
        assert_eq!(simple, (!has_lookaside).then_some(none), "{text}");
        assert_eq!(
            remote
                .count_signatures(&digest(), Wanted::ATTACHMENTS)
                .await
                .unwrap(),
            0
        );
    }
    let enabled = "default-docker:\n  use-sigstore-attachments: true\n  lookaside: https://s.example\n";
    let enabled = SignatureStores::parse(enabled).unwrap();
    assert_eq!(
        remote(&scene, enabled).unread_signatures(&digest(), Wanted::EVERYTHING),
        None
    );
    let built_in = SignatureStore::default()
        .with_attachments(true)
        .with_lookaside(Lookaside::parse("file:///var/lib/containers/sigstore").unwrap());
    assert_eq!(
        remote(&scene, built_in).unread_signatures(&digest(), Wanted::EVERYTHING),
        Some(format!(
            "simple signatures were looked for in file:///var/lib/containers/sigstore alone: no file of registries.d has \
             a lookaside for {repository}"
        ))
    );
    assert!(scene.registry.lines().is_empty());
}
