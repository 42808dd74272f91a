//! Layers that are encoded anew: to each codec, in each way, and everything that can be wrong with them.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, Location, Manifest, MediaType, Name, Sink,
    Source, SourceExt as _, Target,
};
use wharf_copy::{Selection, copy};
use wharf_image::{
    Codec, Format, LayerOutcome, Layers, Level, Limits, Memo, MemoEntry, MemoKey, Options, Prepared, Recipe,
    prepare,
};
use wharf_layer::{Decoder, Encoder, Profile};
use wharf_reference::Algorithm;
use wharf_store::Memory;

use crate::support::{DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST, Store, document};

const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const OCI_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const OCI_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

/// A tar of one file, of some kilobytes that compress a little.
fn tar(seed: u64) -> Vec<u8> {
    let mut content = vec![0; 512]; // a member without a name is never looked at here
    content.extend(wharf_testkit::noise(seed, 200_000));
    content.extend(vec![b'x'; 2_000_000]);
    content.extend(vec![0; 1024]);
    content
}

fn encode(bytes: &[u8], codec: Codec) -> Vec<u8> {
    let level = match codec {
        Codec::Gzip => Level::new(codec, 1).unwrap(),
        _ => Level::default_of(codec),
    };
    let mut encoded = Vec::new();
    let mut encoder = Encoder::new(Profile::V1, level, 1);
    encoder.encode(bytes, &mut encoded).unwrap();
    encoder.finish(&mut encoded).unwrap();
    encoded
}

fn decode(bytes: &[u8], codec: Codec) -> Vec<u8> {
    let mut decoder = Decoder::new(codec, Limits::default());
    let (mut input, mut buffer, mut decoded) = (bytes, vec![0; 100_000], Vec::new());
    loop {
        let count = decoder.decode(&mut input, &mut buffer).unwrap();
        if count == 0 {
            break;
        }
        decoded.extend_from_slice(&buffer[..count]);
    }
    decoder.finish().unwrap();
    decoded
}

/// Adds an image of layers, each of a type, bytes and the `diff_id` that the config states.
async fn image(store: &Store, docker: bool, layers: &[(&str, Vec<u8>, String)]) -> Manifest {
    let mut list = Vec::new();
    for (media_type, bytes, _) in layers {
        list.push(store.blob(media_type, bytes.clone()).await);
    }
    image_of(
        store,
        docker,
        json!(list),
        layers.iter().map(|(_, _, diff_id)| diff_id.clone()).collect(),
    )
    .await
}

async fn image_of(store: &Store, docker: bool, layers: Value, diff_ids: Vec<String>) -> Manifest {
    let (manifest, config) = if docker {
        (DOCKER_MANIFEST, DOCKER_CONFIG)
    } else {
        (OCI_MANIFEST, OCI_CONFIG)
    };
    let document = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = store.blob(config, document.to_string()).await;
    store
        .manifest(&json!({ "schemaVersion": 2, "mediaType": manifest, "config": config, "layers": layers }))
        .await
}

fn layer(media_type: &'static str, seed: u64, codec: Codec) -> (&'static str, Vec<u8>, String) {
    let tar = tar(seed);
    (media_type, encode(&tar, codec), Hasher::sha256(&tar).to_string())
}

fn exactly(codec: Codec, force: bool) -> Layers {
    let level = Level::default_of(codec);
    Layers::Exactly { level, force }
}

