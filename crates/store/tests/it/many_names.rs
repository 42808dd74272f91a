//! Stores with many names, and names that change under several hands.

use wharf_content::{ErrorKind, Sink as _, Source as _};
use wharf_store::Layout;
use wharf_testkit::Image;

use crate::support::{Scratch, name, push};

#[tokio::test]
async fn a_name_is_only_moved_from_where_the_caller_saw_it() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let images = [Image::small("1"), Image::small("2")];
    push(&images[0], &store, "x").await;
    push(&images[1], &store, "y").await;
    let [first, second] = images.each_ref().map(|image| image.manifest().descriptor());
    let swap = |expected: Option<_>, new: Option<_>| {
        let store = store.clone();
        async move {
            let swapped = store.compare_and_swap(&name("n"), expected, new).await;
            swapped.map_err(|error| error.kind())
        }
    };
    let conflict = Err(ErrorKind::Conflict);
    assert_eq!(swap(Some(first.digest()), Some(second)).await, conflict);
    assert_eq!(swap(None, Some(first)).await, Ok(()));
    assert_eq!(swap(None, Some(second)).await, conflict);
    assert_eq!(swap(Some(second.digest()), None).await, conflict);
    assert_eq!(swap(Some(first.digest()), Some(second)).await, Ok(()));
    assert_eq!(swap(Some(second.digest()), None).await, Ok(()));
    assert_eq!(swap(Some(second.digest()), None).await, conflict);
    assert_eq!(store.images().await.unwrap().len(), 2);
}

#[tokio::test]
async fn no_update_is_lost_between_many_writers() {
    const WRITERS: usize = 8;
    const NAMES: usize = 12;
    let scratch = Scratch::new();
    let image = Image::small("x");
    push(&image, &scratch.store().await, "x").await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let store = Layout::open(scratch.path("store")).await.unwrap();
        let descriptor = image.manifest().descriptor().clone();
        writers.push(tokio::spawn(async move {
            for number in 0..NAMES {
                let own = name(&format!("writer{writer}/image:{number}"));
                store.tag(&own, &descriptor).await.unwrap();
                store.resolve(&own.into()).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let images = scratch.store().await.images().await.unwrap();
    assert_eq!(images.len(), WRITERS * NAMES + 1);
}

#[tokio::test]
async fn ten_thousand_names_are_listed_and_found() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let image = Image::small("x");
    push(&image, &store, "x").await;
    let digest = image.manifest().digest();
    let entry = |number: usize| {
        format!(
            r#"{{"mediaType":"{}","digest":"{digest}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"registry.example.com/team/app:{number}"}}}}"#,
            image.manifest().media_type(),
            image.manifest().bytes().len(),
        )
    };
    let entries: Vec<String> = (0..10_000).map(entry).collect();
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    std::fs::write(scratch.path("store/index.json"), index).unwrap();
    assert_eq!(store.images().await.unwrap().len(), 10_000);
    let last = name("registry.example.com/team/app:9999");
    assert_eq!(store.resolve(&last.into()).await.unwrap().digest(), digest);
    store
        .tag(&name("new"), image.manifest().descriptor())
        .await
        .unwrap();
    assert!(store.contains(image.manifest().descriptor()).await.unwrap());
    assert_eq!(scratch.store().await.images().await.unwrap().len(), 10_001);
}

#[tokio::test]
async fn names_are_never_file_names() {
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let names = [
        "Latest",
        "latest",
        "NUL",
        "con",
        "a.",
        "..",
        "../x",
        "/etc/passwd",
        "a:b",
        "-x",
    ];
    for (number, text) in names.iter().enumerate() {
        push(&Image::small(&number.to_string()), &store, text).await;
    }
    for (number, text) in names.iter().enumerate() {
        let manifest = store.manifest(&name(text).into()).await.unwrap();
        let expected = Image::small(&number.to_string());
        assert_eq!(manifest, *expected.manifest(), "{text}");
    }
    let mut files: Vec<_> = scratch.files("");
    files.sort();
    let expected = [".wharf", "blobs", "index.json", "oci-layout"];
    assert_eq!(files, expected.map(|file| scratch.path("store").join(file)));
}
