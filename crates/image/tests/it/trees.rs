//! Layers made of directories: whole ones, and their changes since an image was unpacked.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use wharf_content::{
    ErrorKind, Event, History, ImageBuilder, MediaType, Platform, Source, SourceExt as _, Target,
};
use wharf_copy::{Selection, copy};
use wharf_image::{
    Codec, Depth, Layers, Level, NewLayer, Options, Recipe, UnpackOptions, prepare, unpack, validate,
};
use wharf_layer::{ApplyOptions, DiffOptions, Limits, Ownership, Root, Snapshot, tar::of_files};
use wharf_store::Memory;

fn owners() -> DiffOptions {
    DiffOptions::default().with_ownership(Ownership::Current)
}

/// Names, kinds, permissions and contents of a tree.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_dir() {
                pending.push(path.clone());
                "directory".to_owned()
            } else if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                fs::read_to_string(&path).unwrap()
            };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let mode = metadata.permissions().mode() & 0o7777;
            found.insert(name, format!("{mode:o} {content}"));
        }
    }
    found
}

async fn unpacked(source: Arc<dyn Source>, target: &Target, root: &Path) {
    let apply = ApplyOptions::default().with_ownership(Ownership::Current);
    let options = UnpackOptions::default().with_apply(apply);
    unpack(source, target, root, &options).await.unwrap();
}

/// Changes an image, and unpacks the result. Returns the number of steps in its history.
async fn changed(base: Arc<dyn Source>, target: &Target, recipe: &Recipe, root: &Path) -> usize {
    let store = Arc::new(Memory::new());
    let prepared = prepare(base, store.clone(), target, recipe, &Options::default())
        .await
        .unwrap();
    let (target, image) = (prepared.target(), prepared.root().clone());
    copy(Arc::new(prepared), store.clone(), &target, Selection::All.into())
        .await
        .unwrap();
    let findings = validate(store.clone(), &target, Depth::Blobs, &Options::default())
        .await
        .unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    unpacked(store.clone(), &target, root).await;
    store.config(&image).await.unwrap().history().len()
}

#[tokio::test]
async fn a_directory_becomes_an_image() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("site");
    fs::create_dir_all(site.join("a/b")).unwrap();
    fs::write(site.join("a/b/file"), "content").unwrap();
    fs::write(site.join("run"), "#!/bin/sh").unwrap();
    fs::set_permissions(site.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("a/b", site.join("link")).unwrap();
    let scratch = ImageBuilder::for_platform(Platform::host()).build().unwrap();
    let target = scratch.digest().into();
    let recipe = Recipe::new().append(NewLayer::from_directory(&site, owners()), History::default());
    let root = directory.path().join("root");
    changed(Arc::new(scratch), &target, &recipe, &root).await;
    assert_eq!(tree(&root), tree(&site));
}

#[tokio::test]
async fn a_directory_is_compressed_at_the_level_of_its_layer_and_told_of_as_it_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("file"), wharf_testkit::noise(1, 3 << 20)).unwrap();
    let level = |codec, number| Some(Level::new(codec, number).unwrap());
    let cases = [
        (None, Layers::Keep, MediaType::OCI_LAYER_GZIP),
        (level(Codec::Gzip, 1), Layers::Keep, MediaType::OCI_LAYER_GZIP),
        (level(Codec::Gzip, 1), Layers::Plain, MediaType::OCI_LAYER_GZIP),
        (
            level(Codec::Zstd, 3),
            Layers::Compressed,
            MediaType::OCI_LAYER_ZSTD,
        ),
        (
            Some(Level::default_of(Codec::Plain)),
            Layers::Compressed,
            MediaType::OCI_LAYER,
        ),
    ];
    for (level, layers, expected) in cases {
        let scratch = ImageBuilder::for_platform(Platform::host()).build().unwrap();
        let target = scratch.digest().into();
        let layer = NewLayer::from_directory(&site, owners()).with_level(level);
        let recipe = Recipe::new().layers(layers).append(layer, History::default());
        let made = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&made);
        let options = Options::default().with_progress(move |event: Event<'_>| {
            if let Event::Made { layer, bytes } = event {
                assert_eq!(layer, "added layer 1");
                counted.fetch_add(bytes, Ordering::Relaxed);
            }
        });
        let store = Arc::new(Memory::new());
        let prepared = prepare(Arc::new(scratch), store, &target, &recipe, &options).await;
        let prepared = prepared.unwrap();
        let [layer] = prepared.root().layers() else {
            panic!("{level:?}: not one layer");
        };
        assert_eq!(*layer.media_type(), expected, "{level:?}");
        assert_eq!(made.load(Ordering::Relaxed), layer.size(), "{level:?}");
    }
}

