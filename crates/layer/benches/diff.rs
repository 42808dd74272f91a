//! How fast the changes of a tree of 100,000 files are found: nothing changed, a hundred files changed, the whole tree as a
//! layer, and the snapshot before. `WHARF_LAYER_FILES` sets another number of files.
#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::{env, fs, hint::black_box, io, path::Path};

use criterion::{Criterion, criterion_group, criterion_main};
use wharf_layer::{DiffOptions, Ownership, Root, Snapshot, diff};

/// Files in one directory.
const EACH: usize = 100;

fn fill(root: &Path, files: usize) {
    for directory in 0..files.div_ceil(EACH) {
        let path = root.join(format!("{}/{directory}", directory % 50));
        fs::create_dir_all(&path).expect("a directory");
        for file in 0..EACH {
            fs::write(
                path.join(format!("file{file}")),
                format!("{directory} {file}\n").repeat(20),
            )
            .expect("a file");
        }
    }
}

fn bench(criterion: &mut Criterion) {
    let files = env::var("WHARF_LAYER_FILES")
        .ok()
        .and_then(|text| text.parse().ok());
    let directory = tempfile::tempdir().expect("a directory");
    fill(directory.path(), files.unwrap_or(100_000));
    let root = Root::open(directory.path()).expect("a root");
    let options = DiffOptions::default().with_ownership(Ownership::Current);
    let mut group = criterion.benchmark_group("diff");
    group.sample_size(10);
    let write = |before: &Snapshot| diff(before, &root, &options, io::sink()).expect("a layer");
    group.bench_function("snapshot", |bencher| {
        bencher.iter(|| Snapshot::of(black_box(&root)).expect("a snapshot"));
    });
    let before = Snapshot::of(&root).expect("a snapshot");
    group.bench_function("nothing changed", |bencher| bencher.iter(|| write(&before)));
    for file in 0..EACH {
        fs::write(directory.path().join(format!("0/0/file{file}")), "changed").expect("a file");
    }
    assert_eq!(write(&before).members, 102, "two directories and a hundred files");
    group.bench_function("a hundred files changed", |bencher| {
        bencher.iter(|| write(&before));
    });
    group.bench_function("all as a layer", |bencher| {
        bencher.iter(|| write(&Snapshot::empty()));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