#[tokio::test]
async fn each_recipe_gives_each_layer_its_codec_and_touches_no_other() {
    let store = Store::default();
    let layers = [
        layer(OCI_LAYER, 1, Codec::Plain),
        layer(OCI_GZIP, 2, Codec::Gzip),
        layer(OCI_ZSTD, 3, Codec::Zstd),
        (
            FOREIGN,
            b"never opened".to_vec(),
            Hasher::sha256(b"x").to_string(),
        ),
        (
            "application/vnd.in-toto+json",
            b"{}".to_vec(),
            Hasher::sha256(b"{}").to_string(),
        ),
    ];
    let image = image(&store, false, &layers).await;
    let rows = [
        (Layers::Keep, [OCI_LAYER, OCI_GZIP, OCI_ZSTD], [false; 3]),
        (
            Layers::Compressed,
            [OCI_GZIP, OCI_GZIP, OCI_ZSTD],
            [true, false, false],
        ),
        (Layers::Plain, [OCI_LAYER; 3], [false, true, true]),
        (exactly(Codec::Gzip, false), [OCI_GZIP; 3], [true, false, true]),
        (exactly(Codec::Gzip, true), [OCI_GZIP; 3], [true, true, true]),
        (exactly(Codec::Zstd, false), [OCI_ZSTD; 3], [true, true, false]),
        (exactly(Codec::Plain, false), [OCI_LAYER; 3], [false, true, true]),
    ];
    for (layers, types, touched) in rows {
        let prepared = store
            .prepare(&image, &Recipe::new().layers(layers))
            .await
            .unwrap();
        let new = prepared.root().layers();
        for (at, (new, old)) in new.iter().zip(image.layers()).enumerate() {
            let expected = types
                .get(at)
                .copied()
                .unwrap_or_else(|| old.media_type().as_str());
            assert_eq!(new.media_type().as_str(), expected, "{layers:?} {at}");
            let is_touched = touched.get(at).copied().unwrap_or_default();
            assert_eq!(new.digest() != old.digest(), is_touched, "{layers:?} {at}");
            if is_touched {
                let bytes = prepared.fetch(new, 1 << 24).await.unwrap();
                let codec = Codec::of_type(new.media_type()).unwrap();
                assert_eq!(
                    Hasher::sha256(&decode(&bytes, codec)),
                    Hasher::sha256(&tar(at as u64 + 1))
                );
            }
        }
        assert_eq!(prepared.root().config(), image.config());
        let changes = prepared.report().layers().len();
        assert_eq!(changes, touched.iter().filter(|touched| **touched).count());
        assert_eq!(prepared.report().is_changed(), changes > 0);
    }
}

