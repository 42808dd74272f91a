use serde_json::{Value, json};
use wharf_content::{Descriptor, ErrorKind, Manifest, Platform};
use wharf_image::{Format, Recipe, Scope};

use crate::support::{
    DOCKER_CONFIG, DOCKER_GZIP, DOCKER_MANIFEST, OCI_CONFIG, OCI_GZIP, OCI_INDEX, OCI_MANIFEST, Store, child,
};

fn entry(manifest: &Manifest, platform: &str, attests: Option<&Manifest>) -> Value {
    let platform: Platform = platform.parse().unwrap();
    let mut entry = json!({
        "mediaType": manifest.media_type(),
        "digest": manifest.digest(),
        "size": manifest.bytes().len(),
        "platform": platform,
    });
    if let Some(image) = attests {
        entry["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image.digest(),
        });
    }
    entry
}

async fn index(store: &Store, entries: Vec<Value>) -> Manifest {
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, "x-unknown": 1.0 });
    store.manifest(&index).await
}

/// Images for amd64 and arm64, each with an attestation, as BuildKit pushes them.
async fn attested(store: &Store) -> (Manifest, [Manifest; 4]) {
    let amd64 = store.image(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
    let arm64 = store
        .image(OCI_MANIFEST, OCI_CONFIG, "application/vnd.oci.image.layer.v1.tar")
        .await;
    let mut attestations = Vec::new();
    for number in 0..2 {
        let config = store.blob(OCI_CONFIG, format!(r#"{{"architecture":"unknown","os":"unknown","n":{number},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#)).await;
        let layer = store
            .blob("application/vnd.in-toto+json", format!("statement {number}"))
            .await;
        let document =
            json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] });
        attestations.push(store.manifest(&document).await);
    }
    let [one, two] = <[Manifest; 2]>::try_from(attestations).unwrap();
    let entries = vec![
        entry(&amd64, "linux/amd64", None),
        entry(&arm64, "linux/arm64", None),
        entry(&one, "unknown/unknown", Some(&amd64)),
        entry(&two, "unknown/unknown", Some(&arm64)),
    ];
    (index(store, entries).await, [amd64, arm64, one, two])
}

fn digests(entries: &[Descriptor]) -> Vec<&str> {
    entries.iter().map(|entry| entry.digest().as_str()).collect()
}

