//! The conversions that containers/image, the library of Skopeo and Podman, expects in its own tests.

use std::{fs, path::Path};

use serde_json::Value;
use wharf_content::{ErrorKind, Manifest, SourceExt as _};
use wharf_image::{Format, Recipe};

use crate::support::{Store, document};

fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/containers-image");
    fs::read(path.join(format!("{name}.json"))).unwrap()
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}

/// An image of a manifest and a config of theirs. Some of their manifests state the size of another config: a reader that
/// verifies what it reads needs the true one.
async fn image(store: &Store, manifest: &str, config: &str) -> Manifest {
    let mut document = json(manifest);
    let media_type = document["config"]["mediaType"].as_str().unwrap().to_owned();
    let stored = store.blob(&media_type, bytes(config)).await;
    if stored["digest"] == document["config"]["digest"] && stored["size"] == document["config"]["size"] {
        return store.text(&String::from_utf8(bytes(manifest)).unwrap()).await;
    }
    document["config"] = stored;
    store.manifest(&document).await
}

#[tokio::test]
async fn an_image_of_ocis_format_becomes_the_expected_one_of_dockers() {
    let store = Store::default();
    let image = image(&store, "oci1", "oci1-config").await;
    for recipe in [Recipe::new(), Recipe::new().as_skopeo(true)] {
        let converted = store
            .prepare(&image, &recipe.format(Format::Docker))
            .await
            .unwrap();
        assert_eq!(document(converted.root()), json("oci1-to-schema2"));
        let config = converted.config_bytes(converted.root()).await.unwrap();
        assert_eq!(config, bytes("oci1-config"));
    }
}

/// The expected manifest has the digest and the size of the expected config in the form in which it is written.
#[tokio::test]
async fn an_image_of_dockers_format_becomes_the_expected_one_of_ocis() {
    let store = Store::default();
    let image = image(&store, "schema2", "oci1-config").await;
    let recipe = Recipe::new().format(Format::Oci).as_skopeo(true);
    let converted = store.prepare(&image, &recipe).await.unwrap();
    let config = converted.config_bytes(converted.root()).await.unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config, json("schema2-to-oci1-config"));
    assert_eq!(document(converted.root()), json("schema2-to-oci1"));
    // By default the config, and with it the image ID, stays.
    let kept = store
        .prepare(&image, &Recipe::new().format(Format::Oci))
        .await
        .unwrap();
    assert_eq!(document(kept.root())["layers"], json("schema2-to-oci1")["layers"]);
    let config = kept.config_bytes(kept.root()).await.unwrap();
    assert_eq!(config, bytes("oci1-config"));
}

#[tokio::test]
async fn every_type_of_layer_becomes_the_expected_one() {
    let expected = json("schema2-all-media-types-to-oci1");
    let mut config = json("oci1-config");
    let layers = expected["layers"].as_array().unwrap().len();
    let diff_ids =
        (1..=layers).map(|number| Value::from(format!("sha256:{}", number.to_string().repeat(64))));
    config["rootfs"]["diff_ids"] = diff_ids.collect();
    config.as_object_mut().unwrap().remove("history");
    let store = Store::default();
    let mut image = json("schema2-all-media-types");
    let media_type = image["config"]["mediaType"].as_str().unwrap().to_owned();
    image["config"] = store.blob(&media_type, config.to_string()).await;
    let image = store.manifest(&image).await;
    let converted = store
        .prepare(&image, &Recipe::new().format(Format::Oci))
        .await
        .unwrap();
    assert_eq!(document(converted.root())["layers"], expected["layers"]);
}

/// What their tests expect to fail fails here, and the message says which layer or type it is.
#[tokio::test]
async fn what_is_expected_to_be_refused_is_refused() {
    for (manifest, part) in [
        ("oci1-all-media-types", "zstd"),
        ("oci1.encrypted", "encrypted"),
        (
            "oci1-artifact",
            "application/vnd.oci.custom.artifact.config.v1+json",
        ),
    ] {
        let store = Store::default();
        let image = image(&store, manifest, "oci1-config").await;
        let recipe = Recipe::new().format(Format::Docker);
        let refused = store.prepare(&image, &recipe).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{manifest}: {refused}");
        assert!(refused.to_string().contains(part), "{manifest}: {refused}");
    }
    let store = Store::default();
    let image = image(&store, "oci1-invalid-media-type", "oci1-config").await;
    let refused = store.prepare(&image, &Recipe::new().format(Format::Docker)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
}

/// A difference: that library refuses Docker's type of a layer that is compressed with zstd, which BuildKit, regctl and
/// containerd write.
#[tokio::test]
async fn a_layer_of_dockers_type_for_zstd_is_converted_to_ocis() {
    let store = Store::default();
    let image = image(&store, "schema2-invalid-media-type", "oci1-config").await;
    let converted = store
        .prepare(&image, &Recipe::new().format(Format::Oci))
        .await
        .unwrap();
    let layer = converted.root().layers()[0].media_type().as_str();
    assert_eq!(layer, "application/vnd.oci.image.layer.v1.tar+zstd");
}

/// Members that no specification has stay in a config whose bytes stay.
#[tokio::test]
async fn further_members_of_a_config_stay() {
    let store = Store::default();
    let image = image(&store, "oci1-extra-config-fields", "oci1-config-extra-fields").await;
    for recipe in [Recipe::new(), Recipe::new().as_skopeo(true)] {
        let converted = store
            .prepare(&image, &recipe.format(Format::Docker))
            .await
            .unwrap();
        let config = converted.config_bytes(converted.root()).await.unwrap();
        assert_eq!(config, bytes("oci1-config-extra-fields"));
    }
}
