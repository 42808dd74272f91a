//! How fast the store takes content in, durably, and gives it out, how it stands ten thousand images, and what a name
//! costs among many.
//!
//! Everything is written below the temporary directory: `TMPDIR` chooses the disk that is measured.
#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::{fs, hint::black_box, path::Path, time::Duration};

use bytes::Bytes;
use criterion::{
    BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tokio::runtime::Runtime;
use wharf_content::{
    Blob, Descriptor, ImageBuilder, Manifest, MediaType, Name, Sink as _, Source as _, Target,
};
use wharf_store::{Collect, Layout};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .build()
        .expect("a runtime")
}

/// Another blob at each call.
fn fresh(size: usize) -> impl FnMut() -> Blob {
    let (mut bytes, mut count) = (vec![1_u8; size], 0_u64);
    move || {
        count += 1;
        bytes.splice(..8, count.to_le_bytes());
        Blob::of(MediaType::OCI_LAYER, Bytes::copy_from_slice(&bytes))
    }
}

fn commit(criterion: &mut Criterion) {
    let runtime = runtime();
    let directory = tempfile::tempdir().expect("a temporary folder");
    let layout = runtime
        .block_on(Layout::create(directory.path().join("store")))
        .expect("a store");
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20);
    for size in [2 * 1024, 100 * 1024, 16 * 1024 * 1024] {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(
                fresh(size),
                |blob| {
                    runtime
                        .block_on(layout.push_blob(blob))
                        .expect("a blob is stored");
                },
                BatchSize::PerIteration,
            );
        });
    }
    // As a pull of many small layers commits them.
    let (count, size) = (100, 20 * 1024);
    group.throughput(Throughput::Bytes(count * size as u64));
    let mut blob = fresh(size);
    group.bench_function("a hundred of 20480, eight at once", |bencher| {
        bencher.iter_batched(
            || (0..count).map(|_| blob()).collect::<Vec<_>>(),
            |blobs| {
                let pushes = stream::iter(blobs).map(|blob| layout.push_blob(blob));
                runtime
                    .block_on(pushes.buffer_unordered(8).try_collect::<()>())
                    .expect("blobs are stored");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let runtime = runtime();
    let directory = tempfile::tempdir().expect("a temporary folder");
    let place = directory.path().join("store");
    let layout = runtime.block_on(Layout::create(&place)).expect("a store");
    let blob = fresh(16 * 1024 * 1024)();
    let descriptor = blob.descriptor().clone();
    runtime
        .block_on(layout.push_blob(blob))
        .expect("a blob is stored");
    let drain = async |layout: &Layout| {
        let mut blob = layout.blob(&descriptor).await.expect("a blob");
        while let Some(chunk) = blob.next().await {
            black_box(chunk.expect("a good chunk"));
        }
    };
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(descriptor.size()));
    group.bench_function("hashed before", |bencher| {
        bencher.iter(|| runtime.block_on(drain(&layout)));
    });
    group.bench_function("by another process", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                drain(&Layout::open(&place).await.expect("a store")).await;
            });
        });
    });
    group.finish();
}

const IMAGES: usize = 10_000;
/// With the config.
const BLOBS_OF_EACH: usize = 10;

/// A layout as other tools would have left it: written plainly, since to sync each file would take an hour.
fn write_large(directory: &Path) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("a folder");
    let store = |media_type: MediaType, bytes: &[u8]| {
        let descriptor = Descriptor::of(media_type, bytes);
        fs::write(blobs.join(descriptor.digest().encoded()), bytes).expect("a blob on disk");
        descriptor
    };
    let mut entries = Vec::new();
    for image in 0..IMAGES {
        let config = json!({ "architecture": "amd64", "os": "linux", "image": image }).to_string();
        store(MediaType::OCI_CONFIG, config.as_bytes());
        let builder = ImageBuilder::new().with_config_bytes(MediaType::OCI_CONFIG, config);
        let builder = (1..BLOBS_OF_EACH).fold(builder, |builder, layer| {
            let layer = format!("layer {layer} of {image}");
            builder.with_layer(store(MediaType::OCI_LAYER, layer.as_bytes()))
        });
        let built = builder.build().expect("an image");
        let manifest = store(MediaType::OCI_MANIFEST, built.root().bytes());
        entries.push(manifest.with_annotation("org.opencontainers.image.ref.name", name(image)));
    }
    let index = json!({ "schemaVersion": 2, "manifests": entries });
    fs::write(directory.join("index.json"), index.to_string()).expect("index.json");
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("oci-layout");
}

