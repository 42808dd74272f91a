//! How fast layers are encoded, by level and threads, and decoded with both digests, on one thread.
//!
//! `WHARF_LAYER_TAR` names a tar to use; without it, a layer of this machine's own files is.
#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::{env, fs, hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wharf_content::Hasher;
use wharf_layer::{Codec, Decoder, Encoder, Level, Limits, Profile};
use wharf_testkit::RealImage;

/// Bytes that are given or taken at a time.
const PIECE: usize = 256 * 1024;

fn content() -> Vec<u8> {
    if let Some(path) = env::var_os("WHARF_LAYER_TAR") {
        return fs::read(path).expect("WHARF_LAYER_TAR names a file");
    }
    let image = RealImage::of_layers("codecs", &[20_000_000]);
    let layer = image.manifest().layers().first().expect("a layer");
    let layer = fs::read(image.blob_path(layer.digest())).expect("a layer on disk");
    let mut decoder = Decoder::new(Codec::Gzip, Limits::default());
    let (mut input, mut buffer) = (layer.as_slice(), vec![0; PIECE]);
    let mut content = Vec::new();
    loop {
        match decoder.decode(&mut input, &mut buffer).expect("a whole layer") {
            0 => return content,
            count => content.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
    }
}

fn encode(level: Level, threads: usize, content: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new(Profile::V1, level, threads).with_digest(true);
    let mut out = Vec::new();
    for piece in content.chunks(PIECE) {
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
        .measurement_time(Duration::from_secs(10));
    let levels = [
        (Codec::Gzip, 1, [1].as_slice()),
        (Codec::Gzip, 6, &[1, 2, 4]),
        (Codec::Gzip, 9, &[1]),
        (Codec::Zstd, 3, &[1]),
        (Codec::Zstd, 9, &[1]),
    ];
    for (codec, number, threads) in levels {
        if codec == Codec::Zstd && cfg!(not(feature = "zstd")) {
            continue;
        }
        let level = Level::new(codec, number).expect("a level of the codec");
        for threads in threads {
            group.bench_function(format!("encode {level}, threads: {threads}"), |bencher| {
                bencher.iter(|| encode(level, *threads, black_box(&content)));
            });
        }
        let layer = encode(level, 2, &content);
        let digest = Hasher::sha256(&layer);
        let diff_id = Hasher::sha256(&content);
        let mut buffer = vec![0; PIECE];
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
