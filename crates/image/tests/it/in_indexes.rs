//! Recipes worked off on all images of an index, or on some.

use serde_json::{Value, json};
use wharf_content::{ErrorKind, History, Platform, SourceExt as _};
use wharf_image::{NewLayer, Prepared, Recipe, Scope, Set, tar::of_files};
use wharf_testkit::{Image, Index};

use crate::support::{OCI_INDEX, Store, assert_valid, child, document};

fn image(architecture: &str) -> Image {
    let name = format!("etc/{architecture}");
    Image::builder()
        .files(&[(name.as_str(), b"1")])
        .files(&[("srv/both", b"2")])
        .platform(Platform::new("linux", architecture))
        .finish()
}

/// An index of three images and an attestation of the first.
async fn index(store: &Store) -> wharf_content::Manifest {
    let images = ["amd64", "arm64", "s390x"].map(image);
    let listed = Index::of(images.to_vec());
    for image in &images {
        store.add_image(image).await;
    }
    let attestation = Image::builder()
        .files(&[("statement", b"x")])
        .files(&[("another", b"y")])
        .platform(Platform::new("unknown", "unknown"))
        .finish();
    store.add_image(&attestation).await;
    let mut document = document(listed.manifest());
    document["annotations"] = json!({"kept": "yes"});
    let entries = document["manifests"].as_array_mut().unwrap();
    let subject = entries[0]["digest"].clone();
    entries.push(json!({
        "mediaType": attestation.manifest().media_type(),
        "digest": attestation.manifest().digest(),
        "size": attestation.manifest().descriptor().size(),
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject},
    }));
    assert_eq!(document["mediaType"], OCI_INDEX);
    store.manifest(&document).await
}

/// The users of the images of an index, by its entries.
async fn users(prepared: &Prepared) -> Vec<String> {
    let mut users = Vec::new();
    for entry in prepared.root().manifests() {
        let image = child(prepared, entry).await;
        let config = prepared.config(&image).await.unwrap();
        users.push(config.user().unwrap_or("-").to_owned());
    }
    users
}

#[tokio::test]
async fn steps_change_the_images_of_an_index_that_are_meant_and_no_others() {
    let store = Store::default();
    let index = index(&store).await;
    let arm = || Platform::new("linux", "arm64");
    let edit = || Recipe::new().edit(Set::User(Some("7".into())));
    let rows = [
        (edit(), vec!["7", "7", "7"]), // the attestation is of content that is gone
        (edit().only([arm()]), vec!["-", "7", "-", "-"]),
        (
            edit().only([arm(), Platform::new("linux", "s390x")]),
            vec!["-", "7", "7", "-"],
        ),
        (
            edit().only([Platform::new("linux", "amd64")]),
            vec!["7", "-", "-"],
        ),
        (edit().platforms([arm()]), vec!["7"]),
        (
            edit()
                .only([arm()])
                .platforms([arm(), Platform::new("linux", "s390x")]),
            vec!["7", "-"],
        ),
    ];
    for (recipe, expected) in rows {
        let prepared = store.prepare(&index, &recipe).await.unwrap();
        assert!(prepared.root().is_index());
        assert_eq!(users(&prepared).await, expected, "{recipe:?}");
        let new = document(prepared.root());
        assert_eq!(new["annotations"], json!({"kept": "yes"}), "{recipe:?}");
        for entry in prepared.root().manifests() {
            let image = child(&prepared, entry).await;
            assert_eq!(image.descriptor().size(), entry.size());
        }
        assert_valid(&prepared).await;
    }
    let prepared = store.prepare(&index, &edit().only([arm()])).await.unwrap();
    let (old, new) = (document(&index), document(prepared.root()));
    for position in [0, 2, 3] {
        assert_eq!(old["manifests"][position], new["manifests"][position]);
    }
    let changed: Vec<&Value> = ["digest", "size"]
        .iter()
        .map(|key| &new["manifests"][1][*key])
        .collect();
    assert_ne!(changed[0], &old["manifests"][1]["digest"]);
    assert_eq!(old["manifests"][1]["platform"], new["manifests"][1]["platform"]);

    let error = store
        .prepare(&index, &edit().only([Platform::new("linux", "riscv64")]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("riscv64"), "{error}");
    let platform = Set::Platform(Platform::new("linux", "ppc64le"));
    let prepared = store
        .prepare(&index, &Recipe::new().only([arm()]).edit(platform.clone()))
        .await
        .unwrap();
    assert_eq!(
        prepared.root().manifests()[1].platform(),
        Some(&Platform::new("linux", "ppc64le"))
    );
    let all = store
        .prepare(&index, &Recipe::new().edit(platform))
        .await
        .unwrap_err();
    assert_eq!(all.kind(), ErrorKind::Unsupported, "{all}");
    // An image that is in no index is meant whatever its platform.
    let alone = image("amd64");
    let prepared = store
        .prepare(alone.manifest(), &edit().only([arm()]))
        .await
        .unwrap();
    let config = prepared.config(prepared.root()).await.unwrap();
    assert_eq!(config.user(), Some("7"));
}

#[tokio::test]
async fn every_kind_of_step_changes_each_image_of_an_index() {
    let store = Store::default();
    let index = index(&store).await;
    let tar = of_files([("added", "3")]).unwrap();
    let drop = |member: &wharf_image::tar::Member| match member.name() {
        b"srv/both" => wharf_image::tar::MemberEdit::Drop,
        _ => wharf_image::tar::MemberEdit::Keep,
    };
    let rows = [
        (
            "append",
            Recipe::new().append(NewLayer::from_bytes(tar), History::default()),
            3,
        ),
        ("remove", Recipe::new().remove(1), 1),
        ("squash", Recipe::new().squash(..), 1),
        ("members", Recipe::new().members(drop), 2),
        ("annotate", Recipe::new().annotate(Scope::Each, "a", "b"), 2),
    ];
    for (name, recipe, layers) in rows {
        let prepared = store.prepare(&index, &recipe).await.unwrap();
        assert_valid(&prepared).await;
        for (old, new) in index.manifests().iter().zip(prepared.root().manifests()).take(3) {
            assert_ne!(old.digest(), new.digest(), "{name}");
            assert_eq!(old.platform(), new.platform(), "{name}");
            assert_eq!(child(&prepared, new).await.layers().len(), layers, "{name}");
        }
        let again = store.prepare(&index, &recipe).await.unwrap();
        assert_eq!(prepared.root().bytes(), again.root().bytes(), "{name}");
    }
}
