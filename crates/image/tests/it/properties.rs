//! For random images and recipes: preparing twice gives equal bytes, platforms and their order stay, and converting
//! to a format and back and there again gives what the first conversion gave.

use proptest::prelude::*;
use serde_json::json;
use wharf_content::{Descriptor, Manifest};
use wharf_image::{Format, Recipe};

use crate::support::{
    DOCKER_CONFIG, DOCKER_GZIP, DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_GZIP, OCI_INDEX, OCI_MANIFEST,
    Store,
};

#[derive(Debug, Clone)]
struct Sketch {
    docker: bool,
    variants: Vec<(bool, u8, Vec<String>)>,
}

fn sketches() -> impl Strategy<Value = Sketch> {
    let annotation = proptest::collection::vec("[a-z.<>&\u{2028}\u{e9}]{1,6}", 0..3);
    let variants = proptest::collection::vec((any::<bool>(), 0_u8..4, annotation), 1..5);
    (any::<bool>(), variants).prop_map(|(docker, variants)| Sketch { docker, variants })
}

async fn make(store: &Store, sketch: &Sketch) -> Manifest {
    let mut entries = Vec::new();
    for (number, (docker, layers, annotations)) in sketch.variants.iter().enumerate() {
        let (manifest, config, layer) = if *docker {
            (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_GZIP)
        } else {
            (OCI_MANIFEST, OCI_CONFIG, OCI_GZIP)
        };
        let mut image = store.image_document(manifest, config, layer).await;
        let (mut list, mut diff_ids) = (Vec::new(), Vec::new());
        for at in 0..*layers {
            list.push(store.blob(layer, format!("{number} {at}")).await);
            diff_ids.push(format!("sha256:{}", "0".repeat(64)));
        }
        let document = json!({ "architecture": format!("a{number}"), "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        image["layers"] = json!(list);
        image["config"] = store.blob(config, document.to_string()).await;
        if !docker && !annotations.is_empty() {
            image["annotations"] = annotations.iter().map(|key| (key.clone(), json!(key))).collect();
        }
        let image = store.manifest(&image).await;
        entries.push(
            json!({ "mediaType": manifest, "digest": image.digest(), "size": image.bytes().len(),
            "platform": { "os": "linux", "architecture": format!("a{number}") } }),
        );
    }
    let media_type = if sketch.docker { DOCKER_LIST } else { OCI_INDEX };
    store
        .manifest(&json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries }))
        .await
}

fn platforms(manifest: &Manifest) -> Vec<String> {
    let stated = manifest.manifests().iter().filter_map(Descriptor::platform);
    stated.map(ToString::to_string).collect()
}

/// Adds the documents of a prepared image to its store.
async fn store_all(store: &Store, prepared: &wharf_image::Prepared) {
    use wharf_content::Sink as _;

    for entry in prepared.root().manifests() {
        let image = crate::support::child(prepared, entry).await;
        store.0.push_manifest(&image, None).await.unwrap();
    }
    store.0.push_manifest(prepared.root(), None).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn preparing_is_deterministic_and_reaches_a_fixed_point(sketch in sketches(), docker in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = Store::default();
            let original = make(&store, &sketch).await;
            let (one, other) = if docker { (Format::Docker, Format::Oci) } else { (Format::Oci, Format::Docker) };
            let first = store.prepare(&original, &Recipe::new().format(one)).await.unwrap();
            let again = store.prepare(&original, &Recipe::new().format(one)).await.unwrap();
            assert_eq!(first.root().bytes(), again.root().bytes());
            assert_eq!(platforms(first.root()), platforms(&original));

            store_all(&store, &first).await;
            let same = store.prepare(first.root(), &Recipe::new().format(one)).await.unwrap();
            assert_eq!(same.root().bytes(), first.root().bytes());

            // What the first conversion kept, later ones keep, if it was to the poorer format.
            if one == Format::Docker {
                let there = store.prepare(first.root(), &Recipe::new().format(other)).await.unwrap();
                assert_eq!(there.report().losses(), []);
                store_all(&store, &there).await;
                let back = store.prepare(there.root(), &Recipe::new().format(one)).await.unwrap();
                // Originals that were in Docker's format already kept their bytes, whatever their order of members.
                assert_eq!(platforms(back.root()), platforms(&original));
                store_all(&store, &back).await;
                let forth = store.prepare(back.root(), &Recipe::new().format(other)).await.unwrap();
                assert_eq!(forth.root().bytes(), there.root().bytes());
            }
        });
    }
}
