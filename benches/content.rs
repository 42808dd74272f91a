//! How fast content is hashed, by each backend, and how much the way through a `Blob` adds to that.
//!
//! wharf hashes with ring, which the TLS stack brings; sha2 is what a program without one gets.
#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::{hint::black_box, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::stream;
use sha2::Digest as _;
use wharf_content::{Blob, ByteStream, Descriptor, Error, Hasher, MediaType, OpenBlob};
use wharf_reference::Algorithm;

/// A manifest, a chunk off the network, a chunk off a disk.
const SIZES: [usize; 3] = [2 * 1024, 16 * 1024, 256 * 1024];

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    for size in SIZES {
        let bytes = vec![1_u8; size];
        group.throughput(Throughput::Bytes(size as u64));
        let id = |name: &str| BenchmarkId::new(name, size);
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut hasher = Hasher::new(algorithm).expect("a known algorithm");
            group.bench_function(id(&format!("wharf {algorithm}")), |bencher| {
                bencher.iter(|| hasher.update(black_box(&bytes)));
            });
        }
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        group.bench_function(id("ring sha256"), |bencher| {
            bencher.iter(|| context.update(black_box(&bytes)));
        });
        let mut hasher = sha2::Sha256::new();
        group.bench_function(id("sha2 sha256"), |bencher| {
            bencher.iter(|| hasher.update(black_box(&bytes)));
        });
    }
    group.finish();
}

/// Chunks as they would come from a connection.
struct Chunks {
    chunk: Bytes,
    count: usize,
}

#[async_trait]
impl OpenBlob for Chunks {
    async fn open(&self, _: u64) -> Result<ByteStream, Error> {
        let chunks: Vec<Result<Bytes, Error>> = (0..self.count).map(|_| Ok(self.chunk.clone())).collect();
        let stream: ByteStream = Pin::from(Box::new(stream::iter(chunks)));
        Ok(stream)
    }
}

fn blob(criterion: &mut Criterion) {
    const TOTAL: usize = 8 * 1024 * 1024;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("blob");
    group.throughput(Throughput::Bytes(TOTAL as u64)).sample_size(20);
    let whole = vec![1_u8; TOTAL];
    let descriptor = Descriptor::of(MediaType::OCI_LAYER, &whole);
    group.bench_function("hash alone", |bencher| {
        bencher.iter(|| Hasher::digest(Algorithm::Sha256, black_box(&whole)));
    });
    for size in SIZES {
        let chunks = Arc::new(Chunks {
            chunk: vec![1_u8; size].into(),
            count: TOTAL / size,
        });
        group.bench_function(BenchmarkId::new("verified in chunks", size), |bencher| {
            bencher.iter(|| {
                let mut blob = Blob::new(descriptor.clone(), chunks.clone()).expect("a known algorithm");
                runtime.block_on(async {
                    while let Some(chunk) = blob.next().await {
                        black_box(chunk.expect("the right bytes"));
                    }
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, hash, blob);
criterion_main!(benches);
