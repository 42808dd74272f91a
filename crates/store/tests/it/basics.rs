//! Put in, got out; names; what is refused.

use std::sync::Arc;

use bytes::Bytes;
use wharf_content::{Blob, Descriptor, ErrorKind, Manifest, MediaType, OpenBlob, Sink, Source as _, Target};
use wharf_store::{Collect, Layout, Memory};

use wharf_testkit::Image;

use crate::support::{Scratch, Served, blob, layer, name, push};

#[tokio::test]
async fn an_image_goes_in_and_comes_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let image = Image::builder()
        .files(&[("one", b"1")])
        .noise(1, 3_000_000)
        .finish();
    push(&image, &Layout::create(&path).await.unwrap(), "example.com/app:1").await;

    let store = Layout::open(&path).await.unwrap();
    let by_name = store.manifest(&name("example.com/app:1").into()).await.unwrap();
    assert_eq!(by_name, *image.manifest());
    let by_digest = Target::Digest(image.manifest().digest().clone());
    assert_eq!(
        store.resolve(&by_digest).await.unwrap().size(),
        image.manifest().bytes().len() as u64
    );
    for (descriptor, bytes) in image.blobs() {
        assert!(store.contains(descriptor).await.unwrap());
        for _ in 0..2 {
            let read = store
                .blob(descriptor)
                .await
                .unwrap()
                .read_to_end(u64::MAX)
                .await
                .unwrap();
            assert_eq!(read, bytes);
        }
    }
    assert_eq!(store.images().await.unwrap().len(), 1);
    let left = std::fs::read_dir(path.join(".wharf/ingest")).unwrap().count();
    assert_eq!(left, 0, "nothing stays in the ingest directory");
}

#[tokio::test]
async fn names_move_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let store = Layout::create(directory.path().join("store")).await.unwrap();
    let (first, second) = (Image::small("1"), Image::small("2"));
    push(&first, &store, "app:1").await;
    push(&second, &store, "app:2").await;
    store
        .tag(&name("app:latest"), first.manifest().descriptor())
        .await
        .unwrap();
    store
        .tag(&name("app:latest"), second.manifest().descriptor())
        .await
        .unwrap();
    let target = name("app:latest").into();
    assert_eq!(
        store.resolve(&target).await.unwrap().digest(),
        second.manifest().digest()
    );
    assert!(store.untag(&name("app:latest")).await.unwrap());
    assert!(!store.untag(&name("app:latest")).await.unwrap());
    assert_eq!(
        store.resolve(&target).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let missing = Descriptor::of(MediaType::OCI_MANIFEST, b"missing");
    let error = store.tag(&name("x"), &missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(store.images().await.unwrap().len(), 2);
}

#[tokio::test]
async fn wrong_bytes_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Layout::create(&path).await.unwrap();
    for size in [10, 2_000_000] {
        let (descriptor, _) = layer(vec![1; size]);
        let wrong = Served::new((descriptor.clone(), Bytes::from(vec![2; size])));
        // Also when somebody says that he has looked.
        let trusted = Blob::verified_before(descriptor.clone(), Arc::clone(&wrong) as Arc<dyn OpenBlob>);
        for blob in [wrong.blob(), trusted] {
            let error = store.push_blob(blob).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Mismatch);
            assert!(!store.contains(&descriptor).await.unwrap());
            assert_eq!(std::fs::read_dir(path.join(".wharf/ingest")).unwrap().count(), 0);
        }
    }
}

#[tokio::test]
async fn a_changed_blob_is_never_served() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Layout::create(&path).await.unwrap();
    let content = layer(vec![5; 700_000]);
    store.push_blob(blob(&content)).await.unwrap();
    let file = path.join("blobs/sha256").join(content.0.digest().encoded());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[699_999] ^= 1;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let read = store.blob(&content.0).await.unwrap().read_to_end(u64::MAX).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
}

/// What the message about a corrupt index.json says can be done.
#[tokio::test]
async fn a_store_without_index_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Layout::create(&path).await.unwrap();
    let content = layer("kept");
    store.push_blob(blob(&content)).await.unwrap();
    drop(store);
    std::fs::write(path.join("index.json"), "{").unwrap();
    std::fs::write(path.join("notes.txt"), "of somebody else").unwrap();
    let error = Layout::create(&path).await.unwrap_err();
    assert!(error.to_string().contains("remove it and pull again"), "{error}");
    std::fs::remove_file(path.join("index.json")).unwrap();
    let error = Layout::open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("pull into the layout"), "{error}");
    let store = Layout::create(&path).await.unwrap();
    assert!(store.images().await.unwrap().is_empty());
    assert!(store.contains(&content.0).await.unwrap());
    Layout::open(&path).await.unwrap();
}

/// A layer with URLs that may be distributed is needed all the same.
#[tokio::test]
async fn urls_do_not_stand_for_a_layer() {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::create(directory.path().join("store")).await.unwrap();
    needs_layers(&layout).await;
    needs_layers(&Memory::new()).await;
}

async fn needs_layers(store: &impl Sink) {
    let config = layer("{}");
    store.push_blob(blob(&config)).await.unwrap();
    for (media_type, complete) in [
        ("application/vnd.oci.image.layer.v1.tar", false),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", true),
    ] {
        let document = serde_json::json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config.0,
            "layers": [{
                "mediaType": media_type, "size": 1, "digest": wharf_testkit::sha256(b"1"),
                "urls": ["https://elsewhere.example/1"],
            }],
        });
        let manifest = Manifest::parse(document.to_string().into_bytes().into(), None).unwrap();
        store.push_manifest(&manifest, None).await.unwrap();
        assert_eq!(
            store.contains(manifest.descriptor()).await.unwrap(),
            complete,
            "{media_type}"
        );
    }
}