#[tokio::test]
async fn new_layers_have_the_types_of_the_format() {
    let store = Store::default();
    let image = image(
        &store,
        true,
        &[layer(
            "application/vnd.docker.image.rootfs.diff.tar",
            1,
            Codec::Plain,
        )],
    )
    .await;
    let rows = [
        (
            None,
            Layers::Compressed,
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
        (Some(Format::Oci), Layers::Compressed, OCI_GZIP),
        (Some(Format::Oci), exactly(Codec::Zstd, false), OCI_ZSTD),
    ];
    for (format, layers, expected) in rows {
        let mut recipe = Recipe::new().layers(layers);
        recipe = format.into_iter().fold(recipe, Recipe::format);
        let prepared = store.prepare(&image, &recipe).await.unwrap();
        assert_eq!(prepared.root().layers()[0].media_type().as_str(), expected);
    }
    let zstd = Recipe::new().layers(exactly(Codec::Zstd, false));
    let error = store.prepare(&image, &zstd).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let prepared = store
        .prepare(&image, &zstd.allow_docker_zstd(true))
        .await
        .unwrap();
    assert_eq!(
        prepared.root().layers()[0].media_type().as_str(),
        "application/vnd.docker.image.rootfs.diff.tar.zstd"
    );
}

/// A store that counts, and that can be told to refuse blobs of unknown digest.
#[derive(Clone, Default)]
pub(crate) struct Counting {
    pub(crate) store: Arc<Memory>,
    takes_unknown: bool,
    read: Arc<AtomicUsize>,
    ingested: Arc<AtomicUsize>,
}

#[async_trait]
impl Source for Counting {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        self.store.resolve(target).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        self.store.manifest(target).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if Codec::of_type(descriptor.media_type()).is_some() {
            self.read.fetch_add(1, Ordering::Relaxed);
        }
        self.store.blob(descriptor).await
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

#[async_trait]
impl Sink for Counting {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        self.store.contains(descriptor).await
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        self.store.push_blob(blob).await
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        self.store.push_manifest(manifest, name).await
    }

    fn can_ingest(&self) -> bool {
        self.takes_unknown
    }

    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        self.ingested.fetch_add(1, Ordering::Relaxed);
        self.store.ingest(media_type, algorithm, bytes).await
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

async fn prepared(
    source: &Counting,
    sink: &Counting,
    image: &Manifest,
    recipe: &Recipe,
    options: &Options,
) -> Result<Prepared, Error> {
    let (source, sink) = (Arc::new(source.clone()), Arc::new(sink.clone()));
    prepare(source, sink, &image.digest().into(), recipe, options).await
}

async fn copied(prepared: Prepared, sink: &Counting) {
    let target = prepared.target();
    copy(
        Arc::new(prepared),
        Arc::new(sink.clone()),
        &target,
        Selection::All.into(),
    )
    .await
    .unwrap();
    let root = sink.store.manifest(&target).await.unwrap();
    for layer in root.layers() {
        sink.store.fetch(layer, 1 << 24).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_and_every_number_of_threads_gives_the_same_bytes() {
    let store = Store::default();
    let layers = [
        layer(OCI_LAYER, 1, Codec::Plain),
        layer(OCI_ZSTD, 2, Codec::Zstd),
        layer(OCI_LAYER, 3, Codec::Plain),
    ];
    let image = image(&store, false, &layers).await;
    let recipe = Recipe::new().layers(exactly(Codec::Gzip, false));
    let mut digests = Vec::new();
    for threads in [1, 2, 16] {
        for (takes_unknown, scratch, outcome, reads) in [
            (true, false, LayerOutcome::Ingested, 3),
            (false, true, LayerOutcome::Scratch, 3),
            (false, false, LayerOutcome::Deferred, 6),
        ] {
            let source = Counting {
                store: store.0.clone(),
                ..Counting::default()
            };
            let sink = Counting {
                takes_unknown,
                ..Counting::default()
            };
            let mut options = Options::default().with_threads(NonZeroUsize::new(threads).unwrap());
            if scratch {
                options = options.with_scratch(Memory::new());
            }
            let prepared = prepared(&source, &sink, &image, &recipe, &options).await.unwrap();
            let outcomes: Vec<_> = prepared
                .report()
                .layers()
                .iter()
                .map(|layer| layer.outcome)
                .collect();
            assert_eq!(outcomes, [outcome; 3]);
            assert_eq!(
                sink.ingested.load(Ordering::Relaxed),
                if takes_unknown { 3 } else { 0 }
            );
            digests.push(prepared.root().digest().clone());
            copied(prepared, &sink).await;
            assert_eq!(source.read.load(Ordering::Relaxed), reads, "{outcome:?}");
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[tokio::test]
async fn a_layer_that_was_encoded_before_is_not_read_again() {
    let store = Store::default();
    let image = image(&store, false, &[layer(OCI_LAYER, 1, Codec::Plain)]).await;
    let recipe = Recipe::new().layers(Layers::Compressed);
    let source = Counting {
        store: store.0.clone(),
        ..Counting::default()
    };
    let sink = Counting {
        takes_unknown: true,
        ..Counting::default()
    };
    let options = Options::default();
    let first = prepared(&source, &sink, &image, &recipe, &options).await.unwrap();
    copied(first.clone(), &sink).await;
    assert_eq!(source.read.load(Ordering::Relaxed), 1);

    let again = prepared(&source, &sink, &image, &recipe, &options).await.unwrap();
    assert_eq!(again.root(), first.root());
    assert_eq!(again.report().layers()[0].outcome, LayerOutcome::Present);
    copied(again, &sink).await;
    assert_eq!(source.read.load(Ordering::Relaxed), 1);

    // Another sink does not have it, and gets it when it is copied.
    let other = Counting {
        takes_unknown: true,
        ..Counting::default()
    };
    let again = prepared(&source, &other, &image, &recipe, &options)
        .await
        .unwrap();
    assert_eq!(again.report().layers()[0].outcome, LayerOutcome::Deferred);
    copied(again, &other).await;
    assert_eq!(source.read.load(Ordering::Relaxed), 2);
    // Another level is another result.
    let level = Level::new(Codec::Gzip, 1).unwrap();
    let fast = Recipe::new().layers(Layers::Exactly { level, force: false });
    let fast = prepared(&source, &sink, &image, &fast, &options).await.unwrap();
    assert_eq!(fast.report().layers()[0].outcome, LayerOutcome::Ingested);
}

/// A memo that lies.
struct Lies;

impl Memo for Lies {
    fn get(&self, _: &MemoKey) -> Option<MemoEntry> {
        Some(MemoEntry {
            digest: Hasher::sha256(b"another layer"),
            size: 13,
            diff_id: Hasher::sha256(&tar(1)),
        })
    }

    fn put(&self, _: &MemoKey, _: &MemoEntry) {}
}

#[tokio::test]
async fn a_memo_that_lies_ends_in_an_error_when_the_layer_is_read() {
    let store = Store::default();
    let image = image(&store, false, &[layer(OCI_LAYER, 1, Codec::Plain)]).await;
    let options = Options::default().with_memo(Lies);
    let recipe = Recipe::new().layers(Layers::Compressed);
    let prepared = store.prepare_with(&image, &recipe, &options).await.unwrap();
    let error = prepared
        .fetch(&prepared.root().layers()[0], 1 << 24)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
}

#[tokio::test]
async fn a_new_layer_can_be_read_from_any_offset() {
    let store = Store::default();
    let image = image(&store, false, &[layer(OCI_LAYER, 1, Codec::Plain)]).await;
    let options = Options::default();
    let sink = Arc::new(Counting::default());
    let recipe = Recipe::new().layers(Layers::Compressed);
    let target = image.digest().into();
    let prepared = prepare(store.0.clone(), sink, &target, &recipe, &options)
        .await
        .unwrap();
    let layer = &prepared.root().layers()[0];
    let whole = prepared.fetch(layer, 1 << 24).await.unwrap();
    let size = whole.len();
    for offset in [0, 1, 1000, size / 2, size - 1, size] {
        let blob = prepared.blob(layer).await.unwrap();
        let mut hasher = Hasher::new(Algorithm::Sha256).unwrap();
        hasher.update(&whole[..offset]);
        let rest = blob.resume(hasher).unwrap().read_to_end(1 << 24).await.unwrap();
        assert_eq!(rest, whole.slice(offset..), "{offset}");
    }
}

/// Layers that are not what they are said to be, with what the error says.
fn wrong_layers() -> Vec<(&'static str, Vec<u8>, String, ErrorKind, &'static str)> {
    let tar = tar(1);
    let diff_id = Hasher::sha256(&tar).to_string();
    let gzip = encode(&tar, Codec::Gzip);
    let zstd = encode(&tar, Codec::Zstd);
    let other = Hasher::sha256(b"another").to_string();
    let mut junk = gzip.clone();
    junk.extend(b"junk");
    vec![
        (OCI_GZIP, gzip.clone(), other, ErrorKind::Mismatch, "digest"),
        (
            OCI_GZIP,
            gzip[..gzip.len() / 2].to_vec(),
            diff_id.clone(),
            ErrorKind::Corrupt,
            "end",
        ),
        (OCI_GZIP, junk, diff_id.clone(), ErrorKind::Corrupt, ""),
        (OCI_GZIP, Vec::new(), diff_id.clone(), ErrorKind::Corrupt, "empty"),
        (
            OCI_GZIP,
            b"BZh91AY&SY".to_vec(),
            diff_id.clone(),
            ErrorKind::Unsupported,
            "bzip2",
        ),
        (
            OCI_ZSTD,
            zstd[..zstd.len() - 1].to_vec(),
            diff_id.clone(),
            ErrorKind::Corrupt,
            "",
        ),
        (OCI_ZSTD, gzip, diff_id, ErrorKind::Corrupt, "zstd"),
    ]
}

#[tokio::test]
async fn a_layer_that_is_not_what_it_is_said_to_be_is_named_and_leaves_nothing() {
    for (number, (media_type, bytes, diff_id, kind, part)) in wrong_layers().into_iter().enumerate() {
        for takes_unknown in [true, false] {
            let store = Store::default();
            let good = layer(OCI_LAYER, 7, Codec::Plain);
            let image = image(
                &store,
                false,
                &[good, (media_type, bytes.clone(), diff_id.clone())],
            )
            .await;
            let source = Counting {
                store: store.0.clone(),
                ..Counting::default()
            };
            let sink = Counting {
                takes_unknown,
                ..Counting::default()
            };
            let recipe = Recipe::new().layers(Layers::Plain);
            let options = Options::default();
            let error = prepared(&source, &sink, &image, &recipe, &options)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), kind, "{number}: {error}");
            let message = error.to_string();
            assert!(
                message.contains("layer 2") && message.contains(part),
                "{number}: {message}"
            );
            assert!(message.contains(image.digest().as_str()), "{message}");
            assert_eq!(sink.store.images().await.unwrap().len(), 0);
        }
    }
}

/// A source whose layers have a wrong byte at their end.
struct Flipped(Arc<Memory>);

#[async_trait]
impl Source for Flipped {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        self.0.resolve(target).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        self.0.manifest(target).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let mut bytes = self.0.fetch(descriptor, 1 << 24).await?.to_vec();
        if Codec::of_type(descriptor.media_type()).is_some() {
            *bytes.last_mut().unwrap() ^= 1;
        }
        Blob::from_bytes(descriptor.clone(), Bytes::from(bytes))
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

#[tokio::test]
async fn a_layer_with_a_wrong_digest_is_not_committed() {
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        let store = Store::default();
        let media_type = [OCI_LAYER, OCI_GZIP, OCI_ZSTD][codec as usize];
        let image = image(&store, false, &[layer(media_type, 1, codec)]).await;
        let to = if codec == Codec::Gzip {
            Codec::Zstd
        } else {
            Codec::Gzip
        };
        let recipe = Recipe::new().layers(exactly(to, false));
        let sink = Arc::new(Memory::new());
        let source = Arc::new(Flipped(store.0.clone()));
        let options = Options::default();
        let refused = prepare(source, sink.clone(), &image.digest().into(), &recipe, &options).await;
        let kind = refused.unwrap_err().kind();
        assert!(
            matches!(kind, ErrorKind::Mismatch | ErrorKind::Corrupt),
            "{codec}: {kind:?}"
        );
        let right = store.prepare(&image, &recipe).await.unwrap();
        assert!(
            !sink.contains(&right.root().layers()[0]).await.unwrap(),
            "{codec}"
        );
    }
}

#[tokio::test]
async fn type_and_first_bytes_must_agree_unless_the_bytes_are_trusted() {
    let types = [OCI_LAYER, OCI_GZIP, OCI_ZSTD];
    let codecs = [Codec::Plain, Codec::Gzip, Codec::Zstd];
    for (stated, media_type) in codecs.into_iter().zip(types) {
        for actual in codecs {
            let store = Store::default();
            let image = image(&store, false, &[layer(media_type, 1, actual)]).await;
            let to = if stated == Codec::Gzip {
                Codec::Zstd
            } else {
                Codec::Gzip
            };
            let recipe = Recipe::new().layers(exactly(to, false));
            let result = store.prepare(&image, &recipe).await;
            match result {
                Ok(_) => assert_eq!(stated, actual),
                Err(error) => {
                    assert_ne!(stated, actual);
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{stated} {actual}: {error}");
                }
            }
            let prepared = store.prepare(&image, &recipe.trust_magic(true)).await.unwrap();
            let new = &prepared.root().layers()[0];
            let bytes = prepared.fetch(new, 1 << 24).await.unwrap();
            assert_eq!(
                Hasher::sha256(&decode(&bytes, to)),
                Hasher::sha256(&tar(1)),
                "{stated} {actual}"
            );
        }
    }
}

#[tokio::test]
async fn bombs_are_refused_by_the_limit_that_they_break() {
    let zeros = vec![0; 8 << 20];
    let diff_id = Hasher::sha256(&zeros).to_string();
    let rows = [
        (
            OCI_GZIP,
            encode(&zeros, Codec::Gzip),
            Limits::default().with_output(1 << 20),
            "output",
        ),
        (OCI_ZSTD, encode(&zeros, Codec::Zstd), Limits::default(), "ratio"),
        (
            OCI_GZIP,
            encode(&zeros, Codec::Gzip),
            Limits::default().with_ratio(10),
            "ratio",
        ),
        (
            OCI_GZIP,
            [encode(b"", Codec::Gzip), encode(&zeros, Codec::Gzip)].concat(),
            Limits::default().with_members(1),
            "members",
        ),
    ];
    for (media_type, bytes, limits, field) in rows {
        let store = Store::default();
        let image = image(&store, false, &[(media_type, bytes, diff_id.clone())]).await;
        let recipe = Recipe::new().layers(Layers::Plain);
        let options = Options::default().with_limits(limits);
        let error = store.prepare_with(&image, &recipe, &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{field}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[tokio::test]
async fn annotations_that_point_into_old_bytes_go_and_others_stay() {
    let store = Store::default();
    let (_, bytes, diff_id) = layer(OCI_GZIP, 1, Codec::Gzip);
    let mut descriptor = store.blob(OCI_GZIP, bytes).await;
    let positions = [
        "io.github.containers.zstd-chunked.manifest-checksum",
        "io.github.containers.zstd-chunked.manifest-position",
        "io.github.containers.zstd-chunked.tarsplit-position",
        "io.containers.zstd-chunked.manifest-checksum",
        "io.containers.zstd-chunked.manifest-position",
        "io.containers.zstd-chunked.tarsplit-position",
        "containerd.io/snapshot/stargz/toc.digest",
        "io.containers.estargz.uncompressed-size",
    ];
    descriptor["annotations"] = json!({ "org.example": "stays" });
    for key in positions {
        descriptor["annotations"][key] = json!("1");
    }
    descriptor["urls"] = json!(["https://example.com/layer"]);
    descriptor["x-unknown"] = json!(1);
    let image = image_of(&store, false, json!([descriptor]), vec![diff_id]).await;
    let prepared = store
        .prepare(&image, &Recipe::new().layers(Layers::Plain))
        .await
        .unwrap();
    let new = &document(prepared.root())["layers"][0];
    assert_eq!(new["annotations"], json!({ "org.example": "stays" }));
    assert_eq!(new["x-unknown"], 1);
    assert_eq!(new.get("urls"), None);
    let change = &prepared.report().layers()[0];
    assert_eq!(change.kept, ["org.example"]);
    assert_eq!(change.dropped.len(), positions.len());
    let kept = store
        .prepare(&image, &Recipe::new().layers(Layers::Compressed))
        .await
        .unwrap();
    assert_eq!(kept.root(), &image);
}

#[tokio::test]
async fn artifacts_pass_unchanged_and_are_reported() {
    let store = Store::default();
    let config = store.blob("application/vnd.oci.empty.v1+json", "{}").await;
    let content = store.blob("application/spdx+json", "{}").await;
    let artifact = store
        .manifest(
            &json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/spdx+json",
            "config": config, "layers": [content] }),
        )
        .await;
    let attestation = image(
        &store,
        false,
        &[(
            "application/vnd.in-toto+json",
            b"{}".to_vec(),
            Hasher::sha256(b"{}").to_string(),
        )],
    )
    .await;
    for manifest in [artifact, attestation] {
        let prepared = store
            .prepare(&manifest, &Recipe::new().layers(exactly(Codec::Zstd, true)))
            .await
            .unwrap();
        assert_eq!(prepared.root(), &manifest);
        assert_eq!(prepared.report().passed(), [manifest.digest().clone()]);
        assert_eq!(prepared.report().layers().len(), 0);
    }
}

#[tokio::test]
async fn a_layer_that_two_images_have_is_encoded_once() {
    let store = Store::default();
    let shared = layer(OCI_LAYER, 1, Codec::Plain);
    let one = image(&store, false, std::slice::from_ref(&shared)).await;
    let two = image(
        &store,
        false,
        &[shared.clone(), layer(OCI_LAYER, 2, Codec::Plain)],
    )
    .await;
    let entry = |manifest: &Manifest, architecture: &str| {
        json!({ "mediaType": OCI_MANIFEST, "digest": manifest.digest(), "size": manifest.bytes().len(),
            "platform": { "os": "linux", "architecture": architecture } })
    };
    let index = json!({ "schemaVersion": 2, "mediaType": crate::support::OCI_INDEX,
        "manifests": [entry(&one, "amd64"), entry(&two, "arm64")] });
    let index = store.manifest(&index).await;
    let prepared = store
        .prepare(&index, &Recipe::new().layers(Layers::Compressed))
        .await
        .unwrap();
    assert_eq!(prepared.report().layers().len(), 2);
    // The same layer with another diff_id in one of them is an error that names it.
    let (media_type, bytes, _) = shared;
    let lying = image(
        &store,
        false,
        &[(media_type, bytes, Hasher::sha256(b"x").to_string())],
    )
    .await;
    let index = json!({ "schemaVersion": 2, "mediaType": crate::support::OCI_INDEX,
        "manifests": [entry(&one, "amd64"), entry(&lying, "arm64")] });
    let index = store.manifest(&index).await;
    let error = store
        .prepare(&index, &Recipe::new().layers(Layers::Compressed))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.to_string().contains("layer 1"), "{error}");
}

#[tokio::test]
async fn a_type_that_the_sink_refuses_is_refused_before_a_layer_is_read() {
    /// Refuses zstd.
    struct NoZstd(Memory);

    #[async_trait]
    impl Sink for NoZstd {
        async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
            self.0.contains(descriptor).await
        }

        async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
            self.0.push_blob(blob).await
        }

        async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
            self.0.push_manifest(manifest, name).await
        }

        fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
            if Codec::of_type(descriptor.media_type()) == Some(Codec::Zstd) {
                return Err(Error::new(ErrorKind::Unsupported, "no zstd here"));
            }
            Ok(())
        }

        fn location(&self) -> Location {
            Location::Memory
        }
    }

    let store = Store::default();
    let image = image(&store, false, &[layer(OCI_LAYER, 1, Codec::Plain)]).await;
    let source = Counting {
        store: store.0.clone(),
        ..Counting::default()
    };
    let recipe = Recipe::new().layers(exactly(Codec::Zstd, false));
    let options = Options::default();
    let sink = Arc::new(NoZstd(Memory::new()));
    let refused = prepare(
        Arc::new(source.clone()),
        sink,
        &image.digest().into(),
        &recipe,
        &options,
    )
    .await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(source.read.load(Ordering::Relaxed), 0);
}
