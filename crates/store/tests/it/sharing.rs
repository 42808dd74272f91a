//! Content that comes from, or belongs to, several places.

use wharf_content::{ErrorKind, Location, Sink as _, Source as _};
use wharf_store::{Collect, Layout, Options};
use wharf_testkit::{Image, Sandbox, require_peers};

use crate::support::{Scratch, name, push};

#[tokio::test]
async fn blobs_are_taken_from_a_layout_next_door() {
    let scratch = Scratch::new();
    let image = Image::builder().noise(1, 400_000).finish();
    let other = Layout::create(scratch.path("other")).await.unwrap();
    push(&image, &other, "x").await;
    let store = scratch.store().await;
    let from = Location::Directory(scratch.path("other"));
    for (descriptor, bytes) in image.blobs() {
        // Where the file system cannot share the bytes, they are copied.
        if !store.mount(descriptor, &from).await.unwrap() {
            store
                .push_blob(other.blob(descriptor).await.unwrap())
                .await
                .unwrap();
        }
        assert!(store.mount(descriptor, &from).await.unwrap());
        let read = store.blob(descriptor).await.unwrap().read_to_end(u64::MAX).await;
        assert_eq!(read.unwrap(), bytes);
    }
    assert!(scratch.files(".wharf/ingest").is_empty());
    let absent = Image::small("absent");
    let config = absent.manifest().config().unwrap();
    assert!(!store.mount(config, &from).await.unwrap());
    assert!(!store.mount(config, &Location::Memory).await.unwrap());
    let nowhere = Location::Directory(scratch.path("nowhere"));
    assert!(!store.mount(config, &nowhere).await.unwrap());
    assert!(scratch.files(".wharf/ingest").is_empty());
    // Collecting one leaves the other whole.
    drop(store);
    let collected = scratch.store().await.collect(&Collect::default()).await.unwrap();
    assert_eq!(collected.blobs.len(), image.blobs().len());
    assert!(other.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn corrupt_content_next_door_is_not_taken() {
    let scratch = Scratch::new();
    let image = Image::builder().noise(1, 400_000).finish();
    let other = Layout::create(scratch.path("store")).await.unwrap();
    push(&image, &other, "x").await;
    let (descriptor, _) = &image.blobs()[1];
    scratch.damage(descriptor.digest());
    let store = Layout::create(scratch.path("ours")).await.unwrap();
    let from = Location::Directory(scratch.path("store"));
    assert!(!store.mount(descriptor, &from).await.unwrap());
    assert!(!store.contains(descriptor).await.unwrap());
}

#[tokio::test]
async fn layouts_share_a_directory_of_blobs_with_skopeo() {
    require_peers!("skopeo");
    let sandbox = Sandbox::new();
    let text = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let image = Image::small("shared");
    image.write_layout(&sandbox.path("source"), "v1");
    let (from, to) = (
        format!("oci:{}:v1", text("source")),
        format!("oci:{}:x", text("theirs")),
    );
    sandbox
        .skopeo()
        .run(&["copy", "--dest-shared-blob-dir", &text("shared"), &from, &to])
        .ok();

    let options = Options::default().with_shared_blobs(sandbox.path("shared"));
    let ours = Layout::create_with(sandbox.path("ours"), options.clone())
        .await
        .unwrap();
    for (descriptor, _) in image.blobs() {
        assert!(ours.contains(descriptor).await.unwrap());
    }
    let other = Image::small("ours");
    push(&other, &ours, "y").await;
    push(&image, &ours, "z").await;
    let theirs = Layout::open_with(sandbox.path("theirs"), options).await.unwrap();
    assert_eq!(
        theirs.manifest(&name("x").into()).await.unwrap(),
        *image.manifest()
    );
    for store in [ours, theirs] {
        let checked = store.check().await.unwrap();
        assert!(checked.is_clean(), "{:?}", checked.problems);
        assert!(checked.foreign.is_empty(), "{:?}", checked.foreign);
    }
    let (from, to) = (
        format!("oci:{}:y", text("ours")),
        format!("oci:{}:y", text("copied")),
    );
    sandbox
        .skopeo()
        .run(&["copy", "--src-shared-blob-dir", &text("shared"), &from, &to])
        .ok();
}

#[tokio::test]
async fn a_layout_of_another_tool_is_used_as_it_stands() {
    require_peers!("skopeo", "umoci");
    let sandbox = Sandbox::new();
    let image = Image::small("theirs");
    image.write_layout(&sandbox.path("source"), "v1");
    let text = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    let (from, to) = (
        format!("oci:{}:v1", text("source")),
        format!("oci:{}:v1", text("made")),
    );
    sandbox.skopeo().run(&["copy", &from, &to]).ok();
    let store = Layout::open(sandbox.path("made")).await.unwrap();
    let layers = image.manifest().layers();
    let contains_cached = || store.contains_cached(layers);
    assert_eq!(
        contains_cached().await.unwrap(),
        vec![None; layers.len()],
        "nobody has hashed them"
    );
    assert!(store.contains(image.manifest().descriptor()).await.unwrap());
    assert_eq!(contains_cached().await.unwrap(), vec![Some(true); layers.len()]);
    store
        .tag(&name("v2"), image.manifest().descriptor())
        .await
        .unwrap();
    push(&Image::small("ours"), &store, "ours").await;
    // Both go on using it.
    let tagged = format!("{}:v2", text("made"));
    sandbox.umoci().run(&["tag", "--image", &tagged, "v3"]).ok();
    // It rewrites a manifest in place, even the same, which the mode of ours forbids: so another image.
    Image::small("more").write_layout(&sandbox.path("more"), "v1");
    let (from, to) = (
        format!("oci:{}:v1", text("more")),
        format!("oci:{}:v4", text("made")),
    );
    sandbox.skopeo().run(&["copy", &from, &to]).ok();
    for expected in ["v1", "v2", "v3", "v4", "ours"] {
        assert!(store.resolve(&name(expected).into()).await.is_ok(), "{expected}");
    }
    sandbox.umoci().run(&["gc", "--layout", &text("made")]).ok();
    assert!(store.check().await.unwrap().is_clean());
    let missing = store.resolve(&name("v9").into()).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}
