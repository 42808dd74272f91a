//! What goes and what stays.

use std::time::Duration;

use serde_json::json;
use wharf_content::{ErrorKind, Manifest, MediaType, Sink as _, Source as _};
use wharf_store::{Collect, Options, Prune};
use wharf_testkit::{Image, Index};

use crate::support::{Scratch, Served, blob, layer, name, push};

#[tokio::test]
async fn what_nobody_needs_goes() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    push(&Image::small("kept"), &store, "kept").await;
    push(&Image::small("gone"), &store, "gone").await;
    store.remove(&name("gone").into()).await.unwrap();
    let collect = Collect::default();
    let nothing = store.collect(&collect).await.unwrap();
    assert!(nothing.blobs.is_empty(), "this handle has pushed it");
    drop(store);

    let store = scratch.store().await;
    let dry = store.collect(&collect.clone().with_dry_run(true)).await.unwrap();
    let real = store.collect(&collect).await.unwrap();
    // Manifest, config and one layer; the other layer is in both images.
    assert_eq!((dry.blobs.len(), real.blobs.len()), (3, 3));
    assert_eq!(dry.bytes(), real.bytes());
    assert!(dry.bytes() > 0);
    let checked = store.check().await.unwrap();
    assert!(checked.is_clean());
    assert_eq!((checked.blobs, real.kept), (4, 4));
    assert!(store.collect(&collect).await.unwrap().blobs.is_empty());
    assert!(scratch.files(".wharf/ingest").is_empty());
}

#[tokio::test]
async fn what_an_operation_relies_on_stays() {
    let scratch = Scratch::new();
    let image = Image::small("pinned");
    push(&image, &scratch.store().await, "pinned").await;
    let collector = scratch.store().await;
    collector.remove(&name("pinned").into()).await.unwrap();

    // Told that the manifest is there: everything it needs stays too.
    let store = scratch.store().await;
    let operation = store.pinned();
    assert!(operation.contains(image.manifest().descriptor()).await.unwrap());
    let clone = operation.clone();
    drop(operation);
    assert!(
        collector
            .collect(&Collect::default())
            .await
            .unwrap()
            .blobs
            .is_empty()
    );
    clone
        .tag(&name("back"), image.manifest().descriptor())
        .await
        .unwrap();
    drop(clone);
    assert!(
        collector
            .collect(&Collect::default())
            .await
            .unwrap()
            .blobs
            .is_empty()
    );

    // A blob that is being read stays until its reader is done.
    let (descriptor, _) = &image.blobs()[0];
    let reading = store.pinned().blob(descriptor).await.unwrap();
    collector.remove(&name("back").into()).await.unwrap();
    let collected = collector.collect(&Collect::default()).await.unwrap();
    assert_eq!(collected.blobs.len(), 3);
    reading.read_to_end(u64::MAX).await.unwrap();
    assert_eq!(
        collector.collect(&Collect::default()).await.unwrap().blobs.len(),
        1
    );
    assert_eq!(scratch.files("blobs/sha256").len(), 0);
    drop(store);
    assert_eq!(scratch.files(".wharf/leases").len(), 0);
}

#[tokio::test]
async fn indexes_and_referrers_are_followed() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let index = Index::of(vec![Image::small("a"), Image::small("b")]);
    for image in index.images() {
        push(image, &store, "x").await;
    }
    store
        .push_manifest(index.manifest(), Some(&name("index")))
        .await
        .unwrap();
    let signature = |subject: &Manifest| {
        Image::builder()
            .artifact_type(MediaType::parse("application/x-signature").unwrap())
            .subject(subject.descriptor())
            .finish()
    };
    let of_index = signature(index.manifest());
    let of_signature = signature(of_index.manifest());
    for image in [&of_index, &of_signature] {
        push(image, &store, "x").await;
    }
    store.remove(&name("x").into()).await.unwrap();
    store.prune(Prune::Dangling, &Collect::default()).await.unwrap();
    drop(store);

    let store = scratch.store().await;
    let before = store.check().await.unwrap();
    assert!(store.collect(&Collect::default()).await.unwrap().blobs.is_empty());
    store.remove(&name("index").into()).await.unwrap();
    let collected = store.collect(&Collect::default()).await.unwrap();
    assert_eq!(collected.blobs.len(), before.blobs);
    // Whatever stops a collector, no manifest is left without what it needs.
    let position = |manifest: &Manifest| {
        let found = collected
            .blobs
            .iter()
            .position(|(digest, _)| digest == manifest.digest());
        found.unwrap()
    };
    for image in index.images() {
        assert!(position(index.manifest()) < position(image.manifest()));
        let config = image.manifest().config().unwrap().digest();
        let config = collected
            .blobs
            .iter()
            .position(|(digest, _)| digest == config)
            .unwrap();
        assert!(position(image.manifest()) < config);
    }
}

/// A key that means nothing in an image must not hide what the image needs.
#[tokio::test]
async fn keys_of_the_future_hide_nothing() {
    let scratch = Scratch::new();
    let image = Image::small("x");
    let config = image.manifest().config().unwrap();
    let layers = image.manifest().layers();
    for (number, blobs) in ["1", "\"text\"", "{}", "[1]", "null"].iter().enumerate() {
        let store = scratch.store().await;
        for content in image.blobs() {
            store.push_blob(blob(content)).await.unwrap();
        }
        let parse = |document: serde_json::Value| {
            Manifest::parse(document.to_string().into_bytes().into(), None).unwrap()
        };
        let blobs: serde_json::Value = serde_json::from_str(blobs).unwrap();
        let manifest = parse(json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": layers,
            "blobs": blobs,
        }));
        let index = parse(json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [manifest.descriptor()],
        }));
        // Named itself, and below an index.
        let root = if number % 2 == 0 { &manifest } else { &index };
        store.push_manifest(&manifest, None).await.unwrap();
        store.push_manifest(root, Some(&name("x"))).await.unwrap();
        drop(store);
        let store = scratch.store().await;
        store.collect(&Collect::default()).await.unwrap();
        assert!(store.contains(manifest.descriptor()).await.unwrap(), "{blobs}");
    }
}

