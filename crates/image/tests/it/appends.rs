//! Layers that are added and removed: M109, M119, M120.

use std::{
    io::Cursor,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use wharf_content::{
    Error, ErrorKind, Hasher, History, ImageBuilder, ImageConfig, MediaType, Platform, SourceExt as _, Target,
};
use wharf_copy::{Selection, copy};
use wharf_image::{
    Codec, Format, LayerOutcome, Layers, Level, NewLayer, Options, Prepared, Recipe, import, prepare,
};
use wharf_layer::{Encoder, Profile};
use wharf_store::Memory;
use wharf_testkit::{Image, Index, Sandbox};

use crate::{
    layers::Counting,
    support::{DOCKER_GZIP, OCI_GZIP, Store, assert_valid, config_of, without_history},
};

const OCI_PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";
const OCI_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const DOCKER_PLAIN: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// A tar of one file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let image = Image::builder().plain_files(&[(name, content)]).finish();
    image.blobs()[1].1.to_vec()
}

fn encoded(tar: &[u8], codec: Codec) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A level that is not the default one, so that bytes that were encoded anew are others.
    let level = match codec {
        Codec::Gzip => Level::new(codec, 1).unwrap(),
        codec => Level::default_of(codec),
    };
    let mut encoder = Encoder::new(Profile::V1, level, 1);
    encoder.encode(tar, &mut bytes).unwrap();
    encoder.finish(&mut bytes).unwrap();
    bytes
}

fn history() -> History {
    History::default().with_created_by("COPY . /")
}

fn pieces(bytes: &[u8]) -> NewLayer {
    let pieces: Vec<Result<Bytes, Error>> = bytes
        .chunks(7)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    NewLayer::from_stream(stream::iter(pieces).boxed())
}

async fn copied(prepared: &Prepared, sink: &Arc<Memory>) {
    let options = Selection::All.into();
    copy(
        Arc::new(prepared.clone()),
        sink.clone(),
        &prepared.target(),
        options,
    )
    .await
    .unwrap();
    let copied = sink.manifest_of(prepared.root().descriptor()).await.unwrap();
    assert_eq!(copied.bytes(), prepared.root().bytes());
}

#[tokio::test]
async fn an_added_layer_follows_the_image_and_is_told_by_its_first_bytes() {
    let tar = tar("new", b"content");
    let exactly = |codec| Layers::Exactly {
        level: Level::default_of(codec),
        force: false,
    };
    // Docker's format, the codec of what is given, the recipe's layers, the type of the result, whether the bytes stay.
    let rows = [
        (false, Codec::Plain, Layers::Keep, OCI_GZIP, false),
        (false, Codec::Gzip, Layers::Keep, OCI_GZIP, true),
        (false, Codec::Zstd, Layers::Keep, OCI_ZSTD, true),
        (true, Codec::Plain, Layers::Keep, DOCKER_GZIP, false),
        (true, Codec::Gzip, Layers::Keep, DOCKER_GZIP, true),
        (false, Codec::Plain, Layers::Plain, OCI_PLAIN, true),
        (true, Codec::Gzip, Layers::Plain, DOCKER_PLAIN, false),
        (false, Codec::Gzip, exactly(Codec::Zstd), OCI_ZSTD, false),
        (false, Codec::Gzip, exactly(Codec::Gzip), OCI_GZIP, true),
        (false, Codec::Plain, Layers::Compressed, OCI_GZIP, false),
    ];
    for (number, (docker, codec, layers, media_type, stays)) in rows.into_iter().enumerate() {
        let builder = Image::builder().files(&[("base", b"1")]);
        let image = if docker { builder.docker() } else { builder }.finish();
        let store = Store::with_image(&image).await;
        let given = encoded(&tar, codec);
        let sandbox = Sandbox::new();
        let file = sandbox.write("layer", &given);
        let mut results: Vec<Bytes> = Vec::new();
        for layer in [
            NewLayer::from_bytes(given.clone()),
            NewLayer::from_file(file),
            NewLayer::from_reader(Cursor::new(given.clone())),
            pieces(&given),
        ] {
            for threads in [1, 16] {
                let threads = NonZeroUsize::new(threads).unwrap();
                let options = Options::default().with_threads(threads);
                let recipe = Recipe::new().layers(layers).append(layer.clone(), history());
                let sink = Arc::new(Memory::new());
                let target = Target::from(image.manifest().digest());
                let result = prepare(store.0.clone(), sink.clone(), &target, &recipe, &options).await;
                let prepared = match result {
                    // What is read once is used up by the first preparation.
                    Err(error) if threads.get() == 16 && error.kind() == ErrorKind::Conflict => continue,
                    result => result.unwrap(),
                };
                let [added] = prepared.report().added() else {
                    panic!("{:?}", prepared.report());
                };
                assert_eq!(added.outcome, LayerOutcome::Ingested);
                assert_eq!(added.diff_id, Hasher::sha256(&tar));
                copied(&prepared, &sink).await;
                results.push(prepared.root().bytes().clone());
                let layer = prepared.root().layers().last().unwrap();
                assert_eq!(layer.media_type().as_str(), media_type, "row {number}");
                assert_eq!(
                    *layer.digest() == Hasher::sha256(&given),
                    stays,
                    "row {number}: the bytes stay or not"
                );
                let config = sink.config(prepared.root()).await.unwrap();
                assert_eq!(config.diff_ids().unwrap()[1], Hasher::sha256(&tar));
                assert_eq!(config.history()[1].created_by(), Some("COPY . /"));
            }
        }
        assert!(results.len() >= 6, "row {number}");
        assert!(results.iter().all(|result| *result == results[0]), "row {number}");
    }
}