#[tokio::test]
async fn an_index_is_shortened_and_attestations_follow_their_image() {
    let store = Store::default();
    let (index, [amd64, arm64, one, two]) = attested(&store).await;
    let rows: [(&[&str], &[&Manifest]); 3] = [
        (&["linux/arm64"], &[&arm64, &two]),
        (&["linux/amd64"], &[&amd64, &one]),
        (&["linux/arm64", "linux/amd64"], &[&amd64, &arm64, &one, &two]),
    ];
    for (platforms, expected) in rows {
        let recipe = Recipe::new().platforms(platforms.iter().map(|text| text.parse().unwrap()));
        let prepared = store.prepare(&index, &recipe).await.unwrap();
        let expected: Vec<_> = expected
            .iter()
            .map(|manifest| manifest.digest().as_str())
            .collect();
        assert_eq!(digests(prepared.root().manifests()), expected);
        let all = expected.len() == 4;
        assert_eq!(prepared.root().bytes() == index.bytes(), all, "{platforms:?}");
        let text = std::str::from_utf8(prepared.root().bytes()).unwrap();
        assert!(text.contains(r#""x-unknown":1.0"#), "{text}");
    }
}

#[tokio::test]
async fn a_platform_that_is_not_there_is_named() {
    let store = Store::default();
    let (index, [amd64, ..]) = attested(&store).await;
    let s390x = Platform::new("linux", "s390x");
    for recipe in [
        Recipe::new().platforms([Platform::new("linux", "amd64"), s390x.clone()]),
        Recipe::new().select(s390x.clone()),
    ] {
        let error = store.prepare(&index, &recipe).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("linux/s390x"), "{error}");
        // An image that is in no index is taken as it is.
        let prepared = store.prepare(&amd64, &recipe).await.unwrap();
        assert_eq!(prepared.root(), &amd64);
    }
}

#[tokio::test]
async fn a_selected_image_keeps_its_digest() {
    let store = Store::default();
    let (index, [_, arm64, ..]) = attested(&store).await;
    let recipe = Recipe::new().select(Platform::new("linux", "arm64"));
    let prepared = store
        .prepare(&index, &recipe.clone().preserve(true))
        .await
        .unwrap();
    assert_eq!(prepared.root(), &arm64);
    assert!(!prepared.report().is_changed());
    let prepared = store
        .prepare(&index, &recipe.format(Format::Docker))
        .await
        .unwrap();
    assert_eq!(prepared.report().original().digest(), arm64.digest());
    assert_eq!(prepared.root().media_type().as_str(), DOCKER_MANIFEST);
}

#[tokio::test]
async fn the_first_fitting_entry_of_a_platform_stays() {
    let store = Store::default();
    let gzip = store.image(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
    let zstd = store
        .image(
            OCI_MANIFEST,
            OCI_CONFIG,
            "application/vnd.oci.image.layer.v1.tar+zstd",
        )
        .await;
    let mut second = entry(&zstd, "linux/amd64", None);
    second["annotations"] = json!({ "io.github.containers.compression.zstd": "true" });
    let index = index(&store, vec![entry(&gzip, "linux/amd64", None), second]).await;
    let amd64 = Platform::new("linux", "amd64");
    let prepared = store
        .prepare(&index, &Recipe::new().platforms([amd64.clone()]))
        .await
        .unwrap();
    assert_eq!(digests(prepared.root().manifests()), [gzip.digest().as_str()]);
    let prepared = store.prepare(&index, &Recipe::new().select(amd64)).await.unwrap();
    assert_eq!(prepared.root(), &gzip);
}

#[tokio::test]
async fn nested_indexes_are_shortened_and_empty_ones_are_dropped() {
    let store = Store::default();
    let amd64 = store.image(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
    let arm64 = store.image(DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_GZIP).await;
    let left = index(
        &store,
        vec![
            entry(&amd64, "linux/amd64", None),
            entry(&arm64, "linux/arm64", None),
        ],
    )
    .await;
    let right = index(&store, vec![entry(&amd64, "linux/amd64", None)]).await;
    let nested = |manifest: &Manifest| json!({ "mediaType": OCI_INDEX, "digest": manifest.digest(), "size": manifest.bytes().len() });
    let root = index(&store, vec![nested(&left), nested(&right)]).await;
    let recipe = Recipe::new().platforms([Platform::new("linux", "arm64")]);
    let prepared = store.prepare(&root, &recipe).await.unwrap();
    let [only] = prepared.root().manifests() else {
        panic!("{:?}", prepared.root().manifests());
    };
    let inner = child(&prepared, only).await;
    assert_eq!(digests(inner.manifests()), [arm64.digest().as_str()]);
}

#[tokio::test]
async fn an_attestation_of_a_changed_image_names_its_new_digest() {
    let store = Store::default();
    let (index, [.., two]) = attested(&store).await;
    let arm64 = Platform::new("linux", "arm64");
    let recipe = Recipe::new().annotate(Scope::Platform(arm64), "k", "v");
    let prepared = store.prepare(&index, &recipe).await.unwrap();
    let entries = prepared.root().manifests();
    assert_eq!(entries[3].digest(), two.digest());
    assert_eq!(
        entries[3].annotations()["vnd.docker.reference.digest"],
        entries[1].digest().as_str()
    );
    assert_eq!(
        entries[2].annotations()["vnd.docker.reference.digest"],
        index.manifests()[0].digest().as_str()
    );
    assert_ne!(entries[1].digest(), index.manifests()[1].digest());
}

#[tokio::test]
async fn indexes_that_are_nested_too_deep_are_refused() {
    let store = Store::default();
    let mut inner = store.image(OCI_MANIFEST, OCI_CONFIG, OCI_GZIP).await;
    for level in 2..=5 {
        let entry =
            json!({ "mediaType": inner.media_type(), "digest": inner.digest(), "size": inner.bytes().len() });
        inner = index(&store, vec![entry]).await;
        let prepared = store.prepare(&inner, &Recipe::new().format(Format::Oci)).await;
        match prepared {
            Ok(_) => assert!(level <= 4, "{level}"),
            Err(error) => assert!(
                level > 4 && error.kind() == ErrorKind::TooLarge,
                "{level}: {error}"
            ),
        }
    }
}
