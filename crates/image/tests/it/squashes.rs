//! Layers made one, and exported: M113, M114.

use std::{
    collections::BTreeSet,
    fs, io,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, Mutex},
};

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use wharf_content::{ErrorKind, History, Manifest, Source, SourceExt as _, Target};
use wharf_copy::{Selection, copy};
use wharf_image::{LayerOutcome, Layers, NewLayer, Options, Recipe, export, prepare};
use wharf_layer::{Codec, Decoder, Limits, Merged};
use wharf_store::Memory;
use wharf_testkit::{Image, Index, Sandbox, require_peers};

use crate::{
    layers::Counting,
    support::{DOCKER_GZIP, OCI_GZIP, Store, assert_valid, config_of, without_history},
};

/// Four layers: files that are replaced, hidden one by one, and with their directory.
pub(crate) fn stacked() -> Image {
    Image::builder()
        .files(&[
            ("etc/", b""),
            ("etc/a", b"1"),
            ("etc/b", b"2"),
            ("var/", b""),
            ("var/x", b"3"),
        ])
        .plain_files(&[
            ("etc/.wh.a", b""),
            ("etc/b", b"new"),
            ("opt/", b""),
            ("opt/o", b"4"),
        ])
        .files(&[("var/.wh..wh..opq", b""), ("var/y", b"5"), (".wh.opt", b"")])
        .files(&[("etc/a", b"back")])
        .finish()
}

/// The tree of an image.
pub(crate) async fn tree(source: &dyn Source, image: &Manifest) -> Merged {
    let mut merged = Merged::new().with_digests(true);
    for layer in image.layers() {
        let bytes = source.fetch(layer, 1 << 24).await.unwrap();
        let codec = Codec::of_type(layer.media_type()).unwrap();
        let tar = Decoder::new(codec, Limits::default()).reader(&bytes[..]);
        merged.add(tar).unwrap();
    }
    merged
}

#[tokio::test]
async fn the_files_stay_whatever_range_becomes_one_layer() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    let before = tree(&*store.0, image.manifest()).await;
    let rows = [
        (Recipe::new().squash(..), 1, 1),
        (Recipe::new().squash(1..=4), 1, 1),
        (Recipe::new().squash(2..), 2, 2),
        (Recipe::new().squash(..=3), 2, 2),
        (Recipe::new().squash(2..4), 3, 3),
        (Recipe::new().squash(3..), 3, 3),
        (Recipe::new().squash(1..=2).squash(2..=3), 2, 2),
        (Recipe::new().squash(2..=3).squash(..), 1, 1),
    ];
    for (recipe, layers, entries) in rows {
        let mut results = Vec::new();
        for threads in [1, 16] {
            let options = Options::default().with_threads(NonZeroUsize::new(threads).unwrap());
            let sink = Arc::new(Memory::new());
            let target = Target::from(image.manifest().digest());
            let prepared = prepare(store.0.clone(), sink.clone(), &target, &recipe, &options)
                .await
                .unwrap();
            let target = prepared.target();
            let options = Selection::All.into();
            copy(Arc::new(prepared.clone()), sink.clone(), &target, options)
                .await
                .unwrap();
            let root = prepared.root();
            assert_eq!(root.layers().len(), layers, "{recipe:?}");
            let after = tree(&*sink, root).await;
            let differences: Vec<_> = after.differences_from(&before).collect();
            assert!(differences.is_empty(), "{recipe:?}: {differences:?}");
            let config = config_of(&prepared).await;
            assert_eq!(config["history"].as_array().unwrap().len(), entries, "{recipe:?}");
            results.push((root.bytes().clone(), root.layers()[0].media_type().to_string()));
        }
        assert_eq!(results[0], results[1], "{recipe:?}");
        assert_eq!(results[0].1, OCI_GZIP);
    }
    for nothing in [
        Recipe::new().squash(2..=2),
        Recipe::new().squash(2..2),
        Recipe::new().squash(4..),
        Recipe::new().squash(1..1),
    ] {
        let prepared = store.prepare(image.manifest(), &nothing).await.unwrap();
        assert_eq!(prepared.root().bytes(), image.manifest().bytes(), "{nothing:?}");
    }
}