#[tokio::test]
async fn prune_removes_images() {
    let scratch = Scratch::new();
    {
        let store = scratch.store().await;
        push(&Image::small("1"), &store, "app").await;
        push(&Image::small("2"), &store, "app").await;
    }
    let store = scratch.store().await;
    let dry = Collect::default().with_dry_run(true);
    for (which, images, blobs) in [(Prune::Dangling, 1, 3), (Prune::All, 1, 4)] {
        let collect = Collect::default();
        let said = store.prune(which, &dry).await.unwrap();
        let done = store.prune(which, &collect).await.unwrap();
        if which == Prune::Dangling {
            assert_eq!(said.blobs, done.blobs);
        }
        assert_eq!((done.images, done.blobs.len()), (images, blobs), "{which:?}");
    }
    assert!(store.images().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_other_tools_write_has_time_to_get_a_name() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let (descriptor, bytes) = layer("written by another tool");
    std::fs::write(scratch.blob_file(descriptor.digest()), &bytes).unwrap();
    std::fs::write(scratch.path("store/blobs/sha256/notes.txt"), "mine").unwrap();
    let collected = store.collect(&Collect::default()).await.unwrap();
    assert!(collected.blobs.is_empty());
    assert_eq!(collected.foreign.len(), 1);
    let now = Collect::default().with_foreign_grace(Duration::ZERO);
    assert_eq!(store.collect(&now).await.unwrap().blobs.len(), 1);
    assert!(scratch.path("store/blobs/sha256/notes.txt").exists());
}

#[tokio::test]
async fn leftovers_go_when_they_are_old() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let broken = Served::breaking(layer(vec![1; 900_000]), 600_000);
    store.push_blob(broken.blob()).await.unwrap_err();
    std::fs::write(scratch.path("store/.wharf/ingest/tmp-0123"), "cut").unwrap();
    std::fs::write(scratch.path("store/.wharf/leases/tmp-0123"), "cut").unwrap();
    let collected = store.collect(&Collect::default()).await.unwrap();
    assert_eq!(collected.leftovers, 1, "the partial download may be continued");
    assert_eq!(
        scratch
            .files(".wharf/leases")
            .iter()
            .filter(|file| file.extension().is_none())
            .count(),
        1,
        "only that of this handle"
    );
    let now = Collect::default().with_partial_age(Duration::ZERO);
    let collected = store.collect(&now).await.unwrap();
    assert_eq!((collected.leftovers, collected.leftover_bytes), (1, 600_000));
    assert!(scratch.files(".wharf/ingest").is_empty());
}

#[tokio::test]
async fn nothing_is_collected_on_a_guess() {
    let scratch = Scratch::new();
    {
        let store = scratch.store().await;
        push(&Image::small("x"), &store, "x").await;
    }
    let manifest = Image::small("x").manifest().digest().clone();
    scratch.damage(&manifest);
    let store = scratch.store().await;
    let error = store.collect(&Collect::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(scratch.files("blobs/sha256").len(), 4);

    let shared = Options::default().with_shared_blobs(scratch.path("shared"));
    let store = scratch.store_with(shared).await;
    let error = store.collect(&Collect::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    store.push_blob(blob(&layer("x"))).await.unwrap();
}

#[tokio::test]
async fn referrers_are_found() {
    let subject = Image::small("subject");
    let artifact_type = MediaType::parse("application/x-signature").unwrap();
    let signature = Image::builder()
        .artifact_type(artifact_type.clone())
        .annotation("by", "me")
        .subject(subject.manifest().descriptor())
        .finish();
    let scratch = Scratch::new();
    let (layout, memory) = (scratch.store().await, wharf_store::Memory::new());
    for image in [&subject, &signature] {
        push(image, &layout, "x").await;
        push(image, &memory, "x").await;
    }
    let digest = subject.manifest().digest();
    for found in [layout.referrers(digest).await, memory.referrers(digest).await] {
        let found = found.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].digest(), signature.manifest().digest());
        assert_eq!(found[0].artifact_type(), Some(&artifact_type));
        assert_eq!(found[0].annotations()["by"], "me");
    }
    assert!(
        layout
            .referrers(signature.manifest().digest())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn memory_prunes_as_a_layout_does() {
    let memory = wharf_store::Memory::new();
    let (named, dangling) = (Image::small("named"), Image::small("dangling"));
    push(&named, &memory, "named").await;
    push(&dangling, &memory, "dangling").await;
    memory.untag(&name("dangling")).await.unwrap();

    let dry = memory
        .prune(Prune::All, &Collect::default().with_dry_run(true))
        .await
        .unwrap();
    assert_eq!((dry.images, memory.images().await.unwrap().len()), (1, 1));
    memory.prune(Prune::Dangling, &Collect::default()).await.unwrap();
    assert!(!memory.contains(dangling.manifest().descriptor()).await.unwrap());
    assert!(memory.contains(named.manifest().descriptor()).await.unwrap());
    let all = memory.prune(Prune::All, &Collect::default()).await.unwrap();
    assert_eq!((all.images, all.kept), (1, 0));
    assert!(memory.images().await.unwrap().is_empty());
    assert!(!memory.contains(named.manifest().descriptor()).await.unwrap());
}
