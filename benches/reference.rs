//! How fast names are parsed, beside oci-spec's parser on the same names in the same run.
//!
//! One iteration parses one name; the names take turns, so that no branch is learnt by heart.

use std::{hint::black_box, str::FromStr as _};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wharf_reference::{Reference, Written};

/// What people and clusters write, about as often as they do.
const NAMES: [&str; 12] = [
    "alpine",
    "alpine:3.20",
    "nginx:1.27-alpine",
    "library/postgres:16",
    "grafana/grafana:11.2.0",
    "quay.io/prometheus/node-exporter:v1.8.2",
    "ghcr.io/cloudnative-pg/cloudnative-pg:1.24.0",
    "registry.k8s.io/kube-apiserver:v1.31.0",
    "gcr.io/distroless/static-debian12:nonroot",
    "localhost:5000/team/service/backend:2024-09-01",
    "123456789012.dkr.ecr.eu-central-1.amazonaws.com/app:main",
    "docker.io/library/busybox@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7",
];

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    let mut names = NAMES.iter().cycle();
    let mut next = move || *names.next().unwrap_or(&"alpine");
    group.bench_function("wharf", |bencher| {
        bencher.iter(|| Reference::parse(black_box(next())));
    });
    group.bench_function("wharf as written", |bencher| {
        bencher.iter(|| Written::parse(black_box(next())));
    });
    group.bench_function("oci-spec", |bencher| {
        bencher.iter(|| oci_spec::distribution::Reference::from_str(black_box(next())));
    });
    group.finish();

    let mut group = criterion.benchmark_group("each");
    group.throughput(Throughput::Elements(1));
    for name in NAMES {
        group.bench_function(name, |bencher| bencher.iter(|| Reference::parse(black_box(name))));
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
