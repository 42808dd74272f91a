use serde_json::{Value, json};
use wharf_content::ErrorKind;
use wharf_image::{Format, Part, Recipe};

use crate::support::{
    DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_GZIP, OCI_INDEX, OCI_MANIFEST, Store, document,
};

/// What an OCI image states that Docker's format cannot: a pointer into the manifest, the value, and the loss (M51).
fn image_rows() -> Vec<(&'static str, Value, Part, &'static str)> {
    let subject = json!({
        "mediaType": OCI_MANIFEST,
        "digest": format!("sha256:{}", "a".repeat(64)),
        "size": 7,
    });
    vec![
        (
            "/annotations",
            json!({ "x": "1" }),
            Part::Manifest,
            "annotations.x",
        ),
        ("/subject", subject, Part::Manifest, "subject"),
        (
            "/artifactType",
            json!("application/x"),
            Part::Manifest,
            "artifactType",
        ),
        ("/x-vendor", json!({ "a": 1 }), Part::Manifest, "x-vendor"),
        (
            "/config/annotations",
            json!({ "y": "" }),
            Part::Config,
            "annotations.y",
        ),
        (
            "/config/artifactType",
            json!("application/x"),
            Part::Config,
            "artifactType",
        ),
        (
            "/layers/0/annotations",
            json!({ "z": "1" }),
            Part::Layer(1),
            "annotations.z",
        ),
        ("/layers/0/x-more", json!(false), Part::Layer(1), "x-more"),
        (
            "/layers/0/platform",
            json!({ "os": "linux", "architecture": "amd64", "x": 1 }),
            Part::Layer(1),
            "platform.x",
        ),
    ]
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
}

#[tokio::test]
async fn each_thing_that_dockers_manifest_cannot_state_is_one_loss() {
    for (pointer, value, part, member) in image_rows() {
        let store = Store::default();
        let mut image = store.image_document(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
        set(&mut image, pointer, value);
        let image = store.manifest(&image).await;
        let recipe = Recipe::new().format(Format::Docker);
        let prepared = store.prepare(&image, &recipe).await.unwrap();
        let losses: Vec<_> = prepared
            .report()
            .losses()
            .iter()
            .map(|loss| (loss.part(), loss.member()))
            .collect();
        assert_eq!(losses, [(part, member)], "{pointer}");
        assert_eq!(prepared.report().losses()[0].manifest(), image.digest());

        let denied = store.prepare(&image, &recipe.deny_loss(true)).await.unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::Unsupported, "{pointer}");
        let last = member.rsplit('.').next().unwrap();
        assert!(denied.to_string().contains(last), "{denied}");
    }
}

#[tokio::test]
async fn data_of_a_layer_that_docker_cannot_state_is_a_loss() {
    let store = Store::default();
    let mut image = store.image_document(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
    image["layers"][0]["data"] =
        json!("bGF5ZXIgb2YgdHlwZSBhcHBsaWNhdGlvbi92bmQub2NpLmltYWdlLmxheWVyLnYxLnRhcitnemlw");
    let image = store.manifest(&image).await;
    let prepared = store
        .prepare(&image, &Recipe::new().format(Format::Docker))
        .await
        .unwrap();
    let losses: Vec<_> = prepared
        .report()
        .losses()
        .iter()
        .map(|loss| (loss.part(), loss.member()))
        .collect();
    assert_eq!(losses, [(Part::Layer(1), "data")]);
}

#[tokio::test]
async fn what_is_null_or_empty_is_no_loss() {
    let store = Store::default();
    let mut image = store.image_document(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
    for (key, value) in [
        ("annotations", json!({})),
        ("subject", Value::Null),
        ("artifactType", json!("")),
        ("x", json!([])),
    ] {
        image[key] = value;
    }
    let image = store.manifest(&image).await;
    let prepared = store
        .prepare(&image, &Recipe::new().format(Format::Docker))
        .await
        .unwrap();
    assert_eq!(prepared.report().losses(), []);
    assert_eq!(*prepared.root().media_type().as_str(), *DOCKER_MANIFEST);
}

#[tokio::test]
async fn each_thing_that_a_list_cannot_state_is_one_loss() {
    let rows = [
        (
            Format::Docker,
            "/annotations",
            json!({ "x": "1" }),
            Part::Manifest,
            "annotations.x",
        ),
        (
            Format::Docker,
            "/manifests/0/annotations",
            json!({ "y": "1" }),
            Part::Entry(1),
            "annotations.y",
        ),
        (
            Format::Docker,
            "/manifests/0/artifactType",
            json!("a/b"),
            Part::Entry(1),
            "artifactType",
        ),
        (
            Format::Docker,
            "/artifactType",
            json!("a/b"),
            Part::Manifest,
            "artifactType",
        ),
        (
            Format::Oci,
            "/manifests/0/platform/features",
            json!(["sse4"]),
            Part::Entry(1),
            "platform.features",
        ),
    ];
    for (format, pointer, value, part, member) in rows {
        let store = Store::default();
        let image = store.image(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
        let media_type = match format {
            Format::Docker => OCI_INDEX,
            Format::Oci => DOCKER_LIST,
        };
        let mut index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [{
            "mediaType": OCI_MANIFEST,
            "digest": image.digest(),
            "size": image.bytes().len(),
            "platform": { "architecture": "amd64", "os": "linux" },
        }]});
        set(&mut index, pointer, value);
        let index = store.manifest(&index).await;
        let prepared = store
            .prepare(&index, &Recipe::new().format(format))
            .await
            .unwrap();
        let losses: Vec<_> = prepared
            .report()
            .losses()
            .iter()
            .map(|loss| (loss.part(), loss.member()))
            .collect();
        assert_eq!(losses, [(part, member)], "{pointer}");
        let entry = &document(prepared.root())["manifests"][0];
        assert_eq!(
            entry["platform"],
            json!({ "architecture": "amd64", "os": "linux" })
        );
    }
}

#[tokio::test]
async fn a_loss_is_shown_without_control_characters() {
    let store = Store::default();
    let mut image = store.image_document(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
    image["annotations"] = json!({ format!("a\u{1b}[2J{}", "b".repeat(500)): "1" });
    let image = store.manifest(&image).await;
    let prepared = store
        .prepare(&image, &Recipe::new().format(Format::Docker))
        .await
        .unwrap();
    let shown = prepared.report().losses()[0].to_string();
    assert!(!shown.contains(char::is_control) && shown.len() < 400, "{shown}");
}