#[tokio::test]
async fn a_layer_is_written_by_a_function_each_time_that_it_is_read() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    let target = Target::from(image.manifest().digest());
    let (calls, content) = (Arc::new(AtomicUsize::new(0)), tar("new", &vec![7; 600_000]));
    let (counted, diff_id) = (Arc::clone(&calls), Hasher::sha256(&content));
    let layer = NewLayer::from_writer(move |out| {
        counted.fetch_add(1, Ordering::Relaxed);
        out.write_all(&content)
            .map_err(|error| Error::wrap(ErrorKind::Storage, error))
    });
    let recipe = Recipe::new().append(layer, history());
    let sink = Arc::new(Counting::default());
    let prepared = prepare(
        store.0.clone(),
        sink.clone(),
        &target,
        &recipe,
        &Options::default(),
    )
    .await
    .unwrap();
    let added = &prepared.report().added()[0];
    assert_eq!(
        (&added.diff_id, added.outcome),
        (&diff_id, LayerOutcome::Deferred)
    );
    assert_valid(&prepared).await;
    assert!(
        calls.load(Ordering::Relaxed) >= 2,
        "for its digest, and for its bytes"
    );

    let failing = NewLayer::from_writer(|out| {
        let _ = out.write_all(&[0; 100]);
        Err(Error::new(ErrorKind::Storage, "the directory is gone"))
    });
    let recipe = Recipe::new().append(failing, history());
    let error = store.prepare(image.manifest(), &recipe).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    assert!(error.to_string().contains("the directory is gone"), "{error}");
}

#[tokio::test]
async fn an_image_is_imported_from_a_tar() {
    let given = tar("etc/motd", b"hello");
    let config = || {
        ImageConfig::builder(Platform::new("linux", "amd64"))
            .with_cmd(["/bin/sh"])
            .with_created("2026-01-01T00:00:00Z")
    };
    let options = Options::default().with_created("2026-01-01T00:00:00Z");
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        let sink = Arc::new(Memory::new());
        let layer = pieces(&encoded(&given, codec));
        let image = import(layer, config(), Some("a message"), sink.clone(), &options)
            .await
            .unwrap();
        assert_eq!(
            config_of(&image).await,
            json!({
                "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
                "config": { "Cmd": ["/bin/sh"] },
                "rootfs": { "type": "layers", "diff_ids": [Hasher::sha256(&given)] },
                "history": [{ "created": "2026-01-01T00:00:00Z", "created_by": "import", "comment": "a message" }],
            }),
            "{codec}"
        );
        copied(&image, &sink).await;
    }
    let invalid = config().with_env("", "x");
    let sink = Arc::new(Memory::new());
    let error = import(NewLayer::from_bytes(given), invalid, None, sink, &options).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn an_image_begins_without_layers() {
    let platform = Platform::new("linux", "riscv64");
    let scratch = ImageBuilder::for_platform(platform.clone()).build().unwrap();
    let target = scratch.digest().into();
    let recipe = Recipe::new()
        .append(NewLayer::from_bytes(tar("a", b"1")), history())
        .append(NewLayer::from_bytes(tar("b", b"2")), History::default());
    let options = Options::default().with_created("2026-01-01T00:00:00Z");
    let sink = Arc::new(Memory::new());
    let prepared = prepare(Arc::new(scratch), sink.clone(), &target, &recipe, &options)
        .await
        .unwrap();
    assert_eq!(prepared.root().layers().len(), 2);
    let config = config_of(&prepared).await;
    assert_eq!(
        config["history"],
        json!([
            { "created": "2026-01-01T00:00:00Z", "created_by": "COPY . /" },
            { "created": "2026-01-01T00:00:00Z" }
        ])
    );
    let config = prepared.config(prepared.root()).await.unwrap();
    assert_eq!(config.platform(), Some(&platform));
    copied(&prepared, &sink).await;
}