#[tokio::test]
async fn the_old_history_is_in_the_comment_of_one_entry() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    let before = config_of(&store.prepare(image.manifest(), &Recipe::new()).await.unwrap()).await;
    let old = before["history"].as_array().unwrap();
    let options = Options::default().with_created("2026-01-01T00:00:00Z");
    let recipe = Recipe::new().squash(2..=3);
    let prepared = store
        .prepare_with(image.manifest(), &recipe, &options)
        .await
        .unwrap();
    let config = config_of(&prepared).await;
    let entries = config["history"].as_array().unwrap();
    assert_eq!((&entries[0], &entries[2]), (&old[0], &old[3]));
    assert_eq!(entries[1]["created_by"], "squash layers 2 to 3");
    assert_eq!(entries[1]["created"], "2026-01-01T00:00:00Z");
    let comment: Value = serde_json::from_str(entries[1]["comment"].as_str().unwrap()).unwrap();
    assert_eq!(comment, Value::from(old[1..3].to_vec()));
    assert_eq!(config["config"], before["config"]);

    let bare = without_history(&store, &image).await;
    let prepared = store.prepare(&bare, &recipe).await.unwrap();
    assert_eq!(config_of(&prepared).await.get("history"), None);
    assert_valid(&prepared).await;
}

#[tokio::test]
async fn a_merged_layer_goes_to_any_sink() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    let target = Target::from(image.manifest().digest());
    let recipe = Recipe::new().squash(..);
    for (scratch, outcome) in [(true, LayerOutcome::Scratch), (false, LayerOutcome::Deferred)] {
        let sink = Arc::new(Counting::default());
        let mut options = Options::default();
        if scratch {
            options = options.with_scratch(Memory::new());
        }
        let prepared = prepare(store.0.clone(), sink.clone(), &target, &recipe, &options)
            .await
            .unwrap();
        assert_eq!(prepared.report().added()[0].outcome, outcome);
        assert_valid(&prepared).await;
    }
    let docker = Image::builder()
        .files(&[("a", b"1")])
        .files(&[("b", b"2")])
        .docker()
        .finish();
    store.add_image(&docker).await;
    let prepared = store.prepare(docker.manifest(), &recipe).await.unwrap();
    assert_eq!(prepared.root().layers()[0].media_type().as_str(), DOCKER_GZIP);
    let plain = recipe.layers(Layers::Plain);
    let prepared = store.prepare(docker.manifest(), &plain).await.unwrap();
    assert_eq!(
        prepared.root().layers()[0].media_type().as_str(),
        "application/vnd.docker.image.rootfs.diff.tar"
    );
    assert_valid(&prepared).await;
}

#[tokio::test]
async fn added_layers_are_merged_if_they_can_be_read_twice() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    let tar = Image::builder().plain_files(&[("new", b"1")]).finish();
    let tar = tar.blobs()[1].1.clone();
    let again = Recipe::new()
        .append(NewLayer::from_bytes(tar.clone()), History::default())
        .squash(..);
    let prepared = store.prepare(image.manifest(), &again).await.unwrap();
    assert_eq!(
        prepared.report().added().len(),
        1,
        "the added layer itself is not written"
    );
    assert_valid(&prepared).await;
    let once = NewLayer::from_stream(stream::iter([Ok(tar)]).boxed());
    let once = Recipe::new().append(once, History::default()).squash(4..);
    let error = store.prepare(image.manifest(), &once).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("layer 5"), "{error}");
}

#[tokio::test]
async fn ranges_that_the_image_does_not_have_are_refused() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    for recipe in [
        Recipe::new().squash(0..),
        Recipe::new().squash(..=5),
        Recipe::new().squash(5..),
        Recipe::new().squash(6..9),
    ] {
        let error = store.prepare(image.manifest(), &recipe).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{recipe:?}: {error}");
        assert!(error.to_string().contains("it has 4"), "{recipe:?}: {error}");
    }
    let options = Options::default().with_max_unpacked(5000);
    let recipe = Recipe::new().squash(..);
    let error = store
        .prepare_with(image.manifest(), &recipe, &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
}

