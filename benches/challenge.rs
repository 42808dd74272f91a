//! How fast a registry's demand for credentials is read.
#![expect(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
use wharf_auth::Challenge;

const LINES: [(&str, &str); 3] = [
    ("basic", r#"Basic realm="Registry Realm""#),
    (
        "bearer",
        r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#,
    ),
    (
        "several",
        r#"Negotiate, Basic realm="a \"quoted\" realm", Bearer realm="https://a.example/token", service="a.example", scope="repository:a/b:pull,push repository:c/d:pull", error="insufficient_scope""#,
    ),
];

fn challenge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("challenge");
    for (name, line) in LINES {
        let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_static(line))]);
        Challenge::strongest(&headers).expect("a challenge that can be met");
        group.bench_function(name, |bencher| {
            bencher.iter(|| Challenge::strongest(black_box(&headers)));
        });
    }
    group.finish();
}

criterion_group!(benches, challenge);
criterion_main!(benches);
