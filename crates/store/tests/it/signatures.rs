//! Signatures in a layout: kept as manifests, merged, alive as long as what they sign.

use bytes::Bytes;
use wharf_content::{
    Descriptor, ErrorKind, ImageBuilder, MediaType, Name, Platform, Signature, Sink as _, SinkExt as _,
    Source as _, Target, Wanted, attachments,
};
use wharf_store::{Collect, Layout, Prune};

const SIGNATURE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn attachment(number: usize) -> Signature {
    Signature::Attachment {
        media_type: MediaType::parse(SIGNATURE).unwrap(),
        payload: format!(r#"{{"critical":{number}}}"#).into(),
        annotations: [("sig".to_owned(), number.to_string())].into(),
    }
}

fn bundle(number: usize) -> Signature {
    Signature::Bundle(format!(r#"{{"messageSignature":{number}}}"#).into())
}

/// An image with a name, and the descriptor of its manifest.
async fn named(store: &Layout, name: &str) -> Descriptor {
    let image = ImageBuilder::for_platform(Platform::new("linux", "amd64"))
        .with_tar(Bytes::copy_from_slice(name.as_bytes()))
        .build()
        .unwrap();
    store
        .push_image(&image, Some(&Name::parse(name).unwrap()))
        .await
        .unwrap();
    image.root().descriptor().clone()
}

async fn create() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let store = Layout::create(directory.path().join("images")).await.unwrap();
    (directory, store)
}

async fn read(store: &Layout, image: &Descriptor, wanted: Wanted) -> Vec<Signature> {
    store.signatures(image.digest(), wanted).await.unwrap()
}

fn names_of_index(store: &Layout) -> Vec<String> {
    let index = std::fs::read(store.path().join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let entries = index.get("manifests").unwrap().as_array().unwrap().iter();
    entries
        .map(|entry| {
            let name = entry.pointer("/annotations/org.opencontainers.image.ref.name");
            name.map_or("-", |name| name.as_str().unwrap()).to_owned()
        })
        .collect()
}

#[tokio::test]
async fn signatures_are_no_images() {
    let (_directory, store) = create().await;
    let image = named(&store, "app:1").await;
    let all = [attachment(1), bundle(1)];
    assert_eq!(store.push_signatures(&image, None, &all).await.unwrap(), 2);
    let name = attachments::name(image.digest()).unwrap();
    assert_eq!(names_of_index(&store), ["app:1", name.as_str()]);
    let images = store.images().await.unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].descriptor().digest(), image.digest());
    let error = store
        .manifest(&Name::parse("none").unwrap().into())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("it has app:1"), "{error}");
    assert!(!error.to_string().contains(".sig"), "{error}");
    // They are found by their name all the same, as in a registry.
    let attached = store.manifest(&Target::Name(name)).await.unwrap();
    assert_eq!(attached.layers().len(), 1);
    assert!(store.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_replaced_manifest_of_attachments_leaves_no_entry() {
    let (_directory, store) = create().await;
    let image = named(&store, "app:1").await;
    for number in 1..=3 {
        let added = store
            .push_signatures(&image, None, &[attachment(number)])
            .await
            .unwrap();
        assert_eq!(added, 1);
    }
    assert_eq!(names_of_index(&store).len(), 2);
    let found = read(&store, &image, Wanted::ATTACHMENTS).await;
    assert_eq!(found, [attachment(1), attachment(2), attachment(3)]);
    store.collect(&Collect::default()).await.unwrap();
    assert_eq!(read(&store, &image, Wanted::ATTACHMENTS).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_at_once_lose_nothing() {
    let (directory, store) = create().await;
    let image = named(&store, "app:1").await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        // Layouts that were opened on their own share nothing in this process.
        let store = Layout::open(directory.path().join("images")).await.unwrap();
        let image = image.clone();
        writers.spawn(async move {
            for number in 0..4 {
                let signatures = [attachment(writer * 4 + number), bundle(writer * 4 + number)];
                assert_eq!(store.push_signatures(&image, None, &signatures).await.unwrap(), 2);
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    assert_eq!(read(&store, &image, Wanted::ATTACHMENTS).await.len(), 32);
    assert_eq!(read(&store, &image, Wanted::BUNDLES).await.len(), 32);
}

#[tokio::test]
async fn a_layout_has_no_form_for_simple_signatures() {
    let (_directory, store) = create().await;
    let image = named(&store, "app:1").await;
    let simple = Signature::Simple(Bytes::from_static(b"\x90"));
    let error = store
        .accepts_signatures(Wanted::EVERYTHING, None)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = store
        .push_signatures(&image, None, &[attachment(1), simple])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        read(&store, &image, Wanted::EVERYTHING).await.is_empty(),
        "nothing is written before it is checked"
    );
    let kept = Wanted::ATTACHMENTS.or(Wanted::BUNDLES);
    store.accepts_signatures(kept, None).await.unwrap();
}

#[tokio::test]
async fn signatures_live_as_long_as_what_they_sign() {
    let (_directory, store) = create().await;
    let (one, two) = (named(&store, "app:1").await, named(&store, "app:2").await);
    // A signature of an SBOM of the image, which has no name: the attachment of a referrer.
    let sbom = ImageBuilder::new()
        .with_artifact_type(MediaType::parse("application/spdx+json").unwrap())
        .with_subject(one.clone())
        .build()
        .unwrap();
    store.push_image(&sbom, None).await.unwrap();
    let sbom = sbom.root().descriptor().clone();
    for (number, image) in [&one, &two, &sbom].into_iter().enumerate() {
        let signatures = [attachment(number), bundle(number)];
        store.push_signatures(image, None, &signatures).await.unwrap();
    }
    let path = store.path().to_owned();
    drop(store); // and what it has pinned
    let store = Layout::open(&path).await.unwrap();
    let collect = Collect::default();
    let all = async || {
        let mut counts = Vec::new();
        for image in [&one, &two, &sbom] {
            counts.push(read(&store, image, Wanted::EVERYTHING).await.len());
        }
        counts
    };
    let collected = store.collect(&collect).await.unwrap();
    assert_eq!(
        (collected.images, collected.blobs.len()),
        (0, 0),
        "{:?}",
        collected.blobs
    );
    assert_eq!(all().await, [2, 2, 2]);
    assert_eq!(store.prune(Prune::Dangling, &collect).await.unwrap().images, 0);
    assert_eq!(all().await, [2, 2, 2]);

    assert!(store.remove(&Name::parse("app:1").unwrap().into()).await.unwrap());
    drop(store);
    let store = Layout::open(&path).await.unwrap();
    let planned = store.collect(&collect.clone().with_dry_run(true)).await.unwrap();
    let collected = store.collect(&collect).await.unwrap();
    assert_eq!(planned.blobs.len(), collected.blobs.len());
    assert_eq!(
        collected.images, 2,
        "the attachments of the image and of its SBOM"
    );
    assert_eq!(
        names_of_index(&store),
        [
            "app:2".to_owned(),
            attachments::name(two.digest()).unwrap().to_string()
        ]
    );
    assert_eq!(read(&store, &two, Wanted::EVERYTHING).await.len(), 2);
    assert!(read(&store, &one, Wanted::EVERYTHING).await.is_empty());
    assert!(store.check().await.unwrap().is_clean());

    let pruned = store.prune(Prune::All, &collect).await.unwrap();
    assert_eq!(pruned.images, 2);
    drop(store);
    let store = Layout::open(&path).await.unwrap();
    store.collect(&collect).await.unwrap();
    assert!(names_of_index(&store).is_empty());
}

#[tokio::test]
async fn attachments_that_arrived_as_a_manifest_are_read() {
    let (_directory, store) = create().await;
    let image = named(&store, "app:1").await;
    let merged = attachments::merge(None, &[attachment(1)]).unwrap().unwrap();
    for (descriptor, bytes) in merged.blobs() {
        let blob = wharf_content::Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        store.push_blob(blob).await.unwrap();
    }
    let name = attachments::name(image.digest()).unwrap();
    store.push_manifest(merged.manifest(), Some(&name)).await.unwrap();
    assert_eq!(read(&store, &image, Wanted::EVERYTHING).await, [attachment(1)]);
    assert_eq!(
        store
            .push_signatures(&image, None, &[attachment(1), attachment(2)])
            .await
            .unwrap(),
        1
    );
    assert_eq!(read(&store, &image, Wanted::EVERYTHING).await.len(), 2);
}

/// Whoever pulls a manifest of attachments by its full name wants it for itself.
#[tokio::test]
async fn attachments_with_a_full_name_are_an_image() {
    let (_directory, store) = create().await;
    let image = named(&store, "app:1").await;
    let merged = attachments::merge(None, &[attachment(1)]).unwrap().unwrap();
    for (descriptor, bytes) in merged.blobs() {
        let blob = wharf_content::Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        store.push_blob(blob).await.unwrap();
    }
    let full = format!(
        "registry.example/app:{}",
        attachments::name(image.digest()).unwrap()
    );
    let full = Name::parse(&full).unwrap();
    store.push_manifest(merged.manifest(), Some(&full)).await.unwrap();
    assert_eq!(store.images().await.unwrap().len(), 2);
    assert!(store.remove(&Name::parse("app:1").unwrap().into()).await.unwrap());
    let path = store.path().to_owned();
    drop(store);
    let store = Layout::open(&path).await.unwrap();
    store.collect(&Collect::default()).await.unwrap();
    assert_eq!(store.manifest(&full.into()).await.unwrap(), *merged.manifest());
}

#[tokio::test]
async fn damaged_and_odd_signatures_are_errors_or_left_out() {
    let (_directory, store) = create().await;
    let image = named(&store, "app:1").await;
    store
        .push_signatures(&image, None, &[attachment(1), bundle(1)])
        .await
        .unwrap();
    let payload = Descriptor::of(MediaType::OCTET_STREAM, br#"{"critical":1}"#);
    let file = store.path().join("blobs/sha256").join(payload.digest().encoded());
    std::fs::write(&file, r#"{"critical":2}"#).unwrap();
    let error = store
        .signatures(image.digest(), Wanted::ATTACHMENTS)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(read(&store, &image, Wanted::BUNDLES).await, [bundle(1)]);

    // An index under the name of attachments.
    let (_directory, store) = create().await;
    let image = named(&store, "app:1").await;
    let name = attachments::name(image.digest()).unwrap();
    let index = wharf_content::Manifest::parse(
        Bytes::from_static(
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
        ),
        None,
    )
    .unwrap();
    store.push_manifest(&index, Some(&name)).await.unwrap();
    for failed in [
        store
            .signatures(image.digest(), Wanted::ATTACHMENTS)
            .await
            .map(drop),
        store
            .push_signatures(&image, None, &[attachment(1)])
            .await
            .map(drop),
    ] {
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Invalid);
    }
}