#[tokio::test]
async fn a_directory_that_unpacks_to_more_than_a_limit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), [0; 4096]).unwrap();
    let size = 512 + 4096 + 1024;
    let output = |bytes| Options::default().with_limits(Limits::default().with_output(bytes));
    let unpacked = |bytes| Options::default().with_max_unpacked(bytes);
    for (options, refused) in [
        (output(size), None),
        (output(size - 1), Some("`output`")),
        (unpacked(size), None),
        (unpacked(size - 1), Some("`max_unpacked`")),
    ] {
        let scratch = ImageBuilder::for_platform(Platform::host()).build().unwrap();
        let target = scratch.digest().into();
        let layer = NewLayer::from_directory(directory.path(), owners());
        let recipe = Recipe::new().append(layer, History::default());
        let store = Arc::new(Memory::new());
        let prepared = prepare(Arc::new(scratch), store, &target, &recipe, &options).await;
        let Some(limit) = refused else {
            prepared.unwrap();
            continue;
        };
        let error = prepared.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert!(error.to_string().contains(limit), "{error}");
        assert!(error.to_string().contains("added layer 1"), "{error}");
    }
}

#[tokio::test]
async fn the_changes_of_an_unpacked_image_become_its_next_layer() {
    let directory = tempfile::tempdir().unwrap();
    let base = ImageBuilder::for_platform(Platform::host())
        .with_tar(
            of_files([
                ("etc/kept", "1"),
                ("etc/gone", "1"),
                ("var/changed", "1"),
                ("tree/x", "1"),
            ])
            .unwrap(),
        )
        .build()
        .unwrap();
    let target = base.digest().into();
    let (base, root): (Arc<dyn Source>, _) = (Arc::new(base), directory.path().join("root"));
    unpacked(Arc::clone(&base), &target, &root).await;
    let before = Snapshot::of(&Root::open(&root).unwrap()).unwrap();
    fs::remove_file(root.join("etc/gone")).unwrap();
    fs::write(root.join("var/changed"), "22").unwrap();
    fs::remove_dir_all(root.join("tree")).unwrap();
    fs::write(root.join("tree"), "a file now").unwrap();
    fs::create_dir(root.join("new")).unwrap();
    fs::write(root.join("new/file"), "3").unwrap();
    let layer = NewLayer::from_changes(before, &root, owners());
    let recipe = Recipe::new().append(layer, History::default().with_created_by("commit"));
    let again = directory.path().join("again");
    changed(base, &target, &recipe, &again).await;
    assert_eq!(tree(&again), tree(&root));
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_fails_the_preparation() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    for (name, kind) in [("missing", ErrorKind::NotFound), ("file", ErrorKind::Invalid)] {
        let scratch = ImageBuilder::for_platform(Platform::host()).build().unwrap();
        let target = scratch.digest().into();
        let layer = NewLayer::from_directory(directory.path().join(name), owners());
        let recipe = Recipe::new().append(layer, History::default());
        let (store, options) = (Arc::new(Memory::new()), Options::default());
        let prepared = prepare(Arc::new(scratch), store, &target, &recipe, &options).await;
        let error = prepared.err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_layer_in_a_file_is_a_regular_one_and_a_pipe_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [pipe.as_path(), directory.path(), Path::new("/dev/zero")] {
        let scratch = ImageBuilder::for_platform(Platform::host()).build().unwrap();
        let target = scratch.digest().into();
        let recipe = Recipe::new().append(NewLayer::from_file(path), History::default());
        let (store, options) = (Arc::new(Memory::new()), Options::default());
        let prepared = prepare(Arc::new(scratch), store, &target, &recipe, &options).await;
        let error = prepared.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(format!("{error:?}").contains("not a regular file"), "{error:?}");
    }
}