/// A buffer that a writer on another thread fills.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Full;

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn exported(source: Arc<dyn Source>, image: &Manifest) -> Vec<u8> {
    let shared = Shared::default();
    let target = image.digest().into();
    let length = export(source, &target, shared.clone(), &Options::default())
        .await
        .unwrap();
    let bytes = std::mem::take(&mut *shared.0.lock().unwrap());
    assert_eq!(length, bytes.len() as u64);
    bytes
}

#[tokio::test]
async fn an_export_is_the_tree_without_whiteouts() {
    let image = stacked();
    let store = Store::with_image(&image).await;
    let flat = exported(store.0.clone(), image.manifest()).await;
    assert_eq!(flat, exported(store.0.clone(), image.manifest()).await);
    let mut merged = Merged::new().with_digests(true);
    merged.add(flat.as_slice()).unwrap();
    let tree = tree(&*store.0, image.manifest()).await;
    assert_eq!(merged.differences_from(&tree).count(), 0);
    let names: Vec<_> = merged
        .entries()
        .map(|entry| String::from_utf8(entry.name().to_vec()).unwrap())
        .collect();
    assert_eq!(names, [".", "etc", "etc/a", "etc/b", "var", "var/y"]);
}

#[tokio::test]
async fn what_has_no_root_file_system_is_not_exported() {
    let image = stacked();
    let artifact = Image::builder()
        .artifact_type(wharf_content::MediaType::OCTET_STREAM)
        .finish();
    let index = Index::of(vec![Image::small("a")]);
    let store = Store::with_index(&index).await;
    store.add_image(&artifact).await;
    store.add_image(&image).await;
    for (manifest, kind) in [
        (index.manifest(), ErrorKind::Invalid),
        (artifact.manifest(), ErrorKind::Unsupported),
    ] {
        let target = manifest.digest().into();
        let error = export(store.0.clone(), &target, io::sink(), &Options::default()).await;
        assert_eq!(error.unwrap_err().kind(), kind);
    }
    let target = image.manifest().digest().into();
    let error = export(store.0.clone(), &target, Full, &Options::default()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::NoSpace);
    let options = Options::default().with_max_size(10);
    let error = export(store.0.clone(), &target, io::sink(), &options).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TooLarge);
}

/// The names below a directory, and what files have.
fn listed(root: &Path, directory: &Path, into: &mut BTreeSet<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() {
            into.insert((name, Vec::new()));
            listed(root, &path, into);
        } else {
            into.insert((name, fs::read(&path).unwrap()));
        }
    }
}

#[tokio::test]
async fn umoci_unpacks_the_same_tree() {
    require_peers!("umoci");
    let (image, sandbox) = (stacked(), Sandbox::new());
    let store = Store::with_image(&image).await;
    let squashed = store
        .prepare(image.manifest(), &Recipe::new().squash(2..))
        .await
        .unwrap();
    let mut trees = Vec::new();
    for (name, prepared) in [
        (
            "plain",
            store.prepare(image.manifest(), &Recipe::new()).await.unwrap(),
        ),
        ("squashed", squashed),
    ] {
        let directory = sandbox.path(name);
        let layout = Arc::new(wharf_store::Layout::create(&directory).await.unwrap());
        let options =
            wharf_copy::Options::from(Selection::All).with_name(wharf_content::Name::parse("it").unwrap());
        let target = prepared.target();
        copy(Arc::new(prepared), layout, &target, options).await.unwrap();
        let bundle = sandbox.path(format!("{name}-bundle"));
        let image = format!("{}:it", directory.display());
        let bundle_text = bundle.display().to_string();
        sandbox
            .umoci()
            .run(&["unpack", "--rootless", "--image", &image, &bundle_text])
            .ok();
        let (root, mut names) = (bundle.join("rootfs"), BTreeSet::new());
        listed(&root, &root, &mut names);
        trees.push(names);
    }
    assert_eq!(trees[0], trees[1]);
    let flat = exported(store.0.clone(), image.manifest()).await;
    let mut merged = Merged::new();
    merged.add(flat.as_slice()).unwrap();
    let ours: BTreeSet<String> = merged
        .entries()
        .map(|entry| String::from_utf8(entry.name().to_vec()).unwrap())
        .filter(|name| name != ".")
        .collect();
    let theirs: BTreeSet<String> = trees[0].iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(ours, theirs);
}
