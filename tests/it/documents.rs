//! Images as tools really wrote them, through every place that holds images.

use serde_json::{Value, json};
use wharf::{
    Client, Descriptor, Manifest, MediaType, Name, Options, Selection, Sink as _, SinkExt as _, Source as _,
    Target,
    store::{Layout, Memory},
};
use wharf_registry::Registry;

const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"some layer";

fn described(bytes: &[u8], media_type: &str) -> Value {
    json!(Descriptor::of(MediaType::from_document(media_type), bytes))
}

fn image(config_type: &str, layer_type: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described(CONFIG, config_type),
        "layers": [described(LAYER, layer_type)],
    })
}

/// A store with this document and its blobs.
async fn store_of(document: &Value, name: &Name) -> Memory {
    let store = Memory::new();
    for bytes in [CONFIG, LAYER] {
        store.push_bytes(MediaType::OCTET_STREAM, bytes).await.unwrap();
    }
    let manifest = Manifest::parse(document.to_string().into(), None).unwrap();
    store.push_manifest(&manifest, Some(name)).await.unwrap();
    store
}

/// From a store to a registry, to a layout, and to another repository of the registry.
#[tokio::test]
async fn what_need_not_be_understood_is_copied_byte_for_byte() {
    let mut unset = image("", "");
    unset["annotations"] = json!(null);
    unset["artifactType"] = json!("");
    unset["subject"] = json!(null);
    unset["layers"][0]["annotations"] = json!({"a": null});
    let mut empty = image("application/vnd.oci.empty.v1+json", "");
    empty["layers"] = json!(null);
    let mut untyped = image("", "");
    untyped["config"].as_object_mut().unwrap().remove("mediaType");
    let artifact = json!({
        "mediaType": "application/vnd.oci.artifact.manifest.v1+json",
        "artifactType": "application/example",
        "blobs": [described(LAYER, "text/plain")],
    });
    let documents = [
        image("sbom", "sbom"),
        image(
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.index.v1+json",
        ),
        image("application/vnd.oci.image.manifest.v1+json", "a b; c"),
        unset,
        empty,
        untyped,
        artifact,
    ];
    let server = Registry::memory().serve().await.unwrap();
    let registry = server.registry();
    let client = Client::builder()
        .with_plain_http(registry.clone())
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::create(directory.path()).await.unwrap();
    for (number, document) in documents.iter().enumerate() {
        let name = Name::parse(&format!("image{number}")).unwrap();
        let options = || Options::default().with_selection(Selection::All);
        let store = store_of(document, &name).await;
        let (first, second) = (
            format!("{registry}/first:{name}"),
            format!("{registry}/second:{name}"),
        );
        client.push_with(&store, &name, &first, options()).await.unwrap();
        let pulled = client
            .pull_with(&first, &layout, options().with_name(name.clone()))
            .await
            .unwrap();
        assert_eq!(pulled.name(), &name);
        client
            .push_with(&layout, &name, &second, options())
            .await
            .unwrap();
        let kept = layout.manifest(&Target::Name(name)).await.unwrap();
        let served = client.manifest(format!("docker://{second}")).await.unwrap();
        for manifest in [kept, served] {
            assert_eq!(manifest.bytes(), document.to_string().as_bytes());
        }
    }
    assert_eq!(layout.check().await.unwrap().problems, []);
}
