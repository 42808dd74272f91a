//! How fast layers are encoded, and decoded with both digests, on one thread.
//!
//! `WHARF_LAYER_TAR` names a tar to use; without it, words of a small vocabulary are.
#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::{env, fs, hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wharf_content::Hasher;
use wharf_layer::{Codec, Decoder, Encoder, Level, Limits, Profile};

fn content() -> Vec<u8> {
    if let Some(path) = env::var_os("WHARF_LAYER_TAR") {
        return fs::read(path).expect("WHARF_LAYER_TAR names a file");
    }
    let mut random = wharf_testkit::Random::new(1);
    let words: Vec<String> = (0..4000)
        .map(|_| format!("{:x}", random.of_any_size(1 << 40)))
        .collect();
    let mut text = String::new();
    while text.len() < 32 << 20 {
        text.push_str(&random.pick(&words));
        text.push(' ');
    }
    text.into_bytes()
}

fn encode(level: Level, threads: usize, content: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Profile::V1, level, threads).with_digest(true);
    let mut out = Vec::new();
    for piece in content.chunks(256 * 1024) {
        encoder.encode(piece, &mut out).expect("a codec of this build");
    }
    encoder.finish(&mut out).expect("a codec of this build");
    out
}

fn codecs(criterion: &mut Criterion) {
    let content = content();
    let mut group = criterion.benchmark_group("layer");
    group
        .throughput(Throughput::Bytes(content.len() as u64))
        .sample_size(10)
        .measurement_time(Duration::from_secs(20));
    for (codec, number) in [(Codec::Gzip, 1), (Codec::Gzip, 6), (Codec::Zstd, 3)] {
        if codec == Codec::Zstd && cfg!(not(feature = "zstd")) {
            continue;
        }
        let level = Level::new(codec, number).expect("a level of the codec");
        group.bench_function(format!("encode {level}"), |bencher| {
            bencher.iter(|| encode(level, 1, black_box(&content)));
        });
        let layer = encode(level, 2, &content);
        let digest = Hasher::sha256(&layer);
        let diff_id = Hasher::sha256(&content);
        let mut buffer = vec![0; 256 * 1024];
        group.bench_function(format!("decode {level} with both digests"), |bencher| {
            bencher.iter(|| {
                let mut decoder = Decoder::new(codec, Limits::default())
                    .with_digest(digest.clone())
                    .and_then(|decoder| decoder.with_diff_id(diff_id.clone()))
                    .expect("sha256");
                let mut input = layer.as_slice();
                while decoder.decode(&mut input, &mut buffer).expect("a whole layer") > 0 {}
                decoder.finish().expect("both digests are right")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, codecs);
criterion_main!(benches);