#[tokio::test]
async fn no_history_is_invented_for_layers_that_have_none() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    let base = without_history(&store, &image).await;
    let recipe = Recipe::new().append(NewLayer::from_bytes(tar("a", b"1")), history());
    let prepared = store.prepare(&base, &recipe).await.unwrap();
    let config = config_of(&prepared).await;
    assert_eq!(config.get("history"), None);
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 3);
    assert_valid(&prepared).await;
}

#[tokio::test]
async fn a_sink_that_needs_digests_gets_a_layer_in_the_way_that_it_can() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    let target = Target::from(image.manifest().digest());
    let given = tar("new", &vec![7; 100_000]);
    let again = || NewLayer::from_bytes(given.clone());
    let once = || pieces(&given);
    let rows = [
        (again(), false, Some(LayerOutcome::Deferred)),
        (again(), true, Some(LayerOutcome::Scratch)),
        (once(), true, Some(LayerOutcome::Scratch)),
        (once(), false, None),
    ];
    for (layer, scratch, expected) in rows {
        let sink = Arc::new(Counting::default());
        let mut options = Options::default();
        if scratch {
            options = options.with_scratch(Memory::new());
        }
        let recipe = Recipe::new().append(layer, history());
        let result = prepare(store.0.clone(), sink.clone(), &target, &recipe, &options).await;
        let Some(expected) = expected else {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("added layer 1"), "{error}");
            continue;
        };
        let prepared = result.unwrap();
        assert_eq!(prepared.report().added()[0].outcome, expected);
        assert_valid(&prepared).await;
        let options = Selection::All.into();
        copy(
            Arc::new(prepared.clone()),
            sink.clone(),
            &prepared.target(),
            options,
        )
        .await
        .unwrap();
        sink.store
            .manifest_of(prepared.root().descriptor())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn one_stream_is_a_layer_of_all_images_of_an_index() {
    let image = |name: &str, architecture: &str, docker: bool| {
        let builder = Image::builder()
            .files(&[("name", name.as_bytes())])
            .platform(Platform::new("linux", architecture));
        if docker { builder.docker() } else { builder }.finish()
    };
    let index = Index::of(vec![image("a", "amd64", false), image("b", "arm64", true)]);
    let store = Store::with_index(&index).await;
    let recipe = Recipe::new().append(pieces(&tar("new", b"1")), history());
    let prepared = store.prepare(index.manifest(), &recipe).await.unwrap();
    let mut layers = Vec::new();
    for entry in prepared.root().manifests() {
        let child = crate::support::child(&prepared, entry).await;
        layers.push(child.layers().last().unwrap().clone());
    }
    assert_eq!(layers[0].digest(), layers[1].digest());
    assert_eq!(layers[0].media_type().as_str(), OCI_GZIP);
    assert_eq!(layers[1].media_type().as_str(), DOCKER_GZIP);
    assert_eq!(prepared.report().added().len(), 1);
}

