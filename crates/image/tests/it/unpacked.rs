//! What layers unpack to: limits of an image, and bytes behind the tars.

use serde_json::json;
use wharf_content::{ErrorKind, Hasher, Manifest};
use wharf_image::{Layers, MAX_UNPACKED, Options, Recipe};

use crate::support::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Store};

const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image of plain layers.
async fn image(store: &Store, tars: &[Vec<u8>]) -> Manifest {
    let diff_ids: Vec<String> = tars.iter().map(|tar| Hasher::sha256(tar).to_string()).collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = store.blob(OCI_CONFIG, config.to_string()).await;
    let mut layers = Vec::new();
    for tar in tars {
        layers.push(store.blob(OCI_LAYER, tar.clone()).await);
    }
    let image = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
    store.manifest(&image).await
}

fn compressed() -> Recipe {
    Recipe::new().layers(Layers::Compressed)
}

#[tokio::test]
async fn i11_the_layers_of_an_image_unpack_to_a_bounded_size_together() {
    let store = Store::default();
    let sizes = [3 << 20, 2 << 20, 1];
    let tars: Vec<Vec<u8>> = sizes.map(|size| vec![1; size]).into();
    let (first, second) = (image(&store, &tars[..1]).await, image(&store, &tars[1..]).await);
    let all = image(&store, &tars).await;
    let entry = |image: &Manifest| json!({ "mediaType": OCI_MANIFEST, "digest": image.digest(), "size": image.bytes().len() });
    let index =
        json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry(&first), entry(&second)] });
    let index = store.manifest(&index).await;
    let total = sizes.iter().sum::<usize>() as u64;
    assert!(total < MAX_UNPACKED);
    for root in [&all, &index] {
        for (limit, fits) in [(total, true), (total - 1, false), (2 << 20, false), (0, false)] {
            let options = Options::default().with_max_unpacked(limit);
            match store.prepare_with(root, &compressed(), &options).await {
                Ok(_) => assert!(fits, "{limit}"),
                Err(error) => {
                    assert!(!fits && error.kind() == ErrorKind::TooLarge, "{limit}: {error}");
                    assert!(
                        error.to_string().contains("the limit `max_unpacked` is"),
                        "{error}"
                    );
                    assert!(error.to_string().contains("layer "), "{error}");
                }
            }
        }
        // A recipe that decodes nothing is bounded by nothing.
        let options = Options::default().with_max_unpacked(0);
        store.prepare_with(root, &Recipe::new(), &options).await.unwrap();
    }
}

/// A tar of one empty file.
fn tar() -> Vec<u8> {
    let mut writer = wharf_layer::tar::Writer::new();
    let member = wharf_layer::tar::Member::file("a", 0).unwrap();
    let mut bytes = writer.member(&member).unwrap();
    bytes.extend_from_slice(writer.end_member().unwrap());
    bytes.extend_from_slice(writer.finish().unwrap());
    bytes
}

#[tokio::test]
async fn bytes_after_the_end_of_a_tar_belong_to_the_layer_and_are_reported() {
    let with = |tail: &[u8]| [tar(), tail.to_vec()].concat();
    for (tar, expected) in [
        (tar(), Some(0)),
        (with(&[0; 10_240]), Some(0)),
        (with(&[0; 7]), Some(0)),
        (with(&[1]), Some(1)),
        (with(&[&[0; 5000][..], &[7; 600]].concat()), Some(600)),
        (with(b"\0a\0b\0"), Some(2)),
        // What is no tar, or one that ends too early, is decoded all the same.
        (b"no tar".to_vec(), None),
        (vec![9; 4096], None),
    ] {
        let store = Store::default();
        let image = image(&store, std::slice::from_ref(&tar)).await;
        let options = Options::default();
        let prepared = store.prepare_with(&image, &compressed(), &options).await.unwrap();
        let change = &prepared.report().layers()[0];
        assert_eq!(change.trailing, expected, "{:?}", &tar[tar.len() - 5..]);
        assert_eq!(change.diff_id, Hasher::sha256(&tar), "every byte counts");
        // The memo knows the layer, which is not read again.
        let again = store.prepare_with(&image, &compressed(), &options).await.unwrap();
        assert_eq!(again.report().layers()[0].trailing, None);
    }
}