fn name(image: usize) -> String {
    format!("registry.example/team/service{image}:v1")
}

fn large(criterion: &mut Criterion) {
    let runtime = runtime();
    let directory = tempfile::tempdir().expect("a temporary folder");
    write_large(directory.path());
    let mut group = criterion.benchmark_group("10,000 images");
    group.sample_size(10);
    let open = || runtime.block_on(Layout::open(directory.path())).expect("a store");
    group.bench_function("open", |bencher| bencher.iter(open));

    let mut numbers = (0..IMAGES).cycle();
    let mut next = move || Name::parse(&name(numbers.next().unwrap_or_default())).expect("a name");
    let layout = open();
    group.bench_function("look up", |bencher| {
        bencher.iter_batched(
            &mut next,
            |name| {
                runtime
                    .block_on(layout.resolve(&Target::Name(name)))
                    .expect("an image")
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("open and look up", |bencher| {
        bencher.iter_batched(
            &mut next,
            |name| {
                runtime
                    .block_on(open().resolve(&Target::Name(name)))
                    .expect("an image")
            },
            BatchSize::SmallInput,
        );
    });
    let mut any = || {
        runtime
            .block_on(layout.resolve(&Target::Name(next())))
            .expect("an image")
    };
    let images = [any(), any()];
    let mut count = 0;
    group.bench_function("tag", |bencher| {
        bencher.iter(|| {
            count += 1;
            // The name moves each time, so that there is something to write.
            let name = Name::parse("moving").expect("a name");
            let [even, odd] = &images;
            let image = if count % 2 == 0 { even } else { odd };
            runtime
                .block_on(layout.tag(&name, black_box(image)))
                .expect("a tag");
        });
    });
    // What a store has handed out stays as long as the store is open: another one collects.
    drop(layout);
    let layout = open();
    // Each time, four hundred images have lost their names: 4,400 blobs and manifests are to be found and removed.
    group.sampling_mode(SamplingMode::Flat);
    let mut left = IMAGES;
    group.bench_function("collect", |bencher| {
        bencher.iter_batched(
            || {
                if left == 0 {
                    write_large(directory.path());
                    left = IMAGES;
                }
                left -= 400;
                keep_first(directory.path(), left);
            },
            |()| {
                let now = Collect::default().with_foreign_grace(Duration::ZERO);
                let collected = runtime.block_on(layout.collect(&now)).expect("a collection");
                assert!(
                    !collected.blobs.is_empty(),
                    "nothing was removed and {} kept",
                    collected.kept
                );
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Takes all but so many images out of index.json, as another tool would.
fn keep_first(directory: &Path, images: usize) {
    let path = directory.join("index.json");
    let mut index: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("index.json")).expect("index.json is JSON");
    if let Some(entries) = index
        .get_mut("manifests")
        .and_then(serde_json::Value::as_array_mut)
    {
        entries.truncate(images);
    }
    fs::write(path, index.to_string()).expect("index.json");
}

/// What one more name costs beside so many others, to a process that opens the store for it.
fn names(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("names");
    group.sample_size(10);
    for count in [0, 20_000, 100_000] {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let place = directory.path().join("store");
        let layout = runtime.block_on(Layout::create(&place)).expect("a store");
        let bytes = br#"{"schemaVersion":2,"manifests":[]}"#.as_slice();
        let manifest = Manifest::parse(bytes.into(), None).expect("an index");
        let pushed = layout.push_manifest(&manifest, None);
        runtime.block_on(pushed).expect("a manifest is stored");
        let entries: Vec<Descriptor> = (0..count)
            .map(|image| {
                let of_its_own = Descriptor::of(MediaType::OCI_MANIFEST, &usize::to_le_bytes(image));
                of_its_own.with_annotation("org.opencontainers.image.ref.name", name(image))
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "manifests": entries });
        fs::write(place.join("index.json"), index.to_string()).expect("index.json");
        let mut number = 0;
        group.bench_function(BenchmarkId::new("open and tag", count), |bencher| {
            bencher.iter(|| {
                number += 1;
                let name = Name::parse(&format!("new:{number}")).expect("a name");
                runtime.block_on(async {
                    let layout = Layout::open(&place).await.expect("a store");
                    let tagged = layout.tag(&name, black_box(manifest.descriptor()));
                    tagged.await.expect("a tag");
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, commit, read, large, names);
criterion_main!(benches);