#[tokio::test]
async fn content_that_is_no_layer_is_refused() {
    let image = Image::small("a");
    let docker = Image::builder().files(&[("a", b"1")]).docker().finish();
    let store = Store::with_image(&image).await;
    store.add_image(&docker).await;
    let whole = tar("name", b"content");
    let mut cut = encoded(&whole, Codec::Gzip);
    cut.truncate(cut.len() - 5);
    let failing = stream::iter([
        Ok(Bytes::from(whole[..100].to_vec())),
        Err(Error::new(ErrorKind::Storage, "the pipe broke")),
    ]);
    let rows: Vec<(NewLayer, ErrorKind, &str)> = vec![
        (
            NewLayer::from_bytes("no tar"),
            ErrorKind::Corrupt,
            "added layer 1",
        ),
        (
            NewLayer::from_bytes(whole[..700].to_vec()),
            ErrorKind::Corrupt,
            "added layer 1",
        ),
        (
            NewLayer::from_bytes(encoded(b"no tar", Codec::Gzip)),
            ErrorKind::Corrupt,
            "added layer 1",
        ),
        (NewLayer::from_bytes(cut), ErrorKind::Corrupt, "added layer 1"),
        (
            NewLayer::from_bytes("BZh91AY&SY"),
            ErrorKind::Unsupported,
            "bzip2",
        ),
        (
            NewLayer::from_bytes(&b"\xfd7zXZ\0\0\0\0\0"[..]),
            ErrorKind::Unsupported,
            "xz",
        ),
        (
            NewLayer::from_file("/nowhere/layer.tar"),
            ErrorKind::NotFound,
            "/nowhere/layer.tar",
        ),
        (NewLayer::from_file("/"), ErrorKind::Invalid, "the layer /"),
        (
            NewLayer::from_stream(failing.boxed()),
            ErrorKind::Storage,
            "the pipe broke",
        ),
    ];
    for (layer, kind, part) in rows {
        let recipe = Recipe::new().append(layer, history());
        let error = store.prepare(image.manifest(), &recipe).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{recipe:?}: {error}");
        assert!(error.to_string().contains(part), "{recipe:?}: {error}");
    }
    let zstd = NewLayer::from_bytes(encoded(&whole, Codec::Zstd));
    let recipe = Recipe::new().append(zstd, history());
    let error = store.prepare(docker.manifest(), &recipe).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("layer 2"), "{error}");
    let allowed = recipe.clone().allow_docker_zstd(true);
    assert_valid(&store.prepare(docker.manifest(), &allowed).await.unwrap()).await;
    let oci = recipe.format(Format::Oci);
    assert_valid(&store.prepare(docker.manifest(), &oci).await.unwrap()).await;

    let without_layer = Recipe::new().append(
        NewLayer::from_bytes(whole.clone()),
        History::default().without_layer(),
    );
    let error = store.prepare(image.manifest(), &without_layer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[tokio::test]
async fn a_layer_goes_with_its_history() {
    let image = Image::builder()
        .files(&[("a", b"1")])
        .files(&[("b", b"2")])
        .files(&[("c", b"3")])
        .finish();
    let store = Store::with_image(&image).await;
    let before = config_of(&store.prepare(image.manifest(), &Recipe::new()).await.unwrap()).await;
    for number in 1..=3 {
        let recipe = Recipe::new().remove(number);
        let prepared = store.prepare(image.manifest(), &recipe).await.unwrap();
        let without = |list: &Value| {
            let mut list = list.as_array().unwrap().clone();
            list.remove(number - 1);
            Value::Array(list)
        };
        let config = config_of(&prepared).await;
        assert_eq!(config["history"], without(&before["history"]), "{number}");
        assert_eq!(
            config["rootfs"]["diff_ids"],
            without(&before["rootfs"]["diff_ids"])
        );
        let mut layers = image.manifest().layers().to_vec();
        layers.remove(number - 1);
        assert_eq!(prepared.root().layers(), layers);
        assert_valid(&prepared).await;
    }
    // Steps follow each other: what was added is removed again.
    let recipe = Recipe::new()
        .append(NewLayer::from_bytes(tar("new", b"1")), history())
        .remove(4);
    let prepared = store.prepare(image.manifest(), &recipe).await.unwrap();
    assert_eq!(prepared.root().digest(), image.manifest().digest());
    let nothing = Recipe::new().remove(1).remove(1).remove(1);
    let prepared = store.prepare(image.manifest(), &nothing).await.unwrap();
    assert_eq!(prepared.root().layers(), []);
    for (number, kind) in [(0, ErrorKind::Invalid), (4, ErrorKind::NotFound)] {
        let recipe = Recipe::new().remove(number);
        let error = store.prepare(image.manifest(), &recipe).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(&format!("layer {number}")), "{error}");
    }
}

#[tokio::test]
async fn a_removed_layer_without_history_leaves_the_rest() {
    let image = Image::small("a");
    let store = Store::with_image(&image).await;
    let base = without_history(&store, &image).await;
    let prepared = store.prepare(&base, &Recipe::new().remove(1)).await.unwrap();
    assert_eq!(config_of(&prepared).await.get("history"), None);
    assert_eq!(prepared.root().layers(), &image.manifest().layers()[1..]);
    assert_eq!(
        prepared.root().layers()[0].media_type(),
        &MediaType::OCI_LAYER_GZIP
    );
}
