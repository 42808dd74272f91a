//! For random images and recipes: preparing twice gives equal bytes, platforms and their order stay, and converting
//! to a format and back and there again gives what the first conversion gave.

use proptest::prelude::*;
use serde_json::json;
use wharf_content::{Descriptor, Manifest};
use wharf_image::{Codec, Format, Layers, Level, Recipe};

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

    #[test]
    fn any_recipe_gives_the_same_bytes_twice_and_ends_where_it_says(
        format in proptest::option::of(any::<bool>()),
        first in 0_usize..7,
        then in 0_usize..7,
        seed in 0_u8..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let name = format!("{seed}");
            let image = wharf_testkit::Image::builder()
                .plain_files(&[("a", name.as_bytes())])
                .files(&[("b", b"2")])
                .finish();
            let store = Store::with_image(&image).await;
            let mut recipe = Recipe::new().layers(layers(first)).allow_docker_zstd(true);
            if let Some(docker) = format {
                recipe = recipe.format(if docker { Format::Docker } else { Format::Oci });
            }
            let one = store.prepare(image.manifest(), &recipe).await.unwrap();
            let again = store.prepare(image.manifest(), &recipe).await.unwrap();
            assert_eq!(one.root().bytes(), again.root().bytes());

            // A second recipe over the result of the first reads what the first wrote.
            let target = one.target();
            let second = Recipe::new().layers(layers(then)).allow_docker_zstd(true);
            let sink = std::sync::Arc::new(wharf_store::Memory::new());
            let options = wharf_image::Options::default();
            let two = wharf_image::prepare(std::sync::Arc::new(one), sink, &target, &second, &options).await.unwrap();
            for layer in two.root().layers() {
                use wharf_content::SourceExt as _;
                two.fetch(layer, 1 << 20).await.unwrap();
            }
            let codecs: Vec<_> = two.root().layers().iter().map(|layer| Codec::of_type(layer.media_type())).collect();
            if let Layers::Exactly { level, .. } = layers(then) {
                assert_eq!(codecs, [Some(level.codec()); 2]);
            }
        });
    }
}

fn layers(number: usize) -> Layers {
    let exactly = |codec, force| {
        let level = Level::default_of(codec);
        Layers::Exactly { level, force }
    };
    match number {
        0 => Layers::Keep,
        1 => Layers::Compressed,
        2 => Layers::Plain,
        3 => exactly(Codec::Gzip, false),
        4 => exactly(Codec::Gzip, true),
        5 => exactly(Codec::Zstd, false),
        _ => exactly(Codec::Zstd, true),
    }
}