#[tokio::test]
async fn directories_that_are_no_store_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("file"), "x").unwrap();
    std::fs::create_dir(path("other")).unwrap();
    std::fs::write(path("other/notes.txt"), "x").unwrap();
    for (file, content, kind) in [
        ("oci-layout", "{", ErrorKind::Corrupt),
        (
            "oci-layout",
            r#"{"imageLayoutVersion":"2.0.0"}"#,
            ErrorKind::Unsupported,
        ),
        ("index.json", "", ErrorKind::Corrupt),
        ("index.json", r#"{"schemaVersion":1}"#, ErrorKind::Corrupt),
    ] {
        let store = path("corrupt");
        drop(Layout::create(&store).await.unwrap());
        std::fs::write(store.join(file), content).unwrap();
        let error = Layout::open(&store).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(file), "{error}");
        std::fs::remove_dir_all(store).unwrap();
    }
    assert!(
        Layout::create(path("file"))
            .await
            .unwrap_err()
            .to_string()
            .contains("file")
    );
    let error = Layout::create(path("other")).await.unwrap_err();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert_eq!(
        Layout::open(path("none")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        Layout::open(path("other")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn memory_does_the_same() {
    let store = Memory::new();
    let image = Image::small("x");
    push(&image, &store, "app:1").await;
    assert_eq!(
        store.manifest(&name("app:1").into()).await.unwrap(),
        *image.manifest()
    );
    assert!(store.contains(&image.blobs()[0].0).await.unwrap());
    let (first, second) = (image.manifest(), Image::small("y"));
    push(&second, &store, "app:2").await;
    let second = second.manifest();
    let swapped = store
        .compare_and_swap(&name("app:1"), Some(second.digest()), None)
        .await;
    assert_eq!(swapped.unwrap_err().kind(), ErrorKind::Conflict);
    store
        .compare_and_swap(&name("app:1"), Some(first.digest()), Some(second.descriptor()))
        .await
        .unwrap();
    store.tag(&name("app:3"), first.descriptor()).await.unwrap();
    assert_eq!(store.images().await.unwrap().len(), 3);
    assert!(store.untag(&name("app:3")).await.unwrap());
    assert!(store.remove(&second.digest().clone().into()).await.unwrap());
    assert!(!store.remove(&name("app:1").into()).await.unwrap());
    assert!(store.images().await.unwrap().is_empty());
    let collected = store.collect(&Collect::default()).await.unwrap();
    assert_eq!((collected.blobs.len(), collected.kept), (7, 0));
    let gone = store.manifest(&first.digest().clone().into()).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_written_to_checks_clean() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0..200_u32 {
                push(
                    &Image::small(&number.to_string()),
                    &store,
                    &format!("image:{number}"),
                )
                .await;
            }
        }
    });
    while !writing.is_finished() {
        assert_eq!(store.check().await.unwrap().problems, []);
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn an_image_without_a_name_is_listed_once_until_it_gets_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = Layout::create(directory.path().join("store")).await.unwrap();
    let (unnamed, named, attached) = (Image::small("1"), Image::small("2"), Image::small("3"));
    let listed = async || -> Vec<(Option<String>, String)> {
        let images = store.images().await.unwrap();
        let one = |image: &wharf_store::Image| {
            let digest = image.descriptor().digest().to_string();
            (image.name().map(ToString::to_string), digest)
        };
        images.iter().map(one).collect()
    };
    let digest = |image: &Image| image.manifest().digest().to_string();
    for (image, as_name) in [(&unnamed, "x:1"), (&named, "app:2")] {
        push(image, &store, as_name).await;
    }
    assert!(store.remove(&name("x:1").into()).await.unwrap());
    let signature = format!("sha256-{}.sig", unnamed.manifest().digest().encoded());
    push(&attached, &store, &signature).await;
    assert_eq!(listed().await, [(Some("app:2".to_owned()), digest(&named))]);

    for _ in 0..2 {
        for image in [&unnamed, &named, &attached] {
            store.list_unnamed(image.manifest().descriptor()).await.unwrap();
        }
        let expected = [
            (Some("app:2".to_owned()), digest(&named)),
            (None, digest(&unnamed)),
            (None, digest(&attached)),
        ];
        assert_eq!(listed().await, expected);
    }
    // It is an image: collection leaves it, and a name takes its entry.
    assert!(store.collect(&Collect::default()).await.unwrap().blobs.is_empty());
    store
        .tag(&name("app:1"), unnamed.manifest().descriptor())
        .await
        .unwrap();
    let expected = [
        (Some("app:2".to_owned()), digest(&named)),
        (None, digest(&attached)),
        (Some("app:1".to_owned()), digest(&unnamed)),
    ];
    assert_eq!(listed().await, expected);

    for (descriptor, kind) in [
        (
            Image::small("nowhere").manifest().descriptor(),
            ErrorKind::NotFound,
        ),
        (unnamed.manifest().config().unwrap(), ErrorKind::Invalid),
    ] {
        let failure = store.list_unnamed(descriptor).await.unwrap_err();
        assert_eq!(failure.kind(), kind, "{failure}");
    }
    assert_eq!(listed().await, expected);
}
