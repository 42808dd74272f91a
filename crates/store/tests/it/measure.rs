//! How long things take, printed: `cargo test --release -p wharf-store measure -- --ignored --nocapture`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wharf_content::{Blob, ByteStream, Hasher, MediaType, Sink as _, Source as _};
use wharf_reference::Algorithm;
use wharf_store::{Durability, Layout, Options};
use wharf_testkit::{Image, noise};

use crate::support::{Scratch, blob, layer, name, push};

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures"]
async fn ten_thousand_images() {
    let scratch = Scratch::new();
    let image = Image::small("x");
    push(&image, &scratch.store().await, "x").await;
    let digest = image.manifest().digest();
    let entry = |number: usize| {
        format!(
            r#"{{"mediaType":"{}","digest":"{digest}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"registry.example.com/team/application:{number}"}}}}"#,
            image.manifest().media_type(),
            image.manifest().bytes().len(),
        )
    };
    let entries: Vec<String> = (0..10_000).map(entry).collect();
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    println!("index.json: {} bytes", index.len());
    std::fs::write(scratch.path("store/index.json"), index).unwrap();
    let mut times = [const { Vec::new() }; 4];
    for round in 0..15 {
        let start = Instant::now();
        let store = Layout::open(scratch.path("store")).await.unwrap();
        times[0].push(start.elapsed());
        let start = Instant::now();
        let target = name(&format!("registry.example.com/team/application:{}", 9000 + round)).into();
        store.resolve(&target).await.unwrap();
        times[1].push(start.elapsed());
        let start = Instant::now();
        store
            .tag(&name(&format!("new:{round}")), image.manifest().descriptor())
            .await
            .unwrap();
        times[2].push(start.elapsed());
        let start = Instant::now();
        store.resolve(&target).await.unwrap();
        times[3].push(start.elapsed());
    }
    let names = ["open", "look-up", "tag", "look-up after tag"];
    for (name, times) in names.into_iter().zip(&mut times) {
        println!("{name}: {:?}, worst {:?}", median(times), times.last().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures"]
async fn hundred_small_layers() {
    for durability in [Durability::Durable, Durability::Fast] {
        let layers: Vec<_> = (0..100).map(|seed| layer(noise(seed, 20_000))).collect();
        let scratch = Scratch::new();
        let store = scratch
            .store_with(Options::default().with_durability(durability))
            .await;
        let start = Instant::now();
        let waiting = Arc::new(tokio::sync::Semaphore::new(8));
        let mut tasks = Vec::new();
        for content in &layers {
            let (store, blob) = (store.clone(), blob(content));
            let permit = Arc::clone(&waiting).acquire_owned().await.unwrap();
            tasks.push(tokio::spawn(async move {
                store.push_blob(blob).await.unwrap();
                drop(permit);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        push(&Image::small("x"), &store, "x").await;
        println!("{durability:?}: {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures"]
async fn one_large_layer() {
    const SIZE: u64 = 1 << 30;
    let piece = Bytes::from(noise(1, 1 << 20));
    let mut hasher = Hasher::new(Algorithm::Sha256).unwrap();
    let start = Instant::now();
    for _ in 0..SIZE >> 20 {
        hasher.update(&piece);
    }
    let digest = hasher.finish().unwrap();
    println!("hash alone: {:?}", start.elapsed());
    let descriptor = wharf_content::Descriptor::new(MediaType::OCTET_STREAM, digest, SIZE).unwrap();

    let scratch = Scratch::new();
    let start = Instant::now();
    let mut file = std::fs::File::create(scratch.path("plain")).unwrap();
    for _ in 0..SIZE >> 20 {
        std::io::Write::write_all(&mut file, &piece).unwrap();
    }
    let written = start.elapsed();
    file.sync_all().unwrap();
    println!("write alone: {written:?}, synced {:?}", start.elapsed());
    std::fs::remove_file(scratch.path("plain")).unwrap();

    for durability in [Durability::Durable, Durability::Fast] {
        let scratch = Scratch::new();
        let store = scratch
            .store_with(Options::default().with_durability(durability))
            .await;
        let chunks = (0..SIZE >> 14).map({
            let piece = piece.clone();
            move |number| {
                let at = usize::try_from((number << 14) & 0xf_ffff).unwrap();
                Ok(piece.slice(at..at + (1 << 14)))
            }
        });
        let stream: ByteStream = Box::pin(futures_util::stream::iter(chunks));
        let blob = Blob::once(descriptor.clone(), stream).unwrap();
        let start = Instant::now();
        let pushing = store.clone();
        tokio::spawn(async move { pushing.push_blob(blob).await })
            .await
            .unwrap()
            .unwrap();
        println!("push, {durability:?}: {:?}", start.elapsed());
        for _ in 0..2 {
            let start = Instant::now();
            let mut blob = store.session().blob(&descriptor).await.unwrap();
            while let Some(chunk) = blob.next().await {
                chunk.unwrap();
            }
            println!("read: {:?}", start.elapsed());
        }
        let again = Layout::open(scratch.path("store")).await.unwrap();
        let start = Instant::now();
        let mut blob = again.blob(&descriptor).await.unwrap();
        while let Some(chunk) = blob.next().await {
            chunk.unwrap();
        }
        println!("read and hash: {:?}", start.elapsed());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!(
        "{}",
        status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or_default()
    );
}
